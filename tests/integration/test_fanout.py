"""What one sets, the others see: once, at once, and only what they want to see."""

import asyncio
import pathlib

import pytest

from broker_process import number, unique
from conftest import person
from ledig_client import RawSocket, Refused, now_ms

HOUR = 3_600_000


def unsent_bytes(client):
    """What the kernel keeps for this client on the broker's side: sent and not acknowledged, or not sent yet."""
    near, far = client.getsockname()[1], client.getpeername()[1]
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues = line.split()[:5]
        if int(local.rpartition(":")[2], 16) == far and int(remote.rpartition(":")[2], 16) == near:
            return int(queues.partition(":")[0], 16)
    raise AssertionError("the broker has no such connection")


async def test_colleagues_see_what_is_set(company):
    kari, ola, nina = [await company.app(user) for user in company.users]
    until = now_ms() + HOUR
    before = now_ms()
    ok = await kari.set("busy", activity="meeting", note="Styremøte", until=until, forward="nina")
    assert ok["version"] > 0
    for app in (kari, ola, nina):
        row = await app.sees("kari", availability="busy", activity="meeting", note="Styremøte", until=until)
        assert before - 5_000 <= row["since"] <= now_ms() + 5_000
        await app.until(lambda: app.place["version"] >= ok["version"])
    assert not any("nina" in str(r) for r in ola.rows_since(0, "kari")), "a forward is no colleague's business"


@pytest.mark.parametrize("status", ["busy", "dnd", "away"])
async def test_available_clears_what_was_set(company, status):
    kari, ola = await company.app("kari"), await company.app("ola")
    await kari.set(status, note="for a while")
    await ola.sees("kari", availability=status, note="for a while", until=None)
    await kari.set("available")
    await ola.sees("kari", availability="available", note=None, activity=None)


async def test_available_with_an_end_is_kept(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    until = now_ms() + HOUR
    await kari.set("available", note="overtid", until=until)
    await ola.sees("kari", availability="available", until=until, note="overtid")


@pytest.mark.parametrize("activity", ["sick", "vacation"])
async def test_health_is_nobodys_business(company, activity):
    kari, ola = await company.app("kari"), await company.app("ola")
    until = now_ms() + 24 * HOUR
    await kari.set("away", activity=activity, note="på Ullevål", until=until)
    row = await ola.sees("kari", availability="away")
    assert row["activity"] is None and row["note"] is None and row["until"] == until
    assert activity not in str(ola.frames) and "Ullevål" not in str(ola.frames)
    assert activity not in str(await ola.ask(users=["kari"])) and activity not in str(company.route("kari"))
    assert (await kari.until(lambda: kari.me.get("activity")) == activity)


@pytest.mark.parametrize("activity", ["sick", "vacation"])
async def test_but_for_whoever_says_so(company, activity):
    kari, ola, boss = await company.app("kari"), await company.app("ola"), await company.app("nina", role="switchboard")
    await kari.set("away", activity=activity, note="til mandag", open=True)
    await ola.sees("kari", availability="away", activity=activity, note="til mandag")
    await kari.until(lambda: kari.me.get("open") is True, "me says so")
    error = await boss.refused("set", status="away", activity=activity, open=True, user="kari")
    assert (error["code"], error["field"]) == ("forbidden", "open")
    await kari.set("away", activity=activity, note="til mandag")
    await ola.sees("kari", availability="away", activity=None, note=None)


async def test_a_passed_until_is_seen_by_the_clock_without_a_write(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    await ola.sees("nina", presence=None)
    ok = await kari.set("busy", until=now_ms() + 1_500, note="snart tilbake")
    await ola.sees("kari", availability="busy")
    await ola.until(lambda: ola.place["version"] >= ok["version"])
    row = await ola.sees("kari", availability="available", note=None, until=None)
    assert row["since"] is None or row["since"] <= now_ms() + 5_000
    assert ola.place["version"] == ok["version"], "no write was needed"
    members, _ = await ola.ask(users=["kari"])
    assert members["kari"]["availability"] == "available"
    assert company.route("kari")["action"] == "ring"


async def test_a_request_that_changes_nothing_makes_no_version_and_no_frame(company):
    kari, ola, nina = [await company.app(user) for user in company.users]
    await ola.sees("nina", presence="active")
    until = now_ms() + HOUR
    for fields in (dict(status="busy", note="x", until=until), dict(status="away", activity="lunch"), dict(status="available")):
        versions = [(await kari.ok("set", **fields))["version"]]
        await ola.until(lambda: ola.place["version"] >= versions[0])
        mark = ola.mark()
        for _ in range(3):
            versions.append((await kari.ok("set", **fields)).get("version", versions[0]))
        await nina.set("busy", note=f"fence {fields['status']}")
        await ola.sees("nina", note=f"fence {fields['status']}")
        assert ola.rows_since(mark, "kari") == []
        # a device of the set-up may leave at the same time, and that is a version
        assert versions.count(versions[-1]) >= 2, versions


async def test_a_device_that_wakes_is_seen_at_once_and_one_that_sleeps_is_not(company):
    ola = await company.app("ola")
    kari = await company.app("kari", state="background")
    await ola.sees("kari", presence="background")
    await kari.ok("device", state="idle")
    await ola.sees("kari", presence="idle")
    await kari.ok("device", state="active")
    row = await ola.sees("kari", presence="active")
    assert row["last_active"] is not None and row["last_active"] % 300_000 == 0
    mark = ola.mark()
    await kari.ok("device", state="background")  # shows after a minute
    nina = await company.app("nina")
    await nina.set("busy", note="fence")
    await ola.sees("nina", note="fence")
    assert ola.rows_since(mark, "kari") == []


async def test_presence_is_that_of_the_best_device(company):
    ola = await company.app("ola")
    await company.app("kari", device="phone", kind="mobile", state="background")
    await ola.sees("kari", presence="background")
    desk = await company.app("kari", device="desk", state="idle")
    await ola.sees("kari", presence="idle")
    await desk.ok("device", state="active")
    await ola.sees("kari", presence="active")


async def test_a_background_app_is_told_later_and_at_once_when_it_wakes(start_broker, make_company):
    broker = start_broker(background_ms=60_000)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    sleeper = await company.app("nina", state="background")
    await ola.sees("nina", presence="background")
    mark = sleeper.mark()
    await kari.set("busy", note="one")
    await ola.sees("kari", note="one")
    await kari.set("busy", note="two")
    await ola.sees("kari", note="two")
    assert "one" not in str([r["note"] for r in sleeper.rows_since(mark, "kari")])
    await sleeper.ok("device", state="active")
    await sleeper.sees("kari", note="two")
    assert [r["note"] for r in sleeper.rows_since(mark, "kari")] == ["two"], "only the latest state"


async def test_a_background_app_hears_after_its_interval(start_broker, make_company):
    broker = start_broker(background_ms=500)
    company = make_company(broker=broker)
    kari, sleeper = await company.app("kari"), await company.app("nina", state="background")
    await kari.set("busy", note="one")
    await sleeper.sees("kari", note="one")


async def test_favourites_reach_a_background_app_at_once_and_bring_what_waits(start_broker, make_company):
    broker = start_broker(background_ms=60_000)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    sleeper = await company.app("nina", state="background", favourites=["kari"])
    await ola.sees("nina", presence="background")
    mark = sleeper.mark()
    await ola.set("busy", note="no favourite")
    await kari.sees("ola", note="no favourite")
    assert sleeper.rows_since(mark, "ola") == []
    await kari.set("busy", note="dear")
    await sleeper.sees("kari", note="dear")
    await sleeper.sees("ola", note="no favourite")


async def test_a_follow_replaces_the_favourites(start_broker, make_company):
    broker = start_broker(background_ms=60_000)
    company = make_company(broker=broker)
    kari, ola = await company.app("kari"), await company.app("ola")
    sleeper = await company.app("nina", state="background", favourites=["kari"])
    await sleeper.ok("follow", users=["ola", "kari"], favourites=["ola"])
    await sleeper.until(lambda: sleeper.live, "the first state")
    mark = sleeper.mark()
    await kari.set("busy", note="no longer dear")
    await ola.sees("kari", note="no longer dear")
    assert sleeper.rows_since(mark, "kari") == []
    await ola.set("busy", note="dear now")
    await sleeper.sees("ola", note="dear now")


# ---- following ----


async def test_follow_shows_those_alone_and_oneself(company):
    kari = await company.app("kari", follow=["ola"])
    assert set(kari.members) == set(kari.profiles) == {"kari", "ola"}
    ola, nina = await company.app("ola"), await company.app("nina")
    await nina.set("busy")
    await ola.set("dnd")
    await kari.sees("ola", availability="dnd")
    await kari.set("away")
    await kari.sees("kari", availability="away")
    assert kari.rows_since(0, "nina") == []


async def test_following_nobody_shows_oneself(company):
    kari = await company.app("kari", follow=[])
    assert set(kari.members) == {"kari"}


async def test_follow_replaces_the_filter_and_starts_from_nothing(company):
    kari, nina = await company.app("kari"), await company.app("nina")
    await kari.ok("follow", users=["nina"])
    await kari.until(lambda: kari.live)
    assert set(kari.members) == {"kari", "nina"}
    ola = await company.app("ola")
    await ola.set("busy")
    await nina.set("busy")
    await kari.sees("nina", availability="busy")
    assert "ola" not in kari.members
    await kari.ok("follow", users="all")
    await kari.until(lambda: kari.live)
    assert set(kari.members) == set(company.users)
    await kari.sees("ola", availability="busy")


async def test_follow_of_queues_brings_their_rows(company):
    kari = await company.app("kari")
    assert kari.queues == {}
    await kari.ok("follow", users="all", queues=["support"])
    await kari.until(lambda: "support" in kari.queues)
    row = kari.queues["support"]
    assert (row["free"], row["busy"], row["wrap_up"], row["waiting"]) == (0, 0, 0, 0), "nobody has logged in"
    await kari.ok("follow", users="all")
    await kari.until(lambda: kari.live)
    assert kari.queues == {}


async def test_someone_who_does_not_exist_yet_can_be_followed(company):
    kari = await company.app("kari", follow=["newcomer"])
    assert set(kari.members) == {"kari"}
    company.provision(company.rows + [person("newcomer")])
    await kari.until(lambda: "newcomer" in kari.profiles)
    assert "newcomer" not in kari.members or kari.members["newcomer"]["availability"] == "unknown"


# ---- asking ----


async def test_ask_by_user_and_by_number(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    await ola.set("busy", note="opptatt")
    await kari.sees("ola", note="opptatt")
    members, answer = await kari.ask(users=["ola"], numbers=[company.numbers["nina"]])
    assert set(members) == {"ola", "nina"} and members["ola"]["note"] == "opptatt"
    assert [p[:2] for p in answer["profiles"]] == [["ola", "Ola Prøvesen"], ["nina", "Nina Prøvesen"]]
    assert 0 <= answer["stale_ms"] < 60_000
    members, answer = await kari.ask(numbers=[number()])
    assert members == {} and not answer.get("profiles")
    members, _ = await kari.ask(users=["ola"])
    assert members["ola"] == kari.members["ola"], "the same row as in `changes`"
    _, answer = await kari.ask(queues=["support"])
    assert answer["queues"][0][0] == "support"


@pytest.mark.parametrize("field, question", [("users", dict(users=["ola", "nobody"])), ("queues", dict(queues=["nowhere"]))])
async def test_ask_for_one_who_is_not_there_is_not_found(company, field, question):
    kari = await company.app("kari")
    error = await kari.refused("ask", **question)
    assert (error["code"], error["field"]) == ("not_found", field)


async def test_a_large_answer_comes_in_parts(make_company):
    rows = [person(f"u{i}", name="Ærlig Ørn Åsen " + "x" * 90, department="y" * 110) for i in range(900)]
    company = make_company(rows=rows, consent=["u0"])
    app = await company.app("u0")
    assert set(app.profiles) == set(company.users)
    assert sum(m["t"] == "changes" and bool(m.get("more")) for m in app.frames) >= 2, "the snapshot came in one frame"
    _, answer = await app.ask(users=company.users)
    assert answer["parts"] > 1
    assert {p[0] for p in answer["profiles"]} == set(company.users)
    assert max(app.sizes) <= 65536


# ---- on behalf ----


async def test_the_switchboard_sets_for_another_and_a_member_does_not(company):
    ola = await company.app("ola")
    board = await company.app("nina", role="switchboard")
    await board.set("away", user="kari", note="ringte inn syk")
    await ola.sees("kari", availability="away", note="ringte inn syk")
    error = await ola.refused("set", status="available", user="kari")
    assert (error["code"], error["field"]) == ("forbidden", "user")
    await ola.set("busy", user="ola")  # oneself by name


async def test_set_for_one_who_is_not_there_is_not_found(company):
    board = await company.app("nina", role="lead")
    error = await board.refused("set", status="away", user="nobody")
    assert (error["code"], error["field"]) == ("not_found", "user")


# ---- provisioning is seen, too ----


async def test_an_import_is_seen_by_those_connected(company):
    kari = await company.app("kari")
    rows = [dict(row, name="Ola Nordmann-Ås", department="Salg") if row["user"] == "ola" else row for row in company.rows]
    company.provision(rows + [person("per")])
    await kari.until(lambda: kari.profiles["ola"]["department"] == "Salg" and "per" in kari.profiles)
    assert kari.profiles["ola"]["name"] == "Ola Nordmann-Ås"
    members, _ = await kari.ask(users=["per"])
    assert members.get("per", {"availability": "unknown"})["availability"] == "unknown"


# ---- one who cannot keep up ----


def rows_of_round(users, numbers, step):
    """The employer renames everyone: a large change in one request."""
    return [person(user, name=f"{step:03d} " + "Å" * 110, numbers=numbers[user], department=f"{step:03d} " + "Ø" * 110) for user in users]


@pytest.mark.slow(180)
async def test_a_slow_reader_gets_only_the_latest_state(make_company):
    """It misses whole rounds of changes, since there is no queue for it, and ends with the truth like everyone."""
    company = make_company(users=[f"u{i}" for i in range(800)], consent=False)
    slow = RawSocket(company.broker.url, receive_bytes=4096)
    slow.say(dict(t="hello", token=company.token("u0"), device=dict(id="slow", kind="mobile")))
    assert slow.message()["t"] == "welcome"
    watcher = await company.app("u1")
    rounds = 40  # of half a megabyte: far beyond what the kernel keeps for a socket
    for step in range(rounds):
        company.provision(rows_of_round(company.users, company.numbers, step))
        await watcher.until(lambda: watcher.profiles["u0"]["name"].startswith(f"{step:03d}"))
    queued = unsent_bytes(slow.socket)
    assert 0 < queued < 256 * 1024, f"the kernel keeps {queued} bytes for one that reads nothing"
    last = f"{rounds - 1:03d} "
    await watcher.until(lambda: all(p["name"].startswith(last) for p in watcher.profiles.values()))
    rows, latest = 0, {}
    while len(latest) < len(company.users) or not all(name.startswith(last) for name in latest.values()):
        message = await asyncio.get_running_loop().run_in_executor(None, slow.message)
        assert message, "the slow one was closed"
        for values in message.get("profiles") or []:
            rows += 1
            latest[values[0]] = values[1]
    slow.close()
    offered = rounds * len(company.users)
    assert rows < offered * 0.7, f"{rows} rows of {offered}: it was told of every step"


@pytest.mark.slow(180)
async def test_one_who_takes_nothing_is_dropped_and_holds_up_nobody(start_broker, make_company):
    broker = start_broker(stall_ms=1_500)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(800)], consent=["u0"])
    kari = await company.app("u1")
    await kari.sees("u0", presence=None)
    stuck = RawSocket(broker.url, receive_bytes=4096)
    stuck.say(dict(t="hello", token=company.token("u0"), device=dict(id="stuck", kind="mobile")))
    await kari.sees("u0", presence="active")
    step, deadline = 0, now_ms() + 90_000
    while kari.members["u0"]["presence"]:
        assert now_ms() < deadline, "it is still there"
        company.provision(rows_of_round(company.users, company.numbers, step % 999))
        await kari.until(lambda: kari.profiles["u799"]["name"].startswith(f"{step % 999:03d}"))
        step += 1
    stuck.close()


async def test_one_whose_share_lies_in_the_kernel_unread_is_dropped_too(start_broker, make_company):
    """All that it was sent fits into the kernel's buffers, so nothing is choked; still it takes nothing."""
    broker = start_broker(stall_ms=1_500, ping_ms=600_000, grace_ms=300)
    company = make_company(broker=broker, users=[f"u{i}" for i in range(800)], consent=["u0"])
    kari = await company.app("u1")
    idle = await company.app("u2")  # takes all, and has nothing to say
    stuck = RawSocket(broker.url, receive_bytes=4096)
    stuck.say(dict(t="hello", token=company.token("u0"), device=dict(id="stuck", kind="mobile")))
    await kari.sees("u0", presence="active")
    await kari.sees("u0", presence=None)
    assert not idle.closed and not kari.closed
    stuck.close()
