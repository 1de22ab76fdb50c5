"""A broker as its operator runs it: started on a data directory of its own, on free loopback ports, asked through its
own command line, and ended by process id. What it wrote to stderr is judged when it stops."""

import csv
import http.client
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LEDIG_BUILD") or ROOT / "build" / "sanitize")
PATIENCE_S = float(os.environ.get("LEDIG_PATIENCE_S") or 30)  # how long a condition may take on a busy machine

# the last: a system call that broker/sandbox.c does not know of; the kernel's log has its number
SANITIZER_REPORT = re.compile(r"ERROR: \w*Sanitizer|SUMMARY: \w*Sanitizer|runtime error:|Assertion .* failed|worker_ended .* signal=31\b")
COLUMNS = ["user", "name", "numbers", "department", "role", "queues"]

_ids = itertools.count(1)
_numbers = itertools.count(4711000001)


def unique(prefix):
    """An id that no other test uses."""
    return f"{prefix}{next(_ids)}"


def number():
    """A telephone number that no other test uses, and no subscriber has."""
    return f"+{next(_numbers)}"


def wait_until(condition, what, timeout_s=None):
    """Waits for a condition, polling; its first true value is returned. A connection that is refused, or that a process
    takes with it as it is killed, is no answer yet."""
    deadline = time.monotonic() + (timeout_s or PATIENCE_S)
    while True:
        try:
            value = condition()
        except (ConnectionError, http.client.HTTPException):
            value = None
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s or PATIENCE_S:g} s: {what}")
        time.sleep(0.02)


def is_running(pid):
    """Whether the process lives: a zombie does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def processes_with(text):
    """Ids of the living processes that name `text` on their command line, this one left out."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if text in line and is_running(int(entry.name)):
            found.append(int(entry.name))
    return found


def environment(**more):
    """The environment of every program under test: sanitizers on, nothing of the caller's that they would read."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LEDIG_")}
    env.update(
        ASAN_OPTIONS="detect_leaks=1:exitcode=86:strict_string_checks=1:detect_stack_use_after_return=1",
        LSAN_OPTIONS="exitcode=86",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
        LC_ALL="C.UTF-8",
    )
    env.update(more)
    return env


def flags(options):
    """{"grace_ms": 500} as --grace-ms 500."""
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}={value}",)]


def csv_text(rows):
    """Rows (maps, or lists in the order of the columns) as the file that an employer would send."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        if isinstance(row, dict):
            row = [row.get(column, "") for column in COLUMNS]
        writer.writerow([" ".join(cell) if isinstance(cell, (list, tuple)) else cell for cell in row])
    return out.getvalue()


class Broker:
    """`options` are the long flags of ledigd with underscores, such as store_timeout_ms=500. Unless a test says otherwise,
    the grace is short, so that the devices which set a company up are soon forgotten."""

    def __init__(self, build=None, data=None, **options):
        self.build = pathlib.Path(build or BUILD)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ledig-"))  # short: the path of a unix socket has 107 bytes
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.stderr_path = self.folder / "stderr"
        self.options = dict(listen="127.0.0.1:0", router_listen="127.0.0.1:0", ops_listen="127.0.0.1:0", grace_ms=300)
        self.options.update(options)
        self.process, self.ready_line, self.returncode, self.stdout_lines = None, "", None, []
        self.seen = set()  # ids of all its processes, ever
        self._tokens, self._secrets, self._judged = {}, set(), 0

    # ---- its life ----

    def start(self):
        """Starts it and waits until it says that it is ready."""
        assert self.process is None, "runs already"
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [self.build / "ledigd", "--data", self.data, *flags(self.options)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=environment(), cwd="/",
            )
        self.seen.add(self.process.pid)
        self.stdout_lines = []
        threading.Thread(target=self._read_stdout, args=(self.process.stdout,), daemon=True).start()
        deadline = time.monotonic() + PATIENCE_S * 2
        while not self.stdout_lines and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self.stdout_lines:
            ended = self.process.poll()
            self.kill()
            raise AssertionError(f"ledigd did not get ready (exit code {ended}):\n{self.log()[-4000:]}")
        self.ready_line = self.stdout_lines[0]
        self.processes()
        return self

    def _read_stdout(self, stdout):
        for line in stdout:  # to its end: a full pipe must not stop the broker
            self.stdout_lines.append(line.decode().rstrip("\n"))

    def processes(self):
        """DATA/ledigd.json as it is now: addresses and process ids."""
        facts = json.loads((self.data / "ledigd.json").read_text())
        self.url, self.router_url, self.ops_url = facts["url"], facts["router_url"], facts["ops_url"]
        self.seen.update([facts["pid"]] + [worker["pid"] for worker in facts["workers"]])
        if facts.get("redis_pid"):
            self.seen.add(facts["redis_pid"])
        return facts

    def worker_pid(self, kind="app", index=0):
        return next(w["pid"] for w in self.processes()["workers"] if w["kind"] == kind and w["index"] == index)

    def redis_pid(self):
        return self.processes()["redis_pid"]

    def kill_worker(self, kind="app", index=0):
        """Ends one worker the hard way, and waits until another stands in its place."""
        pid = self.worker_pid(kind, index)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), "the worker is gone")
        wait_until(lambda: is_running(self.worker_pid(kind, index)), f"a new {kind} worker")
        self.wait_ready()

    def kill_redis(self):
        """Ends Redis the hard way, and waits until the broker has it again."""
        pid = self.redis_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), "Redis is gone")
        wait_until(lambda: self.redis_pid() != pid and is_running(self.redis_pid()), "a new Redis")
        self.wait_ready()

    def kill_supervisor(self):
        """Ends the supervisor the hard way; everything it started must go with it. It can be started again."""
        pids = set(self.seen)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        wait_until(lambda: not any(map(is_running, pids)), "all processes of the broker are gone")

    def wait_ready(self):
        wait_until(self.is_ready, "/readyz says so")

    def is_ready(self):
        try:
            return self.http("GET", "/readyz", base=self.ops_url).status == 200
        except OSError:
            return False

    def stop(self):
        """Asks it to end, and judges how it did."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.processes()  # also those that were started lately
        self.process.send_signal(signal.SIGTERM)
        try:
            self.returncode = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"ledigd did not stop within {PATIENCE_S:g} s of SIGTERM:\n{self.log()[-4000:]}")
        self.process = None
        wait_until(lambda: not any(map(is_running, self.seen)), "no process is left behind", 5)
        assert self.returncode == 0, f"ledigd ended with {self.returncode}:\n{self.log()[-4000:]}"

    def kill(self):
        """Ends what is left, whatever its state."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    # ---- what it says ----

    def log(self):
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def judge(self):
        """Fails where a sanitizer reported anything since the last call, or a log line holds what it must not."""
        log = self.log()
        news, self._judged = log[self._judged:], len(log)
        found = SANITIZER_REPORT.search(news)
        assert not found, f"a sanitizer reported:\n{news[max(0, found.start() - 2000):found.start() + 6000]}"
        for secret in self._secrets:
            at = news.find(secret)
            assert at < 0, f"personal data or a token in the log: {news[max(0, at - 300):at + len(secret) + 100]}"

    def close(self):
        """Stops it, judges it, and removes what it left; on failure the folder stays to be looked at."""
        try:
            self.stop()
            self.judge()
            wait_until(lambda: not processes_with(str(self.folder)), "no process is left behind that names its folder", 5)
        finally:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def must_not_log(self, *texts):
        self._secrets.update(text for text in texts if len(text) > 5)

    # ---- what can be asked of it ----

    def ledig(self, *arguments, stdin=None, env=None, timeout=None, build=None):
        """Runs build/ledig with these arguments; never raises for its exit code."""
        return subprocess.run(
            [(pathlib.Path(build) if build else self.build) / "ledig", *map(str, arguments)],
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True,
            timeout=timeout or PATIENCE_S, env=environment(**(env or {})), cwd="/",
        )

    def token(self, user, company, role="member", ttl="1h"):
        """A token minted by the tool; the same one for the same question."""
        key = (user, company, role, ttl)
        if key not in self._tokens:
            done = self.ledig("token", "--data", self.data, "--company", company, "--user", user, "--role", role, "--ttl", ttl)
            assert done.returncode == 0, f"ledig token: {done.stderr}"
            self._tokens[key] = done.stdout.strip()
            self.must_not_log(self._tokens[key].rpartition(".")[2])
        return self._tokens[key]

    def http(self, method, path, token=None, body=None, base=None, content_type=None, headers=None):
        """One request on the routers' port, or on another: .status, .json (None where it is not JSON), .body, .headers"""
        host, _, rest = (base or self.router_url).partition("//")[2].partition("/")
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        try:
            if isinstance(body, (dict, list)):
                body, content_type = json.dumps(body), content_type or "application/json"
            if isinstance(body, str):
                body = body.encode()
            send = dict(headers or {})
            if token:
                send["Authorization"] = f"Bearer {token}"
            if content_type:
                send["Content-Type"] = content_type
            connection.request(method, path, body=body, headers=send)
            answer = connection.getresponse()
            answer.body = answer.read()
            try:
                answer.json = json.loads(answer.body)
            except ValueError:
                answer.json = None
            return answer
        finally:
            connection.close()

    def import_csv(self, company, rows, token=None, query=""):
        """Provisions a company; rows as in csv_text, or the text of the file."""
        text = rows if isinstance(rows, str) else csv_text(rows)
        if not isinstance(rows, str):
            for row in rows:
                row = row if isinstance(row, dict) else dict(zip(COLUMNS, row))
                numbers = row.get("numbers") or []
                self.must_not_log(row.get("name", ""), *(numbers.split() if isinstance(numbers, str) else numbers))
        return self.http("POST", f"/v1/companies/{company}/import{query}", token=token or self.token("boss", company, "admin"),
                         body=text, content_type="text/csv")

    def route(self, to, company="*", token=None):
        """What a router is told about a number."""
        from urllib.parse import quote
        answer = self.http("GET", f"/v1/route?to={quote(to, safe='')}", token=token or self.token("router", company, "router"))
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json
