"""A client of the protocol that shares no code with the broker: Python's websockets and msgpack, written from the
protocol's description. It keeps the view that an app would show, and its place, and can break off after any frame.

Besides `App` there is `RawSocket`, which says exactly the bytes that it is told to say."""

import asyncio
import base64
import json
import os
import socket
import struct
import time

import msgpack
import websockets

PATIENCE_S = float(os.environ.get("LEDIG_PATIENCE_S") or 30)
MEMBER_COLUMNS = ["user", "availability", "activity", "since", "until", "note", "presence", "last_active"]
PROFILE_COLUMNS = ["user", "name", "department", "numbers", "queues"]
CALL_COLUMNS = ["call", "direction", "result", "started_at", "ended_at", "answered_at", "peer", "queue"]
USAGE_COLUMNS = ["queue", "calls", "in", "out", "internal", "answered", "missed", "talk_ms"]
ACTIVITY_COLUMNS = ["what", "at", "actor", "device", "detail", "times"]
ROUTE_COLUMNS = ["number", "action", "target", "user", "queue", "company", "via", "availability", "activity", "until", "version"]
QUEUE_COLUMNS = ["queue", "free", "busy", "wrap_up", "waiting", "oldest_at"]


def now_ms():
    return int(time.time() * 1000)


def encode(message, encoding="msgpack"):
    return msgpack.packb(message) if encoding == "msgpack" else json.dumps(message, ensure_ascii=False)


def decode(data, encoding="msgpack"):
    return msgpack.unpackb(data) if encoding == "msgpack" else json.loads(data)


def row(columns, values):
    """A row as a map: what was cut at its end is None."""
    return dict(zip(columns, list(values) + [None] * len(columns)))


class Refused(AssertionError):
    """A request was answered by `error`; .error is that message."""

    def __init__(self, error):
        super().__init__(str(error))
        self.error = error


class App:
    """One connected installation. Everything that comes is in .frames, in order."""

    _open = []

    def __init__(self, encoding):
        self.encoding = encoding
        self.socket, self.task = None, None
        self.frames, self.sizes = [], []
        self.members, self.profiles, self.queues = {}, {}, {}
        self.welcome, self.me, self.place, self.live = None, None, None, False
        self.close_code, self.closed = None, False
        self.errors = []  # those without id
        self.break_after = None  # frames still to be taken before the line is cut
        self.alien = ()  # byte strings that must never come
        self._requests, self._next_id, self._news = {}, 1, asyncio.Event()
        self.problem = None

    # ---- the line ----

    @classmethod
    async def connect(cls, url, encoding="msgpack"):
        app = cls(encoding)
        app.socket = await websockets.connect(
            url, subprotocols=[f"ledig.v1.{encoding}"], compression=None, ping_interval=None, max_size=None,
            max_queue=64, open_timeout=PATIENCE_S, close_timeout=5,
        )
        assert app.socket.subprotocol == f"ledig.v1.{encoding}", app.socket.subprotocol
        app.task = asyncio.ensure_future(app._read())
        cls._open.append(app)
        return app

    @classmethod
    async def close_all(cls):
        """Ends all that are still open in this process."""
        apps, App._open = App._open, []
        for app in apps:
            app.cut()
        await asyncio.gather(*(app.task for app in apps), return_exceptions=True)

    async def close(self):
        """Leaves politely."""
        await self.socket.close()
        await self.task
        if self in App._open:
            App._open.remove(self)

    def cut(self):
        """The line breaks: no goodbye, and nothing that is under way is read any more."""
        self.closed = True
        if asyncio.current_task() is not self.task:
            self.task.cancel()
        self.socket.transport.abort()
        self._fail_requests()
        self._news.set()

    async def _read(self):
        try:
            async for data in self.socket:
                self._take(data)
                if self.closed:
                    return
        except websockets.ConnectionClosed:
            pass
        except asyncio.CancelledError:
            return
        except Exception as problem:  # shown to whoever waits
            self.problem = problem
        finally:
            received = getattr(self.socket, "close_code", None)
            self.close_code = received if received is not None else 1006
            self.closed = True
            self._fail_requests()
            self._news.set()

    def _fail_requests(self):
        for request in self._requests.values():
            if not request.done():
                request.set_exception(ConnectionError("the line broke before the answer"))
                request.exception()  # not everyone waits for it
        self._requests.clear()

    # ---- what comes ----

    def _take(self, data):
        raw = data.encode() if isinstance(data, str) else data
        for marker in self.alien:
            assert marker not in raw, f"a byte of another company: {marker!r} in {raw[:300]!r}"
        assert isinstance(data, str) == (self.encoding == "json"), "the wrong kind of frame"
        assert len(raw) <= 65536, f"a message of {len(raw)} bytes"
        message = decode(data, self.encoding)
        self.frames.append(message)
        self.sizes.append(len(raw))
        handler = getattr(self, f"_on_{message['t']}", None)
        if handler:
            handler(message)
        self._news.set()
        if self.break_after is not None:
            self.break_after -= 1
            if self.break_after <= 0:
                self.cut()

    def _on_welcome(self, message):
        self.welcome = message
        if not message["resumed"]:
            self.forget()

    def forget(self):
        self.members, self.profiles, self.queues, self.place, self.live = {}, {}, {}, None, False

    def _on_me(self, message):
        self.me = message

    def _on_changes(self, message):
        for values in message.get("members") or []:
            self.members[values[0]] = row(MEMBER_COLUMNS, values)
        for values in message.get("profiles") or []:
            self.profiles[values[0]] = row(PROFILE_COLUMNS, values)
        for values in message.get("queues") or []:
            self.queues[values[0]] = row(QUEUE_COLUMNS, values)
        for user in message.get("removed") or []:
            self.members.pop(user, None)
            self.profiles.pop(user, None)
        if message.get("more"):
            assert "to" not in message and "epoch" not in message, f"both `more` and a place: {message}"
            if self.place:
                self.place["more"] = True
        else:
            self.place = dict(epoch=message["epoch"], version=message["to"], now=message["now"])
            self.live = True

    def _on_error(self, message):
        if message.get("id") is None:
            self.errors.append(message)
        else:
            self._answered(message)

    def _on_ok(self, message):
        self._answered(message)

    def _on_answer(self, message):
        self._answered(message)

    def _answered(self, message):
        request = self._requests.get(message["id"])
        assert request, f"an answer that nobody waits for: {message}"
        if getattr(request, "follows", None) and message["t"] == "ok":
            self.forget()
        request.parts.append(message)
        if not message.get("more"):
            del self._requests[message["id"]]
            if not request.done():
                request.set_result(message)

    # ---- what is said ----

    async def send(self, message):
        await self.socket.send(message if isinstance(message, (bytes, str)) else encode(message, self.encoding))

    async def hello(self, token, device="d1", kind="desktop", live=True, **fields):
        """Says hello; waits for `welcome`, and with `live` until the whole state is there. Returns the `welcome`."""
        device = device if isinstance(device, dict) else dict(id=device, kind=kind, os="test", app="ledig_client")
        await self.send(dict(t="hello", token=token, device=device, **fields))
        await self.until(lambda: self.welcome or self.errors, "welcome")
        if not self.welcome:
            raise Refused(self.errors[0])
        if live:
            await self.until(lambda: self.is_live() and self.me, "the first state and `me`")
        return self.welcome

    def is_live(self):
        """A resumed one is live with the first `changes` after `welcome` that has no `more`."""
        seen = False
        for message in reversed(self.frames):
            seen = seen or (message["t"] == "changes" and not message.get("more"))
            if message["t"] == "welcome":
                return seen
        return False

    async def request(self, t, timeout=None, **fields):
        """Sends a request; returns its `ok`, its last `answer` part (with .parts joined) or its `error`."""
        identity, self._next_id = self._next_id, self._next_id + 1
        waiting = asyncio.get_running_loop().create_future()
        waiting.parts, waiting.follows = [], t == "follow"
        self._requests[identity] = waiting
        await self.send(dict(t=t, id=identity, **fields))
        answer = await asyncio.wait_for(waiting, timeout or PATIENCE_S)
        if answer["t"] == "answer" and len(waiting.parts) > 1:
            answer = dict(answer)
            for name in ("members", "profiles", "queues", "calls", "routes", "activity"):
                answer[name] = [r for part in waiting.parts for r in part.get(name) or []]
        if answer["t"] == "answer":
            answer = dict(answer, parts=len(waiting.parts))
        return answer

    async def ok(self, t, **fields):
        """A request that must be granted; returns the `ok` (or `answer`)."""
        answer = await self.request(t, **fields)
        if answer["t"] == "error":
            raise Refused(answer)
        return answer

    async def set(self, status, **fields):
        return await self.ok("set", status=status, **fields)

    async def ask(self, **fields):
        """Rows by id: {user: member map}, with .answer as it came."""
        answer = await self.ok("ask", **fields)
        members = {values[0]: row(MEMBER_COLUMNS, values) for values in answer.get("members") or []}
        return members, answer

    async def calls(self, **fields):
        """One's own history: rows as maps, and `before` of the answer."""
        answer = await self.ok("calls", **fields)
        return [row(CALL_COLUMNS, values) for values in answer.get("calls") or []], answer.get("before")

    async def usage(self, **fields):
        """One's own calls added up: {queue, or None for all: map}."""
        answer = await self.ok("usage", **fields)
        return {values[0]: row(USAGE_COLUMNS, values) for values in answer["usage"]}

    async def activity(self, **fields):
        """What was done about one's own data and access: rows as maps, and `before` of the answer."""
        answer = await self.ok("activity", **fields)
        return [row(ACTIVITY_COLUMNS, values) for values in answer.get("activity") or []], answer.get("before")

    async def refused(self, t, **fields):
        """A request that must be refused; returns the `error`."""
        answer = await self.request(t, **fields)
        assert answer["t"] == "error", f"was granted: {answer}"
        return answer

    # ---- waiting ----

    async def until(self, condition, what="", timeout=None):
        """Waits until the condition holds; it is looked at whenever something came."""
        deadline = time.monotonic() + (timeout or PATIENCE_S)
        while True:
            if self.problem:
                raise self.problem
            value = condition()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0 or (self.closed and self.task.done()):
                last = [str(m)[:300] for m in self.frames[-5:]]
                raise AssertionError(f"{'closed with ' + str(self.close_code) if self.closed else 'not in time'}: "
                                     f"{what or condition}; last came {last}")
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def until_closed(self, timeout=None):
        """Waits for the end of the line; returns the close code."""
        done, _ = await asyncio.wait({self.task}, timeout=timeout or PATIENCE_S)
        assert done, "the line is still open"
        if self.problem:
            raise self.problem
        return self.close_code

    async def sees(self, user, timeout=None, **wanted):
        """Waits until this colleague looks so."""
        def looks_so():
            member = self.members.get(user)
            return member and all(member[name] == value for name, value in wanted.items()) and member
        return await self.until(looks_so, f"{user} is {wanted}; is {self.members.get(user)}", timeout)

    def mark(self):
        """A point in what has come, for since()."""
        return len(self.frames)

    def rows_since(self, mark, user=None):
        """The member rows that came since, of one colleague or all."""
        return [row(MEMBER_COLUMNS, values) for message in self.frames[mark:] if message["t"] == "changes"
                for values in message.get("members") or [] if user in (None, values[0])]

    def view(self):
        """What the app shows, for comparison."""
        return dict(members=dict(self.members), profiles=dict(self.profiles), queues=dict(self.queues))

    def resume(self):
        """The `resume` of a hello that continues here; None where nothing was heard."""
        return dict(self.place) if self.place else None

    def inherit(self, other):
        """Takes over what an earlier connection of the same installation showed."""
        self.members, self.profiles, self.queues = dict(other.members), dict(other.profiles), dict(other.queues)
        self.place = other.resume()


class Router(App):
    """A router that keeps one connection open, with its cache of the numbers that it follows."""

    def __init__(self, encoding):
        super().__init__(encoding)
        self.routes, self.complete = {}, False

    def forget(self):
        super().forget()
        self.routes, self.complete = {}, False

    def _on_routes(self, message):
        for values in message["routes"]:
            self.routes[values[0]] = row(ROUTE_COLUMNS, values)
        self.complete = self.complete or not message.get("more")

    def _on_claimed(self, message):
        self._answered(message)

    async def hello(self, token, router, **fields):
        await self.send(dict(t="hello", token=token, router=router, **fields))
        await self.until(lambda: self.welcome or self.errors, "welcome")
        if not self.welcome:
            raise Refused(self.errors[0])
        return self.welcome

    async def route(self, *numbers, **fields):
        """The rows of these numbers, in their order."""
        answer = await self.ok("route", numbers=list(numbers), **fields)
        return [row(ROUTE_COLUMNS, values) for values in answer["routes"]]

    async def follow(self, *numbers):
        """Follows these, and waits until there is a row of each."""
        await self.ok("follow", numbers=list(numbers))
        await self.until(lambda: self.complete or not numbers, "all rows")

    async def sees_route(self, number, **wanted):
        def looks_so():
            route = self.routes.get(number)
            return route and all(route[name] == value for name, value in wanted.items()) and route
        return await self.until(looks_so, f"{number} is {wanted}; is {self.routes.get(number)}")


class RawSocket:
    """A WebSocket made by hand: blocking, and without any rule but the ones the test gives it."""

    def __init__(self, url, encoding="msgpack", receive_bytes=None, path="/v1", protocol=None, source=None):
        host, port = url.partition("//")[2].partition("/")[0].rsplit(":", 1)
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, int(port)))
        self.encoding, self.buffer, self.answers_pings = encoding, b"", True
        protocol = protocol if protocol is not None else f"ledig.v1.{encoding}"
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                             + (f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else "") + "\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                break
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1]) if self.head else 0

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.buffer += data
        return bool(data)

    def frame(self, payload, opcode=2, final=True, mask=True, claimed=None):
        """The bytes of a frame; `claimed` is the length that its head tells, where that shall not be true."""
        length = len(payload) if claimed is None else claimed
        head = bytes([(0x80 if final else 0) | opcode])
        bit = 0x80 if mask else 0
        if length < 126:
            head += bytes([bit | length])
        elif length < 65536:
            head += bytes([bit | 126]) + struct.pack("!H", length)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", length)
        if not mask:
            return head + payload
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))

    def send(self, payload, **how):
        self.socket.sendall(self.frame(payload, **how))

    def say(self, message):
        data = encode(message, self.encoding)
        self.send(data.encode() if isinstance(data, str) else data, opcode=1 if self.encoding == "json" else 2)

    def read(self):
        """The next frame as (opcode, payload); None at the end of the line."""
        def need(count):
            while len(self.buffer) < count:
                if not self._more():
                    return False
            return True
        if not need(2):
            return None
        opcode, length, at = self.buffer[0] & 15, self.buffer[1] & 127, 2
        if length == 126:
            if not need(4):
                return None
            length, at = struct.unpack("!H", self.buffer[2:4])[0], 4
        elif length == 127:
            if not need(10):
                return None
            length, at = struct.unpack("!Q", self.buffer[2:10])[0], 10
        if not need(at + length):
            return None
        payload, self.buffer = self.buffer[at:at + length], self.buffer[at + length:]
        if opcode == 9 and self.answers_pings:
            try:
                self.send(payload, opcode=10)
            except OSError:
                pass
        return opcode, payload

    def messages_to_end(self):
        """Reads until the line ends: (messages, close code or None where there was no close frame)."""
        messages, code = [], None
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < deadline, f"the line is still open; came {messages[-3:]}"
            got = self.read()
            if got is None:
                return messages, code
            opcode, payload = got
            if opcode in (1, 2):
                messages.append(decode(payload, self.encoding))
            elif opcode == 8:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                try:
                    self.send(payload[:2], opcode=8)
                except OSError:
                    pass

    def message(self):
        """The next message; None at the end of the line or at a close frame."""
        while True:
            got = self.read()
            if got is None or got[0] == 8:
                return None
            if got[0] in (1, 2):
                return decode(got[1], self.encoding)

    def close(self):
        self.socket.close()
