"""Agents and their queues: log in, pause, log out; what the wallboard and one's own devices show."""

import pytest

from ledig_client import Refused


async def board_shows(app, **wanted):
    """The wallboard's row of `support` has these figures."""
    names = ("queue", "free", "busy", "wrap_up", "waiting", "oldest_at")

    def looks_so():
        row = app.queues.get("support")
        return row and all(row.get(name) == value for name, value in wanted.items())

    await app.until(looks_so, f"a row of support with {wanted} ({names})")


async def own_queue(app, member, pause=None):
    wanted = ["support", member] + ([pause] if pause else [])
    await app.until(lambda: wanted in app.me["queues"], f"own queue: {wanted}")


async def test_an_agent_logs_in_pauses_and_logs_out(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    second = await company.app("kari", device="phone")
    await ola.ok("follow", users="all", queues=["support"])
    await board_shows(ola, free=0, busy=0)
    ok = await kari.ok("queue", queue="support", member=True)
    assert ok["version"] > 0
    await board_shows(ola, free=1, busy=0)
    for app in (kari, second):
        await own_queue(app, True)
    await kari.ok("queue", queue="support", member=True, pause="lunch")
    await board_shows(ola, free=0, busy=1)
    await own_queue(second, True, "lunch")
    await kari.ok("queue", queue="support", member=True)
    await board_shows(ola, free=1, busy=0)
    await kari.set("busy")
    await board_shows(ola, free=0, busy=1)
    await kari.set("available")
    await board_shows(ola, free=1, busy=0)
    await second.ok("queue", queue="support", member=False)
    await board_shows(ola, free=0, busy=0)
    await own_queue(kari, False)


async def test_the_same_again_makes_no_version(company):
    kari = await company.app("kari")
    first = await kari.ok("queue", queue="support", member=True)
    again = await kari.ok("queue", queue="support", member=True, pause="")
    assert again["version"] == first["version"]
    out = await kari.ok("queue", queue="support", member=False)
    assert (await kari.ok("queue", queue="support", member=False))["version"] == out["version"]


async def test_only_queues_that_the_employer_assigned(company, make_company):
    from conftest import person
    other = make_company(rows=[person("per", queues="sales")])
    kari = await company.app("kari")
    assert (await kari.refused("queue", queue="sales", member=True))["code"] == "not_found"
    company.provision(company.rows + [person("eva", queues="board")])
    await kari.until(lambda: "eva" in kari.profiles)
    fault = await kari.refused("queue", queue="board", member=True)
    assert (fault["code"], fault["field"]) == ("forbidden", "queue")
    assert other.id != company.id


async def test_who_is_no_longer_assigned_is_out(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    await ola.ok("follow", users="all", queues=["support"])
    await kari.ok("queue", queue="support", member=True)
    await board_shows(ola, free=1)
    company.provision([dict(row, queues="") if row["user"] == "kari" else row for row in company.rows])
    await board_shows(ola, free=0, busy=0)
    await kari.until(lambda: kari.me["queues"] == [], "no queue of one's own")
    await kari.ok("queue", queue="support", member=False)  # logging out is always allowed


async def test_withdrawal_logs_out(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    await ola.ok("follow", users="all", queues=["support"])
    await kari.ok("queue", queue="support", member=True)
    await board_shows(ola, free=1)
    await kari.ok("consent", purpose="presence", granted=False, text="v1")
    await board_shows(ola, free=0, busy=0)
    assert (await kari.refused("queue", queue="support", member=True))["code"] == "consent_required"
    await kari.ok("consent", purpose="presence", granted=True, text="v1")
    await own_queue(kari, False)


@pytest.mark.parametrize("fields, field", [
    (dict(member=True), "queue"), (dict(queue="support"), "member"), (dict(queue="Sup port", member=True), "queue"),
    (dict(queue="support", member="yes"), "member"), (dict(queue="support", member=True, pause="x" * 99), "pause")])
async def test_bad_input(company, fields, field):
    kari = await company.app("kari")
    with pytest.raises(Refused) as refused:
        await kari.ok("queue", **fields)
    assert refused.value.error["code"] == "bad_request" and refused.value.error["field"] == field
