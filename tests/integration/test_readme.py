"""./run as a newcomer runs it, and every command of README.md against what it has started.

In README.md a fenced block of `sh` is run, line by line, in the checkout. A comment above it says what else shall be
done with it (tests/README.md): `<!-- not run: REASON -->`, or `<!-- watched: TEXT -->` for commands that stay until
they are stopped and must print TEXT while the rest of the page is run."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import pytest

from broker_process import PATIENCE_S, ROOT, is_running, processes_with, wait_until

README = ROOT / "README.md"
SETUP_S = 300


def blocks():
    """The shell blocks of the page: (marker, text after it, commands)."""
    if not README.exists():
        return []
    found = re.findall(r"(?:<!--\s*(not run|watched):\s*(.*?)\s*-->\s*\n+)?```sh\n(.*?)```", README.read_text(), flags=re.S)
    return [(kind, rest, commands) for kind, rest, commands in found]


def commands_of(text):
    """The lines of a block; a backslash at the end joins two."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


class Newcomer:
    """One who types ./run into a terminal."""

    def __init__(self, var):
        self.var, self.process = pathlib.Path(var), None
        self.out = self.var / "terminal"

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LEDIG_")}
        env.update(LEDIG_VAR=str(self.var / "var"), LEDIG_LISTEN="127.0.0.1:0", LEDIG_ROUTER_LISTEN="127.0.0.1:0",
                   LEDIG_OPS_LISTEN="127.0.0.1:0", LC_ALL="C.UTF-8")
        return env

    def run(self, *arguments, wait=True):
        self.out = self.var / f"terminal{time.monotonic_ns()}"
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([ROOT / "run", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=self.environment(), cwd="/", start_new_session=True,
                                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        if wait:
            wait_until(lambda: "Ctrl-C" in self.said() or self.process.poll() is not None, "./run is done", SETUP_S)
            assert self.process.poll() is None, self.said()
            facts = json.loads((self.var / "var/data/ledigd.json").read_text())
            self.url, self.router_url, self.broker = facts["url"], facts["router_url"], facts["pid"]
        return self

    def said(self):
        return self.out.read_text(errors="replace")

    def interrupt(self):
        """Ctrl-C: the terminal tells everyone in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process and self.process.poll() is None:
            self.interrupt()
        wait_until(lambda: processes_with(str(self.var)) == [], "nothing is left of ./run", 10)

    def here(self, command):
        """A command of the page, as it reads for the one who has these ports and this folder."""
        for page, real in (("ws://localhost:7700/v1", self.url), ("http://127.0.0.1:7701", self.router_url),
                           ("http://localhost:7701", self.router_url), ("@var/", f"@{self.var}/var/"), (" var/", f" {self.var}/var/")):
            command = command.replace(page, real)
        return command

    def shell(self, command, **more):
        env = self.environment()
        env["LEDIG_DATA"] = str(self.var / "var/data")
        for name in ("LEDIG_LISTEN", "LEDIG_ROUTER_LISTEN", "LEDIG_OPS_LISTEN"):
            del env[name]
        return dict(args=["sh", "-c", self.here(command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True, env=env, cwd=ROOT, **more)


@pytest.fixture(scope="module")
def newcomer():
    with tempfile.TemporaryDirectory(prefix="ledig-run-") as folder:
        one = Newcomer(folder)
        try:
            yield one.run()
        finally:
            one.close()


def test_run_says_what_to_try_and_it_works(newcomer):
    said = newcomer.said()
    tries = [line.strip() for line in said.splitlines() if re.match(r" +(build/|curl )", line)]
    assert [line.split()[:2] for line in tries if line.startswith("build/")] == [["build/ledig", "watch"], ["build/ledig", "set"], ["build/ledig", "ask"]]
    assert any(line.startswith("curl -H @") for line in tries)
    shown = newcomer.var / "watch"
    with open(shown, "wb") as out:
        watch = subprocess.Popen(**dict(newcomer.shell("exec " + tries[0].partition("#")[0]), stdout=out))
    try:
        wait_until(lambda: "Ola" in shown.read_text(), "watch shows the company")
        for line in tries[1:]:
            line = re.sub(r"--until \d+:\d+", "--until 45m", line)
            done = subprocess.run(**newcomer.shell(line), timeout=PATIENCE_S)
            assert done.returncode == 0 and done.stdout.strip(), (line, done.stdout, done.stderr)
        wait_until(lambda: "Styremøte" in shown.read_text(), "watch shows the change")
        answer = json.loads(subprocess.run(**newcomer.shell(next(t for t in tries if t.startswith("curl"))), timeout=PATIENCE_S).stdout)
        assert answer["company"] == "demo" and answer["user"] and answer["action"] in ("ring", "busy"), answer
    finally:
        watch.terminate()
        watch.communicate()


def test_the_routers_token_is_ours_alone(newcomer):
    header = newcomer.var / "var/router.header"
    assert header.stat().st_mode & 0o777 == 0o600
    assert header.read_text().startswith("Authorization: Bearer ")
    assert not (newcomer.var / "var/admin.token").exists()


def test_the_demo_company_is_there(newcomer):
    lines = [line for line in (ROOT / "demo/people.csv").read_text().splitlines() if ",queue," not in line]
    assert len(lines) == 25, "24 people under the heading, and the queues"
    users = [line.split(",")[0] for line in lines[1:]]
    assert {"kari", "ola", "nina"} <= set(users)
    done = subprocess.run(**newcomer.shell("build/ledig ask --as kari --json " + " ".join(users)), timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert all(user in done.stdout for user in users)
    assert "unknown" not in done.stdout, "someone has not consented"


def test_a_second_run_and_a_fresh_one_are_refused_while_the_first_runs(newcomer):
    for arguments in ([], ["--fresh"]):
        other = Newcomer(newcomer.var).run(*arguments, wait=False)
        assert other.process.wait(SETUP_S) == 1
        said = [line for line in other.said().splitlines() if not line.startswith("building")]
        assert 1 <= len(said) <= 2 and "data" in said[0], said
    assert is_running(newcomer.broker)


def test_an_unknown_argument_is_told(newcomer):
    other = Newcomer(newcomer.var).run("--frsh", wait=False)
    assert other.process.wait(SETUP_S) == 1 and "--frsh" in other.said()


def test_every_command_of_the_readme_works(newcomer):
    page = blocks()
    assert any(kind == "" for kind, _, _ in page), "no command to run"
    watched = []
    for kind, text, commands in page:
        if kind == "watched":
            for command in commands_of(commands):
                watched.append((command, text, subprocess.Popen(**newcomer.shell("exec " + command.partition(" #")[0]), start_new_session=True)))
    try:
        for kind, _, commands in page:
            for command in commands_of(commands) if kind == "" else []:
                done = subprocess.run(**newcomer.shell(command), timeout=PATIENCE_S * 2)
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    finally:
        for _, _, process in watched:
            time.sleep(0.5)  # for what was said last
            process.terminate()
    for command, text, process in watched:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert text in out, f"{command} has not shown {text!r}:\n{out}{err}"


def test_run_keeps_what_is_stored_until_fresh(newcomer):
    """The last test of this file: it ends the newcomer's broker."""
    def ola():
        done = subprocess.run(**newcomer.shell("build/ledig ask --as kari --json ola"), timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout
    done = subprocess.run(**newcomer.shell("build/ledig set --as ola busy --note 'blir husket' --until 45m"), timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(**newcomer.shell("build/ledig consent --as nina presence no"), timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert newcomer.interrupt() == 0, newcomer.said()
    wait_until(lambda: processes_with(str(newcomer.var)) == [], "all is stopped", 10)
    begin = time.monotonic()
    newcomer.run()
    assert time.monotonic() - begin < 60
    assert "blir husket" in ola()
    done = subprocess.run(**newcomer.shell("build/ledig ask --as kari --json nina"), timeout=PATIENCE_S)
    assert "unknown" in done.stdout, "a withdrawn consent was given again"
    assert newcomer.interrupt() == 0, newcomer.said()
    newcomer.run("--fresh")
    assert "blir husket" not in ola()
    os.kill(newcomer.process.pid, signal.SIGTERM)
    assert newcomer.process.wait(PATIENCE_S) == 0, newcomer.said()
