"""TLS for apps and for routers: the same protocol end to end, what it refuses, tickets that any worker takes, a certificate
that is renewed under those who are connected, and that nobody is served in plain text but this machine."""

import asyncio
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time

import pytest

from broker_process import PATIENCE_S, csv_text, number, wait_until
from ledig_client import App, RawSocket, encode
from test_fanout import rows_of_round
from test_metrics import Metrics, until
from test_start import assert_one_clear_line, start

LOOK_MS = 100


def make_pair(folder, name, *more):
    """A certificate that vouches for itself, with its key: (cert, key)."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", key, "-out", cert,
                    "-addext", "subjectAltName=IP:127.0.0.1", *(more or ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"))],
                   check=True, capture_output=True)
    return cert, key


def replace(path, source):
    """As those who renew certificates do it: whole, under another name first."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(source.read_bytes())
    fresh.chmod(0o600)
    os.replace(fresh, path)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """The pair that the broker is started with. Clients trust whatever stands in trusted.pem."""
    cert, key = make_pair(tmp_path, "first")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(cert.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return cert, key


@pytest.fixture
def secure_broker(start_broker, pair):
    def begin(**options):
        return start_broker(tls_cert=pair[0], tls_key=pair[1], tls_look_ms=LOOK_MS, **options)
    return begin


def address(broker, url=None):
    host, _, port = (url or broker.url).partition("//")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def client(version=None):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def connect(broker, context=None, session=None, receive_bytes=None, url=None):
    """A TLS connection on which bytes are sent as they are."""
    line = socket.socket()
    if receive_bytes:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    line.settimeout(PATIENCE_S)
    line.connect(address(broker, url))
    return (context or client()).wrap_socket(line, server_hostname="127.0.0.1", session=session)


def get(line, path="/nothing", more=""):
    """The answer to a request on a line that is kept: (status, body)."""
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    return read_answer(line)


def read_answer(line):
    answer = b""

    def read_on():
        came = line.recv(65536)
        if not came:
            raise ConnectionError(f"closed after {answer[:300]}")
        return answer + came

    while b"\r\n\r\n" not in answer:
        answer = read_on()
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(answer) < len(head) + 4 + length:
        answer = read_on()
    return int(head.split()[1]), answer.partition(b"\r\n\r\n")[2]


def common_name(line):
    return dict(part[0] for part in line.getpeercert()["subject"])["commonName"]


class SecureRawSocket(RawSocket):
    """A RawSocket whose bytes go through TLS."""

    def __init__(self, broker, receive_bytes=None):
        self.socket = connect(broker, receive_bytes=receive_bytes)
        self.encoding, self.buffer, self.answers_pings = "msgpack", b"", True
        self.socket.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Protocol: ledig.v1.msgpack\r\n\r\n")
        while b"\r\n\r\n" not in self.buffer and self._more():
            pass
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]


# ---- The protocol over it ----


async def test_a_change_goes_from_app_to_app(secure_broker, make_company):
    broker = secure_broker()
    assert broker.url.startswith("wss://") and f"apps {broker.url}" in broker.ready_line
    assert broker.router_url.startswith("http://") and broker.ops_url.startswith("http://")
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola", encoding="json")
    await kari.set("dnd", note="in TLS")
    await ola.sees("kari", availability="dnd", note="in TLS")
    await ola.set("available")
    await kari.sees("ola", availability="available")
    assert await kari.refused("set", status="nonsense")
    await kari.close()
    assert kari.close_code == 1000
    await ola.sees("kari", presence=None)


async def test_a_snapshot_of_many_records_arrives_whole(secure_broker, make_company):
    broker = secure_broker()
    users = [f"u{i}" for i in range(900)]
    company = make_company(broker=broker, users=users, consent=False)
    company.provision(rows_of_round(users, company.numbers, 7))
    app = await company.app("u0")
    assert set(app.profiles) == set(users)
    assert all(profile["name"].startswith("007 ") for profile in app.profiles.values())
    assert max(app.sizes) > 3 * 16384, "no message was longer than a few records"


async def test_a_long_message_in_pieces_is_read_to_its_end(secure_broker, make_company):
    """What OpenSSL has read already, the socket does not tell of."""
    broker = secure_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    for length in (125, 126, 127, 128, 129, 300, 5_000, 16_384, 40_000):
        error = await kari.request("set", status="dnd", note="n" * length)
        assert error["t"] == ("ok" if length <= 140 else "error"), (length, error)
    line = SecureRawSocket(broker)
    line.say(dict(t="hello", token=company.token("ola"), device=dict(id="raw", kind="mobile")))
    assert line.message()["t"] == "welcome"
    requests = [line.frame(encode(dict(t="ask", id=i, users=["kari"]))) for i in range(1, 51)]
    line.socket.sendall(b"".join(requests))  # all in one record
    answered = set()
    while len(answered) < len(requests):
        message = line.message()
        assert message, "it was closed"
        if message["t"] == "answer":
            answered.add(message["id"])
    line.close()


@pytest.mark.slow(180)
async def test_a_slow_reader_catches_up_over_tls(secure_broker, make_company):
    """It misses whole rounds, since there is no queue for it, and every record that it does get is whole."""
    broker = secure_broker()
    users = [f"u{i}" for i in range(800)]
    company = make_company(broker=broker, users=users, consent=False)
    slow = SecureRawSocket(broker, receive_bytes=4096)
    slow.say(dict(t="hello", token=company.token("u0"), device=dict(id="slow", kind="mobile")))
    assert slow.message()["t"] == "welcome"
    watcher = await company.app("u1")
    rounds = 30  # of half a megabyte: far beyond what the kernel keeps for a socket
    for step in range(rounds):
        company.provision(rows_of_round(users, company.numbers, step))
        await watcher.until(lambda: watcher.profiles["u0"]["name"].startswith(f"{step:03d}"))
    last = f"{rounds - 1:03d} "
    await watcher.until(lambda: all(profile["name"].startswith(last) for profile in watcher.profiles.values()))
    rows, latest = 0, {}
    while len(latest) < len(users) or not all(name.startswith(last) for name in latest.values()):
        message = await asyncio.get_running_loop().run_in_executor(None, slow.message)
        assert message, "the slow one was closed"
        for values in message.get("profiles") or []:
            rows += 1
            latest[values[0]] = values[1]
    slow.close()
    assert rows < rounds * len(users) * 0.7, f"{rows} rows: it was told of every step"


def test_http_on_the_port_is_answered_over_tls(secure_broker):
    broker = secure_broker()
    with connect(broker) as line:
        status, body = get(line)
        assert status == 404 and json.loads(body)["code"] == "not_found"
        assert get(line)[0] == 404  # the line is kept
    with connect(broker) as line:
        status, _ = get(line, "/v2", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ledig.v1.json\r\n")
        assert status == 404


async def test_one_who_does_not_take_its_answers_gets_them_all_in_the_end(secure_broker, make_company):
    """Nothing further is read from it meanwhile, and what OpenSSL has read already is not forgotten."""
    broker = secure_broker()
    users = [f"u{i}" for i in range(400)]
    company = make_company(broker=broker, users=users, consent=False)
    company.provision(rows_of_round(users, company.numbers, 1))
    line = SecureRawSocket(broker, receive_bytes=4096)
    line.say(dict(t="hello", token=company.token("u0"), device=dict(id="raw", kind="mobile")))
    assert line.message()["t"] == "welcome"
    count = 60
    for first in range(1, count + 1, 10):
        line.socket.sendall(b"".join(line.frame(encode(dict(t="ask", id=i, users=users[:256], profiles=True)))
                                     for i in range(first, first + 10)))
    answered = []
    while len(answered) < count:
        message = await asyncio.get_running_loop().run_in_executor(None, line.message)
        assert message, "it was closed"
        if message["t"] == "answer" and not message.get("more"):
            answered.append(message["id"])
    assert answered == sorted(answered)
    line.close()


# ---- Routers ----


@pytest.fixture
def secure_router(secure_broker, pair, tmp_path):
    """Both ports with TLS, each with a certificate of its own: (the broker, the routers' pair)."""
    own = make_pair(tmp_path, "routers")
    with open(os.environ["SSL_CERT_FILE"], "ab") as trusted:
        trusted.write(own[0].read_bytes())
    return secure_broker(router_tls_cert=own[0], router_tls_key=own[1]), own


def ask(line, path, token, method="GET", body=b""):
    """A request of a router on a line that is kept: (status, JSON)."""
    line.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return read_answer(line)


async def test_a_router_asks_and_provisions_by_tls(secure_router, make_company, tmp_path):
    broker, _ = secure_router
    assert broker.router_url.startswith("https://") and f"routers {broker.router_url}" in broker.ready_line
    token = broker.token("boss", "acme", "admin")
    people = tmp_path / "people.csv"
    people.write_text("user,name,numbers,department,role,queues\nkari,Kari Prøvesen,+4710009871,Drift,member,\n")
    done = broker.ledig("import", people, "--company", "acme", "--data", broker.data, "--url", broker.router_url,
                        env=dict(LEDIG_TOKEN=token, SSL_CERT_FILE=os.environ["SSL_CERT_FILE"]))
    assert done.returncode == 0, done.stderr
    router = broker.token("router", "acme", "router")
    with connect(broker, url=broker.router_url) as line:
        assert common_name(line) == "routers"
        for _ in range(3):  # the line is kept
            status, answer = ask(line, "/v1/route?to=%2B4710009871", router)
            assert status == 200 and json.loads(answer)["user"] == "kari"
        many = json.dumps(["+4710009871"] * 1000).encode()  # more than libwebsockets reads at once, in one record
        status, answer = ask(line, "/v1/route", router, "POST", many)
        assert status == 200 and len(json.loads(answer)) == 1000
    rows = [dict(user=f"u{i}", name=f"Nummer {i}", numbers=number(), department="Drift") for i in range(2000)]
    people.write_text(csv_text(rows))
    assert people.stat().st_size > 4 * 16384
    done = broker.ledig("import", people, "--company", "acme", "--data", broker.data, "--url", broker.router_url,
                        env=dict(LEDIG_TOKEN=token, SSL_CERT_FILE=os.environ["SSL_CERT_FILE"]))
    assert done.returncode == 0 and "2000 new" in done.stdout, (done.stdout, done.stderr)
    with connect(broker) as line:
        assert common_name(line) == "first"


def test_plain_text_on_the_routers_port_is_closed(secure_router):
    broker, _ = secure_router
    with socket.create_connection(address(broker, broker.router_url), PATIENCE_S) as line:
        line.sendall(b"GET /v1/route?to=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            came = line.recv(4096)
        except ConnectionError:
            came = b""
        assert came == b"" or came[0] == 0x15, came  # an alert, and no answer


@pytest.mark.filterwarnings("ignore:.*TLSv1.*:DeprecationWarning")
@pytest.mark.parametrize("port", ["apps", "routers"])
def test_the_server_chooses_and_only_from_modern_ciphers(secure_router, port):
    broker, _ = secure_router
    url = broker.url if port == "apps" else broker.router_url
    version_12 = client(ssl.TLSVersion.TLSv1_2)
    version_12.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    with connect(broker, version_12, url=url) as line:
        assert line.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256", "the client's order, and not ours"
    version_12.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")
    with connect(broker, version_12, url=url) as line:
        assert "CHACHA20" in line.cipher()[0], "a phone without AES in hardware puts it first"
    for weak in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM8"):
        version_12.set_ciphers(weak)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(broker, version_12, url=url)


# ---- As others judge it ----

# Versions, ciphers, what the server prefers, and headers; faults with a name follow from those, but for some. Less on the
# second port, which is set up by the same code.
FEW = ["--protocols", "--headers", "--renegotiation"]
MORE = [*FEW, "--std", "--server-preference", "--compression", "--heartbleed"]
SEVERE = {"MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN"}
OF_THE_TOOL = {"engine_problem"}  # it misses an extension of its own OpenSSL, for ciphers that nobody else has


@pytest.mark.slow(300)
@pytest.mark.parametrize("port, checks, looked_at", [("apps", MORE, {"TLS1_2", "TLS1_3", "HSTS_time", "heartbleed", "cipher_order"}),
                                                     ("routers", FEW, {"TLS1_2", "TLS1_3", "HSTS_time", "secure_renego"})],
                         ids=["apps", "routers"])
def test_testssl_finds_nothing_above_low(secure_router, tmp_path, port, checks, looked_at):
    broker, _ = secure_router
    host, number = address(broker, broker.url if port == "apps" else broker.router_url)
    report = tmp_path / "testssl.json"
    done = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--connect-timeout", "10",
                           "--openssl-timeout", "10", "--jsonfile", report, *checks, f"{host}:{number}"],
                          capture_output=True, text=True, timeout=280, stdin=subprocess.DEVNULL)
    findings = json.loads(report.read_text())
    assert looked_at <= {finding["id"] for finding in findings}, [finding["id"] for finding in findings]
    bad = [finding for finding in findings if finding["severity"] in SEVERE and finding["id"] not in OF_THE_TOOL]
    assert not bad and done.returncode == 0, json.dumps(bad, indent=1) + done.stdout[-3000:]


# ---- What it refuses ----


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_served_with_modern_ciphers(secure_broker, version):
    with connect(secure_broker(), client(version)) as line:
        name, _, bits = line.cipher()
        assert ("GCM" in name or "CHACHA20" in name) and bits >= 128
        assert line.compression() is None
        assert get(line)[0] == 404


@pytest.mark.filterwarnings("ignore:.*TLSv1.*:DeprecationWarning")
def test_older_versions_and_ciphers_are_refused(secure_broker):
    broker = secure_broker()
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = client(version)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(broker, old)
    for ciphers in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"):  # no forward secrecy, or CBC
        weak = client(ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers(ciphers)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(broker, weak)
    with connect(broker) as line:
        assert get(line)[0] == 404


def test_plain_text_is_closed_without_harm(secure_broker):
    broker = secure_broker()
    for words in (b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 65_535, b"\x80" * 300, b"\r\n" * 9):
        with socket.create_connection(address(broker), PATIENCE_S) as line:
            line.sendall(words)
            try:
                came = line.recv(4096)
                assert came == b"" or came[0] == 0x15, came  # an alert, and never an answer in plain text
                assert came == b"" or line.recv(4096) == b""
            except ConnectionError:
                pass
    with connect(broker) as line:
        assert get(line)[0] == 404


@pytest.mark.slow(60)
def test_a_handshake_that_does_not_come_on_is_closed(secure_broker):
    """Nothing, half a hello, and a handshake with nothing after it; those who speak meanwhile are served."""
    broker = secure_broker()
    silent = socket.create_connection(address(broker), PATIENCE_S)
    half = socket.create_connection(address(broker), PATIENCE_S)
    half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    idle = connect(broker)
    with connect(broker) as line:
        assert get(line)[0] == 404
    for line in (silent, half, idle):
        with line:
            try:
                while line.recv(4096):
                    pass
            except ConnectionError:
                pass


def test_renegotiation_is_refused(secure_broker):
    broker = secure_broker()
    host, port = address(broker)
    done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2"], input="R\n", text=True,
                          capture_output=True, timeout=PATIENCE_S)
    assert "no renegotiation" in done.stderr, done.stderr
    with connect(broker) as line:
        assert get(line)[0] == 404


# ---- Tickets ----


def is_taken_by(pid, line):
    """Whether the broker's end of this connection is a descriptor of this process."""
    here, there = (f":{end[1]:04X}" for end in (line.getsockname(), line.getpeername()))
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(there) and row[2].endswith(here)}
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(fd) in inodes:
                return True
        except FileNotFoundError:  # closed meanwhile
            pass
    return False


def connect_to(broker, pid, context, session=None):
    """A connection that was taken by this worker; the kernel spreads them."""
    def try_once():
        line = connect(broker, context, session)
        if not is_taken_by(pid, line):
            line.close()
            return None
        get(line)  # with TLS 1.3 the ticket comes after the handshake
        return line

    return wait_until(try_once, f"the kernel gives worker {pid} a connection")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_of_one_worker_is_taken_by_another(secure_broker, version):
    broker = secure_broker(workers=2)
    context = client(version)
    with connect_to(broker, broker.worker_pid(index=0), context) as line:
        assert not line.session_reused
        session = line.session
    assert session.has_ticket
    with connect_to(broker, broker.worker_pid(index=1), context, session) as line:
        assert line.session_reused


def test_a_ticket_outlives_a_restart_but_not_its_keys(secure_broker):
    broker = secure_broker()
    context = client(ssl.TLSVersion.TLSv1_2)
    keys = broker.data / "ticket.keys"

    def restart(hours):
        """Starts it as it would after so many hours."""
        broker.stop()
        then = time.time() - hours * 3600
        os.utime(keys, (then, then))
        broker.start()

    def resumed():
        with connect(broker, context, session) as line:
            return line.session_reused

    with connect(broker, context) as line:
        session = line.session
    assert keys.stat().st_mode & 0o777 == 0o600
    before = keys.read_bytes()
    restart(1)
    assert keys.read_bytes() == before and resumed()
    restart(13)
    after = keys.read_bytes()
    assert after[:80] == before[80:160] and after[160:] == before[:80] and resumed()  # next → current → previous
    restart(13)
    assert before[:80] not in keys.read_bytes() and not resumed()


def test_a_running_broker_takes_new_ticket_keys(secure_broker):
    broker = secure_broker()
    context = client(ssl.TLSVersion.TLSv1_2)
    keys = broker.data / "ticket.keys"
    with connect(broker, context) as line:
        session = line.session
    fresh = keys.with_suffix(".test")
    fresh.write_bytes(os.urandom(240))
    fresh.chmod(0o600)
    os.replace(fresh, keys)

    def resumed():
        with connect(broker, context, session) as line:
            return line.session_reused
    wait_until(lambda: not resumed(), "the old keys are gone")


# ---- Renewal ----


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
async def test_a_renewed_certificate_serves_new_connections_and_drops_none(secure_broker, make_company, pair, tmp_path, kind):
    broker = secure_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    with connect(broker) as line:
        assert common_name(line) == "first"
    cert, key = make_pair(tmp_path, "second", *(("-newkey", "rsa:2048") if kind == "RSA" else ()))
    with open(os.environ["SSL_CERT_FILE"], "ab") as trusted:
        trusted.write(cert.read_bytes())
    replace(pair[0], cert)  # for a moment the two do not fit
    wait_until(lambda: "certificate_kept" in broker.log(), "the half renewal is logged")
    with connect(broker) as line:
        assert common_name(line) == "first"
    replace(pair[1], key)

    def serving():
        with connect(broker) as line:
            return common_name(line)
    wait_until(lambda: serving() == "second", "the new certificate serves")
    ola = await company.app("ola")
    await ola.set("dnd", note="renewed")
    await kari.sees("ola", note="renewed")
    assert not kari.closed


async def test_a_broken_renewal_is_logged_and_the_old_certificate_kept(secure_broker, make_company, pair):
    broker = secure_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    pair[0].write_text("-----BEGIN CERTIFICATE-----\nbroken\n")
    wait_until(lambda: "certificate_kept" in broker.log(), "it is logged")
    pair[1].unlink()
    wait_until(lambda: broker.log().count("certificate_kept") >= 2, "so is a file that is gone")
    assert "BEGIN" not in broker.log()
    with connect(broker) as line:
        assert common_name(line) == "first"
    ola = await company.app("ola")
    await ola.set("dnd")
    await kari.sees("ola", availability="dnd")


@pytest.mark.parametrize("port", ["apps", "routers"])
async def test_a_signal_has_it_read_at_once_by_all_workers(start_broker, make_company, pair, tmp_path, port):
    """With so long a time between two looks that these cannot be what was it."""
    own = make_pair(tmp_path, "routers")
    with open(os.environ["SSL_CERT_FILE"], "ab") as trusted:
        trusted.write(own[0].read_bytes())
    broker = start_broker(workers=2, tls_cert=pair[0], tls_key=pair[1], router_tls_cert=own[0], router_tls_key=own[1],
                          tls_look_ms=3_600_000)
    pids = broker.processes()
    watcher = await App.connect(broker.url)
    url, old = (broker.url, pair) if port == "apps" else (broker.router_url, own)
    with connect(broker, url=url) as kept:
        cert, key = make_pair(tmp_path, "second")
        with open(os.environ["SSL_CERT_FILE"], "ab") as trusted:
            trusted.write(cert.read_bytes())
        replace(old[0], cert)
        replace(old[1], key)
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: broker.log().count("certificate_loaded") == 6, "three workers have read theirs, twice")

        def serving():
            with connect(broker, url=url) as line:
                return common_name(line)
        assert {serving() for _ in range(8)} == {"second"}
        assert get(kept)[0] in (401, 404), "one that was open was dropped"
    assert not watcher.closed and broker.processes() == pids


def test_a_signal_has_files_read_again_that_look_the_same(start_broker, pair):
    """A key that could not be read for its mode: nothing of what is looked at changes when that is mended."""
    broker = start_broker(tls_cert=pair[0], tls_key=pair[1], tls_look_ms=50)
    pair[1].chmod(0o644)
    os.utime(pair[1])
    wait_until(lambda: "certificate_kept" in broker.log(), "it is logged")
    pair[1].chmod(0o600)
    broker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: broker.log().count("certificate_loaded") == 2, "it is read")


def test_signals_from_the_first_moment_on_end_no_worker(start_broker):
    """Also those that come before a worker can hear them, with and without TLS."""
    broker = start_broker()
    killed = broker.worker_pid()
    os.kill(killed, signal.SIGKILL)

    def is_back():
        broker.process.send_signal(signal.SIGHUP)
        return broker.worker_pid() != killed and broker.log().count("process=app/0 event=ready") == 2
    wait_until(is_back, "another worker is ready")
    ends = [line for line in broker.log().splitlines() if "event=worker_ended" in line]
    assert len(ends) == 1 and "signal=9" in ends[0], ends


# ---- Others reach it by TLS, or not at all ----

HERE, ALL, ALL_6 = "127.0.0.1:0", "0.0.0.0:0", "[::]:0"
USER = ("--user", "root") if os.geteuid() == 0 else ()


@pytest.mark.parametrize("listen, word", [((ALL, HERE, HERE), "--tls-cert"), ((HERE, ALL, HERE), "--router-tls-cert"), ((HERE, HERE, ALL), "--ops-listen"),
                                          ((ALL_6, HERE, HERE), "--tls-cert"), ((HERE, ALL_6, HERE), "--router-tls-cert"),
                                          (("[::ffff:0.0.0.0]:0", HERE, HERE), "--tls-cert")])
def test_plain_text_for_others_is_refused(tmp_path, listen, word):
    result = start(tmp_path / "data", *USER, listen=listen)
    assert_one_clear_line(result, word)
    assert "--insecure" in result[1][0] and "127.0.0.1" in result[1][0]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("which", ["all", "--insecure"])
def test_with_tls_or_told_to_others_are_served(start_broker, pair, which):
    user = dict(user="root") if os.geteuid() == 0 else {}
    if which == "all":
        broker = start_broker(listen=ALL, router_listen=ALL, tls_cert=pair[0], tls_key=pair[1], router_tls_cert=pair[0],
                              router_tls_key=pair[1], **user)
        assert broker.url.startswith("wss://0.0.0.0") and broker.router_url.startswith("https://0.0.0.0")
    else:
        broker = start_broker(listen=ALL, router_listen="127.0.0.2:0", ops_listen=ALL, insecure="yes", **user)
        assert broker.url.startswith("ws://0.0.0.0")


@pytest.mark.parametrize("here", ["127.0.0.2:0", "localhost:0", "[::1]:0"])
def test_this_machine_is_served_in_plain_text(start_broker, here):
    assert start_broker(listen=here, router_listen=here).is_ready()


# ---- A start that cannot be ----


def test_a_pair_that_does_not_fit(tmp_path, pair):
    _, other = make_pair(tmp_path, "other")
    result = start(tmp_path / "data", "--tls-cert", pair[0], "--tls-key", other)
    assert_one_clear_line(result, "does not belong")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o644])
def test_a_key_that_others_may_read(tmp_path, pair, mode):
    pair[1].chmod(mode)
    assert_one_clear_line(start(tmp_path / "data", "--tls-cert", pair[0], "--tls-key", pair[1]), "chmod 600")


def test_files_that_are_not_what_they_should_be(tmp_path, pair):
    cert, key = pair
    nothing = tmp_path / "nothing"
    nothing.write_text("")
    nothing.chmod(0o600)
    half = tmp_path / "half"
    half.write_bytes(cert.read_bytes() + cert.read_bytes()[:300])
    closed = tmp_path / "closed.key"
    subprocess.run(["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", closed], check=True, capture_output=True)
    closed.chmod(0o600)
    _, short = make_pair(tmp_path, "short", "-newkey", "rsa:1024")
    for cert_path, key_path, words in [(tmp_path / "absent", key, "No such file"), (cert, tmp_path / "absent", "No such file"),
                                       (tmp_path, key, "is no file"), (nothing, key, "no chain"), (half, key, "no chain"), (key, key, "no chain"),
                                       (cert, nothing, "no private key"), (cert, cert, ("others may read", "no private key")),
                                       (cert, closed, "pass phrase"), (tmp_path / "short.pem", short, "cannot be used")]:
        assert_one_clear_line(start(tmp_path / "data", "--tls-cert", cert_path, "--tls-key", key_path),
                              *([words] if isinstance(words, str) else words))


def test_one_without_the_other(tmp_path, pair):
    for flag, path in (("--tls-cert", pair[0]), ("--tls-key", pair[1])):
        code, lines, _ = start(tmp_path / "data", flag, path)
        assert code == 2 and len(lines) == 1 and "--tls-cert and --tls-key" in lines[0]


async def test_one_that_breaks_the_rules_while_it_joins_does_not_join(secure_broker, make_company):
    """A hello and a frame of the wrong kind in one record: the second is looked at while the company is loaded."""
    broker = secure_broker(workers=1)
    first, second = make_company(broker=broker), make_company(broker=broker, consent=[])  # the second is not loaded
    kari = await first.app("kari")
    before = until(broker, lambda m: m("connections") == 1, "the workers' next reports")
    line = SecureRawSocket(broker)
    hello = encode(dict(t="hello", token=second.token("kari"), device=dict(id="x", kind="mobile")))
    redis = broker.redis_pid()
    os.kill(redis, signal.SIGSTOP)
    try:
        line.socket.sendall(line.frame(hello) + line.frame(b" " * 4000, opcode=1))
        opcodes = [line.read()[0] for _ in range(2)]
    finally:
        os.kill(redis, signal.SIGCONT)
    assert opcodes == [2, 8]  # an error, and the close, which is not answered
    await kari.set("busy")  # the store answers again
    assert line.read() is None
    line.close()
    seen = until(broker, lambda m: m("connections") == 1, "it has gone")
    assert seen("joins_total") == before("joins_total") and seen("sessions") == 1
    assert seen("drops_total") == seen("drops_total", reason="wrong_kind") == 1
