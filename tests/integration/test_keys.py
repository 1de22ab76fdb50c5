"""Rotation of the master key: what is sealed is sealed anew under another master, while everybody goes on, and then the
old master can go. Which master wraps what is read from outside (store_reader)."""

import asyncio
import collections
import json
import os
import re
import resource
import secrets
import stat
import subprocess
import time

import pytest

from broker_process import environment, wait_until
from conftest import person
from store_reader import redis, stored

QUICK = dict(store_timeout_ms=300, verify_ms=200)  # so that passes need not be far apart


def masters(broker):
    return [line.split()[1] for line in (broker.data / "keys").read_text().splitlines() if line.startswith("master ")]


def wrapped_by(broker):
    """How many records each master wraps."""
    found = collections.Counter()
    names = redis(broker, "KEYS", "ledig:*:records").decode().split()
    script = """local heads = {}
        for _, stored in ipairs(redis.call('HVALS', KEYS[1])) do
            local sealed = string.match(stored, '^%d+r(.*)$')
            if sealed then heads[#heads + 1] = string.sub(sealed, 3, 2 + string.byte(sealed, 2)) end
        end
        return heads"""
    for name in names:
        found.update(redis(broker, "EVAL", script, 1, name).decode().split())
    return found


def add_master(broker):
    """As somebody does it by hand, and as --keys-command's owner would: the new one stands first."""
    path = broker.data / "keys"
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("master "))
    identity = secrets.token_hex(8)
    lines.insert(at, f"master {identity} {secrets.token_hex(32)}\n")
    draft = broker.data / "keys.draft"
    draft.touch(mode=0o600)
    draft.write_text("".join(lines))
    os.rename(draft, path)
    return identity


def rewrap(broker, method="GET", token=None):
    return broker.http(method, "/v1/keys/rewrap", token=token or broker.token("op", "*", "operator"))


def wait_rewrapped(broker):
    return wait_until(lambda: (report := rewrap(broker).json)["done"] and report, "everything is wrapped anew")


async def test_a_new_master_wraps_everything_anew_and_nobody_notices(start_broker, make_company):
    broker = start_broker(workers=2, **QUICK)
    company = make_company(broker=broker)
    other = make_company(broker=broker, users=("per", "anne"))
    [old] = masters(broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="før")
    await ola.sees("kari", note="før")
    await ola.until(lambda: not ola.members["nina"]["presence"], "the device that set the company up is forgotten")
    assert set(wrapped_by(broker)) == {old}
    heard = len(ola.frames)
    new = add_master(broker)
    report = wait_rewrapped(broker)
    assert report["masters"] == [new, old] and report["unreadable"] == report["failed"] == 0
    assert report["rewritten"] >= report["records"] - 2 and set(wrapped_by(broker)) == {new}
    assert len(ola.frames) == heard, f"nothing has changed, and nobody is told: {ola.frames[heard:]}"
    await kari.set("busy", note="etter")
    await ola.sees("kari", note="etter")
    assert set(wrapped_by(broker)) == {new}
    broker.stop()
    path = broker.data / "keys"
    path.write_text(re.sub(rf"master {old} .*\n", "", path.read_text()))
    broker.start()
    assert company.route("kari")["action"] == "busy" and other.route("per")["user"] == "per"
    assert stored(broker, company.id, "state", "kari")["n"] == "etter"


def test_who_is_taken_out_meanwhile_does_not_come_back(start_broker, make_company):
    """Many are, in all moments of it. With them their numbers are free, and those who stay can all be read."""
    broker = start_broker(store_timeout_ms=300, verify_ms=200, keys_days=0)
    company = make_company(broker=broker, rows=[person(f"u{i}") for i in range(600)], consent=False)
    add_master(broker)
    gone, boss = [f"u{i}" for i in range(0, 600, 8)], broker.token("boss", company.id, "admin")
    for user in gone:
        assert broker.http("DELETE", f"/v1/companies/{company.id}/users/{user}", token=boss).status == 204
    wait_rewrapped(broker)
    new, _ = masters(broker)
    assert set(wrapped_by(broker)) == {new}
    assert not any(stored(broker, company.id, "profile", user) for user in gone)
    for user in company.users[1:8] + company.users[-7:]:
        assert stored(broker, company.id, "profile", user)["id"] == user
    assert wrapped_by(broker)[new] >= 600 - len(gone)


def test_only_an_operator_asks_for_it(broker, company):
    assert broker.http("GET", "/v1/keys/rewrap").status == 401
    for role in ("member", "admin", "router"):
        assert rewrap(broker, "POST", broker.token("x", company.id if role != "router" else "*", role)).status == 403
    assert rewrap(broker, "PUT").status == 405
    answer = rewrap(broker, "POST")
    assert answer.status == 202 and answer.json["running"] and not answer.json["done"]
    assert wait_rewrapped(broker)["old"] == 0


# ---- ledig keys rotate ----

def ledig(broker, *words, code=0, **more):
    done = broker.ledig(*words, "--data", broker.data, timeout=120, **more)
    assert done.returncode == code, f"ledig {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def rotate(broker, *words):
    """The steps that it told, each once."""
    steps = [json.loads(line) for line in ledig(broker, "keys", "rotate", "--json", *words).stdout.splitlines()]
    assert [step["step"] for step in steps if step["step"] != "rewrapping"] == ["begun", "rewrapped", "backed_up", "done"]
    return next(step["file"] for step in steps if step["step"] == "backed_up")


def status(broker):
    return json.loads(ledig(broker, "keys", "status", "--json").stdout)


def files_of_keys(broker):
    return sorted(path.name for path in broker.data.glob("keys*"))


async def test_a_rotation_under_load_loses_nothing_and_takes_the_erased_out_of_old_backups(start_broker, make_company, tmp_path):
    """Nina is erased before the rotation: no backup that is older shows her with the keys that are left; the living are
    restored from the new one."""
    broker = start_broker(workers=2, **QUICK)
    company = make_company(broker=broker)
    old_keys = broker.data / "keys"
    with_nina = json.loads(ledig(broker, "backup", tmp_path / "old", "--json").stdout)["file"]
    assert broker.http("DELETE", f"/v1/companies/{company.id}/users/nina", token=broker.token("boss", company.id, "admin")).status == 204
    without = json.loads(ledig(broker, "backup", tmp_path / "old", "--json").stdout)["file"]
    [old], before = masters(broker), old_keys.stat().st_ino
    kari, ola = await company.app("kari"), await company.app("ola")
    going, last = True, -1

    async def change():
        nonlocal last
        while going:
            await kari.set("busy", note=f"nr. {last + 1}")
            last += 1

    load = asyncio.ensure_future(change())
    new_backup = await asyncio.to_thread(rotate, broker, "--backups", tmp_path / "new")
    going = False
    await load
    assert last > 0
    await ola.sees("kari", note=f"nr. {last}")
    assert not ola.closed and not kari.closed
    [new] = masters(broker)
    assert new != old and set(wrapped_by(broker)) == {new} and stat.S_IMODE(old_keys.stat().st_mode) == 0o600
    assert files_of_keys(broker) == ["keys", "keys.lock"] and old_keys.stat().st_ino != before
    assert status(broker)["masters"] == [new] and status(broker)["old"] == 0
    for file in (with_nina, without):
        assert "cannot be opened with these keys" in ledig(broker, "backup", "verify", file, code=1).stderr
    await asyncio.to_thread(broker.stop)
    for file in (with_nina, without):
        assert "cannot be opened with these keys" in ledig(broker, "restore", file, code=1).stderr
    ledig(broker, "restore", new_backup)
    await asyncio.to_thread(broker.start)
    again = await company.app("ola")
    assert set(again.profiles) == {"kari", "ola"}
    assert re.fullmatch(r"nr\. \d+", again.members["kari"]["note"])


def kill_at(broker, call, when, *words):
    """Runs `ledig keys rotate`, and ends it as it enters this call for that time."""
    done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}",
                           broker.build / "ledig", "keys", "rotate", "--data", broker.data, *words],
                          capture_output=True, text=True, timeout=60, env=environment(ASAN_OPTIONS="detect_leaks=0"))
    assert done.returncode in (-9, 137), f"{call} {when}: {done.returncode} {done.stdout}{done.stderr}"


def test_a_rotation_that_is_killed_between_any_two_steps_goes_on(start_broker, make_company):
    """Each time the broker serves on, and everything can be opened with what stands in the file. What a try left behind is
    cleared away by the next, which counts among its calls."""
    broker = start_broker(store_timeout_ms=50, verify_ms=100, keys_days=0)
    company = make_company(broker=broker)
    [old] = masters(broker)
    points = [("fsync", 1, 1, "the draft is written"), ("link", 1, 1, "the draft stands"), ("rename", 1, 1, "the former file has two names"),
              ("fsync", 3, 2, "the new master is in place"), ("unlink", 1, 2, "the former file is written over"),
              ("fsync", 2, 2, "the copy is written"), ("unlink", 1, 2, "the copy is made"), ("rename", 1, 2, "it is verified"),
              ("link", 1, 2, "it is kept"), ("rename", 2, 2, "the former file has two names again"),
              ("fsync", 5, 1, "the old master is out of the file")]
    for call, when, count, what in points:
        kill_at(broker, call, when)
        assert len(masters(broker)) == count and (masters(broker)[-1] == old) == (what != points[-1][3]), what
        assert company.route("kari")["action"] == "ring" and stored(broker, company.id, "profile", "kari")["id"] == "kari", what
    assert "keys.former" in files_of_keys(broker), "what is left of the old master"
    [new] = masters(broker)
    assert '"done"' in ledig(broker, "keys", "rotate", "--json").stdout
    assert masters(broker) == [new] != [old] and files_of_keys(broker) == ["keys", "keys.lock"], "that was all that was left to do"
    assert set(wrapped_by(broker)) == {new}
    broker.stop()
    broker.start()
    assert company.route("kari")["action"] == "ring"


def test_without_a_backup_the_old_key_is_not_destroyed(start_broker, make_company, tmp_path):
    broker = start_broker(keys_days=0, **QUICK)
    company = make_company(broker=broker)
    before = masters(broker)
    (tmp_path / "file").touch()
    assert "cannot write in" in ledig(broker, "keys", "rotate", "--backups", tmp_path / "file", code=1).stderr
    assert masters(broker) == before, "seen before anything is begun"
    full = subprocess.run([broker.build / "ledig", "keys", "rotate", "--data", broker.data, "--backups", tmp_path / "full"],
                          capture_output=True, text=True, env=environment(), timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)))
    assert full.returncode == 1 and "cannot write the backup" in full.stderr, full.stderr
    assert masters(broker)[1:] == before and list((tmp_path / "full").iterdir()) == []
    broker.stop()
    assert "no broker with a Redis of its own runs" in ledig(broker, "keys", "rotate", code=4).stderr
    broker.start()
    rotate(broker)
    assert len(masters(broker)) == 1 and masters(broker) != before and company.route("kari")["action"] == "ring"


def test_two_rotations_at_once_are_one(start_broker, make_company):
    broker = start_broker(keys_days=0, **QUICK)
    make_company(broker=broker)
    first = subprocess.Popen([broker.build / "ledig", "keys", "rotate", "--data", broker.data], stdout=subprocess.PIPE,
                             env=environment(), text=True)
    wait_until(lambda: len(masters(broker)) == 2, "the first has begun")
    assert "another rotation" in ledig(broker, "keys", "rotate", code=1).stderr
    assert first.wait(60) == 0 and "destroyed" in first.communicate()[0]
    assert len(masters(broker)) == 1


def test_the_keys_of_a_command_are_its_owners_to_rotate(start_broker, make_company, tmp_path):
    """Who owns the command adds a master, starts the broker anew, and hears when the old one can go."""
    broker = start_broker(**QUICK)
    company = make_company(broker=broker)
    broker.stop()
    broker.options["keys_command"] = f"cat {broker.data / 'keys'}"
    add_master(broker)
    broker.start()
    assert "only its owner can rotate" in ledig(broker, "keys", "rotate", code=2).stderr
    wait_rewrapped(broker)
    new, old = masters(broker)
    assert set(wrapped_by(broker)) == {new} and company.route("kari")["action"] == "ring"


def test_by_itself_it_is_done_when_the_time_has_come(start_broker, make_company):
    broker = start_broker(keys_look_ms=200, **QUICK)
    company = make_company(broker=broker)
    before = masters(broker)
    long_ago = time.time() - 31 * 86400
    os.utime(broker.data / "keys", (long_ago, long_ago))
    wait_until(lambda: len(masters(broker)) == 1 and masters(broker) != before, "another master alone")
    wait_until(lambda: "event=keys_rotated" in broker.log(), "that is said")
    assert len(list((broker.data / "backups").iterdir())) == 1
    assert set(wrapped_by(broker)) == set(masters(broker)) and company.route("kari")["action"] == "ring"
    assert broker.log().count("event=keys_rotation ") == 1, "and not again"


def test_what_was_cut_short_is_gone_on_with_by_itself(start_broker, make_company):
    broker = start_broker(keys_look_ms=200, **QUICK)
    make_company(broker=broker)
    new = add_master(broker)
    wait_until(lambda: masters(broker) == [new], "the old one is gone")
    wait_until(lambda: "event=keys_rotated" in broker.log(), "that is said")
    assert set(wrapped_by(broker)) == {new}


@pytest.mark.parametrize("words", [["keys"], ["keys", "rotat"], ["backup"], ["restore"], ["keys", "status", "--keys", "a", "--keys-command", "b"]])
def test_what_makes_no_sense_is_refused(broker, words):
    assert "Try: ledig" in ledig(broker, *words, code=2).stderr
