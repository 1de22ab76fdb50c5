"""find: colleagues by name, department, number or id, while somebody types."""

import pytest

from conftest import person
from ledig_client import PROFILE_COLUMNS, row

PEOPLE = [("ola", "Ola Nordmann-Ås", "Salg"), ("olav", "Olav Hansen", "Drift"), ("kari", "Kari Olsen", "Salg og støtte"),
          ("aase", "Åse Nordli", "Ledelse")]


@pytest.fixture
def company(make_company):
    return make_company(rows=[person(user, name=name, department=department) for user, name, department in PEOPLE],
                        consent=["ola"])


async def found(app, text, **more):
    """Ids of those found, the best first."""
    answer = await app.request("find", text=text, **more)
    assert answer["t"] == "answer" and not answer.get("more") and answer["stale_ms"] >= 0, answer
    return [row(PROFILE_COLUMNS, values)["user"] for values in answer.get("profiles") or []]


async def test_who_is_looked_for_is_found(company):
    app = await company.app("ola")
    assert await found(app, "ola") == ["ola", "olav"]
    assert await found(app, "ol") == ["ola", "olav", "kari"], "those whose name begins so come first"
    assert await found(app, "OLA NORD") == ["ola"]
    assert await found(app, "ås") == ["aase", "ola"]
    assert await found(app, "salg") == ["kari", "ola"]
    assert await found(app, "olav") == ["olav"]
    assert await found(app, company.numbers["kari"][-6:]) == ["kari"]
    assert await found(app, "nobody") == [] and await found(app, " ") == []


async def test_an_answer_has_the_rows_that_everybody_sees(company):
    app = await company.app("ola")
    await app.set("busy", activity="meeting")
    await app.sees("ola", activity="meeting")  # `ok` may come before
    answer = await app.request("find", text="ola n")
    assert answer["profiles"][0][1] == "Ola Nordmann-Ås" and answer["members"][0][:3] == ["ola", "busy", "meeting"]


async def test_no_more_than_was_asked_for(make_company):
    company = make_company(rows=[person(f"u{i:03d}", name=f"Ola {i:03d}") for i in range(120)], consent=False)
    app = await company.app("u000")
    assert len(await found(app, "ola")) == 20 and len(await found(app, "ola", limit=50)) == 50
    assert await found(app, "ola", limit=2) == ["u000", "u001"]
    assert (await app.refused("find", text="ola", limit=51))["field"] == "limit"
    assert (await app.refused("find", text="x" * 121))["field"] == "text"
    assert (await app.refused("find", limit=3))["field"] == "text"


async def test_nobody_of_another_company(company, make_company):
    other = make_company(rows=[person("spy", name="Ola Nordmann-Ås")])
    spy = await other.app("spy")
    assert await found(spy, "ola") == ["spy"] and await found(spy, "salg") == []
