"""The requests that docs/routing.md tells other telephone systems to send, taken out of that page and sent with curl: each
must do what the page says."""

import json
import re
import subprocess

import pytest

from broker_process import PATIENCE_S, ROOT, number, unique, wait_until
from conftest import person
from test_claims import log_in
from test_queue import board_shows

PAGE = (ROOT / "docs" / "routing.md").read_text()
OUTSIDE = "+4799999999"


def section(title):
    return re.split(r"^## ", PAGE.partition(f"\n## {title}\n")[2], flags=re.M)[0]


def of_a_call():
    """(path, body) of each row of the first table, with {names} for what is filled in."""
    return re.findall(r"`POST (/\S+)` `(.+?)` \|", section("The requests of a call").partition("For a queue")[0])


def of_a_queue():
    return re.findall(r"`POST (/\S+)` `(.+?)`(?: \||, later)", section("The requests of a call").partition("For a queue")[2])


def of_freeswitch():
    """$names"""
    return re.findall(r"""ledig\("(/[^"]+)", '(.+)'\)""", section("FreeSWITCH"))


def of_asterisk():
    """${NAMES}. A request without a body is a GET."""
    found, body = [], None
    for line in section("Asterisk").splitlines():
        if set_body := re.search(r"Set\(BODY=(.+)\)$", line):
            body = set_body[1]
        elif curl := re.search(r"CURL\(\$\{ENV\(LEDIG_URL\)\}(/\S+?)(,\$\{BODY\})?\)\}\)$", line):
            found.append((curl[1], body if curl[2] else None))
    return found


class Switch:
    """Sends what a recipe says, with the names that stand in it filled in."""

    def __init__(self, broker, company, folder):
        self.broker, self.values = broker, values_of(company)
        self.header = folder / "header"
        self.header.write_text(f"Authorization: Bearer {broker.token('switch', company.id, 'router')}\n")

    def fill(self, text):
        def value(found):
            return self.values[next(name for name in found.groups() if name)]
        return re.sub(r"\$\{ENV\((\w+)\)\}|\$\{([\w()]+)\}|\$([a-z_]+)|\{([a-z]+)\}", value, text)

    def send(self, path, body=None):
        command = ["curl", "-s", "-m", f"{PATIENCE_S:g}", "-H", f"@{self.header}", "-H", "Content-Type: application/json",
                   "-w", "\n%{http_code}", self.broker.router_url + self.fill(path)]
        if body is not None:
            body = self.fill(body)
            json.loads(body)  # it must be JSON as it stands
            command += ["--data-binary", body]
        text, _, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
        return int(status), json.loads(text)


@pytest.fixture
def desk(make_company):
    line = number()
    company = make_company(rows=[person(user, queues="support") for user in ("kari", "ola", "nina")]
                           + [person("support", "Hjelp", line, "", "queue")], consent=("kari", "ola", "nina"))
    company.line = line
    return company


def values_of(company):
    """What each recipe calls these."""
    to, call = company.numbers["kari"], unique("call")
    router = unique("switch")
    return {"to": to, "from": OUTSIDE, "company": company.id, "call": call, "router": router, "ledig_router": router,
            "EXTEN": to[1:], "TO": to[1:], "CALLERID(num)": OUTSIDE[1:], "COMPANY": company.id, "UNIQUEID": call,
            "LEDIG_ROUTER": router, "ARG1": company.id, "ARG2": call, "ARG3": to[1:], "ARG4": OUTSIDE[1:],
            "queue": "support", "agent": "kari"}


@pytest.mark.parametrize("requests", [of_a_call, of_freeswitch, of_asterisk])
async def test_a_call_as_the_page_tells_it(desk, broker, tmp_path, requests):
    ola = await desk.app("ola")
    switch = Switch(broker, desk, tmp_path)
    ask, *reports = requests()
    assert len(reports) >= 3
    status, answer = switch.send(*ask)
    answer = answer[0] if isinstance(answer, list) else answer
    assert status == 200 and answer["action"] == "ring" and answer["company"] == desk.id and "target" not in answer, answer
    for path, body in sorted(reports, key=lambda report: (json.loads(switch.fill(report[1])).get("seq", 9))):
        status, answer = switch.send(path, body)
        assert status == 200, (path, body, answer)
        said = json.loads(switch.fill(body))
        if said.get("seq") == 1:
            await ola.sees("kari", activity="ringing")
        elif said.get("seq") == 2:
            await ola.sees("kari", activity="in_call")
        elif said.get("seq") == 3:
            assert said["state"] == "ended"
            await ola.sees("kari", availability="available")
        else:
            assert answer["lease_ms"] > 0, "a heartbeat"


@pytest.mark.parametrize("status, action, requests", [
    (status, action, requests) for status, action in (("busy", "busy"), ("dnd", "unavailable"), ("away", "forward"))
    for requests in (of_a_call, of_freeswitch, of_asterisk)])
async def test_what_the_recipes_branch_on(desk, broker, tmp_path, status, action, requests):
    kari = await desk.app("kari")
    await kari.set(status, **(dict(forward="ola") if action == "forward" else {}))
    switch = Switch(broker, desk, tmp_path)

    def asked():
        answer = switch.send(*requests()[0])[1]
        return answer[0] if isinstance(answer, list) else answer

    wait_until(lambda: asked()["action"] == action, f"{action} is answered")
    if action == "forward":
        assert asked()["target"] == desk.numbers["ola"]
    for title in ("FreeSWITCH", "Asterisk"):
        assert f'"{action}"' in section(title), "the recipe knows it"


async def test_a_queues_call_as_the_page_tells_it(desk, broker, tmp_path):
    board = (await log_in(desk, "kari", "ola"))["kari"]
    await board.ok("follow", users="all", queues=["support"])
    await board_shows(board, free=2)
    switch = Switch(broker, desk, tmp_path)
    wait_until(lambda: switch.send("/v1/companies/{company}/queues/support")[1]["free"] == 2, "the router worker knows both")
    caller, claim, rings, next_claim, end = of_a_queue()
    assert switch.send(*caller)[0] == 200
    status, answer = switch.send(*claim)
    assert status == 201 and answer["claims"] == [dict(user="kari", target=desk.numbers["kari"])], answer
    assert switch.send(*rings)[0] == 200
    await board.sees("kari", activity="ringing")
    status, answer = switch.send(*next_claim)
    assert status == 201 and answer["claims"][0]["user"] == "ola", answer
    await board.sees("kari", availability="available")
    assert switch.send(*end)[0] == 200
    await board_shows(board, free=2, waiting=0)


async def test_without_the_broker_there_is_no_answer_to_branch_on(start_broker, make_company, tmp_path):
    """Each recipe then rings: none of its branches is taken."""
    broker = start_broker()
    company = make_company(broker=broker)
    switch = Switch(broker, company, tmp_path)
    broker.stop()
    for requests in (of_a_call, of_freeswitch, of_asterisk):
        with pytest.raises(subprocess.CalledProcessError):
            switch.send(*requests()[0])
