"""What people may ask of whoever holds data on them: to see all of it, to have it put right, to say no, to have it
destroyed. Each is looked at from outside: by HTTP, and in Redis."""

import json
import os
import pathlib
import re
import subprocess

import jsonschema

from broker_process import number, unique
from ledig_client import now_ms
from store_reader import Keys, redis, stored
from test_calls import Switch, leg
from test_login import PASSWORD, PHONE, app, call, log_in, set_first
from test_provisioning import Office
from test_router import is_problem

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "protocol/me_export.schema.json").read_text(encoding="utf-8"))


def own(company, method, path="", token=None, body=None):
    return call(company.broker, method, "/v1/me" + path, body, token)


def export_of(company, token, query=""):
    answer = own(company, "GET", "/export" + query, token)
    assert answer.status == 200, answer.body
    return answer


def checked(answer):
    jsonschema.validate(answer.json, SCHEMA)
    return answer.json


def keys_of(company, user):
    """Every key and field of Redis that names this person."""
    name = Keys(company.broker).hash(user).encode()
    keys = redis(company.broker, "KEYS", f"ledig:{{{company.id}}}:*").split()
    return [key for key in keys if name in key], [
        field for field in redis(company.broker, "HKEYS", f"ledig:{{{company.id}}}:records").split() if name in field]


async def busy_kari(company):
    """kari with all that can be held on her: returns an app of hers and the token of her log-in."""
    first = set_first(company, "kari").json
    token = log_in(company, "kari", device={"id": "desk", "kind": "desktop", "os": "Debian", "app": "demo"}).json["token"]
    kari = await app(company, token, "desk")
    await kari.ok("consent", purpose="call_history", granted=True, text="v1", language="nb")
    await kari.set("away", activity="sick", note="ligger <b>syk</b>", until=now_ms() + 3_600_000, forward="ola")
    await kari.ok("queue", queue="support", member=True)
    switch, one = Switch(company), unique("call")
    switch.report(one, 1, legs=[leg("kari", "ringing"), leg("ola", "active")])
    switch.report(one, 2, state="ended")
    boss = await company.app("nina", role="switchboard")
    await boss.set("busy", user="kari", note="i møte")
    await kari.set("away", activity="sick", note="ligger <b>syk</b>", forward="ola")
    assert first["login"]
    return kari, token


async def test_an_export_has_all_that_is_held_and_no_secret(company):
    _, token = await busy_kari(company)
    Office(company).done("PATCH", "", dict(contact="Personvernombudet, linje 4"))
    answer = export_of(company, token)
    told = checked(answer)
    assert told["profile"]["user"] == "kari" and told["profile"]["numbers"] == [company.numbers["kari"]]
    assert told["company"]["contact"] == "Personvernombudet, linje 4"
    consents = {one["purpose"]: one for one in told["consents"]}
    assert consents["call_history"]["granted"] and consents["call_history"]["device"] == "desk"
    assert consents["call_history"]["language"] == "nb" and consents["presence"]["text"] == "v1"
    state = told["state"]
    assert (state["status"], state["activity"], state["note"], state["forward"]) == ("away", "sick", "ligger <b>syk</b>", "ola")
    assert "desk" in [one["device"] for one in state["devices"]] and [one["queue"] for one in state["queues"]] == ["support"]
    assert {one["device"] for one in told["access"]["devices"]} == {PHONE["id"], "desk"} and told["access"]["has_password"]
    assert [one["result"] for one in told["calls"]] == ["missed"]
    assert {"login", "password", "invited", "consent", "set", "export"} <= {one["what"] for one in told["activity"]}
    assert [(one["actor"], one["user"]) for one in told["audit"]] == [("nina", "kari")]
    text = answer.body.decode()
    profile, access = (stored(company.broker, company.id, kind, "kari") for kind in ("profile", "access"))
    secrets = [PASSWORD, access["pw"], profile["ak"], profile["lk"], *(one["h"] for one in access["dv"])]
    assert all(secrets) and not [secret for secret in secrets if secret in text]


async def test_every_field_that_is_stored_is_told(company):
    """What is in the records of a person is in the export: all values but keys, hashes and what the broker needs alone."""
    _, token = await busy_kari(company)
    text = export_of(company, token).body.decode()

    def values(thing):
        if isinstance(thing, dict):
            for name, value in thing.items():
                if name not in ("ak", "lk", "pw", "h", "hb", "i", "iv", "r", "b"):  # keys, hashes, leases, the state before
                    yield from values(value)
        elif isinstance(thing, list):
            for value in thing:
                yield from values(value)
        elif isinstance(thing, (str, int)) and not isinstance(thing, bool):
            yield thing

    for kind in ("profile", "state", "access"):
        for value in values(stored(company.broker, company.id, kind, "kari")):
            if isinstance(value, int) and value < 100_000:
                continue  # counts and days
            said = json.dumps(value)[1:-1] if isinstance(value, str) else str(value)
            assert said in text or str(value) in text, (kind, value)


async def test_the_page_can_be_read_and_says_the_same(company):
    _, token = await busy_kari(company)
    norwegian, english = (export_of(company, token, "?format=html" + more) for more in ("", "&lang=en"))
    for answer in (norwegian, english):
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        page = answer.body.decode()
        assert "ligger &lt;b&gt;syk&lt;/b&gt;" in page and "<b>" not in page and "<script" not in page
        assert company.numbers["kari"] in page and "Kari Prøvesen" in page and "desk" in page
    assert '<html lang="nb">' in norwegian.body.decode() and "Samtykker" in norwegian.body.decode()
    assert '<html lang="en">' in english.body.decode() and "Consents" in english.body.decode()


async def test_what_was_told_is_told(company):
    kari = await company.app("kari")
    token = company.token("kari")
    export_of(company, token, "?format=html")
    assert own(company, "GET", token=token).json["profile"]["user"] == "kari"
    boss = company.broker.token("boss", company.id, "admin")
    answer = company.broker.http("GET", f"/v1/companies/{company.id}/users/kari/export", token=boss)
    assert checked(answer)["profile"]["user"] == "kari"
    rows, _ = await kari.activity()
    assert [(row["what"], row["detail"], row["actor"]) for row in rows][:2] == [("export", "json", "boss"), ("export", "html", None)]


async def test_an_administrators_export_is_of_their_company_alone(company, make_company):
    other = Office(make_company())
    path = f"/v1/companies/{company.id}/users/kari/export"
    assert company.broker.http("GET", path, token=other.token).status == 404
    is_problem(company.broker.http("GET", path, token=company.token("kari")), 403, "forbidden")
    is_problem(Office(company).http("GET", "/users/nobody/export"), 404, "not_found", "user")
    is_problem(Office(company).http("GET", "/users/kari/export?format=pdf"), 400, "bad_request", "format")
    assert Office(company).http("POST", "/users/kari/export").status == 405
    assert own(company, "GET", "/export").status == 401
    is_problem(own(company, "GET", "/export?lang=xx", company.token("kari")), 400, "bad_request", "lang")


async def test_a_device_that_is_logged_out_gets_nothing(company):
    token = set_first(company, "kari").json["token"]
    assert own(company, "GET", token=token).status == 200
    assert call(company.broker, "POST", "/v1/logout", {}, token).status == 204
    for method, path, body in (("GET", "", None), ("GET", "/export", None), ("PATCH", "", dict(name="X")), ("DELETE", "", None),
                               ("PUT", "/consents/presence", dict(granted=True, text="v1"))):
        assert own(company, method, path, token, body).status == 401, (method, path)
    assert stored(company.broker, company.id, "profile", "kari")["n"] == "Kari Prøvesen"


async def test_one_puts_ones_name_right_and_no_more(company):
    ola, kari, token = await company.app("ola"), await company.app("kari"), company.token("kari")
    Office(company).done("PATCH", "", dict(contact="hr@fjord.example"))
    assert own(company, "PATCH", token=token, body=dict(name="Kari Riktig")).status == 200
    await ola.until(lambda: ola.profiles["kari"]["name"] == "Kari Riktig", "the new name")
    assert (await kari.activity())[0][0]["what"] == "rectified"
    for field, value in (("numbers", [number()]), ("department", "Ledelsen"), ("role", "admin")):
        answer = own(company, "PATCH", token=token, body={field: value})
        assert is_problem(answer, 403, "forbidden", field) and answer.json["contact"] == "hr@fjord.example"
    for body in (dict(name=""), dict(name=7), dict(name="x" * 200), dict(nickname="K"), dict(name="a\nb")):
        assert own(company, "PATCH", token=token, body=body).status == 400, body
    profile = stored(company.broker, company.id, "profile", "kari")
    assert profile["n"] == "Kari Riktig" and profile["nr"] == [company.numbers["kari"]]


async def test_consent_by_http_is_as_easy_as_by_the_app(company):
    token = set_first(company, "kari", device={"id": "mobilen", "kind": "mobile"}).json["token"]
    ola = await company.app("ola")
    for granted in (False, True):
        answer = own(company, "PUT", "/consents/presence", token, dict(granted=granted, text="v2", language="nn"))
        assert answer.status == 200 and answer.json["version"] > 0
        await ola.sees("kari", availability="available") if granted else await ola.until(
            lambda: ola.members.get("kari") is None or ola.members["kari"]["availability"] == "unknown")
        assert (stored(company.broker, company.id, "state", "kari") is not None) == granted
    kept = stored(company.broker, company.id, "profile", "kari")["c"][0]
    assert (kept["t"], kept["l"], kept["d"]) == ("v2", "nn", "mobilen")
    for purpose, body, status in (("surveillance", dict(granted=True, text="v"), 404), ("presence", dict(text="v"), 400),
                                  ("presence", dict(granted=True), 400), ("presence", dict(granted="yes", text="v"), 400)):
        assert own(company, "PUT", "/consents/" + purpose, token, body).status == status
    assert own(company, "GET", "/consents/presence", token).status == 405


async def test_withdrawal_logs_out_of_queues_and_forwards_nowhere(company):
    kari, token = await busy_kari(company)
    ola = await company.app("ola")
    assert own(company, "PUT", "/consents/presence", token, dict(granted=False, text="v1")).status == 200
    await ola.until(lambda: ola.members.get("kari") is None or ola.members["kari"]["availability"] == "unknown")
    assert company.route("kari")["action"] == "ring" and company.route("kari")["availability"] == "unknown"
    assert "kari" not in [one["user"] for one in Office(company).queue("support")["agents"]]
    assert stored(company.broker, company.id, "state", "kari") is None
    assert checked(export_of(company, token))["state"] is None
    assert kari.me


async def test_one_erases_oneself_and_the_employer_the_rest(company):
    kari, token = await busy_kari(company)
    ola = await company.app("ola")
    logs, _ = keys_of(company, "kari")
    assert len(logs) == 4, "two logs, each of two keys"
    assert own(company, "DELETE", token=token).status == 204
    assert await kari.until_closed() == 4401
    await ola.until(lambda: ola.members.get("kari") is None or ola.members["kari"]["availability"] == "unknown")
    assert keys_of(company, "kari")[0] == []
    assert stored(company.broker, company.id, "state", "kari") is None
    profile, access = (stored(company.broker, company.id, kind, "kari") for kind in ("profile", "access"))
    assert "ak" not in profile and "lk" not in profile and not [one for one in profile["c"] if one["g"]]
    assert set(access) == {"id", "nb"}, "neither password nor device"
    assert log_in(company, "kari").status == 401 and own(company, "GET", token=token).status == 401
    assert "kari" in ola.profiles, "the employer's, until they say otherwise"
    again = set_first(company, "kari").json
    assert checked(export_of(company, again["token"]))["calls"] == []
    assert Office(company).http("DELETE", "/users/kari").status == 204
    assert keys_of(company, "kari") == ([], [])


async def test_the_commands_of_the_documents_answer_a_request(company, tmp_path):
    """docs/privacy.md: a request is answered in ten minutes. As it stands there, line by line."""
    text = (pathlib.Path(__file__).parents[2] / "docs/privacy.md").read_text(encoding="utf-8")
    section = text[text.index("## To answer a request"):text.index("## Where to complain")]
    commands = re.findall(r"^ {7}(curl .*)$", section, re.M)
    assert len(commands) == 4
    await busy_kari(company)
    (tmp_path / "admin").write_text("Authorization: Bearer " + company.broker.token("boss", company.id, "admin"))
    environment = dict(os.environ, ADMIN=str(tmp_path / "admin"), LEDIG=company.broker.router_url, COMPANY=company.id,
                       PERSON="kari")
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, timeout=30)
        assert done.returncode == 0, (command, done.stderr)
        if "PATCH" in command:
            assert stored(company.broker, company.id, "profile", "kari")["n"] == "Kari Riktig"
    assert "Samtykker" in (tmp_path / "innsyn.html").read_text(encoding="utf-8")
    jsonschema.validate(json.loads((tmp_path / "innsyn.json").read_text(encoding="utf-8")), SCHEMA)
    assert stored(company.broker, company.id, "profile", "kari") is None
