"""A device connects, is known, breaks off, comes back."""

import asyncio
import base64
import hashlib
import hmac
import json

import pytest

from broker_process import unique, wait_until
from ledig_client import App, RawSocket, Refused, decode, now_ms


async def refused_hello(company, token, **hello):
    """A hello that must be refused: (its error, close code)."""
    app = await App.connect(company.broker.url)
    with pytest.raises(Refused) as refusal:
        await app.hello(token, **hello)
    return refusal.value.error, await app.until_closed()


async def test_hello_is_answered_by_welcome_me_and_the_whole_state(company):
    app = await company.app("kari")
    kinds = [message["t"] for message in app.frames]
    assert kinds[0] == "welcome" and "me" in kinds and "changes" in kinds
    welcome = app.welcome
    assert (welcome["user"], welcome["company"], welcome["resumed"]) == ("kari", company.id, False)
    assert abs(welcome["now"] - now_ms()) < 60_000
    assert welcome["session"] and welcome["epoch"] and welcome["ping_ms"] > 0
    assert welcome["limits"]["message_bytes"] == 65536 and welcome["limits"]["note_chars"] == 200
    assert {"set", "device", "follow", "ask", "consent"} <= set(welcome["features"])
    assert set(app.profiles) == set(app.members) == set(company.users)
    profile = app.profiles["ola"]
    assert (profile["name"], profile["department"], profile["queues"]) == ("Ola Prøvesen", "Drift", ["support"])
    assert profile["numbers"] == [company.numbers["ola"]]
    await app.sees("kari", availability="available", presence="active", activity=None, note=None, until=None)
    assert app.place["version"] > 0 and app.place["epoch"] == welcome["epoch"]


async def test_json_says_the_same_as_msgpack(company):
    binary, text = await company.app("kari", device="one"), await company.app("kari", device="two", encoding="json")
    ok = await text.set("busy", activity="meeting", note="Møte på Ås ☎", until=now_ms() + 3_600_000)
    assert ok["version"] > 0
    await binary.sees("kari", availability="busy", note="Møte på Ås ☎")
    await text.sees("kari", availability="busy", note="Møte på Ås ☎")
    await binary.until(lambda: binary.place["version"] >= ok["version"])
    await text.until(lambda: text.place["version"] >= ok["version"])
    assert binary.view() == text.view()
    await text.until(lambda: text.me == binary.me, f"the same `me`: {text.me} {binary.me}")
    (one, first), (two, second) = await binary.ask(users=["kari", "ola"]), await text.ask(users=["kari", "ola"])
    assert one == two and set(first) - {"parts"} == set(second) - {"parts"}
    assert {k: v for k, v in binary.welcome.items() if k not in ("now", "session")} == \
           {k: v for k, v in text.welcome.items() if k not in ("now", "session")}


async def test_me_tells_ones_own_facts_on_each_device(company):
    phone, desk = await company.app("kari", device="phone", kind="mobile"), await company.app("kari", device="desk")
    ola = await company.app("ola")
    until = now_ms() + 3_600_000
    await phone.set("away", activity="sick", note="Influensa", until=until, forward="ola")
    for app in (phone, desk):
        me = await app.until(lambda: app.me.get("status") and app.me, "me with the status")
        assert (me["status"], me["activity"], me["note"], me["until"], me["forward"]) == ("away", "sick", "Influensa", until, "ola")
        assert me["queues"][0][:2] == ["support", False]
        assert [consent[:3] for consent in me["consents"]] == [["presence", True, "v1"]]
    await ola.sees("kari", availability="away")
    assert not any(m["t"] == "me" and m.get("status") for m in ola.frames), "a colleague was told"
    await desk.set("available")
    await phone.until(lambda: not phone.me.get("status"), "me without the status")


async def test_the_same_device_connects_again_and_the_first_is_replaced(company):
    first = await company.app("kari", device="desk")
    second = await company.app("kari", device="desk")
    assert await first.until_closed() == 4409
    assert first.errors and first.errors[-1]["code"] == "conflict"
    other = await company.app("kari", device="phone")
    await second.set("busy")
    await other.sees("kari", availability="busy")
    assert not second.closed


async def test_resume_with_nothing_new_brings_nothing(company):
    watcher = await company.app("ola", device="watcher")
    first = await company.app("kari")
    await watcher.sees("kari", presence="active")
    await first.until(lambda: first.place["version"] >= watcher.place["version"])
    first.cut()
    second = await App.connect(company.broker.url)
    second.inherit(first)
    welcome = await second.hello(company.token("kari"), resume=first.resume())
    assert welcome["resumed"] is True
    changes = [m for m in second.frames if m["t"] == "changes"]
    assert changes and not changes[-1].get("more")
    # rows that the clock may have changed within the slack come again; everyone's do not
    assert len([m for m in changes if m.get("profiles")]) == 0, "profiles came again"


async def test_resume_brings_what_changed_and_only_that(make_company):
    company = make_company(users=[f"u{i}" for i in range(40)])
    watcher = await company.app("u0")
    for user in company.users[1:]:
        await watcher.sees(user, availability="available", presence=None)  # those who consented have left
    first = await company.app("u1")
    await watcher.sees("u1", presence="active")
    await asyncio.sleep(0)
    await first.until(lambda: first.place["version"] >= watcher.place["version"])
    first.cut()
    await watcher.set("busy", note="while away")
    boss = await company.app("u2", role="switchboard")
    await boss.set("dnd", user="u3", note="on behalf")
    second = await App.connect(company.broker.url)
    second.inherit(first)
    welcome = await second.hello(company.token("u1"), resume=first.resume())
    assert welcome["resumed"] is True
    await second.sees("u0", availability="busy", note="while away")
    await second.sees("u3", availability="dnd", note="on behalf")
    rows = second.rows_since(0)
    assert {r["user"] for r in rows} <= {"u0", "u1", "u2", "u3"}, "rows of others came again"
    fresh = await company.app("u4")
    await fresh.sees("u4", presence="active")
    await second.sees("u4", presence="active")
    assert second.view() == fresh.view()


@pytest.mark.parametrize("spoil", [
    dict(epoch="0123456789abcdef"),
    dict(now=1_000),
    dict(version=9_000_000_000_000_000),
], ids=["another epoch", "longer ago than a day", "a version that never was"])
async def test_a_place_that_is_not_good_starts_from_nothing(company, spoil):
    first = await company.app("kari")
    place = dict(first.resume(), **spoil)
    first.cut()
    second = await App.connect(company.broker.url)
    welcome = await second.hello(company.token("kari"), resume=place)
    assert welcome["resumed"] is False
    assert set(second.profiles) == set(second.members) == set(company.users)


async def test_a_place_in_the_middle_of_a_series_is_still_good_in_its_own_epoch(company):
    first = await company.app("kari")
    first.cut()
    second = await App.connect(company.broker.url)
    second.inherit(first)
    welcome = await second.hello(company.token("kari"), resume=dict(first.resume(), more=True))
    assert welcome["resumed"] is True
    await second.sees("kari", presence="active")


async def test_resume_works_with_the_same_follow(company):
    follow = ["ola"]
    first = await company.app("kari", follow=follow)
    assert set(first.members) == {"kari", "ola"}
    first.cut()
    ola = await company.app("ola")
    await ola.set("busy")
    second = await App.connect(company.broker.url)
    second.inherit(first)
    assert (await second.hello(company.token("kari"), follow=follow, resume=first.resume()))["resumed"] is True
    await second.sees("ola", availability="busy")
    assert set(second.members) == {"kari", "ola"}


async def test_returning_phone_causes_no_fanout(start_broker, make_company):
    broker = start_broker(grace_ms=20_000)
    company = make_company(broker=broker)
    ola = await company.app("ola")
    phone = await company.app("kari", device="phone", kind="mobile")
    await ola.sees("kari", presence="active")
    mark = ola.mark()
    for _ in range(3):
        phone.cut()
        back = await App.connect(broker.url)
        back.inherit(phone)
        assert (await back.hello(company.token("kari"), device="phone", kind="mobile", resume=phone.resume()))["resumed"] is True
        phone = back
    nina = await company.app("nina")
    await nina.set("busy", note="fence")
    await ola.sees("nina", note="fence")
    assert ola.rows_since(mark, "kari") == []


async def test_presence_goes_when_the_grace_is_over(start_broker, make_company):
    broker = start_broker(grace_ms=700)
    company = make_company(broker=broker)
    ola = await company.app("ola")
    kari = await company.app("kari", device="desk")
    await ola.sees("kari", presence="active")
    mark = ola.mark()
    kari.cut()
    await ola.sees("kari", presence=None)
    assert [r["presence"] for r in ola.rows_since(mark, "kari")] == [None], "one change, and no other"
    assert ola.members["kari"]["availability"] == "available", "a mobile phone rings without the app"


async def test_a_device_that_stays_keeps_the_presence_of_the_one_that_left(start_broker, make_company):
    broker = start_broker(grace_ms=300)
    company = make_company(broker=broker)
    ola = await company.app("ola")
    desk, phone = await company.app("kari", device="desk"), await company.app("kari", device="phone", kind="mobile")
    await ola.sees("kari", presence="active")
    mark = ola.mark()
    phone.cut()
    other = await company.app("nina")
    await ola.sees("nina", presence="active")
    other.cut()
    await ola.sees("nina", presence=None)  # whose grace ended after the phone's
    assert ola.rows_since(mark, "kari") == []
    assert not desk.closed


async def test_silence_is_broken_by_an_empty_changes(start_broker, make_company):
    broker = start_broker(ping_ms=400)
    company = make_company(broker=broker)
    kari = await company.app("kari")
    assert kari.welcome["ping_ms"] == 400
    mark = kari.mark()
    def empty():
        return [m for m in kari.frames[mark:] if m["t"] == "changes" and not any(m.get(k) for k in ("members", "profiles", "queues", "removed"))]
    await kari.until(lambda: len(empty()) >= 3, "three empty `changes`")
    assert all(m["to"] >= 0 and m["epoch"] and m["now"] for m in empty())


async def test_no_hello_in_time_is_closed_with_4408(start_broker):
    broker = start_broker(hello_ms=300)
    app = await App.connect(broker.url)
    assert await app.until_closed() == 4408
    assert app.frames == [] or app.frames[-1]["t"] in ("error", "bye")


async def test_a_hello_in_time_is_not_closed(start_broker, make_company):
    broker = start_broker(hello_ms=1000, ping_ms=300)
    company = make_company(broker=broker)
    kari = await company.app("kari")
    mark = kari.mark()
    await kari.until(lambda: len(kari.frames) >= mark + 5, "it goes on beyond the deadline")


async def test_silence_after_the_upgrade_holds_up_nobody(start_broker, make_company):
    broker = start_broker(hello_ms=1500)
    company = make_company(broker=broker)
    silent = [RawSocket(broker.url) for _ in range(50)]
    kari = await company.app("kari")
    await kari.set("busy")
    for one in silent:
        assert one.messages_to_end()[1] == 4408
        one.close()


# ---- tokens ----


def forged(company, header, **changes):
    """A token that we have signed ourselves, or not at all."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    now = now_ms() // 1000
    claims = dict(sub="kari", company=company.id, role="member", iat=now, exp=now + 3600)
    claims.update(changes)
    body = f"{part(header)}.{part(claims)}"
    if header["alg"] == "none":
        return body + "."
    return body + "." + base64.urlsafe_b64encode(hmac.new(b"not the key", body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize("make", [
    lambda c: "",
    lambda c: "not a token",
    lambda c: c.token("kari")[:-4] + "AAAA",
    lambda c: forged(c, {"alg": "none", "typ": "JWT"}),
    lambda c: forged(c, {"alg": "HS256", "typ": "JWT"}),
    lambda c: ".".join([c.token("kari").split(".")[0], c.token("ola", "admin").split(".")[1], c.token("kari").split(".")[2]]),
], ids=["empty", "nonsense", "cut signature", "no algorithm", "another key", "claims of another"])
async def test_a_wrong_token_is_unauthorized(company, make):
    error, code = await refused_hello(company, make(company))
    assert (error["code"], code) == ("unauthorized", 4401)


async def test_an_expired_token_is_unauthorized(company):
    token = company.token("kari", ttl="1s")
    deadline = now_ms() + 2_500
    wait_until(lambda: now_ms() > deadline, "the token has expired")
    error, code = await refused_hello(company, token)
    assert (error["code"], code) == ("unauthorized", 4401)


async def test_a_router_is_not_a_person(company):
    error, code = await refused_hello(company, company.token("router", "router"))
    assert (error["code"], code) == ("forbidden", 4403)


async def test_a_stranger_and_a_company_that_does_not_exist_look_the_same(company):
    one = await refused_hello(company, company.token("nobody"))
    other = await refused_hello(company, company.broker.token("kari", unique("no-such-firm")))
    assert one == other
    assert one[0]["code"] == "forbidden" and one[1] == 4403


async def test_a_second_hello_is_refused(company):
    kari = await company.app("kari")
    await kari.send(dict(t="hello", token=company.token("kari"), device=dict(id="x", kind="web")))
    assert await kari.until_closed() == 1008
    assert kari.errors[-1]["code"] == "bad_request"


async def test_something_else_before_hello_is_refused(company):
    app = await App.connect(company.broker.url)
    await app.send(dict(t="set", id=1, status="busy"))
    assert await app.until_closed() == 1008
    assert [m["code"] for m in app.frames if m["t"] == "error"] == ["bad_request"]


@pytest.mark.parametrize("field, hello", [
    ("kind", dict(device=dict(id="d", kind="toaster"))),
    ("id", dict(device=dict(kind="web"))),
    ("device", dict(device="d1")),
    ("state", dict(state="asleep")),
    ("follow", dict(follow="nobody")),
    ("resume", dict(resume="yesterday")),
    ("version", dict(resume=dict(epoch="x", version=-1, now=1))),
    ("token", dict(token=17)),
])
async def test_a_wrong_field_of_hello_is_named(company, field, hello):
    app = await App.connect(company.broker.url)
    message = dict(dict(t="hello", token=company.token("kari"), device=dict(id="d1", kind="web")), **hello)
    await app.send(message)
    code = await app.until_closed()
    error = next(m for m in app.frames if m["t"] == "error")
    assert (error["code"], error.get("field")) == ("bad_request", field)
    assert code == 1008


async def test_unknown_fields_are_borne(company):
    kari = await company.app("kari", device=dict(id="d1", kind="web", colour="red"), future=dict(a=[1, 2]))
    ola = await company.app("ola")
    await kari.set("busy", weather="rain", list=[1, {"b": None}])
    await ola.sees("kari", availability="busy")


async def test_an_unknown_type_is_unsupported_and_the_line_stays(company):
    kari = await company.app("kari")
    assert (await kari.refused("teleport", where="home"))["code"] == "unsupported"
    await kari.set("busy")


async def test_an_upgrade_without_our_subprotocol_is_refused(broker):
    for protocol in ("", "chat", "ledig.v2.msgpack"):
        raw = RawSocket(broker.url, protocol=protocol)
        if raw.status == 101:  # some servers say so only after the upgrade
            messages, code = raw.messages_to_end()
            assert messages == [] and code in (None, 1002, 1003, 1008), (messages, code)
        raw.close()


async def test_a_path_that_is_not_ours_is_refused(broker):
    raw = RawSocket(broker.url, path="/v2")
    assert raw.status != 101
    raw.close()


async def test_a_client_that_picks_json_and_msgpack_gets_one_of_them(company):
    raw = RawSocket(company.broker.url, protocol="ledig.v1.json, ledig.v1.msgpack", encoding="json")
    chosen = [line.split(b":", 1)[1].strip() for line in raw.head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-protocol")]
    assert chosen in ([b"ledig.v1.json"], [b"ledig.v1.msgpack"])
    raw.encoding = chosen[0].rpartition(b".")[2].decode()
    raw.say(dict(t="hello", token=company.token("kari"), device=dict(id="raw", kind="web")))
    opcode, payload = raw.read()
    assert decode(payload, raw.encoding)["t"] == "welcome"
    assert opcode == (1 if raw.encoding == "json" else 2)
    raw.close()
