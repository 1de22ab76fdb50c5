"""HTTP as clients speak it, well and badly, on the routers' port: one after the other on a kept connection, ahead of the
answer, in pieces, too much, too slowly, not at all."""

import http.client
import json
import random
import socket
import time

import pytest

from broker_process import PATIENCE_S, number, unique, wait_until
from test_router import is_problem


class Line:
    """A connection on which bytes are sent as they are."""

    def __init__(self, broker, receive_bytes=None):
        host, _, port = broker.router_url.partition("//")[2].partition(":")
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, int(port)))
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece.encode() if isinstance(piece, str) else piece)
        return self

    def answer(self, without_body=False):
        """(status, headers, body) of the next answer, or None where the connection is closed."""
        first = self.file.readline()
        if not first:
            return None
        assert first.startswith(b"HTTP/1."), first
        headers = http.client.parse_headers(self.file)
        length = int(headers["Content-Length"] or 0)
        body = b"" if without_body else self.file.read(length)
        assert without_body or len(body) == length
        return int(first.split()[1]), headers, body

    def closed(self):
        """Whether the broker closes it without a further word."""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True


def get(path, token=None, more=""):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "") + more + "\r\n"


def post(path, body, token=None, more="Content-Type: application/json\r\n"):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "") +
            more + "\r\n" + body)


@pytest.fixture
def token(broker):
    return broker.token("router", "*", "router")


def test_a_connection_is_kept_for_many_requests(broker, token):
    with Line(broker) as line:
        for i in range(200):
            body = json.dumps([number()])
            line.send(post("/v1/route", body, token) if i % 3 else get("/healthz"))
            status, headers, answer = line.answer()
            assert status == 200 and headers["Connection"] is None
            assert json.loads(answer) if i % 3 == 0 else json.loads(answer)[0]["action"] == "unknown"


def test_requests_sent_ahead_are_answered_in_order(broker, token):
    count = 400
    with Line(broker) as line:
        line.send("".join(get(f"/v1/route?to=%2B47{10_000_000 + i}" if i % 2 else f"/p{i}", token) for i in range(count)), get("/healthz"))
        for i in range(count):
            status, _, body = line.answer()
            assert status == (200 if i % 2 else 404), i
            assert json.loads(body).get("action") == ("unknown" if i % 2 else None)
        assert line.answer()[2] == b'{"ok":true}'


def test_a_request_with_a_body_sent_ahead_is_never_half_carried_out(broker):
    company = unique("firm")
    admin = broker.token("boss", company, "admin")
    csv = "user,name\nkari,Kari Prøvesen\n".encode().decode("latin-1")
    bring_in = post(f"/v1/companies/{company}/import", csv, admin, "Content-Type: text/csv\r\n")
    for before in (get("/healthz"), get("/v1/route?to=%2B4710000001", broker.token("router", company, "router")), bring_in):
        with Line(broker) as line:
            line.send((before + bring_in + get("/healthz")).encode("latin-1"))
            answers = [line.answer()]
            while answers[-1]:
                assert answers[-1][0] == 200, answers[-1]
                if answers[-1][2] == b'{"ok":true}' and len(answers) == 3:
                    break
                answers.append(line.answer())
    assert broker.import_csv(company, [["ola", "Ola Prøvesen", "", "", "", ""]]).status == 200


def test_pieces_of_any_size_make_the_same_request(broker, token):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rnd = random.Random(seed)
    with Line(broker) as line:
        for _ in range(20):
            text, pieces = post("/v1/route", json.dumps([number() for _ in range(rnd.choice([1, 30, 900]))]), token), []
            count = text.count('"+')
            while text:
                size = rnd.choice([1, 2, 5, 50, 3000, 10_000])
                pieces.append(text[:size])
                text = text[size:]
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.send(*pieces)
            status, _, body = line.answer()
            assert status == 200 and len(json.loads(body)) == count


def test_a_head_request_gets_the_head(broker):
    with Line(broker) as line:
        status, headers, _ = line.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer(without_body=True)
        assert status == 200 and headers["Content-Length"] == "11"
        assert line.send(get("/healthz")).answer()[2] == b'{"ok":true}'


def test_an_old_client_is_told_whether_the_connection_is_kept(broker):
    with Line(broker) as line:
        status, headers, _ = line.send("GET /healthz HTTP/1.0\r\n\r\n").answer()
        assert status == 200 and headers["Connection"] == "close" and line.closed()
    with Line(broker) as line:
        for _ in range(2):
            assert line.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()[1]["Connection"] == "keep-alive"
    with Line(broker) as line:
        assert line.send(get("/healthz", more="Connection: close\r\n")).answer()[1]["Connection"] == "close" and line.closed()


def test_one_who_waits_for_leave_to_send_gets_it(broker, token):
    with Line(broker) as line:
        line.send("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
                  f"Authorization: Bearer {token}\r\n\r\n")
        assert line.file.readline() == b"HTTP/1.1 100 Continue\r\n" and line.file.readline() == b"\r\n"
        assert line.send("[]").answer()[2] == b"[]"


@pytest.mark.parametrize("head, status", [
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\n\r\n", 411),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", 411),
    ("GET /v1/route HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n[]", 400),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]", 400),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n[]", 400),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n[]", 400),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n[]", 400),
    ("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n[]", 413),
    (get("/" + "a" * 1100), 414),
    (get("/v1/route?to=" + "a" * 4200), 414),
    (get("/v1/route?" + "&" * 20), None),
    (get("/v1/route", "x" * 5000), 431),
    (get("/v1/route", more="Content-Type: " + "x" * 200 + "\r\n"), 431),
    (get("/v1/route", more="X-Large: " + "x" * 40_000 + "\r\n"), None),
    (get("/caf%C3"), 400),
    (get("/a/%00b"), None),
    (get("/a%00b"), None),
    (get("/a%zz"), 403),
    ("BREW /v1/route HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("CONNECT /v1/route HTTP/1.1\r\nHost: x\r\n\r\n", None),
    (get("/healthz", more="Upgrade: h2c\r\nConnection: Upgrade\r\n"), None),
    ("GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", None),
    ("\r\n\r\n\r\n", None), ("nonsense\r\n\r\n", 403),
], ids=lambda v: repr(v)[:60])
def test_a_bad_request_is_refused_or_the_line_closed(broker, head, status):
    """`None`: whatever comes is no success, and libwebsockets may close without a word."""
    with Line(broker) as line:
        try:
            line.send(head)
            line.socket.shutdown(socket.SHUT_WR)
            answer = line.answer()
        except (OSError, AssertionError):  # closed in the middle of it
            answer = None
        assert answer is None or answer[0] >= 400
        assert status is None or (answer and answer[0] == status), answer
    assert broker.http("GET", "/healthz").status == 200


def test_an_escaped_slash_is_a_slash_before_anything_is_allowed(broker):
    mine, other = unique("firm"), unique("firm")
    admin = broker.token("boss", mine, "admin")
    for path in (f"/v1/companies/{mine}%2F..%2F{other}/import", f"/v1/companies/{mine}/../{other}/import", f"/v1%2Fcompanies/./{other}//import"):
        answer = broker.http("POST", path, token=admin, body="user,name\n", content_type="text/csv")
        assert is_problem(answer, 404, "not_found") and answer.json["detail"] == "no such company", path
    assert broker.http("POST", f"/v1%2Fcompanies/{mine}/import", token=admin, body="user,name\n", content_type="text/csv").status == 200


@pytest.mark.slow(120)
def test_who_does_not_come_on_is_closed(broker):
    lines = [Line(broker) for _ in range(3)]
    try:
        lines[0].send("GET /healthz HT")
        lines[1].send("POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[")
        begin = time.monotonic()
        for line in lines:
            assert line.closed()
        assert time.monotonic() - begin < 60
    finally:
        for line in lines:
            line.socket.close()


@pytest.mark.slow(120)
def test_a_large_answer_reaches_a_slow_reader_whole(make_company, broker):
    company = make_company(consent=False)
    body = json.dumps([company.numbers["kari"]] * 1000)
    with Line(broker, receive_bytes=4096) as line:
        for _ in range(3):
            line.send(post("/v1/route", body, company.token("router", "router")))
            wait_until(lambda: line.socket.recv(1, socket.MSG_PEEK), "the answer begins")
            status, _, answer = line.answer()
            assert status == 200 and [a["user"] for a in json.loads(answer)] == ["kari"] * 1000


@pytest.mark.slow(120)
def test_who_asks_and_does_not_read_costs_nobody_else(broker, token):
    lines = [Line(broker, receive_bytes=4096) for _ in range(8)]
    try:
        for line in lines:
            line.socket.settimeout(0.3)
            try:
                line.send(get("/" + "x" * 900) * 20_000)
            except TimeoutError:
                pass
        def cpu_ticks():
            with open(f"/proc/{broker.worker_pid('router')}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before, begin = cpu_ticks(), time.monotonic()
        while time.monotonic() - begin < 2:
            assert broker.http("GET", "/healthz").status == 200
            time.sleep(0.05)
        assert cpu_ticks() - before < 150, "of 200: it does not turn in circles, sanitizers and a busy machine allowed for"
    finally:
        for line in lines:
            line.socket.close()
    assert broker.http("GET", "/healthz").status == 200


def test_who_goes_away_before_the_answer_is_forgotten(broker, token):
    for i in range(200):
        with Line(broker) as line:
            line.send(get(f"/v1/route?to=%2B47{20_000_000 + i}", token), get("/healthz") if i % 2 else "")
    assert broker.http("GET", "/healthz").status == 200


def test_random_requests_in_a_row_are_borne(broker, token):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rnd = random.Random(seed)
    parts = [get("/healthz"), get("/v1/route?to=%2B4710000001", token), post("/v1/route", "[]", token), post("/v1/route", '["+4710000001"]', token),
             post("/v1/route", "x" * 300), "PUT /z HTTP/1.1\r\nContent-Length: 40\r\n\r\n" + "y" * 40, "POST /q HTTP/1.1\r\nContent-Length: 90\r\n\r\n",
             "POST /z HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "\r\n", "x", get("/a%00b"), "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             get("/healthz", more="Connection: close\r\n"), "HEAD /healthz HTTP/1.1\r\n\r\n"]
    for _ in range(300):
        with Line(broker) as line:
            line.socket.settimeout(0.02)
            data = "".join(rnd.choice(parts) for _ in range(rnd.randrange(1, 12))).encode()
            try:
                while data:
                    size = rnd.choice([1, 7, 50, 1000, len(data)])
                    line.send(data[:size])
                    data = data[size:]
                    if rnd.random() < 0.1:
                        line.socket.recv(100)
                if rnd.random() < 0.5:
                    line.socket.recv(10_000)
            except OSError:
                pass
    assert broker.http("GET", "/healthz").status == 200
