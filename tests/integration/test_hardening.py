"""What the broker gives up, and what it is built with: no root, no rights, few system calls in its workers; programs that
are hard to take over; a systemd unit that it can live in. What has to be as in production is tried with the release
build."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile

import pytest

from broker_process import ROOT, environment, is_running, wait_until
from test_metrics import Metrics
from test_start import assert_one_clear_line, start

RELEASE = pathlib.Path(os.environ.get("LEDIG_RELEASE") or ROOT / "build")
PROGRAMS = ["ledigd", "ledig", "ledig-bench", "limit"]
UNIT = ROOT / "broker" / "ledigd.service"
OTHER = "nobody"  # a user that every Debian has

def as_root(test):
    """Only root can become somebody else, so for others there is nothing to be tested."""
    return test if os.geteuid() == 0 else None


@pytest.fixture(scope="module", autouse=True)
def release():
    assert (RELEASE / "ledigd").exists(), f"no {RELEASE / 'ledigd'}: tests/run builds it, or set LEDIG_RELEASE"


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def all_pids(broker):
    facts = broker.processes()
    return {"supervisor": facts["pid"], "redis": facts["redis_pid"],
            **{f"{worker['kind']}/{worker['index']}": worker["pid"] for worker in facts["workers"]}}


def workers(broker):
    return {name: pid for name, pid in all_pids(broker).items() if "/" in name}


# ---- What the programs are built with ----


def readelf(program, *options):
    done = subprocess.run(["readelf", "-W", *options, RELEASE / program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_hard_to_take_over(program):
    """As checksec looks at it."""
    head, segments, dynamic, symbols = (readelf(program, option) for option in ("-h", "-l", "-d", "-s"))
    assert re.search(r"Type:\s+DYN", head) and re.search(r"FLAGS_1.*\bPIE\b", dynamic), "may stand anywhere in memory"
    assert "GNU_RELRO" in segments and re.search(r"\bBIND_NOW\b", dynamic), "its table of functions is read-only"
    assert re.search(r"GNU_STACK\s.*\sRW\s", segments), "its stack cannot be run"
    assert not re.search(r"LOAD\s.*\sRWE\s", segments), "no memory is written and run"
    assert "__stack_chk_fail" in symbols, "a stack that was written over ends it"
    assert re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")), "copies are checked where their room is known"
    assert not re.search(r"R(UN)?PATH", dynamic), "libraries come from the system"


def test_indirect_calls_are_guarded():
    """-fcf-protection and its like leave a mark where an indirect call may land."""
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", RELEASE / "ledigd"], capture_output=True, text=True)
    assert len(re.findall(r"\b(endbr64|bti|paciasp)\b", done.stdout)) > 50


# ---- What its processes may do ----


@pytest.fixture
def real(start_broker):
    def begin(**options):
        return start_broker(build=RELEASE, **options)
    return begin


def test_no_process_gains_rights_or_leaves_a_core(real):
    broker = real()
    for name, pid in all_pids(broker).items():
        status = status_of(pid)
        assert status["NoNewPrivs"].strip() == "1", name
        assert re.search(r"Max core file size\s+0\s+0\s", pathlib.Path(f"/proc/{pid}/limits").read_text()), name


def test_workers_have_a_filter_of_system_calls_and_no_capabilities(real):
    broker = real(workers=2)
    readable = 1 << 2  # CAP_DAC_READ_SEARCH, of root alone
    for name, pid in workers(broker).items():
        status = status_of(pid)
        assert status["Seccomp"].strip() == "2", name
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[kind], 16) & ~(readable if os.geteuid() == 0 else 0) == 0, (name, kind, status[kind])
        assert pathlib.Path(f"/proc/{pid}/mem").stat().st_uid == 0, f"{name} lets others of its user look into its memory"


async def test_with_the_filter_of_production_all_goes_its_way(real, make_company):
    """The way of a change, of a question, of Redis that goes and comes back, and of an orderly end."""
    broker = real()
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola", encoding="json")
    await kari.set("dnd", note="i sandkassa")
    await ola.sees("kari", availability="dnd", note="i sandkassa")
    assert company.route("kari")["availability"] == "dnd"
    broker.kill_redis()
    await ola.set("busy")
    await kari.sees("ola", availability="busy")
    before = workers(broker)
    broker.stop()
    assert broker.returncode == 0 and not any(map(is_running, before.values()))
    assert "worker_ended" not in [line for line in broker.log().splitlines() if "level=error" in line]


def test_descriptors_of_workers_are_counted_though_nobody_may_look(real):
    metrics = Metrics(real())
    for process in ("app/0", "router/0", "redis", "supervisor"):
        assert metrics("process_descriptors", process=process) > 3, process


# ---- Which user it is ----


@pytest.fixture
def theirs():
    """A folder that others can reach, and the release build in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ledig-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def ids(pid):
    status = status_of(pid)
    return set(status["Uid"].split()), set(status["Gid"].split()), set(status["Groups"].split())


@as_root
def test_started_as_root_it_becomes_the_user_with_all_its_children(theirs, real, make_company):
    broker = real(data=theirs / "data", user=OTHER)
    user = pwd.getpwnam(OTHER)
    for name, pid in all_pids(broker).items():
        uids, gids, groups = ids(pid)
        assert uids == {str(user.pw_uid)} and gids == {str(user.pw_gid)} and groups <= {str(user.pw_gid)}, name
        assert int(status_of(pid)["CapEff"], 16) == 0 and int(status_of(pid)["CapPrm"], 16) == 0, name
    owner = (theirs / "data").stat()
    assert owner.st_uid == user.pw_uid and stat.S_IMODE(owner.st_mode) == 0o700
    company = make_company(broker=broker)
    assert company.route("kari")["action"] == "ring"
    broker.kill_worker()
    broker.kill_redis()
    metrics = Metrics(broker)
    assert metrics("process_descriptors", process="app/0") > 3


@as_root
def test_what_root_does_to_the_data_leaves_it_the_brokers(theirs, real, make_company):
    """A rotation, a restore: all that stands there afterwards belongs to whom it belonged to, and the broker starts."""
    broker, user = real(data=theirs / "data", user=OTHER, store_timeout_ms=200, keys_days=0), pwd.getpwnam(OTHER)
    company = make_company(broker=broker)
    done = broker.ledig("keys", "rotate", "--data", broker.data)
    assert done.returncode == 0, done.stderr
    [backup] = (broker.data / "backups").iterdir()
    broker.stop()
    done = broker.ledig("restore", backup, "--data", broker.data)
    assert done.returncode == 0, done.stderr
    for path in [broker.data, *broker.data.rglob("*")]:
        assert path.stat().st_uid == user.pw_uid or path.name == "default-company", path
    broker.start()
    assert company.route("kari")["action"] == "ring"


@as_root
def test_a_port_of_the_system_is_opened_and_the_right_to_it_given_up(theirs, real):
    port = next(port for port in (443, 843, 989, 17, 19) if is_free(port))
    broker = real(data=theirs / "data", user=OTHER, listen=f"127.0.0.1:{port}")
    assert f":{port}/" in broker.url
    for name, pid in all_pids(broker).items():
        has = int(status_of(pid)["CapPrm"], 16)
        assert has == (1 << 10 if name == "supervisor" else 0), (name, hex(has))  # CAP_NET_BIND_SERVICE, for new workers
    broker.kill_worker()
    assert broker.is_ready()


def is_free(port):
    import socket
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@as_root
def test_root_serves_nobody_but_this_machine_unless_told(theirs):
    everywhere = ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.1:0")
    assert_one_clear_line(start(theirs / "data", "--insecure", listen=everywhere), "--user")
    assert not (theirs / "data").exists()


@as_root
def test_root_is_told_that_it_should_not(real):
    assert "event=runs_as_root" in real().log()
    assert "event=runs_as_root" in real(user="root").log()


@as_root
def test_files_that_the_user_cannot_read_are_told(theirs):
    data = theirs / "data"
    data.mkdir(mode=0o700)  # root's
    assert_one_clear_line(start(data, "--user", OTHER, program=RELEASE / "ledigd"), "give it to the user")


def test_a_user_that_is_not_there(tmp_path):
    assert_one_clear_line(start(tmp_path / "data", "--user", "no-such-user"), "no such user")
    assert not (tmp_path / "data").exists()


@as_root
def test_only_root_becomes_somebody_else(theirs):
    program = shutil.copy(RELEASE / "ledigd", theirs / "ledigd")
    wrap = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert_one_clear_line(start(theirs / "data", "--user", "daemon", wrap=wrap, program=program), "only root")


# ---- The unit of systemd ----


def test_the_unit_is_tight():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", UNIT],
                          capture_output=True, text=True, env=environment())
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    print(found.group(0))
    assert done.returncode == 0 and float(found.group(1)) < 2.0, done.stdout


IN_THE_UNIT = '''#!/usr/bin/python3
import ctypes, errno, json, os, sys
names, program = json.loads({names!r}), {program!r}
library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
ALLOW, EPERM = 0x7fff0000, 0x00050000 | errno.EPERM
rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(EPERM)))
for name in names:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number != -1:
        library.seccomp_rule_add(rules, ctypes.c_uint32(ALLOW), number, 0)
assert library.seccomp_load(rules) == 0
os.execv(program, [program] + sys.argv[1:])
'''


def calls_of_the_unit():
    """The names that SystemCallFilter= allows in the end, groups resolved by systemd itself."""
    def resolve(word):
        if not word.startswith("@"):
            return {word}
        listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True).stdout
        return set().union(*(resolve(line.strip()) for line in listed.splitlines()[1:] if line.strip() and not line.strip().startswith("#")))

    allowed = resolve("@default")
    for line in UNIT.read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "SystemCallFilter":
            named = set().union(*map(resolve, value.lstrip("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
    return sorted(allowed)


@as_root
async def test_the_broker_lives_within_the_system_calls_of_the_unit(theirs, start_broker, make_company):
    """Workers can still lock themselves in further, and Redis starts, is killed and comes back. As the unit has it, as a
    user that is not root."""
    calls = calls_of_the_unit()
    assert "execve" in calls and "mount" not in calls and "setuid" not in calls
    folder = theirs / "bin"
    folder.mkdir()
    shutil.copy(RELEASE / "ledigd", folder / "real")
    shutil.copy(RELEASE / "ledig", folder / "ledig")
    user = pwd.getpwnam(OTHER)
    (folder / "inside").write_text(IN_THE_UNIT.format(names=json.dumps(calls), program=str(folder / "real")))
    (folder / "ledigd").write_text(f'#!/bin/sh\nexec setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups --bounding-set=-all '
                                   f'--inh-caps=-all --no-new-privs /usr/bin/python3 {folder}/inside "$@"\n')
    for name in ("inside", "ledigd"):
        (folder / name).chmod(0o755)
    data = theirs / "data"
    data.mkdir(mode=0o700)
    os.chown(data, user.pw_uid, user.pw_gid)
    broker = start_broker(build=folder, data=data)
    for name, pid in workers(broker).items():
        assert int(status_of(pid)["Seccomp_filters"]) == 2, name  # the unit's, and its own
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy", note="i enheten")
    broker.kill_redis()
    await kari.set("available")
    assert "no_sandbox" not in broker.log()


# ---- Secrets, and what the log is made to say ----


def test_no_secret_stands_on_a_command_line_or_in_a_log(start_broker, make_company, own_redis, tmp_path):
    """The password of Redis, the key of the tokens, and a token."""
    broker = start_broker(redis=own_redis.url, redis_user="ledig", redis_password_file=own_redis.password_file)
    make_company(broker=broker)
    token = broker.token("boss", "acme", "admin")
    key = (broker.data / "token.key").read_bytes()
    secrets = [own_redis.password.encode(), key, key.hex().encode(), token.encode(), token.rpartition(".")[2].encode()]
    read = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in all_pids(broker).values() if pid}
    read["log"] = broker.log().encode()
    read["ledigd.json"] = (broker.data / "ledigd.json").read_bytes()
    for where, text in read.items():
        assert text, where
        for secret in secrets:
            assert secret not in text, where
    assert any(str(own_redis.password_file).encode() in text for text in read.values()), "the file was never named"


def test_no_flag_takes_a_secret(start_broker):
    """Whatever takes one says so of a file."""
    for program, arguments in (("ledigd", ["--help"]), ("ledig", ["watch", "--help"]), ("ledig", ["import", "--help"])):
        told = subprocess.run([RELEASE / program, *arguments], capture_output=True, text=True, env=environment()).stdout
        for flag in re.findall(r"--[a-z-]+", told):
            if re.search(r"pass|secret|token|key", flag):
                assert flag.endswith("-file") or flag in (
                    "--tls-key", "--router-tls-key", "--keys", "--keys-command",  # files, or where to ask
                    "--keys-days", "--keys-look-ms"), flag  # times


def test_nothing_that_a_peer_says_makes_a_line_of_the_log(start_broker, company):
    """Line ends, quotes and fields in paths, ids, tokens and file names of a broker that logs all it can."""
    broker = start_broker(log_level="debug")
    token = broker.token("boss", "acme", "admin")
    for text in ("acme%0Atime=1%20level=error%20event=forged", 'acme"%20event=forged', "acme%20event=forged", "a%1b[31mevent=forged"):
        for path in (f"/v1/companies/{text}", f"/v1/companies/acme/users/{text}", f"/v1/route?to={text}", f"/{text}"):
            for method in ("GET", "PUT", "DELETE"):
                broker.http(method, path, token=token, body=b"{}" if method == "PUT" else None, content_type="application/json")
    broker.import_csv("acme", 'user,name,numbers,department,role,queues\n"a\nevent=forged","b\nevent=forged",,,,\n')
    lines = broker.log().splitlines()
    assert lines and all(re.match(r"time=\S+ level=\w+ process=\S+ event=\w+( |$)", line) for line in lines)
    assert not [line for line in lines if "event=forged" in re.sub(r'"(\\.|[^"\\])*"', "", line)]


def test_a_file_name_cannot_forge_a_line(start_broker, tmp_path):
    """The name of a certificate that cannot be read, as a worker tells of it."""
    from test_tls import make_pair
    folder = tmp_path / 'odd" event=forged level="error'
    folder.mkdir()
    cert, key = make_pair(folder, "first")
    broker = start_broker(tls_cert=cert, tls_key=key, tls_look_ms=50)
    cert.write_text("broken")
    wait_until(lambda: "certificate_kept" in broker.log(), "it is told")
    line = next(line for line in broker.log().splitlines() if "certificate_kept" in line)
    assert 'odd\\" event=forged' in line and len(re.findall(r'(?<!\\)"', line)) == 2, line


# ---- A Redis that permits no more than is needed ----


def acl_line():
    """The user as docs/operating.md has it."""
    return re.search(r"^user ledig .*$", (ROOT / "docs" / "operating.md").read_text(), re.M).group(0)


class OwnRedis:
    """A Redis with a user of the operator's, and a default user that may do nothing."""

    def __init__(self, folder):
        self.folder, self.password = folder, "correct-horse-battery"
        self.password_file = folder / "redis.password"
        self.password_file.write_text(self.password + "\n")
        self.password_file.chmod(0o600)
        self.socket = folder / "r.sock"
        self.url = f"unix:{self.socket}"
        (folder / "users.acl").write_text(acl_line().replace(">PASSWORD", f">{self.password}") + "\nuser default off\n")
        (folder / "redis.conf").write_text(f"port 0\nunixsocket {self.socket}\ndir {folder}\nsave \"\"\nappendonly no\n"
                                           f"aclfile {folder}/users.acl\n")
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        self.process = subprocess.Popen([program, folder / "redis.conf"], stdout=subprocess.DEVNULL)
        wait_until(self.socket.exists, "Redis listens")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@pytest.fixture
def own_redis():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ledig-"))
    redis = OwnRedis(folder)
    yield redis
    redis.end()
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_user_of_redis_needs_no_more_than_the_guide_says(start_broker, make_company, own_redis):
    """What the broker does all day, with nothing permitted but that."""
    broker = start_broker(redis=own_redis.url, redis_user="ledig", redis_password_file=own_redis.password_file, workers=2,
                          verify_ms=100, lease_ms=1000, idle_ms=500)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("dnd", note="med rettigheter")
    await ola.sees("kari", availability="dnd")
    await ola.ok("queue", queue="support", member=True)
    token = broker.token("router", company.id, "router")
    path = f"/v1/companies/{company.id}"
    assert broker.http("PUT", "/v1/routers/r1", token=token, body={}).status in (200, 201, 204)
    claim = broker.http("POST", f"{path}/queues/support/claims", token=token, body={"call": "c1", "router": "r1"})
    assert claim.status == 201, claim.body
    ended = broker.http("PUT", f"{path}/calls/c1", token=token, body={"state": "ended", "router": "r1", "seq": 2, "at": 1})
    assert ended.status in (200, 204), ended.body
    assert company.route("kari")["availability"] == "dnd"
    boss = broker.token("boss", company.id, "admin")
    assert broker.http("GET", f"{path}/users", token=boss).status == 200
    assert broker.http("DELETE", f"{path}/users/nina", token=boss).status in (200, 204)
    await ola.until(lambda: "nina" not in ola.profiles)
    await kari.ok("consent", purpose="presence", granted=False, text="v1")
    await ola.sees("kari", availability="unknown")
    broker.kill_worker()
    assert "NOPERM" not in broker.log() and "store_lost" not in broker.log()


def test_a_wrong_password_is_told_and_not_shown(own_redis, tmp_path, start_broker):
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password-at-all\n")
    wrong.chmod(0o600)
    process = subprocess.Popen([RELEASE / "ledigd", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0",
                                "--ops-listen", "127.0.0.1:0", "--redis", own_redis.url, "--redis-user", "ledig",
                                "--redis-password-file", wrong], stdout=subprocess.PIPE, stderr=open(tmp_path / "log", "wb"),
                               env=environment())
    try:
        wait_until(lambda: "WRONGPASS" in (tmp_path / "log").read_text(), "the refusal is logged")
        assert "not-the-password" not in (tmp_path / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert process.stdout.read() == b""
