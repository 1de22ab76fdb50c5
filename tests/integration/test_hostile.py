"""A hostile or merely unlucky client against the running broker: each test stands for a fault that once was there."""

import asyncio
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

import broker_process
from broker_process import number, wait_until
from conftest import person
from ledig_client import App, RawSocket, encode
from store_reader import Keys, redis_socket, stored


def in_thread(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def redis(broker, *words):
    """One command to the broker's own Redis; what it answered, without decoration."""
    done = subprocess.run(["redis-cli", "-s", redis_socket(broker), *map(str, words)], capture_output=True, timeout=20)
    return done.stdout.decode(errors="replace").strip()


def worker_of(broker, app):
    """Id of the process that holds the other end of the connection."""
    server, client = (app.socket.transport.get_extra_info(name)[1] for name in ("peername", "sockname"))
    inode = None
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == server and int(fields[2].rpartition(":")[2], 16) == client:
            inode = f"socket:[{fields[9]}]"
    for worker in broker.processes()["workers"]:
        for fd in pathlib.Path(f"/proc/{worker['pid']}/fd").iterdir():
            try:
                if os.readlink(fd) == inode:
                    return worker["pid"]
            except FileNotFoundError:
                pass
    return None


async def connect_to(broker, pid=None, other_than=None):
    """A connection that a certain worker has taken, or another than a certain one; no hello yet."""
    for _ in range(200):
        app = await App.connect(broker.url)
        taken = worker_of(broker, app)
        if (pid and taken == pid) or (other_than and taken and taken != other_than):
            return app
        app.cut()
    raise AssertionError("the other worker takes no connection")


@pytest.mark.slow(100)
async def test_a_resume_that_meets_a_busy_load_is_answered(start_broker, make_company):
    """An app that resumes from a place of another epoch waits twice: for the load, and for what is newer. Commits that
    are told of during the load must not make the second wait be forgotten."""
    broker = start_broker(workers=2, idle_ms=100, grace_ms=100, log_level="warning", limit_user_messages="off")
    rows = [person(f"p{i}") for i in range(1500)]
    company = make_company(broker=broker, rows=rows, consent=("p0", "p1"))
    setter = await company.app("p0", follow=["p0"], device="setter")
    stop = False

    async def keep_setting():
        i = 0
        while not stop:
            i += 1
            await asyncio.gather(*(setter.set("busy", note=f"{i}.{j}") for j in range(4)))

    task = asyncio.ensure_future(keep_setting())
    home = worker_of(broker, setter)
    try:
        for attempt in range(25):
            app = await connect_to(broker, other_than=home)
            await app.hello(company.token("p1"), device=f"d{attempt}", follow=["p1"],
                            resume=dict(epoch="of-another-life", version=1, now=1))
            await app.close()
            await asyncio.sleep(0.9)  # until it is unloaded there: no condition tells from outside
    finally:
        stop = True
        await task


PUT_BACK = """
redis.call('FLUSHALL')
for i = 1, #KEYS do
    redis.call('RESTORE', KEYS[i], 0, ARGV[i])
    if string.match(KEYS[i], ':head$') then redis.call('HDEL', KEYS[i], 'lineage') end
end
return 'OK'
"""


async def rewind(broker, dump):
    """Puts the store back to what it held before, as a restore does: with no lineage in the heads."""
    words = [b"EVAL", PUT_BACK.encode(), str(len(dump)).encode(), *dump.keys(), *dump.values()]
    assert await in_thread(raw_redis, broker, words) == b"$2\r\nOK\r\n"


def raw_redis(broker, words):
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(10)
    line.connect(str(redis_socket(broker)))
    line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    data = b""
    def whole():
        if not data.endswith(b"\r\n"):
            return False
        if data[:1] == b"$":
            head, _, rest = data.partition(b"\r\n")
            return int(head[1:]) < 0 or len(rest) == int(head[1:]) + 2
        return True
    while not whole():
        more = line.recv(1 << 20)
        assert more
        data += more
    line.close()
    return data


def dump_of(broker):
    keys = [k for k in redis(broker, "KEYS", "*").splitlines() if "{" in k or "number" in k]
    dump = {}
    for key in keys:
        data = raw_redis(broker, [b"DUMP", key.encode()])
        dump[key.encode()] = data.partition(b"\r\n")[2][:-2]
    return dump


async def test_a_store_put_back_does_not_turn_a_device_away(start_broker, make_company):
    """After a restore an earlier connection of the same installation stands in the store again. It is older, so it has
    not replaced the one that is here: close code 4409 would make the app stop for good."""
    broker = start_broker(grace_ms=100, verify_ms=100)
    company = make_company(broker=broker)
    first = await company.app("kari", device="phone")
    await first.sees("kari", presence="active")
    dump = await in_thread(dump_of, broker)
    assert any(b"records" in key for key in dump), dump.keys()
    first.cut()
    ola = await company.app("ola")
    await ola.sees("kari", presence=None)
    kari = await company.app("kari", device="phone")
    await ola.sees("kari", presence="active")
    assert kari.welcome["session"] != first.welcome["session"]
    await rewind(broker, dump)
    await in_thread(time.sleep, 3)  # nothing must happen; there is no condition for that
    assert not kari.closed, f"turned away with {kari.close_code}: {kari.errors}"
    await ola.sees("kari", presence="active")


async def test_a_phone_that_goes_and_comes_back_between_workers_stays(start_broker, make_company):
    """From one worker to another and back while Redis hangs: the newest connection is the one that stays."""
    broker = start_broker(workers=2, grace_ms=20000, verify_ms=200, store_timeout_ms=1000)
    company = make_company(broker=broker)
    ola = await App.connect(broker.url)
    await ola.hello(company.token("ola"))
    here = worker_of(broker, ola)
    there = await connect_to(broker, other_than=here)
    await there.hello(company.token("nina"))  # loaded on both

    first = await connect_to(broker, pid=here)
    await first.hello(company.token("kari"), device="phone")
    await ola.sees("kari", presence="active")
    redis_pid = broker.redis_pid()
    os.kill(redis_pid, signal.SIGSTOP)
    try:
        first.cut()
        second = await connect_to(broker, other_than=here)
        await second.hello(company.token("kari"), device="phone")
        second.cut()
        third = await connect_to(broker, pid=here)
        await third.hello(company.token("kari"), device="phone")
        await in_thread(time.sleep, 1.5)
    finally:
        os.kill(redis_pid, signal.SIGCONT)
    await in_thread(broker.wait_ready)
    await in_thread(time.sleep, 3)
    assert not third.closed, f"turned away with {third.close_code}: {third.errors}"
    await third.set("busy", note="er her")
    await ola.sees("kari", note="er her", presence="active")


async def test_a_background_app_that_asks_often_hears_of_changes_too(start_broker, make_company):
    broker = start_broker(background_ms=1000, ping_ms=20000)
    company = make_company(broker=broker)
    kari = await company.app("kari", state="background")
    ola = await company.app("ola")
    await ola.set("busy", note="hei")
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        await kari.ask(users=["ola"])
        if kari.members["ola"]["note"] == "hei":
            return
        await asyncio.sleep(0.2)
    raise AssertionError("no `changes` in six times background_ms")


async def test_who_left_while_redis_was_away_for_long_is_no_ghost(start_broker, make_company):
    """The company may be unloaded meanwhile, but not before the store knows who has left."""
    broker = start_broker(workers=2, idle_ms=400, grace_ms=200, verify_ms=200, store_timeout_ms=500)
    company = make_company(broker=broker)
    ola = await company.app("ola")
    kari = await connect_to(broker, other_than=worker_of(broker, ola))
    await kari.hello(company.token("kari"), device="phone")
    await ola.sees("kari", presence="active")
    redis_pid = broker.redis_pid()
    os.kill(redis_pid, signal.SIGSTOP)
    try:
        kari.cut()
        await in_thread(time.sleep, 6)  # many times grace and idle_ms
    finally:
        os.kill(redis_pid, signal.SIGCONT)
    await ola.sees("kari", presence=None)


def test_a_worker_starts_again_with_the_configuration_of_its_supervisor(start_broker, tmp_path, monkeypatch):
    """A file that is edited (wrongly, or half-way) must not keep the workers of a running broker from coming back."""
    config = tmp_path / "ledigd.conf"
    config.write_text("verify-ms = 500\n")
    environment = broker_process.environment
    monkeypatch.setattr(broker_process, "environment", lambda **more: environment(LEDIG_CONFIG=str(config), **more))
    broker = start_broker()
    config.write_text("verify_ms = no number\n")
    broker.kill_worker()


def colliding_ids(count, bits):
    """Ids that FNV-1a (32 bits, no secret) sends to one and the same place: its low bits depend on low bits only."""
    letters, prime, mask = b"abcdefghijklmnopqrstuvwxyz0123456789._-", 16777619, (1 << bits) - 1
    inverse, by_state, ids = pow(prime, -1, 1 << bits), {}, []
    for prefix in itertools.product(letters, repeat=3):
        state = 2166136261 & mask
        for letter in prefix:
            state = ((state ^ letter) * prime) & mask
        by_state.setdefault(state, []).append(prefix)
    for suffix in itertools.product(letters, repeat=2):
        state = 7
        for letter in reversed(suffix):
            state = ((state * inverse) & mask) ^ letter
        ids += [bytes(prefix + suffix).decode() for prefix in by_state.get(state, [])]
    return ids[:count]


async def test_ids_chosen_to_collide_do_not_hold_up_the_others(start_broker, make_company):
    """5,000 ids in one `follow` that would all fall on one place of a hash table without a secret."""
    broker = start_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    chosen = colliding_ids(5000, 14)
    assert len(set(chosen)) == 5000

    async def time_of(ids):
        begin = time.monotonic()
        for _ in range(3):
            await kari.ok("follow", users=ids)
        return time.monotonic() - begin

    harmless = max(0.01, min([await time_of([f"{i:05}" for i in range(5000)]) for _ in range(3)]))
    assert min([await time_of(chosen) for _ in range(2)]) < 12 * harmless


async def test_what_is_said_in_one_breath_with_hello_is_answered(start_broker, make_company):
    """All in one segment, while the company is being loaded: nothing that was read ahead may get stuck."""
    broker = start_broker(workers=2, idle_ms=100, grace_ms=50)
    company = make_company(broker=broker, consent=("kari",))
    for attempt in range(12):
        line = RawSocket(broker.url)
        breath = line.frame(encode(dict(t="hello", token=company.token("kari"), device=dict(id=f"d{attempt}", kind="web"))))
        for identity in range(1, 6):
            breath += line.frame(encode(dict(t="ask", id=identity, users=["kari"])))
        line.socket.sendall(breath)

        def listen():
            open_, seen = set(range(1, 6)), []
            while open_:
                message = line.message()
                assert message, (attempt, seen)
                seen.append(message["t"])
                open_.discard(message.get("id"))
                if message["t"] == "error" and message["code"] == "rate_limited" and not message.get("id"):
                    raise AssertionError(message)
            return seen
        await in_thread(listen)
        line.close()
        await in_thread(time.sleep, 0.5)


REMOVE = """
local version = string.format('%.0f', tonumber(redis.call('HGET', KEYS[3], 'version')) + 1)
local gone = 0
for _, entity in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.find(entity, ARGV[1], 1, true) then
        redis.call('HDEL', KEYS[1], entity)
        redis.call('ZREM', KEYS[2], entity)
        gone = gone + 1
    end
end
redis.call('HSET', KEYS[3], 'version', version, 'pruned', version)
return gone
"""


async def test_who_was_removed_unheard_is_sent_away(start_broker, make_company):
    """Removed while the doorbell was not heard: the worker finds out by comparing, and the session must not live on."""
    broker = start_broker(verify_ms=100)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    keys = [f"ledig:{{{company.id}}}:{name}".encode() for name in ("records", "changed", "head")]
    answer = await in_thread(raw_redis, broker, [b"EVAL", REMOVE.encode(), b"3", *keys, Keys(broker).hash("kari").encode()])
    assert answer == b":2\r\n", answer
    await ola.until(lambda: "kari" not in ola.profiles, "kari is gone")
    assert await kari.until_closed(timeout=8) == 4403


async def test_a_withdrawal_outlives_a_restore(start_broker, make_company):
    """The store goes back to the time before: nobody is shown what was withdrawn, and it does not stay in the store for
    a worker that loads the company anew."""
    broker = start_broker(verify_ms=100, grace_ms=100)
    company = make_company(broker=broker)
    ola, kari = await company.app("ola"), await company.app("kari")
    await kari.set("busy", note="hemmelig")
    await ola.sees("kari", note="hemmelig")
    dump = await in_thread(dump_of, broker)
    await kari.ok("consent", purpose="presence", granted=False, text="v1")
    await ola.sees("kari", availability="unknown")
    await kari.until(lambda: kari.me["consents"][0][1] is False, "the withdrawal was heard of")
    mark = ola.mark()
    await rewind(broker, dump)
    await in_thread(wait_until, lambda: "withdrawal_kept" in broker.log(), "the store's other history was met")

    def is_gone():
        return stored(broker, company.id, "state", "kari") is None
    await in_thread(wait_until, is_gone, "the state is out of the store", 6)
    assert not [row for row in ola.rows_since(mark, "kari") if row["note"]]
    await in_thread(broker.kill_worker)
    again = await company.app("ola")
    assert again.members.get("kari", {}).get("availability") in (None, "unknown"), again.members["kari"]


async def test_a_removal_outlives_a_restore(start_broker, make_company):
    """The store goes back to the time before: who was removed is not shown again, and goes out of the store once more,
    and so does a queue with all that were in it."""
    broker = start_broker(verify_ms=100, grace_ms=100)
    company = make_company(broker=broker)
    ola, path, token = await company.app("ola"), f"/v1/companies/{company.id}", company.token("boss", "admin")
    assert "kari" in ola.profiles
    await ola.ok("queue", queue="support", member=True)
    number_entry, of_queue = f"ledig:number:{Keys(broker).hash(company.numbers['kari'])}", number()
    assert broker.http("PATCH", f"{path}/queues/support", token=token, body=dict(numbers=[of_queue])).status == 200
    queue_entry = f"ledig:number:{Keys(broker).hash(of_queue)}"
    assert redis(broker, "GET", number_entry) and redis(broker, "GET", queue_entry)
    dump = await in_thread(dump_of, broker)
    for entity in ("users/kari", "queues/support"):
        assert broker.http("DELETE", f"{path}/{entity}", token=token).status == 204
    await ola.until(lambda: "kari" not in ola.profiles and not ola.me.get("queues"), "kari and the queue have left")
    assert not redis(broker, "GET", number_entry) and not redis(broker, "GET", queue_entry)
    mark = len(ola.frames)
    await rewind(broker, dump)

    def are_gone():
        return not any(stored(broker, company.id, kind, who) for kind, who in
                       (("profile", "kari"), ("state", "kari"), ("access", "kari"), ("queue", "support")))
    await in_thread(wait_until, lambda: "removal_kept" in broker.log(), "the store's other history was met")
    await in_thread(wait_until, are_gone, "kari and the queue are out of the store")
    await in_thread(wait_until, lambda: not redis(broker, "GET", number_entry) and not redis(broker, "GET", queue_entry), "and the numbers free")
    assert not [p for frame in ola.frames[mark:] for p in frame.get("profiles") or [] if p[0] == "kari"], "nobody saw kari again"
    await ola.until(lambda: not ola.me.get("queues"), "none of one's own")
    assert not stored(broker, company.id, "profile", "ola").get("q")
    # who and what comes under these ids afterwards stays
    assert broker.http("PUT", f"{path}/users/kari", token=token, body=dict(name="En annen", queues=["support"])).status == 201
    await ola.until(lambda: "kari" in ola.profiles)
    assert broker.http("GET", f"{path}/queues/support", token=token).status == 200
