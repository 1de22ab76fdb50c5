"""The strategy `priority`: an employer says who is called first, tier by tier."""

import pytest

from broker_process import unique, wait_until
from conftest import person
from test_claims import Desk, ready
from test_provisioning import Office, told
from test_router import is_problem


def tiers(office, queue="support"):
    return [(a["user"], a["tier"]) for a in office.queue(queue)["agents"]]


async def test_agents_are_claimed_tier_by_tier_and_the_longest_idle_first(make_company):
    rows = [person("kari", queues="support:3"), person("ola", queues="support:2"), person("nina", queues="support"), person("per", queues="support:2")]
    company = make_company(rows=rows)
    office, desk = Office(company), Desk(company)
    office.done("PATCH", "/queues/support", dict(strategy="priority"))
    await ready(desk, company, "kari", "per", "ola", "nina")  # in this order they have been idle
    wait_until(lambda: tiers(office) == [("nina", 1), ("per", 2), ("ola", 2), ("kari", 3)], "in the order of their claims")
    calls = [unique("call") for _ in range(4)]
    assert [desk.claimed(call) for call in calls] == [["nina"], ["per"], ["ola"], ["kari"]]
    assert is_problem(desk.claim(unique("call")), 409, "conflict")
    desk.give_back(calls[2])
    desk.give_back(calls[3])
    wait_until(lambda: office.queue()["free"] == 2, "two are free again")
    assert desk.claimed(unique("call")) == ["ola"], "the higher tier, though kari has been idle longer"
    # whoever does not answer is followed by the next of the order
    assert desk.claimed(calls[0], exclude=["nina"]) == ["kari"]


async def test_a_claim_may_ask_for_tiers_and_a_change_counts_at_once(company):
    office, desk = Office(company), Desk(company)
    await ready(desk, company, "kari", "ola", "nina")
    office.done("PATCH", "/users/kari", dict(queues=["support:9"]))
    office.done("PATCH", "/users/ola", dict(queues=[dict(queue="support", tier=2)]))
    wait_until(lambda: dict(tiers(office)) == {"kari": 9, "ola": 2, "nina": 1}, "the new tiers")
    assert [user for user, _ in tiers(office)] == ["kari", "ola", "nina"], "the queue itself goes by idleness"
    first, second = unique("call"), unique("call")
    assert desk.claimed(first, strategy="priority") == ["nina"] and desk.claimed(second, strategy="priority") == ["ola"]
    for call in (first, second):
        desk.give_back(call)
    assert desk.claimed(unique("call")) == ["kari"]


def test_tiers_are_told_as_they_were_given(company):
    office = Office(company)
    office.done("PATCH", "/users/kari", dict(queues=["support:1", "sales:4", dict(queue="help", tier=9), dict(queue="desk")]))
    assert office.user("kari")["queues"] == ["support", "sales:4", "help:9", "desk"]
    before = told(office)
    office.done("PUT", "/users/kari", office.user("kari"))
    assert told(office) == before, "what was told can be told again"
    export = office.http("GET", "/export").body.decode()
    assert "support sales:4 help:9 desk" in export
    again = company.broker.import_csv(company.id, export)
    assert again.json["users"] == dict(created=0, changed=0, unchanged=3) and told(office) == before
    changed = company.broker.import_csv(company.id, export.replace("sales:4", "sales:5"))
    assert changed.json["users"] == dict(created=0, changed=1, unchanged=2) and office.user("kari")["queues"][1] == "sales:5"
    office.done("DELETE", "/queues/sales", status=204)
    assert office.user("kari")["queues"] == ["support", "help:9", "desk"]
    office.done("PATCH", "/users/kari", dict(queues=["sales"]))
    assert office.user("kari")["queues"] == ["sales"], "nothing is left of an earlier tier"


@pytest.mark.parametrize("wrong", ["support:0", "support:10", "support:", "support:x", "support:2:3", ":2", "support: 2", "Support:2"])
def test_a_wrong_tier_changes_nothing(company, wrong):
    office = Office(company)
    before = told(office)
    assert is_problem(office.http("PATCH", "/users/kari", dict(queues=[wrong])), 400, "bad_request", "queues")
    if " " not in wrong:
        answer = company.broker.import_csv(company.id, [person("kari", numbers=company.numbers["kari"], queues=wrong)])
        assert is_problem(answer, 422, "bad_request") and answer.json["errors"][0]["field"] == "queues"
    assert told(office) == before


def test_a_wrong_form_of_a_tier_changes_nothing(company):
    office = Office(company)
    before = told(office)
    for wrong in (dict(queue="support", tier=0), dict(queue="support", tier=10), dict(queue="support", tier="2"), dict(queue="support", tier=2.0), dict(tier=2),
                  dict(queue="support", tier=2, x=1), dict(queue="support:2"), dict(queue=3), 3, None, ["support"]):
        assert is_problem(office.http("PATCH", "/users/kari", dict(queues=[wrong])), 400, "bad_request", "queues"), wrong
    assert told(office) == before
