"""What a router reports of calls: who is on it shows at once, and nothing that comes late or twice does harm."""


import pytest

from broker_process import number, unique, wait_until
from ledig_client import now_ms
from store_reader import stored
from test_queue import board_shows
from test_router import is_problem


class Switch:
    """A telephone system that reports its calls."""

    def __init__(self, company):
        self.company, self.broker = company, company.broker
        self.token = self.broker.token("switch", company.id, "router")

    def put(self, call, seq, token=None, **body):
        return self.broker.http("PUT", f"/v1/companies/{self.company.id}/calls/{call}", token=token or self.token,
                                body=dict(seq=seq, **body))

    def report(self, call, seq, **body):
        answer = self.put(call, seq, **body)
        assert answer.status == 200 and answer.json["call"] == call, (answer.status, answer.body)
        return answer.json["version"]


def leg(user, state):
    return dict(user=user, state=state)


@pytest.fixture
def switch(company):
    return Switch(company)


async def test_a_call_shows_as_it_goes_on(company, switch):
    ola, call = await company.app("ola"), unique("call")
    switch.report(call, 1, user="kari", state="ringing", direction="in", peer="+4799999999")
    row = await ola.sees("kari", availability="busy", activity="ringing")
    switch.report(call, 2, user="kari", state="active", at=now_ms())
    row = await ola.sees("kari", availability="busy", activity="in_call")
    switch.report(call, 3, user="kari", state="held")
    assert (await ola.sees("kari", activity="in_call"))["since"] >= row["since"]
    assert switch.broker.route(company.numbers["kari"], company.id)["action"] == "busy"
    switch.report(call, 4, state="ended")
    await ola.sees("kari", availability="available", activity=None)


async def test_a_post_says_the_same(company, switch):
    """For telephone systems whose HTTP client has only GET and POST."""
    ola, call = await company.app("ola"), unique("call")
    path = f"/v1/companies/{company.id}/calls/{call}"
    answer = company.broker.http("POST", path, token=switch.token, body=dict(seq=1, user="kari", state="active"))
    assert answer.status == 200 and answer.json["call"] == call, answer.body
    await ola.sees("kari", activity="in_call")
    assert company.broker.http("POST", path, token=switch.token, body=dict(seq=2, state="ended")).status == 200
    await ola.sees("kari", availability="available")
    assert company.broker.http("POST", "/v1/routers/pbx", token=switch.token).json["lease_ms"] > 0
    is_problem(company.broker.http("DELETE", path, token=switch.token), 405, "bad_request")


async def test_by_number_and_with_somebody_outside(company, switch):
    ola, call = await company.app("ola"), unique("call")
    switch.report(call, 1, legs=[dict(number=company.numbers["kari"].replace("+", "00"), state="active"),
                                 dict(number=number(), state="active")])
    await ola.sees("kari", activity="in_call")
    switch.report(call, 2, legs=[])
    await ola.sees("kari", availability="available")


async def test_transfer_and_conference_are_one_request_each(company, switch):
    nina, call = await company.app("nina"), unique("call")
    switch.report(call, 1, legs=[leg("kari", "active")])
    await nina.sees("kari", activity="in_call")
    switch.report(call, 2, legs=[leg("kari", "held"), leg("ola", "ringing")])
    await nina.sees("ola", activity="ringing")
    switch.report(call, 3, legs=[leg("ola", "active")])  # kari has left
    await nina.sees("ola", activity="in_call")
    await nina.sees("kari", availability="available")
    switch.report(call, 4, legs=[leg("ola", "active"), leg("nina", "active")])
    await nina.sees("nina", activity="in_call")
    mark = nina.mark()
    switch.report(call, 5, state="ended")
    await nina.sees("nina", availability="available")
    await nina.sees("ola", availability="available")
    assert all(r["availability"] == "available" for r in nina.rows_since(mark)), "free at one blow"


async def test_when_one_answers_the_others_are_free_in_the_same_moment(company, switch):
    """An agent stays reserved after another one has answered: reported against FreeSWITCH (2540)."""
    watcher, call = await company.app("nina"), unique("call")
    switch.report(call, 1, legs=[leg("kari", "ringing"), leg("ola", "ringing")], queue="support")
    await watcher.sees("kari", activity="ringing")
    await watcher.sees("ola", activity="ringing")
    version = switch.report(call, 2, legs=[leg("ola", "active")], queue="support")
    await watcher.until(lambda: watcher.place["version"] >= version)
    assert watcher.members["kari"]["availability"] == "available" and watcher.members["ola"]["activity"] == "in_call"


async def test_nothing_late_revives_a_call(company, switch):
    """A late ringing after the end keeps the lamp blinking: reported against Kamailio (3192)."""
    ola, call = await company.app("ola"), unique("call")
    switch.report(call, 5, user="kari", state="active")
    await ola.sees("kari", activity="in_call")
    before = switch.report(call, 4, user="kari", state="ringing")  # overtaken on the way
    end = switch.report(call, 6, state="ended")
    await ola.sees("kari", availability="available")
    for seq in (5, 6, 7):
        assert switch.report(call, seq, user="kari", state="ringing") == end, seq
    mark = ola.mark()
    assert before < end and ola.members["kari"]["availability"] == "available" and not ola.rows_since(mark, "kari")


async def test_the_end_may_come_first(company, switch):
    ola, call = await company.app("ola"), unique("call")
    end = switch.report(call, 2, state="ended")
    assert switch.report(call, 1, user="kari", state="ringing") == end
    assert ola.members["kari"]["availability"] == "available"


async def test_two_calls_at_once(company, switch):
    ola, first, second = await company.app("ola"), unique("call"), unique("call")
    switch.report(first, 1, user="kari", state="held")
    switch.report(second, 1, user="kari", state="active")
    await ola.sees("kari", activity="in_call")
    version = switch.report(second, 2, state="ended")
    await ola.until(lambda: ola.place["version"] >= version)
    assert ola.members["kari"]["activity"] == "in_call", "the first one is still held"
    switch.report(first, 2, state="ended")
    await ola.sees("kari", availability="available")


async def test_without_consent_a_call_leaves_no_trace(make_company):
    company = make_company(consent=["ola"])
    switch, ola, call = Switch(company), await company.app("ola"), unique("call")
    switch.report(call, 1, legs=[leg("kari", "active"), leg("ola", "active")])
    await ola.sees("ola", activity="in_call")
    assert ola.members.get("kari", {"availability": "unknown"})["availability"] == "unknown"
    switch.report(call, 2, state="ended")
    await ola.sees("ola", availability="available")


async def test_other_companies_look_as_if_they_did_not_exist(company, make_company):
    other = make_company()
    stranger, call = Switch(other), unique("call")
    for path_company in (company.id, "nobody-has-this"):
        answer = other.broker.http("PUT", f"/v1/companies/{path_company}/calls/{call}", token=stranger.token,
                                   body=dict(seq=1, user="kari", state="active"))
        is_problem(answer, 404, "not_found")
    member = other.broker.token("kari", other.id)
    is_problem(stranger.put(call, 1, token=member, user="kari", state="active"), 403, "forbidden")
    is_problem(other.broker.http("PUT", f"/v1/companies/{other.id}/calls/{call}", body=dict(seq=1)), 401, "unauthorized")


BAD = [
    (dict(), "user"), (dict(user="kari"), "state"), (dict(user="kari", state="asleep"), "state"),
    (dict(user="Kari", state="active"), "user"), (dict(user=7, state="active"), "user"),
    (dict(number="12", state="active"), "number"), (dict(user="kari", number="+4722334455", state="active"), "number"),
    (dict(legs={}), "legs"), (dict(legs=["kari"]), "legs"), (dict(legs=[dict(user="kari", state="active")] * 2), "legs"),
    (dict(legs=[dict(user=f"u{i}", state="active") for i in range(21)]), "legs"),
    (dict(legs=[dict(user="kari", state="active")], state="ended"), "legs"),
    (dict(user="kari", state="active", direction="sideways"), "direction"),
    (dict(user="kari", state="active", caller="yes"), "caller"),
    (dict(legs=[dict(user=user, state="active", caller=True) for user in ("kari", "ola")]), "caller"),
    (dict(user="kari", state="active", at=now_ms() + 900_000), "at"), (dict(user="kari", state="active", at="now"), "at"),
    (dict(user="kari", state="active", peer="x" * 200), "peer"), (dict(user="kari", state="active", queue="no queue"), "queue"),
]


@pytest.mark.parametrize("body, field", BAD)
async def test_bad_input_changes_nothing(company, switch, body, field):
    is_problem(switch.put(unique("call"), 1, **body), 400, "bad_request", field)
    assert company.route("kari")["action"] == "ring"


@pytest.mark.parametrize("seq", [None, 0, -1, "1", 1.5, 2 ** 60])
async def test_a_seq_is_needed(company, switch, seq):
    is_problem(switch.put(unique("call"), seq, state="ended"), 400, "bad_request", "seq")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"seq":1,"seq":2,"state":"ended"}', b"\xff\xfe", b'{"seq":1,"state":"end\\u0000ed"}'])
async def test_what_is_no_json(company, switch, body):
    answer = company.broker.http("PUT", f"/v1/companies/{company.id}/calls/c1", token=switch.token, body=body,
                                 content_type="application/json")
    is_problem(answer, 400, "bad_request")


async def test_whom_and_what_the_company_does_not_have(company, switch):
    is_problem(switch.put("c1", 1, user="nobody", state="active"), 404, "not_found", "user")
    is_problem(switch.put("c1", 1, user="kari", state="active", queue="sales"), 404, "not_found", "queue")
    is_problem(switch.put("c1", 1, user="kari", state="active", pad="x" * 20000), 413, "too_large")


async def test_wrap_up_follows_a_queues_call_only(company, switch):
    """What the queue says about wrap-up is provisioned with it; without, one is free at once."""
    ola, call = await company.app("ola"), unique("call")
    await ola.ok("follow", users="all", queues=["support"])
    kari = await company.app("kari")
    await kari.ok("queue", queue="support", member=True)
    await board_shows(ola, free=1)
    switch.report(call, 1, user="kari", state="active", queue="support")
    await board_shows(ola, free=0, busy=1)
    switch.report(call, 2, state="ended")
    await board_shows(ola, free=1, busy=0)


async def test_a_router_whose_clock_is_ahead_makes_no_wrap_up_longer(company, switch):
    ola, kari, call = await company.app("ola"), await company.app("kari"), unique("call")
    await ola.ok("follow", users="all", queues=["support"])
    await kari.ok("queue", queue="support", member=True)
    await board_shows(ola, free=1)
    answer = company.broker.http("PATCH", f"/v1/companies/{company.id}/queues/support", body=dict(wrap_up_ms=60_000),
                                 token=company.token("boss", "admin"))
    assert answer.status == 200, answer.body
    ahead = now_ms() + 240_000
    switch.report(call, 1, user="kari", state="active", queue="support", at=ahead)
    await board_shows(ola, busy=1)
    switch.report(call, 2, state="ended", at=ahead + 1000)
    row = await ola.sees("kari", activity="wrap_up")
    assert row["until"] <= now_ms() + 60_000 and row["since"] <= now_ms() + 1000, row


def is_stored(company, call):
    """Whether the call's record stands in Redis, and is no tombstone."""
    return stored(company.broker, company.id, "call", call) is not None


async def test_a_call_that_ended_long_ago_leaves_the_store(company, switch):
    old, young = unique("call"), unique("call")
    switch.report(old, 1, state="ended", at=now_ms() - 1_200_000)
    switch.report(young, 1, state="ended")
    assert is_stored(company, young)
    wait_until(lambda: not is_stored(company, old), "the old one is taken out")
    assert is_stored(company, young)
    switch.report(young, 2, user="kari", state="ringing")  # too late, and known to be
    assert company.route("kari")["action"] == "ring"
