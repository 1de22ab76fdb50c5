"""Each process is killed the hard way; what was acknowledged stays, and no ghost outlives its lease and grace."""

import asyncio
import fcntl
import os
import pty
import signal
import socket
import subprocess
import termios
import time

import pytest
import websockets

from broker_process import BUILD, PATIENCE_S, environment, is_running, processes_with, wait_until
from ledig_client import App, now_ms

GHOST_GRACE_S = 3  # what these brokers grant a device whose worker died


async def come_back(broker, company, user, former, **hello):
    """Connects as an app does whose line broke: again and again, with its place."""
    deadline = time.monotonic() + 60
    while True:
        try:
            app = await App.connect(broker.url)
            app.inherit(former)
            resume = former.resume()
            await app.hello(company.token(user), **(dict(resume=resume) if resume else {}), **hello)
            return app
        except (OSError, AssertionError, asyncio.TimeoutError, Exception) as problem:
            if time.monotonic() > deadline:
                raise AssertionError(f"could not come back: {problem!r}") from problem
            await asyncio.sleep(0.1)


def in_thread(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def test_the_broker_is_what_its_file_says(start_broker):
    broker = start_broker(workers=2)
    facts = broker.processes()
    assert facts["pid"] == broker.process.pid
    assert sorted((w["kind"], w["index"]) for w in facts["workers"]) == [("app", 0), ("app", 1), ("router", 0)]
    assert all(is_running(pid) for pid in [facts["redis_pid"], *(w["pid"] for w in facts["workers"])])
    assert len({facts["url"], facts["router_url"], facts["ops_url"]}) == 3
    assert len(broker.stdout_lines) == 1, f"one line on stdout: {broker.stdout_lines}"
    port = facts["url"].rsplit(":", 1)[1].partition("/")[0]
    assert port in broker.ready_line and port != "0"


def test_health_and_readiness(broker):
    for path in ("/healthz", "/readyz"):
        assert broker.http("GET", path, base=broker.ops_url).status == 200
    assert broker.http("GET", "/nothing", base=broker.ops_url).status == 404


def test_redis_has_no_tcp_port_and_the_key_is_ours_alone(broker):
    pid = broker.redis_pid()
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as lines:
            listening = {f"socket:[{line.split()[9]}]" for line in list(lines)[1:]}
        assert not inodes & listening, "Redis has a TCP socket"
    assert (broker.data / "token.key").stat().st_mode & 0o777 == 0o600
    sockets = [p for p in broker.data.rglob("*") if p.is_socket()]
    assert sockets, "no unix socket in the data directory"
    for path in [broker.data, *sockets]:
        assert path.stat().st_mode & 0o007 == 0, f"{path} can be reached by others"


def test_redis_syncs_each_write(broker):
    path = next(p for p in broker.data.rglob("*") if p.is_socket())
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(path))
        answers = b""
        line.sendall(b"CONFIG GET appendfsync\r\nCONFIG GET appendonly\r\nPING\r\n")
        while b"+PONG" not in answers:
            answers += line.recv(4096)
    assert b"always" in answers and b"yes" in answers


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_everything_in_order(start_broker, make_company, signal_number):
    broker = start_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy", note="siste ord")
    pids = [broker.processes()["redis_pid"], *(w["pid"] for w in broker.processes()["workers"])]
    # as a terminal does it: to all of the group at once
    if signal_number == signal.SIGINT:
        for pid in [broker.process.pid, *pids]:
            if os.getpgid(pid) == os.getpgid(broker.process.pid):
                os.kill(pid, signal_number)
    else:
        broker.process.send_signal(signal_number)
    assert await kari.until_closed() in (1000, 1001)
    assert broker.process.wait(30) == 0, broker.log()[-3000:]
    broker.process = None
    wait_until(lambda: not any(map(is_running, pids)), "all are gone", 5)
    broker.start()
    back = await company.app("kari")
    await back.sees("kari", availability="busy", note="siste ord")


@pytest.mark.slow(240)
async def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker, users=[f"u{i}" for i in range(6)])
    apps = {user: await company.app(user) for user in company.users}
    for round_number in range(3):
        notes = {}
        for user, app in apps.items():
            notes[user] = f"{user} runde {round_number}"
            await app.set("busy", note=notes[user])
        await in_thread(broker.kill_worker)
        for user, app in apps.items():
            assert await app.until_closed() == 1006
        apps = {user: await come_back(broker, company, user, app) for user, app in apps.items()}
        for app in apps.values():
            assert app.welcome["resumed"] is True, "a place is good on another worker"
            await app.until(lambda: {u: r["note"] for u, r in app.members.items()} == notes)
    assert "supervisor" in broker.log()


@pytest.mark.slow(240)
async def test_no_ghost_outlives_the_lease_of_its_worker_and_the_grace(start_broker, make_company):
    """Of two workers one is killed; and another broker is stopped in order and started again."""
    grace_ms = GHOST_GRACE_S * 1000
    broker = start_broker(workers=2, lease_ms=1_500, verify_ms=500, grace_ms=grace_ms)
    other = start_broker(grace_ms=grace_ms)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(14)])
    stopped = make_company(broker=other)
    apps = {user: await company.app(user) for user in company.users}  # by chance on both workers
    for app in apps.values():
        await app.until(lambda: all(app.members[u]["presence"] == "active" for u in company.users), "all are there")
    kari = await stopped.app("kari")
    await kari.sees("kari", presence="active")

    other.stop()
    other.start()
    ola = await stopped.app("ola")
    begin = time.monotonic()
    os.kill(broker.worker_pid("app", 0), signal.SIGKILL)
    await asyncio.sleep(0)
    ghosts = set()
    for user, app in apps.items():
        try:
            await app.ask(users=["u0"])
        except (ConnectionError, AssertionError, websockets.ConnectionClosed):
            ghosts.add(user)
    living = set(apps) - ghosts
    assert ghosts and living, "both workers had some"
    for user in living:
        app = apps[user]
        await app.until(lambda: {u for u, r in app.members.items() if r["presence"] is None} == ghosts, f"the ghosts are gone: {ghosts}",
                        GHOST_GRACE_S + 30)
    took_s = time.monotonic() - begin
    assert GHOST_GRACE_S - 1 < took_s < GHOST_GRACE_S + 25, f"after {took_s:.1f} s"
    await ola.sees("kari", presence=None, timeout=30)
    # and one who had been a ghost is there again at once
    back = await company.app(min(ghosts))
    await apps[min(living)].sees(min(ghosts), presence="active")
    assert not back.closed


@pytest.mark.slow(240)
async def test_the_router_worker_is_killed_and_answers_again(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy")
    wait_until(lambda: company.route("kari")["action"] == "busy", "busy")
    await in_thread(broker.kill_worker, "router")
    def answers():
        try:
            return company.route("kari")["action"] == "busy"
        except (OSError, AssertionError):
            return False
    wait_until(answers, "the router is answered again")
    await kari.set("available")
    wait_until(lambda: company.route("kari")["action"] == "ring", "and hears of changes")
    assert not kari.closed


@pytest.mark.slow(240)
async def test_the_supervisor_is_killed_and_all_goes_with_it_and_comes_back(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy", note="husk dette", until=now_ms() + 3_600_000)
    place_before = kari.resume()
    broker.kill_supervisor()  # and waits until workers and Redis are gone
    assert processes_with(str(broker.folder)) == []
    await kari.until_closed()
    broker.start()
    back = await come_back(broker, company, "kari", kari)
    await back.sees("kari", availability="busy", note="husk dette")
    assert back.place["version"] >= place_before["version"]
    ok = await back.set("away", note="etterpå")
    assert ok["version"] > place_before["version"], "no version is used twice"


@pytest.mark.slow(240)
async def test_kill_and_restart_at_once_on_the_same_ports(start_broker, make_company):
    """The new supervisor waits for the old children; two Redis servers never open one log."""
    broker = start_broker()
    company = make_company(broker=broker)
    for name in ("listen", "router_listen", "ops_listen"):
        url = {"listen": broker.url, "router_listen": broker.router_url, "ops_listen": broker.ops_url}[name]
        broker.options[name] = url.partition("//")[2].partition("/")[0]
    kari = await company.app("kari")
    for i in range(3):
        await kari.set("busy", note=f"runde {i}")
        os.kill(broker.process.pid, signal.SIGKILL)
        broker.process.wait()
        broker.process = None
        broker.start()
        kari = await come_back(broker, company, "kari", kari)
        assert kari.welcome["resumed"] is True
        await kari.sees("kari", note=f"runde {i}")


@pytest.mark.slow(240)
async def test_two_workers_share_the_company(start_broker, make_company):
    broker = start_broker(workers=2)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(16)])
    apps = {user: await company.app(user) for user in company.users}  # by chance on both
    for user, app in apps.items():
        await app.set("busy", note=f"fra {user}")
    for app in apps.values():
        await app.until(lambda: all(app.members[u]["note"] == f"fra {u}" for u in company.users))
    # the same device on another worker replaces the first, wherever it lands
    for user in company.users[:6]:
        again = await company.app(user)
        assert await apps[user].until_closed() == 4409
        assert not again.closed


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)], ids=["asked twice", "Ctrl-C and asked"])
def test_however_it_is_asked_to_end_nothing_stays(start_broker, signals):
    broker = start_broker()
    data = str(broker.data)
    for number in signals:
        broker.process.send_signal(number)
    broker.stop()
    assert broker.returncode == 0
    wait_until(lambda: processes_with(data) == [], "no process is left")


def test_it_ends_with_the_terminal_it_was_started_in(tmp_path):
    """Anywhere else SIGHUP means to read certificates again."""
    ours, theirs = pty.openpty()
    data, log = tmp_path / "data", tmp_path / "log"
    process = subprocess.Popen([BUILD / "ledigd", "--data", data, "--listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0",
                                "--ops-listen", "127.0.0.1:0"], stdin=theirs, stdout=subprocess.PIPE, stderr=open(log, "wb"),
                               env=environment(), start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0))
    os.close(theirs)
    assert process.stdout.readline().startswith(b"ledigd ready")
    process.send_signal(signal.SIGHUP)  # the terminal is there
    wait_until(lambda: "event=reload" in log.read_text(), "it goes on")
    os.close(ours)  # which sends SIGHUP
    assert process.wait(PATIENCE_S) == 0
    wait_until(lambda: processes_with(str(data)) == [], "no process is left")
