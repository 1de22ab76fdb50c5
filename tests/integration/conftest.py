"""Fixtures of the integration tests. A coroutine test runs on a loop of its own.

    broker          a running broker, shared by the tests of one file and judged after each of them
    company         a new company in it: three people (kari, ola, nina) who consent to presence, and a queue `support`
    make_company    make_company(users=…, consent=…, broker=…, rows=…): another one
    start_broker    start_broker(grace_ms=500, …): a broker of this test alone, to be configured, starved and killed
"""

import asyncio
import concurrent.futures
import inspect
import os

import pytest

from broker_process import BUILD, Broker, number, unique
from ledig_client import App
from telephones import Exchange

TEST_S = float(os.environ.get("LEDIG_TEST_S") or 120)  # no test may take longer, but for those marked `slow(seconds)`


def pytest_configure(config):
    config.addinivalue_line("markers", "slow(seconds): the test may take this long")
    config.addinivalue_line("markers", "no_judge: the test looks at the broker's stderr itself")


def pytest_sessionstart(session):
    for name in ("ledigd", "ledig"):
        if not (BUILD / name).exists():
            raise pytest.UsageError(f"no {BUILD / name}: run tests/run, or set LEDIG_BUILD to a build directory")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    mark = pyfuncitem.get_closest_marker("slow")
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def body():
        try:
            await asyncio.wait_for(pyfuncitem.obj(**arguments), mark.args[0] if mark else TEST_S)
        finally:
            await App.close_all()

    asyncio.run(body())
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What a telephone system and its telephones said and heard is part of the report of a test that fails."""
    report = (yield).get_result()
    if report.failed:
        report.sections += [part for exchange in Exchange.running for part in exchange.story()]


@pytest.fixture(scope="module")
def _shared():
    """The broker of one test file, held in a list so that a new one can take the place of a dead one."""
    held = []
    yield held
    for one in held:
        one.close()


@pytest.fixture
def broker(_shared):
    if not _shared:
        _shared.append(Broker().start())
    one = _shared[0]
    processes = one.processes()
    yield one
    try:
        one.judge()
        assert one.process.poll() is None, f"the broker has died:\n{one.log()[-4000:]}"
        assert one.processes()["workers"] == processes["workers"], f"a worker has died:\n{one.log()[-4000:]}"
    except BaseException:
        _shared.clear()
        one.kill()
        raise


@pytest.fixture
def start_broker():
    """Starts brokers for this test alone; they are stopped and judged at its end."""
    started = []

    def start(build=None, data=None, **options):
        one = Broker(build=build, data=data, **options)
        started.append(one)
        return one.start()

    yield start
    problems = []
    for one in started:
        try:
            one.close()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


class Company:
    """A company of one broker, and its people."""

    def __init__(self, broker, rows, company=None):
        self.broker, self.id, self.rows = broker, company or unique("firm"), rows
        self.users = [row["user"] for row in rows]
        self.numbers = {row["user"]: row["numbers"] for row in rows}

    def provision(self, rows=None):
        answer = self.broker.import_csv(self.id, rows if rows is not None else self.rows)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return self

    def token(self, user, role="member", ttl="1h"):
        return self.broker.token(user, self.id, role, ttl)

    async def app(self, user, role="member", live=True, encoding="msgpack", **hello):
        """A connected app of this person that has said hello; with `live`, once it shows the whole state."""
        app = await App.connect(self.broker.url, encoding)
        await app.hello(self.token(user, role), live=live, **hello)
        return app

    async def consent(self, *users, granted=True):
        """Each gives (or withdraws) consent to presence from a device that then leaves."""
        for user in users or self.users:
            app = await self.app(user, live=False, device="consent")
            await app.ok("consent", purpose="presence", granted=granted, text="v1")
            await app.close()

    def route(self, user, **more):
        return self.broker.route(self.numbers[user], self.id, **more)


def person(user, name=None, numbers=None, department="Drift", role="member", queues=""):
    """A line of the employer's file."""
    return dict(user=user, name=name or f"{user.capitalize()} Prøvesen", numbers=numbers or number(),
                department=department, role=role, queues=queues)


@pytest.fixture
def make_company(request):
    """Provisions a company. Consent is given by a worker's own path: from each person's app."""

    def make(users=("kari", "ola", "nina"), consent=True, broker=None, rows=None, company=None):
        broker = broker or request.getfixturevalue("broker")
        one = Company(broker, rows or [person(user, queues="support") for user in users], company).provision()
        if consent:  # on a loop of its own, since the test may run on one already
            users = one.users if consent is True else consent
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: asyncio.run(one.consent(*users))).result()
        return one

    return make


@pytest.fixture
def company(make_company):
    return make_company()
