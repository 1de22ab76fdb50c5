"""One's own history of calls: written with the event that ends a call, once each, for those who consent to it; shown to
nobody else, kept as long as the company says, and gone at a word."""

import asyncio
import json
import os
import re
import signal

import pytest

from broker_process import number, unique, wait_until
from ledig_client import now_ms
from test_calls import Switch, leg
from test_claims import Desk, ready
from test_hostile import dump_of, redis, rewind
from test_provisioning import Office
from test_router import is_problem
from test_routers import LEASE_MS

DAY_MS = 86_400_000
OUTSIDE = "+4799999999"


async def consent(app, granted=True):
    await app.ok("consent", purpose="call_history", granted=granted, text="v1")
    return app


async def history_of(company, *users):
    """Apps of people who consent to their history."""
    return [await consent(await company.app(user, device="history")) for user in users]


def logs_of(company):
    """Every key of a person's history in this company, as Redis has them."""
    return sorted(redis(company.broker, "KEYS", f"ledig:{{{company.id}}}:log:calls:*").split())


async def results(app):
    return [(row["call"], row["result"]) for row in (await app.calls())[0]]


@pytest.fixture
def switch(company):
    return Switch(company)


@pytest.fixture
def desk(company):
    return Desk(company)


# ---- What is written ----

async def test_an_internal_call_gives_each_of_them_one_record(company, switch):
    kari, ola = await history_of(company, "kari", "ola")
    call, begin = unique("call"), now_ms() - 60_000
    switch.report(call, 1, legs=[leg("kari", "ringing"), leg("ola", "active")], at=begin)
    switch.report(call, 2, legs=[leg("kari", "active"), leg("ola", "active")], at=begin + 5_000)
    assert (await kari.calls())[0] == [], "it is written at the end"
    switch.report(call, 3, state="ended", at=begin + 35_000)
    same = dict(call=call, direction="internal", result="answered", started_at=begin, answered_at=begin + 5_000,
                ended_at=begin + 35_000, queue=None)
    assert await kari.calls() == ([dict(same, peer="ola")], None)
    assert await ola.calls() == ([dict(same, peer="kari")], None)


async def test_what_the_router_says_of_the_other_side_counts(company, switch):
    kari, = await history_of(company, "kari")
    said, flat, out = unique("call"), unique("call"), unique("call")
    switch.report(said, 1, user="kari", state="ringing", direction="in", peer=OUTSIDE, queue="support")
    switch.report(said, 2, state="ended")
    switch.report(flat, 1, user="kari", state="active", direction="out", peer=OUTSIDE)
    switch.report(flat, 2, state="ended")
    switch.report(out, 1, legs=[leg("kari", "active"), dict(number=OUTSIDE, state="ringing")])
    switch.report(out, 2, state="ended")
    rows = {row["call"]: row for row in (await kari.calls())[0]}
    assert [(rows[c]["direction"], rows[c]["peer"], rows[c]["queue"], rows[c]["result"]) for c in (said, flat, out)] == [
        ("in", OUTSIDE, "support", "missed"), ("out", OUTSIDE, None, "answered"), ("out", OUTSIDE, None, "no_answer")]


async def test_a_call_that_nobody_answers(company, switch):
    kari, ola = await history_of(company, "kari", "ola")
    call = unique("call")
    switch.report(call, 1, legs=[leg("kari", "ringing"), leg("ola", "active")])
    switch.report(call, 2, state="ended")
    assert await results(kari) == [(call, "missed")] and await results(ola) == [(call, "no_answer")]
    assert (await kari.calls())[0][0]["answered_at"] is None


async def test_a_transfer_and_a_conference(company, switch):
    kari, ola, nina = await history_of(company, "kari", "ola", "nina")
    call, begin = unique("call"), now_ms() - 60_000
    switch.report(call, 1, user="kari", state="active", direction="in", peer=OUTSIDE, at=begin)
    switch.report(call, 2, legs=[leg("kari", "held"), leg("ola", "ringing")], at=begin + 1_000)
    switch.report(call, 3, legs=[leg("ola", "active")], at=begin + 2_000)  # kari has left
    assert await results(kari) == [(call, "answered")] and await results(ola) == []
    assert (await kari.calls())[0][0]["ended_at"] == begin + 2_000
    switch.report(call, 4, legs=[leg("ola", "active"), leg("nina", "active")], at=begin + 3_000)
    switch.report(call, 5, state="ended", at=begin + 4_000)
    for app, start in ((ola, 1_000), (nina, 3_000)):
        row, = (await app.calls())[0]
        assert (row["result"], row["started_at"], row["ended_at"]) == ("answered", begin + start, begin + 4_000)
    assert await results(kari) == [(call, "answered")], "still one"


async def test_a_colleague_who_does_not_take_over_has_missed_it(company, switch):
    """The one who asks was on it before: that is no answer by another."""
    kari, ola = await history_of(company, "kari", "ola")
    call = unique("call")
    switch.report(call, 1, user="kari", state="active", direction="in")
    switch.report(call, 2, legs=[leg("kari", "held"), leg("ola", "ringing")])
    switch.report(call, 3, legs=[leg("kari", "active")])
    assert await results(ola) == [(call, "missed")] and await results(kari) == []
    switch.report(call, 4, state="ended")
    assert await results(kari) == [(call, "answered")]


async def test_ring_all_is_answered_by_one_and_elsewhere_for_the_others(company, desk):
    watcher = await ready(desk, company, "kari", "ola", "nina")
    kari, ola, nina = await history_of(company, "kari", "ola", "nina")
    call = unique("call")
    assert len(desk.claimed(call, strategy="ring_all")) == 3
    desk.report(call, 1, queue="support", legs=[leg("kari", "ringing"), leg("ola", "ringing")])  # nina's telephone does not tell
    desk.report(call, 2, queue="support", legs=[leg("ola", "active")])
    desk.report(call, 3, state="ended")
    await watcher.sees("ola", activity=None)
    assert await results(kari) == [(call, "elsewhere")] and await results(ola) == [(call, "answered")]
    assert {row["queue"] for row in (await ola.calls())[0]} == {"support"}
    assert await results(nina) == [], "it was not told to ring there, and was over before another answered"


async def test_a_claim_that_another_answers_is_elsewhere_too(company, desk):
    """A router that does not report the ringing."""
    await ready(desk, company, "kari", "ola")
    kari, ola = await history_of(company, "kari", "ola")
    call = unique("call")
    assert len(desk.claimed(call, strategy="ring_all")) == 2
    desk.report(call, 1, queue="support", legs=[leg("ola", "active")])
    desk.report(call, 2, state="ended")
    assert await results(kari) == [(call, "elsewhere")] and await results(ola) == [(call, "answered")]


async def test_an_agent_who_does_not_answer_has_missed_it_and_a_claim_alone_leaves_nothing(company, desk):
    await ready(desk, company, "kari", "ola")
    kari, ola = await history_of(company, "kari", "ola")
    call, given_back = unique("call"), unique("call")
    desk.claimed(given_back)
    assert desk.give_back(given_back).status == 204
    first, = desk.claimed(call)
    desk.report(call, 1, queue="support", legs=[leg(first, "ringing")])
    second, = desk.claimed(call, exclude=[first])
    apps = dict(kari=kari, ola=ola)
    assert {first, second} == set(apps)
    assert await results(apps[first]) == [(call, "missed")], "written as the next one is claimed"
    desk.report(call, 2, state="ended")  # the caller hangs up before the second telephone rings
    assert await results(apps[second]) == [] and await results(apps[first]) == [(call, "missed")]


async def test_what_comes_twice_or_late_is_written_once(company, switch):
    kari, = await history_of(company, "kari")
    call = unique("call")
    for _ in range(2):
        switch.report(call, 1, user="kari", state="ringing", direction="in")
        switch.report(call, 2, user="kari", state="active")
    for seq in (5, 5, 4, 3, 6, 7):
        switch.report(call, seq, state="ended")
    switch.report(call, 8, user="kari", state="ringing")
    assert await results(kari) == [(call, "answered")]


async def test_a_lost_routers_calls_are_written_with_their_end(start_broker, make_company):
    broker = start_broker(router_lease_ms=LEASE_MS, verify_ms=200)
    company = make_company(broker=broker)
    switch, lost, swept = Switch(company), unique("call"), unique("call")
    kari, ola = await history_of(company, "kari", "ola")
    switch.report(lost, 1, user="kari", state="active", direction="in", router="pbx-1")
    switch.report(swept, 1, user="ola", state="active", direction="in", router="pbx-1")
    began_at = now_ms()
    await ola.sees("kari", activity="in_call")
    await ola.sees("kari", availability="available")  # nothing came for longer than the lease
    ended_by = now_ms()
    other = unique("call")
    switch.report(other, 1, user="kari", state="active", direction="in")  # drops what is over
    while not await results(kari) or not await results(ola):
        await asyncio.sleep(0.05)  # between two looks
    switch.report(other, 2, state="ended")
    assert await results(kari) == [(other, "answered"), (lost, "answered")] and await results(ola) == [(swept, "answered")]
    for row in (await kari.calls())[0][1:] + (await ola.calls())[0]:
        assert began_at - 1_000 <= row["ended_at"] <= ended_by + 1_000, "the end of the lease, whoever found it when"


# ---- Consent ----

async def test_without_consent_there_is_nothing_at_all(company, switch):
    kari, call = await company.app("kari"), unique("call")
    (await kari.ok("consent", purpose="call_history", granted=False, text="v1"))
    switch.report(call, 1, legs=[leg("kari", "active"), leg("ola", "active")])
    switch.report(call, 2, state="ended")
    assert logs_of(company) == []
    for message in ("calls", "usage"):
        assert (await kari.refused(message))["code"] == "consent_required"
    await consent(kari)
    assert await kari.calls() == ([], None), "what was before stays unknown"


async def test_without_presence_nothing_is_written(make_company):
    company = make_company(consent=False)
    switch, call = Switch(company), unique("call")
    await history_of(company, "kari")
    switch.report(call, 1, legs=[leg("kari", "active")])
    switch.report(call, 2, state="ended")
    assert logs_of(company) == []


async def test_a_withdrawal_destroys_the_history(company, switch):
    kari, ola = await history_of(company, "kari", "ola")
    call, open_call = unique("call"), unique("call")
    switch.report(open_call, 1, legs=[leg("kari", "active")])
    switch.report(call, 1, legs=[leg("kari", "active"), leg("ola", "active")])
    switch.report(call, 2, state="ended")
    assert len(logs_of(company)) == 4, "two keys a person"
    assert {"purpose": "call_history", "granted": True}.items() <= await_consent(kari).items()
    await consent(kari, granted=False)
    assert all("log:calls:ola" in key for key in logs_of(company)) and len(logs_of(company)) == 2
    switch.report(open_call, 2, state="ended")  # a call that was up meanwhile leaves nothing either
    assert len(logs_of(company)) == 2
    assert (await kari.refused("calls"))["code"] == "consent_required"
    await consent(kari)
    assert await kari.calls() == ([], None) and await results(ola) == [(call, "answered")]


def await_consent(app):
    """One's own consent to the history, as `me` told it."""
    columns = ("purpose", "granted", "text", "at")
    rows = [dict(zip(columns, values)) for values in app.me["consents"]]
    return next(one for one in rows if one["purpose"] == "call_history")


async def test_withdrawals_and_ends_of_calls_at_the_same_time_leave_nothing(company, switch):
    """Whichever comes first: no event that is under way brings a history back."""
    kari, = await history_of(company, "kari")
    for _ in range(20):
        calls = [unique("call") for _ in range(6)]
        for call in calls:
            switch.report(call, 1, user="kari", state="active", direction="in")
        await consent(kari)
        ends = [asyncio.to_thread(switch.report, call, 2, state="ended") for call in calls]
        await asyncio.gather(*ends[:3], consent(kari, granted=False), *ends[3:])
        assert logs_of(company) == []


async def test_a_withdrawal_outlives_a_restore(start_broker, make_company):
    """The store goes back to the time before: the history that came back with it is destroyed again."""
    broker = start_broker(verify_ms=100, grace_ms=100)
    company = make_company(broker=broker)
    switch, call = Switch(company), unique("call")
    kari, = await history_of(company, "kari")
    switch.report(call, 1, user="kari", state="active", direction="in")
    switch.report(call, 2, state="ended")
    dump = await asyncio.to_thread(dump_of, broker)
    await consent(kari, granted=False)
    await kari.until(lambda: await_consent(kari)["granted"] is False, "the withdrawal was heard of")
    await rewind(broker, dump)
    await asyncio.to_thread(wait_until, lambda: "withdrawal_kept" in broker.log(), "the store's other history was met")
    await asyncio.to_thread(wait_until, lambda: logs_of(company) == [], "it is gone once more")
    assert (await kari.refused("calls"))["code"] == "consent_required"


async def test_who_leaves_takes_the_history_along(company, switch):
    kari, call = (await history_of(company, "kari"))[0], unique("call")
    switch.report(call, 1, user="kari", state="active", direction="in")
    switch.report(call, 2, state="ended")
    assert len(logs_of(company)) == 2
    Office(company).done("DELETE", "/users/kari", status=204)
    assert logs_of(company) == []
    await kari.until_closed()


async def test_other_peoples_history_cannot_be_had(company, make_company, switch):
    kari, nina = await history_of(company, "kari", "nina")
    call = unique("call")
    switch.report(call, 1, user="kari", state="active", direction="in", peer=OUTSIDE)
    switch.report(call, 2, state="ended")
    lead = await consent(await company.app("ola", role="lead"))
    stranger, = await history_of(make_company(), "kari")
    for app in (nina, lead, stranger):
        assert await app.calls(user="kari", users=["kari"], company=company.id) == ([], None)
        assert (await app.usage(user="kari"))[None]["calls"] == 0
    assert await results(kari) == [(call, "answered")]


# ---- Lists and sums ----

def past(switch, user, count, at, step_ms=1_000, **more):
    """Calls that this person answered, one after the other."""
    for i in range(count):
        call = unique("call")
        switch.report(call, 1, user=user, state="active", at=at + i * step_ms, **more)
        switch.report(call, 2, state="ended", at=at + i * step_ms + 500)


async def pages(app, limit):
    rows, before, sizes = [], None, []
    while True:
        page, before = await app.calls(limit=limit, **({"before": before} if before else {}))
        rows += page
        sizes.append(len(page))
        if not before:
            return rows, sizes


async def test_a_list_comes_in_pages(company, switch):
    kari, = await history_of(company, "kari")
    past(switch, "kari", 30, now_ms() - 100_000)
    whole, none = await kari.calls(limit=100)
    assert len(whole) == 30 and none is None and whole == sorted(whole, key=lambda row: -row["started_at"])
    assert await pages(kari, 7) == (whole, [7, 7, 7, 7, 2])
    assert (await pages(kari, 30))[0] == whole
    answer = await kari.ok("calls", limit=100)
    assert answer["parts"] == 2, "a long one comes in parts"


async def test_calls_of_one_moment_are_not_parted(company, switch):
    kari, = await history_of(company, "kari")
    at = now_ms() - 100_000
    past(switch, "kari", 1, at - 10)
    past(switch, "kari", 5, at, step_ms=0)
    past(switch, "kari", 2, at + 10)
    whole, _ = await kari.calls()
    rows, sizes = await pages(kari, 3)
    assert rows == whole and sizes == [2, 5, 1]


async def test_usage_adds_up(company, switch):
    kari, = await history_of(company, "kari")
    begin = now_ms() - 10 * DAY_MS
    past(switch, "kari", 3, begin, direction="in", queue="support")
    past(switch, "kari", 260, begin + 10_000, direction="out", step_ms=100)  # more than one reading
    call, internal = unique("call"), unique("call")
    switch.report(call, 1, user="kari", state="ringing", direction="in", queue="support", at=begin + DAY_MS)
    switch.report(call, 2, state="ended", at=begin + DAY_MS + 1)
    switch.report(internal, 1, legs=[leg("kari", "active"), leg("ola", "active")], at=begin + 2 * DAY_MS)
    switch.report(internal, 2, state="ended", at=begin + 2 * DAY_MS + 60_000)
    assert await kari.usage() == {
        None: {"queue": None, "calls": 265, "in": 4, "out": 260, "internal": 1, "answered": 264, "missed": 1,
               "talk_ms": 263 * 500 + 60_000},
        "support": {"queue": "support", "calls": 4, "in": 4, "out": 0, "internal": 0, "answered": 3, "missed": 1,
                    "talk_ms": 1_500}}
    day = await kari.usage(**{"from": begin + DAY_MS, "to": begin + 2 * DAY_MS})
    assert (day[None]["calls"], day[None]["missed"], day[None]["talk_ms"]) == (1, 1, 0)


@pytest.mark.parametrize("message, fields, field", [
    ("calls", dict(limit=101), "limit"), ("calls", dict(limit="x"), "limit"), ("calls", dict(before=-1), "before"),
    ("usage", {"from": 5, "to": 5}, "to"), ("usage", {"from": 6, "to": 5}, "to"), ("usage", {"from": "x"}, "from")])
async def test_bad_questions(company, message, fields, field):
    kari, = await history_of(company, "kari")
    error = await kari.refused(message, **fields)
    assert (error["code"], error["field"]) == ("bad_request", field)


async def test_json_says_the_same(company, switch):
    kari, = await history_of(company, "kari")
    past(switch, "kari", 2, now_ms() - 5_000, direction="in", peer=OUTSIDE)
    other = await company.app("kari", encoding="json", device="json")
    assert await other.calls() == await kari.calls() and await other.usage() == await kari.usage()


async def test_while_the_store_is_away_the_history_is_not_to_be_had(start_broker, make_company):
    broker = start_broker(store_timeout_ms=500)
    kari, = await history_of(make_company(broker=broker), "kari")
    os.kill(broker.redis_pid(), signal.SIGSTOP)
    try:
        error = await kari.refused("calls")
        assert error["code"] == "unavailable" and error["retry_ms"] > 0
    finally:
        os.kill(broker.redis_pid(), signal.SIGCONT)
    broker.wait_ready()
    assert await kari.calls() == ([], None)


# ---- How long? ----

async def test_what_is_over_age_is_not_shown_and_goes(start_broker, make_company):
    broker = start_broker(history_sweep_ms=300)
    company = make_company(broker=broker)
    switch, office, key = Switch(company), Office(company), f"ledig:{{{company.id}}}:log:calls:kari"
    kari, = await history_of(company, "kari")
    for days in (89, 40, 20, 1):
        past(switch, "kari", 1, now_ms() - days * DAY_MS)
    past(switch, "kari", 1, now_ms() - 91 * DAY_MS)
    assert len((await kari.calls())[0]) == 4 and (await kari.usage())[None]["calls"] == 4, "90 days where nothing is said"
    wait_until(lambda: redis(broker, "ZCARD", key) == redis(broker, "HLEN", key + ":entries") == "4", "the oldest goes")
    office.done("PATCH", "", dict(call_history_days=30))
    assert office.done("GET")["call_history_days"] == 30
    rows, before = await kari.calls()
    assert len(rows) == 2 and before is None, "not shown from this moment on"
    wait_until(lambda: redis(broker, "ZCARD", key) == redis(broker, "HLEN", key + ":entries") == "2", "they go")
    assert len((await kari.calls())[0]) == 2


async def test_companies_that_nobody_loads_are_swept_too(start_broker, make_company):
    broker = start_broker(history_sweep_ms=300)
    company = make_company(broker=broker)
    kari, = await history_of(company, "kari")
    key = f"ledig:{{{company.id}}}:log:calls:kari"
    past(Switch(company), "kari", 3, now_ms() - 10_000)
    await kari.close()
    broker.stop()
    broker.start()
    old = now_ms() - 91 * DAY_MS
    redis(broker, "ZADD", key, *(word for i in range(1_200) for word in (old, f"{old}:c{i}")))  # more than one step takes
    wait_until(lambda: redis(broker, "ZCARD", key) == "3", "the old ones go")


async def test_the_age_is_a_setting_of_the_company(company, switch):
    office = Office(company)
    office.done("PUT", "", dict(name="Fjord", call_history_days=400))
    assert office.done("GET")["call_history_days"] == 400 and office.done("GET")["name"] == "Fjord"
    office.done("PATCH", "", dict(call_history_days=1))
    assert office.done("GET")["call_history_days"] == 1 and office.done("GET")["name"] == "Fjord"
    for days in (0, 401, -1, "30", 1.5, True, [30]):
        is_problem(office.http("PATCH", "", dict(call_history_days=days)), 400, "bad_request", "call_history_days")
    office.done("PATCH", "", dict(name="Fjell"))
    assert office.done("GET")["call_history_days"] == 1 and office.done("GET")["name"] == "Fjell"
    office.done("PUT", "", dict(name="Fjell"))
    assert office.done("GET")["call_history_days"] == 90, "a PUT says all"
    nobody = Office(company)
    nobody.id, nobody.token = unique("firm"), company.broker.token("root", "*", "operator")
    is_problem(nobody.http("PATCH", "", dict(call_history_days=3)), 404, "not_found")


# ---- The command line ----

def test_the_command_line_shows_it(company, switch):
    """The person's own, as a table, as sums, and as the protocol has it."""
    def ledig(*words):
        return company.broker.ledig(*words, "--as", f"kari@{company.id}", env=dict(LEDIG_DATA=str(company.broker.data)))
    done = ledig("calls")
    assert (done.returncode, done.stdout) == (1, "") and "ledig consent call_history yes" in done.stderr
    assert ledig("consent", "call_history", "yes").returncode == 0
    done = ledig("calls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no calls\n")
    begin = now_ms() - 100_000
    call, missed = unique("call"), unique("call")
    switch.report(call, 1, user="kari", state="active", direction="in", peer=OUTSIDE, queue="support", at=begin)
    switch.report(call, 2, state="ended", at=begin + 83_000)
    switch.report(missed, 1, user="kari", state="ringing", direction="in", peer="evil\x1b[2J", at=begin + 90_000)
    switch.report(missed, 2, state="ended", at=begin + 91_000)
    lines = ledig("calls").stdout.splitlines()
    assert len(lines) == 2 and "\x1b" not in lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d +in +missed +evil\S*", lines[0]), lines
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d +in +answered +0:01:23 +\+4799999999 +support", lines[1]), lines
    done = ledig("calls", "--limit", "1")
    assert len(done.stdout.splitlines()) == 1 and "older" in done.stderr
    assert [" ".join(line.split()) for line in ledig("calls", "--sum", "--days", "2").stdout.splitlines()] == [
        "all 2 calls: 2 in, 0 out, 0 internal; 1 answered, 1 missed; 0:01:23 talked",
        "support 1 calls: 1 in, 0 out, 0 internal; 1 answered, 0 missed; 0:01:23 talked"]
    answer = json.loads(ledig("calls", "--json").stdout)
    assert answer["t"] == "answer" and [values[0] for values in answer["calls"]] == [missed, call]
    for words, hint in (("calls ola", "one's own"), ("calls --limit 101", "from 1 to 100"), ("calls --limit x", "from 1"),
                        ("calls --days 3", "--sum"), ("calls --sum --limit 3", "not for --sum"), ("calls --sum --days 0", "to 400")):
        done = ledig(*words.split())
        assert done.returncode == 2 and hint in done.stderr, (words, done)
