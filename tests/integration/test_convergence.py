"""The promise that everything hangs on: after any sequence of changes, cuts, resumes and faults, each client's view
equals the derived state, which is worked out here a second time from what was acknowledged."""

import asyncio
import os
import random
import signal
import time

import pytest

from broker_process import is_running, wait_until
from conftest import Company, person
from ledig_client import App, Refused, now_ms

SEED = int(os.environ.get("LEDIG_SEED") or random.SystemRandom().randrange(1 << 32))
DECLINE_MS = 60_000  # presence goes down this late
UNDER_WAY_S = 4  # longer than a request waits for the store
HOUR = 3_600_000


class Person:
    """What is known of one person: what was acknowledged, and what was tried since without an answer."""

    def __init__(self, user):
        self.user = user
        self.facts = [dict(consent=True, status=None)]  # possible: the last acknowledged, then each unknown outcome
        self.tried = []  # (when, facts) of those without an answer
        self.lock = asyncio.Lock()
        self.history = []  # for the one who looks for a fault

    def tell(self, device, what, outcome):
        self.history.append(f"{now_ms() % 1_000_000} {device}: {what} -> {outcome}")

    def acknowledged(self, **facts):
        """What was tried a while ago is out of the question now; what was tried just before may still be under way."""
        now = time.monotonic()
        self.tried = [(at, tried) for at, tried in self.tried if now - at < UNDER_WAY_S]
        self.facts = [facts, *(tried for _, tried in self.tried)]

    def unknown(self, **facts):
        self.tried.append((time.monotonic(), facts))
        self.facts.append(facts)

    def may_be_without_consent(self):
        return any(not facts["consent"] for facts in self.facts)

    def possible_rows(self, at):
        """What colleagues may see of the facts: (availability, activity, note, until)."""
        return [derive(facts, at) for facts in self.facts]


def derive(facts, at):
    """The rule for what these tests set, in other words than the broker's."""
    if not facts["consent"]:
        return ("unknown", None, None, None)
    until = facts.get("until")
    if facts["status"] and not (until and until <= at):
        activity = facts.get("activity")
        if activity in ("sick", "vacation"):  # is shown as plain away
            return ("away" if facts["status"] != "available" else "available", None, None, until)
        return (facts["status"], activity, facts.get("note"), until)
    return ("available", None, None, None)


def settling(rows):
    """Rows without what causes no change by itself: last_active comes with whatever changes next."""
    return {user: {name: value for name, value in row.items() if name != "last_active"} for user, row in rows.items()}


def shown(row):
    if row is None:  # a profile without a member row
        return ("unknown", None, None, None)
    return (row["availability"], row["activity"], row["note"], row["until"])


class Device:
    """One installation with its app, that breaks off and comes back with its place."""

    def __init__(self, crowd, company, person_, name):
        self.crowd, self.company, self.person, self.name = crowd, company, person_, name
        self.rnd = random.Random(f"{crowd.rnd.random()}")
        self.follow = "all" if self.rnd.random() < 0.7 else self.some_colleagues()
        self.queues = None
        self.encoding = self.rnd.choice(["msgpack", "msgpack", "json"])
        self.state = "active"
        self.app, self.former, self.followed = None, None, None
        self.busy = asyncio.Lock()  # one thing at a time
        self.resumed = self.restarted = 0

    def some_colleagues(self):
        return sorted(self.rnd.sample(self.company.users, min(8, len(self.company.users))))

    async def connect(self, breaks=False):
        """Connects until it succeeds; `breaks` cuts the line after a few frames, wherever that is."""
        deadline = time.monotonic() + 120
        while True:
            app = None
            try:
                app = await App.connect(self.company.broker.url, self.encoding)
                app.alien = self.crowd.aliens[self.company.id]
                resume = None
                if self.former and self.followed == self.follow and self.queues is None:
                    app.inherit(self.former)
                    resume = self.former.resume()
                if breaks:
                    app.break_after = self.rnd.randrange(1, 6)
                self.app, self.former, self.followed = app, app, self.follow
                welcome = await app.hello(self.company.token(self.person.user), device=self.name, kind="mobile", state=self.state,
                                          **({} if self.follow == "all" else dict(follow=self.follow)), **(dict(resume=resume) if resume else {}))
                self.resumed += welcome["resumed"] is True
                self.restarted += welcome["resumed"] is False and resume is not None
                if self.queues is not None:
                    await app.ok("follow", users=self.follow, queues=self.queues)
                    await app.until(lambda: app.live)
                return
            except (OSError, AssertionError, asyncio.TimeoutError, ConnectionError, Exception) as problem:
                if app is not None and app.problem:
                    raise app.problem
                if isinstance(problem, Refused) and problem.error["code"] in ("unauthorized", "forbidden", "bad_request"):
                    raise
                if app is not None:
                    app.cut()
                    if breaks and app.closed:
                        self.app = None
                        return  # that was the plan
                self.crowd.failed_connects += 1
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.person.user} cannot connect: {problem!r}") from problem
                await asyncio.sleep(0.05 + self.rnd.random() * 0.2)

    def break_off(self):
        if self.app:
            self.app.cut()
            self.app = None

    async def act(self):
        async with self.busy:
            if self.app is None or self.app.closed:
                self.app = None
                await self.connect(breaks=self.rnd.random() < 0.25)
                return
            action = self.rnd.random()
            try:
                if action < 0.45:
                    await self.set()
                elif action < 0.52:
                    await self.consent()
                elif action < 0.60:
                    await self.change_state()
                elif action < 0.66:
                    await self.ask()
                elif action < 0.72:
                    await self.change_follow()
                elif action < 0.92:
                    if self.rnd.random() < 0.5:
                        self.app.break_after = self.rnd.randrange(1, 4)  # in the middle of whatever comes
                    else:
                        self.break_off()
                else:
                    await self.connect_again()
            except (ConnectionError, asyncio.TimeoutError, OSError):
                self.break_off()
            except Exception as problem:
                if type(problem).__module__.startswith("websockets"):
                    self.break_off()
                else:
                    raise
            if self.app and self.app.problem:
                raise self.app.problem

    async def request(self, facts, t, **fields):
        """A change whose outcome is told, or unknown."""
        try:
            answer = await self.app.request(t, **fields)
        except Exception as problem:
            self.person.tell(self.name, f"{t} {fields}", repr(problem))
            self.person.unknown(**facts)
            raise
        self.person.tell(self.name, f"{t} {fields}", {name: value for name, value in answer.items() if name != "message"})
        if answer["t"] == "ok":
            self.person.acknowledged(**facts)
            self.crowd.acknowledged += 1
        elif answer["code"] == "unavailable":
            assert answer["retry_ms"] > 0, answer
            self.person.unknown(**facts)
        else:
            return answer
        return None

    async def set(self):
        async with self.person.lock:
            if len(self.person.facts) > 1:  # as an app does: first look what became of it
                if not await self.settle():
                    return
            rnd, now = self.rnd, now_ms()
            consent = not self.person.may_be_without_consent()
            status = rnd.choice(["available", "busy", "dnd", "away"])
            fields = dict(status=status)
            if rnd.random() < 0.5:
                fields["note"] = rnd.choice([f"notat {rnd.randrange(1000)} fra {self.person.user}", "æøå ☎", "x" * 200])
            if rnd.random() < 0.3 and status != "available":
                fields["activity"] = rnd.choice(["meeting", "lunch", "break", "sick", "vacation", "kurs.i.dag"])
            if rnd.random() < 0.4:
                fields["until"] = now + rnd.choice([rnd.randrange(400, 4_000), rnd.randrange(2 * HOUR, 9 * HOUR)])
            facts = dict(fields, consent=True)
            if status == "available" and "until" not in fields:
                facts = dict(consent=True, status=None)
            before = len(self.person.facts)
            refusal = await self.request(facts, "set", **fields)
            if refusal:
                late = fields.get("until") and refusal.get("field") == "until"  # the machine was slow
                assert late or (refusal["code"] == "consent_required" and not consent), f"{refusal} with {self.person.facts}; " + "; ".join(self.person.history[-8:])
            else:
                assert consent or before > 1, "set without consent"

    async def consent(self):
        async with self.person.lock:
            if len(self.person.facts) > 1 and not await self.settle():
                return
            now = self.person.facts[0]
            granted = not now["consent"] or self.rnd.random() < 0.3
            facts = dict(consent=False, status=None) if not granted else now if now["consent"] else dict(consent=True, status=None)
            refusal = await self.request(facts, "consent", purpose="presence", granted=granted, text="v1")
            assert not refusal, refusal

    async def settle(self):
        """Makes one of several possible outcomes the known one, by requests that are acknowledged. A consent that is
        given anew begins from nothing."""
        self.person.unknown(consent=True, status=None)
        answer = await self.app.request("consent", purpose="presence", granted=True, text="v1")
        if answer["t"] != "ok":
            return False
        answer = await self.app.request("set", status="available")
        if answer["t"] != "ok":
            return False
        self.person.acknowledged(consent=True, status=None)
        return True

    async def change_state(self):
        self.state = self.rnd.choice(["active", "idle", "active", "background"])
        answer = await self.app.request("device", state=self.state)
        assert answer["t"] == "ok" or answer["code"] == "unavailable", answer

    async def ask(self):
        users = self.some_colleagues()
        answer = await self.app.request("ask", users=users, numbers=[self.company.numbers[users[0]]])
        assert answer["t"] == "answer" or answer["code"] == "unavailable", answer
        if answer["t"] == "answer":
            assert {p[0] for p in answer["profiles"]} == set(users) and answer["stale_ms"] >= 0

    async def change_follow(self):
        self.follow = "all" if self.rnd.random() < 0.6 else self.some_colleagues()
        self.queues = [f"{self.company.id}.ko"] if self.rnd.random() < 0.4 else None
        self.followed = None  # unless it is granted, the old place is worth nothing
        fields = dict(users=self.follow, **({} if self.queues is None else dict(queues=self.queues)))
        await self.app.ok("follow", **fields)
        self.followed = self.follow

    async def connect_again(self):
        """The same device connects while its former line still stands."""
        before = self.app
        await self.connect()
        deadline = time.monotonic() + 30
        while not before.closed:
            if self.person.may_be_without_consent():  # then no worker knows what is connected to the other
                before.cut()
            assert time.monotonic() < deadline, f"{self.person.user} is connected twice with {self.name}; " + "; ".join(self.person.history[-8:])
            await asyncio.sleep(0.02)
        assert before.close_code in (None, 4409, 1006), before.close_code

    def wanted(self):
        return set(self.company.users) if self.follow == "all" else set(self.follow) | {self.person.user}


class Crowd:
    def __init__(self, seed, broker, make_company, sizes, devices_each):
        self.rnd = random.Random(seed)
        self.broker, self.acknowledged, self.failed_connects = broker, 0, 0
        self.companies, self.devices, self.aliens = [], [], {}
        for index, size in enumerate(sizes):
            marker = f"marked{'abcdefgh'[index]}x"
            rows = [person(f"{marker}.u{i}", name=f"{marker} Person {i} " + "æ" * self.rnd.randrange(40), department=f"{marker} avd",
                           queues=f"{marker}.ko" if i % 3 == 0 else "") for i in range(size)]
            company = Company(broker, rows, company=marker).provision()
            self.companies.append(company)
        for company in self.companies:
            self.aliens[company.id] = tuple(other.id.encode() for other in self.companies if other is not company)
            people = [Person(user) for user in company.users[:devices_each]]
            company.people = {one.user: one for one in people}
            for i in range(devices_each):
                # every fifth is somebody's second device
                owner = people[i - 1] if i % 5 == 4 else people[i]
                self.devices.append(Device(self, company, owner, f"device-{i}"))

    async def begin(self):
        async def first(device):
            await device.connect()
            await device.app.ok("consent", purpose="presence", granted=True, text="v1")
        for at in range(0, len(self.devices), 20):
            await asyncio.gather(*(first(device) for device in self.devices[at:at + 20]))
        with_device = {(d.company.id, d.person.user) for d in self.devices}
        for company in self.companies:
            for user in company.users:
                if (company.id, user) not in with_device:
                    company.people[user] = Person(user)
                    company.people[user].acknowledged(consent=False, status=None)

    async def act(self, count, faults=()):
        """So many operations, sixteen at a time; each fault at its share of them."""
        left = list(range(count))
        faults = sorted(faults, key=lambda f: f[0])

        async def worker():
            while left:
                left.pop()
                await self.rnd.choice(self.devices).act()

        workers = [asyncio.ensure_future(worker()) for _ in range(16)]
        try:
            for share, fault in faults:
                while len(left) > count * (1 - share) and not any(w.done() for w in workers):
                    await asyncio.sleep(0.01)  # between two looks at how far they are
                await asyncio.get_running_loop().run_in_executor(None, fault)
            await asyncio.gather(*workers)
        finally:
            for one in workers:
                one.cancel()
            await asyncio.wait(workers)

    async def end(self):
        """Everyone connects, and everything comes to rest."""
        for device in self.devices:
            if device.app:
                device.app.break_after = None
            if device.app is None or device.app.closed:
                await device.connect()
        for company in self.companies:
            company.fresh = await company.app(company.users[0], device="fresh", follow="all")
            company.last = max([company.fresh.place["version"]])

    async def check(self):
        for company in self.companies:
            devices = [d for d in self.devices if d.company is company]
            fresh = company.fresh
            await self.settled(company, devices)
            for user in company.users:
                self.check_presence(company, user, fresh.members.get(user), devices)
            assert set(fresh.profiles) == set(company.users)

    def check_presence(self, company, user, row, devices):
        mine = [d for d in devices if d.person.user == user]
        extra = user == company.users[0]
        presence = row["presence"] if row else None
        if not row or row["availability"] == "unknown":
            assert presence is None, f"{user} is unknown and shows {presence}"
        elif mine or extra:
            order = ["background", "idle", "active"]
            best = max([order.index(d.state) for d in mine] + ([2] if extra else []))
            assert presence is not None and order.index(presence) >= best, f"{user} shows {presence}, has {[d.state for d in mine]}"
        else:
            assert presence is None, f"a ghost: {user} shows {presence}"

    async def settled(self, company, devices):
        """Waits until every client shows what the fresh one shows, and that is what the facts say."""
        deadline, said = time.monotonic() + 90, None
        while True:
            problem = self.first_difference(company, devices)
            if not problem:
                return
            if problem != said:
                print(f"{company.id}: {problem}"[:400])
                said = problem
            assert time.monotonic() < deadline, f"{company.id}: {problem}"
            await asyncio.sleep(0.1)  # between two comparisons

    def first_difference(self, company, devices):
        fresh, now = company.fresh, now_ms()
        for user, one in company.people.items():
            got, allowed = shown(fresh.members.get(user)), one.possible_rows(now)
            if got not in allowed:
                return f"{user} is shown as {got}, and may be {allowed}; " + "; ".join(one.history[-8:])
            if any(facts.get("until") and now - 1_000 < facts["until"] < now + 10_000 for facts in one.facts):
                return f"{user} is about to change by the clock"
        for device in devices:
            app = device.app
            if app.problem:
                raise app.problem
            if app.closed:
                return f"{device.name} of {device.person.user} was closed with {app.close_code}"
            wanted = device.wanted()
            for name in ("members", "profiles"):
                mine, truth = settling(getattr(app, name)), settling({u: r for u, r in getattr(fresh, name).items() if u in wanted})
                for user in sorted(set(mine) | set(truth)):
                    if mine.get(user) != truth.get(user):
                        return f"{device.name} of {device.person.user} shows {name} {user}: {mine.get(user)} instead of {truth.get(user)}"
        return None


@pytest.mark.slow(600)
async def test_200_clients_that_break_off_and_resume_end_with_the_derived_state(start_broker, make_company):
    print(f"LEDIG_SEED={SEED}")
    broker = start_broker(workers=2, grace_ms=400, background_ms=300, ping_ms=2_000, verify_ms=500)
    crowd = Crowd(SEED, broker, make_company, sizes=[50, 60, 300, 1200], devices_each=50)
    assert len(crowd.devices) == 200
    await crowd.begin()
    await crowd.act(2_000)
    await crowd.end()
    await crowd.check()
    resumed, restarted = sum(d.resumed for d in crowd.devices), sum(d.restarted for d in crowd.devices)
    print(f"{crowd.acknowledged} changes acknowledged, {resumed} resumed, {restarted} started from nothing")
    assert resumed > 50 and crowd.acknowledged > 300


@pytest.mark.slow(600)
async def test_nothing_acknowledged_is_lost_when_processes_are_killed_in_the_middle(start_broker, make_company):
    print(f"LEDIG_SEED={SEED}")
    broker = start_broker(workers=2, grace_ms=400, background_ms=300, verify_ms=500, store_timeout_ms=1_500, lease_ms=2_000)
    for name, url in (("listen", broker.url), ("router_listen", broker.router_url), ("ops_listen", broker.ops_url)):
        broker.options[name] = url.partition("//")[2].partition("/")[0]  # for its restart
    crowd = Crowd(SEED + 1, broker, make_company, sizes=[20, 20], devices_each=20)

    def kill_redis():
        pid = broker.redis_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: broker.redis_pid() != pid and is_running(broker.redis_pid()), "a new Redis")

    def kill_worker(index):
        pid = broker.worker_pid("app", index)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: broker.worker_pid("app", index) != pid, "a new worker")

    def kill_supervisor():
        broker.kill_supervisor()
        broker.start()

    await crowd.begin()
    await crowd.act(900, faults=[(0.15, kill_redis), (0.3, lambda: kill_worker(0)), (0.45, kill_supervisor), (0.6, kill_redis),
                                 (0.7, lambda: kill_worker(1)), (0.8, kill_redis), (0.85, lambda: kill_worker(0))])
    await crowd.end()
    # ghosts of the dead workers first: their grace is the rule's own
    for company in crowd.companies:
        mine = {d.person.user for d in crowd.devices if d.company is company} | {company.users[0]}
        await company.fresh.until(lambda: all((company.fresh.members.get(u) or dict(presence=None))["presence"] is None
                                              for u in company.users if u not in mine), "no ghosts", 60)
    await crowd.check()
    print(f"{crowd.acknowledged} changes acknowledged, {sum(d.resumed for d in crowd.devices)} resumed, "
          f"{sum(d.restarted for d in crowd.devices)} started from nothing, {crowd.failed_connects} connections failed")
