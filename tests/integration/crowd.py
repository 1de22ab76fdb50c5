"""Clients that mean harm, or are broken: twenty kinds, drawn by a seed. A process of its own, so that it does not slow
down those who measure.

    crowd.py URL ROUTER_URL SEED COUNT SECONDS RATE < {"token": …, "expired": …}

Makes COUNT connections, RATE a second (0: as fast as they go), or as many as fit into SECONDS, and prints how many of each kind, and how each ended."""

import collections
import json
import os
import random
import socket
import struct
import sys
import threading
import time

from ledig_client import RawSocket, encode

THREADS = 10
SOURCES = [f"127.0.0.{i}" for i in range(2, 12)]
LINE_S, ANSWER_S = 2, 0.1  # patience with the broker, and with one that may rightly be waiting for more


class Crowd:
    def __init__(self, url, router_url, seed, tokens):
        self.url, self.router_url, self.tokens = url, router_url, tokens
        self.random = random.Random(seed)

    # ---- lines ----

    def plain(self, url=None):
        host, port = (url or self.url).partition("//")[2].partition("/")[0].rsplit(":", 1)
        line = socket.create_connection((host, int(port)), LINE_S, source_address=(self.random.choice(SOURCES), 0))
        line.settimeout(LINE_S)
        return line

    def upgraded(self):
        line = RawSocket(self.url, source=self.random.choice(SOURCES))
        line.socket.settimeout(LINE_S)
        if line.status != 101:
            raise ConnectionError("no upgrade")
        return line

    def greeted(self):
        line = self.upgraded()
        line.say(dict(t="hello", token=self.tokens["token"], follow=[],
                      device=dict(id=f"h{self.random.randrange(20)}", kind="web")))
        if not line.message():
            raise ConnectionError("no welcome")
        return line

    def to_end(self, line, most=200):
        """Reads until the line or the close frame ends it, and does not answer that: for the broker to bear, too."""
        for _ in range(most):
            frame = line.read()
            if frame is None or frame[0] == 8:
                break

    def http(self, data, url=None):
        line = self.plain(url)
        line.sendall(data)
        line.settimeout(ANSWER_S)
        try:
            line.recv(4096)
        finally:
            line.close()

    # ---- the kinds ----

    def connects_and_goes(self):
        self.plain().close()

    def noise(self):
        self.http(self.random.randbytes(self.random.randrange(1, 4000)) + b"\r\n\r\n")

    def half_a_head(self):
        line = self.plain()
        line.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpg")
        line.close()

    def huge_header(self):
        self.http(b"GET /v1 HTTP/1.1\r\nX: " + b"y" * 60_000 + b"\r\n\r\n")

    def many_headers(self):
        self.http(b"GET /v1 HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(800)) + b"\r\n")

    def wrong_path(self):
        self.http(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % self.random.choice([b"..%2f..", b"v1/%00", b"v1/me/devices/x"]))

    def wrong_length(self):
        length = self.random.choice([b"-1", b"99999999999999999999", b"4, 4", b"0x10"])
        self.http(b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n{}")

    def broken_body(self):
        body = self.random.choice([b"[" * 4000, b'{"company":' * 50, b"\xff" * 30, b'{"company":"acme","user":"x"}'])
        path = self.random.choice([b"login", b"password", b"token", b"logout"])
        self.http(b"POST /v1/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body))

    def asks_routers_without_a_token(self):
        path = self.random.choice([b"/v1/route?to=%2B4711111111", b"/v1/companies/acme/users/kari", b"/v1/companies/x/export"])
        self.http(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x.y.z\r\n\r\n", self.router_url)

    def says_no_hello(self):
        line = self.upgraded()
        line.say(dict(t="set", id=1, status="busy"))
        self.to_end(line)
        line.close()

    def bad_token(self):
        line = self.upgraded()
        token = self.random.choice([self.tokens["expired"], self.tokens["token"][:-4] + "AAAA", "x" * 3000, ""])
        line.say(dict(t="hello", token=token, device=dict(id="d", kind="web")))
        self.to_end(line)
        line.close()

    def no_message(self):
        line = self.upgraded()
        line.send(self.random.randbytes(self.random.randrange(1, 500)))
        self.to_end(line)
        line.close()

    def unmasked(self):
        line = self.upgraded()
        line.send(b"\x80", mask=False)
        self.to_end(line)
        line.close()

    def claims_too_much(self):
        line = self.upgraded()
        line.socket.sendall(line.frame(b"x" * 100, claimed=self.random.choice([65537, 1 << 31, (1 << 63) - 1])))
        self.to_end(line)
        line.close()

    def crumbs(self):
        line = self.greeted()
        line.send(b"x", final=False)
        line.socket.sendall(line.frame(b"", opcode=0, final=False) * 400)
        self.to_end(line)
        line.close()

    def never_ends(self):
        line = self.greeted()
        line.socket.sendall(line.frame(b"x" * 50, claimed=60_000))
        line.close()

    def pings(self):
        line = self.greeted()
        line.socket.sendall(line.frame(b"p" * 100, opcode=9) * 300)
        line.close()

    def mutated(self):
        line = self.greeted()
        for i in range(20):
            data = bytearray(encode(dict(t="follow", id=i + 1, users=["a", "b"])))
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
            line.send(bytes(data))
        line.socket.sendall(line.frame(struct.pack("!H", 1000), opcode=8))
        self.to_end(line)
        line.close()

    def floods(self):
        line = self.greeted()
        users = [f"{i:05}" for i in range(5000)]
        kind = self.random.choice([dict(t="follow", users=users), dict(t="find", text="a"), dict(t="ask", users=["h"] * 1000)])
        for i in range(10):
            line.say(dict(kind, id=i + 1))
        line.close()

    def cut_short(self):
        """The line breaks with a reset, answers unread."""
        line = self.greeted()
        line.say(dict(t="follow", id=1, users="all"))
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()


KINDS = ["connects_and_goes", "noise", "half_a_head", "huge_header", "many_headers", "wrong_path", "wrong_length",
         "broken_body", "asks_routers_without_a_token", "says_no_hello", "bad_token", "no_message", "unmasked",
         "claims_too_much", "crumbs", "never_ends", "pings", "mutated", "floods", "cut_short"]


def main():
    url, router_url, seed, count, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    rate, began = float(sys.argv[6]), time.monotonic()
    tokens, deadline, done = json.load(sys.stdin), began + seconds, collections.Counter()
    lock, numbers = threading.Lock(), iter(range(count))

    def run(thread):
        crowd = Crowd(url, router_url, seed * 1000 + thread, tokens)
        while time.monotonic() < deadline:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            kind = KINDS[number % len(KINDS)]
            time.sleep(max(0, began + number / rate - time.monotonic()) if rate else 0)
            try:
                getattr(crowd, kind)()
                how = "through"
            except (OSError, ConnectionError) as error:
                how = "late" if isinstance(error, TimeoutError) else "cut off"
            with lock:
                done[kind, how] += 1

    threads = [threading.Thread(target=run, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"total": sum(done.values()), "kinds": {f"{kind}, {how}": n for (kind, how), n in sorted(done.items())}}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
