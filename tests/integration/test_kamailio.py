"""Calls as a telephone system makes them: Kamailio with our configuration asks before each, and tells what it does."""

import asyncio
import os
import signal

import pytest

from broker_process import Broker, number, wait_until
from conftest import person
from ledig_client import now_ms
from test_claims import log_in
from test_queue import board_shows
from telephones import Exchange, free_port

LEASE_MS = 2_000  # where the end of a lease is what is tested


@pytest.fixture(scope="module")
def line():
    """One broker and one Kamailio for most tests of this file; each test has a company of its own. The lease is the usual
    one: no call may end by it because the machine is busy."""
    broker = Broker(verify_ms=200).start()
    exchange = Exchange(broker.router_url, broker.token("kamailio", "*", "router"))
    yield broker, exchange
    exchange.close()
    broker.close()


@pytest.fixture(scope="module")
def impatient():
    """A broker whose routers soon end when they are silent."""
    broker = Broker(router_lease_ms=LEASE_MS, verify_ms=200).start()
    yield broker
    broker.close()


def with_a_desk(make_company, broker):
    desk = number()
    company = make_company(broker=broker, rows=[person(user, queues="support") for user in ("kari", "ola", "nina")]
                           + [person("support", "Hjelp", desk, "", "queue")], consent=("kari", "ola", "nina"))
    company.desk = desk
    return company


@pytest.fixture
def company(line, make_company):
    return with_a_desk(make_company, line[0])


@pytest.fixture
def exchange(line):
    line[1].forget_telephones()
    return line[1]


@pytest.fixture
def start_exchange():
    started = []

    def start(broker, **definitions):
        started.append(Exchange(broker.router_url, broker.token("kamailio", "*", "router"), **definitions))
        return started[-1]

    yield start
    for one in started:
        one.close()


def told(company, user, **wanted):
    """Waits until a router would be told this."""
    wait_until(lambda: all(company.route(user).get(k) == v for k, v in wanted.items()), f"routers hear of {user}: {wanted}")


async def in_thread(function, *arguments):
    return await asyncio.to_thread(function, *arguments)


# ---- people ----

async def test_a_call_rings_and_shows_from_its_beginning_to_its_end(company, exchange):
    nina = await company.app("nina")
    phone = await in_thread(exchange.phone, company.numbers["kari"])
    caller = exchange.call(company.numbers["kari"], caller=company.numbers["ola"])
    await nina.sees("kari", availability="busy", activity="in_call")
    await nina.sees("ola", availability="busy", activity="in_call")
    await in_thread(caller.go_on)
    await nina.sees("kari", availability="available")
    await nina.sees("ola", availability="available")
    await in_thread(caller.passed)
    await in_thread(phone.passed)


async def test_who_is_on_the_phone_is_busy(company, exchange):
    nina = await company.app("nina")
    phone = await in_thread(exchange.phone, company.numbers["kari"])
    caller = exchange.call(company.numbers["kari"])
    await nina.sees("kari", activity="in_call")
    await in_thread(lambda: told(company, "kari", action="busy"))
    await in_thread(exchange.call(company.numbers["kari"], scenario="refused_486").passed)
    await in_thread(phone.go_on, caller.call)
    await nina.sees("kari", availability="available")
    await in_thread(caller.passed)


async def test_in_a_meeting_with_a_forward_the_forward_rings(company, exchange):
    kari = await company.app("kari")
    nina = await company.app("nina")
    await kari.set("busy", activity="meeting", forward="ola")
    await in_thread(lambda: told(company, "kari", action="forward"))
    phone = await in_thread(exchange.phone, company.numbers["ola"])
    caller = exchange.call(company.numbers["kari"])
    await nina.sees("ola", activity="in_call")
    assert nina.members["kari"]["activity"] == "meeting"
    await in_thread(caller.go_on)
    await in_thread(phone.passed)
    await in_thread(caller.passed)
    await nina.sees("ola", availability="available")


async def test_do_not_disturb_is_unavailable(company, exchange):
    kari = await company.app("kari")
    await kari.set("dnd")
    await in_thread(lambda: told(company, "kari", action="unavailable"))
    await in_thread(exchange.call(company.numbers["kari"], scenario="refused_480").passed)


async def test_a_declined_call_leaves_nothing(company, exchange):
    """A lamp that stays red for hours after a rejected call: reported against IvozProvider (1570)."""
    nina = await company.app("nina")
    phone = await in_thread(exchange.phone, company.numbers["kari"], "declines")
    caller = exchange.call(company.numbers["kari"], scenario="refused_486")
    await nina.sees("kari", activity="ringing")
    await in_thread(phone.go_on, caller.call)
    await nina.sees("kari", availability="available")
    for one in (caller, phone):
        await in_thread(one.passed)


async def test_a_caller_who_gives_up_leaves_nothing(company, exchange):
    nina = await company.app("nina")
    phone = await in_thread(exchange.phone, company.numbers["kari"], "rings")
    caller = exchange.call(company.numbers["kari"], scenario="gives_up")
    await nina.sees("kari", activity="ringing")
    await in_thread(caller.go_on)
    await nina.sees("kari", availability="available")
    for one in (caller, phone):
        await in_thread(one.passed)


async def test_a_blind_transfer(company, exchange):
    nina = await company.app("nina")
    kari = await in_thread(lambda: exchange.phone(company.numbers["kari"], "transfers", target=company.numbers["ola"]))
    ola = await in_thread(exchange.phone, company.numbers["ola"])
    caller = exchange.call(company.numbers["kari"], scenario="transferee")
    await nina.sees("kari", activity="in_call")
    await in_thread(kari.go_on, caller.call)
    await in_thread(lambda: wait_until(caller.was_referred, "the caller is sent on"))
    second = exchange.call(company.numbers["ola"])  # so does the caller's telephone
    await nina.sees("ola", activity="in_call")
    await in_thread(caller.go_on)
    await nina.sees("kari", availability="available")
    assert nina.members["ola"]["activity"] == "in_call"
    await in_thread(second.go_on)
    for one in (caller, kari, second, ola):
        await in_thread(one.passed)
    await nina.sees("ola", availability="available")


async def test_an_attended_transfer(company, exchange):
    """The call that replaces another one reaches somebody who is busy: with the call that it replaces."""
    nina = await company.app("nina")
    kari = await in_thread(lambda: exchange.phone(company.numbers["kari"], "transfers", target=company.numbers["ola"]))
    ola = await in_thread(lambda: exchange.phone(company.numbers["ola"], calls=2))
    caller = exchange.call(company.numbers["kari"], scenario="transferee")
    await nina.sees("kari", activity="in_call")
    question = exchange.call(company.numbers["ola"], caller=company.numbers["kari"])
    await nina.sees("ola", activity="in_call")
    await in_thread(lambda: told(company, "ola", action="busy"))
    await in_thread(kari.go_on, caller.call)
    await in_thread(lambda: wait_until(caller.was_referred, "the caller is sent on"))
    second = exchange.call(company.numbers["ola"], scenario="replaces", replaces=f"{question.call};to-tag=1;from-tag=1")
    await in_thread(lambda: wait_until(lambda: ola.has_answered(calls=2), "ola has the caller"))
    await in_thread(ola.go_on, question.call)
    await in_thread(caller.go_on)
    await nina.sees("kari", availability="available")
    assert nina.members["ola"]["activity"] == "in_call"
    await in_thread(second.go_on)
    for one in (caller, question, kari, second, ola):
        await in_thread(one.passed)
    await nina.sees("ola", availability="available")


async def test_a_call_to_the_outside_shows_until_it_ends(company, exchange):
    nina = await company.app("nina")
    outside = number()
    phone = await in_thread(exchange.phone, outside)
    caller = exchange.call(outside, caller=company.numbers["kari"])
    await nina.sees("kari", availability="busy", activity="in_call")
    await in_thread(lambda: told(company, "kari", action="busy"))
    await in_thread(phone.go_on, caller.call)
    await nina.sees("kari", availability="available")
    await in_thread(caller.passed)
    await in_thread(phone.passed)


async def test_a_call_to_the_outside_that_is_declined_leaves_nothing(company, exchange):
    nina = await company.app("nina")
    outside = number()
    phone = await in_thread(exchange.phone, outside, "declines")
    caller = exchange.call(outside, caller=company.numbers["kari"], scenario="refused_486")
    await nina.sees("kari", activity="in_call")  # one's own telephone is off the hook
    await in_thread(phone.go_on, caller.call)
    await nina.sees("kari", availability="available")
    for one in (caller, phone):
        await in_thread(one.passed)


# ---- without Ledig ----

@pytest.mark.parametrize("how", ["ended", "hangs"])
async def test_without_an_answer_it_rings_and_afterwards_all_is_right(start_broker, start_exchange, make_company, how):
    broker = start_broker(router_lease_ms=LEASE_MS, verify_ms=200, router_listen=f"127.0.0.1:{free_port()}")
    company = make_company(broker=broker)
    exchange = await in_thread(lambda: start_exchange(broker, ASK_MS=200, HTTP_S=600))  # none of its requests ends while Ledig hangs
    early = await in_thread(exchange.phone, company.numbers["kari"])
    early_caller = exchange.call(company.numbers["kari"])
    await in_thread(lambda: told(company, "kari", activity="in_call"))
    worker = broker.worker_pid("router")
    if how == "ended":
        await in_thread(broker.stop)
    else:
        os.kill(worker, signal.SIGSTOP)
    try:
        phone = await in_thread(lambda: exchange.phone(company.numbers["ola"], calls=12))
        callers = [exchange.call(company.numbers["ola"]) for _ in range(12)]  # more than there are workers to ask
        await in_thread(lambda: wait_until(lambda: phone.has_answered(calls=12), "all ring, and are answered"))
        await in_thread(early_caller.go_on)
        await in_thread(early_caller.passed)
        await in_thread(early.passed)
    finally:
        if how == "ended":
            await in_thread(broker.start)
        else:
            os.kill(worker, signal.SIGCONT)
    await in_thread(lambda: told(company, "kari", action="ring"))  # the end that nobody heard of
    await in_thread(lambda: told(company, "ola", activity="in_call"))  # and the calls
    for caller in callers:
        await in_thread(caller.go_on)
    await in_thread(phone.passed)
    await in_thread(lambda: told(company, "ola", action="ring"))
    phone = await in_thread(exchange.phone, company.numbers["ola"])
    caller = exchange.call(company.numbers["ola"])
    await in_thread(lambda: told(company, "ola", activity="in_call"))
    await in_thread(caller.go_on)
    await in_thread(phone.passed)
    await in_thread(lambda: told(company, "ola", action="ring"))


async def test_a_proxy_that_is_killed_takes_its_calls_with_it(impatient, make_company, start_exchange):
    company = make_company(broker=impatient)
    exchange = await in_thread(start_exchange, impatient)
    nina = await company.app("nina")
    await in_thread(exchange.phone, company.numbers["kari"])
    exchange.call(company.numbers["kari"])
    await nina.sees("kari", activity="in_call")
    exchange.kill()
    await nina.sees("kari", availability="available")
    await in_thread(exchange.start)  # under a new id
    phone = await in_thread(exchange.phone, company.numbers["kari"])
    caller = exchange.call(company.numbers["kari"])
    await nina.sees("kari", activity="in_call")
    await in_thread(caller.go_on)
    await in_thread(phone.passed)
    await nina.sees("kari", availability="available")


async def test_a_proxy_that_was_silent_for_too_long_tells_again_what_lives(impatient, make_company, start_exchange):
    company = make_company(broker=impatient)
    exchange = await in_thread(start_exchange, impatient)
    nina = await company.app("nina")
    phone = await in_thread(exchange.phone, company.numbers["kari"])
    caller = exchange.call(company.numbers["kari"])
    await nina.sees("kari", activity="in_call")
    exchange.signal(signal.SIGSTOP)
    try:
        silent = nina.place["version"]
        await nina.sees("kari", availability="available")
        await nina.until(lambda: nina.place["version"] > silent)  # and the broker has taken the call as ended
    finally:
        exchange.signal(signal.SIGCONT)
    await nina.sees("kari", activity="in_call")
    await in_thread(caller.go_on)
    await in_thread(phone.passed)
    await nina.sees("kari", availability="available")


# ---- queues ----

async def agents(company, *users):
    """These are logged in to the queue; the wallboard."""
    board = (await log_in(company, *users))[users[0]]
    await board.ok("follow", users="all", queues=["support"])
    await board_shows(board, free=len(users))
    return board


async def test_two_callers_at_once_get_two_agents(company, exchange):
    board = await agents(company, "kari", "ola")
    phones = [await in_thread(exchange.phone, company.numbers[user]) for user in ("kari", "ola")]
    callers = [exchange.call(company.desk, caller=f"+472200000{i}") for i in range(2)]
    await board.sees("kari", activity="in_call")
    await board.sees("ola", activity="in_call")
    await board_shows(board, free=0, busy=2)
    for caller in callers:
        await in_thread(caller.go_on)
    for one in callers + phones:
        await in_thread(one.passed)
    await board_shows(board, free=2, busy=0, wrap_up=0)


# Kamailio's clock may leap on a busy machine, and end the time of an agent who was about to answer. So each agent is
# rung for as many milliseconds as stand behind the dot of the id.
RING_MS = '"$(avp(agent){s.select,1,.}{s.int})"'
SOON, NEVER = 2_500, 3_600_000


@pytest.fixture
def desk(line, make_company):
    """A company whose queue has these agents."""

    def make(*users):
        desk = number()
        company = make_company(broker=line[0], consent=users, rows=[person(user, queues="support") for user in users]
                               + [person("support", "Hjelp", desk, "", "queue")])
        company.desk = desk
        return company

    return make


async def test_who_does_not_answer_is_passed_over(line, desk, start_exchange):
    kari, ola = f"kari.{SOON}", f"ola.{NEVER}"
    company = desk(kari, ola)
    exchange = await in_thread(lambda: start_exchange(line[0], RING_MS=RING_MS))
    board = await agents(company, kari, ola)
    phones = {user: await in_thread(exchange.phone, company.numbers[user], "rings" if user == kari else "answers")
              for user in (kari, ola)}
    caller = exchange.call(company.desk)
    await board.sees(kari, activity="ringing")
    await board.sees(ola, activity="in_call")
    await board.sees(kari, availability="available")
    await in_thread(phones[kari].passed)
    await in_thread(phones[ola].go_on, caller.call)
    await in_thread(caller.passed)
    await board.sees(ola, availability="available")
    await board_shows(board, free=2, busy=0)


async def test_when_nobody_has_answered_they_are_rung_again(line, desk, start_exchange):
    kari = "kari.1000"
    company = desk(kari)
    exchange = await in_thread(lambda: start_exchange(line[0], RING_MS=RING_MS))
    board = await agents(company, kari)
    phone = await in_thread(exchange.phone, company.numbers[kari], "rings")
    caller = exchange.call(company.desk, scenario="gives_up")
    await in_thread(phone.passed)
    phone = await in_thread(exchange.phone, company.numbers[kari], "rings")  # sipp takes no call twice
    await in_thread(phone.passed)
    await in_thread(caller.go_on)
    await in_thread(caller.passed)
    await board_shows(board, free=1, busy=0, waiting=0)


async def test_a_caller_waits_for_the_agent_who_talks(impatient, make_company, start_exchange):
    company = with_a_desk(make_company, impatient)
    exchange = await in_thread(start_exchange, impatient)
    board = await agents(company, "kari")
    phone = await in_thread(lambda: exchange.phone(company.numbers["kari"], calls=2))
    first = exchange.call(company.desk)
    await board.sees("kari", activity="in_call")
    second = exchange.call(company.desk)
    await board_shows(board, waiting=1)
    later = now_ms() + 1.5 * LEASE_MS  # heartbeats name the one that waits, too
    await in_thread(lambda: wait_until(lambda: now_ms() > later, "more than a lease has passed"))
    await board_shows(board, waiting=1)
    await in_thread(first.go_on)
    await in_thread(lambda: wait_until(lambda: phone.has_answered(calls=2), "kari has the second call"))
    await board_shows(board, waiting=0)
    await in_thread(second.go_on)
    await in_thread(phone.passed)
    await board_shows(board, free=1)


async def test_after_a_queues_call_the_agent_has_time_to_wrap_up(company, exchange):
    wrap_up_ms = 1_500
    answer = company.broker.http("PATCH", f"/v1/companies/{company.id}/queues/support", body=dict(wrap_up_ms=wrap_up_ms),
                                 token=company.broker.token("boss", company.id, "admin"))
    assert answer.status == 200, answer.body
    board = await agents(company, "kari")
    phone = await in_thread(lambda: exchange.phone(company.numbers["kari"], calls=2))
    first = exchange.call(company.desk)
    talks_since = (await board.sees("kari", activity="in_call"))["since"]
    second = exchange.call(company.desk)
    await board_shows(board, free=0, busy=1, waiting=1)
    mark = board.mark()
    await in_thread(phone.go_on, first.call)  # the agent hangs up
    await in_thread(lambda: wait_until(lambda: phone.has_answered(calls=2), "kari has the second call"))
    await board.until(lambda: board.members["kari"]["activity"] == "in_call" and board.members["kari"]["since"] > talks_since)
    wrap_up, *later = [row for row in board.rows_since(mark, "kari") if row["since"] > talks_since]
    assert wrap_up["activity"] == "wrap_up" and wrap_up["availability"] == "busy", wrap_up
    assert later[-1]["since"] >= wrap_up["since"] + wrap_up_ms, "the one who waited had to wait for it"
    await in_thread(first.passed)
    await in_thread(second.go_on)
    await in_thread(second.passed)
    await board.sees("kari", availability="busy", activity="wrap_up")
    await board_shows(board, free=0, wrap_up=1)
    await board.sees("kari", availability="available")
    await board_shows(board, free=1, wrap_up=0)


async def test_a_colleague_who_calls_the_queue_has_not_answered_it(company, exchange):
    board = await agents(company, "kari")
    kari = await company.app("kari", device="desk")
    await kari.ok("queue", queue="support", member=True, pause="lunch")
    await board_shows(board, free=0)
    caller = exchange.call(company.desk, caller=company.numbers["ola"])
    await board.sees("ola", activity="in_call")  # on the telephone, from the beginning
    await board_shows(board, waiting=1)
    phone = await in_thread(exchange.phone, company.numbers["kari"])
    await kari.ok("queue", queue="support", member=True)
    await board.sees("kari", activity="in_call")
    await board_shows(board, waiting=0)
    await in_thread(phone.go_on, caller.call)
    await board.sees("ola", availability="available")
    await board.sees("kari", availability="available")
    for one in (caller, phone):
        await in_thread(one.passed)


async def test_who_hangs_up_while_waiting_leaves_the_line(company, exchange):
    board = await agents(company, "kari")
    kari = await company.app("kari", device="desk")
    await kari.ok("queue", queue="support", member=True, pause="lunch")
    await board_shows(board, free=0)
    caller = exchange.call(company.desk, scenario="gives_up")
    await board_shows(board, waiting=1)
    await in_thread(caller.go_on)
    await in_thread(caller.passed)
    await board_shows(board, waiting=0)


async def test_a_queues_own_telephone_rings_without_ledig(start_broker, start_exchange, make_company):
    broker, desk = start_broker(), number()
    make_company(broker=broker, consent=False, rows=[person("kari", queues="support"), person("support", "Hjelp", desk, "", "queue")])
    exchange = await in_thread(start_exchange, broker)
    await in_thread(broker.stop)
    phone = await in_thread(exchange.phone, desk)
    caller = exchange.call(desk)
    await in_thread(lambda: wait_until(phone.has_answered, "it rings, and is answered"))
    await in_thread(caller.go_on)
    await in_thread(caller.passed)


async def test_where_nobody_is_free_the_caller_hears_it(line, company, start_exchange):
    exchange = await in_thread(lambda: start_exchange(line[0], QUEUE_WAIT_S=0))
    await in_thread(exchange.call(company.desk, scenario="refused_480").passed)
