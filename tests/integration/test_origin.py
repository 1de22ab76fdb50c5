"""Which web pages may connect, and what browsers are told: a page names its origin in the handshake and cannot lie about
it; programs name none and are served."""

import base64
import os
import re
import socket

import pytest

from broker_process import PATIENCE_S
from ledig_client import App
from test_metrics import until
from test_start import assert_one_clear_line, start
from test_tls import address, connect, pair, secure_broker  # noqa: F401: two of them are fixtures

HANDSHAKE = ("GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: ledig.v1.json\r\n{more}\r\n")


def handshake(broker, *origins, host=None, path="/v1"):
    """The status and the head of the answer to a page of these origins (one header each)."""
    more = "".join(f"Origin: {origin}\r\n" for origin in origins)
    key = base64.b64encode(os.urandom(16)).decode()
    is_tls = broker.url.startswith("wss:")
    with connect(broker) if is_tls else socket.create_connection(address(broker), PATIENCE_S) as line:
        line.sendall(HANDSHAKE.format(path=path, host=host or "%s:%d" % address(broker), key=key, more=more).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            came = line.recv(4096)
            if not came:
                break
            answer += came
    head = answer.partition(b"\r\n\r\n")[0].decode()
    return (int(head.split()[1]) if head else 0), head.lower()


def status(broker, *origins, **more):
    return handshake(broker, *origins, **more)[0]


HOSTILE = ["https://evil.example", "http://evil.example", "null", "file://", "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1.evil.example",
           "chrome-extension://abcdefgh", "http://", "//", "*", "x" * 2000, "http://127.0.0.1:{port}.evil.example", "http://evil@127.0.0.1:{port}",
           "http://127.0.0.1:{port}/", "http://127.0.0.1:{port}, http://evil.example", "http:127.0.0.1:{port}", "ftp://127.0.0.1:{port}"]


def test_pages_of_elsewhere_are_refused(broker):
    port = address(broker)[1]
    for origin in HOSTILE:
        got = status(broker, origin.format(port=port))
        assert got == 403, f"{origin}: {got}"
    assert status(broker) == 101
    until(broker, lambda metrics: metrics("origins_refused_total") >= len(HOSTILE), "they are counted")


def test_a_page_of_the_brokers_own_address_is_served(broker):
    host, port = address(broker)
    assert status(broker, f"http://{host}:{port}") == 101
    assert status(broker, f"https://{host}:{port}") == 101, "something in front of the broker may speak TLS"
    assert status(broker, "https://Ledig.Example", host="ledig.example") == 101
    assert status(broker, "https://ledig.example", host="ledig.example:443") == 101
    assert status(broker, "https://ledig.example", host="ledig.example:80") == 403
    assert status(broker, "https://ledig.example:8443", host="ledig.example") == 403
    assert status(broker, "https://other.example", host="ledig.example") == 403


def test_two_origins_are_none(broker):
    host, port = address(broker)
    own = f"http://{host}:{port}"
    assert status(broker, own, "https://evil.example") == 403
    assert status(broker, "https://evil.example", own) == 403


async def test_programs_name_no_origin_and_are_served(broker, company):
    kari = await company.app("kari")
    await kari.set("dnd")
    assert (await App.connect(broker.url)) is not None


def test_those_in_the_list_and_no_others(start_broker):
    broker = start_broker(origins="https://app.example.com, http://localhost:5173 capacitor://localhost")
    host, port = address(broker)
    for origin in ("https://app.example.com", "HTTPS://APP.example.com", "http://localhost:5173", "capacitor://localhost"):
        assert status(broker, origin) == 101, origin
    for origin in (f"http://{host}:{port}", "https://app.example.com.evil.example", "https://app.example.co", "http://app.example.com",
                   "https://app.example.com:8443", "http://localhost", "https://sub.app.example.com", "null", ","):
        assert status(broker, origin) == 403, origin
    assert status(broker, "https://evil.example", host="evil.example") == 403, "a name of theirs that leads to our address"
    assert status(broker) == 101


def test_by_tls_a_page_that_came_in_plain_text_is_refused(secure_broker):  # noqa: F811
    broker = secure_broker()
    host, port = address(broker)
    assert status(broker, f"https://{host}:{port}") == 101
    assert status(broker, f"http://{host}:{port}") == 403
    assert status(broker) == 101


@pytest.mark.parametrize("origins", ["app.example.com", "https://app.example.com/", "https://*.example.com", "*", "https://", "://x",
                                     "https://a.example;https://b.example", "https://" + "x" * 400])
def test_a_list_that_is_none(tmp_path, origins):
    assert_one_clear_line(start(tmp_path / "data", "--origins", origins), "--origins")
    assert not (tmp_path / "data").exists()


# ---- What browsers are told ----

ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
PAGES = {**ALWAYS, "content-security-policy": "default-src 'none'; frame-ancestors 'none'", "referrer-policy": "no-referrer"}


def headers(head):
    return dict(re.findall(r"^([a-z-]+): *(.*?)\r?$", head, re.M))


def answer_of(broker, base=None, path="/nothing"):
    is_tls = (base or broker.url).startswith(("wss:", "https:"))
    where = (base or broker.url).partition("//")[2].partition("/")[0].rpartition(":")
    with connect(broker) if is_tls else socket.create_connection((where[0], int(where[2])), PATIENCE_S) as line:
        line.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while came := line.recv(4096):
            answer += came
    return headers(answer.partition(b"\r\n\r\n")[0].decode().lower())


def test_every_answer_on_the_apps_port_says_how_little_it_may_be_used(broker):
    for got in (answer_of(broker), headers(handshake(broker, "https://evil.example")[1]), headers(handshake(broker, path="/v2")[1])):
        assert PAGES.items() <= got.items(), got
        assert "strict-transport-security" not in got, "in plain text nobody may say that"
        assert "set-cookie" not in got and not any(name.startswith("access-control") for name in got)


def test_with_tls_it_says_to_come_by_tls_for_a_year(secure_broker):  # noqa: F811
    broker = secure_broker()
    for got in (answer_of(broker), headers(handshake(broker, "https://evil.example")[1])):
        assert {**PAGES, "strict-transport-security": "max-age=31536000"}.items() <= got.items(), got


def test_programs_are_told_what_is_of_use_to_them(broker):
    for base, path in ((broker.router_url, "/v1/route"), (broker.ops_url, "/healthz"), (broker.ops_url, "/metrics")):
        got = answer_of(broker, base, path)
        assert ALWAYS.items() <= got.items(), got
        assert not (PAGES.keys() - ALWAYS.keys()) & got.keys(), "bytes that no program reads"
