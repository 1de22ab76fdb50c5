"""Hours of work: of the company, a department and a person, by the clock of a zone; told by HTTP, seen by everybody."""

import asyncio
import datetime
import json
import re
import zoneinfo

import pytest

from broker_process import ROOT, csv_text, number, wait_until
from conftest import person
from ledig_client import App, now_ms
from test_claims import Desk, log_in
from test_provisioning import Office
from test_router import is_problem

ZONE = "Asia/Kolkata"  # half an hour beside the hour, and no daylight saving
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = 60_000
HOUR = 60 * MINUTE


def local(at_ms, zone=ZONE):
    return datetime.datetime.fromtimestamp(at_ms / 1000, zoneinfo.ZoneInfo(zone))


def span(from_ms, until_ms, zone=ZONE):
    """Hours as the clock of the zone shows them."""
    return f"{local(from_ms, zone):%H:%M}-{local(until_ms, zone):%H:%M}"


def daily(*hours):
    return {day: list(hours) for day in DAYS}


def around_now():
    return daily(span(now_ms() - HOUR, now_ms() + HOUR))


def opens_at():
    """In an hour, at a full minute."""
    return (now_ms() + HOUR) // MINUTE * MINUTE


def not_now():
    return daily(span(opens_at(), opens_at() + HOUR))


async def come_back(company, user, before):
    """The same app, from where it was."""
    app = await App.connect(company.broker.url)
    app.inherit(before)
    await app.hello(company.token(user), resume=before.resume())
    return app


class Employer(Office):
    def schedule(self, name, weekly, status=201, **more):
        return self.done("PUT", f"/schedules/{name}", dict(dict(zone=ZONE, weekly=weekly), **more), status)

    def company(self, **fields):
        return self.done("PATCH", "", fields)


@pytest.fixture
def employer(company):
    return Employer(company)


@pytest.fixture
def alone(make_company):
    """The employer of people who do nothing: the company has no version that is not the employer's."""
    return Employer(make_company(consent=False))


# ---- what is shown, and what a router is told ----

async def test_out_of_hours_colleagues_see_until_when_and_routers_what_to_do(company, employer):
    ola = await company.app("ola")
    await ola.sees("kari", availability="available")
    opens = opens_at()
    employer.schedule("day", not_now())
    employer.company(schedule="day")
    await ola.sees("kari", availability="away", activity="off_work", until=opens)
    shown = company.route("kari")
    assert (shown["action"], shown["availability"], shown["activity"], shown["until"]) == ("unavailable", "away", "off_work", opens)
    employer.company(off_work="ring")
    wait_until(lambda: company.route("kari")["action"] == "ring", "the company's word reaches the router worker")
    assert company.route("kari")["activity"] == "off_work"
    employer.schedule("day", around_now(), 200)
    await ola.sees("kari", availability="available", activity=None, until=None)
    employer.schedule("day", not_now(), 200)
    await ola.sees("kari", activity="off_work")
    employer.company(schedule=None)
    await ola.sees("kari", availability="available")


async def test_a_persons_hours_come_before_the_departments_and_those_before_the_companys(make_company):
    company = make_company(rows=[person("kari", department="Salg"), person("ola", department="Salg"), person("nina", department="Drift"),
                                 person("per", department="Drift")])
    employer, per = Employer(company), await company.app("per")
    employer.schedule("open", around_now())
    employer.schedule("closed", not_now())
    employer.company(schedule="closed", departments={"Salg": "open"})
    employer.done("PATCH", "/users/ola", dict(schedule="closed"))
    await per.sees("kari", availability="available")
    await per.sees("ola", activity="off_work")
    await per.sees("nina", activity="off_work")
    assert [company.route(user)["action"] for user in ("kari", "ola", "nina")] == ["ring", "unavailable", "unavailable"]
    employer.done("PATCH", "/users/nina", dict(department="Salg"))
    await per.sees("nina", availability="available")
    employer.done("PATCH", "/users/ola", dict(schedule=None))
    await per.sees("ola", availability="available")
    employer.company(departments={"Salg": None})
    await per.sees("kari", activity="off_work")
    assert "departments" not in employer.done("GET")


async def test_a_special_day_closes_and_opens(company, employer):
    ola, today = await company.app("ola"), f"{local(now_ms()):%Y-%m-%d}"
    employer.schedule("day", daily("00:00-24:00"), days=[dict(date=today, hours=[], name="Easter Monday")])
    employer.company(schedule="day")
    await ola.sees("kari", activity="off_work")
    tomorrow = local(now_ms()).replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1)
    assert ola.members["kari"]["until"] == tomorrow.timestamp() * 1000, "the next midnight of that place"
    told = employer.done("GET", "/schedules/day")
    assert told["open"] is False and told["until"] == ola.members["kari"]["until"]
    assert told["days"] == [dict(date=today, hours=[], name="Easter Monday")]
    employer.schedule("day", {}, 200, days=[dict(date=today, hours=["00:00-24:00"])])
    await ola.sees("kari", availability="available")


async def test_what_the_person_says_or_does_comes_first(company, employer):
    ola, kari = await company.app("ola"), await company.app("kari")
    employer.schedule("day", not_now())
    employer.company(schedule="day")
    await ola.sees("kari", activity="off_work")
    back = now_ms() + HOUR
    await kari.set("available", until=back)
    await ola.sees("kari", availability="available", until=back)
    wait_until(lambda: company.route("kari")["action"] == "ring", "overtime rings")
    await kari.set("dnd", activity="meeting")
    await ola.sees("kari", availability="dnd", activity="meeting")
    await kari.set("available")
    await ola.sees("kari", availability="away", activity="off_work")


async def test_agents_out_of_hours_are_not_claimed(company, employer):
    desk = Desk(company)
    apps = await log_in(company, "kari", "ola")
    opens = opens_at()
    employer.schedule("day", not_now())
    employer.company(schedule="day")
    await apps["ola"].sees("kari", activity="off_work")
    wait_until(lambda: company.route("kari")["action"] == "unavailable", "the router worker knows the hours")
    answer = desk.claim("early")
    assert answer.status == 409 and answer.json["free"] == 0 and answer.json["next_free_at"] == opens, answer.body
    await apps["ola"].set("available", until=now_ms() + HOUR)
    wait_until(lambda: company.route("ola")["action"] == "ring", "overtime")
    assert desk.claimed("late") == ["ola"]


async def test_calls_today_are_those_of_the_companys_day(company, employer):
    """Where the day began less than an hour ago, what was before does not count, though UTC may call it today, too."""
    hour = datetime.datetime.fromtimestamp(now_ms() / 1000, datetime.timezone.utc).hour
    employer.company(zone=f"Etc/GMT+{hour}" if hour <= 12 else f"Etc/GMT-{24 - hour}")
    midnight, desk = now_ms() // HOUR * HOUR, Desk(company)
    await log_in(company, "kari", "ola")
    for user, call, at in (("kari", "first", midnight - 2 * MINUTE), ("kari", "second", midnight - MINUTE), ("ola", "third", now_ms())):
        desk.report(call, 1, user=user, state="active", queue="support", at=at - 1)
        desk.report(call, 2, state="ended", at=at)
    employer.done("PATCH", "/queues/support", dict(strategy="fewest_calls"))
    assert [agent["user"] for agent in employer.queue()["agents"]] == ["kari", "ola"]


@pytest.mark.slow(150)
async def test_hours_end_for_everybody_and_nothing_is_written(make_company):
    company = make_company(rows=[person("kari"), person("ola", department="Natt"), person("nina"), person("per")])
    employer = Employer(company)
    per, nina, away = await company.app("per"), await company.app("nina"), await company.app("per", device="d2")
    await nina.set("available", until=now_ms() + HOUR)
    if now_ms() % MINUTE > MINUTE - 20_000:
        await asyncio.sleep(MINUTE / 1000 - now_ms() % MINUTE / 1000)  # time for what follows
    ends = (now_ms() // MINUTE + 1) * MINUTE
    employer.schedule("day", daily(span(ends - HOUR, ends)))
    employer.schedule("night", daily(span(ends, ends + HOUR)))
    employer.company(schedule="day", departments={"Natt": "night"})
    await per.sees("kari", availability="available")
    await per.sees("ola", availability="away", activity="off_work", until=ends)
    await away.sees("ola", activity="off_work")
    away.cut()
    assert company.route("kari")["action"] == "ring" and company.route("ola")["action"] == "unavailable"
    await per.until(lambda: now_ms() > ends - 1500, "the end is near", timeout=80)
    version = employer.done("GET")["version"]
    await per.sees("kari", availability="away", activity="off_work", since=ends, until=ends - HOUR + 24 * HOUR, timeout=20)
    await per.sees("ola", availability="available", activity=None, since=ends)
    await per.sees("nina", availability="available")
    assert now_ms() >= ends and employer.done("GET")["version"] == version, "time passes without a write"
    assert company.route("kari")["action"] == "unavailable" and company.route("ola")["action"] == "ring"
    again = await come_back(company, "per", away)
    await again.sees("kari", activity="off_work", since=ends)
    await again.sees("ola", availability="available")
    assert again.welcome["resumed"], "by the clock alone a place stays good"


def test_a_single_question_knows_the_hours(start_broker, make_company):
    broker = start_broker()
    company = make_company(rows=[person("kari", department="Salg"), person("ola")], broker=broker)
    employer, opens = Employer(company), opens_at()
    employer.schedule("day", not_now())
    employer.company(departments={"Salg": "day"})
    broker.stop()
    broker.start()  # nothing is loaded
    shown = broker.route(company.numbers["kari"])
    assert (shown["action"], shown["activity"], shown["until"]) == ("unavailable", "off_work", opens)
    assert broker.route(company.numbers["ola"])["action"] == "ring"


async def test_who_resumes_after_a_change_of_the_schedules_starts_from_nothing(company, employer):
    ola = await company.app("ola")
    await ola.sees("kari", availability="available")
    place = ola.resume()
    ola.cut()
    employer.schedule("day", not_now())
    employer.company(schedule="day")
    again = await company.app("ola", resume=place)
    assert not again.welcome["resumed"]
    await again.sees("kari", activity="off_work")


async def test_who_resumes_after_a_person_has_got_other_hours_sees_them(company, employer):
    employer.schedule("day", not_now())
    ola = await company.app("ola")
    await ola.sees("kari", availability="available")
    ola.cut()
    employer.done("PATCH", "/users/kari", dict(schedule="day"))
    again = await come_back(company, "ola", ola)
    assert again.welcome["resumed"]
    await again.sees("kari", activity="off_work")


# ---- provisioning ----

def test_a_schedule_is_told_as_it_was_given(alone):
    weekly = dict(mon=["08:00-11:30", "12:00-16:00"], fri=["22:00-06:00"], sun=["00:00-24:00"])
    days = [dict(date="2026-12-24", hours=["08:00-12:00", "18:00-20:00"], name="Christmas Eve"), dict(date="2026-12-25", hours=[])]
    made = alone.schedule("office", weekly, zone="Europe/Oslo", days=days)
    assert made["schedule"] == "office" and made["version"] > 0
    told = alone.done("GET", "/schedules/office")
    assert {key: told[key] for key in ("schedule", "zone", "weekly", "days")} == dict(schedule="office", zone="Europe/Oslo", weekly=weekly, days=days)
    assert isinstance(told["open"], bool) and told["since"] <= now_ms() < told["until"]
    version = alone.done("GET")["version"]
    assert alone.done("PUT", "/schedules/office", told)["schedule"] == "office"
    assert alone.done("GET")["version"] == version, "the same again makes no version"
    alone.schedule("other", {})
    assert [one["schedule"] for one in alone.done("GET", "/schedules")["schedules"]] == ["office", "other"]
    assert alone.done("GET", "/schedules/other")["weekly"] == {} and alone.done("GET")["schedules"] == 2
    alone.done("DELETE", "/schedules/office", status=204)
    assert is_problem(alone.http("GET", "/schedules/office"), 404, "not_found", "schedule")
    assert is_problem(alone.http("DELETE", "/schedules/office"), 404, "not_found", "schedule")


def test_the_companys_settings_are_told_as_they_were_given(alone):
    alone.schedule("day", around_now())
    said = dict(name="Fjord AS", zone="Europe/Oslo", schedule="day", departments={"Salg": "day", "Drift": "day"}, off_work="ring")
    alone.done("PUT", "", said)
    told = alone.done("GET")
    assert {key: told[key] for key in said} == said
    version = told["version"]
    assert alone.done("PUT", "", told) and alone.company(zone="Europe/Oslo") and alone.done("GET")["version"] == version
    alone.company(departments={"Salg": None, "Lager": "day"}, name="Fjell AS")
    told = alone.done("GET")
    assert told["departments"] == {"Drift": "day", "Lager": "day"} and told["zone"] == "Europe/Oslo" and told["name"] == "Fjell AS"
    alone.done("PUT", "", dict(name="Fjell AS"))
    assert not {"zone", "schedule", "departments", "off_work"} & set(alone.done("GET")), "what was not named is none"
    assert alone.done("GET")["schedules"] == 1, "schedules have addresses of their own"


def test_a_zone_is_needed_and_stays_as_long(company, employer):
    assert is_problem(employer.http("PUT", "/schedules/day", dict(weekly={})), 400, "bad_request", "zone")
    employer.company(zone="Europe/Oslo")
    employer.done("PUT", "/schedules/day", dict(weekly={}), 201)
    assert is_problem(employer.http("PATCH", "", dict(zone=None)), 409, "conflict", "zone")
    employer.schedule("day", {}, 200)
    employer.company(zone=None)


def test_a_schedule_in_use_stays_and_says_by_whom(company, employer):
    employer.schedule("day", around_now())
    employer.company(schedule="day", departments={"Salg": "day"})
    employer.done("PATCH", "/users/kari", dict(schedule="day"))
    assert employer.user("kari")["schedule"] == "day"
    for used_by, let_go in ((dict(company=True, departments=1, users=1), lambda: employer.company(schedule=None)),
                            (dict(company=False, departments=1, users=1), lambda: employer.company(departments=None)),
                            (dict(company=False, departments=0, users=1), lambda: employer.done("PUT", "/users/kari", dict(name="Kari Prøvesen")))):
        answer = employer.http("DELETE", "/schedules/day")
        assert is_problem(answer, 409, "conflict", "schedule") and answer.json["used_by"] == used_by
        let_go()
    employer.done("DELETE", "/schedules/day", status=204)


HOURS = ["8-16", "08:00", "25:00-26:00", "08:60-09:00", "24:00-08:00", "08:00-24:01", "08:00-08:00", "08:00 - 16:00", "-8:00-16:00", "", 8, None, "08:00-16:0x"]
BAD_SCHEDULES = [
    *((dict(weekly=dict(tue=[hours])), "weekly.tue") for hours in HOURS),
    (dict(weekly=dict(mon=["08:00-12:00", "11:59-16:00"])), "weekly.mon"),
    (dict(weekly=dict(mon=["22:00-06:00"], tue=["05:00-08:00"])), "weekly.mon"),
    (dict(weekly=dict(sun=["22:00-06:00"], mon=["05:00-08:00"])), "weekly.sun"),
    (dict(weekly=dict(mon=[f"{h:02}:00-{h:02}:30" for h in range(9)])), "weekly.mon"),
    (dict(weekly=dict(mon="08:00-16:00")), "weekly.mon"),
    (dict(weekly=dict(monday=["08:00-16:00"])), "weekly"),
    (dict(weekly=[]), "weekly"),
    (dict(zone="Europe/Olso"), "zone"),
    *((dict(zone=zone), "zone") for zone in ("../../etc/passwd", "/etc/localtime", "zone.tab", "localtime", "Europe", "Europe/Oslo\n", "A" * 65, "right/UTC", 7)),
    (dict(days={}), "days"),
    (dict(days=["2026-12-24"]), "days[0]"),
    (dict(days=[dict(date="2026-12-24"), dict(date="2026-02-29")]), "days[1].date"),
    (dict(days=[dict(hours=["08:00-12:00"])]), "days[0].date"),
    (dict(days=[dict(date=20260101)]), "days[0].date"),
    (dict(days=[dict(date="2026-12-24"), dict(date="2026-12-24")]), "days[1].date"),
    (dict(days=[dict(date="2026-12-24", hours=["12:00-25:00"])]), "days[0].hours"),
    (dict(days=[dict(date="2026-12-24", hours=["08:00-12:00", "08:00-09:00"])]), "days[0].hours"),
    (dict(days=[dict(date="2026-12-24", name="x" * 121)]), "days[0].name"),
    (dict(days=[dict(date="2026-12-24", name="x\x07")]), "days[0].name"),
    (dict(days=[dict(date="2026-12-24", closed=True)]), "days[0]"),
    (dict(days=[dict(date=f"{2026 + i // 365}-{1 + i // 31 % 12:02}-{1 + i % 28:02}") for i in range(372)]), "days"),
    (dict(days=[dict(date=f"{year}-{month:02}-{day:02}") for year in (2027, 2028) for month in range(1, 13) for day in range(1, 18)]), "days"),
    (dict(weeky={}), "weeky"),
]


def test_what_is_wrong_with_a_schedule_is_named_and_nothing_is_changed(alone):
    version = alone.done("GET")["version"]
    for body, field in BAD_SCHEDULES:
        answer = alone.http("PUT", "/schedules/day", dict(dict(zone=ZONE), **body))
        assert answer.status == 400 and answer.json["code"] == "bad_request", (body, answer.body)
        assert answer.json["field"].startswith(field), (body, answer.json)
    assert is_problem(alone.http("PUT", "/schedules/A%20B", dict(zone=ZONE)), 400, "bad_request", "schedule")
    for body, field in ((dict(zone="Mars/Olympus"), "zone"), (dict(schedule="none"), "schedule"), (dict(schedule="A B"), "schedule"),
                        (dict(departments={"Salg": "none"}), "departments"), (dict(departments={"Salg": 7}), "departments"), (dict(departments=[]), "departments"),
                        (dict(departments={"": "none"}), "departments"), (dict(departments={"x" * 121: None}), "departments"),
                        (dict(departments={f"d{i}": "none" for i in range(257)}), "departments"), (dict(off_work="maybe"), "off_work")):
        for method in ("PUT", "PATCH"):
            assert is_problem(alone.http(method, "", body), 400, "bad_request", field), body
    assert is_problem(alone.http("PATCH", "/users/kari", dict(schedule="none")), 400, "bad_request", "schedule")
    assert is_problem(alone.http("PATCH", "/users/kari", dict(schedule="A B")), 400, "bad_request", "schedule")
    assert alone.done("GET")["version"] == version


def test_so_many_schedules_and_no_more(company, employer):
    for i in range(64):
        employer.schedule(f"s{i}", {})
    assert is_problem(employer.http("PUT", "/schedules/one-more", dict(zone=ZONE)), 409, "conflict", "schedule")
    employer.schedule("s7", around_now(), 200)
    assert len(employer.done("GET", "/schedules")["schedules"]) == 64


def test_schedules_that_fill_the_companys_record_are_refused(company, employer):
    days = [dict(date=f"{2027 + i // 336}-{1 + i // 28 % 12:02}-{1 + i % 28:02}", name="x" * 80) for i in range(220)]
    for i in range(64):
        answer = employer.http("PUT", f"/schedules/s{i}", dict(zone=ZONE, days=days))
        if answer.status != 201:
            break
    assert is_problem(answer, 413, "too_large") and i > 5
    assert len(employer.done("GET", "/schedules")["schedules"]) == i and employer.company(schedule="s0")
    assert is_problem(employer.http("PUT", "/schedules/huge", dict(zone=ZONE, days=days * 4)), 413, "too_large")


def test_only_an_administrator_sees_and_sets_them(company, employer):
    for method, path in (("GET", "/schedules"), ("GET", "/schedules/day"), ("PUT", "/schedules/day"), ("DELETE", "/schedules/day"), ("PATCH", "")):
        body = {} if method in ("PUT", "PATCH") else None
        for role in ("member", "lead", "router"):
            assert is_problem(employer.http(method, path, body, token=company.token("kari", role)), 403, "forbidden"), (method, path)
        assert is_problem(employer.http(method, path, body, token=None), 401, "unauthorized")
    for method, path, allow in (("PATCH", "/schedules/day", "GET, PUT, DELETE"), ("PUT", "/schedules", "GET")):
        answer = employer.http(method, path, {})
        assert answer.status == 405 and answer.json["allow"] == allow
    nowhere = company.broker.http("PUT", "/v1/companies/nobody-has-this/schedules/day", token=company.broker.token("root", "*", "operator"), body=dict(zone=ZONE))
    assert is_problem(nowhere, 404, "not_found")


def faults(answer):
    return {(fault["line"], fault.get("field")) for fault in answer.json["errors"]}


async def test_a_file_may_say_the_schedule(company, employer):
    ola, to = await company.app("ola"), number()
    employer.schedule("day", not_now())
    header = "user,name,numbers,department,role,queues,schedule\n"
    wrong = company.broker.import_csv(company.id, f"{header}per,Per Prøvesen,,,,,night\nsupport,Hjelp,,,queue,,day\nnina,Nina,,,,,A B\n", query="?dry_run=true")
    assert wrong.status == 422, (wrong.status, wrong.body)
    assert {(3, "schedule"), (4, "schedule")} <= faults(wrong)
    wrong = company.broker.import_csv(company.id, f"{header}per,Per Prøvesen,,,,,night\n")
    assert wrong.status == 422 and faults(wrong) == {(2, "schedule")}
    assert company.broker.import_csv(company.id, f"{header}per,Per Prøvesen,{to},,,,day\nkari,Kari Prøvesen,{company.numbers['kari']},Drift,,support,day\n").status == 200
    await ola.sees("kari", activity="off_work")
    assert employer.user("per")["schedule"] == "day"
    text = employer.http("GET", "/export").body.decode()
    assert text.startswith(header) and f"per,Per Prøvesen,{to},,member,,day\n" in text
    again = company.broker.import_csv(company.id, text)
    assert again.json["users"]["changed"] == 0 and again.json["queues"]["changed"] == 0
    rows = [dict(user="kari", name="Kari Prøvesen")]
    assert company.broker.import_csv(company.id, csv_text(rows).replace(",schedule", "")).status == 200
    assert employer.user("kari")["schedule"] == "day", "a column that is not there changes nothing"


# ---- the page ----

def test_the_page_says_requests_that_can_be_made(make_company):
    company = make_company(rows=[person("kari"), person("ola", department="Watch"), person("nina")])
    employer = Employer(company)
    block = re.search(r"```http\n(.*?)```", (ROOT / "docs" / "routing.md").read_text(), re.S)[1]
    for request in block.strip().split("\n\n"):
        line, _, body = request.partition("\n")
        method, path = line.split()
        answer = employer.http(method, path.removeprefix("/v1/companies/acme"), json.loads(body))
        assert answer.status in (200, 201), (line, answer.body)
    office, night = (employer.done("GET", f"/schedules/{name}") for name in ("office", "night"))
    assert office["days"][1] == dict(date="2026-12-25", hours=[], name="Christmas Day") and len(night["weekly"]) == 5
    for user, schedule in (("kari", night), ("ola", night), ("nina", office)):
        wait_until(lambda: (company.route(user)["activity"] != "off_work") == schedule["open"], f"the hours of {user}")
