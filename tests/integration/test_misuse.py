"""What looks like an attack or misuse is told to the administrators of the company that it concerns, and to nobody else."""

from broker_process import unique, wait_until
from store_reader import redis, stored
from test_login import log_in, refresh, set_first
from test_provisioning import Office
from test_router import is_problem


def events(office, query=""):
    return [(one["what"], one.get("actor"), one.get("user")) for one in office.done("GET", "/security" + query)["entries"]]


def told(office, *wanted):
    wait_until(lambda: set(wanted) <= set(events(office)), f"{wanted} of {events(office)}")
    return events(office)


def test_wrong_passwords_in_a_row(company):
    office = Office(company)
    set_first(company, "kari")
    for _ in range(4):
        log_in(company, "kari", "wrong password")
    wait_until(lambda: stored(company.broker, company.id, "access", "kari").get("rf") == 4, "they are counted")
    assert ("login_refused", None, "kari") not in events(office), "four may be a slip of the finger"
    for _ in range(8):
        log_in(company, "kari", "wrong password")
    assert told(office, ("login_refused", None, "kari")).count(("login_refused", None, "kari")) <= 2, "two: a while passed"


def test_a_refresh_token_that_was_stolen(start_broker, make_company):
    company = make_company(broker=start_broker(), consent=False)
    first = set_first(company, "kari").json
    assert refresh(company, first["refresh"]).status == 200
    wait_until(lambda: refresh(company, first["refresh"]).status == 401, "the ten seconds for a lost answer are over")
    told(Office(company), ("token_reused", None, "kari"))


async def test_access_that_is_refused(company, make_company):
    office, other = Office(company), Office(make_company(consent=False))
    assert office.http("GET", "/users/ola", token=company.token("kari")).status == 403
    assert office.http("GET", "/users/ola", token=other.token).status == 404
    nina = await company.app("nina")
    assert (await nina.refused("set", status="busy", user="ola"))["code"] == "forbidden"
    mine = told(office, ("access_refused", "kari", None), ("access_refused", "nina", None))
    assert ("access_refused", "boss", None) not in mine, "who came from elsewhere is told of there"
    told(other, ("access_refused", "boss", None))


def test_exports_and_imports(company):
    office = Office(company)
    assert office.http("GET", "/export").status == 200
    assert office.http("GET", "/users/kari/export").status == 200
    company.provision()
    told(office, ("export", "boss", None), ("export", "boss", "kari"))
    wait_until(lambda: any(what == "import" for what, _, _ in events(office)), "the import")
    answer = office.http("GET", "/users/kari/export")
    assert ("export", "boss") in [(one["what"], one.get("actor")) for one in answer.json["security"]]


def test_a_flood_is_one_entry_and_is_counted(start_broker, make_company):
    company = make_company(broker=start_broker(), consent=False)
    office, token = Office(company), company.token("kari")
    for _ in range(60):
        assert office.http("GET", "/users/ola", token=token).status == 403
    assert told(office, ("access_refused", "kari", None)).count(("access_refused", "kari", None)) <= 2, "two: a while passed"

    def counted():
        page = company.broker.http("GET", "/metrics", base=company.broker.ops_url).body.decode()
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("ledig_security_events_total"))

    wait_until(lambda: counted() >= 60, "each is counted")
    assert "security_event company=" in company.broker.log() and "what=access_refused" in company.broker.log()


def test_it_is_sealed_and_its_administrators_alone_may_see_it(company, make_company):
    office, other = Office(company), Office(make_company(consent=False))
    assert office.http("GET", "/users/ola", token=company.token("kari")).status == 403
    told(office, ("access_refused", "kari", None))
    key = f"ledig:{{{company.id}}}:log:security"
    raw = redis(company.broker, "HGETALL", key + ":entries")
    assert raw and b"kari" not in raw and b"access_refused" not in raw
    assert office.http("GET", "/security", token=other.token).status == 404
    is_problem(office.http("GET", "/security", token=company.token("kari")), 403, "forbidden")
    is_problem(office.http("GET", "/security?limit=501"), 400, "bad_request", "limit")
    is_problem(office.http("GET", "/security?before=x"), 400, "bad_request", "before")
    assert office.http("POST", "/security").status == 405
    assert len(events(office, "?limit=1")) == 1


def test_a_company_that_is_none_gets_no_log(broker):
    nowhere = unique("none")
    token = broker.token("boss", nowhere, "member")
    assert broker.http("GET", f"/v1/companies/{nowhere}/users", token=token).status == 403
    assert broker.http("GET", f"/v1/companies/{nowhere}", token=broker.token("root", "*", "operator")).status == 404
    assert redis(broker, "KEYS", f"ledig:{{{nowhere}}}:*").strip() == b""
