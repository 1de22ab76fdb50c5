"""An employer's file: checked as a whole, then applied as a whole, as often as one likes, while others are served."""

import concurrent.futures
import http.client
import os
import signal
import time

import pytest

from broker_process import number, unique, wait_until
from conftest import person
from test_router import UNKNOWN, is_problem

NONE = {"created": 0, "changed": 0, "unchanged": 0}


def counts(created=0, changed=0, unchanged=0):
    return {"created": created, "changed": changed, "unchanged": unchanged}


def faults(answer):
    """The faults of a refused file, as (line, field), after a look at its form."""
    assert is_problem(answer, 422, "bad_request")
    assert answer.json["error_count"] >= len(answer.json["errors"]) > 0
    assert all(e["reason"] and set(e) <= {"line", "field", "reason"} for e in answer.json["errors"])
    return [(e["line"], e.get("field")) for e in answer.json["errors"]]


def head(answer):
    return {k: v for k, v in answer.json.items() if k in ("users", "queues", "dry_run")}


def test_the_answer_counts_what_was_done(broker):
    company, line = unique("firm"), number()
    rows = [person("kari", queues="support sales"), person("ola"), person("support", "Hjelp", line, "", "queue")]
    answer = broker.import_csv(company, rows)
    assert answer.status == 200 and answer.json["company"] == company and answer.json["version"] > 0
    assert head(answer) == {"dry_run": False, "users": counts(created=2), "queues": counts(created=2)}
    version = answer.json["version"]
    again = broker.import_csv(company, rows)
    assert head(again) == {"dry_run": False, "users": counts(unchanged=2), "queues": counts(unchanged=2)}
    assert again.json["version"] == version, "what changes nothing makes no version"
    rows[0]["name"], rows[2]["name"] = "Kari Berg Prøvesen", "Hjelp og støtte"
    changed = broker.import_csv(company, rows + [person("nina", numbers=" ")])
    assert head(changed) == {"dry_run": False, "users": counts(created=1, changed=1, unchanged=1), "queues": counts(changed=1, unchanged=1)}
    assert changed.json["version"] > version


def test_a_dry_run_says_the_same_and_changes_nothing(broker):
    company, rows = unique("firm"), [person("kari", queues="support"), person("ola")]
    dry = broker.import_csv(company, rows, query="?dry_run=true")
    assert dry.status == 200 and head(dry) == {"dry_run": True, "users": counts(created=2), "queues": counts(created=1)}
    assert set(broker.route(rows[0]["numbers"])) == UNKNOWN
    # nor are its numbers taken
    assert broker.import_csv(unique("firm"), [person("per", numbers=rows[0]["numbers"])]).status == 200
    assert faults(broker.import_csv(company, rows, query="?dry_run=true")) == [(2, "numbers")]
    assert is_problem(broker.import_csv(company, rows, query="?dry_run=maybe"), 400, "bad_request", "dry_run")


def test_a_spreadsheets_file_is_read(broker):
    company, to = unique("firm"), number()
    text = f'\ufeffname,numbers,user\r\n"Prøvesen, ""Kari""",{to},kari\r\n\r\n'
    answer = broker.http("POST", f"/v1/companies/{company}/import", token=broker.token("boss", company, "admin"), body=text,
                         content_type='text/csv; charset="UTF-8"; header=present')
    assert answer.status == 200 and answer.json["users"] == counts(created=1)
    assert broker.route(to)["user"] == "kari"


async def test_what_the_file_does_not_say_stays(make_company):
    company = make_company(users=("kari", "ola"))
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="i møte")
    await ola.sees("kari", note="i møte")
    answer = company.broker.import_csv(company.id, "user,name\nkari,Kari Ny Prøvesen\n")
    assert answer.json["users"] == counts(changed=1)
    await ola.until(lambda: ola.profiles["kari"]["name"] == "Kari Ny Prøvesen")
    assert ola.profiles["kari"]["numbers"] == [company.numbers["kari"]], "the column was not there, so the numbers stay"
    assert ola.members["kari"]["note"] == "i møte", "consent and state stay"
    answer = company.broker.import_csv(company.id, [person("kari", name="Kari Ny Prøvesen", numbers=" ")])
    assert answer.json["users"] == counts(changed=1)
    await ola.until(lambda: not ola.profiles["kari"].get("numbers"))
    assert set(company.broker.route(company.numbers["kari"])) == UNKNOWN


def test_one_bad_line_and_nothing_is_changed(broker):
    company, good = unique("firm"), person("kari")
    lines = {
        3: (person("Ola"), "user"), 4: (person("per", name=" "), "name"), 5: (person("nina", numbers="12345"), "numbers"),
        6: (person("kari"), "user"), 7: (person("lars", numbers=good["numbers"]), "numbers"), 8: (person("liv", role="boss"), "role"),
        9: (person("jon", queues="Support"), "queues"), 10: (person("ase", department="x" * 121), "department"),
        11: (person("siv", numbers=[number() for _ in range(17)]), "numbers"), 12: (person("tor", queues=[f"q{i}" for i in range(65)]), "queues"),
    }
    for only in (None, *lines):
        rows = [good] + [row if only in (None, line) else person(unique("user")) for line, (row, _) in lines.items()]
        answer = broker.import_csv(company, rows)
        assert faults(answer) == [(line, field) for line, (_, field) in lines.items() if only in (None, line)]
        for row in rows:
            assert row["name"].strip() == "" or row["name"] not in answer.body.decode(), "the line's number is enough"
        assert good["numbers"] not in answer.body.decode()
    assert set(broker.route(good["numbers"])) == UNKNOWN
    assert broker.import_csv(company, [good]).json["users"] == counts(created=1)


def test_a_bad_file_is_told_as_a_whole(broker):
    company = unique("firm")
    for text, expected in (("", [(1, None)]), ("user\n", [(1, "name")]), ("user,name,e_post\n", [(1, "e_post")]), ("user,name\nkari\n", [(2, None)]),
                           ("user,name\nkari,\"Kari\n", [(2, None)]), (b"user,name\nkari,K\xffri\n", [(2, None)]), ("user,name\nkari,K\0ri\n", [(2, None)])):
        answer = broker.http("POST", f"/v1/companies/{company}/import", token=broker.token("boss", company, "admin"), body=text, content_type="text/csv")
        assert faults(answer) == expected, text
    answer = broker.import_csv(company, "user,name\n" + "".join(f"u{i},\n" for i in range(2500)))
    assert len(faults(answer)) == 100 and answer.json["error_count"] == 2500
    assert broker.import_csv(company, "user,name\n").json["users"] == NONE


def test_a_number_of_another_is_refused_and_the_others_stay_free(make_company):
    other = make_company(users=("kari",), consent=False)
    broker, company, free = other.broker, unique("firm"), number()
    rows = [person("ola", numbers=free), person("nina", numbers=other.numbers["kari"])]
    answer = broker.import_csv(company, rows)
    assert faults(answer) == [(3, "numbers")] and other.id not in answer.body.decode()
    assert broker.import_csv(unique("firm"), [person("per", numbers=free)]).status == 200
    # nor from one person to another while the first still has it
    mine = make_company(consent=False)
    assert faults(broker.import_csv(mine.id, [person("ola", numbers=mine.numbers["kari"])])) == [(2, "numbers")]
    assert faults(broker.import_csv(mine.id, [person("help", "Hjelp", mine.numbers["kari"], "", "queue")])) == [(2, "numbers")]
    assert mine.route("kari")["user"] == "kari"


def test_who_may_import(make_company):
    company, other = make_company(consent=False), make_company(consent=False)
    broker = company.broker
    for role in ("member", "switchboard", "lead", "router"):
        assert is_problem(broker.import_csv(company.id, "user,name\n", token=company.token("kari", role)), 403, "forbidden")
    assert is_problem(broker.import_csv(company.id, "user,name\n", token=other.token("boss", "admin")), 404, "not_found")
    assert broker.import_csv(company.id, "user,name\n", token=broker.token("root", "*", "operator")).status == 200


def test_what_is_no_csv_or_too_large_is_refused(company):
    broker, path, token = company.broker, f"/v1/companies/{company.id}/import", company.token("boss", "admin")
    for content_type in (None, "application/json", "text/plain", "text/csvx", "text/csv; charset=iso-8859-1"):
        assert is_problem(broker.http("POST", path, token=token, body="user,name\n", content_type=content_type), 415, "bad_request"), content_type
    large = b"user,name\n" + b"x" * (32 * 1024 * 1024)
    assert is_problem(broker.http("POST", path, token=token, body=large, content_type="text/csv"), 413, "too_large")
    lines = b"user,name\n" + b"x,y\n" * 200_001
    assert is_problem(broker.http("POST", path, token=token, body=lines, content_type="text/csv"), 413, "too_large")


@pytest.mark.slow(300)
def test_a_large_file_holds_nobody_up_and_is_alone_in_its_company(make_company):
    other = make_company(consent=False)
    broker, company = other.broker, unique("firm")
    text = "user,name,numbers,department,role,queues\n" + "".join(
        f"u{i},Prøveperson {i},+4799{i:08d},Avdeling {i % 50},,q{i % 20}\n" for i in range(20_000))
    token = broker.token("boss", company, "admin")

    def bring_in():
        return broker.http("POST", f"/v1/companies/{company}/import", token=token, body=text, content_type="text/csv")

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        pending = thread.submit(bring_in)
        refused, slowest, edits = None, 0, set()
        while not pending.done():
            begin = time.monotonic()
            assert other.route("kari")["user"] == "kari"
            slowest = max(slowest, time.monotonic() - begin)
            if refused is None or refused.status != 409:
                refused = broker.import_csv(company, "user,name\n")
            edits.add(broker.http("DELETE", f"/v1/companies/{company}/users/nobody", token=token).status)
        answer = pending.result()
    assert answer.status == 200 and answer.json["users"] == counts(created=20_000) and answer.json["queues"] == counts(created=20)
    assert is_problem(refused, 409, "conflict")
    assert {409} <= edits <= {404, 409}, "nor do single changes get in between"
    assert slowest < 5, "others are served meanwhile, on a busy machine too"
    assert broker.route("+479900019999")["user"] == "u19999"
    text = broker.http("GET", f"/v1/companies/{company}/export", token=token).body.decode()
    assert text.count("\n") == 20_001
    again = bring_in()
    assert again.json["users"] == counts(unchanged=20_000) and again.json["version"] == answer.json["version"]


@pytest.mark.slow(240)
def test_an_import_that_breaks_off_can_be_repeated(start_broker):
    broker = start_broker(store_timeout_ms=400)
    company, rows = "firm", [person(f"u{i}") for i in range(3000)]
    os.kill(broker.redis_pid(), signal.SIGSTOP)
    try:
        answer = broker.import_csv(company, rows)
        assert is_problem(answer, 503, "unavailable") and int(answer.headers["Retry-After"]) > 0
    finally:
        os.kill(broker.redis_pid(), signal.SIGCONT)
    broker.wait_ready()
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # in the middle of it, wherever that is
        pending = thread.submit(broker.import_csv, company, rows)
        while not pending.done() and set(broker.route(rows[200]["numbers"])) == UNKNOWN:
            pass
        os.kill(broker.worker_pid("router"), signal.SIGKILL)
        try:
            pending.result()
        except (http.client.HTTPException, OSError):
            pass
    broker.wait_ready()
    wait_until(lambda: broker.http("GET", "/healthz").status == 200, "the router worker is back")
    answer = broker.import_csv(company, rows)
    assert answer.status == 200 and sum(answer.json["users"].values()) == 3000
    for row in rows[::250]:
        assert broker.route(row["numbers"])["user"] == row["user"]
