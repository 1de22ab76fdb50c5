"""Forwards to the outside: only where the company allows it, looked at when they are set and when they are used, and to
be seen afterwards."""

import asyncio

import pytest

from broker_process import number, unique, wait_until
from ledig_client import Refused, now_ms
from test_hostile import redis
from test_provisioning import Office, told
from test_router import is_problem

OUTSIDE, PREMIUM, ABROAD = "+4722999999", "+4782912345", "+18765550123"


async def is_refused(app, target, **more):
    with pytest.raises(Refused) as refused:
        await app.set("away", forward=target, **more)
    error = refused.value.error
    assert (error["code"], error["field"]) == ("forbidden", "forward"), error
    assert "administrator" in error["message"] and target not in error["message"]


def entries(office, query=""):
    return office.done("GET", f"/audit{query}")["entries"]


async def routed(company, user, **wanted):
    """What a router is told, once the router's worker has heard."""
    return await asyncio.to_thread(wait_until, lambda: (lambda answer: answer if all(answer.get(k) == v for k, v in wanted.items()) else None)(
        company.route(user)), f"{user} is routed so: {wanted}")


async def allows(app, target):
    """Sets it, once the worker of the app has heard of the settings."""
    for _ in range(500):
        try:
            return await app.set("away", forward=target)
        except Refused:
            await asyncio.sleep(0.02)
    raise AssertionError("is not allowed")


async def test_by_default_the_own_country_is_allowed_without_its_dear_numbers(company):
    kari = await company.app("kari")
    await kari.set("away", forward=OUTSIDE)
    assert (await routed(company, "kari", action="forward"))["target"] == OUTSIDE
    for target in (PREMIUM, ABROAD, "+46812345678", "0046 8 123 456 78"):
        await is_refused(kari, target)
    assert (await routed(company, "kari", action="forward"))["target"] == OUTSIDE, "what was refused has changed nothing"


async def test_the_companys_list_counts_instead(company):
    office, kari = Office(company), await company.app("kari")
    office.done("PATCH", "", dict(forward_prefixes=["+46", "+4782"]))
    assert office.done("GET")["forward_prefixes"] == ["+46", "+4782"]
    await allows(kari, "+46812345678")
    await kari.set("away", forward=PREMIUM)  # it is named
    for target in (OUTSIDE, "+46900123456", ABROAD):
        await is_refused(kari, target)
    office.done("PATCH", "", dict(forward_prefixes=[]))
    await routed(company, "kari", reason="forward_not_allowed")
    await is_refused(kari, "+46812345678")
    await is_refused(kari, OUTSIDE)
    office.done("PATCH", "", dict(forward_prefixes=None))
    await allows(kari, OUTSIDE)
    assert "forward_prefixes" not in office.done("GET")


async def test_a_number_of_ones_own_company_is_always_allowed(company):
    office, kari = Office(company), await company.app("kari")
    office.done("PATCH", "", dict(forward_prefixes=[]))
    line = number()
    office.done("PATCH", "/queues/support", dict(numbers=[line]))
    await kari.set("away", forward=company.numbers["ola"])
    answer = await routed(company, "kari", action="forward")
    assert answer["target"] == company.numbers["ola"] and answer["via"] == ["ola"]
    await allows(kari, line)
    assert (await routed(company, "kari", action="queue"))["target"] == "support"
    assert entries(office) == [], "nothing went outside"
    # once the number belongs to nobody here, it is one outside
    office.done("PATCH", "/queues/support", dict(numbers=[]))
    assert (await routed(company, "kari", reason="forward_not_allowed"))["action"] == "unavailable"


async def test_what_is_no_longer_allowed_is_not_followed(company):
    office, kari, ola = Office(company), await company.app("kari"), await company.app("ola")
    await kari.set("away", forward=OUTSIDE)
    await ola.set("busy", forward="kari")
    assert (await routed(company, "ola", action="forward"))["target"] == OUTSIDE
    office.done("PATCH", "", dict(forward_prefixes=["+46"]))
    answer = await routed(company, "kari", reason="forward_not_allowed")
    assert answer["action"] == "unavailable" and "target" not in answer
    assert (await routed(company, "ola", reason="forward_not_allowed"))["action"] == "unavailable", "as kari is"
    office.done("PATCH", "", dict(forward_prefixes=["+47"]))
    assert (await routed(company, "kari", action="forward")).get("reason") is None


async def test_why_a_forward_was_not_followed_is_told(company):
    office, kari, ola = Office(company), await company.app("kari"), await company.app("ola")
    await kari.set("away", forward="ola")
    await ola.set("busy", forward="kari")
    await routed(company, "kari", action="unavailable", reason="forward_loop")
    await ola.set("busy", forward="nina")
    await routed(company, "ola", action="forward")
    office.done("DELETE", "/users/nina", status=204)
    await routed(company, "ola", action="busy", reason="forward_gone")


async def test_what_goes_outside_can_be_seen_afterwards(company):
    office, kari, before = Office(company), await company.app("kari"), now_ms()
    await kari.set("away", forward=OUTSIDE)
    await is_refused(kari, ABROAD)
    wait_until(lambda: len(entries(office)) == 2, "two entries")
    allowed, refused = sorted(entries(office), key=lambda e: e["result"])  # both may be of one millisecond
    assert allowed["at"] >= before - 1000 and refused["at"] >= allowed["at"]
    assert {k: v for k, v in allowed.items() if k != "at"} == dict(actor="kari", user="kari", status="away", forward="+47", result="allowed")
    assert {k: v for k, v in refused.items() if k != "at"} == dict(actor="kari", user="kari", status="away", forward="+1", result="refused")
    log = redis(company.broker, "HGETALL", f"ledig:{{{company.id}}}:log:audit:entries")
    assert log and OUTSIDE[3:] not in log and ABROAD[2:] not in log, "the number itself is nobody's business"
    company.broker.must_not_log(OUTSIDE, ABROAD)


async def test_what_is_set_for_another_can_be_seen_afterwards(company):
    office, ola, lead = Office(company), await company.app("ola"), await company.app("nina", role="lead")
    await lead.set("busy", user="kari")
    await lead.set("away", user="kari", forward=OUTSIDE)
    await is_refused(lead, ABROAD, user="ola")
    await ola.set("busy")  # one's own status is one's own
    wait_until(lambda: len(entries(office)) == 3, "three entries")
    seen = sorted((e["actor"], e["user"], e["status"], e.get("forward"), e["result"]) for e in entries(office))
    assert seen == [("nina", "kari", "away", "+47", "allowed"), ("nina", "kari", "busy", None, "allowed"), ("nina", "ola", "away", "+1", "refused")]


async def test_who_is_refused_again_and_again_fills_no_disk(company):
    office, kari = Office(company), await company.app("kari")
    for n in range(60):
        await is_refused(kari, f"+1876555{n:04d}")
    for n in range(60):
        await kari.set("away", forward=f"+472299{n:04d}")
    wait_until(lambda: any(e["result"] == "allowed" for e in entries(office)), "the allowed ones")
    seen = entries(office)
    assert 1 <= sum(e["result"] == "refused" for e in seen) <= 2 and 1 <= sum(e["result"] == "allowed" for e in seen) <= 2, "one for each while"


async def test_the_log_comes_in_pages(company):
    office, lead = Office(company), await company.app("nina", role="lead")
    for status in ("busy", "away", "dnd", "available"):
        for user in ("kari", "ola"):
            await lead.set(status, user=user, until=now_ms() + 600_000)
    seen, before, pages = [], "", 0
    while before is not None:
        page = office.done("GET", f"/audit?limit=3{before}")
        seen += [(e["status"], e["user"]) for e in page["entries"]]
        before, pages = f"&before={page['before']}" if "before" in page else None, pages + 1
    assert sorted(seen) == sorted((s, u) for s in ("busy", "away", "dnd", "available") for u in ("kari", "ola")) and pages > 1
    for query, field in (("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("before=x", "before"), ("before=-1", "before"), ("before=", "before")):
        assert is_problem(office.http("GET", f"/audit?{query}"), 400, "bad_request", field), query


def test_who_may_see_the_log(company, make_company):
    office, stranger = Office(company), Office(make_company(consent=False))
    for role in ("member", "switchboard", "lead", "router"):
        assert is_problem(office.http("GET", "/audit", token=company.token("kari", role)), 403, "forbidden")
    there, nowhere = (stranger.broker.http("GET", f"/v1/companies/{c}/audit", token=stranger.token) for c in (company.id, "nobody-has-this"))
    assert is_problem(there, 404, "not_found") and there.body == nowhere.body
    assert is_problem(office.http("GET", "/audit", token=None), 401, "unauthorized")
    assert is_problem(office.http("POST", "/audit"), 405, "bad_request")
    office.id, operator = unique("nowhere"), company.broker.token("root", "*", "operator")
    assert is_problem(office.http("GET", "/audit", token=operator), 404, "not_found")


def test_bad_prefixes_change_nothing(company):
    office = Office(company)
    before = told(office)
    for wrong in ("+47", ["47"], ["+"], [""], ["+0"], ["+47 22"], ["+1234567890123456"], [47], [None], ["+47"] * 65, {"+47": True}):
        assert is_problem(office.http("PATCH", "", dict(forward_prefixes=wrong)), 400, "bad_request", "forward_prefixes"), wrong
    assert told(office) == before
