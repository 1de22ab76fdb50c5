"""The apps' port with TLS: the same protocol end to end, what it refuses, tickets that any worker takes, and a
certificate that is renewed under those who are connected."""

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

from broker_process import PATIENCE_S, wait_until
from ledig_client import RawSocket, encode
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


def address(broker):
    host, _, port = broker.url.partition("//")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def client(version=None):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def connect(broker, context=None, session=None, receive_bytes=None):
    """A TLS connection on which bytes are sent as they are."""
    line = socket.socket()
    if receive_bytes:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    line.settimeout(PATIENCE_S)
    line.connect(address(broker))
    return (context or client()).wrap_socket(line, server_hostname="127.0.0.1", session=session)


def get(line, path="/nothing", more=""):
    """The answer to a request on a line that is kept: (status, body)."""
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(4096)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += line.recv(4096)
    return int(head.split()[1]), body


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
        assert line.recv(1) == b""  # there is nothing to come back for
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
