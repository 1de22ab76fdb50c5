"""A router that keeps one connection open: the same operations as by HTTP, pipelined; the connection is its heartbeat;
and the numbers that it follows."""

import asyncio
import os
import signal

import pytest

from broker_process import number, unique, wait_until
from conftest import person
from ledig_client import RawSocket, Refused, Router, encode, now_ms
from test_claims import AGENTS, Desk, desk, ready  # noqa: F401 (a fixture)
from test_queue import board_shows
from test_router import is_problem
from test_waiting import kari_pauses, waiting

LEASE_MS = 1_500


def url(broker):
    return broker.router_url.replace("http", "ws") + "/v1"


async def connect(broker, company="*", router=None, encoding="msgpack", subject="switch"):
    """A router that has been welcomed."""
    one = await Router.connect(url(broker), encoding)
    await one.hello(broker.token(subject, company, "router"), router or unique("pbx"))
    return one


@pytest.fixture
def lease_broker(start_broker):
    return start_broker(router_lease_ms=LEASE_MS, verify_ms=200)


# ---- The operations ----


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_it_is_welcomed_with_its_limits(broker, company, encoding):
    router = await connect(broker, company.id, encoding=encoding)
    welcome = router.welcome
    assert welcome["user"] == "switch" and welcome["lease_ms"] == 30_000 and welcome["ping_ms"] == 10_000
    assert welcome["limits"]["route_count"] == 1000 and welcome["limits"]["request_count"] == 4096
    assert set(welcome["features"]) == {"hello", "route", "claim", "release", "call", "follow", "token"}


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_it_is_told_what_http_tells(broker, make_company, encoding):
    queue = number()
    company = make_company()
    ola = await company.app("ola")
    await ola.set("busy", activity="meeting", until=now_ms() + 3_600_000, forward="kari")
    company.broker.http("PATCH", f"/v1/companies/{company.id}/queues/support", token=company.token("boss", "admin"),
                        body=dict(numbers=[queue]))
    router = await connect(broker, company.id, encoding=encoding)
    numbers = [company.numbers["kari"], company.numbers["ola"], queue, "+4799999999"]
    wait_until(lambda: company.route("ola")["action"] == "forward", "HTTP has it")
    rows = await router.route(*numbers)
    token = company.token("router", "router")
    answers = broker.http("POST", "/v1/route", token=token, body=numbers).json
    for one, answer, row in zip(numbers, answers, rows):
        answer = dict(answer, number=one)
        answer.pop("stale_ms")
        assert {name: value for name, value in row.items() if value is not None} == answer
    assert [row["action"] for row in rows] == ["ring", "forward", "queue", "unknown"] and rows[1]["via"] == ["kari"]


async def test_a_call_from_claim_to_end(broker, company, desk):
    watcher = await ready(desk, company, "kari")
    router, call = await connect(broker, company.id), unique("call")
    claimed = await router.ok("claim", company=company.id, queue="support", call=call, lease_ms=5_000)
    assert claimed["t"] == "claimed" and claimed["claims"] == [["kari", company.numbers["kari"]]]
    assert claimed["call"] == call and 0 < claimed["lease_ms"] <= 5_000
    await watcher.sees("kari", activity="ringing")
    ok = await router.ok("call", company=company.id, call=call, seq=1, queue="support",
                         legs=[dict(user="kari", state="active"), dict(number="+4799999999", state="active")])
    assert ok["version"] > 0
    await watcher.sees("kari", activity="in_call")
    assert (await router.refused("release", company=company.id, call=call))["code"] == "conflict"
    assert (await router.refused("claim", company=company.id, queue="support", call=call))["field"] == "call"
    await router.ok("call", company=company.id, call=call, seq=2, state="ended")
    await board_shows(watcher, free=1)


async def test_a_claim_is_given_back(broker, company, desk):
    watcher = await ready(desk, company, "kari")
    router, call = await connect(broker, company.id), unique("call")
    await router.ok("claim", company=company.id, queue="support", call=call)
    await board_shows(watcher, free=0)
    nobody = await router.refused("claim", company=company.id, queue="support", call=unique("call"))
    assert nobody["code"] == "conflict" and nobody["field"] == "queue"
    await router.ok("release", company=company.id, call=call)
    await board_shows(watcher, free=1)
    kari, until = await company.app("kari", device="desk"), now_ms() + 3_600_000
    await kari.set("busy", activity="meeting", until=until)
    await board_shows(watcher, free=0)
    wait_until(lambda: desk.claim(unique("call")).status == 409, "the router worker has heard of it")
    nobody = await router.refused("claim", company=company.id, queue="support", call=unique("call"))
    assert nobody["field"] == "queue" and nobody["next_free_at"] == until


async def test_a_hundred_requests_are_answered_by_their_ids(broker, company, desk):
    await ready(desk, company, *AGENTS)
    router = await connect(broker, company.id)
    kari, calls = company.numbers["kari"], [unique("call") for _ in range(25)]
    asked = [part for call in calls for part in (
        router.request("route", numbers=[kari, company.numbers["ola"]]),
        router.request("call", company=company.id, call=call, seq=1, legs=[dict(number="+4799999999", state="ringing")]),
        router.request("release", company=company.id, call=unique("unheard")),
        router.request("claim", company=company.id, queue="nowhere", call=call))]
    answers = await asyncio.gather(*asked)
    for route, call, release, claim in zip(*(answers[i::4] for i in range(4))):
        assert route["t"] == "answer" and [row[0] for row in route["routes"]] == [kari, company.numbers["ola"]]
        assert call["t"] == "ok" and call["version"] > 0
        assert release["code"] == "not_found" and claim["code"] == "not_found" and claim["field"] == "queue"


async def test_a_thousand_numbers_come_in_parts_of_one_answer(broker, make_company):
    company = make_company(rows=[person(f"user-with-a-long-name-{i:04}") for i in range(1000)], consent=False)
    router = await connect(broker, company.id, encoding="json")
    numbers = list(company.numbers.values())
    answer = await router.ok("route", numbers=numbers)
    assert [row[0] for row in answer["routes"]] == numbers and answer["parts"] > 1
    await router.follow(*numbers)
    assert set(router.routes) == set(numbers) and {row["action"] for row in router.routes.values()} == {"ring"}


@pytest.mark.parametrize("waits", [False, True])
async def test_a_claim_asked_by_http_and_here_at_the_same_moment_is_one(broker, company, desk, waits):
    watcher = await ready(desk, company, *AGENTS)
    router, call = await connect(broker, company.id), unique("call")
    wait_ms = dict(wait_ms=20_000) if waits else {}
    if waits:
        for user in AGENTS:
            app = await company.app(user, device="desk")
            await app.ok("queue", queue="support", member=True, pause="lunch")
        await board_shows(watcher, free=0)
    asked = [asyncio.ensure_future(router.ok("claim", company=company.id, queue="support", call=call, **wait_ms)),
             asyncio.ensure_future(asyncio.wrap_future(waiting_or_not(desk, call, wait_ms)))]
    if waits:
        await board_shows(watcher, waiting=1)
        await app.ok("queue", queue="support", member=True)
    here, there = await asyncio.gather(*asked)
    assert [row[0] for row in here["claims"]] == [one["user"] for one in there.json["claims"]], (here, there.body)


def waiting_or_not(desk, call, wait_ms):
    from test_waiting import pool
    return pool.submit(lambda: desk.claim(call, **wait_ms))


# ---- Calls that wait ----


async def test_who_waits_here_gets_the_agent_who_gets_free(broker, company, desk):
    watcher, kari = await kari_pauses(desk, company)
    router, call = await connect(broker, company.id), unique("call")
    asked = asyncio.ensure_future(router.ok("claim", company=company.id, queue="support", call=call, wait_ms=20_000))
    await board_shows(watcher, waiting=1)
    assert (await router.route(company.numbers["ola"]))[0]["user"] == "ola", "the line is open for others meanwhile"
    await kari.ok("queue", queue="support", member=True)
    assert (await asked)["claims"][0][0] == "kari"


async def test_when_the_time_is_over_it_hears_its_position(broker, company, desk):
    await kari_pauses(desk, company)
    router = await connect(broker, company.id)
    error = await router.refused("claim", company=company.id, queue="support", call=unique("call"), wait_ms=200)
    assert error["code"] == "conflict" and error["field"] == "queue" and error["position"] == 1


@pytest.mark.parametrize("how", ["ended", "release", "ended by HTTP"])
async def test_a_call_that_hangs_up_while_it_waits_is_told_at_once(broker, company, desk, how):
    watcher, kari = await kari_pauses(desk, company)
    router, call = await connect(broker, company.id), unique("call")
    asked = asyncio.ensure_future(router.refused("claim", company=company.id, queue="support", call=call, wait_ms=20_000))
    await board_shows(watcher, waiting=1)
    if how == "release":
        await router.ok("release", company=company.id, call=call)
    elif how == "ended":
        await router.ok("call", company=company.id, call=call, seq=1, state="ended")
    else:
        desk.report(call, 1, state="ended")
    error = await asked
    assert error["code"] == "conflict" and error["field"] == "call", error
    await kari.ok("queue", queue="support", member=True)
    await board_shows(watcher, waiting=0, free=1)


async def test_calls_of_a_connection_that_drops_leave_the_line(broker, company, desk):
    watcher, kari = await kari_pauses(desk, company)
    router, name = await connect(broker, company.id, router="pbx-drops"), unique("call")
    for i in range(3):
        await router.send(dict(t="claim", id=i + 1, company=company.id, queue="support", call=f"{name}-{i}", wait_ms=25_000))
    await board_shows(watcher, waiting=3)
    stays = unique("call")
    later = waiting(desk, stays)
    await board_shows(watcher, waiting=4)
    router.cut()
    await kari.ok("queue", queue="support", member=True)
    assert (await later).json["call"] == stays, "nobody was claimed for those before it"


async def test_who_comes_back_finds_the_place_in_line(broker, company, desk):
    watcher, kari = await kari_pauses(desk, company)
    first, second = unique("call"), unique("call")
    router = await connect(broker, company.id, router="pbx-back")
    await router.send(dict(t="claim", id=1, company=company.id, queue="support", call=first, wait_ms=25_000))
    await board_shows(watcher, waiting=1)
    other = waiting(desk, second)
    await board_shows(watcher, waiting=2)
    router.cut()
    router = await connect(broker, company.id, router="pbx-back")
    asked = asyncio.ensure_future(router.ok("claim", company=company.id, queue="support", call=first, wait_ms=25_000))
    await router.route("+4799999999")  # what came before it was read
    await kari.ok("queue", queue="support", member=True)
    assert (await asked)["call"] == first
    await router.ok("release", company=company.id, call=first)
    assert (await other).json["call"] == second


# ---- The connection is the heartbeat ----


async def two_leases_pass(router, ola):
    """Kari's call is kept alive all the while."""
    mark, until = ola.mark(), now_ms() + 2 * LEASE_MS
    while now_ms() < until:
        assert not router.closed, router.close_code
        await asyncio.sleep(LEASE_MS / 10_000)
    assert all(row["activity"] == "in_call" for row in [ola.members["kari"], *ola.rows_since(mark, "kari")])


async def on_a_call(broker, company, router):
    """Kari is on a call of this router; the app that watches."""
    ola = await company.app("ola")
    await router.ok("call", company=company.id, call="c1", seq=1, legs=[dict(user="kari", state="active")])
    await ola.sees("kari", activity="in_call")
    return ola


async def test_calls_live_with_the_connection_and_end_after_it(lease_broker, make_company):
    company = make_company(broker=lease_broker)
    token = lease_broker.token("switch", company.id, "router")
    router = await connect(lease_broker, company.id, router="pbx-1")
    ola = await on_a_call(lease_broker, company, router)
    await two_leases_pass(router, ola)
    router.cut()
    await ola.sees("kari", availability="available")
    again = await Router.connect(url(lease_broker))
    with pytest.raises(Refused) as refused:
        await again.hello(token, "pbx-1")
    assert refused.value.error["code"] == "conflict" and refused.value.error["field"] == "router"
    assert await again.until_closed() == 4410
    is_problem(lease_broker.http("PUT", "/v1/routers/pbx-1", token=token), 410, "conflict", "router")
    other = await connect(lease_broker, company.id, router="pbx-2")
    await other.ok("call", company=company.id, call="c1", seq=2, legs=[dict(user="kari", state="active")])
    await ola.sees("kari", activity="in_call")


async def test_a_router_that_comes_back_within_the_lease_goes_on(lease_broker, make_company):
    company = make_company(broker=lease_broker)
    router = await connect(lease_broker, company.id, router="pbx-1")
    ola = await on_a_call(lease_broker, company, router)
    router.cut()
    router = await connect(lease_broker, company.id, router="pbx-1")
    await two_leases_pass(router, ola)
    await router.ok("call", company=company.id, call="c1", seq=2, state="ended")
    await ola.sees("kari", availability="available")


async def test_a_line_of_which_nothing_is_heard_keeps_no_lease(lease_broker, make_company):
    """Half open: the socket stands, but nobody is there who answers a ping."""
    company = make_company(broker=lease_broker)
    token = lease_broker.token("switch", company.id, "router")
    ola = await company.app("ola")
    raw = RawSocket(url(lease_broker))
    raw.answers_pings = False
    raw.say(dict(t="hello", token=token, router="pbx-half"))
    raw.say(dict(t="call", id=1, company=company.id, call="c1", seq=1, legs=[dict(user="kari", state="active")]))
    await ola.sees("kari", activity="in_call")
    await ola.sees("kari", availability="available")  # with the lease, though the socket was never closed here
    is_problem(lease_broker.http("PUT", "/v1/routers/pbx-half", token=token), 410, "conflict", "router")
    raw.close()


async def test_the_newer_connection_of_a_router_takes_the_place(lease_broker, make_company):
    company = make_company(broker=lease_broker)
    first = await connect(lease_broker, company.id, router="pbx")
    other = await connect(lease_broker, company.id, router="pbx", subject="other")  # another switch's
    second = await connect(lease_broker, company.id, router="pbx")
    assert await first.until_closed() == 4409
    assert not second.closed and not other.closed
    await other.route("+4799999999")


async def test_an_id_that_ended_while_it_was_connected_is_told(lease_broker, make_company):
    """Its worker stood still for longer than the lease, and another one ended it."""
    company = make_company(broker=lease_broker)
    router = await connect(lease_broker, company.id, router="pbx")
    ola = await on_a_call(lease_broker, company, router)
    worker = lease_broker.worker_pid("router")
    os.kill(worker, signal.SIGSTOP)
    try:
        await ola.sees("kari", availability="available")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert await router.until_closed() == 4410
    assert router.errors[-1]["code"] == "conflict" and router.errors[-1]["field"] == "router"


# ---- Numbers that it follows ----


@pytest.mark.parametrize("tokens", ["one company", "all companies"])
async def test_a_cache_that_follows_what_people_do(broker, company, desk, tokens):
    router = await connect(broker, company.id if tokens == "one company" else "*")
    kari, ola = company.numbers["kari"], company.numbers["ola"]
    await router.follow(kari, ola, "+4799999999")
    assert {number: route["action"] for number, route in router.routes.items()} == {
        kari: "ring", ola: "ring", "+4799999999": "unknown"}
    app, ola_app = await company.app("kari"), await company.app("ola")
    await app.set("dnd")
    await router.sees_route(kari, action="unavailable", availability="dnd", user="kari", company=company.id)
    await app.set("away", forward="ola")
    await router.sees_route(kari, action="forward", target=ola, via=["ola"])
    await app.set("away", forward="+4733333333")
    await router.sees_route(kari, action="forward", target="+4733333333", via=None)
    await app.set("away", forward="ola")
    await ola_app.set("busy", activity="meeting")
    await router.sees_route(kari, action="busy")  # what a forward leads to
    await ola_app.set("available")
    await app.set("available")
    await router.sees_route(kari, action="ring")
    call = unique("call")
    desk.report(call, 1, user="kari", state="active")
    await router.sees_route(kari, action="busy", activity="in_call")
    desk.report(call, 2, state="ended")
    await router.sees_route(kari, action="ring")
    await app.set("busy", activity="lunch", until=now_ms() + 600)
    await router.sees_route(kari, availability="busy")
    await router.sees_route(kari, action="ring")  # by the clock
    await app.ok("consent", purpose="presence", granted=False, text="v1")
    assert (await router.sees_route(kari, availability="unknown"))["user"] == "kari"


@pytest.mark.parametrize("tokens", ["one company", "all companies"])
async def test_numbers_that_come_and_go(start_broker, make_company, tokens):
    broker = start_broker(verify_ms=200)  # so often the index is asked again, too
    company, other = (make_company(consent=False, broker=broker) for _ in range(2))
    router = await connect(broker, company.id if tokens == "one company" else "*")
    new, kari, queue = number(), company.numbers["kari"], number()
    await router.follow(new, kari, queue)
    boss = company.token("boss", "admin")

    def change(kind, id, numbers, of=company, token=boss):
        answer = broker.http("PATCH", f"/v1/companies/{of.id}/{kind}/{id}", token=token, body=dict(numbers=numbers))
        assert answer.status < 300, answer.body

    change("users", "kari", [kari, new])
    await router.sees_route(new, user="kari", action="ring", company=company.id)
    change("users", "kari", [])
    await router.sees_route(new, action="unknown", user=None)
    await router.sees_route(kari, action="unknown", user=None)
    change("queues", "support", [queue])
    await router.sees_route(queue, action="queue", queue="support", target="support")
    change("users", "ola", [kari])
    await router.sees_route(kari, user="ola")
    assert broker.http("DELETE", f"/v1/companies/{company.id}/users/ola", token=boss).status in (200, 204)
    await router.sees_route(kari, action="unknown")
    change("users", "nina", [kari], of=other, token=other.token("boss", "admin"))
    if tokens == "all companies":
        await router.sees_route(kari, user="nina", company=other.id)
    else:
        change("users", "nina", [company.numbers["nina"], new])  # a change that comes after it
        await router.sees_route(new, user="nina", company=company.id)
        assert router.routes[kari]["action"] == "unknown"


async def test_another_companys_number_looks_like_one_that_nobody_has(broker, make_company):
    company, other = make_company(), make_company()
    for companies in (company.id, f"{company.id} {unique('more')}"):
        router = await connect(broker, companies)
        router.alien = (other.id.encode(),)
        theirs, ours, nobodys = other.numbers["kari"], company.numbers["kari"], "+4799999999"
        rows = await router.route(theirs, ours, nobodys)
        assert [row["action"] for row in rows] == ["unknown", "ring", "unknown"]
        await router.follow(theirs, ours, nobodys)
        assert router.routes[theirs] == dict(router.routes[nobodys], number=theirs)
        app, own = await other.app("kari"), await company.app("kari")
        await app.set("dnd")
        await own.set("dnd")
        await router.sees_route(ours, availability="dnd")
        await own.set("available")
        await router.sees_route(ours, action="ring")
        assert router.routes[theirs]["action"] == "unknown"
    router = await connect(broker, "*")
    assert [row["action"] for row in await router.route(theirs, ours, company=company.id)] == ["unknown", "ring"]


async def test_following_anew_replaces_what_was_followed(broker, company):
    router = await connect(broker, company.id)
    kari, ola = company.numbers["kari"], company.numbers["ola"]
    await router.follow(kari)
    await router.follow(ola, ola, f"00{ola[1:]}")
    assert list(router.routes) == [ola]
    app, other = await company.app("kari"), await company.app("ola")
    mark = router.mark()
    await app.set("dnd")
    await other.set("dnd")
    await router.sees_route(ola, availability="dnd")
    assert [len(frame["routes"]) for frame in router.frames[mark:]] == [1]
    await router.ok("follow", numbers=[])


async def test_a_thousand_numbers_of_one_company_follow_every_change(broker, make_company):
    company = make_company(rows=[person(f"u{i:04}") for i in range(1000)], consent=["u0000", "u0999"])
    router = await connect(broker, company.id)
    await router.follow(*company.numbers.values())
    apps = [await company.app("u0000"), await company.app("u0999")]
    mark = router.mark()
    for status in ("dnd", "busy", "available") * 3:
        for app in apps:
            await app.set(status)
    for user in ("u0000", "u0999"):
        await router.sees_route(company.numbers[user], availability="available")
    rows = [row for frame in router.frames[mark:] for row in frame["routes"]]
    assert {row[3] for row in rows} == {"u0000", "u0999"}, "only what is another comes"


async def test_what_is_known_is_told_while_the_store_is_away(start_broker, make_company):
    broker = start_broker(verify_ms=200)
    company = make_company(broker=broker)
    router = await connect(broker, company.id)
    await router.follow(company.numbers["kari"])
    broker.kill_redis()
    app = await company.app("kari")
    await app.set("dnd")
    await router.sees_route(company.numbers["kari"], availability="dnd")


# ---- Bad input, and bad clients ----


@pytest.mark.parametrize("role", ["member", "switchboard", "lead", "admin"])
async def test_apps_are_sent_to_their_own_port(broker, role):
    app = await Router.connect(url(broker))
    with pytest.raises(Refused) as refused:
        await app.hello(broker.token("kari", "acme", role), "pbx", device=dict(id="d", kind="web"))
    assert refused.value.error["code"] == "forbidden" and await app.until_closed() == 4403


async def test_routers_are_sent_to_their_own_port(broker):
    router = await Router.connect(broker.url)
    with pytest.raises(Refused) as refused:
        await router.hello(broker.token("switch", "*", "router"), "pbx")
    assert refused.value.error["code"] == "forbidden" and await router.until_closed() == 4403


@pytest.mark.parametrize("hello, code, close", [
    (dict(token="no.such.token", router="pbx"), "unauthorized", 4401), (dict(), "bad_request", 1008),
    (dict(router="Pbx 1"), "bad_request", 1008), (dict(router="x" * 65), "bad_request", 1008), (dict(router=7), "bad_request", 1008),
    (dict(router=""), "bad_request", 1008)])
async def test_a_hello_that_is_no_routers(broker, hello, code, close):
    router = await Router.connect(url(broker))
    await router.send(dict(dict(t="hello", token=broker.token("switch", "*", "router")), **hello))
    assert await router.until_closed() == close and router.errors[0]["code"] == code


C = dict(company=None, call="c1")  # None: one's own


BAD_REQUESTS = [
    (dict(t="route"), "bad_request", "numbers"), (dict(t="route", numbers=["12"]), "bad_request", "numbers"),
    (dict(t="route", numbers=["+471000000" + str(i) for i in range(1001)]), "too_large", "numbers"),
    (dict(t="route", numbers=["+4710000001"], company="not-mine"), "not_found", "company"),
    (dict(t="follow", numbers=["+4710000001"] * 5001), "too_large", "numbers"), (dict(t="follow"), "bad_request", "numbers"),
    (dict(t="follow", numbers=["+4710000001", "nobody"]), "bad_request", "numbers"), (dict(t="follow", users="all"), "bad_request", "numbers"),
    (dict(C, t="claim", queue="support", strategy="fair"), "bad_request", "strategy"), (dict(C, t="claim", queue="No"), "bad_request", "queue"),
    (dict(C, t="claim", queue="support", lease_ms=300_001), "bad_request", "lease_ms"), (dict(C, t="claim", queue="nowhere"), "not_found", "queue"),
    (dict(C, t="claim", queue="support", wait_ms=30_001), "bad_request", "wait_ms"),
    (dict(C, t="claim", queue="support", exclude=["a"] * 65), "too_large", "exclude"), (dict(C, t="claim", queue="support", call="a\nb"), "bad_request", "call"),
    (dict(C, t="claim", queue="support", call="x" * 121), "bad_request", "call"), (dict(C, t="claim", queue="support", company="not-mine"), "not_found", "company"),
    (dict(C, t="release", company="not-mine"), "not_found", "company"), (dict(C, t="release", call="a\tb"), "bad_request", "call"),
    (dict(C, t="call", seq=0, state="ended"), "bad_request", "seq"), (dict(C, t="call", seq=1), "bad_request", "legs"),
    (dict(C, t="call", seq=1, state="active"), "bad_request", "state"), (dict(C, t="call", seq=1, state="ended", legs=[]), "bad_request", "legs"),
    (dict(C, t="call", seq=1, legs=[dict(user="kari", state="gone")]), "bad_request", "state"),
    (dict(C, t="call", seq=1, legs=[dict(user="kari", number="+4710000001", state="active")]), "bad_request", "number"),
    (dict(C, t="call", seq=1, legs=[dict(user="kari", state="active")] * 2), "bad_request", "legs"),
    (dict(C, t="call", seq=1, legs=[dict(number=f"+47100000{i:02}", state="active") for i in range(21)]), "too_large", "legs"),
    (dict(C, t="call", seq=1, legs=[dict(user="nobody-here", state="active")]), "not_found", "user"),
    (dict(C, t="call", seq=1, state="ended", direction="up"), "bad_request", "direction"), (dict(C, t="call", seq=2**53, state="ended"), "bad_request", "seq"),
    (dict(C, t="call", seq=1, state="ended", at=now_ms() + 10_000_000), "bad_request", "at"),
    (dict(t="set", status="dnd"), "forbidden", None), (dict(t="ask", users=["kari"]), "forbidden", None)]


async def test_bad_requests_are_answered_and_the_connection_stays(broker, make_company):
    company = make_company(consent=False)
    router = await connect(broker, company.id)
    for request, code, field in BAD_REQUESTS:
        if "company" in request and request["company"] is None:
            request = dict(request, company=company.id)
        error = await router.refused(**request)
        assert (error["code"], error.get("field")) == (code, field), (request, error)
    assert (await router.route(company.numbers["kari"]))[0]["action"] == "ring"


async def test_ten_thousand_numbers_are_more_than_a_message_holds(broker, make_company):
    company = make_company(consent=False)
    for request in ("route", "follow"):
        router = await connect(broker, company.id)
        await router.send(dict(t=request, id=1, numbers=[f"+47{10_000_000 + i}" for i in range(10_000)]))
        assert await router.until_closed() == 1009 and router.errors[0]["code"] == "too_large"


async def test_more_open_requests_than_allowed_are_refused_one_by_one(start_broker, make_company):
    broker = start_broker(store_timeout_ms=20_000)
    company = make_company(broker=broker, consent=False)
    router, redis = await connect(broker), broker.redis_pid()
    os.kill(redis, signal.SIGSTOP)  # so that nothing is answered
    try:
        asked = [asyncio.ensure_future(router.request("route", numbers=[company.numbers["kari"]])) for _ in range(4097)]
        error = await asked[-1]
        assert error["code"] == "rate_limited" and error["retry_ms"] > 0
    finally:
        os.kill(redis, signal.SIGCONT)
    answers = await asyncio.gather(*asked[:-1])
    assert {answer["routes"][0][1] for answer in answers} == {"ring"}


async def test_a_router_that_takes_nothing_costs_little(start_broker, make_company):
    """It follows a thousand numbers that change all the time, and asks, and never reads: nothing piles up."""
    broker = start_broker(stall_ms=120_000)
    company = make_company(rows=[person(f"u{i:03}") for i in range(500)], consent=["u000", "u001", "u002"], broker=broker)
    token = broker.token("switch", company.id, "router")
    numbers = list(company.numbers.values())
    raw = RawSocket(url(broker), receive_bytes=4096)
    raw.say(dict(t="hello", token=token, router="pbx-deaf"))
    raw.say(dict(t="follow", id=1, numbers=numbers))
    pid = broker.worker_pid("router")
    await asyncio.to_thread(wait_until, lambda: broker.route(numbers[0], company.id, token)["action"] == "ring", "it is loaded")
    before = resident(pid)
    raw.socket.setblocking(False)
    sent = 0
    try:
        while sent < 3000:
            raw.socket.sendall(raw.frame(encode(dict(t="route", id=sent + 2, numbers=numbers))))
            sent += 1
    except (BlockingIOError, ConnectionError):
        pass  # it is not read from any more
    apps = [await company.app(user) for user in ("u000", "u001", "u002")]
    for status in ("dnd", "busy", "available") * 30:
        await asyncio.gather(*(app.set(status) for app in apps))
    assert broker.route(company.numbers["u000"], company.id, token)["action"] == "ring", "others are served"
    assert resident(pid) - before < 32 << 20, (before, resident(pid), sent)
    raw.socket.close()


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_drained_broker_says_bye_and_answers_who_waits(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker)
    desk = Desk(company)
    watcher, kari = await kari_pauses(desk, company)
    router = await connect(broker, company.id)
    asked = asyncio.ensure_future(router.refused("claim", company=company.id, queue="support", call=unique("call"), wait_ms=25_000))
    await board_shows(watcher, waiting=1)
    stopped = asyncio.get_running_loop().run_in_executor(None, broker.stop)
    assert (await asked)["code"] == "unavailable"
    assert await router.until_closed() == 1001
    assert [frame for frame in router.frames if frame["t"] == "bye"][0]["retry_ms"] > 0
    await stopped
