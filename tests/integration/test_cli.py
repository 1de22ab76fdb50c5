"""The command line, as people and scripts use it, against a real broker."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time

import pytest

from broker_process import BUILD, environment, wait_until
from conftest import person


class Watch:
    """A `ledig watch` that runs; what it prints can be waited for."""

    def __init__(self, broker, *arguments, env=None, terminal=False):
        master, slave = pty.openpty() if terminal else (None, subprocess.PIPE)
        self.out, self.err = [], []
        self.process = subprocess.Popen([BUILD / "ledig", "watch", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=slave, stderr=subprocess.PIPE, cwd="/", env=environment(
                                            LEDIG_DATA=str(broker.data), TERM="xterm", **(env or {})))
        if terminal:
            os.close(slave)
        self._follow(os.fdopen(master, "rb") if terminal else self.process.stdout, self.out)
        self._follow(self.process.stderr, self.err)

    @staticmethod
    def _follow(stream, lines):
        def read():
            try:
                for line in stream:
                    lines.append(line.decode().rstrip("\r\n"))
            except OSError:
                pass  # the terminal is closed
        threading.Thread(target=read, daemon=True).start()

    def sees(self, pattern, where=None):
        """Waits for a line; returns it."""
        where = self.out if where is None else where
        def find():
            assert self.process.poll() is None or any(re.search(pattern, line) for line in where), (self.out, self.err)
            return next((line for line in where if re.search(pattern, line)), None)
        return wait_until(find, f"{pattern!r} in {where}")

    def says(self, pattern):
        return self.sees(pattern, self.err)

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def ledig(broker):
    """Runs a command on the broker's machine: its data directory is known."""
    def run(*arguments, **more):
        env = dict(LEDIG_DATA=str(broker.data), **more.pop("env", {}))
        return broker.ledig(*arguments, env=env, **more)
    return run


def at(company, user):
    return f"{user}@{company.id}"


# ---- watch ----

def test_watch_shows_everyone_and_then_each_change_with_its_name(broker, make_company, ledig):
    company = make_company(rows=[person("kari", "Kari Ås"), person("ola", "Øyvind Bråten")])
    with Watch(broker, "--as", at(company, "kari")) as watch:
        watch.says("live; 2 colleagues")
        watch.sees(r"Øyvind Bråten  available")
        done = ledig("set", "--as", at(company, "ola"), "busy", "--activity", "meeting", "--until", "2h", "--note", "Styremøte")
        assert done.returncode == 0, done.stderr
        line = watch.sees("Styremøte")
        assert re.fullmatch(r"\d\d:\d\d:\d\d  Øyvind Bråten  busy · meeting  until (tomorrow )?\d\d:\d\d  “Styremøte”.*", line)
        assert watch.end() == 0


def test_watch_follows_only_whom_it_was_told_to(broker, company, ledig):
    with Watch(broker, "--as", at(company, "kari"), "--follow", "ola") as watch:
        watch.says("live")
        ledig("set", "--as", at(company, "nina"), "dnd")
        ledig("set", "--as", at(company, "ola"), "busy")
        watch.sees("Ola Prøvesen +busy")
        assert not any("Nina" in line for line in watch.out)
        assert not any("there is no colleague" in line for line in watch.err)


def test_watch_names_those_whom_it_cannot_follow_yet(broker, make_company, ledig):
    company = make_company(rows=[person("kari", "Kari Ås")])
    with Watch(broker, "--as", at(company, "kari"), "--follow", "kari", "nosuch") as watch:
        watch.says("there is no colleague nosuch yet")
        watch.says("live; 1 colleague of ")


def test_watch_as_json_is_the_protocol_a_line_a_message(broker, company, ledig):
    with Watch(broker, "--as", at(company, "kari"), "--json") as watch:
        watch.sees('"changes"')
        ledig("set", "--as", at(company, "ola"), "away", "--note", "blåbærtur")
        line = json.loads(watch.sees("blåbærtur"))
        assert line["t"] == "changes" and line["members"][0][:2] == ["ola", "away"]
        assert {json.loads(line)["t"] for line in watch.out} >= {"welcome", "changes", "me"}


def test_watch_survives_a_worker_that_is_killed_and_says_so(start_broker, make_company):
    broker = start_broker()
    company = make_company(broker=broker)
    with Watch(broker, "--as", at(company, "kari")) as watch:
        watch.says("live")
        shown = len(watch.out)
        broker.kill_worker("app")
        line = watch.says("the line is down")
        assert re.fullmatch(r"ledig watch: the line is down: [\w ,]+; trying again in [\d.]+ s", line) and "store" not in line
        watch.says("connected again")
        done = broker.ledig("set", "--data", broker.data, "--as", at(company, "ola"), "busy", "--note", "etterpå")
        assert done.returncode == 0, done.stderr
        watch.sees("etterpå")
        assert not any("Nina" in line and "available" in line for line in watch.out[shown:]), "what did not change is not said again"
        assert watch.end(signal.SIGTERM) == 0


def test_colour_is_for_terminals(broker, company):
    with Watch(broker, "--as", at(company, "kari"), terminal=True) as watch:
        assert "\x1b[32mavailable\x1b[0m" in watch.sees("Ola")
    with Watch(broker, "--as", at(company, "kari"), terminal=True, env=dict(NO_COLOR="1")) as watch:
        assert "\x1b" not in watch.sees("Ola")
    with Watch(broker, "--as", at(company, "kari")) as watch:
        assert "\x1b" not in watch.sees("Ola")


async def test_a_note_cannot_command_a_colleagues_terminal(broker, company):
    ola = await company.app("ola")
    with Watch(broker, "--as", at(company, "kari"), terminal=True, env=dict(NO_COLOR="1")) as watch:
        watch.says("live")
        await ola.set("busy", note="\x1b[2Jhei\x9b")
        line = watch.sees("hei")
        assert "\\x1b[2Jhei" in line and "\x1b" not in line


def test_a_reader_that_goes_away_ends_the_watch(broker, company, ledig):
    watch = subprocess.Popen([BUILD / "ledig", "watch", "--as", at(company, "kari"), "--data", broker.data],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=environment())
    assert watch.stdout.readline()
    watch.stdout.close()
    def gone():
        ledig("set", "--as", at(company, "ola"), "busy", "--note", str(time.monotonic()))
        return watch.poll() is not None
    wait_until(gone, "the watch ends at its next line")
    assert watch.returncode == 0, watch.stderr.read()


# ---- set, ask, consent, route ----

def test_what_is_set_is_what_is_asked_and_routed(broker, company, ledig):
    done = ledig("set", "--as", at(company, "ola"), "busy", "--activity", "lunch", "--until", "45m")
    assert re.fullmatch(r"busy · lunch  until (tomorrow )?\d\d:\d\d\n", done.stdout), done
    done = ledig("ask", "--as", at(company, "kari"), "ola", "nina")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    assert re.search(r"Ola Prøvesen   busy · lunch  until", done.stdout), done.stdout
    done = ledig("route", company.numbers["ola"])
    assert done.returncode == 0 and done.stdout.startswith("busy") and f"ola@{company.id}" in done.stdout, done
    done = ledig("set", "--as", at(company, "ola"), "available")
    assert done.stdout == "available\n"
    done = ledig("route", company.numbers["ola"], "--json")
    assert json.loads(done.stdout)["action"] == "ring"


def test_json_is_one_object_of_the_protocol_a_line(broker, company, ledig):
    done = ledig("set", "--as", at(company, "ola"), "dnd", "--json")
    assert json.loads(done.stdout)["t"] == "ok"
    done = ledig("ask", "--as", at(company, "kari"), "ola", "--json")
    answer = json.loads(done.stdout)
    assert answer["t"] == "answer" and answer["members"][0][:2] == ["ola", "dnd"]
    done = ledig("ask", "--as", at(company, "kari"), "nobody", "--json")
    assert json.loads(done.stdout)["code"] == "not_found" and done.returncode == 1


def test_numbers_and_queues_can_be_asked_about(broker, make_company, ledig):
    company = make_company(rows=[dict(user="support", name="Støtte", role="queue", numbers="", department="", queues=""),
                                 person("kari", "Kari", queues="support"), person("ola", "Ola")], consent=["kari"])
    done = ledig("ask", "--as", at(company, "kari"), "--numbers", company.numbers["ola"], "--queues", "support")
    assert done.returncode == 0, done
    assert re.search(r"^support  \d free, \d busy", done.stdout, re.M) and re.search(r"Ola +unknown", done.stdout), done.stdout


def test_a_number_that_nobody_has_is_named(broker, company, ledig):
    done = ledig("ask", "--as", at(company, "kari"), "--numbers", "abc", "10000001")
    assert (done.returncode, done.stdout) == (1, "") and done.stderr == "ledig ask: nobody has abc\nledig ask: nobody has 10000001\n", done
    number = company.numbers["ola"]
    spoken = f"00{number[1:5]} {number[5:]}"
    done = ledig("ask", "--as", at(company, "kari"), "--numbers", spoken, "+4799999999")
    assert done.returncode == 0 and "Ola" in done.stdout and done.stderr == "ledig ask: nobody has +4799999999\n", done
    done = ledig("ask", "--as", at(company, "kari"), "--json", "--numbers", "+4799999999")
    assert done.returncode == 1 and json.loads(done.stdout)["t"] == "answer", done


def test_who_is_not_there_is_named(broker, company, ledig):
    def asked(*arguments):
        return ledig("ask", "--as", at(company, "kari"), *arguments)
    done = asked("nosuch")
    assert (done.returncode, done.stderr) == (1, "ledig ask: there is no colleague nosuch\n"), done
    done = asked("ola", "nosuch", "nina", "ninaa", "--queues", "suport", "support")
    assert done.returncode == 1 and done.stdout == "", done
    assert done.stderr.splitlines() == ["ledig ask: there is no colleague nosuch", "ledig ask: there is no colleague ninaa",
                                        "ledig ask: there is no queue suport"]
    done = ledig("set", "--as", at(company, "kari"), "--role", "switchboard", "busy", "--user", "nosuch")
    assert (done.returncode, done.stderr) == (1, "ledig set: there is no colleague nosuch\n"), done


@pytest.mark.slow(240)
def test_while_the_store_is_away_answers_say_how_old_they_are(start_broker, make_company):
    broker = start_broker(store_timeout_ms=700, verify_ms=300)
    company, unheard_of = make_company(broker=broker), make_company(broker=broker, consent=False)
    def ledig(*arguments):
        return broker.ledig(*arguments, "--data", broker.data)
    with Watch(broker, "--as", at(company, "kari")) as watch:
        watch.says("live")
        for _ in range(5):  # a company that is asked about again is kept loaded for routers
            done = ledig("route", company.numbers["ola"])
            assert done.returncode == 0 and done.stderr == "", done
        redis = broker.redis_pid()
        os.kill(redis, signal.SIGSTOP)
        try:
            def says_its_age(*arguments):
                done = ledig(*arguments)
                assert done.returncode == 0 and done.stdout, done
                return re.fullmatch(r"\(as of \d+ s ago: the broker's store is away\)\n", done.stderr)
            wait_until(lambda: says_its_age("ask", "--as", at(company, "kari"), "ola"), "ask says how old its answer is")
            wait_until(lambda: says_its_age("route", company.numbers["ola"]), "route says how old its answer is")
            assert ledig("ask", "--as", at(company, "kari"), "ola", "--json").stderr == ""
            done = ledig("ask", "--as", at(unheard_of, "kari"), "ola")
            assert (done.returncode, done.stderr) == (4, "ledig ask: the broker's store does not answer now; try again in 2 s\n"), done
        finally:
            os.kill(redis, signal.SIGCONT)
        broker.wait_ready()


def test_without_consent_there_is_nothing_to_set_and_it_says_how_to_give_it(broker, make_company, ledig):
    company = make_company(consent=False)
    done = ledig("set", "--as", at(company, "ola"), "busy")
    assert done.returncode == 1 and "ledig consent presence yes" in done.stderr
    done = ledig("consent", "--as", at(company, "ola"), "presence", "yes", "--text", "2026-1")
    assert (done.returncode, done.stdout) == (0, "consent to presence given (text 2026-1)\n")
    assert ledig("set", "--as", at(company, "ola"), "busy").returncode == 0
    done = ledig("consent", "--as", at(company, "ola"), "presence", "nei")
    assert (done.returncode, done.stdout) == (0, "consent to presence withdrawn\n")
    assert re.search("Ola.*unknown", ledig("ask", "--as", at(company, "kari"), "ola").stdout)


def test_an_agent_logs_in_pauses_and_logs_out(company, ledig):
    for words, said in ((("in",), "support: logged in\n"), (("in", "--pause", "lunch"), "support: paused (lunch)\n"),
                        (("out",), "support: logged out\n")):
        done = ledig("queue", "--as", at(company, "kari"), "support", *words)
        assert (done.returncode, done.stdout) == (0, said), done
    done = ledig("queue", "--as", at(company, "kari"), "sales", "in")
    assert done.returncode == 1 and "no such queue" in done.stderr, done


def test_another_may_be_set_by_role_only(broker, company, ledig):
    done = ledig("set", "--as", at(company, "kari"), "busy", "--user", "ola")
    assert done.returncode == 3 and "your role may only set your own" in done.stderr and "--role switchboard" in done.stderr, done
    done = broker.ledig("set", "--url", broker.url, "busy", "--user", "ola", env=dict(LEDIG_TOKEN=company.token("kari")))
    assert done.returncode == 3 and "--role" not in done.stderr, done
    done = ledig("set", "--as", at(company, "kari"), "--role", "switchboard", "busy", "--user", "ola")
    assert done.returncode == 0 and done.stdout == "ola  busy\n", done


def test_a_wrong_value_is_the_subject_of_the_sentence(broker, company, ledig):
    done = ledig("set", "--as", at(company, "ola"), "busy", "--activity", "in_call")
    assert done.returncode == 1 and done.stderr.startswith("ledig set: the activity must be a word"), done
    done = ledig("set", "--as", at(company, "ola"), "busy", "--forward", "ola")
    assert done.returncode == 1 and done.stderr.startswith("ledig set: the target of --forward must be another"), done


@pytest.mark.parametrize("flag,value,fault", [
    ("--note", "å" * 201, "the note is longer than 200 characters: it has 201"),
    ("--note", "\udcff\udcfe", "the note is not valid UTF-8"),
    ("--note", "a\nb", "the note has a control character in it: U+000A"),
    ("--note", "\x9b2J", "the note has a control character in it: U+009B"),
    ("--activity", "m" * 33, "the activity is longer than 32 characters: it has 33"),
    ("--activity", "\udcff", "the activity is not valid UTF-8"),
    ("--user", "Ola Normann", "there can be no user “Ola Normann”"),
    ("--forward", "+47\t1", "the target of --forward has a control character in it"),
])
def test_a_text_that_cannot_be_is_told_before_anything_is_sent(broker, company, flag, value, fault):
    done = broker.ledig("set", "busy", flag, value, "--url", "ws://127.0.0.1:1/v1", env=dict(LEDIG_TOKEN="x.y.z"))
    assert done.returncode == 2 and done.stderr.startswith(f"ledig set: {fault}"), done


def test_the_longest_note_is_taken_and_an_empty_one_is_none(broker, company, ledig):
    done = ledig("set", "--as", at(company, "ola"), "busy", "--note", "å" * 200)
    assert done.returncode == 0, done
    done = ledig("set", "--as", at(company, "ola"), "busy", "--note", "")
    assert (done.returncode, done.stdout) == (0, "busy\n"), done


# ---- who, and where ----

def test_tokens_come_from_the_environment_or_a_file(broker, company, tmp_path):
    token = company.token("ola")
    done = broker.ledig("set", "--url", broker.url, "busy", env=dict(LEDIG_TOKEN=token))
    assert done.returncode == 0, done.stderr
    for text in (token, f"{token}\n", f"Authorization: Bearer {token}\n"):
        (tmp_path / "token").write_text(text)
        done = broker.ledig("set", "--url", broker.url, "--token-file", tmp_path / "token", "busy")
        assert done.returncode == 0, done.stderr


def test_a_token_that_is_wrong_or_missing_is_exit_code_3(broker, company, tmp_path):
    for command in (("set", "busy"), ("ask", "ola"), ("consent", "presence", "yes"), ("watch",)):
        done = broker.ledig(*command, "--url", broker.url, env=dict(LEDIG_TOKEN="no.such.token"))
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done
        assert "no.such" not in done.stderr
    done = broker.ledig("route", "+4799999999", "--url", broker.router_url, env=dict(LEDIG_TOKEN="no.such.token"))
    assert done.returncode == 3, done
    assert broker.ledig("set", "busy", "--url", broker.url).returncode == 3
    assert broker.ledig("set", "busy", "--token-file", tmp_path / "none").returncode == 3


def test_a_token_of_the_wrong_role_is_exit_code_3(broker, company, tmp_path):
    (tmp_path / "file.csv").write_text("user,name,numbers,department,role,queues\na,A,,,,\n")
    done = broker.ledig("import", tmp_path / "file.csv", "--company", company.id, "--url", broker.router_url,
                        env=dict(LEDIG_TOKEN=company.token("ola")))
    assert done.returncode == 3, done


def test_a_watch_whose_token_expires_goes_on_with_another(start_broker, make_company, tmp_path):
    """Tokens are short; the watch goes on with the next one that is put into the file."""
    broker = start_broker()
    company = make_company(broker=broker)
    path = tmp_path / "token"
    path.write_text(broker.ledig("token", "--data", broker.data, "--company", company.id, "--user", "kari", "--ttl", "5s").stdout)
    with Watch(broker, "--token-file", path) as watch:
        watch.says("live")
        path.write_text(company.token("kari"))
        expired = time.monotonic() + 6
        wait_until(lambda: time.monotonic() > expired, "the token has expired", 10)
        assert broker.ledig("set", "busy", "--data", broker.data, "--as", at(company, "ola")).returncode == 0
        watch.sees("busy")


def test_a_token_on_the_command_line_is_refused_and_not_repeated(broker):
    for words in (["--token", "eyJhbG.abc.def"], ["--token=eyJhbG.abc.def"], ["--token-file", "eyJhbG.abc.def"], ["--tok=eyJhbG.abc.def"]):
        done = broker.ledig("set", "busy", *words)
        assert done.returncode in (2, 3) and "eyJ" not in done.stdout + done.stderr and "--tok" in done.stderr, done
    assert "LEDIG_TOKEN" in broker.ledig("set", "busy", "--token", "eyJhbG.abc.def").stderr


def test_a_closed_standard_output_is_exit_code_1(broker, company):
    words = ["ask", "--data", broker.data, "--as", at(company, "kari"), "ola"]
    for arguments in (words, ["--help"]):
        for where in (">&-", ">/dev/full"):
            done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {where}', BUILD / "ledig", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, cwd="/", env=environment())
            assert done.returncode == 1 and "standard output cannot be written to" in done.stderr, (where, done)
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- 2>&-', BUILD / "ledig", *map(str, words)], stdout=subprocess.PIPE, text=True,
                          cwd="/", env=environment())
    assert done.returncode == 0 and "Ola" in done.stdout, done


def test_nobody_there_is_exit_code_4(broker, company):
    token = dict(LEDIG_TOKEN=company.token("ola"))
    for command in (("set", "busy"), ("ask", "ola"), ("watch",)):
        done = broker.ledig(*command, "--url", "ws://127.0.0.1:1/v1", env=token)
        assert done.returncode == 4 and "ws://127.0.0.1:1/v1" in done.stderr and done.stderr.count("\n") == 1, done
    done = broker.ledig("route", "+4799999999", "--url", "http://127.0.0.1:1", env=token)
    assert done.returncode == 4 and "127.0.0.1:1" in done.stderr, done


def test_a_key_that_others_can_read_is_not_used(broker, company, tmp_path):
    (tmp_path / "token.key").write_bytes(bytes(32))
    (tmp_path / "token.key").chmod(0o644)
    done = broker.ledig("set", "--data", tmp_path, "--as", "ola@firm", "busy")
    assert done.returncode == 3 and "chmod 600" in done.stderr, done


def test_the_first_company_imported_is_the_default_one(start_broker, make_company, tmp_path):
    broker = start_broker()
    (tmp_path / "file.csv").write_text("user,name,numbers,department,role,queues\nkari,Kari,,,,\n")
    for company in ("first", "second"):
        done = broker.ledig("import", tmp_path / "file.csv", "--company", company, "--data", broker.data)
        assert done.returncode == 0, done.stderr
    watched = broker.ledig("ask", "--data", broker.data, "--as", "kari", "kari", "--json")
    assert watched.returncode == 0, watched.stderr
    with Watch(broker, "--as", "kari") as watch:
        watch.says("1 colleagues? of first")
    with Watch(broker, "--as", "kari", env=dict(LEDIG_COMPANY="second")) as watch:
        watch.says("of second")


def test_a_token_alone_goes_to_stdout(broker):
    done = broker.ledig("token", "--data", broker.data, "--company", "firm", "--user", "ola")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", done.stdout) and done.stderr == "" and done.returncode == 0
    done = broker.ledig("token", "--data", broker.data, "--company", "*", "--user", "pbx", "--role", "router", "--header")
    assert done.stdout.startswith("Authorization: Bearer ")
    done = broker.ledig("token", "--data", broker.data, "--company", "*", "--user", "ola")
    assert done.returncode == 2 and done.stdout == ""


@pytest.mark.parametrize("company,user,role,fault", [
    ("demo x", "ola", "member", "more than one company is for routers and operators; a member is of one"),
    ("*", "ola", "lead", '--company "*" is for routers and operators; a lead is of one'),
    ("Demo", "ola", "member", "--company takes an id"),
    ("demo Demo", "pbx", "router", "--company takes an id"),
    ("", "ola", "member", "--company takes an id"),
    ("x" * 3000, "ola", "router", "--company is longer"),
    ("demo", "Ola", "member", "there can be no user “Ola”"),
])
def test_a_claim_that_no_token_can_have_is_named(broker, company, user, role, fault):
    done = broker.ledig("token", "--data", broker.data, "--company", company, "--user", user, "--role", role)
    assert (done.returncode, done.stdout) == (2, "") and fault in done.stderr, done


# ---- import ----

def test_an_import_says_what_it_did_and_can_be_repeated(broker, ledig, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("user,name,numbers,department,role,queues\nstøtte,X,,,,\n".replace("støtte", "kari"))
    done = ledig("import", path, "--company", "importfirm", "--dry-run")
    assert done.returncode == 0 and "only checked" in done.stdout and "1 new" in done.stdout, done
    done = ledig("import", path, "--company", "importfirm")
    assert done.returncode == 0 and "1 new, 0 changed, 0 as before" in done.stdout, done
    done = ledig("import", path, "--company", "importfirm", "--json")
    assert json.loads(done.stdout)["users"] == dict(created=0, changed=0, unchanged=1)
    done = ledig("import", "-", "--company", "importfirm", stdin=path.read_text())
    assert done.returncode == 0, done


def test_a_bad_file_is_refused_line_by_line_and_nothing_is_changed(broker, ledig, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("user,name,numbers,department,role,queues\nkari,Kari,,,,\nOLA NORDMANN,Ola,,,,\nnina,Nina,12ab,,,\n")
    done = ledig("import", path, "--company", "badfirm")
    assert done.returncode == 1 and done.stdout == "", done
    assert re.search(r"^  line 3, user: ", done.stderr, re.M) and re.search(r"^  line 4, numbers: ", done.stderr, re.M), done.stderr
    assert done.stderr.startswith("ledig import: lines of the file are wrong; nothing was changed\n"), done.stderr
    assert done.stderr.lower().count("nothing was changed") == 1, done.stderr
    path.write_text("user,name,numbers,department,role,queues\nkari,Kari,,,,\n")
    assert "1 new" in ledig("import", path, "--company", "badfirm").stdout


def test_a_large_file_arrives_whole(broker, ledig, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("user,name,numbers,department,role,queues\n" +
                    "".join(f"u{n},Person med et ganske langt navn {n},,Avdeling {n % 20},,\n" for n in range(3000)))
    done = ledig("import", path, "--company", "largefirm", timeout=120)
    assert done.returncode == 0 and "3000 new" in done.stdout, done


# ---- slips ----

@pytest.mark.parametrize("line,hint", [
    ("wacth", "did you mean watch?"),
    ("set --utnil 5m busy", "did you mean --until?"),
    ("set bussy", "did you mean busy?"),
    ("set busy --until someday", "14:30"),
    ("set busy --until", "needs a value"),
    ("consent presens yes", "did you mean presence?"),
    ("consent presence perhaps", "yes or no?"),
    ("queue support on", "in or out?"),
    ("queue support out --pause lunch", "cannot pause"),
    ("queue Køen in", "there can be no queue “Køen”"),
    ("token --user ola --role swichboard", "did you mean switchboard?"),
    ("import", "one file"),
    ("ask", "whom?"),
    ("set", "which status?"),
    ("watch ola", "--follow ola"),
    ("set busy --url http://x", "ws://"),
    ("route 1 --url ws://x", "http://"),
    ("set busy --unt 5m", "there is no flag --unt"),
    ("set -x", "there is no flag -x"),
    ("ask Ola", "there can be no user “Ola”"),
    ("ask --queues Køen", "there can be no queue “Køen”"),
    ("watch --follow Ola", "there can be no user “Ola”"),
    ("token --as ola", "there is no flag --as"),
    ("", "ledig COMMAND --help"),
])
def test_a_wrong_command_line_is_exit_code_2_and_says_what_would_be_right(broker, line, hint):
    done = broker.ledig(*line.split(), env=dict(LEDIG_DATA=str(broker.data), LEDIG_TOKEN="x.y.z"))
    assert done.returncode == 2 and hint in done.stderr and done.stdout == "", done


def test_every_command_explains_itself_with_examples(broker):
    overview = broker.ledig("--help")
    assert overview.returncode == 0 and overview.stderr == ""
    commands = re.findall(r"^  (\w+) +\w", overview.stdout, re.M)
    assert {"watch", "set", "ask", "consent", "queue", "route", "calls", "activity", "token", "import"} <= set(commands)
    for command in set(commands) - {"ledig"}:
        for words in ((command, "--help"), ("help", command)):
            done = broker.ledig(*words)
            assert done.returncode == 0 and "Examples:" in done.stdout and done.stderr == "", done
    assert re.fullmatch(r"ledig \d+\.\d+\.\d+\n", broker.ledig("--version").stdout)


@pytest.mark.parametrize("command,has,lacks", [
    ("set", ["--as USER", "--role ROLE", "--token-file", "200 characters"], ["routers' port", "operator"]),
    ("route", ["--token-file", "routers' port", "operator"], ["switchboard", "as the protocol has it"]),
    ("import", ["--token-file", "routers' port", "admin (the default)"], ["switchboard", "as the protocol has it"]),
    ("token", ["--role ROLE", "operator", "--json"], ["LEDIG_TOKEN", "--token-file", "--as", "--url"]),
])
def test_help_has_what_the_command_takes_and_no_more(broker, command, has, lacks):
    text = broker.ledig(command, "--help").stdout
    assert all(word in text for word in has) and not any(word in text for word in lacks), text
    assert all(len(line) <= 120 for line in text.splitlines()), text
