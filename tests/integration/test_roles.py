"""Who may do what: the whole table of permissions, allowed and refused; and roles that change under a token."""

import time

import pytest

from broker_process import unique, wait_until
from conftest import person
from ledig_client import App, Refused, Router
from permissions import PEOPLE, ROLES, rows
from test_login import app as connect, log_in, set_first

NOBODY = dict(purpose="analytics", user="nobody", queue="no-queue", schedule="no-schedule", call="no-call", router="pbx", login="0" * 16)
BODIES = {"import": "user,name\n"}  # others: {}, which is refused later, if at all

APP_FIELDS = dict(
    set=dict(status="busy"), device=dict(state="active"), follow=dict(users="all"), queue=dict(queue="support", member=False),
    ask=dict(users=["kari"]), find=dict(text="kari"), consent=dict(purpose="presence", granted=True, text="v1"), calls={},
    usage={}, activity={}, token=None,
)
ROUTER_FIELDS = dict(
    route=dict(numbers=["+4799999999"]), claim=dict(queue="support", call="c1"), release=dict(call="c1"),
    call=dict(call="c1", seq=1, state="ended"), follow=dict(numbers=[]), token=None,
)


@pytest.fixture
def staff(make_company):
    """A company with one person of each role."""
    return make_company(rows=[person(f"a-{role}", role=role, queues="support") for role in PEOPLE] + [person("kari")])


def on_apps_port(company, row, token):
    base = company.broker.url.replace("ws", "http", 1).removesuffix("/v1")
    return company.broker.http(row.method, row.path.format(**NOBODY), token=token, body={}, base=base)


def on_routers_port(company, row, token):
    body = BODIES.get(row.name, {})
    kind = "text/csv" if isinstance(body, str) else "application/json"
    return company.broker.http(row.method, row.path.format(company=company.id, **NOBODY), token=token,
                               body=None if row.method in ("GET", "DELETE") else body, content_type=kind)


def test_the_table_gives_nobody_more_than_is_meant():
    """Said once more by hand, since the broker and the other tests read the same table."""
    for row in rows("OF_APP"):
        assert {row.reach[role] for role in ("router", "operator")} == {"NO"}, str(row)
    for row in rows("OF_ROUTER"):
        assert {row.reach[role] for role in PEOPLE} == {"NO"}, str(row)
    for row in rows("OF_COMPANY"):
        assert {row.reach[role] for role in ("member", "switchboard", "lead")} == {"NO"}, str(row)
    may = {row.name for row in rows("OF_COMPANY") if row.reach["router"] != "NO"}
    assert may == {"route_one", "route_list", "call_report", "claim_take", "claim_release", "router_keep", "queue_tell"}
    for row in rows("OF_PERSON"):
        assert set(row.reach.values()) == {"ANYBODY"} or {row.reach["router"], row.reach["operator"]} == {"NO"}, str(row)


def test_http_of_companies(staff):
    log_ins = {role: set_first(staff, f"a-{role}").json["token"] for role in PEOPLE}
    for row in rows("OF_COMPANY"):
        for role in ROLES:
            tokens = [staff.token("somebody", role)] + ([log_ins[role]] if role in log_ins else [])
            for token in tokens:
                answer = on_routers_port(staff, row, token)
                if row.reach[role] == "NO":
                    assert answer.status == 403 and answer.json["code"] == "forbidden", (str(row), role, answer.body)
                else:
                    assert answer.status not in (401, 403, 405, 500), (str(row), role, answer.status, answer.body)
        for token in (None, "no.such.token"):
            answer = on_routers_port(staff, row, token)
            assert answer.status == 401 and answer.json["code"] == "unauthorized", (str(row), token)


def test_http_of_persons(staff):
    log_ins = {role: set_first(staff, f"a-{role}").json["token"] for role in PEOPLE}
    for row in sorted(rows("OF_PERSON"), key=lambda row: ["logout", "me_erase"].index(row.name) + 1
                      if row.name in ("logout", "me_erase") else 0):  # the last: they end the token
        if row.name == "me_erase":
            log_ins = {role: set_first(staff, f"a-{role}").json["token"] for role in PEOPLE}
        for role in ROLES:
            token = log_ins.get(role) or staff.token("somebody", role)
            answer = on_apps_port(staff, row, None if row.reach[role] == "ANYBODY" else token)
            if row.reach[role] == "NO":
                assert answer.status == 403 and answer.json["code"] == "forbidden", (str(row), role, answer.body)
            else:
                assert answer.status not in (401, 403, 405, 500), (str(row), role, answer.status, answer.body)
        if "ANYBODY" in row.reach.values():
            assert set(row.reach.values()) == {"ANYBODY"}, "the role cannot be known"
        else:
            assert on_apps_port(staff, row, "no.such.token").status == 401, str(row)


async def test_messages_of_apps(staff):
    assert {row.name for row in rows("OF_APP")} == {"hello", *APP_FIELDS}
    for role in ROLES:
        token = staff.token("kari", role)
        app = await App.connect(staff.broker.url, "json")
        if next(row for row in rows("OF_APP") if row.name == "hello").reach[role] == "NO":
            with pytest.raises(Refused) as refused:
                await app.hello(token)
            assert refused.value.error["code"] == "forbidden" and await app.until_closed() == 4403, role
            continue
        await app.hello(token)
        for row in rows("OF_APP"):
            if row.name == "hello":
                continue
            fields = APP_FIELDS[row.name] if row.name != "token" else dict(token=token)
            answer = await app.request(row.name, **fields)
            assert (answer.get("code") == "forbidden") == (row.reach[role] == "NO"), (str(row), role, answer)
            assert answer.get("code") != "unsupported", (str(row), role)
        other = await app.request("set", status="busy", user="a-lead")
        reach = next(row for row in rows("OF_APP") if row.name == "set").reach[role]
        assert other.get("code") == ("forbidden" if reach == "OWN" else None), (role, other)
        await app.close()


async def test_messages_of_routers(staff):
    assert {row.name for row in rows("OF_ROUTER")} == {"hello", *ROUTER_FIELDS}
    for role in ROLES:
        token = staff.token("pbx", role)
        router = await Router.connect(staff.broker.router_url.replace("http", "ws", 1) + "/v1", "json")
        if next(row for row in rows("OF_ROUTER") if row.name == "hello").reach[role] == "NO":
            with pytest.raises(Refused) as refused:
                await router.hello(token, unique("pbx"))
            assert refused.value.error["code"] == "forbidden" and await router.until_closed() == 4403, role
            continue
        await router.hello(token, unique("pbx"))
        for row in rows("OF_ROUTER"):
            if row.name == "hello":
                continue
            fields = dict(token=token) if row.name == "token" else dict(ROUTER_FIELDS[row.name])
            if row.name in ("claim", "release", "call"):
                fields["company"] = staff.id
            answer = await router.request(row.name, **fields)
            assert answer.get("code") not in ("forbidden", "unsupported"), (str(row), role, answer)
        for name in set(APP_FIELDS) - set(ROUTER_FIELDS):
            answer = await router.request(name, **APP_FIELDS[name])
            assert answer.get("code") == "forbidden", f"{name} is for apps: {answer}"
        await router.close()


def give_role(company, user, role):
    answer = company.broker.http("PATCH", f"/v1/companies/{company.id}/users/{user}", body=dict(role=role),
                                 token=company.token("boss", "admin"))
    assert answer.status == 200, answer.body


def test_an_administrator_who_was_demoted_is_none_at_once(staff):
    token, path = set_first(staff, "a-admin").json["token"], f"/v1/companies/{staff.id}"
    assert staff.broker.http("GET", path, token=token).status == 200
    give_role(staff, "a-admin", "lead")
    assert staff.broker.http("GET", path, token=token).status == 403
    give_role(staff, "a-admin", "admin")
    assert staff.broker.http("GET", path, token=token).status == 200


def ask_everything(company, token):
    """What an administrator does, one of each kind; the statuses."""
    path, found = f"/v1/companies/{company.id}", []
    for method, at, body in (("GET", "", None), ("PATCH", "", dict(name=unique("Fjord "))), ("GET", "/users", None),
                             ("PUT", f"/users/{unique('u')}", dict(name="Ny")), ("GET", "/export", None),
                             ("POST", "/import", "user,name\n")):
        kind = "text/csv" if isinstance(body, str) else None
        found.append(company.broker.http(method, path + at, token=token, body=body, content_type=kind).status)
    return found


def test_an_administrator_who_has_logged_out_is_none_at_once(staff):
    token = set_first(staff, "a-admin").json["token"]
    assert ask_everything(staff, token) == [200, 200, 200, 201, 200, 200]
    base = staff.broker.url.replace("ws", "http", 1).removesuffix("/v1")
    assert staff.broker.http("POST", "/v1/logout", token=token, body={}, base=base).status == 204
    assert ask_everything(staff, token) == [401] * 6


async def test_a_session_has_the_role_that_the_profile_says_now(staff):
    token = set_first(staff, "a-lead").json["token"]
    lead = await connect(staff, token)
    await lead.ok("set", status="busy", user="kari")
    give_role(staff, "a-lead", "member")
    while (answer := await lead.request("set", status="dnd", user="kari"))["t"] == "ok":
        pass  # the worker hears of it by the doorbell; the test has a limit of its own
    assert answer["code"] == "forbidden"
    await lead.set("away")
    give_role(staff, "a-lead", "switchboard")
    while (answer := await lead.request("set", status="dnd", user="kari"))["t"] == "error":
        assert answer["code"] == "forbidden"


async def test_a_token_of_a_namesake_who_has_left_is_void(make_company):
    company = make_company(consent=False)
    path, admin = f"/v1/companies/{company.id}/users/ola", company.token("boss", "admin")
    token = company.token("ola", ttl="2h")
    first = await App.connect(company.broker.url)
    await first.hello(token, live=False)
    assert company.broker.http("DELETE", path, token=admin).status == 204
    assert await first.until_closed() == 4403
    minted = time.time()
    wait_until(lambda: time.time() > minted + 1.1, "tokens tell whole seconds")
    assert company.broker.http("PUT", path, token=admin, body=dict(name="Another Ola")).status == 201
    second = await App.connect(company.broker.url)
    with pytest.raises(Refused) as refused:
        await second.hello(token, live=False)
    assert refused.value.error["code"] == "unauthorized" and await second.until_closed() == 4401
    third = await App.connect(company.broker.url)
    await third.hello(company.token("ola", ttl="3h"), live=False)


def test_a_log_in_of_a_namesake_who_has_left_is_void(staff):
    old = set_first(staff, "a-admin").json
    path, admin = f"/v1/companies/{staff.id}/users/a-admin", staff.token("boss", "admin")
    assert staff.broker.http("DELETE", path, token=admin).status == 204
    assert staff.broker.http("PUT", path, token=admin, body=dict(name="Another", role="admin")).status == 201
    assert staff.broker.http("GET", path, token=old["token"]).status == 401
    assert log_in(staff, "a-admin").status == 401
