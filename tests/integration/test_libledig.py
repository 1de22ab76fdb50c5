"""The client library against a broker that misbehaves on demand. The client is clients/c/example/console.c: a line on
stdout for each callback, a request for each line on stdin."""

import asyncio
import re
import ssl
import subprocess

import pytest

from broker_process import BUILD, PATIENCE_S, environment
from scripted_broker import PLACE, ScriptedBroker

pytestmark = pytest.mark.skipif(not (BUILD / "ledig-console").exists(), reason="built only with LEDIG_TESTS")


class Console:
    """The client program: lines that it printed, and requests to it."""

    def __init__(self, url, *flags, token="t1"):
        self.command = [BUILD / "ledig-console", url, *map(str, flags)]
        self.env, self.lines = environment(LEDIG_TOKEN=token), []

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        return self

    async def __aexit__(self, kind, *_):
        if self.process.returncode is None and kind is not None:
            self.process.kill()
        if kind is None:
            await self.end()

    async def until(self, pattern):
        """Reads on to the next line that matches; returns the match."""
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
            assert line, f"ended before {pattern!r}: {self.lines} {await self.process.stderr.read()}"
            self.lines.append(line.decode().rstrip("\n"))
            found = re.fullmatch(pattern, self.lines[-1])
            if found:
                return found

    def type(self, line):
        self.process.stdin.write(f"{line}\n".encode())

    async def end(self):
        """Closes stdin; the client must free itself, leave nothing on the loop, and leak nothing."""
        self.process.stdin.close()
        return await self.ended()

    async def ended(self):
        out, err = await asyncio.wait_for(
            asyncio.gather(self.process.stdout.read(), self.process.stderr.read()), PATIENCE_S)
        self.lines += out.decode().splitlines()
        await self.process.wait()
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {self.lines} {err.decode()}"
        return self.lines


# ---- State ----

async def test_a_snapshot_comes_row_by_row_between_forget_and_live():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        hello = await line.welcome()
        assert hello["token"] == "t1" and "resume" not in hello and hello.get("follow", "all") == "all"
        await line.changes(["ola", "busy"], more=True, profiles=[["ola", "Ola Nordmann"]])
        await line.changes(["nina", "available"], removed=["per"])
        await client.until("live")
        assert client.lines == ["connecting", "forget", "connected kari@demo resumed=0", "change profile ola Ola Nordmann",
                                "change member ola busy", "change member nina available", "change removed per", "live"]
        await line.changes(["ola", "away"])
        await client.until("change member ola away")


async def test_a_cut_line_resumes_at_the_last_place():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["ola", "busy"])
        await client.until("live")
        line.cut()
        assert (await client.until("waiting (\\w+) code=(\\d+) retry_ms=(\\d+) .*")).group(1, 2) == ("unavailable", "0")
        line = await broker.line()
        hello = await line.welcome(resumed=True)
        assert hello["resume"] == dict(epoch="e1", version=100, now=PLACE["now"])
        await line.changes(["ola", "away"], place=dict(PLACE, to=105))
        await client.until("connected kari@demo resumed=1")
        await client.until("change member ola away")
        await client.until("live")
        assert client.lines.count("forget") == 1


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
async def test_a_cut_after_any_frame_of_a_series_says_so_on_resume(frames):
    """Only the frame without `more` moves the place; that others came after it must be told."""
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["a", "busy"])
        for n in range(1, frames):
            await line.changes([f"u{n}", "away"], more=True)
        await client.until(f"change member {f'u{frames - 1}' if frames > 1 else 'a'} .*")
        if frames == 1:
            await client.until("live")
        line.cut()
        hello = await (await broker.line()).welcome()
        assert hello["resume"].get("more", False) is (frames > 1)
        assert hello["resume"]["version"] == 100
        await client.until("connected .* resumed=0")
        assert client.lines.count("forget") == 2


async def test_a_cut_within_the_first_snapshot_starts_from_nothing():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.welcome()
        await line.changes(["a", "busy"], more=True)
        await client.until("change member a busy")
        line.cut()
        hello = await (await broker.line()).welcome()
        assert "resume" not in hello


async def test_a_line_without_a_word_for_twice_the_ping_time_is_dead():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["a", "busy"], ping_ms=500)
        for _ in range(4):  # as long as something comes, it lives
            await client.until("change .*|live")
            await asyncio.sleep(0.35)
            await line.changes(["a", "away"])
        assert broker.lines == 1
        await client.until("waiting unavailable code=0 .* reason=the line is dead.*")
        await (await broker.line()).welcome(resumed=True)


async def test_a_broker_that_never_says_welcome_is_given_up_and_tried_again():
    async with ScriptedBroker() as broker, Console(broker.url, "--connect-timeout-ms", 300) as client:
        await broker.line()
        await client.until("waiting unavailable .* reason=no answer in time")
        await (await broker.line()).live()
        await client.until("live")


async def test_no_broker_is_waited_for():
    async with ScriptedBroker() as broker:
        url, port = broker.url, broker.port
    async with Console(url, "--retry-base-ms", 50) as client:
        await client.until("waiting unavailable .*")
        await client.until("waiting unavailable .*")
        async with ScriptedBroker(port) as broker:
            await (await broker.line()).live(["a", "busy"])
            await client.until("live")


async def test_messages_of_64_kib_and_in_many_fragments_arrive_whole():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.welcome()
        rows = [[f"user{n}", "busy", None, None, None, "x" * 190] for n in range(300)]
        await line.changes(*rows)
        await client.until("change member user299 busy")
        await client.until("live")
        assert sum(printed.startswith("change member") for printed in client.lines) == 300
        import msgpack
        message = msgpack.packb(dict(t="changes", members=[["ola", "away"]], **PLACE))
        await line.socket.send([message[:1], message[1:10], message[10:]])
        await client.until("change member ola away")


async def test_what_a_later_broker_adds_is_borne():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["ola", "hovering", None, None, None, None, "orbit", 5, "extra", [1]], features=["telepathy"])
        await line.say("telepathy", thought=1)
        await line.changes(["nina", "busy"], aura="blue")
        await client.until("change member nina busy")
        assert "change member ola hovering" in client.lines


# ---- The end of a line ----

async def test_bye_says_when_to_come_back():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live()
        await line.say("bye", reason="drain", retry_ms=321)
        await line.close(1001)
        await client.until("waiting unavailable code=1001 retry_ms=321 reason=drain")
        assert (await (await broker.line()).welcome(resumed=True))["resume"]["version"] == 100


@pytest.mark.parametrize("code", [4408, 4429])
async def test_too_much_or_too_slow_comes_back_when_told(code):
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.hear()
        await line.say("error", code="rate_limited", message="too many connections", retry_ms=123)
        await line.close(code)
        await client.until(f"waiting \\w+ code={code} retry_ms=123 reason=too many connections")
        await (await broker.line()).live()
        await client.until("live")


@pytest.mark.parametrize("code,error", [(4403, "forbidden"), (4409, "conflict")])
async def test_the_forbidden_and_the_replaced_stay_away(code, error):
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live()
        client.type("1 set busy")
        await line.hear()
        await line.close(code)
        await client.until("1 unavailable")
        await client.until(f"stopped {error} code={code} .*")
        client.type("2 set busy")
        await client.until(f"2 refused {error}")
        assert broker.lines == 1


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009])
async def test_a_fault_of_the_protocol_is_retried_late(code):
    async with ScriptedBroker() as broker, Console(broker.url, "--fault-retry-ms", 400) as client:
        line = await broker.line()
        await line.live()
        await line.close(code)
        found = await client.until(f"waiting \\w+ code={code} retry_ms=(\\d+) .*")
        assert 400 <= int(found.group(1)) <= 440
        await (await broker.line()).welcome()


async def test_what_is_no_message_is_a_fault_of_the_protocol():
    for garbage in (b"", b"\xc1", b"\x81\xa1t\xa7changes\x00", b"\x81\xa1t\xa7welcome", b"\x93\x01\x02\x03", b"\xff" * 70_000, "text"):
        async with ScriptedBroker() as broker, Console(broker.url, "--fault-retry-ms", 100) as client:
            line = await broker.line()
            await line.live()
            await client.until("live")
            await line.socket.send(garbage)
            found = await client.until("waiting \\w+ code=(\\d+) .*")
            assert int(found.group(1)) in (1002, 1003, 1009), garbage[:10]
            await (await broker.line()).welcome()


async def test_a_refused_token_is_asked_for_once():
    async with ScriptedBroker() as broker, Console(broker.url, "--takes-tokens", 1) as client:
        line = await broker.line()
        await line.hear()
        await line.say("error", code="unauthorized", message="the token has expired")
        await line.close(4401)
        await client.until("needs_token unauthorized code=4401 .* reason=the token has expired")
        await client.until("token\\?")
        client.type("token t2")
        line = await broker.line()
        assert (await line.welcome())["token"] == "t2"
        await line.close(4401)  # it expired again, later: accepted in between, so another may be asked for
        await client.until("token\\?")
        client.type("token t3")
        line = await broker.line()
        assert (await line.hear())["token"] == "t3"
        await line.close(4401)
        await client.until("stopped unauthorized .*")


async def test_a_token_that_ends_soon_is_renewed_on_the_line():
    async with ScriptedBroker() as broker, Console(broker.url, "--takes-tokens", 1) as client:
        line = await broker.line()
        await line.live()
        await client.until("live")
        await line.say("error", code="unauthorized", message="the token ends soon", expires_at=1767225600000)
        await client.until("expires at=1767225600000")
        client.type("7 renew t2")
        message = await line.hear()
        assert (message["t"], message["token"]) == ("token", "t2")
        await line.say("ok", id=message["id"])
        await client.until("7 ok")
        line.cut()
        await client.until("waiting .*")  # the warning was no refusal
        assert (await (await broker.line()).hear())["token"] == "t2"


async def test_a_refusal_counts_even_where_the_close_frame_is_lost():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.hear()
        await line.say("error", code="unauthorized", message="the token has expired")
        line.cut()
        await client.until("stopped unauthorized .*")


async def test_without_anybody_to_ask_for_a_token_it_stops():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        await (await broker.line()).close(4401)
        await client.until("stopped unauthorized code=4401 .*")


# ---- Requests ----

async def test_requests_made_before_there_is_a_line_are_sent_when_there_is():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        client.type("7 set busy Møte")
        line = await broker.line()
        await line.live()
        message = await line.hear()
        assert (message["t"], message["status"], message["note"]) == ("set", "busy", "Møte")
        await line.say("ok", id=message["id"], version=101)
        await client.until("7 ok version=101")


async def test_a_request_on_its_way_when_the_line_breaks_is_unknown_and_one_not_sent_waits():
    async with ScriptedBroker() as broker, Console(broker.url, "--retry-base-ms", 200) as client:
        line = await broker.line()
        await line.live()
        await client.until("live")
        client.type("1 set busy")
        await line.hear()
        line.cut()
        await client.until("1 unavailable")
        client.type("2 set away")
        line = await broker.line()
        await line.welcome(resumed=True)
        message = await line.hear()
        assert message["status"] == "away", "what was sent once is not sent again"
        await line.say("ok", id=message["id"], version=102)
        await client.until("2 ok version=102")


async def test_errors_name_the_field_and_the_time():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live()
        client.type("1 set busy")
        message = await line.hear()
        await line.say("error", id=message["id"], code="bad_request", message="must lie ahead", field="until", retry_ms=9)
        await client.until("1 bad_request field=until retry_ms=9")


async def test_a_request_that_is_never_answered_fails_in_time_and_a_late_answer_is_nobodys():
    async with ScriptedBroker() as broker, Console(broker.url, "--request-timeout-ms", 200) as client:
        line = await broker.line()
        await line.live()
        client.type("1 set busy")
        message = await line.hear()
        await client.until("1 unavailable")
        await line.say("ok", id=message["id"], version=103)
        client.type("2 set away")
        message = await line.hear()
        await line.say("ok", id=message["id"], version=104)
        await client.until("2 ok version=104")
        await line.say("ok", id=message["id"], version=104)  # twice
        await line.changes(["a", "busy"])
        await client.until("change member a busy")
        assert [printed for printed in client.lines if printed[0] in "12"] == ["1 unavailable", "2 ok version=104"]


async def test_a_request_without_a_line_fails_in_time():
    async with ScriptedBroker() as broker:
        url = broker.url
    async with Console(url, "--request-timeout-ms", 200) as client:
        client.type("1 set busy")
        await client.until("1 unavailable")


async def test_an_answer_in_parts_is_one_answer():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live()
        client.type("1 ask ola nina")
        message = await line.hear()
        assert message["users"] == ["ola", "nina"]
        await line.say("answer", id=message["id"], members=[["ola", "busy"]], stale_ms=0, more=True)
        await line.say("answer", id=message["id"], members=[["nina", "away"]], profiles=[["nina", "Nina"]], stale_ms=5)
        await client.until("1 ok")
        assert client.lines[-4:] == ["1 member ola busy", "1 profile nina Nina", "1 member nina away", "1 ok"]


# ---- Following ----

async def test_follow_forgets_and_counts_for_the_next_connection_too():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["ola", "busy"], ["nina", "busy"])
        await client.until("live")
        client.type("1 follow ola")
        message = await line.hear()
        assert message["users"] == ["ola"]
        await line.say("ok", id=message["id"])
        await client.until("forget")
        await client.until("1 ok")
        line.cut()  # before the first state of the new filter: no place is good
        line = await broker.line()
        hello = await line.welcome()
        assert hello["follow"] == ["ola"] and "resume" not in hello
        await line.changes(["ola", "busy"])
        await client.until("live")
        line.cut()
        assert "resume" in await (await broker.line()).welcome(resumed=True)


async def test_a_follow_that_the_line_took_with_it_starts_from_nothing():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["ola", "busy"])
        await client.until("live")
        client.type("1 follow nina")
        await line.hear()
        line.cut()
        await client.until("1 unavailable")
        hello = await (await broker.line()).welcome()
        assert hello["follow"] == ["nina"] and "resume" not in hello


async def test_a_refused_follow_changes_nothing():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live(["ola", "busy"])
        await client.until("live")
        client.type("1 follow nina")
        message = await line.hear()
        await line.say("error", id=message["id"], code="not_found", message="no such user")
        await client.until("1 not_found")
        line.cut()
        hello = await (await broker.line()).welcome(resumed=True)
        assert hello.get("follow", "all") == "all" and "resume" in hello


async def test_queues_are_followed_after_every_welcome():
    async with ScriptedBroker() as broker, Console(broker.url, "--queue", "support") as client:
        for _ in range(2):
            line = await broker.line()
            hello = await line.welcome()
            assert hello["follow"] == [] and "resume" not in hello
            await line.changes()
            message = await line.hear()
            assert (message["t"], message["users"], message["queues"]) == ("follow", "all", ["support"])
            await line.say("ok", id=message["id"])
            await line.changes(["ola", "busy"], queues=[["support", 2, 1, 0, 0]])
            await client.until("change queue support 2 free")
            await client.until("live")
            line.cut()


# ---- Its end ----

@pytest.mark.parametrize("moment", ["connecting", "forget", "connected", "change", "live", "waiting", "needs_token", "token?",
                                    "done", "row"])
async def test_it_can_be_freed_inside_of_any_callback(moment):
    async with ScriptedBroker() as broker, Console(broker.url, "--free-on", moment, "--takes-tokens", 1) as client:
        client.type("1 ask ola")
        client.type("2 set busy")
        client.type("3 set away")
        if moment != "connecting":
            line = await broker.line()
            try:
                await line.welcome()
                await line.changes(["ola", "busy"], ["nina", "busy"], profiles=[["ola", "Ola"]])
                if moment == "waiting":
                    line.cut()
                elif moment in ("needs_token", "token?"):
                    await line.close(4401)
                elif moment in ("done", "row"):
                    message = [await line.hear() for _ in range(3)][0]
                    await line.say("answer", id=message["id"], members=[["ola", "busy"], ["nina", "away"]], stale_ms=0)
            except Exception:
                pass  # the client may be gone already
        lines = await client.ended()
        assert lines[-1] == "freed"
        results = sorted(printed.split()[0] for printed in lines if re.match("[123] (ok|unavailable)", printed))
        assert len(results) == len(set(results)), "none is completed twice"
        if moment in ("done", "row"):
            assert results == ["1", "2", "3"], "each exactly once"


async def test_it_can_be_freed_while_it_connects_resolves_or_waits():
    async with ScriptedBroker() as broker:
        closed_url = broker.url
    for url in (closed_url, "ws://localhost:1/v1", "ws://192.0.2.1:9/v1", "ws://no-such-host.invalid/v1"):
        async with Console(url) as client:
            await client.until("connecting")
            client.type("1 set busy")
            client.type("free")
            assert (await client.ended())[-1] == "freed"


async def test_the_broker_is_told_that_the_client_goes():
    async with ScriptedBroker() as broker, Console(broker.url) as client:
        line = await broker.line()
        await line.live()
        await client.until("live")
        client.type("free")
        assert await line.until_closed() == 1000


# ---- TLS ----

def certificate(folder, *names):
    """A certificate for these names that signs itself: (a server's context with it, its file)."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], capture_output=True)
    if made.returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def at_localhost(broker):
    return broker.url.replace("127.0.0.1", "localhost")


async def test_tls_is_spoken_where_the_certificate_is_trusted(tmp_path):
    context, ca = certificate(tmp_path, "localhost")
    async with ScriptedBroker(ssl=context) as broker, Console(at_localhost(broker), "--ca-file", ca) as client:
        line = await broker.line()
        await line.live(["ola", "busy"])
        await client.until("live")
        line.cut()
        await (await broker.line()).welcome(resumed=True)
        await client.until("connected .* resumed=1")


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    context, _ = certificate(tmp_path, "localhost")
    async with ScriptedBroker(ssl=context) as broker, Console(at_localhost(broker)) as client:
        await client.until("waiting unavailable .*")
        assert broker.lines == 0


async def test_a_certificate_of_another_host_is_refused(tmp_path):
    context, ca = certificate(tmp_path, "ledig.example")
    async with ScriptedBroker(ssl=context) as broker, Console(at_localhost(broker), "--ca-file", ca) as client:
        print(await client.until("waiting unavailable .*"))
        assert broker.lines == 0
