"""Backups: made while everybody goes on, verified by opening all of it, put in place while the broker is stopped."""

import asyncio
import json
import os
import re
import resource
import shutil
import stat
import subprocess

import pytest

from broker_process import ROOT, environment, processes_with
from store_reader import redis


def ledig(broker, *words, code=0):
    done = broker.ledig(*words, "--data", broker.data, timeout=120)
    assert done.returncode == code, f"ledig {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def back_up(broker, to):
    facts = json.loads(ledig(broker, "backup", to, "--json").stdout)
    return facts["file"], facts


def restore(broker, file):
    broker.stop()
    facts = json.loads(ledig(broker, "restore", file, "--json").stdout)
    broker.start()
    return facts


async def stop_and_restore(broker, file):
    return await asyncio.to_thread(restore, broker, file)


async def test_a_backup_made_under_load_gives_back_what_was_there(start_broker, make_company, tmp_path):
    """The company is adopted under a new epoch: an app that had more than the backup keeps nothing of it."""
    broker = start_broker(workers=2)
    company, other = make_company(broker=broker), make_company(broker=broker, users=("per",))
    kari, ola = await company.app("kari"), await company.app("ola", device="ola-1")
    await kari.set("busy", note="før kopien")
    await ola.sees("kari", note="før kopien")
    changing = True

    async def change():
        count = 0
        per = await other.app("per")
        while changing:
            await per.set("busy", note=f"nr. {count}")
            count += 1
        return count

    load = asyncio.ensure_future(change())
    file, facts = await asyncio.to_thread(back_up, broker, tmp_path / "copies")
    changing = False
    assert await load > 0, "nobody waited for it"
    assert re.fullmatch(r"ledig-\d{8}-\d{6}\.rdb", file.rpartition("/")[2]) and facts["companies"] == 2 and facts["old"] == 0
    assert stat.S_IMODE((tmp_path / "copies").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "copies").iterdir()] == [0o600], "one file, mine"
    assert not (broker.data / "redis/dump.rdb").exists(), "nothing is left behind"
    await kari.set("busy", note="etter kopien")
    await ola.sees("kari", note="etter kopien")
    epoch = ola.place["epoch"] if isinstance(ola.place, dict) else None
    kept = ola.members
    told = await stop_and_restore(broker, file)
    assert told["companies"] == 2 and told["records"] == facts["records"]
    assert (broker.data / told["aside"].rpartition("/")[2] / "appendonlydir").is_dir(), "what was there is kept"
    again = await company.app("ola", device="ola-1")
    assert kept["kari"]["note"] == "etter kopien"
    await again.sees("kari", note="før kopien")
    assert epoch is None or again.place["epoch"] != epoch
    await (await company.app("kari")).set("busy", note="videre")
    await again.sees("kari", note="videre")
    assert other.route("per")["user"] == "per"
    broker.stop()
    broker.start()
    await (await company.app("ola")).sees("kari", note="videre")


def test_the_lineage_is_taken_out_so_that_every_company_is_adopted_anew(start_broker, make_company, tmp_path):
    broker = start_broker()
    company = make_company(broker=broker)
    head = f"ledig:{{{company.id}}}:head"
    epoch, version = redis(broker, "HGET", head, "epoch"), int(redis(broker, "HGET", head, "version"))
    file, _ = back_up(broker, tmp_path)
    restore(broker, file)
    assert company.route("kari")["action"] == "ring"
    assert redis(broker, "HGET", head, "epoch") != epoch and int(redis(broker, "HGET", head, "version")) > version
    assert redis(broker, "HGET", head, "lineage")


def test_nothing_is_restored_over_a_running_broker(start_broker, make_company, tmp_path):
    broker = start_broker()
    company = make_company(broker=broker)
    file, _ = back_up(broker, tmp_path)
    assert "stop it first" in ledig(broker, "restore", file, code=1).stderr
    assert company.route("kari")["action"] == "ring"
    assert not (broker.data / "redis.new").exists()


@pytest.mark.parametrize("fault", ["other keys", "no keys"])
def test_without_the_right_keys_nothing_is_restored(start_broker, make_company, tmp_path, fault):
    broker, foreign = start_broker(), start_broker()
    company = make_company(broker=broker)
    file, _ = back_up(broker, tmp_path)
    broker.stop()
    shutil.move(broker.data / "keys", tmp_path / "keys")
    if fault == "other keys":
        shutil.copy(foreign.data / "keys", broker.data / "keys")
    for words in (["backup", "verify", file], ["restore", file]):
        refused = ledig(broker, *words, code=1).stderr
        assert "cannot be opened" in refused if fault == "other keys" else "Without the keys nobody can read" in refused
    assert not list(broker.data.glob("redis.*"))
    shutil.move(tmp_path / "keys", broker.data / "keys")
    broker.start()
    assert company.route("kari")["action"] == "ring"


def test_what_is_no_backup_or_a_damaged_one_is_found_out(start_broker, make_company, tmp_path):
    broker = start_broker()
    make_company(broker=broker)
    file, facts = back_up(broker, tmp_path / "copies")
    whole = open(file, "rb").read()
    assert json.loads(ledig(broker, "backup", "verify", file, "--json").stdout)["records"] == facts["records"]
    cases = {"text": b"not a backup", "empty": b"", "short": whole[:-20], "flipped": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        assert "no backup that this Redis can read" in ledig(broker, "backup", "verify", tmp_path / name, code=1).stderr, name
    assert "No such file" in ledig(broker, "backup", "verify", tmp_path / "none", code=1).stderr
    assert not processes_with("ledig-snapshot"), "no server is left behind"


def test_a_target_that_is_full_keeps_no_half_backup(start_broker, make_company, tmp_path):
    """A file that may not grow to the size of the copy, as on a full disk: nothing stands there afterwards, and what is
    being served goes on."""
    broker = start_broker()
    company = make_company(broker=broker)
    least = 512  # bytes; the copy is larger
    done = subprocess.run([broker.build / "ledig", "backup", tmp_path / "full", "--data", broker.data], capture_output=True,
                          text=True, env=environment(), timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (least, least)))
    assert done.returncode == 1 and "cannot write the backup" in done.stderr and "too large" in done.stderr, done.stderr
    assert list((tmp_path / "full").iterdir()) == [] and not (broker.data / "redis/dump.rdb").exists()
    assert company.route("kari")["action"] == "ring"
    back_up(broker, tmp_path / "full")


def test_a_target_that_cannot_be_written_is_refused(start_broker, tmp_path):
    broker = start_broker()
    (tmp_path / "file").touch()
    assert "cannot write in" in ledig(broker, "backup", tmp_path / "file", code=1).stderr
    assert "cannot make" in ledig(broker, "backup", tmp_path / "none" / "none", code=1).stderr


def test_a_broker_that_does_not_run_is_not_backed_up(start_broker, tmp_path):
    broker = start_broker()
    broker.stop()
    assert "no broker with a Redis of its own" in ledig(broker, "backup", tmp_path / "copies", code=4).stderr


def test_a_restore_that_is_cut_short_leaves_the_one_or_the_other(start_broker, make_company, tmp_path):
    """Killed at every call by which it changes the directory; another try then goes through."""
    broker = start_broker()
    company = make_company(broker=broker)
    file, _ = back_up(broker, tmp_path)
    broker.stop()
    for call in ("renameat2", "rename", "mkdir", "unlink", "fsync"):
        trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when=1"]
        done = subprocess.run([*trace, broker.build / "ledig", "restore", file, "--data", broker.data], capture_output=True,
                              text=True, env=environment(ASAN_OPTIONS="detect_leaks=0"), timeout=60)
        assert done.returncode in (-9, 137), f"{call}: it was not killed\n{done.stderr}"
        broker.start()
        assert company.route("kari")["action"] == "ring", call
        broker.stop()
    ledig(broker, "restore", file)
    broker.start()
    assert company.route("kari")["action"] == "ring"


def test_what_the_guide_says_can_be_done(start_broker, make_company, tmp_path):
    """The command lines of the operating guide, as they stand there but for the directories, in their order."""
    guide = (ROOT / "docs" / "operating.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", guide[guide.index("## The keys"):], re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    assert sum(line.startswith("ledig ") for line in lines) == 5, lines
    broker = start_broker(store_timeout_ms=200)
    company = make_company(broker=broker)
    environ = environment(PATH=f"{broker.build}:{os.environ['PATH']}")
    for line in lines:
        if line == "systemctl stop ledigd":
            broker.stop()
        elif line == "systemctl start ledigd":
            broker.start()
        else:
            if " restore " in line or " verify " in line:  # there are two by now, and the older cannot be read any more
                [*_, newest] = sorted((tmp_path / "backup").iterdir())
                line = re.sub(r"/backup/ledig/\S+", str(newest), line)
            else:
                line = line.replace("/backup/ledig", str(tmp_path / "backup"))
            line = line.replace("/var/lib/ledig", str(broker.data))
            done = subprocess.run(["sh", "-c", line], env=environ, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert broker.process and company.route("kari")["action"] == "ring"
