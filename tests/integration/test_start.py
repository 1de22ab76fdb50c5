"""A start that cannot succeed says why in one line, ends with 1, and leaves everything as it was."""

import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from broker_process import BUILD, PATIENCE_S, SANITIZER_REPORT, environment, processes_with, wait_until

LOG_LINE = re.compile(r"^time=\S+ level=(debug|info) ")


def start(data, *arguments, env=None, wrap=(), listen=("127.0.0.1:0",) * 3, cwd="/", program=BUILD / "ledigd"):
    """Runs ledigd, which must end by itself: (exit code, its error lines, stdout)."""
    command = [*wrap, program, "--data", data, "--listen", listen[0], "--router-listen", listen[1], "--ops-listen", listen[2], *arguments]
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S * 2,
                          env=environment(**(env or {})), cwd=cwd)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not LOG_LINE.match(line)]
    return done.returncode, lines, done.stdout


def assert_one_clear_line(result, *words):
    code, lines, stdout = result
    assert code == 1, (code, lines)
    assert stdout == "", "ready was said"
    assert len(lines) == 1, lines
    assert any(word in lines[0] for word in words), f"none of {words} in: {lines[0]}"
    assert len(lines[0]) < 400


def fingerprint(folder):
    """Every file and what is in it."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file() and p.name not in ("lock", "ledigd.json")}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def stopped(start_broker, make_company):
    """A broker that has stored something and was stopped."""
    broker = start_broker()
    make_company(broker=broker)
    broker.stop()
    return broker


@pytest.mark.parametrize("which", [0, 1, 2], ids=["apps' port", "routers' port", "operations port"])
def test_a_port_is_taken(data, which):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        listen = ["127.0.0.1:0"] * 3
        listen[which] = f"127.0.0.1:{port}"
        assert_one_clear_line(start(data, listen=listen), str(port))
    assert processes_with(str(data)) == []


def test_a_port_of_another_broker_is_taken(start_broker, data):
    broker = start_broker()
    taken = broker.url.partition("//")[2].partition("/")[0]
    assert_one_clear_line(start(data, listen=(taken, "127.0.0.1:0", "127.0.0.1:0")), taken.rpartition(":")[2])
    assert broker.is_ready()
    assert processes_with(str(data)) == []


def test_a_second_broker_on_the_same_data_is_refused(start_broker):
    broker = start_broker()
    before = broker.processes()
    assert_one_clear_line(start(broker.data), str(broker.data))
    assert broker.processes() == before and broker.is_ready()


def test_the_data_directory_cannot_be_written(data):
    data.mkdir()
    program, wrap = BUILD / "ledigd", ()
    if os.geteuid() != 0:
        data.chmod(0o500)
    else:  # root may write everywhere, so somebody else tries, who may not even see the build
        for folder in [data, *data.parents]:
            if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        program = shutil.copy(BUILD / "ledigd", data.parent / "ledigd")
        wrap = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert_one_clear_line(start(data, wrap=wrap, program=program), str(data))
    assert list(data.iterdir()) == []


def test_a_file_stands_in_the_place_of_the_data_directory(data):
    data.write_text("important")
    assert_one_clear_line(start(data), str(data))
    assert data.read_text() == "important"


def test_the_folder_above_the_data_directory_is_missing(tmp_path):
    """Made where its parent is there; a slip in a longer path makes no tree."""
    code, lines, _ = start(tmp_path / "no" / "such" / "folder")
    assert code == 1 and len(lines) == 1, lines


def test_there_is_no_redis_server(data, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    assert_one_clear_line(start(data, env=dict(PATH=str(empty))), "redis-server")


def test_redis_server_does_not_start(data, tmp_path):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("redis-server", "valkey-server"):
        (bin_folder / name).write_text("#!/bin/sh\necho 'no, thanks' >&2\nexit 3\n")
        (bin_folder / name).chmod(0o755)
    code, lines, stdout = start(data, env=dict(PATH=f"{bin_folder}:/usr/bin:/bin"))
    assert code == 1 and stdout == "" and 1 <= len(lines) <= 2, lines


def test_a_damaged_append_only_file_is_told_and_left_alone(stopped):
    logs = [p for p in stopped.data.rglob("*.aof") if p.stat().st_size > 100]
    assert logs, [str(p) for p in stopped.data.rglob("*")]
    log = max(logs, key=lambda p: p.stat().st_size)
    content = bytearray(log.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 40] = b"\xffgarbage-in-the-middle-of-the-log-file\xff"
    log.write_bytes(content)
    before = fingerprint(log.parent)
    assert_one_clear_line(start(stopped.data), "redis-check-aof", "append")
    assert fingerprint(log.parent) == before, "the log was changed"
    assert processes_with(str(stopped.data)) == []


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_log_without_its_manifest_is_told_and_left_alone(stopped, how):
    manifest = next(stopped.data.rglob("*.manifest"))
    manifest.unlink()
    if how == "empty":
        manifest.touch()
    before = fingerprint(manifest.parent)
    assert_one_clear_line(start(stopped.data), "manifest")
    assert fingerprint(manifest.parent) == before, "the log was changed"
    assert processes_with(str(stopped.data)) == []


def test_a_password_file_that_is_not_as_it_should_be_is_told(data, tmp_path):
    password = tmp_path / "password"
    options = ["--redis", "redis://127.0.0.1:1", "--redis-password-file", str(password)]
    assert_one_clear_line(start(data, *options), "cannot read")
    password.write_text("secret")
    password.chmod(0o644)
    assert_one_clear_line(start(data, *options), "chmod 600")


def test_a_redis_url_that_is_none_is_told(data):
    for url in ("localhost:6379", "http://127.0.0.1", "redis://user:secret@127.0.0.1", "unix:"):
        result = start(data, "--redis", url)
        assert_one_clear_line(result, "--redis must be")
        assert "secret" not in result[1][0]


@pytest.mark.parametrize("content, mode", [(b"short", 0o600), (os.urandom(32), 0o644)], ids=["too short", "others may read it"])
def test_a_token_key_that_is_not_as_it_should_be_is_told_and_left_alone(stopped, content, mode):
    key = stopped.data / "token.key"
    key.write_bytes(content)
    key.chmod(mode)
    assert_one_clear_line(start(stopped.data), "token.key")
    assert key.read_bytes() == content


def test_an_unknown_flag_and_a_bad_value_are_told(data):
    for arguments in (["--no-such-flag"], ["--workers", "many"], ["--workers", "0"], ["--workers", "-3"], ["--store-timeout-ms", "soon"]):
        code, lines, stdout = start(data, *arguments)
        assert code == 2 and len(lines) == 1 and stdout == "", (arguments, code, lines)
        assert not data.exists(), arguments
    for listen in ("nowhere", "127.0.0.1:99999", "localhost:port", "127.0.0.1"):
        code, lines, _ = start(data, listen=(listen, "127.0.0.1:0", "127.0.0.1:0"))
        assert code == 2 and len(lines) == 1, (listen, lines)


def test_help_and_version_need_no_data():
    for flag in ("--help", "--version"):
        done = subprocess.run([BUILD / "ledigd", flag], capture_output=True, text=True, env=environment(), timeout=PATIENCE_S)
        assert done.returncode == 0 and done.stdout and not done.stderr
    assert "--data" in subprocess.run([BUILD / "ledigd", "--help"], capture_output=True, text=True, env=environment()).stdout


def test_a_flag_is_also_a_variable_and_a_key_of_the_file_and_the_nearest_wins(data, tmp_path):
    config = tmp_path / "ledigd.conf"
    config.write_text("# as the operator keeps it\nworkers = nonsense\n")
    for arguments, env, who in [
        (["--config", config], {}, "ledigd.conf:2"),
        ([], dict(LEDIG_CONFIG=str(config)), "ledigd.conf:2"),
        ([], dict(LEDIG_WORKERS="nonsense"), "LEDIG_WORKERS"),
        (["--workers", "nonsense"], {}, "command line"),
    ]:
        code, lines, _ = start(data, *arguments, env=env)
        assert code == 2 and len(lines) == 1 and who in lines[0] and "workers" in lines[0], lines


def test_the_nearest_setting_wins(start_broker, tmp_path):
    config = tmp_path / "ledigd.conf"
    config.write_text("workers = 3\nping_ms = 700\n")
    broker = start_broker(config=config, workers=2)
    assert len([w for w in broker.processes()["workers"] if w["kind"] == "app"]) == 2


def test_redis_goes_with_a_killed_supervisor_before_it_was_ready(data):
    """Killed at a random moment of its start, nothing stays."""
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        process = subprocess.Popen([BUILD / "ledigd", "--data", data, "--listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0",
                                    "--ops-listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.communicate()
        wait_until(lambda: processes_with(str(data)) == [], f"all are gone (killed after {delay} s)", 10)


def test_a_server_of_ones_own_is_used_and_left_running(tmp_path, start_broker, make_company):
    path = tmp_path / "r.sock"
    redis = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), "--save", "", "--appendonly", "no"],
                             stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists, "Redis listens")
        broker = start_broker(redis=f"unix://{path}")
        make_company(broker=broker)
        assert not broker.processes().get("redis_pid")
        broker.stop()
        assert redis.poll() is None, "it was not ours to stop"
    finally:
        redis.terminate()
        redis.wait()
