"""The metrics on the operations port: their form, that they count what happened, over the end of a worker too, and that
nothing personal stands in them."""

import asyncio
import re
import shutil
import subprocess

import pytest

from broker_process import ROOT, number, unique, wait_until
from ledig_client import App, RawSocket, Refused
from test_fanout import rows_of_round

SAMPLE = re.compile(r'^ledig_(\w+?)(?:\{(.*)\})? (\S+)$')


def promtool(*arguments, stdin=None):
    assert shutil.which("promtool"), "promtool is missing: tests/run installs Debian's package prometheus"
    ran = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and not ran.stderr, ran.stdout + ran.stderr
    return ran.stdout


def page(broker):
    answer = broker.http("GET", "/metrics", base=broker.ops_url)
    assert answer.status == 200
    return answer.body.decode()


class Metrics:
    """The samples of one page: metrics("drops_total", reason="stall") adds up those whose labels fit."""

    def __init__(self, broker):
        self.samples = []
        for line in page(broker).splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))

    def __call__(self, name, **labels):
        found = [value for known, has, value in self.samples if known == name and labels.items() <= has.items()]
        assert found, f"no sample of ledig_{name} with {labels}"
        return sum(found)


def until(broker, condition, what):
    """Workers report once a second."""
    wait_until(lambda: condition(Metrics(broker)), what)
    return Metrics(broker)


def test_prometheus_finds_no_fault(broker, company):
    promtool("check", "metrics", stdin=page(broker))


def test_the_alert_rules_are_good_and_name_metrics_that_exist(broker, company):
    rules = ROOT / "docs" / "alerts.yml"
    promtool("check", "rules", str(rules))
    known = {name for name, _, _ in Metrics(broker).samples}
    named = set(re.findall(r"\bledig_(\w+)", rules.read_text()))
    assert named and named <= known, named - known


RULES_TEST = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'ledig_data_free_bytes{{instance="a"}}', values: '10e9-1e8x70'}}
      - {{series: 'up{{job="ledig", instance="a"}}', values: '1x60 0x10'}}
    alert_rule_test:
      - {{alertname: LedigDown, eval_time: 60m}}
      - alertname: LedigDown
        eval_time: 65m
        exp_alerts:
          - exp_labels: {{severity: page, job: ledig, instance: a}}
            exp_annotations:
              summary: "a does not answer: the broker does not run, or its machine is away"
      - alertname: LedigDiskFillsUp
        eval_time: 60m
        exp_alerts:
          - exp_labels: {{severity: page, instance: a}}
            exp_annotations:
              summary: "the disk of the data directory has 3.725GiB left; Redis ends when it is full"
"""


def test_alerts_say_what_stands_for_now(tmp_path):
    (tmp_path / "test.yml").write_text(RULES_TEST.format(rules=ROOT / "docs" / "alerts.yml"))
    promtool("test", "rules", str(tmp_path / "test.yml"))


async def test_what_happens_is_counted(start_broker, make_company):
    broker = start_broker(workers=1)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set("busy", activity="meeting")
    await ola.sees("kari", availability="busy")
    assert (await kari.refused("set", status="asleep"))["code"] == "bad_request"
    broker.route(number(), company=company.id)
    seen = until(broker, lambda m: m("requests_total", type="set", worker="app/0") == 2 and m("sessions") == 2 and
                 m("route_numbers_total", worker="router/0") == 1, "the workers' next reports")
    apps = 2 + len(company.users)  # each gave consent from another, which has left
    assert seen("connections") == 2 and seen("connections_taken_total") == seen("websocket_handshakes_total") == apps
    assert seen("joins_total", **{"from": "nothing"}) == apps and seen("joins_total", **{"from": "place"}) == 0
    assert seen("errors_total", code="bad_request") == 1
    assert seen("companies", worker="app/0") == 1 and seen("members", worker="app/0") == 3
    assert seen("frames_total") >= 4 and seen("deliveries_total") >= seen("frames_total") - 2
    assert 0 < seen("frames_encoded_total") <= seen("frames_total")
    assert seen("flushes_total") == seen("flush_delay_seconds_count") == seen("flush_frames_count") > 0
    assert seen("store_commits_total", worker="app/0") >= 3
    assert seen("store_commit_seconds_count", worker="app/0") > 0 and seen("store_connected", worker="app/0") == 1
    assert seen("route_answer_seconds_count") == 1 and seen("http_answers_total", status="2xx", worker="router/0") > 1
    assert seen("process_resident_bytes", process="app/0") > 1e6 and seen("cpu_seconds_total") > 0
    assert seen("loop_lag_seconds_count", worker="app/0") > 0


async def test_those_that_the_broker_drops_are_told_apart(start_broker, make_company):
    broker = start_broker(hello_ms=200)
    company = make_company(broker=broker)
    silent = await App.connect(broker.url)
    await silent.until_closed()
    first = await company.app("kari", device="phone")
    await company.app("kari", device="phone")
    await first.until_closed()
    stranger = await App.connect(broker.url)
    with pytest.raises(Refused):
        await stranger.hello("no.token.atall", live=False)
    await stranger.until_closed()
    seen = until(broker, lambda m: m("drops_total") == 3, "three drops")
    for reason in ("no_hello", "replaced", "unauthorized"):
        assert seen("drops_total", reason=reason) == 1, reason


async def test_counters_go_on_when_a_worker_is_replaced(start_broker, make_company):
    broker = start_broker(workers=1)
    company = make_company(broker=broker)
    kari = await company.app("kari")
    await kari.set("busy")
    before = until(broker, lambda m: m("requests_total", type="set") == 1, "the report before")
    broker.kill_worker("app")
    broker.wait_ready()
    after = until(broker, lambda m: m("process_starts_total", process="app/0") == 2 and m("worker_ready") == 2, "it is back")
    assert after("requests_total", type="set") == 1 and after("connections_taken_total") == before("connections_taken_total")
    assert after("frames_total") >= before("frames_total")
    assert after("connections") == 0  # what stands for now is gone with the worker


async def test_nothing_about_people_stands_in_it(broker, company):
    kari = await company.app("kari")
    await kari.set("away", note="at the dentist", activity="lunch")
    text = page(broker)
    for secret in (company.id, "kari", "dentist", "lunch", *company.numbers.values()):
        assert secret not in text, secret


@pytest.mark.parametrize("path", ["/metrics/", "/Metrics", "/metric"])
def test_other_paths_are_not_found(broker, path):
    assert broker.http("GET", path, base=broker.ops_url).status == 404


def test_it_answers_while_redis_is_away(start_broker):
    broker = start_broker(verify_ms=200)
    broker.kill_redis()
    until(broker, lambda m: m("process_starts_total", process="redis") >= 2, "Redis was started again")
    until(broker, lambda m: m("store_connects_total", worker="app/0") >= 2, "the worker is connected again")


async def test_one_who_leaves_while_it_takes_nothing_was_not_dropped(start_broker, make_company):
    broker = start_broker(workers=1)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(800)], consent=["u0"])
    stuck = RawSocket(broker.url, receive_bytes=4096)
    stuck.say(dict(t="hello", token=company.token("u0"), device=dict(id="stuck", kind="mobile")))
    step = 0
    while Metrics(broker)("choked_connections") == 0:
        company.provision(rows_of_round(company.users, company.numbers, step % 999))
        step += 1
    stuck.close()
    seen = until(broker, lambda m: m("connections") == 0, "it has gone")
    assert seen("choked_connections") == 0 and seen("drops_total") == 0


async def test_one_whose_network_is_gone_was_dropped_for_a_stall(start_broker, make_company):
    """Nothing is choked, and the kernel gives up."""
    broker = start_broker(workers=1, stall_ms=1_500, ping_ms=600_000)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(800)], consent=["u0"])
    stuck = RawSocket(broker.url, receive_bytes=4096)
    stuck.say(dict(t="hello", token=company.token("u0"), device=dict(id="stuck", kind="mobile")))
    seen = until(broker, lambda m: m("connections") == 0 and m("joins_total") == 2, "it was dropped")
    assert seen("drops_total") == seen("drops_total", reason="stall") == 1
    stuck.close()


@pytest.mark.slow(120)
async def test_under_load_changes_gather_for_flush_ms(start_broker, make_company):
    """Those who set something are here, too, and their own facts wait for nothing. Seen by how long flushes took."""
    broker = start_broker(flush_ms=1000, workers=1, limit_user_messages="off")
    users = [f"u{i}" for i in range(12)]
    company = make_company(broker=broker, users=users)
    apps = [await company.app(user) for user in users]

    def gathered():
        seen = Metrics(broker)
        soon = seen("flush_delay_seconds_bucket", le="0.131072", worker="app/0")
        return seen("flush_delay_seconds_count", worker="app/0") - soon >= 3

    async def keep_on(app):
        count = 0
        while not done:
            count += 1
            await asyncio.gather(*(app.set("busy", note=f"{count} {i}") for i in range(20)))

    done = False
    busy = [asyncio.ensure_future(keep_on(app)) for app in apps]
    try:
        await asyncio.to_thread(wait_until, gathered, "three flushes that waited for others", 60)
    finally:
        done = True
        await asyncio.gather(*busy)
    await apps[0].set("away", note="the last")
    for app in apps:
        await app.sees(users[0], note="the last")
