"""Real telephones: Kamailio with clients/kamailio/kamailio.cfg, and sipp for those who call and those who are called.
Everything is on loopback; processes are ended by their ids."""

import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from broker_process import PATIENCE_S, ROOT, environment, unique, wait_until

_ports = itertools.cycle(random.sample(range(10_000, 32_000), 22_000))

SCENARIOS = pathlib.Path(__file__).parent / "sipp"
CONFIGURATION = ROOT / "clients" / "kamailio" / "kamailio.cfg"


def free_port():
    """A port of the loopback address that nobody has, neither for UDP nor for TCP, and that the system gives to nobody
    who asks for any port; another one each time, for whoever it is for may not have taken it yet."""
    while True:
        port = next(_ports)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def sip(method, call, port, wait_s=0.0):
    """Sends a request that is part of no dialog; with `wait_s`, whether anything came back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        me = one.getsockname()[1]
        one.sendto((f"{method} sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{me};branch=z9hG4bK{unique('b')}\r\n"
                    f"Max-Forwards: 70\r\nFrom: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {call}\r\n"
                    f"CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n").encode(), ("127.0.0.1", port))
        if not wait_s:
            return False
        one.settimeout(wait_s)
        try:
            return bool(one.recv(4096))
        except (TimeoutError, ConnectionError):
            return False


class Sipp:
    """One sipp that plays one scenario of `sipp/`, for as many calls as `calls` says."""

    def __init__(self, exchange, scenario, number, call="", calls=1, **keys):
        self.exchange, self.scenario, self.call, self.port = exchange, scenario, call, keys.pop("port", None) or free_port()
        self.log = exchange.folder / f"{unique(scenario)}.log"
        self.events, self.messages = self.log.with_suffix(".events"), self.log.with_suffix(".messages")
        more = [part for name, value in keys.items() for part in ("-key", name, value)]
        if call:
            more += ["-cid_str", call]
        self.process = subprocess.Popen(
            ["sipp", f"127.0.0.1:{exchange.port}", "-sf", SCENARIOS / f"{scenario}.xml", "-i", "127.0.0.1", "-p", str(self.port),
             "-m", str(calls), "-s", number, "-nostdin", "-timeout", f"{PATIENCE_S * 4:.0f}s", "-timeout_error",
             # a machine that is busy, or a Kamailio that stands still, is no reason to give a call up
             "-max_invite_retrans", "100", "-max_non_invite_retrans", "100", "-max_retrans", "100",
             "-default_behaviors", "all,-abortunexp",  # over UDP, a 180 may come after the 200
             "-trace_err", "-error_file", self.log, "-trace_logs", "-log_file", self.events,
             "-trace_msg", "-message_file", self.messages, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=exchange.folder)
        exchange.sipps.append(self)

    def has_ended(self):
        return self.process.poll() is not None

    def passed(self):
        """Waits until the scenario is over; it must have gone as written."""
        wait_until(self.has_ended, f"{self.scenario} is over")
        assert self.process.returncode == 0, (self.scenario, self.process.returncode, self.said())

    def said(self, limit=2000):
        """What it complained of, and then each message that came and went."""
        return "\n".join(path.read_text(errors="replace")[-limit:] for path in (self.log, self.messages) if path.exists())

    def has_logged(self, event, calls=1):
        return self.events.exists() and self.events.read_text().count(event) >= calls

    def has_answered(self, calls=1):
        """Whether the telephone has taken so many calls."""
        return self.has_logged("ready", calls)

    def was_referred(self):
        return self.has_logged("referred")

    def go_on(self, call=None):
        """The signal that a scenario waits for, mostly to hang up: an INFO of the same call, once it is ready for it."""
        wait_until(lambda: self.has_logged(f"ready {call or self.call}"), f"{self.scenario} is ready")
        sip("INFO", call or self.call, self.port)

    def end(self):
        if not self.has_ended():
            self.process.kill()
            self.process.wait()


class Exchange:
    """A Kamailio that asks this broker; definitions such as BEAT_MS=800 go to its configuration."""

    running = []  # those whose logs are shown when a test fails

    def __init__(self, url, token, **definitions):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kamailio-"))
        self.port, self.sipps, self.url, self.token = free_port(), [], url, token
        self.definitions = dict(BEAT_MS=300, ASK_MS=30_000, HTTP_S=30)  # a slow machine is no reason to ring anyway
        self.definitions.update(definitions)
        Exchange.running.append(self)
        self.start()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["kamailio", "-f", CONFIGURATION, "-DD", "-E", "-m", "32", "-M", "4", "-Y", self.folder, "-w", self.folder,
                 "-l", f"udp:127.0.0.1:{self.port}", *(f"-A{name}={value}" for name, value in self.definitions.items())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=environment(LEDIG_URL=self.url, LEDIG_TOKEN=self.token))
        wait_until(self.is_there, "Kamailio answers")

    def is_there(self):
        assert self.process.poll() is None, self.log()
        return sip("OPTIONS", unique("options"), self.port, wait_s=0.2)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def story(self):
        """(Title, text) of its log and of each of its telephones'."""
        yield f"Kamailio {self.port}", self.log()[-20000:]
        for one in self.sipps:
            ended = one.process.returncode if one.has_ended() else "still plays"
            yield f"sipp {one.scenario} {one.port}: {ended}", one.said(20000)

    def forget_telephones(self):
        """Those of earlier tests are no part of a later one's story."""
        for one in self.sipps:
            one.end()
        self.sipps.clear()

    def kill(self):
        """Ends all its processes the hard way: no BYE, no report."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def stop(self):
        """How Kamailio ends is its own affair: on a busy machine one of its processes may wait for another for long."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S / 6)
        except subprocess.TimeoutExpired:
            self.kill()

    def close(self):
        """Stops it and its telephones; its log must hold neither numbers nor its token."""
        Exchange.running.remove(self)
        for one in self.sipps:
            one.end()
        if self.process.poll() is None:
            self.stop()
        log = self.log()
        found = re.search(r"\+47\d{6}|" + re.escape(self.token[-20:]), log)
        assert not found, f"in the log of Kamailio: {log[max(0, found.start() - 300):found.end() + 100]}"
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- telephones ----

    def phone(self, number, scenario="answers", calls=1, **keys):
        """A registered telephone, which is gone after so many calls."""
        port = free_port()
        Sipp(self, "register", number, contact=f"127.0.0.1:{port}").passed()
        return Sipp(self, scenario, number, port=port, calls=calls, **keys)

    def call(self, to, caller="+4622000001", scenario="caller", **keys):
        return Sipp(self, scenario, to, call=f"{unique('call')}@127.0.0.1", caller=caller, **keys)
