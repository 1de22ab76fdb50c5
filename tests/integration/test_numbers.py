"""Numbers as people dial them: brought to E.164 by the country of the company, wherever one can be told."""

import itertools
from urllib.parse import quote

import pytest

from broker_process import unique
from conftest import person
from ledig_client import Refused
from test_calls import Switch, leg
from test_provisioning import Office, told
from test_router import UNKNOWN, is_problem

_subscribers = itertools.count(1)


def pair(country="NO"):
    """A number that no other test uses, as it is dialled within the country, and in E.164."""
    n = next(_subscribers)
    national, code, trunk = {"NO": (f"23{n:06d}", "47", ""), "SE": (f"8{n:08d}", "46", "0"), "GB": (f"20{n:08d}", "44", "0"),
                             "IT": (f"06{n:07d}", "39", ""), "US": (f"212{2000000 + n}", "1", "1")}[country]
    return trunk + national, f"+{code}{national}"


def in_country(company, country):
    office = Office(company)
    office.done("PATCH", "", dict(country=country))
    return office


def route(company, query, token=None):
    return company.broker.http("GET", f"/v1/route?{query}", token=token or company.token("router", "router"))


def test_a_company_has_a_country(company):
    office = Office(company)
    assert office.done("GET")["country"] == "NO"
    office.done("PATCH", "", dict(country="SE"))
    assert office.done("GET")["country"] == "SE"
    office.done("PATCH", "", dict(name="Fjord AS"))
    assert office.done("GET")["country"] == "SE", "what was not named stays"
    office.done("PUT", "", dict(name="Fjord AS"))
    assert office.done("GET")["country"] == "NO", "what was not named is the default"
    before = told(office)
    for wrong in ("se", "XX", "SWE", 46, ["SE"]):
        assert is_problem(office.http("PATCH", "", dict(country=wrong)), 400, "bad_request", "country"), wrong
    assert told(office) == before
    office.id = unique("nowhere")
    operator = company.broker.token("root", "*", "operator")
    assert is_problem(office.http("PATCH", "", dict(country="SE"), token=operator), 404, "not_found")


@pytest.mark.parametrize("country", ["NO", "SE", "GB", "IT", "US"])
async def test_a_number_is_the_same_however_it_is_dialled(company, country):
    office, (dialled, number) = in_country(company, country), pair(country)
    office.done("PUT", "/users/per", dict(name="Per", numbers=[dialled]), 201)
    assert office.user("per")["numbers"] == [number]
    for text in (dialled, number, f"00{number[1:]}", f"{dialled[:3]}-{dialled[3:6]} {dialled[6:]}"):
        answer = route(company, f"to={text.replace('+', '%2B').replace(' ', '%20')}")
        assert answer.status == 200 and answer.json["user"] == "per", text
    many = company.broker.http("POST", "/v1/route", token=company.token("router", "router"), body=[dialled, number])
    assert [one["user"] for one in many.json] == ["per", "per"]
    ola = await company.app("ola")
    await ola.until(lambda: "per" in ola.profiles)
    asked = await ola.ok("ask", numbers=[dialled])
    assert [row[0] for row in asked["profiles"]] == ["per"]
    for typed in (dialled, number, f"00{number[1:]}", dialled[:-2]):
        found = await ola.ok("find", text=typed)
        assert [row[0] for row in found["profiles"]] == ["per"], typed


def test_a_national_number_is_asked_for_before_the_company_is_loaded(make_company, start_broker):
    broker = start_broker()
    company = make_company(broker=broker, consent=False)
    dialled, _ = pair("SE")
    in_country(company, "SE").done("PUT", "/users/per", dict(name="Per", numbers=[dialled]), 201)
    broker.kill_worker("router")
    assert route(company, f"to={dialled}").json["user"] == "per"


def test_with_several_companies_the_question_names_one(company, make_company):
    broker, (dialled, number) = company.broker, pair("SE")
    in_country(company, "SE").done("PUT", "/users/per", dict(name="Per", numbers=[number]), 201)
    several = broker.token("router", "*", "router")
    assert route(company, f"to={dialled}&company={company.id}", several).json["user"] == "per"
    assert is_problem(route(company, f"to={dialled}", several), 400, "bad_request", "company")
    assert is_problem(broker.http("POST", "/v1/route", token=several, body=[number, dialled]), 400, "bad_request", "company")
    assert route(company, f"to=%2B{number[1:]}", several).json["user"] == "per", "one in E.164 needs none"
    # a company that the token does not cover looks like one that there is not
    stranger = make_company(consent=False)
    there, nowhere = (route(stranger, f"to={dialled}&company={c}") for c in (company.id, "nobody-has-this"))
    assert is_problem(there, 404, "not_found", "company") and there.body == nowhere.body
    for wrong in ("company=", "company=A%20B", f"company={company.id}&company={company.id}"):
        assert is_problem(route(company, f"to={dialled}&{wrong}", several), 404, "not_found", "company"), wrong
    # the country says how a number is read, not where it is looked for
    assert route(company, f"to=%2B{number[1:]}&company={stranger.id}", several).json["user"] == "per"


def test_what_is_no_number_of_the_country_is_refused(company):
    office = in_country(company, "SE")
    before = told(office)
    for wrong in ("8123456", "112", "0", "00", "+", "+46", "08123456789012345", "0" * 32, "1" * 33, "08-12x", "tel:0812345678", "٠٨١٢٣٤٥٦٧٨", ""):
        assert is_problem(route(company, f"to={quote(wrong)}"), 400, "bad_request", "to"), wrong
        assert is_problem(company.broker.http("POST", "/v1/route", token=company.token("router", "router"), body=["+46812345678", wrong]), 400, "bad_request", "to")
        assert is_problem(office.http("PATCH", "/users/kari", dict(numbers=[wrong])), 400, "bad_request", "numbers"), wrong
    assert told(office) == before
    dialled, number = pair("SE")
    assert is_problem(office.http("PATCH", "/users/kari", dict(numbers=[dialled, number])), 400, "bad_request", "numbers"), "the same twice"


def test_an_unknown_number_is_unknown_however_it_is_dialled(company):
    dialled, _ = pair()
    assert set(route(company, f"to={dialled}").json) == UNKNOWN


def test_queues_and_files_take_national_numbers(company):
    office, broker = in_country(company, "GB"), company.broker
    (queue, queue_number), (a, a_number), (b, b_number) = pair("GB"), pair("GB"), pair("GB")
    office.done("PATCH", "/queues/support", dict(numbers=[queue]))
    assert office.queue()["numbers"] == [queue_number] and route(company, f"to={queue}").json["queue"] == "support"
    rows = [person("per", numbers=[a, b]), person("siv", numbers=" ")]
    assert broker.import_csv(company.id, rows).json["users"]["created"] == 2
    assert office.user("per")["numbers"] == [a_number, b_number]
    again = broker.import_csv(company.id, [person("per", numbers=[a_number, b_number]), person("siv", numbers=" ")])
    assert again.json["users"] == dict(created=0, changed=0, unchanged=2)
    twice = broker.import_csv(company.id, [person("liv", numbers=[a]), person("leo", numbers=[a_number])])
    assert is_problem(twice, 422, "bad_request") and {(e["line"], e["field"]) for e in twice.json["errors"]} == {(3, "numbers")}
    wrong = broker.import_csv(company.id, [person("liv", numbers=["12345"])])
    assert is_problem(wrong, 422, "bad_request") and wrong.json["errors"][0]["field"] == "numbers"


async def test_legs_and_peers_are_told_as_they_are_dialled(company):
    office, ola, switch, call = in_country(company, "SE"), await company.app("ola"), Switch(company), unique("call")
    dialled, number = pair("SE")
    office.done("PATCH", "/users/kari", dict(numbers=[dialled]))
    await ola.until(lambda: ola.profiles["kari"]["numbers"] == [number])
    switch.report(call, 1, legs=[dict(number=dialled, state="active")], peer=pair("SE")[0])
    await ola.sees("kari", activity="in_call")
    for wrong in ("8123456", "112", "x"):
        assert is_problem(switch.put(call, 2, legs=[dict(number=wrong, state="active")]), 400, "bad_request", "number"), wrong
    assert is_problem(switch.put(call, 2, legs=[dict(number=dialled, state="active"), leg("kari", "active")]), 400, "bad_request", "legs")
    switch.report(call, 2, state="ended")
    await ola.sees("kari", availability="available")


async def test_a_forward_is_told_as_it_is_dialled(company):
    office, kari, (dialled, number) = in_country(company, "SE"), await company.app("kari"), pair("SE")
    office.done("PUT", "/users/per", dict(name="Per", numbers=[dialled]), 201)
    await kari.until(lambda: "per" in kari.profiles)
    await kari.set("away", forward=dialled)
    await kari.until(lambda: kari.me.get("forward") == number)
    for wrong in ("8123456", "112"):
        with pytest.raises(Refused) as refused:
            await kari.set("away", forward=wrong)
        assert refused.value.error["code"] == "not_found" and refused.value.error["field"] == "forward"
