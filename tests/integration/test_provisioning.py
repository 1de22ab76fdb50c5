"""People, queues and companies, told by HTTP one by one: at once on every screen, or not at all."""

import concurrent.futures
import os
import signal

import pytest

from broker_process import csv_text, number, unique, wait_until
from conftest import person
from ledig_client import App, Refused
from test_calls import Switch, leg
from test_claims import Desk, ready
from store_reader import Keys, stored
from test_hostile import redis
from test_router import UNKNOWN, is_problem


class Office:
    """An administrator of one company."""

    def __init__(self, company, role="admin", covers=None):
        self.broker, self.id = company.broker, company.id
        self.token = self.broker.token("boss", covers or company.id, role)

    def http(self, method, path="", body=None, **more):
        if isinstance(body, dict):
            numbers = body.get("numbers")
            personal = [body.get("name"), *(numbers if isinstance(numbers, list) else [])]
            self.broker.must_not_log(*(text for text in personal if isinstance(text, str)))
        return self.broker.http(method, f"/v1/companies/{self.id}{path}", token=more.pop("token", self.token), body=body, **more)

    def done(self, method, path="", body=None, status=200):
        answer = self.http(method, path, body)
        assert answer.status == status, (answer.status, answer.body)
        return answer.json

    def user(self, user):
        return self.done("GET", f"/users/{user}")

    def queue(self, queue="support"):
        return self.done("GET", f"/queues/{queue}")


def told(office):
    """All that was provisioned."""
    company = office.done("GET")
    company.pop("version")  # devices come and go
    return company, office.done("GET", "/users")


@pytest.fixture
def office(company):
    return Office(company)


# ---- people ----

async def test_a_person_comes_changes_and_shows_at_once(company, office):
    ola, to = await company.app("ola"), number()
    made = office.done("PUT", "/users/per", dict(name="Per Prøvesen", numbers=["00" + to[1:3] + " " + to[3:]], department="Salg", role="lead",
                                                 queues=["support"]), 201)
    assert made["user"] == "per" and made["company"] == company.id and made["version"] > 0
    await ola.until(lambda: "per" in ola.profiles, "the newcomer")
    assert ola.profiles["per"]["name"] == "Per Prøvesen" and ola.profiles["per"]["numbers"] == [to]
    whole = dict(user="per", name="Per Prøvesen", numbers=[to], department="Salg", role="lead", queues=["support"])
    assert office.user("per") == whole and company.broker.route(to)["user"] == "per"
    office.done("PATCH", "/users/per", dict(department="Drift"))
    await ola.until(lambda: ola.profiles["per"]["department"] == "Drift")
    assert office.user("per") == dict(whole, department="Drift"), "what was not named stays"
    office.done("PUT", "/users/per", office.user("per"))  # as it was told
    assert office.user("per") == dict(whole, department="Drift")
    office.done("PUT", "/users/per", dict(name="Per"))
    assert office.user("per") == dict(user="per", name="Per", numbers=[], role="member", queues=[]), "what was not named is none"
    assert set(company.broker.route(to)) == UNKNOWN


async def test_consent_and_state_are_the_persons_own(company, office):
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="i møte")
    office.done("PUT", "/users/kari", dict(name="Kari Ny", numbers=[company.numbers["kari"]], queues=["support"]))
    await ola.until(lambda: ola.profiles["kari"]["name"] == "Kari Ny")
    await ola.sees("kari", availability="busy", note="i møte")


async def test_the_same_again_makes_no_version(company, office):
    ola, body = await company.app("ola"), dict(name="Per", numbers=[number()], queues=["support"])
    version = office.done("PUT", "/users/per", body, 201)["version"]
    await ola.until(lambda: ola.place["version"] >= version)
    office.done("PUT", "/users/per", body)
    office.done("PATCH", "/users/per", {})
    assert office.done("GET")["version"] == version


def test_a_queue_that_nobody_had_named_comes_into_being(company, office):
    office.done("PATCH", "/users/kari", dict(queues=["support", "sales", "sales"]))
    assert office.user("kari")["queues"] == ["support", "sales"] and office.queue("sales")["agents"] == []


async def test_who_is_deleted_is_gone_wholly(company, office):
    kari, second, ola = await company.app("kari"), await company.app("kari", device="phone"), await company.app("ola")
    await kari.ok("queue", queue="support", member=True)
    switch, call = Switch(company), unique("call")
    switch.report(call, 1, legs=[leg("kari", "active"), leg("ola", "active")])
    await ola.sees("kari", activity="in_call")
    office.done("DELETE", "/users/kari", status=204)
    assert await kari.until_closed() == 4403 and await second.until_closed() == 4403
    await ola.until(lambda: "kari" not in ola.profiles and "kari" not in ola.members, "kari is gone")
    assert is_problem(office.http("GET", "/users/kari"), 404, "not_found", "user")
    assert is_problem(office.http("DELETE", "/users/kari"), 404, "not_found", "user")
    assert set(company.broker.route(company.numbers["kari"])) == UNKNOWN
    keys = redis(company.broker, "HKEYS", f"ledig:{{{company.id}}}:records").split()
    assert not [key for key in keys if key.endswith(Keys(company.broker).hash("kari"))], keys
    assert [leg["u"] for leg in stored(company.broker, company.id, "call", call)["lg"]] == ["ola"]
    assert int(redis(company.broker, "HGET", f"ledig:{{{company.id}}}:head", "pruned")) > 0
    switch.report(call, 2, state="ended")
    await ola.sees("ola", availability="available")
    with pytest.raises(Refused):
        await company.app("kari")
    # the number is free again, and the id too: somebody else, who has consented to nothing
    office.done("PUT", "/users/kari", dict(name="En annen", numbers=[company.numbers["kari"]]), 201)
    await ola.until(lambda: "kari" in ola.profiles)
    assert ola.members.get("kari", {"availability": "unknown"})["availability"] == "unknown"
    newcomer = await App.connect(company.broker.url)
    await newcomer.hello(company.token("kari", ttl="59m"))  # of their own: one of the other kari is void
    assert not newcomer.me.get("consents")


async def test_an_app_that_was_away_hears_of_the_deletion(company, office):
    ola = await company.app("ola")
    place, shown = ola.resume(), ola.view()
    assert "kari" in shown["profiles"]
    ola.cut()
    office.done("DELETE", "/users/kari", status=204)
    back = await company.app("ola", live=False, resume=place)
    if back.welcome["resumed"]:
        await back.until(lambda: any("kari" in (m.get("removed") or []) for m in back.frames), "removed")
    else:
        await back.until(lambda: back.live)
        assert "kari" not in back.profiles


async def test_a_claim_on_one_who_is_deleted_goes_to_another(company, office):
    desk, call = Desk(company), unique("call")
    await ready(desk, company, "kari", "ola")
    assert desk.claimed(call) == ["kari"]
    office.done("DELETE", "/users/kari", status=204)
    assert desk.claimed(call) == ["ola"]


def test_what_got_no_answer_can_be_asked_again(start_broker, make_company):
    broker = start_broker(store_timeout_ms=400)
    office, to, lost = Office(make_company(broker=broker, consent=False)), number(), number()
    before = office.user("kari")
    os.kill(broker.redis_pid(), signal.SIGSTOP)
    try:
        for method, path, body in (("PUT", "/users/per", dict(name="Per", numbers=[to])), ("PATCH", "/users/nina", dict(numbers=[lost])), ("DELETE", "/users/ola", None), ("DELETE", "/queues/support", None)):
            assert is_problem(office.http(method, path, body), 503, "unavailable")
        assert office.user("kari") == before, "what is known can be read meanwhile"
    finally:
        os.kill(broker.redis_pid(), signal.SIGCONT)
    broker.wait_ready()
    assert office.http("PUT", "/users/per", dict(name="Per", numbers=[to])).status in (200, 201)
    wait_until(lambda: office.http("DELETE", "/users/ola").status in (204, 404), "ola is gone")
    wait_until(lambda: office.http("PATCH", "/users/kari", dict(numbers=[lost])).status == 200 or office.user("nina")["numbers"] == [lost],
               "a number that was taken in vain is free again")
    assert broker.route(to, office.id)["user"] == "per" and office.http("GET", "/users/ola").status == 404


# ---- numbers ----

def test_numbers_move_between_people(company, office):
    to = company.numbers["kari"]
    assert is_problem(office.http("PATCH", "/users/ola", dict(numbers=[to])), 409, "conflict", "numbers")
    office.done("PATCH", "/users/kari", dict(numbers=[]))
    office.done("PATCH", "/users/ola", dict(numbers=[to]))
    assert company.broker.route(to)["user"] == "ola"
    office.done("DELETE", "/users/ola", status=204)
    office.done("PATCH", "/queues/support", dict(numbers=[to]))
    assert company.broker.route(to)["queue"] == "support"
    office.done("DELETE", "/queues/support", status=204)
    office.done("PATCH", "/users/nina", dict(numbers=[company.numbers["nina"], to]))
    assert company.broker.route(to)["user"] == "nina"


def test_a_conflict_takes_nothing(company, office, make_company):
    other, free = make_company(consent=False), number()
    for theirs in (other.numbers["kari"], company.numbers["ola"]):
        answer = office.http("PUT", "/users/per", dict(name="Per", numbers=[free, theirs]))
        assert is_problem(answer, 409, "conflict", "numbers") and other.id not in answer.body.decode()
    assert is_problem(office.http("GET", "/users/per"), 404, "not_found", "user")
    # nor what was free, where there is nobody to have it
    assert is_problem(office.http("PATCH", "/users/per", dict(numbers=[free])), 404, "not_found", "user")
    Office(other).done("PATCH", "/users/ola", dict(numbers=[free]))
    assert company.broker.route(free)["company"] == other.id


def test_edits_of_one_person_wait_for_each_other(company, office):
    """Whichever comes last, its number is routed and the others are free."""
    numbers = [number() for _ in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for one in pool.map(lambda to: office.http("PATCH", "/users/kari", dict(numbers=[to])), numbers * 3):
            assert one.status == 200, one.body
    has = office.user("kari")["numbers"]
    assert len(has) == 1 and company.broker.route(has[0])["user"] == "kari"
    office.done("PATCH", "/users/ola", dict(numbers=[n for n in numbers if n not in has]))


# ---- queues ----

async def test_a_queue_shows_who_would_be_called(company, office):
    desk = Desk(company)
    await ready(desk, company, "kari", "ola", "nina")
    phone = await company.app("ola", device="phone")
    office.done("PUT", "/queues/support", dict(name="Hjelp", numbers=[number()], strategy="longest_idle"))

    def agents():
        return [(a["user"], a["free"], a["availability"]) for a in office.queue()["agents"]]
    assert agents() == [(u, True, "available") for u in ("kari", "ola", "nina")]
    assert desk.claimed("c1") == ["kari"]
    assert agents() == [("ola", True, "available"), ("nina", True, "available"), ("kari", False, "busy")]
    await phone.set("busy", activity="meeting")
    shown = office.queue()
    assert shown["free"] == 1 and shown["waiting"] == 0 and shown["agents"][0]["user"] == "nina"
    assert office.http("GET", "/queues/support", token=desk.token).json == shown, "a router may look, too"
    desk.give_back("c1")


async def test_a_strategy_that_is_told_is_used_at_once(company, office):
    desk = Desk(company)
    await ready(desk, company, "kari", "ola", "nina")
    office.done("PATCH", "/queues/support", dict(strategy="ring_all", name="Hjelp"))
    assert office.queue()["strategy"] == "ring_all"
    wait_until(lambda: sorted(desk.claimed(unique("call"))) == ["kari", "nina", "ola"], "all are claimed")


async def test_wrap_up_follows_a_call_of_the_queue(company, office):
    switch, ola, call = Switch(company), await company.app("ola"), unique("call")
    office.done("PATCH", "/queues/support", dict(wrap_up_ms=1500))
    assert office.queue()["wrap_up_ms"] == 1500
    switch.report(call, 1, user="kari", state="active", queue="support")
    await ola.sees("kari", activity="in_call")
    switch.report(call, 2, state="ended")
    row = await ola.sees("kari", availability="busy", activity="wrap_up")
    await ola.sees("kari", availability="available", activity=None)
    assert ola.members["kari"]["since"] - row["since"] == 1500
    # a call of no queue makes none
    other = unique("call")
    switch.report(other, 1, user="kari", state="active")
    await ola.sees("kari", activity="in_call")
    mark = ola.mark()
    switch.report(other, 2, state="ended")
    await ola.sees("kari", availability="available")
    assert all(r["activity"] != "wrap_up" for r in ola.rows_since(mark, "kari"))


async def test_a_queue_that_is_deleted_is_nobodys(company, office):
    kari = await company.app("kari")
    await kari.ok("queue", queue="support", member=True)
    office.done("DELETE", "/queues/support", status=204)
    await kari.until(lambda: not kari.me.get("queues"), "none of one's own")
    assert office.user("kari")["queues"] == [] and office.user("ola")["queues"] == []
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {})):
        assert is_problem(office.http(method, "/queues/support", body), 404, "not_found", "queue")
    assert is_problem(Desk(company).claim("c1"), 404, "not_found", "queue")


# ---- companies ----

def test_a_company_comes_into_being_and_is_renamed(company):
    office = Office(company)
    office.id, broker = unique("firm"), company.broker
    office.token = broker.token("root", "*", "operator")
    assert is_problem(office.http("GET"), 404, "not_found")
    assert is_problem(office.http("PUT", "/users/kari", dict(name="Kari", numbers=[number()])), 404, "not_found")
    assert office.done("PUT", "", dict(name="Fjord AS"), 201)["company"] == office.id
    office.token = broker.token("boss", office.id, "admin")
    office.done("PUT", "/users/kari", dict(name="Kari", queues=["support"]), 201)
    shown = office.done("GET")
    assert shown.pop("version") > 0
    assert shown == dict(company=office.id, name="Fjord AS", country="NO", users=1, queues=1, schedules=0,
                         call_history_days=90, activity_days=365)
    office.done("PUT", "", dict(name="Fjell AS"))
    assert office.done("GET")["name"] == "Fjell AS" and office.user("kari")["name"] == "Kari"


def test_the_list_comes_in_pages(make_company):
    users = [f"u{i}" for i in range(7)]
    office, seen, after, pages = Office(make_company(users=users, consent=False)), [], "", 0
    while after is not None:
        page = office.done("GET", f"/users?limit=3{after}")
        assert len(page["users"]) <= 3
        seen += [u["user"] for u in page["users"]]
        after, pages = f"&after={page['next']}" if "next" in page else None, pages + 1
    assert seen == users and pages == 3
    assert office.done("GET", "/users")["users"][0] == office.user("u0")
    for query, field in (("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("after=A%20B", "after")):
        assert is_problem(office.http("GET", f"/users?{query}"), 400, "bad_request", field)


def test_a_long_list_is_whole_and_in_order_while_people_leave(make_company):
    """It is read in parts, between which others have their turn."""
    users = [f"u{i:04}" for i in range(3000)]
    office = Office(make_company(rows=[person(user, numbers=" ") for user in reversed(users)], consent=False))
    leavers, stayers = users[::20], {user for i, user in enumerate(users) if i % 20}

    def exported():
        return [line.partition(",")[0] for line in office.http("GET", "/export").body.decode().splitlines()][1:]

    def paged():
        seen, after = [], ""
        while after is not None:
            page = office.done("GET", f"/users?limit=900{after}")
            seen += [one["user"] for one in page["users"]]
            after = f"&after={page['next']}" if "next" in page else None
        return seen

    assert exported() == users and paged() == users
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        leaving = [pool.submit(office.done, "DELETE", f"/users/{user}", status=204) for user in leavers]
        while not all(future.done() for future in leaving):
            for seen in (exported(), paged()):
                assert seen == sorted(set(seen)) and stayers <= set(seen)
        for future in leaving:
            future.result()
    assert exported() == paged() == sorted(stayers)


def test_an_export_is_an_import(make_company):
    rows = [person("ola", name='Ola "Olle" Prøvesen, junior', numbers=[number(), number()], queues=["sales", "support"]),
            person("kari", name="Kari Ærlig", department="Drift, ute", role="switchboard"), person("nina", numbers=" ", department="", role="admin"),
            person("support", "Hjelp, nå", number(), "", "queue"), person("empty", "Ingen", " ", "", "queue")]
    company = make_company(rows=rows, consent=False)
    office = Office(company)
    answer = office.http("GET", "/export")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text, want = answer.body.decode(), sorted(csv_text(rows).replace(", ,", ",,").splitlines())
    assert sorted(text.splitlines()) == [line + (",schedule" if line.startswith("user,") else ",") for line in want]
    again = company.broker.import_csv(company.id, text)
    assert again.json["users"] == dict(created=0, changed=0, unchanged=3) and again.json["queues"] == dict(created=0, changed=0, unchanged=3)
    for row in rows:
        kind = "queues" if row["role"] == "queue" else "users"
        office.done("DELETE", f"/{kind}/{row['user']}", status=204)
    assert company.broker.import_csv(company.id, text).json["users"]["created"] == 3
    assert office.http("GET", "/export").body == answer.body


# ---- who may, and what is wrong ----

PATHS = [("GET", ""), ("PUT", ""), ("GET", "/users"), ("GET", "/export"), ("GET", "/users/kari"), ("PUT", "/users/kari"), ("PATCH", "/users/kari"),
         ("DELETE", "/users/kari"), ("PUT", "/queues/support"), ("PATCH", "/queues/support"), ("DELETE", "/queues/support")]


def test_who_may(company, office, make_company):
    stranger, body = Office(make_company(consent=False)), dict(name="X")
    for method, path in PATHS + [("GET", "/queues/support")]:
        send = body if method in ("PUT", "PATCH") else None
        for role in ("member", "switchboard", "lead", "router"):
            if role == "router" and (method, path) == ("GET", "/queues/support"):
                continue
            assert is_problem(office.http(method, path, send, token=company.token("kari", role)), 403, "forbidden"), (method, path, role)
        assert is_problem(office.http(method, path, send, token=None), 401, "unauthorized")
        there, nowhere = (stranger.broker.http(method, f"/v1/companies/{c}{path}", token=stranger.token, body=send) for c in (company.id, "nobody-has-this"))
        assert is_problem(there, 404, "not_found") and there.body == nowhere.body, "as one that does not exist"
    assert office.user("kari")["name"] == "Kari Prøvesen"
    assert Office(company, "operator", "*").user("kari") == office.user("kari")


def test_other_methods_are_refused_by_name(office):
    for method, path, allow in (("POST", "", "GET, PUT, PATCH"), ("DELETE", "", "GET, PUT, PATCH"), ("POST", "/users", "GET"), ("PUT", "/export", "GET"),
                                ("POST", "/users/kari", "GET, PUT, PATCH, DELETE"), ("POST", "/queues/support", "GET, PUT, PATCH, DELETE")):
        answer = office.http(method, path, {} if method != "DELETE" else None)
        assert is_problem(answer, 405, "bad_request") and answer.json["allow"] == allow


BAD = [
    ("users", dict(), "name"), ("users", dict(name=None), "name"), ("users", dict(name=" "), "name"), ("users", dict(name=7), "name"),
    ("users", dict(name="x" * 121), "name"), ("users", dict(name="a\nb"), "name"), ("users", dict(name="X", numbers="+4722334455"), "numbers"),
    ("users", dict(name="X", numbers=[4722334455]), "numbers"), ("users", dict(name="X", numbers=["12345"]), "numbers"),
    ("users", dict(name="X", numbers=["+" + "9" * 300]), "numbers"), ("users", dict(name="X", numbers=["+4722334455", "004722334455"]), "numbers"),
    ("users", dict(name="X", numbers=[f"+47223344{i}" for i in range(10, 27)]), "numbers"), ("users", dict(name="X", role="boss"), "role"),
    ("users", dict(name="X", role="queue"), "role"), ("users", dict(name="X", role=1), "role"), ("users", dict(name="X", queues=["No Queue"]), "queues"),
    ("users", dict(name="X", queues=[f"q{i}" for i in range(65)]), "queues"), ("users", dict(name="X", queues={}), "queues"),
    ("users", dict(name="X", department="x" * 121), "department"), ("users", dict(name="X", number="+4722334455"), "number"),
    ("users", {"name": "X", "E post": "x"}, None),
    ("queues", dict(), "name"), ("queues", dict(name="X", strategy="by_name"), "strategy"), ("queues", dict(name="X", strategy=3), "strategy"),
    ("queues", dict(name="X", wrap_up_ms=-1), "wrap_up_ms"), ("queues", dict(name="X", wrap_up_ms="1"), "wrap_up_ms"), ("queues", dict(name="X", wrap_up_ms=1.5), "wrap_up_ms"),
    ("queues", dict(name="X", wrap_up_ms=3_600_001), "wrap_up_ms"), ("queues", dict(name="X", numbers=["1"]), "numbers"), ("queues", dict(name="X", role="lead"), "role"),
]


def test_bad_input_changes_nothing(company, office):
    before = (office.user("kari"), office.queue(), office.done("GET"))
    for what, body, field in BAD:
        entity = "kari" if what == "users" else "support"
        assert is_problem(office.http("PUT", f"/{what}/{entity}", body), 400, "bad_request", field), body
        if body:
            assert is_problem(office.http("PATCH", f"/{what}/{entity}", body), 400, "bad_request", field), body
    assert is_problem(office.http("PUT", "", dict(name=[])), 400, "bad_request", "name")
    for body in (b"", b"[]", b"{", b'{"name":"a","name":"b"}', b"\xff\xfe", b'{"name":"K\\u0000"}'):
        assert is_problem(office.http("PUT", "/users/kari", body, content_type="application/json"), 400, "bad_request"), body
    for content_type in (None, "text/plain", "application/jsonp", "text/csv"):
        assert is_problem(office.http("PUT", "/users/kari", b'{"name":"X"}', content_type=content_type), 415, "bad_request")
    assert is_problem(office.http("PUT", "/users/kari", dict(name="X", pad="x" * 40000)), 413, "too_large")
    assert (office.user("kari"), office.queue(), office.done("GET")) == before


def test_ids_that_cannot_be(office):
    for path, field in (("/users/Kari", "user"), ("/users/", "user"), ("/users/" + "a" * 65, "user"), ("/queues/A%20B", "queue")):
        assert is_problem(office.http("PUT", path, dict(name="X")), 400, "bad_request", field), path
        assert is_problem(office.http("GET", path), 404, "not_found", field), path
