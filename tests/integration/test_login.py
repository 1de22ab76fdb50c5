"""Getting in with a password: the invitation, log-in, tokens that are renewed, log-out, and what nobody learns by it."""

import asyncio
import time

import pytest

from broker_process import number
from ledig_client import App, Refused

PASSWORD = "riktig hest batteri"
PHONE = {"id": "phone-1", "kind": "mobile", "os": "Android 15", "app": "demo 1.0"}


def call(broker, method, path, body=None, token=None):
    """By HTTP on the port of the apps."""
    return broker.http(method, path, token=token, body=body, base=broker.url.replace("ws", "http", 1).removesuffix("/v1"))


def post(broker, path, body=None, token=None):
    return call(broker, "POST", path, body or {}, token)


def invite(company, user):
    answer = company.broker.http("POST", f"/v1/companies/{company.id}/users/{user}/invitation",
                                 token=company.broker.token("boss", company.id, "admin"))
    assert answer.status == 201, answer.body
    return answer.json["invitation"]


def set_first(company, user, invitation=None, password=PASSWORD, device=PHONE):
    return post(company.broker, "/v1/password", {"company": company.id, "user": user, "password": password,
                                                 "invitation": invitation or invite(company, user), "device": device})


def log_in(company, user, password=PASSWORD, device=PHONE):
    return post(company.broker, "/v1/login",
                {"company": company.id, "user": user, "password": password, "device": device})


def refresh(company, token):
    return post(company.broker, "/v1/token", {"refresh": token})


@pytest.fixture
def kari(company):
    """kari has a password and no device that is logged in but the phone that set it."""
    answer = set_first(company, "kari")
    assert answer.status == 200, answer.body
    return answer.json


async def app(company, token, device="phone-1"):
    one = await App.connect(company.broker.url, "msgpack")
    await one.hello(token, device=device)
    return one


async def test_an_invitation_gives_a_password_and_a_password_gets_in(company, kari):
    assert kari["user"] == "kari" and kari["company"] == company.id and kari["role"] == "member"
    answer = log_in(company, "kari", device={"id": "desk", "kind": "desktop"})
    assert answer.status == 200, answer.body
    one = await app(company, answer.json["token"], "desk")
    assert "ola" in one.profiles


async def test_an_invitation_is_good_once_and_for_its_person_alone(company):
    invitation = invite(company, "kari")
    assert set_first(company, "ola", invitation).status == 401
    assert set_first(company, "kari", invitation).status == 200
    assert set_first(company, "kari", invitation, "another password").status == 401
    assert log_in(company, "kari").status == 200


async def test_the_last_invitation_counts(company):
    first, second = invite(company, "kari"), invite(company, "kari")
    assert set_first(company, "kari", first).status == 401
    assert set_first(company, "kari", second).status == 200


def test_what_is_wrong_is_not_told(company, kari):
    answers = [log_in(company, "kari", "wrong password"), log_in(company, "nobody"), log_in(company, "ola"),
               post(company.broker, "/v1/login", {"company": "no-such", "user": "kari", "password": PASSWORD,
                                                  "device": PHONE})]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


def log_in_by_number(at, phone, secret=PASSWORD, **more):
    body = {"company": at.id, "number": phone, "password": secret, "device": PHONE} | more
    return post(at.broker, "/v1/login", body)


async def test_a_number_does_instead_of_the_user_id(company, kari):
    answer = log_in_by_number(company, company.numbers["kari"])
    assert answer.status == 200 and answer.json["user"] == "kari", answer.body
    await app(company, answer.json["token"])


def test_what_is_wrong_with_a_number_is_not_told(company, make_company, kari):
    other = make_company(consent=False)
    set_first(other, "kari")
    admin, queue = company.broker.token("boss", company.id, "admin"), number()
    assert company.broker.http("PUT", f"/v1/companies/{company.id}/queues/support", token=admin,
                               body=dict(name="Support", numbers=[queue])).status in (200, 201)
    answers = [log_in_by_number(company, company.numbers["kari"], "wrong password"),  # hers
               log_in_by_number(company, company.numbers["ola"]),                      # who has no password
               log_in_by_number(company, "+4799999999"), log_in_by_number(company, queue),
               log_in_by_number(company, other.numbers["kari"]),                       # with her own password, elsewhere
               log_in_by_number(company, company.numbers["kari"], company="no-such"), log_in(company, "nobody")]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.parametrize("change, field", [
    ({"number": "12"}, "number"), ({"number": "+47 22 33 44 x"}, "number"), ({"number": ""}, "number"), ({"number": None}, "number"),
    ({"number": 4722334455}, "number"), ({"user": "kari"}, "number"), ({"company": None}, "company"), ({"number": "+" + "4" * 40}, "number"),
])
def test_a_number_of_the_wrong_form_is_refused(company, change, field):
    answer = log_in_by_number(company, "+4722334455", **change)
    assert answer.status == 400 and answer.json["field"] == field, answer.body


@pytest.mark.parametrize("change, field", [
    ({"password": None}, "password"), ({"password": 7}, "password"), ({"password": "x" * 300}, "password"),
    ({"user": "KARI"}, "user"), ({"user": None}, "user"), ({"company": "../x"}, "company"), ({"device": None}, "device"),
    ({"device": {"id": "x"}}, "kind"), ({"device": {"kind": "mobile"}}, "id"),
    ({"device": {"id": "x", "kind": "toaster"}}, "kind"),
])
def test_a_log_in_of_the_wrong_form_is_refused(company, change, field):
    body = {"company": company.id, "user": "kari", "password": PASSWORD, "device": PHONE} | change
    answer = post(company.broker, "/v1/login", body)
    assert answer.status == 400 and answer.json["field"] == field
    assert PASSWORD.encode() not in answer.body


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"x" * 5000])
def test_what_is_no_json_object_is_refused(company, body):
    answer = call(company.broker, "POST", "/v1/login", body)
    assert answer.status in (400, 413)


@pytest.mark.parametrize("password", ["short", "123456789", "kari er flink"])
def test_a_password_that_can_be_guessed_is_refused(company, password):
    answer = set_first(company, "kari", password=password)
    assert answer.status == 400 and answer.json["field"] == "password"


def test_other_methods_and_paths_are_refused(company):
    assert call(company.broker, "GET", "/v1/login").status == 405
    assert call(company.broker, "GET", "/v1/nothing").status == 404


async def test_a_refresh_token_gives_the_next_pair_once(company, kari):
    second = refresh(company, kari["refresh"])
    assert second.status == 200, second.body
    third = refresh(company, second.json["refresh"])
    assert third.status == 200
    await app(company, third.json["token"])


async def test_a_lost_answer_may_be_asked_for_again(company, kari):
    assert refresh(company, kari["refresh"]).status == 200  # and its answer was lost
    again = refresh(company, kari["refresh"])
    assert again.status == 200
    assert refresh(company, again.json["refresh"]).status == 200


async def test_a_refresh_token_of_long_ago_ends_the_log_in(company, kari):
    second = refresh(company, kari["refresh"]).json
    third = refresh(company, second["refresh"]).json
    phone = await app(company, third["token"])
    assert refresh(company, kari["refresh"]).status == 401, "two before: nobody's any more"
    assert refresh(company, third["refresh"]).status == 200
    await phone.close()


@pytest.mark.parametrize("token", ["", "x", "a:b:c:d", "::::", "acme:kari:0123456789abcdef:" + "A" * 43, "x" * 4000])
def test_a_refresh_token_that_is_none_is_refused(company, token):
    answer = refresh(company, token)
    assert answer.status == 401


async def test_who_logs_out_is_out_at_once_on_every_connection(company, kari):
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    phone, desktop = await app(company, kari["token"]), await app(company, desk["token"], "desk")
    begin = time.monotonic()
    assert post(company.broker, "/v1/logout", token=kari["token"]).status == 204
    assert await phone.until_closed() == 4401
    assert time.monotonic() - begin < 30, "and not when the token ends"
    assert refresh(company, kari["refresh"]).status == 401
    refused = await App.connect(company.broker.url)
    with pytest.raises(Refused):
        await refused.hello(kari["token"], live=False, device="phone-1")
    assert await refused.until_closed() == 4401
    await desktop.set("busy")  # the other device stays


async def test_who_logs_out_everywhere_is_out_everywhere(company, kari):
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    phone, desktop = await app(company, kari["token"]), await app(company, desk["token"], "desk")
    assert post(company.broker, "/v1/logout", {"all": True}, token=desk["token"]).status == 204
    assert await phone.until_closed() == 4401 and await desktop.until_closed() == 4401
    assert refresh(company, kari["refresh"]).status == 401 and refresh(company, desk["refresh"]).status == 401
    assert log_in(company, "kari").status == 200


async def test_a_lost_phone_is_logged_out_from_another_device(company, kari):
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    phone = await app(company, kari["token"])
    answer = call(company.broker, "GET", "/v1/me/devices", token=desk["token"])
    devices = {one["login"]: one for one in answer.json["devices"]}
    assert devices[kari["login"]]["app"] == "demo 1.0" and not devices[kari["login"]]["this"]
    assert devices[desk["login"]]["this"]
    ended = call(company.broker, "DELETE", f"/v1/me/devices/{kari['login']}", token=desk["token"])
    assert ended.status == 204
    assert await phone.until_closed() == 4401
    again = call(company.broker, "DELETE", f"/v1/me/devices/{kari['login']}", token=desk["token"])
    assert again.status == 404


async def test_another_password_ends_the_other_devices(company, kari):
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    phone, desktop = await app(company, kari["token"]), await app(company, desk["token"], "desk")
    wrong = post(company.broker, "/v1/password", {"old": "not it at all", "password": "en helt annen"}, desk["token"])
    assert wrong.status == 403 and wrong.json["field"] == "old"
    changed = post(company.broker, "/v1/password", {"old": PASSWORD, "password": "en helt annen"}, desk["token"])
    assert changed.status == 200, changed.body
    assert await phone.until_closed() == 4401
    await desktop.set("busy")
    assert refresh(company, kari["refresh"]).status == 401
    assert refresh(company, changed.json["refresh"]).status == 200
    assert log_in(company, "kari").status == 401
    assert log_in(company, "kari", "en helt annen").status == 200


def test_an_operators_token_has_no_log_in_to_end(company):
    assert post(company.broker, "/v1/logout", token=company.token("kari")).status == 401


def test_one_device_has_one_log_in(company, kari):
    again = log_in(company, "kari").json
    assert refresh(company, kari["refresh"]).status == 401
    devices = call(company.broker, "GET", "/v1/me/devices", token=again["token"]).json["devices"]
    assert len(devices) == 1


def test_invitations_are_for_administrators_to_give(company):
    path = f"/v1/companies/{company.id}/users/kari/invitation"
    assert company.broker.http("POST", path, token=company.token("ola")).status == 403
    assert company.broker.http("POST", path, token=company.broker.token("boss", "other", "admin")).status == 404
    admin = company.broker.token("boss", company.id, "admin")
    assert company.broker.http("GET", path, token=admin).status == 405
    assert company.broker.http("POST", path.replace("kari", "nobody"), token=admin).status == 404


async def test_who_has_left_cannot_get_in(company, kari):
    admin = company.broker.token("boss", company.id, "admin")
    assert company.broker.http("DELETE", f"/v1/companies/{company.id}/users/kari", token=admin).status in (200, 204)
    assert log_in(company, "kari").status == 401
    assert refresh(company, kari["refresh"]).status == 401


@pytest.mark.slow(60)
async def test_a_flood_of_log_ins_is_told_to_come_later_and_stops_nobody(company, kari):
    phone = await app(company, kari["token"])
    answers = await asyncio.gather(*[asyncio.to_thread(log_in, company, "kari", f"guess number {i}")
                                     for i in range(60)])
    statuses = [answer.status for answer in answers]
    assert set(statuses) <= {401, 429} and 401 in statuses
    await phone.set("busy")


def test_no_password_or_token_is_logged(company, kari):
    log = company.broker.log()
    for secret in (PASSWORD, kari["token"], kari["refresh"].split(":")[-1]):
        assert secret not in log
