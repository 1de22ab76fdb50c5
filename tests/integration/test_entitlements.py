"""What a company has ordered is said by the operator alone, seen by its administrators, and held against what comes."""

import pytest

from broker_process import number
from conftest import person
from test_provisioning import Office
from test_router import is_problem


@pytest.fixture
def offices(company):
    """An administrator's, and the operator's, of a company of three people."""
    return Office(company), Office(company, "operator", "*")


def test_people_are_let_in_as_far_as_ordered(company, offices):
    office, operator = offices
    operator.done("PATCH", "", dict(people_max=4))
    assert office.done("GET")["people_max"] == 4
    office.done("PUT", "/users/per", dict(name="Per", numbers=[number()]), 201)
    taken = number()
    answer = office.http("PUT", "/users/liv", dict(name="Liv", numbers=[taken]))
    assert is_problem(answer, 409, "conflict", "people_max") and "order for more" in answer.json["detail"]
    office.done("PATCH", "/users/per", dict(name="Per Endret", numbers=[taken]))  # the number was given back
    office.done("PUT", "/users/per", dict(name="Per", numbers=[number()]))  # who is there stays
    assert office.http("DELETE", "/users/per").status == 204
    office.done("PUT", "/users/liv", dict(name="Liv", numbers=[number()]), 201)
    operator.done("PATCH", "", dict(people_max=None))
    office.done("PUT", "/users/per", dict(name="Per"), 201)
    assert "people_max" not in office.done("GET")


def test_an_import_comes_as_a_whole_or_not_at_all(company, offices):
    office, operator = offices
    operator.done("PATCH", "", dict(people_max=5))
    rows = [person(user) for user in ("per", "liv", "siv")]
    answer = company.broker.import_csv(company.id, rows)
    assert answer.status == 422 and b"people_max" in answer.body, (answer.status, answer.body)
    assert company.broker.import_csv(company.id, rows, query="?dry_run=true").status in (200, 422)
    assert office.done("GET")["users"] == 3
    assert company.broker.import_csv(company.id, company.rows + rows[:2]).status == 200
    assert office.done("GET")["users"] == 5


def test_the_operator_alone_says_what_was_ordered(company, offices):
    office, operator = offices
    operator.done("PATCH", "", dict(people_max=10))
    for value in (11, None):
        is_problem(office.http("PATCH", "", dict(people_max=value)), 403, "forbidden", "people_max")
    shown = office.done("GET")
    office.done("PUT", "", dict(shown, name="Fjord"))
    office.done("PUT", "", dict(name="Fjell"))
    assert office.done("GET")["people_max"] == 10, "an administrator's PUT that does not name it leaves it"
    for value in (-1, "5", 1.5, 10**9):
        is_problem(operator.http("PATCH", "", dict(people_max=value)), 400, "bad_request", "people_max")


async def test_usage_tells_sums_and_nobodys_name(company, offices, make_company):
    office, operator = offices
    operator.done("PATCH", "", dict(people_max=10))
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.ok("queue", queue="support", member=True)
    await ola.sees("kari", presence="active")
    usage = office.done("GET", "/usage")
    assert (usage["people"], usage["people_max"], usage["consenting"], usage["logged_in_to_queues"]) == (3, 10, 3, 1)
    assert usage["connected"] >= 2 and usage["in_calls"] == 0 and "kari" not in str(usage)
    is_problem(office.http("GET", "/usage", token=company.token("kari")), 403, "forbidden")
    assert office.http("GET", "/usage", token=Office(make_company(consent=False)).token).status == 404
    assert office.http("POST", "/usage").status == 405


def test_the_contact_is_shown_to_whoever_asks(company, offices):
    office, _ = offices
    office.done("PATCH", "", dict(contact="Personvernombudet"))
    assert office.done("GET")["contact"] == "Personvernombudet"
    assert office.http("PATCH", "", dict(contact=7)).status == 400
