"""What a router is told: for one number or many, by whoever may ask, from the store or from a loaded company."""

import asyncio
import os
import re
import signal

import pytest

from broker_process import number, wait_until
from conftest import person
from ledig_client import now_ms

UNKNOWN = {"action", "stale_ms"}
PERSON = {"user", "company", "action", "availability", "activity", "version", "stale_ms"}
QUEUE = {"queue", "company", "action", "target", "version", "stale_ms"}


def is_problem(answer, status, code, field=None):
    """Whether the answer is a problem document (RFC 9457) that says this."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["type"] == "about:blank" and answer.json["title"] and answer.json["detail"]
    assert answer.json["status"] == status and answer.json["code"] == code and answer.json.get("field") == field
    return True


def ask(company, query, token=None):
    return company.broker.http("GET", f"/v1/route{query}", token=token or company.token("router", "router"))


def ask_list(company, body, token=None, **more):
    return company.broker.http("POST", "/v1/route", token=token or company.token("router", "router"), body=body, **more)


def loaded(company):
    """The company, once routers are answered from its replica."""
    def says_so():
        company.route("kari")
        return re.search(rf"process=router/0 event=company_loaded company={company.id} ", company.broker.log())
    wait_until(says_so, "the router worker loads the company")
    return company


# ---- the paths ----

def test_health_and_readiness_need_no_token(broker):
    health = broker.http("GET", "/healthz")
    assert health.status == 200 and health.json == {"ok": True}
    ready = broker.http("GET", "/readyz")
    assert ready.status == 200 and ready.json["ready"] is True and 0 <= ready.json["stale_ms"] < 10_000
    assert ready.headers["Content-Type"] == "application/json"


def test_unknown_paths_are_not_found(broker):
    for path in ("/", "/v1", "/v1/routes", "/v1/route/x", "/v1/companies", "/v1/companies/acme/people", "/v1/companies/A%20B/import",
                 "/v1/companies/" + "a" * 65 + "/import"):
        for method in ("GET", "POST"):
            assert is_problem(broker.http(method, path, body="" if method == "POST" else None), 404, "not_found"), path


def test_other_methods_are_refused_by_name(broker):
    for method, path in (("DELETE", "/v1/route"), ("PUT", "/v1/route"), ("POST", "/healthz"), ("POST", "/readyz"),
                         ("GET", "/v1/companies/acme/import"), ("OPTIONS", "/v1/route")):
        answer = broker.http(method, path, body="" if method in ("POST", "PUT") else None)
        assert is_problem(answer, 405, "bad_request") and method not in answer.json["allow"], (method, path)


def test_without_a_good_token_nothing_is_told(company):
    broker = company.broker
    router = company.token("router", "router")
    head, claims, signature = router.split(".")
    for token in (None, "x", "a.b.c", router[:-2] + ("AA" if router[-2:] != "AA" else "BB"), f"{head}.{claims}.", router + "x" * 4000):
        for answer in (broker.http("GET", "/v1/route?to=%2B4710000001", token=token), broker.http("POST", "/v1/route", token=token, body=[]),
                       broker.http("POST", f"/v1/companies/{company.id}/import", token=token, body="", content_type="text/csv")):
            if token and len(token) > 4000 and answer.status == 431:
                continue
            assert is_problem(answer, 401, "unauthorized")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    basic = broker.http("GET", "/v1/route?to=%2B4710000001", headers={"Authorization": f"Basic {router}"})
    assert is_problem(basic, 401, "unauthorized")
    lower = broker.http("GET", "/v1/route?to=%2B4710000001", headers={"authorization": f"bearer {router}"})
    assert lower.status == 200


def test_a_token_that_expires_is_refused_from_then_on(company):
    token = company.token("router", "router", ttl="2s")
    assert ask(company, "?to=%2B4710000001", token).status == 200
    wait_until(lambda: ask(company, "?to=%2B4710000001", token).status == 401, "the token expires")


def test_people_may_not_ask_for_routes(company):
    for role in ("member", "switchboard", "lead"):
        assert is_problem(ask(company, "?to=%2B4710000001", company.token("kari", role)), 403, "forbidden")
    for role in ("router", "operator", "admin"):
        assert ask(company, "?to=%2B4710000001", company.token("kari", role)).status == 200


# ---- one number ----

def test_a_number_is_understood_as_people_write_it(company):
    digits = company.numbers["kari"][1:]
    for to in (f"%2B{digits}", f"00{digits}", f"%2B{digits[:2]}%20{digits[2:5]}-({digits[5:]})", f"%20%2B{digits}%20", f"00+{digits}"):
        answer = ask(company, f"?to={to}")
        assert answer.status == 200 and answer.json["user"] == "kari", to


def test_what_is_no_number_is_refused_with_the_field(company):
    for query in ("", "?", "?x=1", "?to=", "?to", "?to=kari", f"?to={company.numbers['kari'][1:]}", "?to=%2B123", "?to=%2B" + "1" * 16, "?to=" + "1" * 2000,
                  "?to=%2B4710000001&to=%2B4710000002", "?to=%ff", "?to=%2B47%C3%A5", f"?to={company.numbers['kari']}"):
        assert is_problem(ask(company, query), 400, "bad_request", "to"), query


async def test_the_action_follows_the_availability(company):
    kari = await company.app("kari")
    secret, until = "hos tannlegen", now_ms() + 3_600_000
    for fields, action, target in (
        (dict(status="available"), "ring", None),
        (dict(status="busy", activity="meeting", note=secret), "busy", None),
        (dict(status="busy", forward="ola"), "forward", "ola"),
        (dict(status="dnd", until=until), "unavailable", None),
        (dict(status="away", activity="lunch", until=until, forward="nina", note=secret), "forward", "nina"),
        (dict(status="away", activity="lunch"), "unavailable", None),
    ):
        await kari.set(**fields)
        def told():
            answer = company.route("kari")
            return answer if answer["availability"] == fields["status"] and answer["action"] == action else None
        answer = await asyncio.to_thread(wait_until, told, f"{fields} is told to routers")
        assert answer.get("target") == (target and company.numbers[target]) and answer.get("until") == fields.get("until")
        assert answer.get("via") == (target and [target])
        assert answer["activity"] == fields.get("activity", "none")
        assert answer["user"] == "kari" and answer["company"] == company.id
        assert set(answer) - {"target", "until", "via"} == PERSON, "no name, note or presence"


async def until_told(company, user, **wanted):
    """The router worker hears of a change by itself, a little later."""
    def told():
        answer = company.route(user)
        return answer if all(answer.get(name) == value for name, value in wanted.items()) else None
    return await asyncio.to_thread(wait_until, told, f"a router asks for {user}, and is told {wanted}")


async def test_forwards_are_followed_to_their_end(make_company):
    company = make_company(users=("a", "b", "c"))
    apps = {user: await company.app(user) for user in company.users}
    outside = number()
    await apps["a"].set("busy", forward="b")
    await until_told(company, "a", action="forward", target=company.numbers["b"], via=["b"])
    await apps["b"].set("away", forward="c")
    await until_told(company, "a", action="forward", target=company.numbers["c"], via=["b", "c"])
    await apps["c"].set("dnd")
    await until_told(company, "a", action="unavailable", via=["b", "c"], target=None, availability="busy")
    await apps["c"].set("dnd", forward=outside)
    await until_told(company, "a", action="forward", target=outside, via=["b", "c"])
    await apps["c"].set("busy", forward="support")
    await until_told(company, "b", action="queue", target="support", via=["c"])
    await apps["c"].set("busy", forward=company.numbers["a"])  # a circle: as if nothing was forwarded
    for user, action in (("a", "busy"), ("b", "unavailable"), ("c", "busy")):
        await until_told(company, user, action=action, target=None, via=None)


async def test_a_long_chain_ends(make_company):
    users = [f"u{i}" for i in range(12)]
    company = make_company(users=users)
    for user, after in zip(users, users[1:]):
        app = await company.app(user)
        await app.set("busy", forward=after)
    await until_told(company, "u5", action="forward", target=company.numbers["u11"], via=users[6:])
    await until_told(company, "u0", action="busy", target=None, via=None)


async def test_a_forward_in_a_company_that_was_not_loaded(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy", forward="ola")
    answer = company.route("kari")  # the first question of all
    assert (answer["action"], answer["target"], answer["via"]) == ("forward", company.numbers["ola"], ["ola"])
    company.provision([row for row in company.rows if row["user"] != "nina"])


def test_without_consent_a_router_rings(make_company):
    company = make_company(consent=False)
    for _ in range(3):
        answer = company.route("kari")
        assert (answer["action"], answer["availability"], answer["activity"]) == ("ring", "unknown", "none")


def test_a_number_that_nobody_has_is_unknown(company):
    for _ in range(3):
        assert set(company.broker.route(number(), company.id)) == UNKNOWN


def test_a_queues_number_says_queue(make_company):
    line = number()
    company = make_company(consent=False, rows=[person("kari", queues="support"), person("support", "Hjelp", line, "", "queue")])
    for _ in range(3):
        answer = company.broker.route(line, company.id)
        assert set(answer) == QUEUE
        assert (answer["action"], answer["queue"], answer["target"], answer["company"]) == ("queue", "support", "support", company.id)


async def test_the_answer_is_the_same_from_the_store_and_from_a_loaded_company(make_company):
    company = make_company()
    kari = await company.app("kari")
    await kari.set("busy", activity="meeting", until=now_ms() + 60_000)
    cold = company.route("kari")
    await asyncio.to_thread(loaded, company)
    warm = company.route("kari")
    for answer in (cold, warm):
        assert answer.pop("stale_ms") < 10_000
    assert cold == warm
    await kari.set("dnd")
    await asyncio.to_thread(wait_until, lambda: company.route("kari")["availability"] == "dnd", "a loaded company hears of changes")


@pytest.mark.parametrize("warm", [False, True])
def test_a_number_that_moves_is_told_of_its_new_owner(make_company, warm):
    first, second = number(), number()
    company = make_company(consent=False, rows=[person("kari", numbers=first), person("ola", numbers=" ")])
    if warm:
        loaded(company)
    company.provision([person("kari", numbers=second), person("ola", numbers=" ")])
    wait_until(lambda: company.broker.route(second, company.id).get("user") == "kari", "the new number is known")
    assert set(company.broker.route(first, company.id)) == UNKNOWN
    company.provision([person("kari", numbers=second), person("ola", numbers=first)])
    wait_until(lambda: company.broker.route(first, company.id).get("user") == "ola", "the old number is ola's")
    other = make_company(consent=False)
    company.provision([person("kari", numbers=second), person("ola", numbers=" ")])
    other.provision([person("kari", numbers=f"{other.numbers['kari']} {first}")])
    wait_until(lambda: set(company.broker.route(first, company.id)) == UNKNOWN, "the number is another company's now")
    assert company.broker.route(first, other.id)["company"] == other.id


# ---- whose number ----

def test_a_router_hears_of_its_companies_only(make_company):
    left, right, third = make_company(consent=False), make_company(consent=False), make_company(consent=False)
    broker = left.broker
    numbers = [left.numbers["kari"], right.numbers["kari"], third.numbers["kari"]]
    def told(token):
        single = [broker.http("GET", f"/v1/route?to=%2B{n[1:]}", token=token).json for n in numbers]
        answers = broker.http("POST", "/v1/route", token=token, body=numbers).json
        assert [a.get("company") for a in single] == [a.get("company") for a in answers]
        assert all(a.get("company") or set(a) == UNKNOWN for a in single + answers)
        return [a.get("company") for a in answers]
    for _ in range(3):  # from the store, and loaded
        assert told(left.token("router", "router")) == [left.id, None, None]
        assert told(broker.token("router", "*", "router")) == [left.id, right.id, third.id]
        assert told(broker.token("router", f"{left.id} {third.id}", "router")) == [left.id, None, third.id]
        assert told(right.token("boss", "admin")) == [None, right.id, None]


# ---- many numbers ----

def test_a_list_is_answered_in_its_order(company, make_company):
    other = make_company(consent=False)
    body = [company.numbers["kari"], number(), company.numbers["ola"].replace("+", "00"), company.numbers["kari"], other.numbers["kari"]]
    for _ in range(3):
        answer = ask_list(company, body)
        assert answer.status == 200
        assert [a.get("user") for a in answer.json] == ["kari", None, "ola", "kari", None]
        assert all(set(a) in (PERSON, UNKNOWN) for a in answer.json)
    assert ask_list(company, []).json == []


def test_a_thousand_numbers_are_one_question_and_one_more_is_too_many(make_company):
    rows = [person(f"u{i}") for i in range(400)]
    company = make_company(consent=False, rows=rows)
    body = [row["numbers"] for row in rows] + [number() for _ in range(600)]
    for _ in range(3):
        answer = ask_list(company, body)
        assert answer.status == 200
        assert [a.get("user") for a in answer.json] == [f"u{i}" for i in range(400)] + [None] * 600
    assert is_problem(ask_list(company, body + [number()]), 413, "too_large", "to")
    assert is_problem(ask_list(company, ["+4710000001" + " " * 90] * 999), 413, "too_large", "to")


def test_a_list_that_is_none_is_refused(company):
    for body in ("", "x", "{}", '{"to":[]}', '["+4710000001"', '["+4710000001"]]', "[1]", "[null]", '[["+4710000001"]]', '["4710000001"]', '["+47\\u000010000001"]',
                 "[" * 60_000, '"+4710000001"', b"[\"\xff\"]", '["' + "1" * 500 + '"]'):
        answer = ask_list(company, body, content_type="application/json")
        assert is_problem(answer, 400, "bad_request", "to"), body[:40]


# ---- while the store is away ----

@pytest.mark.slow(240)
async def test_while_redis_hangs_a_loaded_company_answers_and_others_are_unavailable(start_broker, make_company):
    broker = start_broker(store_timeout_ms=500, verify_ms=300)
    warm, cold = make_company(broker=broker), make_company(broker=broker, consent=False)
    await asyncio.to_thread(loaded, warm)
    every = broker.token("router", "*", "router")
    broker.http("GET", f"/v1/route?to=%2B{warm.numbers['kari'][1:]}", token=every)
    os.kill(broker.redis_pid(), signal.SIGSTOP)
    try:
        # never asked about, but of a loaded company
        answer = ask(warm, f"?to=%2B{warm.numbers['nina'][1:]}").json
        assert answer["user"] == "nina"
        answer = broker.http("GET", f"/v1/route?to=%2B{warm.numbers['ola'][1:]}", token=every)
        assert answer.status == 200 and answer.json["user"] == "ola"
        for company, to in ((cold, cold.numbers["kari"]), (warm, number()), (warm, cold.numbers["kari"])):
            answer = ask(company, f"?to=%2B{to[1:]}")
            assert is_problem(answer, 503, "unavailable") and int(answer.headers["Retry-After"]) > 0
        assert is_problem(ask_list(warm, [warm.numbers["kari"], number()]), 503, "unavailable")
        assert [a["user"] for a in ask_list(warm, [warm.numbers["kari"], warm.numbers["ola"]]).json] == ["kari", "ola"]
        await asyncio.to_thread(wait_until, lambda: warm.route("kari")["stale_ms"] > 2_000, "answers get older")
        not_ready = broker.http("GET", "/readyz")
        assert is_problem(not_ready, 503, "unavailable") and not_ready.json["ready"] is False and not_ready.json["stale_ms"] > 1_000
        assert broker.http("GET", "/healthz").status == 200
    finally:
        os.kill(broker.redis_pid(), signal.SIGCONT)
    broker.wait_ready()
    await asyncio.to_thread(wait_until, lambda: broker.http("GET", "/readyz").status == 200, "ready again")
    assert cold.route("kari")["user"] == "kari"
    await asyncio.to_thread(wait_until, lambda: warm.route("kari")["stale_ms"] < 2_000, "answers are fresh again")
