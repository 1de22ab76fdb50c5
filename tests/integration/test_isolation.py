"""One company never learns of another: every request, with the id of everything foreign, gets the answer that it gets
for what does not exist."""

import json

import pytest

from broker_process import unique
from ledig_client import App, Refused, Router
from permissions import PEOPLE, rows

GONE = ("stale_ms", "version", "id")  # of an answer: what tells nothing of whom was asked for


@pytest.fixture
def world(make_company):
    """Ours, and theirs with one of everything."""
    ours = make_company(consent=["kari"])
    theirs = make_company(users=("hemmelig", "skjult"), consent=["hemmelig"])
    broker, admin = theirs.broker, theirs.token("boss", "admin")
    path = f"/v1/companies/{theirs.id}"
    for at, body in (("queues/lukket", dict(name="Lukket kø")), ("schedules/natt", dict(zone="Europe/Oslo"))):
        answer = broker.http("PUT", f"{path}/{at}", token=admin, body=body)
        assert answer.status in (200, 201), (at, answer.body)
    router = theirs.token("sentral", "router")
    answer = broker.http("PUT", f"{path}/calls/samtale", token=router,
                         body=dict(seq=1, router="deres", legs=[dict(user="hemmelig", state="active")]))
    assert answer.status == 200, answer.body
    return ours, theirs


def names(company, number):
    return dict(company=company, user="hemmelig", queue="lukket", schedule="natt", call="samtale", router="deres", number=number)


NOTHING = dict(user="ingen-en", queue="ingen-to", schedule="ingen-tre", call="ingen-fire", router="deres")


def plain(text, ids):
    """An answer in which what was asked for has no name."""
    for name, value in ids.items():
        text = text.replace(json.dumps(value), json.dumps(f"<{name}>"))
    return text


def lean(value):
    if isinstance(value, dict):
        return {key: lean(one) for key, one in value.items() if key not in GONE}
    return [lean(one) for one in value] if isinstance(value, list) else value


def strip(answer, ids):
    body = json.loads(plain(answer.body.decode(), ids)) if answer.json is not None else answer.body
    return answer.status, lean(body)


def http(company, row, ids, token, body):
    return company.broker.http(row.method, row.path.format(**ids), token=token, content_type="application/json",
                               body=None if row.method in ("GET", "DELETE") else json.dumps(body))


def bodies(row, ids):
    """Bodies that would be taken, and name what is foreign."""
    if row.name == "route_list":
        return [[ids["number"]]]
    if row.name == "call_report":
        return [dict(seq=1, router="pbx", legs=[dict(user=ids["user"], state="active")]),
                dict(seq=2, router="pbx", legs=[dict(number=ids["number"], state="active")]),
                dict(seq=3, router="pbx", queue=ids["queue"], legs=[])]
    if row.name == "claim_take":
        return [dict(call="c1", router="pbx", exclude=[ids["user"]])]
    if row.name.startswith("user_"):
        return [dict(name="N", schedule=ids["schedule"])]
    if row.name.startswith("company_"):
        return [dict(schedule=ids["schedule"]), dict(departments={"Drift": ids["schedule"]})]
    return [{}]


def test_a_foreign_company_looks_like_none(world):
    """Each role that may do it at home, on each path, with everything that exists over there."""
    ours, theirs = world
    real = names(theirs.id, theirs.numbers["hemmelig"])
    none = names(unique("no-such-firm"), "+4799999999") | NOTHING
    for row in rows("OF_COMPANY"):
        if "{company}" not in row.path:
            continue
        for role in (role for role, reach in row.reach.items() if reach != "NO"):
            token = ours.token("somebody", role)
            for at, body in enumerate(bodies(row, real)):
                answers = [http(ours, row, real, token, body), http(ours, row, none, token, bodies(row, none)[at])]
                assert strip(answers[0], real) == strip(answers[1], none), (str(row), role, [a.body for a in answers])
                assert answers[0].status == 404, (str(row), role, answers[0].body)


def test_what_is_foreign_does_not_exist_at_home(world):
    """Ids and numbers of the others, asked for in one's own company."""
    ours, theirs = world
    real = names(ours.id, theirs.numbers["hemmelig"])
    none = names(ours.id, "+4799999999") | NOTHING
    for row in rows("OF_COMPANY"):
        for role in (role for role, reach in row.reach.items() if reach != "NO"):
            token = ours.token("somebody", role)
            for at, body in enumerate(bodies(row, real)):
                answers = [http(ours, row, real, token, body), http(ours, row, none, token, bodies(row, none)[at])]
                assert strip(answers[0], real) == strip(answers[1], none), (str(row), role, [a.body for a in answers])


def test_a_foreign_number_is_nobodys(world):
    ours, theirs = world
    for number in (theirs.numbers["hemmelig"], "+4799999999"):
        for role in ("router", "admin", "operator"):
            route = ours.broker.route(number, token=ours.token("somebody", role))
            assert route["action"] == "unknown" and set(route) == {"action", "stale_ms"}, (role, route)


def without(message, ids):
    return lean(json.loads(plain(json.dumps(message), ids)))


async def test_an_app_learns_nothing(world):
    ours, theirs = world
    real = names(theirs.id, theirs.numbers["hemmelig"])
    none = names(unique("no-such-firm"), "+4799999999") | NOTHING

    def requests(ids):
        return [("set", dict(status="busy", user=ids["user"])), ("set", dict(status="busy", forward=ids["user"])),
                ("set", dict(status="busy", forward=ids["queue"])), ("queue", dict(queue=ids["queue"], member=True)),
                ("ask", dict(users=[ids["user"]])), ("ask", dict(numbers=[ids["number"]])),
                ("ask", dict(queues=[ids["queue"]])), ("find", dict(text=ids["user"])),
                ("find", dict(text=ids["number"])), ("follow", dict(users=[ids["user"]], queues=[ids["queue"]]))]

    for role in PEOPLE:
        app = await App.connect(ours.broker.url, "json")
        await app.hello(ours.token("kari", role))
        for (name, fields), (_, fields_of_none) in zip(requests(real), requests(none)):
            answers = [await app.request(name, **fields), await app.request(name, **fields_of_none)]
            assert without(answers[0], real) == without(answers[1], none), (role, name, answers)
        assert not set(app.profiles) & set(theirs.users) and not set(app.members) & set(theirs.users)
        assert "lukket" not in app.queues
        heard = json.dumps(app.frames)
        for secret in (*theirs.numbers.values(), theirs.id, "Hemmelig Prøvesen"):
            assert heard.count(secret) == 0, "nothing of theirs came, but what was asked with"
        await app.close()


async def test_a_router_learns_nothing(world):
    ours, theirs = world
    real = names(theirs.id, theirs.numbers["hemmelig"])
    none = names(unique("no-such-firm"), "+4799999999") | NOTHING

    def requests(ids, home):
        found = [("route", dict(numbers=[ids["number"]])), ("follow", dict(numbers=[ids["number"]]))]
        for company in (ids["company"], home):
            found += [("route", dict(numbers=[ids["number"]], company=company)),
                      ("claim", dict(company=company, queue=ids["queue"], call="c1")),
                      ("release", dict(company=company, call=ids["call"])),
                      ("call", dict(company=company, call=ids["call"], seq=1, legs=[dict(user=ids["user"], state="active")]))]
        return found

    router = await Router.connect(ours.broker.router_url.replace("http", "ws", 1) + "/v1", "json")
    await router.hello(ours.token("pbx", "router"), unique("pbx"))
    for (name, fields), (_, fields_of_none) in zip(requests(real, ours.id), requests(none, ours.id)):
        answers = [await router.request(name, **fields), await router.request(name, **fields_of_none)]
        assert without(answers[0], real) == without(answers[1], none), (name, answers)
    await router.follow(real["number"])
    await router.sees_route(real["number"], action="unknown", user=None, queue=None)


async def test_a_token_of_one_company_is_nobody_in_another(world):
    """The same user id over there, and one that exists over there alone."""
    ours, theirs = world
    seen = []
    for user in ("hemmelig", "ingen"):
        app = await App.connect(ours.broker.url, "json")
        with pytest.raises(Refused) as refused:
            await app.hello(ours.token(user), live=False, company=theirs.id)
        seen.append((refused.value.error, await app.until_closed()))
    assert seen[0] == seen[1] and seen[0][1] == 4403
