"""Eight routers on two router workers over one Redis, agents who answer, hang up, pause and vanish, at random: whatever
happens, nobody is claimed for two calls at once, no call has two agents, and no claim outlives its lease.

The watcher is an app of its own on the first broker: what it is shown is what is judged, besides the answers."""

import asyncio
import concurrent.futures
import os
import random
import shutil
import threading
import time

import pytest

from broker_process import unique, wait_until
from conftest import Company, person
from ledig_client import now_ms
from test_claims import Desk

SEED = int(os.environ.get("LEDIG_SEED") or random.SystemRandom().randrange(1 << 32))
ROUTERS = 8
AGENTS = 12
CALLS = 240  # in CI; LEDIG_CALLS for a longer run
LEASE_MS = 1_500
SLACK_MS = 700  # of the clocks that are compared: ours and the store's, and the way of an answer


class Ledger:
    """Who has whom, by the answers: from when an agent was claimed until it was given back, ended, or its lease passed."""

    def __init__(self):
        self.lock, self.held, self.faults, self.claims = threading.Lock(), {}, [], 0

    def take(self, call, user, asked_ms, until_ms):
        with self.lock:
            self.claims += 1
            other = self.held.get(user)
            if other and other[0] != call and other[1] > now_ms() + SLACK_MS and other[2] is None:
                self.faults.append(f"{user} was claimed for {call}, and had {other[0]} for {other[1] - asked_ms} ms more")
            self.held[user] = [call, until_ms, None]

    def keep(self, call, user):
        with self.lock:
            if self.held.get(user, [None])[0] == call:
                self.held[user][1] = float("inf")

    def leave(self, call, user):
        with self.lock:  # before the router says so, since the other side may be quicker than our own answer
            if self.held.get(user, [None])[0] == call:
                self.held[user][2] = now_ms()


def one_call(desk, ledger, dice, number):
    """A call's life, as a router drives it."""
    call, router, excluded, seq = f"{desk.router}-{number}", desk.router, [], 0
    for _ in range(3):
        asked_ms = now_ms()
        answer = desk.claim(call, router=router, lease_ms=LEASE_MS, exclude=excluded, wait_ms=dice.choice([0, 0, 400]))
        if answer.status == 409:
            desk.put(call, seq + 1, state="ended")  # the caller hangs up, and leaves the line
            return
        assert answer.status in (200, 201), (answer.status, answer.body)
        claims = answer.json["claims"]
        if len(claims) != 1:
            ledger.faults.append(f"{call} has {len(claims)} agents")
        user = claims[0]["user"]
        ledger.take(call, user, asked_ms, asked_ms + LEASE_MS)
        fate = dice.random()
        if fate < 0.06:  # the router forgets it
            return
        if fate < 0.3:
            ledger.leave(call, user)
            desk.give_back(call)
            return
        if fate < 0.5:  # no answer: the next one
            ledger.leave(call, user)
            excluded.append(user)
            continue
        if now_ms() > asked_ms + LEASE_MS - 300:
            return  # too slow to be sure of the claim
        ledger.keep(call, user)
        for state in ("ringing", "active"):
            seq += 1
            desk.put(call, seq, user=user, state=state, queue="support", router=router)
        time.sleep(dice.random() * 0.1)
        ledger.leave(call, user)
        seq += 1
        desk.put(call, seq, state="ended")
        desk.put(call, seq - 1, user=user, state="ringing")  # a late one
        return


def drive(desk, ledger, seed, numbers):
    dice = random.Random(seed)
    for number in numbers:
        one_call(desk, ledger, dice, number)


@pytest.mark.slow(400)
async def test_no_agent_has_two_calls_and_no_call_two_agents(start_broker, make_company, tmp_path):
    print(f"LEDIG_SEED={SEED}")
    calls = int(os.environ.get("LEDIG_CALLS") or CALLS)
    first = start_broker(verify_ms=300, workers=1)
    users = [f"a{i:02d}" for i in range(AGENTS)]
    company = make_company(broker=first, rows=[person(user, queues="support") for user in users])
    sock = next(path for path in first.data.rglob("*") if path.is_socket())
    second_data = tmp_path / "second"  # nothing of it may stand in the folder of the first
    second_data.mkdir(mode=0o700)
    shutil.copy2(first.data / "token.key", second_data / "token.key")
    shutil.copy2(first.data / "keys", second_data / "keys")
    second = start_broker(data=second_data, redis=f"unix:{sock}", verify_ms=300)
    watcher = await company.app(users[0])
    await watcher.ok("follow", users="all", queues=["support"])
    for user in users:
        app = await company.app(user, device="desk")
        await app.ok("queue", queue="support", member=True)
    desks = []
    for i in range(ROUTERS):
        broker = first if i % 2 == 0 else second
        desk = Desk(company if broker is first else Company(second, company.rows, company.id))
        desk.router = unique("router")
        desks.append(desk)
        wait_until(lambda: desk.broker.http("PUT", f"/v1/routers/{desk.router}", token=desk.token).status == 200, "a heartbeat")
    ledger = Ledger()
    with concurrent.futures.ThreadPoolExecutor(ROUTERS) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, drive, desk, ledger, SEED + i, range(calls // ROUTERS))
                               for i, desk in enumerate(desks)))
    assert not ledger.faults, f"LEDIG_SEED={SEED}: {ledger.faults[:10]}"
    assert ledger.claims > calls / 8, f"LEDIG_SEED={SEED}: only {ledger.claims} claims"
    await watcher.until(lambda: watcher.queues["support"]["free"] == AGENTS and watcher.queues["support"]["waiting"] == 0,
                        f"LEDIG_SEED={SEED}: all are free once the last lease has passed", timeout=60)
    second.stop()  # before the Redis of the first goes
