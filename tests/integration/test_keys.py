"""Rotation of the master key: what is sealed is sealed anew under another master, while everybody goes on, and then the
old master can go. Which master wraps what is read from outside (store_reader)."""

import collections
import os
import re
import secrets

from broker_process import wait_until
from store_reader import redis, redis_socket, stored

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


def test_only_an_operator_asks_for_it(broker, company):
    assert broker.http("GET", "/v1/keys/rewrap").status == 401
    for role in ("member", "admin", "router"):
        assert rewrap(broker, "POST", broker.token("x", company.id if role != "router" else "*", role)).status == 403
    assert rewrap(broker, "PUT").status == 405
    answer = rewrap(broker, "POST")
    assert answer.status == 202 and answer.json["running"] and not answer.json["done"]
    assert wait_rewrapped(broker)["old"] == 0
