"""What is over age goes, of every kind, by one table; and that table, and every field that is stored, stand in
docs/privacy.md."""

import pathlib
import re

import pytest

from broker_process import unique, wait_until
from ledig_client import now_ms
from store_reader import Keys, redis
from test_calls import Switch, leg
from test_claims import Desk, ready
from test_provisioning import Office
from test_router import is_problem

ROOT = pathlib.Path(__file__).parents[2]
DAY_MS = 86_400_000
PRIVACY = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")
NAMES = {"AUDIT_LOG": "audit", "SECURITY_LOG": "security"}
KINDS = re.findall(r'^RETENTION\((\w+), (".*?"|\w+), "(.*?)", "(.*?)", "(.*?)", (\d+), (\d+), (\w+)\)',
                   (ROOT / "broker/privacy/retention.def").read_text(encoding="utf-8"), re.M)


def log_of(company, kind, identity=None):
    return f"ledig:{{{company.id}}}:log:{kind}" + (f":{Keys(company.broker).hash(identity)}" if identity else "")


def entries_of(company, key):
    """As the order has them and as they stand; the more of both, since a trim may come between."""
    return max(int(redis(company.broker, "ZCARD", key).split()[-1]),
               int(redis(company.broker, "HLEN", key + ":entries").split()[-1]))


def age(company, key, days):
    """Makes every entry so old, past the broker."""
    for identity in redis(company.broker, "ZRANGE", key, 0, -1).decode().split("\n"):
        redis(company.broker, "ZADD", key, now_ms() - int(days * DAY_MS), identity)


def deleted(broker):
    page = broker.http("GET", "/metrics", base=broker.ops_url).body.decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("ledig_over_age_deleted_total"))


async def all_kinds(company):
    """One entry or more of each kind of log; their keys."""
    kari, boss = await company.app("kari", device="own"), await company.app("nina", role="switchboard")
    await kari.ok("consent", purpose="call_history", granted=True, text="v1")
    await boss.set("busy", user="kari")
    await boss.set("available", user="kari")
    desk, one = Desk(company), unique("call")
    await ready(desk, company, "kari")
    desk.claimed(one)
    desk.report(one, 1, queue="support", legs=[leg("kari", "active")])
    desk.report(one, 2, state="ended")
    assert Office(company).http("GET", "/export").status == 200
    wait_until(lambda: entries_of(company, log_of(company, "security")) > 0, "the export is noted")
    return kari, {"security": log_of(company, "security"), "calls": log_of(company, "calls", "kari"), "activity": log_of(company, "activity", "kari"),
                  "audit": log_of(company, "audit"), "queue_calls": log_of(company, "calls_of", "support")}


async def test_each_kind_goes_when_it_is_over_its_age_and_not_before(start_broker, make_company):
    company = make_company(broker=start_broker(history_sweep_ms=100))
    _, keys = await all_kinds(company)
    strange = f"ledig:{{{company.id}}}:log:later_version"
    redis(company.broker, "ZADD", strange, 1, "1:x")
    redis(company.broker, "HSET", strange + ":entries", "1:x", "x")
    days = {kind: int(default) for kind, _, _, _, _, default, _, _ in KINDS}
    for kind, key in keys.items():
        assert entries_of(company, key) > 0, kind
        age(company, key, days[kind] - 0.01)
    fence = log_of(company, "activity", "ola")
    age(company, fence, days["activity"] + 0.01)
    wait_until(lambda: entries_of(company, fence) == 0, "what is a little older goes")
    for kind, key in keys.items():
        assert entries_of(company, key) > 0, f"{kind} went too soon"
        age(company, key, days[kind] + 0.01)
    for kind, key in keys.items():
        wait_until(lambda key=key: entries_of(company, key) == 0, f"{kind} goes")
    assert entries_of(company, strange) == 1, "what is not in the table is left alone"
    wait_until(lambda: deleted(company.broker) >= len(keys) + 1, "it is counted")
    wait_until(lambda: set(re.findall(r"over_age_deleted kind=(\w+)", company.broker.log())) >= set(keys), "it is reported")


async def test_the_company_may_keep_less(start_broker, make_company):
    company = make_company(broker=start_broker(history_sweep_ms=100))
    kari, keys = await all_kinds(company)
    before = entries_of(company, keys["activity"])
    age(company, keys["activity"], 20)
    assert len((await kari.activity())[0]) == before
    Office(company).done("PATCH", "", dict(activity_days=10))
    assert Office(company).done("GET")["activity_days"] == 10
    assert (await kari.activity())[0] == [], "not shown from this moment on"
    wait_until(lambda: entries_of(company, keys["activity"]) == 0, "they go")
    assert entries_of(company, keys["calls"]) > 0, "another setting"
    Office(company).done("PATCH", "", dict(activity_days=None))
    assert Office(company).done("GET")["activity_days"] == 365


@pytest.mark.parametrize("days", [0, -1, 1101, "90", 1.5, True])
def test_an_age_that_cannot_be_is_refused(company, days):
    is_problem(Office(company).http("PATCH", "", dict(activity_days=days)), 400, "bad_request", "activity_days")


# ---- The documents ----

def test_the_table_of_ages_is_that_of_the_code():
    assert len(KINDS) >= 5
    for kind, log, what, purpose, ground, days, most, setting in KINDS:
        setting = "fixed" if setting == "none" else f"`{setting}`"
        line = f"| `{kind}` | {what} | {purpose} | {ground} | {days} days | {most} days | {setting} |"
        assert line in PRIVACY, f"docs/privacy.md lacks: {line}"
    listed = re.findall(r"^\| `(\w+)` \| [^|]+\| [^|]+\| [^|]+\| \d+ days \|", PRIVACY, re.M)
    assert sorted(listed) == sorted(kind for kind, *_ in KINDS)


def test_every_field_that_is_stored_stands_in_the_data_map():
    table = (ROOT / "broker/model/records.def").read_text(encoding="utf-8")
    fields = {(owner, name) for owner, name in re.findall(r"^FIELD\((\w+), (\w+),", table, re.M) if name != "rest"}
    section = PRIVACY[PRIVACY.index("## Data map"):]
    section = section[:section.index("\n## ", 5)]
    listed, owner = [], None
    for line in section.splitlines():
        heading = re.match(r"### `(\w+)`", line)
        owner = heading.group(1) if heading else owner
        row = re.match(r"\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", line)
        if row:
            assert row.group(2).strip(), line
            listed += [(owner, name) for name in re.findall(r"`(\w+)`", row.group(1))]
    assert len(listed) == len(set(listed)), "a field stands there twice"
    assert set(listed) == fields, (f"not in the data map: {sorted(fields - set(listed))}",
                                   f"not stored: {sorted(set(listed) - fields)}")
