"""What was done about a person's data and access is theirs to see, nobody else's, and sealed where it is kept."""

import pytest

from broker_process import wait_until
from store_reader import Keys, redis, stored
from test_login import PASSWORD, PHONE, app, call, log_in, post, refresh, set_first


def log_of(company, user):
    return f"ledig:{{{company.id}}}:log:activity:{Keys(company.broker).hash(user)}"


def entries_of(company, user):
    """How many there are, as Redis says."""
    return int(redis(company.broker, "ZCARD", log_of(company, user)).split()[-1])


async def told(app, **fields):
    return [(row["what"], row["detail"]) for row in (await app.activity(**fields))[0]]


async def test_log_ins_devices_and_passwords_are_told(company):
    set_first(company, "kari")
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    phone = log_in(company, "kari").json
    assert call(company.broker, "DELETE", "/v1/me/devices/" + phone["login"], token=desk["token"]).status == 204
    changed = post(company.broker, "/v1/password", {"old": PASSWORD, "password": "et annet passord"}, desk["token"])
    assert changed.status == 200, changed.body
    kari = await app(company, changed.json["token"], "desk")
    rows, _ = await kari.activity()
    assert [(row["what"], row["device"]) for row in reversed(rows)] == [
        ("consent", "consent"), ("invited", None), ("password", PHONE["id"]), ("login", "desk"), ("login", PHONE["id"]),
        ("device_removed", PHONE["id"]), ("password", "desk")]
    assert all(row["at"] > 0 for row in rows)
    assert post(company.broker, "/v1/logout", {"all": True}, changed.json["token"]).status == 204
    again = await app(company, log_in(company, "kari", "et annet passord").json["token"])
    assert (await told(again))[:2] == [("login", None), ("logout_all", None)]


async def test_log_ins_refused_in_a_row_are_told_but_not_each(start_broker, make_company):
    company = make_company(broker=start_broker(limit_user_logins="off"))
    first = set_first(company, "kari").json
    for _ in range(11):
        assert log_in(company, "kari", "wrong password").status == 401
    wait_until(lambda: stored(company.broker, company.id, "access", "kari").get("rf") == 11, "all are counted")
    kari = await app(company, first["token"])
    rows, _ = await kari.activity()
    assert [row["times"] for row in rows if row["what"] == "login_refused"] == [10, 5]
    assert log_in(company, "kari").status == 200
    assert not stored(company.broker, company.id, "access", "kari").get("rf"), "a log-in ends the row"


def test_a_wrong_password_for_nobody_leaves_nothing(company):
    before = redis(company.broker, "KEYS", f"ledig:{{{company.id}}}:log:*")
    for _ in range(6):
        assert log_in(company, "nobody", "wrong password").status == 401
    set_first(company, "ola")  # a commit behind them
    assert entries_of(company, "nobody") == 0 and before is not None


@pytest.mark.slow(60)
async def test_a_token_that_comes_twice_is_told(company):
    first = set_first(company, "kari").json
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    assert refresh(company, first["refresh"]).status == 200
    kari = await app(company, desk["token"], "desk")
    wait_until(lambda: refresh(company, first["refresh"]).status == 401, "the ten seconds for a lost answer are over")
    rows, _ = await kari.activity()
    assert [(row["what"], row["device"]) for row in rows][0] == ("token_reused", PHONE["id"])


async def test_who_set_a_status_on_behalf_of_another_is_told_once_a_while(company):
    kari, boss = await company.app("kari"), await company.app("ola", role="switchboard")
    for note in ("til legen", "til frisøren"):
        await boss.set("away", note=note, user="kari")
    await kari.set("busy")
    rows, _ = await kari.activity()
    sets = [row for row in rows if row["what"] == "set"]
    assert [(row["actor"], row["detail"]) for row in sets] in ([("ola", "away")], [("ola", "away")] * 2), "2: a minute passed"
    assert "set" not in [what for what, _ in await told(boss)], "it is of the one whom it was done to"


async def test_consents_are_told_with_their_device(company):
    kari = await company.app("kari", device="mobilen")
    await kari.ok("consent", purpose="call_history", granted=True, text="v1")
    await kari.ok("consent", purpose="call_history", granted=True, text="v1")  # changes nothing
    await kari.ok("consent", purpose="call_history", granted=False, text="v1")
    rows, _ = await kari.activity()
    assert [(row["detail"], row["device"]) for row in rows] == [
        ("call_history withdrawn", "mobilen"), ("call_history granted", "mobilen"), ("presence granted", "consent")]


async def test_it_outlives_both_consents_and_its_key_is_its_own(company):
    kari = await company.app("kari")
    await kari.ok("consent", purpose="call_history", granted=True, text="v1")
    key, calls_key = (stored(company.broker, company.id, "profile", "kari").get(name) for name in ("ak", "lk"))
    assert key and calls_key and key != calls_key
    await kari.ok("consent", purpose="call_history", granted=True, text="v2")
    assert stored(company.broker, company.id, "profile", "kari")["lk"] == calls_key, "another text, the same history"
    for purpose in ("call_history", "presence"):
        await kari.ok("consent", purpose=purpose, granted=False, text="v2")
    after = stored(company.broker, company.id, "profile", "kari")
    assert after["ak"] == key and "lk" not in after
    assert (await told(kari))[0] == ("consent", "presence withdrawn")


async def test_it_comes_in_pages(company):
    kari = await company.app("kari")
    for i in range(7):
        await kari.ok("consent", purpose="analytics", granted=i % 2 == 0, text="v1")
    seen, before = [], None
    while True:
        rows, before = await kari.activity(limit=3, **({"before": before} if before else {}))
        seen += rows
        if not before:
            break
    assert len(seen) == 8 and [row["at"] for row in seen] == sorted((row["at"] for row in seen), reverse=True)
    error = await kari.refused("activity", limit=101)
    assert (error["code"], error["field"]) == ("bad_request", "limit")


async def test_it_is_sealed_and_goes_with_the_person(company):
    kari = await company.app("kari", device="mobilen-til-kari")
    await kari.ok("consent", purpose="analytics", granted=True, text="v1")
    assert entries_of(company, "kari") == 2
    raw = redis(company.broker, "HGETALL", log_of(company, "kari") + ":entries") + redis(company.broker, "KEYS", "*")
    assert b"mobilen" not in raw and b"analytics" not in raw
    answer = company.broker.http("DELETE", f"/v1/companies/{company.id}/users/kari",
                                 token=company.broker.token("boss", company.id, "admin"))
    assert answer.status == 204, answer.body
    assert entries_of(company, "kari") == 0
    assert stored(company.broker, company.id, "profile", "kari") is None


async def test_the_command_shows_it(company):
    kari = await company.app("kari")
    await kari.ok("consent", purpose="marketing", granted=True, text="v1")
    done = company.broker.ledig("activity", "--data", company.broker.data, "--as", f"kari@{company.id}")
    assert done.returncode == 0 and "marketing granted" in done.stdout, (done.stdout, done.stderr)
    wrong = company.broker.ledig("activity", "--limit", "0", "--data", company.broker.data, "--as", f"kari@{company.id}")
    assert wrong.returncode == 2 and "--limit" in wrong.stderr
