"""What lies on the disk and in the memory of Redis says nothing of people: everything is looked for, and nothing found."""

import os
import re
import shutil
import subprocess

import pytest

from broker_process import number
from conftest import person
from store_reader import Keys, redis, stored
from test_calls import Switch

SECRETS = dict(name="Ragnhild Hemmeligsen", note="hos tannlegen til to", activity="tannlege", department="Lønnsavdelingen")


def memory_of(pid):
    """All memory of a process that can be written to: what it holds, wherever."""
    found = bytearray()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, flags = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if not flags.startswith("rw"):
                continue
            try:
                memory.seek(int(begin, 16))
                found += memory.read(int(end, 16) - int(begin, 16))
            except (OSError, ValueError, OverflowError):
                continue  # a page of the kernel's
    return bytes(found)


def files_of(broker):
    folder = broker.data / "redis"
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_nothing_of_a_person_can_be_read_in_what_redis_has(start_broker, make_company):
    broker = start_broker()
    ragnhild = person("ragnhild.h", SECRETS["name"], department=SECRETS["department"], queues="support")
    company = make_company(broker=broker, rows=[ragnhild, person("ola")])
    app, ola = await company.app("ragnhild.h", device="ragnhilds-telefon"), await company.app("ola")
    await app.set("busy", note=SECRETS["note"], activity=SECRETS["activity"])
    await app.ok("queue", queue="support", member=True)
    await ola.sees("ragnhild.h", note=SECRETS["note"])
    peer, call = number(), "anrop-fra-tannlegen"
    Switch(company).report(call, 1, user="ragnhild.h", state="active", peer=peer, queue="support")
    await ola.sees("ragnhild.h", availability="busy")
    secrets = [*SECRETS.values(), "ragnhild.h", "ragnhilds-telefon", company.numbers["ragnhild.h"],
               company.numbers["ragnhild.h"].lstrip("+"), peer, peer.lstrip("+"), call]
    assert stored(broker, company.id, "profile", "ragnhild.h")["n"] == SECRETS["name"], "it is there, and can be opened"
    assert stored(broker, company.id, "state", "ragnhild.h")["n"] == SECRETS["note"]
    redis(broker, "SAVE")
    places = files_of(broker) | {"memory": memory_of(broker.redis_pid())}
    assert any(name.endswith(".aof") for name in places) and "dump.rdb" in places and len(places["memory"]) > 1_000_000
    assert Keys(broker).name("state", "ragnhild.h").encode() in places["memory"], "the right memory is looked at"
    for name, content in places.items():
        for secret in secrets:
            assert secret.encode() not in content, f"{secret} stands in {name}"


def test_a_record_put_in_anothers_place_is_nobodys(start_broker, make_company):
    """Who can write to Redis cannot give one person the profile of another."""
    broker = start_broker()
    company, keys = make_company(broker=broker), Keys(broker)
    records = f"ledig:{{{company.id}}}:records"
    script = "redis.call('HSET', KEYS[1], ARGV[2], redis.call('HGET', KEYS[1], ARGV[1]))"
    redis(broker, "EVAL", script, 1, records, keys.name("profile", "kari"), keys.name("profile", "ola"))
    with pytest.raises(Exception, match="(?i)decrypt|auth|mac"):
        stored(broker, company.id, "profile", "ola")
    broker.kill_worker("router")
    assert company.route("kari")["action"] == "ring"
    answer = broker.http("GET", "/v1/route?to=" + company.numbers["ola"].replace("+", "%2B"),
                         token=broker.token("router", company.id, "router"))
    assert answer.status == 503 or answer.json.get("user") != "kari"


def test_without_the_keys_nothing_starts(start_broker, make_company):
    broker = start_broker()
    make_company(broker=broker, consent=False)
    broker.stop()
    os.rename(broker.data / "keys", broker.folder / "keys")
    refused = broker.build / "ledigd"
    done = broker.ledig("token", "--data", broker.data, "--company", "x", "--user", "x")
    assert done.returncode == 0
    ended = subprocess.run([refused, "--data", broker.data, "--listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0",
                            "--ops-listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0 and "keys is missing" in ended.stderr and "start anew" in ended.stderr
    assert not (broker.data / "keys").exists(), "no other keys are put in the place of those that are missing"
    shutil.move(broker.folder / "keys", broker.data / "keys")
    broker.start()


def test_keys_that_others_may_read_are_not_taken(start_broker):
    broker = start_broker()
    broker.stop()
    os.chmod(broker.data / "keys", 0o644)
    with pytest.raises(AssertionError, match="chmod 600"):
        broker.start()
    os.chmod(broker.data / "keys", 0o600)
    broker.start()


def test_keys_can_come_from_a_command(start_broker, make_company, tmp_path):
    broker = start_broker()
    company = make_company(broker=broker)
    broker.stop()
    elsewhere = tmp_path / "keys"
    shutil.move(broker.data / "keys", elsewhere)
    broker.options["keys_command"] = f"cat {elsewhere}"
    broker.start()
    assert company.route("kari")["action"] == "ring"
    assert not (broker.data / "keys").exists()
