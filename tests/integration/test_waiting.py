"""Calls that wait for an agent: told as soon as one is free, in the order in which they came."""

import asyncio
import concurrent.futures
import json

import pytest

from broker_process import number, unique
from ledig_client import now_ms
from test_claims import AGENTS, Desk, desk, ready  # noqa: F401 (a fixture)
from test_http import Line
from test_queue import board_shows
from test_router import is_problem

pool = concurrent.futures.ThreadPoolExecutor(16)


def waiting(desk, call, wait_ms=20_000, **body):
    """The claim as it is under way: a future of its answer."""
    return asyncio.get_running_loop().run_in_executor(pool, lambda: desk.claim(call, wait_ms=wait_ms, **body))


async def in_line(desk, watcher, *calls, **how):
    """These calls wait, one after the other; the futures of their answers."""
    futures = []
    for call in calls:
        futures.append(waiting(desk, call, **how))
        await board_shows(watcher, waiting=len(futures))
    return futures


async def kari_pauses(desk, company):
    """The only agent has lunch: (the app that watches, the one that can end the pause)."""
    watcher = await ready(desk, company, "kari")
    kari = await company.app("kari", device="desk")
    await kari.ok("queue", queue="support", member=True, pause="lunch")
    await board_shows(watcher, free=0, busy=1)
    return watcher, kari


async def test_who_waits_gets_the_agent_who_gets_free(company, desk):
    watcher = await ready(desk, company, "kari")
    talk, call = unique("call"), unique("call")
    desk.claimed(talk)
    desk.report(talk, 1, user="kari", state="active", queue="support")
    await board_shows(watcher, free=0, waiting=0)
    future, = await in_line(desk, watcher, call)
    desk.report(talk, 2, state="ended")
    answer = await future
    assert answer.status == 201 and answer.json["claims"][0]["user"] == "kari", answer.body
    await board_shows(watcher, free=0, busy=1, waiting=0)


async def test_in_the_order_in_which_they_came(company, desk):
    watcher = await ready(desk, company, "kari")
    talk = unique("call")
    desk.claimed(talk)
    desk.report(talk, 1, user="kari", state="active", queue="support")
    await board_shows(watcher, free=0)
    calls = [unique("call") for _ in range(4)]
    futures = await in_line(desk, watcher, *calls)
    for turn, call in enumerate(calls):
        desk.report(talk, 2, state="ended") if turn == 0 else desk.report(calls[turn - 1], 2, state="ended")
        answer = await futures[turn]
        assert answer.status == 201 and answer.json["call"] == call, (turn, answer.body)
        assert not any(future.done() for future in futures[turn + 1:]), "one at a time"
        desk.report(call, 1, user="kari", state="active", queue="support")


async def test_who_comes_later_does_not_jump_the_line(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    first, second = unique("call"), unique("call")
    future, = await in_line(desk, watcher, first)
    is_problem(await asyncio.to_thread(desk.claim, second), 409, "conflict")
    await kari.ok("queue", queue="support", member=True)
    assert (await future).json["call"] == first


async def test_when_the_time_is_over_the_place_is_kept_for_the_next_question(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    first, second = unique("call"), unique("call")
    answers = [waiting(desk, first, wait_ms=300)]
    await board_shows(watcher, waiting=1)
    answers.append(waiting(desk, second, wait_ms=20_000))
    answer = await answers[0]
    is_problem(answer, 409, "conflict")
    assert answer.json["free"] == 0 and answer.json["position"] == 1
    again = waiting(desk, first)  # within five seconds
    await kari.ok("queue", queue="support", member=True)
    assert (await again).json["call"] == first, "it was first in line, and is still"
    desk.give_back(first)
    assert (await answers[1]).json["call"] == second


async def test_a_routers_clock_gives_no_place_in_line(company, desk):
    """Two routers whose clocks differ by minutes report their calls before they ask."""
    watcher, kari = await kari_pauses(desk, company)
    calls = {unique("call"): now_ms() + 240_000, unique("call"): now_ms() - 240_000}
    futures = []
    for call, at in calls.items():
        desk.report(call, 1, legs=[dict(number=number(), state="active", caller=True)], queue="support", at=at)
        futures.append(waiting(desk, call))
        await board_shows(watcher, waiting=len(futures))
    await kari.ok("queue", queue="support", member=True)
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    assert [future.done() for future in futures] == [True, False], "in the order in which they came"
    for call in calls:
        desk.report(call, 2, state="ended")
    await asyncio.wait(futures)


async def test_as_many_as_are_free_are_served_at_once(company, desk):
    watcher = await ready(desk, company, *AGENTS)
    apps = {user: await company.app(user, device="desk") for user in AGENTS}
    for app in apps.values():
        await app.ok("queue", queue="support", member=True, pause="meeting")
    await board_shows(watcher, free=0, busy=3)
    futures = await in_line(desk, watcher, *(unique("call") for _ in range(3)))
    for app in apps.values():
        await app.ok("queue", queue="support", member=True)
    answers = await asyncio.gather(*futures)
    assert sorted(a.json["claims"][0]["user"] for a in answers) == sorted(AGENTS), [a.body for a in answers]
    await board_shows(watcher, waiting=0, free=0, busy=3)


async def test_a_call_that_hangs_up_leaves_the_line_and_is_told_at_once(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    gone, stays = unique("call"), unique("call")
    futures = await in_line(desk, watcher, gone, stays)
    desk.report(gone, 1, state="ended")
    is_problem(await futures[0], 409, "conflict", "call")  # nobody is free all the while
    await board_shows(watcher, waiting=1)
    assert not futures[1].done()
    await kari.ok("queue", queue="support", member=True)
    assert (await futures[1]).json["call"] == stays


async def test_a_place_in_the_line_can_be_given_back(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    gone, stays = unique("call"), unique("call")
    futures = await in_line(desk, watcher, gone, stays)
    assert desk.give_back(gone).status == 204
    is_problem(await futures[0], 409, "conflict", "call")
    await board_shows(watcher, waiting=1)
    await kari.ok("queue", queue="support", member=True)
    assert (await futures[1]).json["call"] == stays
    desk.give_back(stays)
    assert desk.claimed(gone) == ["kari"], "it may ask again"


async def test_a_call_that_is_asked_for_twice_waits_for_one_agent(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    call = unique("call")
    futures = [*await in_line(desk, watcher, call), waiting(desk, call)]
    await asyncio.to_thread(desk.claim, call, wait_ms=1)  # whoever was sent before it waits by now
    await kari.ok("queue", queue="support", member=True)
    answers = await asyncio.gather(*futures)
    assert sorted(answer.status for answer in answers) == [200, 201], [answer.body for answer in answers]
    assert answers[0].json["claims"] == answers[1].json["claims"]


async def test_a_router_that_hung_up_gets_nobody(company, desk):
    watcher, kari = await kari_pauses(desk, company)
    gone = Line(desk.broker)
    body = json.dumps(dict(call=unique("gone"), wait_ms=20_000))
    gone.send(f"POST /v1/companies/{company.id}/queues/support/claims HTTP/1.1\r\nHost: x\r\n"
              f"Authorization: Bearer {desk.token}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    await board_shows(watcher, waiting=1)
    stays = unique("call")
    future = waiting(desk, stays)
    await board_shows(watcher, waiting=2)
    gone.file.close()
    gone.socket.close()
    await kari.ok("queue", queue="support", member=True)
    assert (await future).json["call"] == stays
    await board_shows(watcher, waiting=0)


async def test_a_line_whose_worker_died_blocks_nobody(start_broker, make_company):
    broker = start_broker(verify_ms=200, lease_ms=1_500)
    company = make_company(broker=broker)
    desk = Desk(company)
    watcher, kari = await kari_pauses(desk, company)
    lost = waiting(desk, unique("call"))
    await board_shows(watcher, waiting=1)
    broker.kill_worker("router")
    with pytest.raises(Exception):
        (await lost).json["call"]
    broker.wait_ready()
    call = unique("call")
    future = waiting(desk, call)
    await board_shows(watcher, waiting=2)
    await kari.ok("queue", queue="support", member=True)
    assert (await future).json["call"] == call
    await board_shows(watcher, waiting=0)


@pytest.mark.parametrize("wait_ms", [-1, 30_001, "1s", 1.5])
def test_bad_input(desk, wait_ms):
    is_problem(desk.claim("c1", wait_ms=wait_ms), 400, "bad_request", "wait_ms")
