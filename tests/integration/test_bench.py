"""The load generator: small runs of the built programs. What they find must be right and complete; how fast it was is
nobody's business here."""

import json
import os
import signal
import socket
import subprocess
import threading
from xml.etree import ElementTree

import pytest

from broker_process import BUILD, PATIENCE_S, environment, processes_with, wait_until

FIGURES = {
    "scenario", "versions", "cores", "build", "subscribers", "companies", "seconds", "changes", "deliveries",
    "deliveries_per_s", "frames_per_s", "bytes_per_frame", "latency_ms", "broker_rss_bytes", "bytes_per_connection",
    "broker_cpu_s", "wrong_views", "lost", "refused", "disconnected",
}


def run(program, *arguments, timeout=PATIENCE_S * 4, **env):
    return subprocess.run([BUILD / program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env=environment(**env), cwd="/")


def report(program, *arguments, **env):
    """The JSON object of a run that must succeed."""
    done = run(program, *arguments, "--json", "-", **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def assert_right(found):
    assert FIGURES <= found.keys(), FIGURES - found.keys()
    assert (found["wrong_views"], found["lost"], found["refused"], found["disconnected"]) == (0, 0, 0, 0), found


@pytest.fixture
def own_tmp(tmp_path):
    """A place for what a run leaves behind: nothing."""
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []


# ---- limit ----


def test_limit_counts_sends_and_loses_nothing():
    found = report("limit", "--sockets", 20, "--bytes", 100, "--seconds", 0.2)
    assert (found["scenario"], found["sockets"], found["bytes"], found["lost_bytes"]) == ("limit", 20, 100, 0)
    assert found["sends"] > 0 and found["sends"] % 20 == 0
    assert found["sends_per_s"] == pytest.approx(found["sends"] / found["seconds"], rel=0.01)
    assert {"server", "generator"} <= found["cores"].keys() and "ledig" in found["versions"]


def test_limit_writes_its_report_into_a_file_and_a_line_for_people(tmp_path):
    done = run("limit", "--sockets", 2, "--seconds", 0.05, "--json", tmp_path / "limit.json")
    assert done.returncode == 0, done.stderr
    assert "a second" in done.stdout
    assert json.loads((tmp_path / "limit.json").read_text())["sockets"] == 2


@pytest.mark.parametrize("arguments", [
    ["--sockets", "none"], ["--bytes", "0"], ["--seconds", "-1"], ["--sockets", "1000000"], ["--unknown"], ["extra"],
    ["--sockets", "1", "--seconds", "0.01", "--json", "/nowhere/limit.json"],
])
def test_limit_refuses_what_it_cannot_do(arguments):
    done = run("limit", *arguments)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(("limit: ", str(BUILD / "limit")))


# ---- ledig-bench ----


def test_help_shows_examples():
    for program in ("limit", "ledig-bench"):
        done = run(program, "--help")
        assert done.returncode == 0 and f"Examples:\n  {program} " in done.stdout


def test_fanout_delivers_every_change_to_every_colleague(own_tmp):
    found = report("ledig-bench", "fanout", "--subscribers", 20, "--publishers", 5, "--rate", 40, "--seconds", 1,
                   TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["subscribers"], found["companies"], found["changes"]) == (20, 1, 40)
    assert found["deliveries"] > 0 and found["bytes_per_frame"] > 0 and found["broker_rss_bytes"] > 0
    latency = found["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]


def test_fanout_spreads_subscribers_over_companies(own_tmp):
    found = report("ledig-bench", "fanout", "--subscribers", 23, "--companies", 4, "--publishers", 2, "--rate", 40,
                   "--seconds", 0.5, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["companies"], found["changes"]) == (4, 20)


def test_fanout_that_is_offered_more_than_can_be_done_still_ends_with_every_view_right(own_tmp):
    found = report("ledig-bench", "fanout", "--subscribers", 50, "--publishers", 2, "--rate", 3000, "--seconds", 0.5,
                   TMPDIR=str(own_tmp))
    assert FIGURES <= found.keys()
    assert (found["wrong_views"], found["lost"], found["disconnected"]) == (0, 0, 0), found


def test_fanout_is_held_against_the_limit_in_alternate_rounds(own_tmp):
    found = report("ledig-bench", "fanout", "--subscribers", 20, "--against-limit", "--rounds", 3, "--seconds", 0.6,
                   TMPDIR=str(own_tmp))
    assert_right(found)
    against = found["against_limit"]
    assert against["rounds"] == 3 and against["frame_bytes"] > 0 and against["changes_per_s"] > 0
    assert against["ratio"] > 0 and against["ratio_best"] > 0
    for measure in ("sends_per_s", "sends_per_cpu_s"):
        for side in ("broker", "limit", "pairs"):
            spread = against[measure][side]
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert found["deliveries"] >= found["changes"] * 20


def test_idle_says_what_a_connection_costs(own_tmp):
    found = report("ledig-bench", "idle", "--subscribers", 30, "--companies", 3, "--seconds", 0.5, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["scenario"], found["subscribers"], found["companies"]) == ("idle", 30, 3)
    assert found["broker_rss_bytes"] >= found["broker_rss_before_bytes"]
    assert found["bytes_per_connection"] >= 0
    assert found["latency_ms"]["p50"] is None


def test_table_for_people_names_the_figures(own_tmp):
    done = run("ledig-bench", "fanout", "--subscribers", 5, "--rate", 20, "--seconds", 0.3, TMPDIR=str(own_tmp))
    assert done.returncode == 0, done.stderr
    for name in ("changes", "deliveries", "latency p99.9", "right views", "changes lost"):
        assert name in done.stdout


@pytest.mark.parametrize("arguments", [
    [], ["flood"], ["fanout", "idle"], ["fanout", "--subscribers", "many"], ["fanout", "--rate", "0"],
    ["fanout", "--companies", "2", "--against-limit"], ["idle", "--against-limit"],
    ["fanout", "--subscribers", "2", "--companies", "3"], ["fanout", "--url", "ws://127.0.0.1:1/v1"],
    ["fanout", "--unknown"], ["fanout", "--subscribers"], ["fanout", "--subscribers", "1.5"],
    ["fanout", "--stalled", "3"], ["fanout", "--watchers", "3"],
    ["fanout", "--seed", "3"], ["fanout", "--full-handshakes"], ["fanout", "--ca", "/nowhere"],
    ["fanout", "--against-limit", "--rate", "5"], ["idle", "--rate", "5"], ["idle", "--svg", "/tmp/idle.svg"],
    ["latency", "--generators", "2"], ["ask", "--rounds", "3"], ["mixed", "--people", "5"], ["peers", "--tls"],
    ["claim", "--rate", "5"], ["claim", "--url", "ws://127.0.0.1:1/v1", "--data", "/nowhere"], ["peers", "--against-nginx"],
    ["stall", "--url", "ws://127.0.0.1:1/v1", "--data", "/nowhere"], ["fanout", "--svg", "-"],
    ["fanout", "--json", "/nowhere/x.json"], ["fanout", "--svg", "/nowhere/x.svg"], ["fanout", "--json", "/"],
    ["fanout", "--compare", "/nowhere/x.json"],
    ["fanout", "--data", "/nowhere"], ["fanout", "--url", "ws://127.0.0.1:1/v1", "--data", "/nowhere"],
    ["fanout", "--url", "http://127.0.0.1/", "--router-url", "http://127.0.0.1:1", "--data", "/nowhere"],
])
def test_bench_says_in_one_line_what_cannot_be_set_up(arguments):
    done = run("ledig-bench", *arguments)
    assert done.returncode == 1
    lines = [line for line in done.stderr.strip().splitlines() if "build: good for" not in line]
    assert len(lines) == 1 and lines[0].startswith("ledig-bench: "), done.stderr


def test_more_connections_than_a_process_may_have_are_refused(own_tmp):
    done = subprocess.run(["prlimit", "--nofile=200", BUILD / "ledig-bench", "fanout", "--subscribers", "1000"],
                          capture_output=True, text=True, timeout=PATIENCE_S * 4,
                          env=environment(TMPDIR=str(own_tmp)), cwd="/")
    assert done.returncode == 1 and "descriptors" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupt_takes_the_broker_and_its_data_away(own_tmp, number):
    process = subprocess.Popen([BUILD / "ledig-bench", "fanout", "--subscribers", "5", "--seconds", "600"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=environment(TMPDIR=str(own_tmp)), cwd="/",
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # ours may be run by nohup
    try:
        wait_until(lambda: list(own_tmp.glob("*/ledigd.json")), "the broker runs")
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 1 and "interrupted" in said


# ---- A broker that runs already ----


class Muffle:
    """A wire to the broker that, for one of the connections, swallows everything from a given change on. Which one: the
    number in which it came, or bytes of its `welcome`."""

    def __init__(self, url, victim, mark):
        host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
        self.target, self.victim, self.mark, self.accepted = (host, int(port)), victim, mark, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self.sockets += [near, far]
            swallows = self.accepted == self.victim
            self.accepted += 1
            threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, swallows), daemon=True).start()

    def _carry(self, source, sink, swallows):
        silent = False
        try:
            while data := source.recv(65536):
                swallows = swallows or (isinstance(self.victim, bytes) and self.victim in data)
                silent = silent or (swallows and self.mark in data)
                if not silent:
                    sink.sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for one in self.sockets:
            one.close()


def test_a_view_that_misses_a_change_is_found(broker):
    wire = Muffle(broker.url, victim=3, mark=b".7")  # the note of a publisher's eighth change ends so
    try:
        done = run("ledig-bench", "fanout", "--url", wire.url, "--data", broker.data, "--subscribers", 6,
                   "--publishers", 1, "--rate", 40, "--seconds", 0.5, "--patience", 1, "--json", "-")
    finally:
        wire.close()
    assert done.returncode == 2, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["wrong_views"], found["lost"]) == (1, 0)


def test_a_running_broker_is_measured_again_and_left_running(broker):
    for _ in range(2):
        found = report("ledig-bench", "fanout", "--url", broker.url, "--data", broker.data, "--subscribers", 6,
                       "--rate", 30, "--seconds", 0.3)
        assert_right(found)
        assert found["workers"] == 1
    assert broker.is_ready() and os.path.exists(broker.data / "token.key")


# ---- the other scenarios, small ----


def test_latency_stands_beside_the_loop_and_a_bare_write(tmp_path):
    found = report("ledig-bench", "latency", "--subscribers", 20, "--rate", 40, "--seconds", 1, "--rounds", 2,
                   "--svg", tmp_path / "latency.svg")
    assert_right(found)
    for name, share in (("until_all_have_it", "p99"), ("loop_pass", "p50"), ("store_write", "p50")):
        assert found[name]["latency_ms"][share] > 0, name
    assert ElementTree.parse(tmp_path / "latency.svg").getroot().tag.endswith("svg")


def test_burst_takes_turns_with_the_loop():
    found = report("ledig-bench", "burst", "--subscribers", 20, "--people", 60, "--seconds", 1.2, "--rounds", 2)
    assert_right(found)
    assert found["bytes_of_the_limit"] > 0 and found["burst_changes_per_s"] > 0
    assert found["rows_per_frame"] > 1, "changes share frames"


def test_everybody_resumes_after_a_storm():
    found = report("ledig-bench", "storm", "--subscribers", 60, "--companies", 4, "--watchers", 20, "--seconds", 1)
    assert_right(found)
    assert (found["returned"], found["resumed"]) == (36, 36), "all but one of each company were away"


def test_those_who_stall_are_dropped_or_catch_up():
    found = report("ledig-bench", "stall", "--subscribers", 16, "--publishers", 3, "--stalled", 4, "--people", 300,
                   "--seconds", 1.5, "--rate", 40)
    assert_right(found)
    assert found["dropped"] == 2, "the other two read again in time"


def test_grow_measures_each_size_and_draws_it(tmp_path):
    found = report("ledig-bench", "grow", "--subscribers", 64, "--seconds", 0.5, "--rate", 200, "--svg", tmp_path / "grow.svg")
    assert_right(found)
    assert [point["connected"] for point in found["by_connected"]] == [2, 4, 8, 16, 32, 64]
    assert [point["followers"] for point in found["by_followers"]] == [2, 4, 8, 16, 32, 64]
    assert ElementTree.parse(tmp_path / "grow.svg").getroot().tag.endswith("svg")


class Forger(Muffle):
    """A wire to the routers' port on which one kind of answer is another one on its way, of the same length."""

    def __init__(self, url, forged, by):
        super().__init__(url, victim=None, mark=None)
        self.forged, self.by = forged, by
        self.url = self.url.replace("ws://", "http://").removesuffix("/v1")

    def _carry(self, source, sink, swallows):
        try:
            while data := source.recv(65536):
                sink.sendall(data.replace(self.forged, self.by))
        except OSError:
            pass
        sink.close()


class Closer(Forger):
    """A wire that hangs up after each answer, without having said so."""

    def _carry(self, source, sink, swallows):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if data.startswith(b"HTTP/1.1 "):
                    break
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Replayer(Forger):
    """A wire that gives an answer of the router worker over and over, a few times, before it lets a new one through."""

    TIMES = 20

    def __init__(self, url):
        super().__init__(url, b"", b"")
        self.kept, self.left = None, 0

    def _carry(self, source, sink, swallows):
        try:
            while data := source.recv(65536):
                if b'"action"' in data:
                    if self.left == 0:
                        self.kept, self.left = data, self.TIMES
                    self.left -= 1
                    data = self.kept
                sink.sendall(data)
        except OSError:
            pass


ASK = ("--subscribers", 12, "--publishers", 4, "--rate", 200, "--changes", 40, "--seconds", 0.5, "--connections", 3)


def test_every_answer_to_a_router_is_right_while_people_change(own_tmp):
    found = report("ledig-bench", "ask", "--subscribers", 30, "--companies", 2, "--publishers", 6, "--rate", 300,
                   "--changes", 60, "--seconds", 1, "--connections", 4, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["answers"]["count"], found["changes"], found["generators"]) == (300, 60, 2)
    assert (found["wrong_answers"], found["problems"]) == (0, 0)
    latency = found["answers"]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    assert found["first_answers"]["latency_ms"]["p50"] > 0


def test_ask_counts_the_most_answers(own_tmp):
    found = report("ledig-bench", "ask", "--saturate", "--subscribers", 10, "--publishers", 2, "--seconds", 0.5,
                   "--svg", own_tmp / "ask.svg", TMPDIR=str(own_tmp))
    assert_right(found)
    assert found["answers"]["answers_per_s"] > 0 and found["wrong_answers"] == 0
    assert ElementTree.parse(own_tmp / "ask.svg").getroot().tag.endswith("svg")
    os.unlink(own_tmp / "ask.svg")


def test_claim_gives_agents_to_calls_and_has_them_back(own_tmp):
    found = report("ledig-bench", "claim", "--subscribers", 12, "--companies", 3, "--connections", 6, "--rounds", 2,
                   "--seconds", 1.2, "--svg", own_tmp / "claim.svg", TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["wrong_answers"], found["problems"], found["first_wrong"]) == (0, 0, None)
    assert found["claims"]["count"] > 0 and found["claims"]["latency_ms"]["p99"] > 0
    assert found["commits"] >= 2 * found["claims"]["count"] > 0, "each is given back, or answered and ended"
    against = found["against_bare_commit"]
    assert against["rounds"] == 2 and against["ratio"] > 0 and against["in_flight"] == 96
    assert against["call_bytes"] > 50 and against["state_bytes"] > 50
    for measure in ("commits_per_s", "commits_per_cpu_s"):
        assert against[measure]["broker"]["low"] > 0 and against[measure]["limit"]["low"] > 0
    os.unlink(own_tmp / "claim.svg")


def test_claims_that_find_nobody_free_are_told_of_and_do_no_harm(own_tmp):
    found = report("ledig-bench", "claim", "--subscribers", 2, "--companies", 1, "--connections", 6, "--rounds", 1,
                   "--seconds", 0.6, TMPDIR=str(own_tmp))
    assert_right(found)
    assert found["nobody_free"] > 0 and found["claims"]["count"] > 0 and found["wrong_answers"] == 0


@pytest.mark.parametrize("forged, by", [
    (b'"action":"busy"', b'"action":"ring"'), (b'"user":"u00002"', b'"user":"u00003"'),
    (b'"availability":"dnd"', b'"availability":"bsy"'), (b'"company":"bench-00000"', b'"company":"bench-00001"'),
])
def test_a_wrong_answer_to_a_router_is_found(broker, forged, by):
    wire = Forger(broker.router_url, forged, by)
    try:
        done = run("ledig-bench", "ask", "--url", broker.url, "--router-url", wire.url, "--data", broker.data, *ASK,
                   "--patience", 1, "--json", "-")
    finally:
        wire.close()
    assert done.returncode == 2, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["wrong_views"], found["lost"]) == (0, 0) and found["wrong_answers"] > 0


def test_answers_that_lag_behind_are_counted(broker):
    wire = Replayer(broker.router_url)
    try:
        found = report("ledig-bench", "ask", "--url", broker.url, "--router-url", wire.url, "--data", broker.data,
                       "--subscribers", 1, "--publishers", 1, "--rate", 200, "--changes", 50, "--seconds", 0.6,
                       "--connections", 1)
    finally:
        wire.close()
    assert_right(found)
    assert found["behind"]["count"] > 0 and found["behind"]["latency_ms"]["max"] > 0
    assert found["wrong_answers"] == 0, "in the end the last change was shown"


def test_an_answer_that_goes_back_is_found(broker):
    """Two people, of whom the answers about one are let through: what is kept of the other is older by then."""
    wire = Replayer(broker.router_url)

    def carry_some(source, sink, swallows):
        try:
            while data := source.recv(65536):
                if b'"user":"u00001"' in data:
                    wire.kept = wire.kept or (data if b'"until"' in data else None)
                    data = wire.kept or data
                sink.sendall(data)
        except OSError:
            pass

    wire._carry = carry_some
    try:
        done = run("ledig-bench", "ask", "--url", broker.url, "--router-url", wire.url, "--data", broker.data,
                   "--subscribers", 2, "--publishers", 2, "--rate", 200, "--changes", 50, "--seconds", 0.6,
                   "--connections", 1, "--patience", 1, "--json", "-")
    finally:
        wire.close()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "older version" in json.loads(done.stdout)["first_wrong"]


def test_a_router_asks_again_where_the_broker_hangs_up(broker):
    wire = Closer(broker.router_url, b"", b"")
    try:
        found = report("ledig-bench", "ask", "--url", broker.url, "--router-url", wire.url, "--data", broker.data, *ASK)
    finally:
        wire.close()
    assert_right(found)
    assert (found["answers"]["count"], found["wrong_answers"]) == (100, 0) and found["reopened"] > 0


def test_a_day_ends_with_every_view_right(own_tmp):
    found = report("ledig-bench", "mixed", "--subscribers", 60, "--seconds", 3, "--seed", 5, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["arrived"], found["seed"], found["companies"]) == (60, 5, 3)
    assert found["left"] > 0 and found["changed_network"] > 0 and found["device_states"] > 0
    assert found["reconnects"] == found["arrived"] + found["changed_network"]
    assert found["changed_network"] <= found["resumed"] < found["reconnects"], "some arrive with nothing"
    assert found["changes"] > 60 and found["return_times_passed"]["latency_ms"]["p50"] is not None


def test_a_seed_is_a_day_in_any_number_of_processes(own_tmp):
    small = ("--subscribers", 40, "--seconds", 1.5, "--svg", own_tmp / "day.svg")
    one = report("ledig-bench", "mixed", *small, "--seed", 9, TMPDIR=str(own_tmp))
    same = report("ledig-bench", "mixed", *small, "--seed", 9, "--generators", 2, "--workers", 2, "--tls",
                  TMPDIR=str(own_tmp))
    for found in (one, same):
        assert_right(found)
    figures = ("day", "events", "changes", "arrived", "left", "changed_network", "device_states")
    assert [one[name] for name in figures] == [same[name] for name in figures]
    assert (same["generators"], same["workers"]) == (2, 2)
    os.unlink(own_tmp / "day.svg")


def test_a_wrong_view_at_the_end_of_a_day_is_found(broker):
    """u00000 of each company takes the calls, and stays to the end."""
    wire = Muffle(broker.url, victim=b"\xa4user\xa6u00000", mark=b".2")
    try:
        done = run("ledig-bench", "mixed", "--url", wire.url, "--data", broker.data, "--subscribers", 30, "--seconds",
                   1.5, "--patience", 1, "--json", "-")
    finally:
        wire.close()
    assert done.returncode == 2, done.stdout + done.stderr
    assert json.loads(done.stdout)["wrong_views"] > 0


def test_a_run_is_set_beside_an_earlier_one(tmp_path):
    earlier = tmp_path / "earlier.json"
    small = ("--subscribers", 5, "--rate", 20, "--seconds", 0.3)
    assert run("ledig-bench", "fanout", *small, "--json", earlier).returncode == 0
    done = run("ledig-bench", "fanout", *small, "--compare", earlier)
    assert done.returncode == 0 and "deliveries_per_s" in done.stdout, done.stdout + done.stderr
    done = run("ledig-bench", "idle", "--subscribers", 5, "--compare", earlier)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()[-1]) > 20, done.stderr


def test_sizes_and_peers_are_set_beside_their_like(own_tmp):
    """Only where both runs have a size; and after all that the scenario itself has to say."""
    earlier = own_tmp / "earlier.json"
    grow = ("grow", "--rate", 400, "--seconds", 0.5)
    env = {"TMPDIR": str(own_tmp)}
    assert run("ledig-bench", *grow, "--subscribers", 32, "--json", earlier, **env).returncode == 0
    done = run("ledig-bench", *grow, "--subscribers", 64, "--compare", earlier, **env)
    os.unlink(earlier)
    assert done.returncode == 0, done.stderr
    table, _, compared = done.stdout.partition("compared with")
    assert "for one change" in table
    assert "by_connected.2 of 32.broker" not in compared, "a few follow: in one run 1, in the other 2"
    assert "subscribers: 32, now 64" in compared
    assert run("ledig-bench", *grow, "--subscribers", 64, "--json", earlier, **env).returncode == 0
    done = run("ledig-bench", *grow, "--subscribers", 64, "--compare", earlier, **env)
    os.unlink(earlier)
    assert "by_followers.16 of 64.broker_us_per_change" in done.stdout, done.stdout


# ---- more than one process, more than one worker, TLS ----


@pytest.mark.parametrize("arguments", [["--publishers", 3], ["--companies", 5, "--publishers", 2]])
def test_fanout_of_several_generators_is_checked_and_counted_as_one(own_tmp, arguments):
    found = report("ledig-bench", "fanout", "--subscribers", 30, "--generators", 3, "--workers", 2, "--rate", 40,
                   "--seconds", 0.5, *arguments, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["generators"], found["workers"], found["changes"]) == (3, 2, 20)
    assert found["deliveries"] == 20 * 30 / found["companies"], "each change once for each colleague in any process"
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["max"]


def test_idle_takes_several_generators_and_says_what_idling_costs(own_tmp):
    found = report("ledig-bench", "idle", "--subscribers", 40, "--companies", 4, "--generators", 2, "--workers", 2,
                   "--seconds", 0.3, TMPDIR=str(own_tmp))
    assert_right(found)
    assert (found["generators"], found["workers"]) == (2, 2)
    assert found["idle_cpu_percent_per_10000"] >= 0
    assert found["replica_bytes"] >= 0, "what a further worker has of each company is no connection's"


def test_a_wrong_view_in_another_generator_is_found(broker):
    """One company, two processes: every other person is the second's, u00003 among them."""
    wire = Muffle(broker.url, victim=b"\xa4user\xa6u00003", mark=b".7")
    try:
        done = run("ledig-bench", "fanout", "--url", wire.url, "--data", broker.data, "--subscribers", 6,
                   "--publishers", 1, "--generators", 2, "--rate", 40, "--seconds", 0.5, "--patience", 1, "--json", "-")
    finally:
        wire.close()
    assert done.returncode == 2, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["wrong_views"], found["lost"]) == (1, 0)


def test_a_run_ends_with_a_generator_that_dies(own_tmp):
    process = subprocess.Popen([BUILD / "ledig-bench", "fanout", "--subscribers", "20", "--generators", "2",
                                "--seconds", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment(TMPDIR=str(own_tmp)), cwd="/")

    def children():
        path = f"/proc/{process.pid}/task/{process.pid}/children"
        pids = open(path).read().split()
        return [int(pid) for pid in pids if "ledig-bench" in open(f"/proc/{pid}/comm").read()]

    try:
        wait_until(lambda: list(own_tmp.glob("*/ledigd.json")), "the broker runs")  # and is no child of that name now
        wait_until(children, "there is a second generator")
        os.kill(children()[0], signal.SIGKILL)
        said, _ = process.communicate(timeout=PATIENCE_S * 4)
    finally:
        process.kill()
    assert process.returncode == 1 and "generator 1 has ended" in said, said


def test_interrupt_ends_all_generators(own_tmp):
    process = subprocess.Popen([BUILD / "ledig-bench", "fanout", "--subscribers", "20", "--generators", "3",
                                "--seconds", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment(TMPDIR=str(own_tmp)), cwd="/",
                               start_new_session=True)
    try:
        wait_until(lambda: list(own_tmp.glob("*/ledigd.json")), "the broker runs")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 1 and said.count("interrupted") == 1, said


def test_receivers_of_the_loop_live_apart_where_descriptors_are_few(own_tmp):
    done = subprocess.run(["prlimit", "--nofile=120", BUILD / "ledig-bench", "fanout", "--subscribers", "50",
                           "--against-limit", "--rounds", "2", "--seconds", "0.4", "--json", "-"],
                          capture_output=True, text=True, timeout=PATIENCE_S * 4,
                          env=environment(TMPDIR=str(own_tmp)), cwd="/")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["against_limit"]["ratio"] > 0


def test_limit_counts_by_tls_too(own_tmp):
    found = report("limit", "--sockets", 10, "--bytes", 100, "--seconds", 0.1, "--tls", TMPDIR=str(own_tmp))
    assert found["tls"] is True and found["lost_bytes"] == 0 and found["sends"] % 10 == 0


@pytest.mark.parametrize("arguments", [
    ["fanout", "--rate", 40], ["fanout", "--rate", 40, "--generators", 2],
    ["fanout", "--against-limit", "--rounds", 2],
])
def test_fanout_goes_over_tls(own_tmp, arguments):
    found = report("ledig-bench", *arguments, "--subscribers", 10, "--seconds", 0.4, "--tls", TMPDIR=str(own_tmp))
    assert_right(found)
    assert found["tls"] is True and found["deliveries"] > 0


@pytest.mark.parametrize("flags, resumed", [([], 16), (["--full-handshakes"], 0)])
def test_a_storm_over_tls_says_how_many_came_with_a_ticket(flags, resumed):
    found = report("ledig-bench", "storm", "--subscribers", 30, "--companies", 4, "--watchers", 10, "--seconds", 1,
                   "--tls", *flags)
    assert_right(found)
    assert (found["returned"], found["resumed"]) == (16, 16)
    assert found["tls_sessions_resumed"] == resumed


@pytest.mark.parametrize("arguments", [
    ["mixed", "--companies", "3"], ["ask", "--saturate", "--rate", "5"], ["fanout", "--saturate"],
    ["mixed", "--subscribers", "40", "--generators", "9"],
    ["burst", "--generators", "2"], ["fanout", "--against-limit", "--generators", "2"],
    ["fanout", "--tls", "--url", "ws://127.0.0.1:1/v1", "--data", "/nowhere"],
    ["fanout", "--url", "wss://127.0.0.1:1/v1", "--router-url", "http://127.0.0.1:1", "--data", "/nowhere"],
])
def test_bench_says_what_it_cannot_do_together(arguments):
    done = run("ledig-bench", *arguments)
    assert done.returncode == 1
    lines = [line for line in done.stderr.strip().splitlines() if "build: good for" not in line]
    assert len(lines) == 1 and lines[0].startswith("ledig-bench: "), done.stderr
