"""Claims: which agent shall get the call? Exactly one, no other call gets the same, and nobody is left reserved."""

import concurrent.futures

import pytest

from broker_process import unique, wait_until
from conftest import person
from test_calls import Switch, leg
from test_queue import board_shows
from test_router import is_problem

AGENTS = ("kari", "ola", "nina")


class Desk(Switch):
    """A telephone system with the queue `support`."""

    def claim(self, call, queue="support", token=None, **body):
        return self.broker.http("POST", f"/v1/companies/{self.company.id}/queues/{queue}/claims",
                                token=token or self.token, body=dict(call=call, **body))

    def claimed(self, call, **body):
        answer = self.claim(call, **body)
        assert answer.status in (200, 201) and answer.json["call"] == call, (answer.status, answer.body)
        return [one["user"] for one in answer.json["claims"]]

    def give_back(self, call):
        return self.broker.http("DELETE", f"/v1/companies/{self.company.id}/claims/{call}", token=self.token)


async def log_in(company, *users):
    """Each is in the queue, the first named the longest; returns their apps."""
    apps = {}
    for user in users:
        apps[user] = await company.app(user)
        await apps[user].ok("queue", queue="support", member=True)
    return apps




@pytest.fixture
def desk(company):
    return Desk(company)


async def ready(desk, company, *users):
    """Agents are logged in, and the router worker has heard of it."""
    apps = await log_in(company, *users)
    watcher = apps[users[0]]
    await watcher.ok("follow", users="all", queues=["support"])
    await board_shows(watcher, free=len(users))

    def knows_all():
        call = unique("probe")
        answer = desk.claim(call, strategy="ring_all")
        found = len(answer.json.get("claims", [])) if answer.status < 400 else 0
        desk.give_back(call)
        return found == len(users)

    wait_until(knows_all, "the router worker knows all agents")
    await board_shows(watcher, free=len(users))
    path = f"/v1/companies/{company.id}/queues/support"
    wait_until(lambda: desk.broker.http("GET", path, token=desk.token).json["free"] == len(users), "and that they are free")
    return watcher


async def test_a_claim_shows_at_once_and_comes_with_a_number(company, desk):
    watcher = await ready(desk, company, "kari")
    call = unique("call")
    answer = desk.claim(call, lease_ms=5000)
    assert answer.status == 201, answer.body
    assert answer.json["claims"] == [dict(user="kari", target=company.numbers["kari"])]
    assert 0 < answer.json["lease_ms"] <= 5000
    await watcher.sees("kari", availability="busy", activity="ringing")
    await board_shows(watcher, free=0, busy=1)
    assert company.route("kari")["action"] == "busy"


async def test_the_same_call_again_gets_the_same_agent(company, desk):
    await ready(desk, company, *AGENTS)
    call = unique("call")
    first = desk.claim(call)
    again = desk.claim(call)
    assert (first.status, again.status) == (201, 200) and again.json["claims"] == first.json["claims"]
    assert again.json["lease_ms"] <= first.json["lease_ms"], "asking again does not renew"


async def test_two_calls_never_get_the_same_agent(company, desk):
    """Two agents answer one call, or one is rung by two: reported against Asterisk (176)."""
    await ready(desk, company, *AGENTS)
    calls = [unique("call") for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(desk.claim, calls))
    won = [answer.json["claims"][0]["user"] for answer in answers if answer.status == 201]
    assert sorted(won) == sorted(AGENTS), [(a.status, a.body) for a in answers]
    for answer in answers:
        if answer.status != 201:
            is_problem(answer, 409, "conflict")
            assert answer.json["free"] == 0


async def test_the_same_call_asked_at_the_same_moment_gets_one_agent(company, desk):
    await ready(desk, company, *AGENTS)
    call = unique("call")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: desk.claim(call), range(6)))
    users = {answer.json["claims"][0]["user"] for answer in answers}
    assert len(users) == 1 and {a.status for a in answers} <= {200, 201}, [(a.status, a.body) for a in answers]


async def test_the_next_one_is_claimed_when_one_does_not_answer(company, desk):
    watcher = await ready(desk, company, *AGENTS)
    call, seen = unique("call"), []
    for _ in AGENTS:
        user, = desk.claimed(call, exclude=seen)
        assert user not in seen
        desk.report(call, len(seen) + 1, user=user, state="ringing", queue="support")
        seen.append(user)
    is_problem(desk.claim(call, exclude=seen), 409, "conflict")
    await board_shows(watcher, free=3, busy=0)  # the last one was released too


async def test_an_answered_call_is_neither_claimed_nor_given_back(company, desk):
    watcher = await ready(desk, company, *AGENTS)
    call = unique("call")
    user, = desk.claimed(call)
    desk.report(call, 1, user=user, state="active", queue="support")
    is_problem(desk.claim(call), 409, "conflict", "call")
    is_problem(desk.give_back(call), 409, "conflict", "call")
    desk.report(call, 2, state="ended")
    await board_shows(watcher, free=3)
    is_problem(desk.claim(call), 409, "conflict", "call")


def caller(user):
    """The one who placed the call, by an own telephone of the company."""
    return dict(user=user, state="active", caller=True)


async def test_who_placed_a_call_has_not_answered_it(company, desk):
    """A colleague calls the queue: an active leg, but nobody has answered."""
    watcher, call = await ready(desk, company, "kari", "ola"), unique("call")
    desk.report(call, 1, legs=[caller("nina")], queue="support")
    await watcher.sees("nina", activity="in_call")
    assert desk.claimed(call) == ["kari"]
    assert desk.claimed(call) == ["kari"], "the same call again"
    desk.report(call, 2, legs=[caller("nina"), leg("kari", "ringing")], queue="support")
    assert desk.claimed(call, exclude=["kari"]) == ["ola"]
    await watcher.sees("kari", availability="available")
    assert watcher.members["nina"]["activity"] == "in_call", "who placed the call is still on it"
    assert desk.give_back(call).status == 204
    await watcher.sees("ola", availability="available")
    assert watcher.members["nina"]["activity"] == "in_call"
    assert desk.claimed(call, exclude=["kari"]) == ["ola"]
    desk.report(call, 3, legs=[caller("nina"), leg("ola", "active")], queue="support")
    is_problem(desk.claim(call, exclude=["ola"]), 409, "conflict", "call")  # now it is answered
    desk.report(call, 4, state="ended")
    await watcher.sees("nina", availability="available")


async def test_an_agent_who_calls_the_queue_is_not_claimed_and_keeps_the_place(company, desk):
    watcher, call, other = await ready(desk, company, "kari"), unique("call"), unique("call")
    desk.report(call, 1, legs=[caller("kari")], queue="support")
    await watcher.sees("kari", activity="in_call")
    wait_until(lambda: desk.claim(call, wait_ms=10).json.get("position") == 1, "the call waits for another agent")
    await board_shows(watcher, waiting=1, busy=1)
    desk.report(call, 2, legs=[caller("kari")], queue="support")  # the same again takes it out of no line
    assert desk.claim(other, wait_ms=10).json["position"] == 2
    desk.report(call, 3, state="ended")
    desk.report(other, 1, state="ended")
    await board_shows(watcher, waiting=0, free=1)


async def test_a_claim_stands_when_the_caller_is_reported_late(company, desk):
    watcher, call = await ready(desk, company, "kari", "ola"), unique("call")
    assert desk.claimed(call) == ["kari"]
    desk.report(call, 1, legs=[caller("nina")], queue="support")
    await watcher.sees("nina", activity="in_call")
    assert watcher.members["kari"]["activity"] == "ringing"
    assert desk.claimed(call) == ["kari"] and desk.claimed(unique("call")) == ["ola"]
    desk.report(call, 2, state="ended")
    await watcher.sees("kari", availability="available")


async def test_who_placed_a_queues_call_is_not_counted(company, desk):
    watcher, call = await ready(desk, company, "kari", "ola"), unique("call")
    desk.report(call, 1, legs=[caller("ola"), leg("kari", "active")], queue="support")
    await watcher.sees("ola", activity="in_call")
    desk.report(call, 2, state="ended")
    await board_shows(watcher, free=2)
    # with as many calls as kari, ola would come second
    assert desk.claimed(unique("call"), strategy="fewest_calls") == ["ola"]


async def test_who_placed_a_queues_call_gets_no_wrap_up(company, desk):
    watcher = await ready(desk, company, "kari", "ola")
    company.broker.http("PATCH", f"/v1/companies/{company.id}/queues/support", body=dict(wrap_up_ms=600_000),
                        token=company.broker.token("boss", company.id, "admin"))
    call = unique("call")
    desk.report(call, 1, legs=[caller("kari"), leg("ola", "active")], queue="support")
    await watcher.sees("kari", activity="in_call")
    desk.report(call, 2, state="ended")
    await watcher.sees("ola", activity="wrap_up")
    assert watcher.members["kari"]["availability"] == "available"


async def test_given_back_by_hand_and_by_time(company, desk):
    watcher = await ready(desk, company, "kari")
    call = unique("call")
    desk.claimed(call)
    await board_shows(watcher, free=0)
    assert desk.give_back(call).status == 204 and desk.give_back(call).status == 204
    await board_shows(watcher, free=1)
    desk.claimed(unique("call"), lease_ms=300)  # the router forgets it
    await board_shows(watcher, free=0)
    await board_shows(watcher, free=1)
    is_problem(desk.give_back(unique("unheard")), 404, "not_found")


async def test_claims_that_a_router_forgot_do_not_pile_up(company, desk):
    """A record holds 64 live calls; those that are over must not take up the room."""
    watcher = await ready(desk, company, "kari")
    for _ in range(70):
        wait_until(lambda: desk.claim(unique("forgotten"), lease_ms=1).status == 201, "kari can be claimed again")
    call = unique("call")
    wait_until(lambda: desk.claim(call).status in (200, 201), "and once more")
    desk.report(call, 1, user="kari", state="active", queue="support")
    await board_shows(watcher, free=0, busy=1)
    desk.report(call, 2, state="ended")
    await board_shows(watcher, free=1)


async def test_the_longest_idle_comes_first(company, desk):
    await ready(desk, company, *AGENTS)
    order = []
    for _ in range(3):  # each takes a call, so goes to the end
        call = unique("call")
        user, = desk.claimed(call)
        desk.report(call, 1, user=user, state="active", queue="support")
        desk.report(call, 2, state="ended")
        order.append(user)
        wait_until(lambda: company.route(user)["action"] == "ring", f"{user} is free again")
    assert sorted(order) == sorted(AGENTS), order
    user, = desk.claimed(unique("call"))
    assert user == order[0]


async def test_ring_all_takes_everybody_and_leaves_one(company, desk):
    watcher = await ready(desk, company, *AGENTS)
    call = unique("call")
    assert sorted(desk.claimed(call, strategy="ring_all")) == sorted(AGENTS)
    await board_shows(watcher, free=0, busy=3)
    desk.report(call, 1, legs=[leg("ola", "active")], queue="support")
    await board_shows(watcher, free=2, busy=1)


async def test_who_is_paused_busy_or_not_logged_in_is_not_claimed(company, desk):
    watcher = await ready(desk, company, "kari", "ola")
    ola = await company.app("ola", device="desk")
    await ola.ok("queue", queue="support", member=True, pause="lunch")
    kari = await company.app("kari", device="desk")
    await kari.set("dnd")
    await board_shows(watcher, free=0, busy=2)
    wait_until(lambda: desk.claim(unique("call")).status == 409, "nobody is free")
    await ola.ok("queue", queue="support", member=True)
    await board_shows(watcher, free=1)
    wait_until(lambda: desk.claim("call-for-ola").status in (200, 201), "ola is free")
    assert desk.claimed("call-for-ola") == ["ola"]


async def test_next_free_at_tells_when_the_meeting_ends(company, desk):
    from ledig_client import now_ms
    await ready(desk, company, "kari")
    kari = await company.app("kari", device="desk")
    until = now_ms() + 3_600_000
    await kari.set("busy", activity="meeting", until=until)
    wait_until(lambda: desk.claim(unique("call")).status == 409, "nobody is free")
    assert is_problem(desk.claim(unique("call")), 409, "conflict")
    assert desk.claim(unique("call")).json["next_free_at"] == until


@pytest.mark.parametrize("body, status, code, field", [
    (dict(), 400, "bad_request", "call"), (dict(call="x" * 121), 400, "bad_request", "call"),
    (dict(call="a\nb"), 400, "bad_request", "call"), (dict(call=7), 400, "bad_request", "call"),
    (dict(call="c", strategy="fair"), 400, "bad_request", "strategy"), (dict(call="c", lease_ms=-1), 400, "bad_request", "lease_ms"),
    (dict(call="c", lease_ms=10**9), 400, "bad_request", "lease_ms"), (dict(call="c", exclude="kari"), 400, "bad_request", "exclude"),
    (dict(call="c", exclude=["no good"]), 400, "bad_request", "exclude"), (dict(call="c", exclude=["a"] * 65), 400, "bad_request", "exclude"),
    (dict(call="c", router="R 1"), 400, "bad_request", "router")])
def test_bad_input(desk, body, status, code, field):
    answer = desk.broker.http("POST", f"/v1/companies/{desk.company.id}/queues/support/claims", token=desk.token, body=body)
    is_problem(answer, status, code, field)


def test_queues_and_companies_that_are_not_ones_own(desk, make_company):
    other = make_company(rows=[person("per", queues="sales")])
    is_problem(desk.claim("c1", queue="sales"), 404, "not_found", "queue")
    is_problem(desk.claim("c1", queue="No"), 404, "not_found", "queue")
    is_problem(desk.broker.http("POST", f"/v1/companies/{other.id}/queues/sales/claims", token=desk.token,
                                body=dict(call="c1")), 404, "not_found")
    is_problem(desk.claim("c1", token=desk.broker.token("kari", desk.company.id)), 403, "forbidden")
