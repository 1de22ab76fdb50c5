"""Faults of other systems, by their numbers: everybody who looks sees the same, and what is counted is counted once."""

import os
import signal

import pytest

from broker_process import unique, wait_until
from ledig_client import now_ms
from test_calls import Switch, leg
from test_claims import Desk, ready
from test_provisioning import Office


@pytest.fixture
def desk(company):
    return Desk(company)


# ---- Counters ----

def counts(office):
    """Calls today: of the queue, and of each agent."""
    queue = office.queue()
    return queue["calls_today"], {agent["user"]: agent["calls_today"] for agent in queue["agents"]}


async def test_one_call_counts_once(company, desk):
    """Counters that count one call twice: reported against Asterisk (1736)."""
    await ready(desk, company, "kari", "ola", "nina")
    office, call, missed = Office(company), unique("call"), unique("call")
    assert counts(office) == (0, dict(kari=0, ola=0, nina=0))
    first, = desk.claimed(call)
    assert desk.claimed(call) == [first], "asked again"
    second, = desk.claimed(call, exclude=[first])  # the first does not answer
    assert counts(office)[0] == 0, "nobody has answered"
    events = [(1, dict(legs=[leg(second, "ringing")])), (2, dict(legs=[leg(second, "active")])),
              (3, dict(legs=[leg(second, "held"), leg(first, "ringing")])), (4, dict(legs=[leg(first, "active")])),
              (5, dict(legs=[leg(second, "active")]))]  # transferred, and back
    for seq, body in events:
        for _ in range(2):  # sent again for want of an answer
            desk.report(call, seq, queue="support", **body)
    for seq in (6, 6, 5, 4, 7):
        desk.report(call, seq, state="ended")
    assert counts(office) == (1, {**dict(kari=0, ola=0, nina=0), first: 1, second: 1})
    other, = desk.claimed(missed)
    desk.report(missed, 1, queue="support", legs=[leg(other, "ringing")])
    desk.report(missed, 2, state="ended")
    direct = unique("call")
    desk.report(direct, 1, legs=[leg(first, "active")])
    desk.report(direct, 2, state="ended")
    assert counts(office) == (1, {**dict(kari=0, ola=0, nina=0), first: 1, second: 1}), "one of the queue's, answered"
    for _ in range(2):
        another = unique("call")
        desk.report(another, 1, queue="support", legs=[leg(first, "active")])
        desk.report(another, 2, state="ended")
    assert counts(office) == (3, {**dict(kari=0, ola=0, nina=0), first: 3, second: 1})


async def test_a_call_that_changes_the_queue_counts_for_each(company, desk):
    office, call = Office(company), unique("call")
    office.done("PUT", "/queues/sales", dict(name="Sales"), 201)
    await company.app("kari")
    desk.report(call, 1, queue="support", legs=[leg("kari", "active")])
    desk.report(call, 2, queue="sales", legs=[leg("kari", "active")])
    desk.report(call, 3, queue="sales", legs=[leg("kari", "active")])
    assert [office.queue(queue)["calls_today"] for queue in ("support", "sales")] == [1, 1]
    desk.report(call, 4, state="ended")
    assert [office.queue(queue)["calls_today"] for queue in ("support", "sales")] == [1, 1]


# ---- Do not disturb ----

async def all_views(company, desk, office, apps, user, other):
    """How everybody who can look sees this person, all at one version of the company: that of a change that the other
    makes, so that it is seen by all."""
    while True:
        fence = unique("fence")
        version = (await other.set("away", note=fence))["version"]
        for app in apps:
            await app.until(lambda: any(m["note"] == fence for m in app.members.values()), "the fence")
        route = wait_until(lambda: (r := company.route(user))["version"] >= version and r, "the router's worker knows it")
        seen = {f"app {i}": app.members[user]["availability"] for i, app in enumerate(apps)}
        for i, app in enumerate(apps):
            seen[f"ask {i}"] = (await app.ask(users=[user]))[0][user]["availability"]
        seen["queue"] = next(a["availability"] for a in office.queue()["agents"] if a["user"] == user)
        seen["route"] = route["availability"]
        if company.route(user)["version"] == version:
            return seen, route


async def test_do_not_disturb_is_do_not_disturb_on_every_screen(company, desk):
    """Shown as busy on one screen and available on another: reported against FreePBX (268)."""
    await ready(desk, company, "kari", "ola")
    office = Office(company)
    kari = await company.app("kari", device="phone")
    ola, nina = await company.app("ola", device="screen"), await company.app("nina", encoding="json")
    apps, until, call = [kari, ola, nina], now_ms() + 600_000, unique("call")
    await kari.set("dnd", until=until, note="konsentrerer meg")
    for state in (None, "ringing", "active", "held", "ended"):  # whatever else happens meanwhile
        if state == "ended":
            desk.report(call, 9, state="ended")
        elif state:
            desk.report(call, ["ringing", "active", "held"].index(state) + 1, user="kari", state=state)
        seen, route = await all_views(company, desk, office, apps, "kari", nina)
        assert set(seen.values()) == {"dnd"}, (state, seen)
        assert route["action"] == "unavailable" and route["until"] == until
        assert {app.members["kari"]["until"] for app in apps} == {until}
    until = now_ms() + 1_500
    await kari.set("dnd", until=until)
    for app in apps:
        await app.sees("kari", availability="available", until=None)
    wait_until(lambda: company.route("kari")["availability"] == "available", "it has passed")
    assert now_ms() >= until
    seen, route = await all_views(company, desk, office, apps, "kari", nina)
    assert set(seen.values()) == {"available"} and route["action"] == "ring", seen


# ---- Redis stopped ----

@pytest.mark.slow(240)
async def test_the_route_answer_is_right_while_redis_is_stopped_and_at_once_right_again(start_broker, make_company):
    broker = start_broker(store_timeout_ms=700, verify_ms=300)
    company = make_company(broker=broker)
    switch = Switch(company)
    kari, ola = await company.app("kari"), await company.app("ola")
    call, until = unique("call"), now_ms() + 5_000
    switch.report(call, 1, user="ola", state="active")
    await kari.set("dnd", until=until)  # the change just before
    wait_until(lambda: (company.route("kari")["action"], company.route("ola")["action"]) == ("unavailable", "busy"), "known")
    pid = broker.redis_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        route = wait_until(lambda: (r := company.route("kari"))["stale_ms"] > 1_000 and r, "it is told that it is old")
        assert route["availability"] == "dnd" or now_ms() >= until
        assert company.route("ola")["action"] == "busy", "its router's lease stands still"
        error = await ola.refused("set", status="away")  # the change meanwhile: refused, and nobody sees it as made
        assert error["code"] == "unavailable" and company.route("ola")["availability"] == "busy"
        wait_until(lambda: company.route("kari")["action"] == "ring", "time goes on without Redis")
        assert company.route("kari")["stale_ms"] > 1_000 and now_ms() >= until
    finally:
        os.kill(pid, signal.SIGCONT)
    broker.wait_ready()
    switch.report(call, 2, state="ended")  # the changes just after
    await kari.set("away", forward="ola")
    wait_until(lambda: company.route("kari")["stale_ms"] < 1_000, "answers are fresh again")
    route = wait_until(lambda: (r := company.route("kari"))["action"] == "forward" and r, "the change is known")
    assert route["target"] == company.numbers["ola"] and route["availability"] == "away"
    await ola.until(lambda: ola.members["ola"]["activity"] != "in_call")
    own = (await ola.ask(users=["ola"]))[0]["ola"]["availability"]
    assert own in ("available", "away"), "the refused one may have been made, or not"
    wait_until(lambda: company.route("ola")["availability"] == own, "and all say the same of it")
