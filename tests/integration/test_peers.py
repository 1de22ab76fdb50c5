"""`ledig-bench peers`: what other products deliver beside Ledig. That all of them are played, checked and told of; how
fast they were is nobody's business here."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from broker_process import BUILD, PATIENCE_S, environment, processes_with, wait_until
from test_bench import FIGURES, run

HERE = pathlib.Path(__file__).parent
SMALL = ("--subscribers", 20, "--seconds", 1.2, "--rounds", 2)


def place(folder, *programs):
    """A folder for PATH that has these programs and what a broker needs."""
    folder.mkdir()
    for name in (*programs, "redis-server", "valkey-server"):
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin")
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def processes_in(folder):
    """Ids of the processes that work in this folder or below it, removed or not."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd").startswith(folder):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def left_behind(tmp_path):
    """What a run leaves behind in TMPDIR: nothing."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield str(folder)
    assert list(folder.iterdir()) == []
    assert processes_with(str(folder)) == []
    assert processes_in(str(folder)) == []


def test_every_peer_is_measured_and_checked_beside_ledig(left_behind, tmp_path):
    done = run("ledig-bench", "peers", *SMALL, "--json", tmp_path / "peers.json", TMPDIR=left_behind)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "peers.json").read_text())
    assert FIGURES <= found.keys()
    assert (found["wrong_views"], found["lost"], found["disconnected"], found["skipped"]) == (0, 0, 0, [])
    assert 30 <= found["payload_bytes"] <= 120, "as a change of Ledig's"
    assert [peer["key"] for peer in found["peers"]] == ["ledig", "nats", "mosquitto"]
    for peer in found["peers"]:
        assert peer["version"][0].isdigit(), peer
        for mode in ("fanout", "burst"):
            figures = {name: peer[f"{mode}_{name}"] for name in (
                "deliveries_per_s", "deliveries_per_s_best", "deliveries_per_cpu_s", "server_cpu", "generator_cpu",
                "ratio", "ratio_by_cpu")}
            assert all(value > 0 for value in figures.values()), figures
            assert figures["deliveries_per_s"] <= figures["deliveries_per_s_best"]
    for peer in found["peers"][1:]:
        assert (peer["wrong_views"], peer["lost"], peer["dropped"], peer["broken_messages"]) == (0, 0, 0, 0), peer
    lines = [line.split() for line in done.stdout.splitlines()]
    for name in ("Ledig", "NATS", "Mosquitto"):
        assert len([line for line in lines if line[:1] == [name]]) == 2, "a row for the fan-out, and one for the burst"
    assert "right views 20 of 20, NATS 20, Mosquitto 20; lost 0, 0, 0" in done.stdout


@pytest.mark.parametrize("there, skipped", [(["nats-server"], ["mosquitto"]), ([], ["nats", "mosquitto"])])
def test_a_peer_that_is_not_installed_is_skipped_and_named(left_behind, tmp_path, there, skipped):
    done = run("ledig-bench", "peers", *SMALL, "--json", "-", TMPDIR=left_behind, PATH=place(tmp_path / "path", *there))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["skipped"] == skipped
    assert len(found["peers"]) == 3 - len(skipped)
    said = [line for line in done.stderr.splitlines() if "is not installed" in line]
    assert len(said) == len(skipped) and "Mosquitto is skipped" in said[-1]


def test_a_message_that_a_peer_loses_is_found(left_behind, tmp_path):
    path = place(tmp_path / "path")
    shutil.copy(HERE / "forgetful_mosquitto", tmp_path / "path" / "mosquitto")
    done = run("ledig-bench", "peers", *SMALL, "--json", "-", TMPDIR=left_behind, PATH=path)
    assert done.returncode == 2, done.stdout + done.stderr
    peer = json.loads(done.stdout)["peers"][1]
    assert (peer["version"], peer["wrong_views"], peer["lost"], peer["broken_messages"]) == ("0.0.1", 0, 1, 0)
    assert "Mosquitto: 0 wrong views, 1 messages lost" in done.stderr


def test_a_peer_that_does_not_start_ends_the_run(left_behind, tmp_path):
    path = place(tmp_path / "path")
    program = tmp_path / "path" / "mosquitto"
    program.write_text("#!/bin/sh\necho no thanks\nexit 1\n")
    program.chmod(0o755)
    done = run("ledig-bench", "peers", *SMALL, TMPDIR=left_behind, PATH=path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ledig-bench: mosquitto did not start: no thanks"


def test_interrupt_takes_the_peers_away_too(left_behind):
    process = subprocess.Popen([BUILD / "ledig-bench", "peers", "--subscribers", "20", "--seconds", "600"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=environment(TMPDIR=left_behind), cwd="/")
    try:
        wait_until(lambda: len(processes_in(left_behind)) >= 2, "both peers run")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 1 and said.count("interrupted") == 1, said


def test_peers_are_plain_and_of_one_company():
    for flags in (["--tls"], ["--companies", 2]):
        done = run("ledig-bench", "peers", *flags)
        assert done.returncode == 1 and f"peers has no {flags[0]}" in done.stderr


# ---- Beside nginx, which has no subscribers ----

NGINX = ("ask", "--against-nginx", "--rounds", 2, "--subscribers", 10, "--publishers", 2, "--seconds", 0.5, "--rate", 50)


def test_the_routers_port_stands_beside_nginx(left_behind):
    done = run("ledig-bench", *NGINX, "--json", "-", TMPDIR=left_behind)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    against = found["against_nginx"]
    assert against["rounds"] == 2 and against["ratio"] > 0 and against["nginx"][0].isdigit()
    assert 100 < against["body_bytes"] < 300 and found["change_rate"] == 1000
    for measure in ("requests_per_s", "requests_per_cpu_s"):
        assert against[measure]["broker"]["low"] > 0 and against[measure]["limit"]["low"] > 0
    assert (found["wrong_views"], found["lost"], found["wrong_answers"], found["problems"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("there, missing", [(["nginx"], "wrk"), (["wrk"], "nginx")])
def test_without_nginx_or_wrk_that_is_said_and_questions_are_asked_all_the_same(left_behind, tmp_path, there, missing):
    done = run("ledig-bench", *NGINX, "--json", "-", TMPDIR=left_behind, PATH=place(tmp_path / "path", *there))
    assert done.returncode == 0, done.stderr
    assert f"nginx is skipped: {missing} is not installed" in done.stderr
    found = json.loads(done.stdout)
    assert found["against_nginx"] is None and found["answers"]["count"] > 0


def test_nginx_that_does_not_start_is_named_with_its_last_words(left_behind, tmp_path):
    path = place(tmp_path / "path", "wrk")
    fake = tmp_path / "path" / "nginx"
    fake.write_text("#!/bin/sh\necho nginx is not well today >&2\nexit 1\n")
    fake.chmod(0o755)
    done = run("ledig-bench", *NGINX, TMPDIR=left_behind, PATH=path + ":/usr/bin:/bin")
    assert done.returncode == 1 and "nginx is not well today" in done.stderr, done.stderr
