"""Redis is away for a while: everyone stays, questions are answered with their age, changes wait or are refused, and
afterwards everything is as it was acknowledged."""

import asyncio
import os
import signal
import time

import pytest

from broker_process import is_running, wait_until
from ledig_client import App, Refused, now_ms


@pytest.fixture
def paused_redis():
    """paused_redis(broker) stops Redis as if its machine hung; .resume() or the end of the test lets it go on."""
    paused = []

    class Pause:
        def __init__(self, broker):
            self.pid = broker.redis_pid()
            os.kill(self.pid, signal.SIGSTOP)
            paused.append(self)

        def resume(self):
            if self.pid:
                os.kill(self.pid, signal.SIGCONT)
                self.pid = None

    yield Pause
    for one in paused:
        one.resume()


@pytest.mark.slow(240)
async def test_while_redis_hangs_questions_are_answered_and_changes_refused(start_broker, make_company, paused_redis):
    broker = start_broker(store_timeout_ms=700, verify_ms=300)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="før")
    await ola.sees("kari", note="før")
    for _ in range(5):  # a company that is asked about again is kept loaded for routers
        assert company.route("kari")["action"] == "busy"
    fresh = (await ola.ask(users=["kari"]))[1]["stale_ms"]
    pause = paused_redis(broker)
    begin = time.monotonic()
    error = await kari.refused("set", status="dnd", note="under")
    assert error["code"] == "unavailable" and error["retry_ms"] > 0
    assert time.monotonic() - begin < 10, "it takes the time-out, and not for ever"
    stales = []
    while len(stales) < 2 or stales[-1] < 2_000:
        members, answer = await ola.ask(users=["kari"])
        assert members["kari"]["availability"] in ("busy", "dnd")
        stales.append(answer["stale_ms"])
        await asyncio.sleep(0.1)  # between two looks at a clock that runs
    assert sorted(stales) == stales and stales[-1] > fresh
    route = company.route("kari")
    assert route["action"] == "busy" and route["stale_ms"] >= 1_500
    assert broker.http("GET", "/readyz", base=broker.ops_url).status == 503
    assert broker.http("GET", "/healthz", base=broker.ops_url).status == 200
    pause.resume()
    broker.wait_ready()
    # the outcome of the refused one was unknown: one's own row says what it is
    await kari.set("away", note="etter")
    await ola.sees("kari", availability="away", note="etter")
    assert not kari.closed and not ola.closed
    await ola.until(lambda: True)
    wait_until(lambda: company.route("kari")["stale_ms"] < 2_000, "answers are fresh again")


@pytest.mark.slow(240)
async def test_a_passed_until_shows_while_redis_hangs(start_broker, make_company, paused_redis):
    broker = start_broker(store_timeout_ms=500, verify_ms=300)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", until=now_ms() + 2_500)
    await ola.sees("kari", availability="busy")
    pause = paused_redis(broker)
    await ola.sees("kari", availability="available")
    pause.resume()
    broker.wait_ready()


@pytest.mark.slow(240)
async def test_a_refused_change_is_not_made_later(start_broker, make_company, paused_redis):
    """What was answered `unavailable` before it was sent is not sent when Redis is back."""
    broker = start_broker(store_timeout_ms=500, verify_ms=300)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="kjent")
    pause = paused_redis(broker)
    # the first may lie in Redis' own buffer; by the later ones the broker knows that it is away
    errors = [await kari.refused("set", status="dnd", note=f"nr {i}") for i in range(4)]
    assert {e["code"] for e in errors} == {"unavailable"}
    pause.resume()
    broker.wait_ready()
    await ola.ok("set", status="away", note="fence")
    await kari.sees("ola", note="fence")
    row = (await kari.ask(users=["kari"]))[0]["kari"]
    assert row["note"] in ("kjent", "nr 0"), row
    # and colleagues agree with a fresh reader
    fresh = await company.app("nina")
    await ola.sees("nina", presence="active")
    await fresh.sees("nina", presence="active")
    await ola.until(lambda: ola.members["kari"] == fresh.members["kari"])


@pytest.mark.slow(300)
async def test_redis_is_killed_and_nothing_acknowledged_is_lost(start_broker, make_company):
    broker = start_broker(store_timeout_ms=1_500)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(8)])
    apps = [await company.app(user) for user in company.users]
    acknowledged, attempted = {}, {user: [] for user in company.users}
    stop = False

    async def keep_setting(app, user):
        step = 0
        while not stop:
            step += 1
            note = f"{user} step {step}"
            answer = await app.request("set", status="busy", note=note)
            if answer["t"] == "ok":
                acknowledged[user], attempted[user] = note, []
            else:
                assert answer["code"] == "unavailable" and answer["retry_ms"] > 0, answer
                attempted[user].append(note)
                await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(keep_setting(app, user)) for app, user in zip(apps, company.users)]
    for _ in range(3):
        pid = broker.redis_pid()
        before = dict(acknowledged)
        await apps[0].until(lambda: all(acknowledged.get(u) != before.get(u) for u in company.users), "progress before the kill")
        os.kill(pid, signal.SIGKILL)
        await asyncio.get_running_loop().run_in_executor(None, lambda: wait_until(
            lambda: broker.redis_pid() != pid and is_running(broker.redis_pid()), "a new Redis"))
        after = dict(acknowledged)
        await apps[0].until(lambda: all(acknowledged.get(u) != after.get(u) for u in company.users), "progress after the kill")
    stop = True
    await asyncio.gather(*tasks)
    fresh = await company.app("u0", device="fresh")
    for user in company.users:
        allowed = [acknowledged[user], *attempted[user]]  # `ok` and the `changes` that have it come in either order
        await fresh.until(lambda: fresh.members[user]["note"] in allowed, f"{user}: {fresh.members[user]['note']} is none of {allowed}")
    for app in apps:
        assert not app.closed, "a client was thrown out"
        await app.until(lambda: {u: r["note"] for u, r in app.members.items()} == {u: r["note"] for u, r in fresh.members.items()})


@pytest.mark.slow(240)
async def test_one_who_resumes_over_a_restart_of_redis_gets_only_what_changed(start_broker, make_company):
    broker = start_broker(grace_ms=60_000)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(30)])
    watcher, other = await company.app("u0"), await company.app("u1")
    leaver = await company.app("u2")
    await watcher.sees("u2", presence="active")
    await leaver.until(lambda: leaver.place["version"] >= watcher.place["version"])
    leaver.cut()
    broker.kill_redis()
    await asyncio.wait_for(_until_set(other, note="etter omstart"), 60)
    await watcher.sees("u1", note="etter omstart")
    back = await App.connect(broker.url)
    back.inherit(leaver)
    welcome = await back.hello(company.token("u2"), resume=leaver.resume())
    assert welcome["resumed"] is True
    await back.sees("u1", note="etter omstart")
    assert not any(m.get("profiles") for m in back.frames), "profiles came again"
    fresh = await company.app("u3")
    await fresh.sees("u3", presence="active")
    await back.sees("u3", presence="active")
    await back.until(lambda: back.view() == fresh.view(), "the same view as one who starts from nothing")
    assert not watcher.closed and watcher.is_live()


async def _until_set(app, **fields):
    while True:
        answer = await app.request("set", status="busy", **fields)
        if answer["t"] == "ok":
            return
        assert answer["code"] == "unavailable"
        await asyncio.sleep(0.05)


@pytest.mark.slow(240)
async def test_one_who_connects_while_redis_hangs_is_served_from_the_replica(start_broker, make_company, paused_redis):
    broker = start_broker(store_timeout_ms=500, verify_ms=300)
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy", note="opptatt")
    await kari.sees("kari", note="opptatt")
    pause = paused_redis(broker)
    await kari.refused("set", status="dnd")
    ola = await company.app("ola")
    assert ola.members["kari"]["availability"] in ("busy", "dnd")
    pause.resume()
    broker.wait_ready()
    await kari.sees("ola", presence="active")


@pytest.mark.slow(240)
async def test_a_company_that_was_never_loaded_is_unavailable_while_redis_hangs(start_broker, make_company, paused_redis):
    broker = start_broker(store_timeout_ms=500, verify_ms=300, hello_ms=20_000)
    company = make_company(broker=broker, consent=False)
    pause = paused_redis(broker)
    app = await App.connect(broker.url)
    with pytest.raises(Refused) as refusal:
        await app.hello(company.token("kari"))
    assert refusal.value.error["code"] == "unavailable" and refusal.value.error["retry_ms"] > 0
    assert await app.until_closed() == 1001
    pause.resume()
    broker.wait_ready()
    await company.app("kari")
