"""A broker that does as a test says, and nothing else: the faults of a line, of a token and of the protocol that a real
broker does not show on demand. What it says is a script; what it means is not checked here."""

import asyncio

import msgpack
import websockets

PLACE = dict(epoch="e1", to=100, now=1_800_000_000_000)
LIMITS = dict(message_bytes=65536, note_chars=200, ask_count=1000, follow_count=5000)


class Line:
    """One connection, seen from the broker."""

    def __init__(self, socket):
        self.socket, self.hello = socket, None

    async def say(self, t, **fields):
        await self.socket.send(msgpack.packb(dict(t=t, **fields)))

    async def hear(self):
        return msgpack.unpackb(await self.socket.recv())

    async def welcome(self, resumed=False, ping_ms=25_000, **fields):
        self.hello = await self.hear()
        assert self.hello["t"] == "hello", self.hello
        answer = dict(user="kari", company="demo", session="s1", now=PLACE["now"], epoch="e1", ping_ms=ping_ms,
                      resumed=resumed, limits=LIMITS, features=[])
        answer.update(fields)
        await self.say("welcome", **answer)
        return self.hello

    async def changes(self, *members, more=False, place=PLACE, **fields):
        fields.update(dict(more=True) if more else place)
        await self.say("changes", members=[list(m) for m in members], **fields)

    async def live(self, *members, **fields):
        """Says welcome and the whole state."""
        await self.welcome(**fields)
        await self.changes(*members)

    async def close(self, code=1000, reason=""):
        await self.socket.close(code, reason)

    def cut(self):
        """The line ends without a word."""
        self.socket.transport.abort()

    async def until_closed(self):
        """Hears on until the client has gone; returns its close code (1006 = without one)."""
        try:
            while True:
                await self.socket.recv()
        except websockets.ConnectionClosed:
            return self.socket.close_code


class ScriptedBroker:
    """`async with ScriptedBroker() as broker: line = await broker.line()` takes the next connection."""

    def __init__(self, port=0, **serve):
        self.port, self.serve, self.waiting, self.lines = port, serve, None, 0

    async def __aenter__(self):
        self.waiting, self.over = asyncio.Queue(), asyncio.Event()
        self.server = await websockets.serve(self._handle, "127.0.0.1", self.port, subprotocols=["ledig.v1.msgpack"],
                                             ping_interval=None, close_timeout=1, **self.serve)
        self.port = self.server.sockets[0].getsockname()[1]
        scheme = "wss" if "ssl" in self.serve else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_):
        self.over.set()
        self.server.close()
        await self.server.wait_closed()

    async def _handle(self, socket):
        self.lines += 1
        await self.waiting.put(Line(socket))
        closed = asyncio.ensure_future(socket.wait_closed())
        await asyncio.wait([closed, asyncio.ensure_future(self.over.wait())], return_when=asyncio.FIRST_COMPLETED)

    async def line(self, timeout=20):
        return await asyncio.wait_for(self.waiting.get(), timeout)
