"""Routers that live, fall silent and come back: their calls hang on them."""

import asyncio

import pytest

from broker_process import PATIENCE_S, unique, wait_until
from ledig_client import now_ms
from test_calls import Switch
from test_claims import Desk, ready
from test_queue import board_shows
from test_router import is_problem

LEASE_MS = 1_500


@pytest.fixture
def switch(start_broker, make_company):
    broker = start_broker(router_lease_ms=LEASE_MS, verify_ms=200)
    return Switch(make_company(broker=broker))


def beat(switch, router, token=None, **body):
    return switch.broker.http("PUT", f"/v1/routers/{router}", token=token or switch.token, body=body or None)


async def beats_until(switch, condition, what, **body):
    """Heartbeats of the router `pbx`, as often as it takes."""
    deadline = now_ms() + PATIENCE_S * 1000
    while not condition():
        assert now_ms() < deadline, what
        assert beat(switch, "pbx", **body).status == 200
        await asyncio.sleep(LEASE_MS / 10_000)


async def test_a_silent_routers_calls_end_with_it(switch):
    ola, call = await switch.company.app("ola"), unique("call")
    assert beat(switch, "pbx-1").json == {"lease_ms": LEASE_MS}
    switch.report(call, 1, user="kari", state="active", router="pbx-1")
    await ola.sees("kari", activity="in_call")
    await ola.sees("kari", availability="available")  # nothing came for longer than the lease
    is_problem(beat(switch, "pbx-1"), 410, "conflict", "router")
    is_problem(switch.put(call, 2, user="kari", state="active", router="pbx-1"), 410, "conflict", "router")
    switch.report(call, 2, user="kari", state="active", router="pbx-2")  # it took a new id, and tells what lives
    await ola.sees("kari", activity="in_call")


def has_wrap_up(company, wrap_up_ms):
    """With it, one sees that the broker has taken a call as ended: it begins with that."""
    answer = company.broker.http("PATCH", f"/v1/companies/{company.id}/queues/support", body=dict(wrap_up_ms=wrap_up_ms),
                                 token=company.broker.token("boss", company.id, "admin"))
    assert answer.status == 200, answer.body


async def test_a_router_that_comes_back_later_finds_its_calls_again(switch):
    """After the silence the broker takes the call as ended, and says so in its record: the router knows better."""
    company, call = switch.company, unique("call")
    has_wrap_up(company, 600_000)
    ola = await company.app("ola")
    switch.report(call, 1, user="kari", state="active", queue="support", router="pbx-1")
    await ola.sees("kari", activity="in_call")
    await ola.sees("kari", activity="wrap_up")
    late = switch.report(call, 1, user="kari", state="active", queue="support", router="pbx-2")
    assert ola.members["kari"]["activity"] == "wrap_up", "nothing late revives it"
    assert switch.report(call, 2, user="kari", state="active", queue="support", router="pbx-2") > late
    await ola.sees("kari", activity="in_call")
    end = switch.report(call, 3, state="ended")
    await ola.sees("kari", activity="wrap_up")
    assert switch.report(call, 4, user="kari", state="active", queue="support", router="pbx-2") == end, "ended is ended"
    assert ola.members["kari"]["activity"] == "wrap_up"


async def test_a_call_that_was_lost_and_came_back_is_counted_once(switch):
    """Counters that count one call twice: reported against Asterisk (1736)."""
    company, desk = switch.company, Desk(switch.company)
    board = await ready(desk, company, "kari", "ola")
    other, call = unique("call"), unique("call")
    switch.report(other, 1, user="ola", state="active", queue="support")
    switch.report(other, 2, state="ended")
    has_wrap_up(company, 2_500)
    switch.report(call, 1, user="kari", state="active", queue="support", router="pbx-1")
    await board.sees("kari", activity="in_call")
    await board.sees("kari", activity="wrap_up")
    switch.report(call, 2, user="kari", state="active", queue="support", router="pbx-2")
    await board.sees("kari", activity="in_call")
    switch.report(call, 3, state="ended")
    await board_shows(board, free=2)
    path = f"/v1/companies/{company.id}/queues/support"  # by the router worker's clock, too
    wait_until(lambda: desk.broker.http("GET", path, token=desk.token).json["free"] == 2, "both are free")
    # one call each, so the id decides; with two, kari would come second
    assert desk.claimed(unique("call"), strategy="fewest_calls") == ["kari"]


async def test_a_call_in_line_whose_router_was_silent_keeps_its_place(switch):
    company, first, second = switch.company, unique("call"), unique("call")
    desk, ola = Desk(company), await company.app("ola")
    await ola.ok("follow", users="all", queues=["support"])
    assert desk.claim(first, wait_ms=10, router="pbx-1").json["position"] == 1
    await board_shows(ola, waiting=1)
    waits = ola.place["version"]
    await board_shows(ola, waiting=0)
    await ola.until(lambda: ola.place["version"] > waits)  # its router has ended, and the call is taken as ended
    assert desk.claim(second, wait_ms=10).json["position"] == 1
    assert desk.claim(first, wait_ms=10, router="pbx-2").json["position"] == 1, "it came first"
    switch.report(first, 1, state="ended")
    again = desk.claim(first, wait_ms=10, router="pbx-2")
    is_problem(again, 409, "conflict", "call")
    assert "free" not in again.json, "ended is ended"


async def test_a_heartbeat_keeps_its_calls(switch):
    ola, call = await switch.company.app("ola"), unique("call")
    switch.report(call, 1, user="kari", state="active", router="pbx")
    await ola.sees("kari", activity="in_call")
    mark, until = ola.mark(), now_ms() + 2 * LEASE_MS
    await beats_until(switch, lambda: now_ms() > until, "two leases have passed", calls=[call])
    assert all(row["activity"] == "in_call" for row in ola.rows_since(mark, "kari")) and ola.members["kari"]["activity"] == "in_call"


async def test_an_end_that_got_lost_is_healed_by_the_next_heartbeats(switch):
    """A lamp that stays red for hours after a call that is over: reported against IvozProvider (1570)."""
    ola, lost, lives = await switch.company.app("ola"), unique("call"), unique("call")
    switch.report(lost, 1, user="kari", state="active", router="pbx")
    switch.report(lives, 1, user="nina", state="active", router="pbx")
    await ola.sees("kari", activity="in_call")
    await beats_until(switch, lambda: ola.members["kari"]["availability"] == "available", "kari's call is over", calls=[lives])
    assert ola.members["nina"]["activity"] == "in_call"
    switch.report(lost, 2, user="kari", state="active", router="pbx")  # ended is ended
    assert switch.company.route("kari")["action"] == "ring"


async def test_two_switches_have_routers_of_their_own(switch):
    other = switch.broker.token("other", switch.company.id, "router")
    assert beat(switch, "pbx").status == beat(switch, "pbx", token=other).status == 200


@pytest.mark.parametrize("router, body, status, code, field", [
    ("Pbx 1", None, 400, "bad_request", "router"), ("pbx", b"[]", 400, "bad_request", None),
    ("pbx", b'{"calls":{}}', 400, "bad_request", "calls"), ("pbx", b'{"calls":[7]}', 400, "bad_request", "calls"),
    ("pbx", b'{"calls":' + str([str(i) for i in range(10001)]).replace("'", '"').encode() + b"}", 413, "too_large", "calls")])
def test_bad_input(switch, router, body, status, code, field):
    answer = switch.broker.http("PUT", f"/v1/routers/{router.replace(' ', '%20')}", token=switch.token, body=body,
                                content_type="application/json")
    is_problem(answer, status, code, field)


def test_only_routers_beat(switch):
    for role in ("member", "admin", "switchboard"):
        token = switch.broker.token("kari", switch.company.id, role)
        is_problem(beat(switch, "pbx", token=token), 403, "forbidden")
    is_problem(switch.broker.http("PUT", "/v1/routers/pbx"), 401, "unauthorized")
    is_problem(switch.broker.http("GET", "/v1/routers/pbx", token=switch.token), 405, "bad_request")
