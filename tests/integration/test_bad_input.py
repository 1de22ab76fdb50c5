"""What nobody should send, and what it gets. The broker runs with sanitizers: a read past a buffer ends the test."""

import random
import struct

import msgpack
import pytest

from broker_process import number
from ledig_client import App, RawSocket, encode, now_ms

SET = dict(t="set", id=7, status="busy")


def nested(depth, leaf=None):
    for _ in range(depth):
        leaf = [leaf]
    return leaf


def msgpack_map(count):
    """The head of a map that claims so many entries."""
    return b"\xdf" + struct.pack("!I", count)


def key(name, value):
    return msgpack.packb(name) + value


BAD_MSGPACK = {
    "nothing": (b"", "bad_request"),
    "truncated": (msgpack.packb(SET)[:-3], "bad_request"),
    "trailing bytes": (msgpack.packb(SET) + b"\x00", "bad_request"),
    "two messages": (msgpack.packb(SET) * 2, "bad_request"),
    "no map": (msgpack.packb([1, 2, 3]), "bad_request"),
    "no type": (msgpack.packb(dict(status="busy")), "bad_request"),
    "the byte that msgpack does not use": (b"\xc1", "bad_request"),
    "nested too deep": (msgpack.packb(dict(SET, x=nested(40))), "bad_request"),
    "nested beyond all measure": (msgpack.packb("t") and b"\x81\xa1t" + b"\x91" * 60_000 + b"\x01", "bad_request"),
    "ten million entries claimed": (msgpack_map(10_000_000) + key("t", msgpack.packb("set")), "bad_request too_large"),
    "four billion entries claimed": (msgpack_map(0xFFFFFFFF), "bad_request too_large"),
    "a huge array claimed": (b"\x81" + key("t", b"\xdd" + struct.pack("!I", 0xFFFFFFF0)), "bad_request too_large"),
    "a huge text claimed": (b"\x81" + key("t", b"\xdb" + struct.pack("!I", 0xFFFFFFF0) + b"set"), "bad_request"),
    "a huge binary claimed": (b"\x81" + key("t", b"\xc6" + struct.pack("!I", 0xFFFFFFF0)), "bad_request"),
    "text that is not UTF-8": (b"\x82" + key("t", msgpack.packb("set")) + key("note", b"\xa3\xff\xfe\xfd"), "bad_request"),
    "an overlong UTF-8 slash": (b"\x82" + key("t", msgpack.packb("set")) + key("note", b"\xa2\xc0\xaf"), "bad_request"),
    "half a surrogate": (b"\x82" + key("t", msgpack.packb("set")) + key("note", b"\xa3\xed\xa0\x80"), "bad_request"),
    "a NUL in a text": (msgpack.packb(dict(t="set", status="bu\0sy")), "bad_request"),
    "a key twice": (b"\x82" + key("t", msgpack.packb("set")) * 2, "bad_request"),
    "a number as key": (b"\x81\x01\x02", "bad_request"),
    "more fields than any message": (msgpack.packb(dict({f"x{i}": i for i in range(1000)}, t="set")), "bad_request too_large"),
}
BAD_JSON = {
    "nothing": (b"", "bad_request"),
    "truncated": (b'{"t":"set","id":7,', "bad_request"),
    "trailing bytes": (b'{"t":"set","id":7,"status":"busy"} x', "bad_request"),
    "two messages": (b'{"t":"set"}{"t":"set"}', "bad_request"),
    "no map": (b"[1,2,3]", "bad_request"),
    "no JSON": (b"set busy", "bad_request"),
    "nested too deep": (b'{"t":"set","x":' + b"[" * 40 + b"]" * 40 + b"}", "bad_request"),
    "nested beyond all measure": (b"[" * 65_000, "bad_request"),
    "a key twice": (b'{"t":"set","t":"ask"}', "bad_request"),
    "an escaped NUL": (b'{"t":"set","status":"bu\\u0000sy"}', "bad_request"),
    "half a surrogate": (b'{"t":"set","note":"\\ud800"}', "bad_request"),
    "a number beyond all": (b'{"t":"set","until":1' + b"0" * 400 + b"}", "bad_request"),
    "msgpack in a text": (b"\x01\x02\x03", "bad_request"),
}


@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
@pytest.mark.parametrize("name", BAD_MSGPACK)
def test_bytes_that_are_no_message_are_refused_and_the_line_is_closed(company, name, greeted):
    payload, codes = BAD_MSGPACK[name]
    refused_and_closed(company, "msgpack", payload, codes, greeted)


@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
@pytest.mark.parametrize("name", BAD_JSON)
def test_text_that_is_no_message_is_refused_and_the_line_is_closed(company, name, greeted):
    payload, codes = BAD_JSON[name]
    refused_and_closed(company, "json", payload, codes, greeted)


def connect(company, encoding, greeted, user="kari"):
    raw = RawSocket(company.broker.url, encoding)
    if greeted:
        raw.say(dict(t="hello", token=company.token(user), device=dict(id="raw", kind="web")))
        assert raw.message()["t"] == "welcome"
    return raw


def refused_and_closed(company, encoding, payload, codes, greeted):
    raw = connect(company, encoding, greeted)
    raw.send(payload, opcode=1 if encoding == "json" else 2)
    messages, code = raw.messages_to_end()
    errors = [m for m in messages if m["t"] == "error"]
    assert len(errors) == 1 and errors[0]["code"] in codes.split(), errors
    assert errors[0].get("id") is None and errors[0]["message"]
    assert code in (1002, 1003, 1007, 1008, 1009), code
    raw.close()


@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
@pytest.mark.parametrize("encoding, opcode", [("msgpack", 1), ("json", 2)])
def test_the_other_kind_of_frame_is_refused(company, encoding, opcode, greeted):
    raw = connect(company, encoding, greeted)
    raw.send(b'{"t":"set","id":1,"status":"busy"}' if opcode == 1 else msgpack.packb(SET), opcode=opcode)
    messages, code = raw.messages_to_end()
    assert [m["code"] for m in messages if m["t"] == "error"] == ["bad_request"]
    assert code == 1003
    raw.close()


@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
def test_invalid_utf8_in_a_text_frame_is_refused(company, greeted):
    raw = connect(company, "json", greeted)
    raw.send(b'{"t":"set","id":1,"status":"busy","note":"\xff\xfe"}', opcode=1)
    messages, code = raw.messages_to_end()
    assert code == 1007
    assert [m["code"] for m in messages if m["t"] == "error"] in ([], ["bad_request"])  # the frame itself may be refused
    raw.close()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
@pytest.mark.parametrize("greeted", [False, True], ids=["before hello", "after hello"])
@pytest.mark.parametrize("frames", [1, 7], ids=["in one frame", "in fragments"])
def test_64_kib_and_one_byte_is_too_large(company, encoding, greeted, frames):
    raw = connect(company, encoding, greeted)
    empty = len(encode(dict(SET, pad=""), "json")) if encoding == "json" else len(msgpack.packb(dict(SET, pad="x" * 65_000))) - 65_000
    payload = encode(dict(SET, pad="x" * (65_537 - empty)), encoding)
    payload = payload.encode() if isinstance(payload, str) else payload
    assert len(payload) == 65_537
    step = len(payload) // frames + 1
    try:
        for at in range(0, len(payload), step):
            raw.send(payload[at:at + step], opcode=0 if at else (1 if encoding == "json" else 2), final=at + step >= len(payload))
    except ConnectionError:
        pass  # it may be closed before all was said
    messages, code = raw.messages_to_end()
    errors = [m["code"] for m in messages if m["t"] == "error"]
    assert errors == ["too_large"] and code == 1009, (errors, code)
    raw.close()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_64_kib_is_taken(company, encoding):
    raw = connect(company, encoding, True)
    message = dict(SET, pad="")
    room = 65_536 - len(encode(dict(SET, pad="x" * 60_000), encoding)) + 60_000
    message["pad"] = "x" * room
    data = encode(message, encoding)
    assert len(data) == 65_536
    raw.say(message)
    while True:
        answer = raw.message()
        assert answer, "was closed"
        if answer["t"] in ("ok", "error"):
            break
    assert answer["t"] == "ok" and answer["id"] == 7, answer
    raw.close()


def test_a_message_in_fragments_is_taken(company):
    raw = connect(company, "msgpack", True)
    payload = msgpack.packb(dict(SET, note="stykkevis"))
    for at in range(len(payload)):
        raw.send(payload[at:at + 1], opcode=0 if at else 2, final=at == len(payload) - 1)
    while (answer := raw.message())["t"] not in ("ok", "error"):
        pass
    assert answer["t"] == "ok"
    raw.close()


@pytest.mark.parametrize("how", [dict(opcode=3), dict(opcode=11), dict(opcode=0), dict(opcode=9, payload=b"x" * 126),
                                 dict(claimed=1 << 62), dict(opcode=9, final=False)],
                         ids=["reserved data", "reserved control", "continues nothing", "a long ping", "a length beyond all", "half a ping"])
def test_frames_against_the_rules_end_the_line(company, how):
    raw = connect(company, "msgpack", True)
    how = dict(how)
    raw.send(how.pop("payload", msgpack.packb(SET)), **how)
    messages, code = raw.messages_to_end()
    assert code in (None, 1002, 1003, 1007, 1009), code
    raw.close()


def test_noise_instead_of_http_is_borne(company):
    rnd = random.Random(7)
    import socket
    host, port = company.broker.url.partition("//")[2].partition("/")[0].split(":")
    for url in (company.broker.url, company.broker.router_url, company.broker.ops_url):
        host, port = url.partition("//")[2].partition("/")[0].split(":")
        for payload in (b"\0" * 100, rnd.randbytes(3000), b"GET /" + b"a" * 20_000, b"GET /v1 HTTP/1.1\r\n" + b"X: y\r\n" * 3000,
                        b"POST /v1/route HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            with socket.create_connection((host, int(port)), 10) as line:
                try:
                    line.sendall(payload)
                    line.shutdown(socket.SHUT_WR)
                    line.settimeout(15)
                    while line.recv(4096):
                        pass
                except (ConnectionError, TimeoutError, OSError):
                    pass
    assert company.broker.is_ready()


@pytest.mark.slow(240)
def test_random_bytes_and_mutated_messages_are_borne(company):
    """Seeded; each line is used until the broker closes it."""
    seed = 20240517
    print(f"seed {seed}")
    rnd = random.Random(seed)
    good = [dict(t="set", id=1, status="busy", note="x" * 20, until=now_ms() + 1_000_000), dict(t="ask", id=2, users=["ola", "nina"], numbers=["+471"]),
            dict(t="follow", id=3, users=["ola"], queues=["support"]), dict(t="device", id=4, state="idle"),
            dict(t="consent", id=5, purpose="presence", granted=True, text="v1")]
    raw, encoding = None, None
    for i in range(600):
        if raw is None:
            encoding = rnd.choice(["msgpack", "json"])
            raw = connect(company, encoding, rnd.random() < 0.8)
        data = encode(rnd.choice(good), encoding)
        data = bytearray(data.encode() if isinstance(data, str) else data)
        for _ in range(rnd.choice([1, 1, 2, 5])):
            action = rnd.random()
            at = rnd.randrange(len(data)) if data else 0
            if action < 0.5 and data:
                data[at] = rnd.randrange(256)
            elif action < 0.75 and data:
                del data[at:at + rnd.randrange(1, 4)]
            else:
                data[at:at] = rnd.randbytes(rnd.randrange(1, 5))
        try:
            raw.send(bytes(data), opcode=1 if encoding == "json" else 2)
            raw.socket.settimeout(0.02)
            try:
                while raw.read() not in (None,):
                    pass
                raw.close()
                raw = None
            except TimeoutError:
                raw.socket.settimeout(30)
        except ConnectionError:
            raw.close()
            raw = None
    if raw:
        raw.close()
    assert company.broker.is_ready()


# ---- requests that are understood, but wrong: they name the field, and the line stays ----

WRONG_FIELDS = [
    ("set", "status", dict(status="asleep"), "bad_request"),
    ("set", "status", dict(), "bad_request"),
    ("set", "status", dict(status=3), "bad_request"),
    ("set", "status", dict(status="unknown"), "bad_request"),
    ("set", "until", dict(status="busy", until=1_000), "bad_request"),
    ("set", "until", dict(status="busy", until=-5), "bad_request"),
    ("set", "until", dict(status="busy", until="14:30"), "bad_request"),
    ("set", "until", dict(status="busy", until=1.5e300), "bad_request"),
    ("set", "note", dict(status="busy", note="x" * 201), "bad_request"),
    ("set", "note", dict(status="busy", note="å" * 201), "bad_request"),
    ("set", "note", dict(status="busy", note=["x"]), "bad_request"),
    ("set", "activity", dict(status="busy", activity="in_call"), "bad_request"),
    ("set", "activity", dict(status="busy", activity="x" * 33), "bad_request"),
    ("set", "user", dict(status="busy", user="Not An Id"), "bad_request"),
    ("set", "user", dict(status="busy", user="ola@other"), "bad_request"),
    ("set", "forward", dict(status="busy", forward="nobody.at.all"), "not_found"),
    ("device", "state", dict(state="asleep"), "bad_request"),
    ("device", "state", dict(), "bad_request"),
    ("follow", "users", dict(users="everyone"), "bad_request"),
    ("follow", "users", dict(users=["ola", 7]), "bad_request"),
    ("follow", "users", dict(users=["x" * 65]), "bad_request"),
    ("follow", "users", dict(users=["u%d" % i for i in range(5001)]), "too_large"),
    ("ask", "users", dict(users=["OLA"]), "bad_request"),
    ("ask", "users", dict(users=["u%d" % i for i in range(1001)]), "too_large"),
    ("ask", "users", dict(users=["u%d" % i for i in range(600)], numbers=["+47%d" % i for i in range(600)]), "too_large"),
    ("ask", "numbers", dict(numbers=["+47"] * 1001), "too_large"),
    ("ask", "users", dict(users=["nobody"]), "not_found"),
]


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_a_wrong_field_is_named_and_the_line_stays(company, encoding):
    kari = await company.app("kari", encoding=encoding)
    ola = await company.app("ola")
    await ola.sees("kari", presence="active")
    mark = ola.mark()
    for t, field, fields, code in WRONG_FIELDS:
        if encoding == "json" and fields.get("until") == 1.5e300:
            continue
        error = await kari.refused(t, **fields)
        assert (error["code"], error.get("field")) == (code, field), (t, str(fields)[:200], error)
        assert error["message"]
        for value in fields.values():
            assert not (isinstance(value, str) and len(value) > 12 and value in error["message"]), "the message repeats what was sent"
    await kari.set("busy", note="å" * 200)  # 200 characters are not too many
    await ola.sees("kari", note="å" * 200)
    assert [r["note"] for r in ola.rows_since(mark, "kari")] == ["å" * 200]


async def test_too_many_open_requests_are_rate_limited(company):
    kari = await company.app("kari")
    count = 400
    answers = []
    for i in range(count):
        await kari.socket.send(encode(dict(t="set", id=100_000 + i, status="busy", note=f"{i}")))
    kari._answered = answers.append
    await kari.until(lambda: len(answers) == count, f"{count} answers")
    kinds = {a["t"] if a["t"] == "ok" else a["code"] for a in answers}
    assert kinds <= {"ok", "rate_limited"} and "ok" in kinds
    assert all(a.get("retry_ms", 0) > 0 for a in answers if a["t"] == "error")
    assert not kari.closed


# ---- other companies ----


async def test_no_byte_of_another_company(make_company):
    """Two companies whose people have the same names of everything, but for a marker in each."""
    def build(marker):
        from conftest import person
        return make_company(rows=[person(f"{marker}.{user}", name=f"{marker} {user}", department=f"{marker} dep", queues=f"{marker}.q")
                                  for user in ("kari", "ola", "nina")])
    left, right = build("xlefty"), build("xrighty")
    apps = {}
    for company, marker, other in ((left, "xlefty", "xrighty"), (right, "xrighty", "xlefty")):
        for user in ("kari", "ola"):
            app = await company.app(f"{marker}.{user}", device="d1", encoding="json" if user == "ola" else "msgpack")
            app.alien = (other.encode(), *[n.encode() for n in (right if company is left else left).numbers.values()])
            for frame in app.frames:
                assert other not in str(frame)
            apps[marker, user] = app
    for (marker, user), app in apps.items():
        other = "xrighty" if marker == "xlefty" else "xlefty"
        await app.ok("follow", users="all", queues=[f"{marker}.q"])
        await app.set("busy", note=f"note {marker} {user}")
        error = await app.refused("ask", users=[f"{other}.kari"])
        strange = await app.refused("ask", users=["never.was"])
        assert {k: v for k, v in error.items() if k != "id"} == {k: v for k, v in strange.items() if k != "id"}
        assert (await app.ask(numbers=list((right if marker == "xlefty" else left).numbers.values())))[0] == {}
        assert (await app.refused("ask", queues=[f"{other}.q"]))["code"] == "not_found"
        assert (await app.refused("set", status="busy", forward=f"{other}.kari"))["code"] == "not_found"
        await app.ok("follow", users=[f"{other}.kari", f"{other}.ola"])
        await app.ok("follow", users="all", queues=[f"{other}.q"])
    for (marker, user), app in apps.items():
        await app.sees(f"{marker}.kari", note=f"note {marker} kari")
        await app.sees(f"{marker}.ola", note=f"note {marker} ola")
        assert all(name.startswith(marker) for name in app.members)
        assert not app.queues


async def test_a_company_of_another_looks_like_none_whether_it_exists_or_not(company, make_company):
    other = make_company(consent=False)
    broker = company.broker
    admin = company.token("boss", "admin")
    body = "user,name,numbers,department,role,queues\nx,X,,,,\n"
    answers = [broker.http("POST", f"/v1/companies/{name}/import", token=admin, body=body, content_type="text/csv")
               for name in (other.id, "never-was-there")]
    assert [a.status for a in answers] == [404, 404]
    assert answers[0].body.replace(other.id.encode(), b"") == answers[1].body.replace(b"never-was-there", b"")


async def test_a_number_of_another_company_looks_like_one_that_nobody_has(company, make_company):
    other = make_company()
    token = company.token("router", "router")
    one = company.broker.route(other.numbers["kari"], token=token)
    two = company.broker.route(number(), token=token)
    for answer in (one, two):
        answer.pop("stale_ms", None)
        answer.pop("version", None)
    assert one == two and one["action"] == "unknown"
    assert other.id not in str(one)
