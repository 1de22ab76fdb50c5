"""What one peer may take, and what it gets when it takes more: the answer, the counter, and that the others do not feel
it. The tests come from loopback addresses of their own (127.0.0.2 and so on), which their broker does not trust."""

import asyncio
import http.client
import json
import os
import pathlib
import re
import socket
import struct
import threading
import time

import pytest

import broker_process
from broker_process import wait_until
from ledig_client import PATIENCE_S, RawSocket, Refused, decode, encode
from test_login import PASSWORD, PHONE, set_first
from test_metrics import Metrics

STRANGER, OTHER = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def limited(start_broker):
    """limited(address_logins="3:1/60", …): a broker that trusts 127.0.0.1 alone."""
    def start(**limits):
        options = {f"limit_{name}": value for name, value in limits.items() if not name.endswith("_ms")}
        options.update({name: value for name, value in limits.items() if name.endswith("_ms")})
        return start_broker(trusted_addresses="127.0.0.1", **options)
    return start


def in_thread(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def address_of(url):
    host, port = url.partition("//")[2].partition("/")[0].rsplit(":", 1)
    return host, int(port)


def ask(broker, method, path, body=None, source=STRANGER, url=None):
    """One request by HTTP from an address of one's own: (status, document, Retry-After)."""
    host, port = address_of(url or broker.url)
    line = http.client.HTTPConnection(host, port, timeout=PATIENCE_S, source_address=(source, 0))
    try:
        line.request(method, path, body=json.dumps(body) if body is not None else None)
        answer = line.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, answer.headers.get("Retry-After")
    finally:
        line.close()


def log_in(company, user, password=PASSWORD, source=STRANGER):
    return ask(company.broker, "POST", "/v1/login", {"company": company.id, "user": user, "password": password, "device": PHONE},
               source)


def refusals(broker, limit):
    return Metrics(broker)("limited_total", limit=limit)


def counted(broker, limit, least=1):
    wait_until(lambda: refusals(broker, limit) >= least, f"{limit} is counted")


def knock(broker, source):
    """A connection from that address; whatever was said right away."""
    line = socket.create_connection(address_of(broker.url), PATIENCE_S, source_address=(source, 0))
    line.setblocking(False)
    return line


def is_turned_away(line, wait_s=1.0):
    line.settimeout(wait_s)
    try:
        return b" 429 " in line.recv(4096)
    except socket.timeout:
        return False


def raw(company, user="kari", source=None, device="raw", encoding="msgpack"):
    """A connection of bytes, greeted."""
    line = RawSocket(company.broker.url, encoding, source=source)
    line.say(dict(t="hello", token=company.token(user), device=dict(id=device, kind="web"), follow=[]))
    assert line.message()["t"] == "welcome"
    return line


# ---- Addresses ----


def test_one_address_has_so_many_connections(limited):
    broker = limited(address_connections="5")
    lines = [knock(broker, STRANGER) for _ in range(5)]
    sixth = knock(broker, STRANGER)
    assert is_turned_away(sixth)
    counted(broker, "address_connections")
    assert ask(broker, "GET", "/v1/me/devices", source=OTHER)[0] == 401, "another address is served"
    assert ask(broker, "GET", "/v1/me/devices", source="127.0.0.1")[0] == 401, "a trusted one, too"
    lines.pop().close()

    def fits_again():
        line = knock(broker, STRANGER)
        lines.append(line)
        return not is_turned_away(line, 0.2)
    wait_until(fits_again, "who leaves makes room")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_has_ended_does_not_count(limited, kind):
    """Ways for a connection to end: each gives its place back."""
    broker = limited(address_connections="3", hello_ms=100)
    for _ in range(8):
        def end_one():
            line = knock(broker, STRANGER)
            line.settimeout(PATIENCE_S)
            if kind == "http":
                line.sendall(b"GET /v1/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            else:
                line.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                             b"Sec-WebSocket-Protocol: ledig.v1.json\r\n\r\n")
            answer = b""
            while True:
                more = line.recv(4096)
                answer += more
                if not more or b"\x88" in more:  # the end, or a close frame
                    break
            line.close()
            return b" 405 " in answer or b" 101 " in answer
        wait_until(end_one, "there is room again")
    wait_until(lambda: Metrics(broker)("connections") == 0, "none is left")


def test_one_address_opens_so_many_connections_a_second(limited):
    broker = limited(address_handshakes="5:1/60")
    for _ in range(5):
        assert ask(broker, "GET", "/v1/me/devices")[0] == 401
    line = knock(broker, STRANGER)
    line.settimeout(PATIENCE_S)
    said = line.recv(4096)
    assert said.startswith(b"HTTP/1.1 429 "), said
    retry_s = int(said.partition(b"Retry-After: ")[2].split()[0])
    assert 30 <= retry_s <= 61
    counted(broker, "address_handshakes")
    assert ask(broker, "GET", "/v1/me/devices", source=OTHER)[0] == 401


def test_the_routers_port_counts_connections_too(limited):
    broker = limited(address_handshakes="3:1/60")
    for _ in range(3):
        assert ask(broker, "GET", "/healthz", url=broker.router_url)[0] == 200
    assert is_turned_away(socket.create_connection(address_of(broker.router_url), PATIENCE_S, source_address=(STRANGER, 0)))
    counted(broker, "address_handshakes")


def test_one_address_asks_so_much_by_http(limited):
    broker = limited(address_messages="5:1/60")
    for _ in range(5):
        assert ask(broker, "GET", "/v1/me/devices")[0] == 401
    status, problem, retry_after = ask(broker, "GET", "/v1/me/devices")
    assert status == 429 and problem["code"] == "rate_limited"
    assert 0 < problem["retry_ms"] <= 60_000 and int(retry_after) == problem["retry_ms"] // 1000 + 1
    counted(broker, "address_messages")
    assert ask(broker, "GET", "/v1/me/devices", source=OTHER)[0] == 401


@pytest.mark.parametrize("limit, value", [("address_messages", "20:1/60"), ("address_bytes", "2000:1/60")])
def test_one_address_says_so_much_by_websocket(limited, make_company, limit, value):
    broker = limited(**{limit: value})
    company = make_company(broker=broker, consent=("kari",))
    line = raw(company, source=STRANGER)
    honest = raw(company, device="honest")
    for i in range(1, 41):
        line.say(dict(t="ask", id=i, users=["ola"] * 10))
    messages, code = line.messages_to_end()
    assert code == 4429
    last = messages[-1]
    assert last["t"] == "error" and last["code"] == "rate_limited" and 0 < last["retry_ms"] <= 4_000_000 and "id" not in last
    counted(broker, limit)
    honest.say(dict(t="ask", id=1, users=["ola"]))
    assert any(honest.message()["t"] == "answer" for _ in range(5)), "the same person from elsewhere is served"


# ---- People ----


@pytest.mark.parametrize("limit", ["user_messages", "company_messages"])
async def test_too_many_messages_are_refused_one_by_one_and_then_the_line_is_cut(limited, make_company, limit):
    broker = limited(**{limit: "50:1/1"})
    company = make_company(broker=broker, consent=False)
    line = raw(company)
    for i in range(1, 201):
        line.say(dict(t="device", id=i, state="active"))
    messages, code = await in_thread(line.messages_to_end)
    refused = [m for m in messages if m["t"] == "error"]
    assert code == 4429
    assert [m["id"] for m in refused if "id" in m] == list(range(51, 51 + len(refused) - 1)), "each is answered by its id"
    assert all(m["code"] == "rate_limited" and m["retry_ms"] > 0 for m in refused)
    assert len(refused) <= 66
    await in_thread(counted, broker, limit, 64)
    other = await company.app("ola", live=False)
    if limit == "user_messages":
        await other.ok("device", state="idle")
    else:
        assert (await other.refused("device", state="idle"))["code"] == "rate_limited"


async def test_one_who_waits_as_told_is_served(limited, make_company):
    broker = limited(user_messages="5:5/1")
    company = make_company(broker=broker, consent=False)
    app = await company.app("kari", live=False)
    granted = 0
    while granted < 20:
        answer = await app.request("device", state="active")
        if answer["t"] == "error":
            assert answer["code"] == "rate_limited" and 0 < answer["retry_ms"] <= 1000
            await asyncio.sleep(answer["retry_ms"] / 1000)
        else:
            granted += 1
    assert not app.closed


async def test_dear_messages_count_more(limited, make_company):
    broker = limited(user_messages="100:1/60")
    company = make_company(broker=broker, consent=False)
    app = await company.app("kari", live=False)
    for _ in range(5):
        await app.ok("follow", users=["ola"])
    assert (await app.refused("follow", users=["ola"]))["code"] == "rate_limited"


async def test_bytes_of_a_person_are_counted(limited, make_company):
    broker = limited(user_bytes="100000:1000/1")
    company = make_company(broker=broker, consent=False)
    app = await company.app("kari", live=False)
    users = [f"{i:05}" for i in range(4000)]  # some 24 KB
    for _ in range(4):
        await app.ok("follow", users=users)
    assert (await app.refused("follow", users=users))["code"] == "rate_limited"
    await in_thread(counted, broker, "user_bytes")


async def test_a_company_has_so_many_devices(limited, make_company):
    broker = limited(company_sessions="2")
    company = make_company(broker=broker, consent=False)
    kari, ola = await company.app("kari", live=False), await company.app("ola", live=False)
    with pytest.raises(Refused) as refused:
        await company.app("nina", live=False)
    assert refused.value.error["code"] == "rate_limited"
    await company.app("kari", live=False, device="second")  # she is here already
    await in_thread(counted, broker, "company_sessions")
    other = make_company(broker=broker, consent=False)
    await other.app("nina", live=False)
    kari.cut()
    await ola.ok("device", state="idle")


def test_one_worker_has_so_many_connections(limited):
    broker = limited(worker_connections="3")
    lines = [knock(broker, "127.0.0.1") for _ in range(3)]
    assert is_turned_away(knock(broker, "127.0.0.1"))
    counted(broker, "worker_connections")
    lines.pop().close()
    wait_until(lambda: not is_turned_away(knock(broker, OTHER), 0.2), "who leaves makes room")


# ---- Log-ins ----


def test_guesses_at_one_person_are_few_whether_or_not_there_is_one(limited, make_company):
    broker = limited(user_logins="4:1/60")
    company = make_company(broker=broker)
    tokens = set_first(company, "kari").json
    answers = {}
    for user in ("kari", "nobody"):
        tried = [log_in(company, user, "a wrong password", source=STRANGER if i % 2 else OTHER) for i in range(5)]
        assert [status for status, _, _ in tried] == [401] * 4 + [429]
        problem = tried[-1][1]
        assert 50_000 < problem.pop("retry_ms") <= 60_000
        answers[user] = problem
    assert answers["kari"] == answers["nobody"], "nobody learns who works here"
    assert log_in(company, "kari")[0] == 429, "the right password has to wait, too"
    assert log_in(company, "ola", "a wrong password")[0] == 401, "another person has not"
    counted(broker, "user_logins", 3)
    # who is logged in is not held up by it: neither their connection, nor their tokens, nor a change of password
    answer = ask(broker, "POST", "/v1/token", {"refresh": tokens["refresh"]})
    assert answer[0] == 200
    host, port = address_of(broker.url)
    line = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    line.request("POST", "/v1/password", body=json.dumps({"old": PASSWORD, "password": "noe helt annet"}),
                 headers={"Authorization": f"Bearer {answer[1]['token']}"})
    assert line.getresponse().status == 200
    line.close()


def test_a_good_log_in_ends_the_counting(limited, make_company):
    broker = limited(user_logins="3:1/600")
    company = make_company(broker=broker)
    assert set_first(company, "kari").status == 200
    for _ in range(3):
        assert log_in(company, "kari", "a wrong password")[0] == 401
        assert log_in(company, "kari", "a wrong password")[0] == 401
        assert log_in(company, "kari")[0] == 200


def test_guesses_at_the_old_password_are_few(limited, make_company):
    broker = limited(user_logins="3:1/60")
    company = make_company(broker=broker)
    token = set_first(company, "kari").json["token"]
    host, port = address_of(broker.url)
    seen = []
    for _ in range(4):
        line = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        line.request("POST", "/v1/password", body=json.dumps({"old": "not hers at all", "password": "noe helt annet"}),
                     headers={"Authorization": f"Bearer {token}"})
        seen.append(line.getresponse().status)
        line.close()
    assert seen == [403, 403, 403, 429]
    assert log_in(company, "kari")[0] == 200, "and do not hold up her log-in"


@pytest.mark.parametrize("path, body, limit", [
    ("/v1/login", {"company": "acme", "user": "{}", "password": "x" * 12, "device": PHONE}, "address_logins"),
    ("/v1/password", {"company": "acme", "user": "{}", "password": "x" * 12, "invitation": "y", "device": PHONE},
     "address_logins"),
    ("/v1/token", {"refresh": "acme:{}:0123456789abcdef:x"}, "address_refreshes"),
])
def test_one_address_tries_few_people(limited, path, body, limit):
    broker = limited(**{limit: "6:1/60"})
    seen = [ask(broker, "POST", path, json.loads(json.dumps(body).replace("{}", f"u{i}"))) for i in range(7)]
    assert [status for status, _, _ in seen] == [401] * 6 + [429], seen
    assert 50_000 < seen[-1][1]["retry_ms"] <= 60_000
    counted(broker, limit)
    assert ask(broker, "POST", path, json.loads(json.dumps(body).replace("{}", "u9")), source=OTHER)[0] == 401


# ---- Settings ----


@pytest.mark.parametrize("flag, value", [("limit_user_logins", "10"), ("limit_user_logins", "0:1/1"),
                                         ("limit_worker_connections", "1:1/1"), ("trusted_addresses", "all")])
def test_a_setting_that_is_none_is_refused(start_broker, flag, value):
    with pytest.raises(AssertionError, match="exit code 2"):
        start_broker(**{flag: value})


def test_off_is_no_limit(limited):
    broker = limited(address_logins="off", user_logins="off")
    seen = [ask(broker, "POST", "/v1/token", {"refresh": "none"})[0] for _ in range(30)]
    assert seen == [401] * 30


# ---- Floods, and those who never come to an end ----


def memory_of(broker, kind="app"):
    status = pathlib.Path(f"/proc/{broker.worker_pid(kind)}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


FLOOD_BYTES_MAX = 64 << 20  # what a flood of some MB may leave behind in a worker whose sanitizer keeps what was freed


@pytest.fixture
def flooded(start_broker, make_company, monkeypatch):
    """A company of whom kari floods; ola is served meanwhile, and the memory stays."""
    environment = broker_process.environment
    monkeypatch.setattr(broker_process, "environment", lambda **more: with_small_quarantine(environment(**more)))
    return make_company(broker=start_broker(), consent=("kari",))


def with_small_quarantine(env):
    return dict(env, ASAN_OPTIONS=env["ASAN_OPTIONS"] + ":quarantine_size_mb=8")


async def meanwhile(company, flood, *arguments):
    """Runs the flood in a thread while an honest app asks; returns what the flood returns."""
    ola = await company.app("ola", live=False, device="honest")
    await ola.ask(users=["kari"])
    before, asked = memory_of(company.broker), 0
    task = in_thread(flood, company, *arguments)
    while not task.done() or asked < 3:
        await ola.ask(users=["kari", "nina"])
        asked += 1
        await asyncio.wait({task}, timeout=0.02)
    grown = memory_of(company.broker) - before
    assert grown < FLOOD_BYTES_MAX, f"{grown >> 20} MiB more after the flood"
    return await task


def say_all(line, messages):
    """Sends all at once while reading what comes; what came until the end, or all are answered: (messages, close code)."""
    data, got, code, open_ = b"".join(line.frame(encode(m)) for m in messages), [], None, {m["id"] for m in messages}
    sender = threading.Thread(target=send_quietly, args=(line, data), daemon=True)
    sender.start()
    while True:
        frame = line.read()
        if frame is None:
            break
        if frame[0] == 8:
            code = struct.unpack("!H", frame[1][:2])[0]
            break
        if frame[0] == 2:
            got.append(decode(frame[1]))
            if not got[-1].get("more"):
                open_.discard(got[-1].get("id"))
            if not open_:
                break
    line.close()
    sender.join()
    return got, code


def send_quietly(line, data):
    try:
        line.socket.sendall(data)
    except OSError:
        pass


MANY_IDS = [f"{i:06}" for i in range(5000)]
FLOODS = {
    "follow": lambda i: dict(t="follow", id=i, users=MANY_IDS),
    "follow all": lambda i: dict(t="follow", id=i, users="all"),
    "find": lambda i: dict(t="find", id=i, text="a"),
    "ask": lambda i: dict(t="ask", id=i, users=["ola", "nina"] * 500),
    "set": lambda i: dict(t="set", id=i, status="busy", note=str(i) * 10),
    "calls": lambda i: dict(t="calls", id=i),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_of_requests_is_answered_or_cut_off(flooded, name):
    def flood(company):
        messages, code, answered = [], None, set()
        messages, code = say_all(raw(company), [FLOODS[name](i) for i in range(1, 401)])
        for message in messages:
            if "id" in message and not message.get("more"):
                assert message["id"] not in answered, f"answered twice: {message}"
                answered.add(message["id"])
        return code, answered, {m.get("code") for m in messages if m["t"] == "error"}
    code, answered, errors = await meanwhile(flooded, flood)
    assert code in (None, 4429), (code, errors)
    assert code == 4429 or answered == set(range(1, 401)), (code, len(answered), errors)
    print(name, code, len(answered), errors)
    assert errors <= ({"rate_limited", "consent_required"} if name == "calls" else {"rate_limited"}), errors


async def test_pings_without_end_are_borne(flooded):
    def flood(company):
        line = raw(company)
        line.answers_pings = False
        pings = b"".join(line.frame(os.urandom(100), opcode=9) for _ in range(1000))
        for _ in range(20):
            line.socket.sendall(pings)
        line.say(dict(t="ask", id=1, users=["ola"]))
        while True:
            message = line.message()
            if message is None or message["t"] == "answer":
                return message
    assert await meanwhile(flooded, flood), "and who sent them is served when they are through"


@pytest.mark.parametrize("what", ["bytes", "nothing", "first nothing"])
async def test_a_message_in_crumbs_is_refused(flooded, what):
    def flood(company):
        line = raw(company)
        crumb = b"x" if what == "bytes" else b""
        crumbs = b"".join(line.frame(crumb, opcode=0, final=False) for _ in range(1000))
        line.send(b"" if what == "first nothing" else b"x", final=False)
        for _ in range(60):
            send_quietly(line, crumbs)
        return line.messages_to_end()
    messages, code = await meanwhile(flooded, flood)
    assert code == 1009 and messages[-1]["code"] == "too_large", (code, messages[-1])


async def test_empty_messages_end_the_line(flooded):
    def flood(company):
        line = raw(company)
        send_quietly(line, line.frame(b"") * 10000)
        return line.messages_to_end()
    _, code = await meanwhile(flooded, flood)
    assert code in (1007, 4429)


async def test_a_frame_that_never_ends_ends_the_line(start_broker, make_company):
    """Bytes of a frame that drip in are no sign of life: what is asked for, a pong, cannot come between them."""
    broker = start_broker(ping_ms=200)
    company = make_company(broker=broker, consent=False)

    def drip():
        line = raw(company)
        line.answers_pings = False
        line.socket.sendall(line.frame(b"x" * 10, claimed=60000))
        line.socket.settimeout(0.05)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                line.socket.sendall(b"x")
                if not line.socket.recv(4096):
                    return True
            except socket.timeout:
                continue
            except OSError:
                return True
        return False
    assert await in_thread(drip), "the line is still open"


def test_who_does_not_answer_the_close_is_cut_off(start_broker):
    """In two seconds, also where nothing else happens on the worker that would have it look at its clock."""
    broker = start_broker(hello_ms=100)
    line = RawSocket(broker.url)
    while line.socket.recv(4096):
        pass


def test_hellos_with_bad_tokens_are_sent_away(start_broker, make_company):
    company = make_company(broker=start_broker(), consent=False)
    for i in range(150):
        line = RawSocket(company.broker.url)
        token = company.token("kari")
        token = token[:-8] + "AAAAAAAA" if i % 2 else "x" * 4000
        line.say(dict(t="hello", token=token, device=dict(id="d", kind="web")))
        assert line.messages_to_end()[1] in (4401, 1008), i
        line.close()
    line = raw(company)
    line.close()


@pytest.mark.parametrize("count, status", [(8, 101), (100, 0), (5000, 0)])
def test_a_handshake_that_offers_many_subprotocols(start_broker, count, status):
    broker = start_broker()
    names = ", ".join([f"chat.v{i}" for i in range(count)] + ["ledig.v1.msgpack"])
    try:
        line = RawSocket(broker.url, protocol=names)
        assert line.status == status or (status == 0 and 400 <= line.status < 500), line.head
    except ConnectionError:
        assert status == 0
    RawSocket(broker.url).close()


def test_a_handshake_with_a_huge_header_is_refused(start_broker):
    broker = start_broker()
    before = memory_of(broker)
    for _ in range(20):
        line = knock(broker, "127.0.0.1")
        line.settimeout(PATIENCE_S)
        try:
            line.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\nX-Padding: " + b"y" * (2 << 20))
            answer = line.recv(4096)
        except ConnectionError:
            answer = b""
        assert b" 101 " not in answer
        line.close()
    assert memory_of(broker) - before < FLOOD_BYTES_MAX
    RawSocket(broker.url).close()


def test_who_drips_is_closed(start_broker):
    """Heads and bodies that come byte by byte have a time for the whole, and not for each byte."""
    broker = start_broker()
    lines = {}
    for name, head in {"head": b"GET /v1 HT", "handshake": b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX: ",
                       "body": b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n"}.items():
        lines[name] = knock(broker, "127.0.0.1")
        lines[name].sendall(head)
    deadline = time.monotonic() + PATIENCE_S
    while lines and time.monotonic() < deadline:
        time.sleep(0.25)  # the drip itself
        for name, line in list(lines.items()):
            try:
                line.sendall(b"x")
                if not line.recv(4096):
                    del lines[name]
            except BlockingIOError:
                pass
            except OSError:
                del lines[name]
    assert not lines, f"still open: {list(lines)}"
