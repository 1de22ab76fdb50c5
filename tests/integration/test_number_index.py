"""The index of numbers: a number is found by whoever has it, and free once nobody has, whatever happens in between."""

import concurrent.futures
import os
import random
import shutil
import socket
import threading

import pytest

from broker_process import number, wait_until
from conftest import Company
from store_reader import Keys
from test_hostile import redis, redis_socket
from test_provisioning import Office, told

SEED = int(os.environ.get("LEDIG_SEED") or random.randrange(1 << 32))
ROUNDS = 25


def key_of(broker, to):
    return f"ledig:number:{Keys(broker).hash(to)}"


def owner_of(broker, who):
    """As the index names them: "acme/user/kari", with a hash for the id."""
    company, kind, identity = who.split("/")
    return f"{company}/{kind}/{Keys(broker).hash(identity)}"


def owner(broker, to):
    return redis(broker, "GET", key_of(broker, to)).strip() or None


class Gate:
    """Stands between a broker and its Redis. Once told, it lets nothing more through from the broker, from the first
    command with this word on: that one still (`after`), or not even that."""

    def __init__(self, path):
        self.path, self.word, self.after = str(path), None, False
        self.shut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.path)
            for source, target, is_broker in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._carry, args=(source, target, is_broker), daemon=True).start()

    def _carry(self, source, target, is_broker):
        try:
            while data := source.recv(65536):
                if is_broker and self.word and f"\r\n{self.word}\r\n".encode() in data:
                    if self.after:
                        target.sendall(data)
                    self.word = None
                    self.shut.set()
                elif not (is_broker and self.shut.is_set()):
                    target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def shuts_at(self, word, after):
        self.after, self.word = after, word


@pytest.fixture
def two(start_broker, make_company, tmp_path):
    """A company on a broker whose index is looked through again and again, and the same on a second broker, behind a gate."""
    first = start_broker(number_sweep_ms=100)
    company = make_company(broker=first, consent=False)
    data = tmp_path / "second"
    data.mkdir(mode=0o700)
    for name in ("token.key", "keys"):
        shutil.copy2(first.data / name, data / name)
    gate = Gate(redis_socket(first))
    second = start_broker(data=data, redis=gate.url, number_sweep_ms=3_600_000)
    yield Office(company), Office(Company(second, company.rows, company.id)), gate
    if second.process:
        second.stop()
    gate.listener.close()


def test_two_workers_that_change_one_person_at_once_leave_the_index_right(start_broker, make_company, tmp_path):
    """No sweep helps here: what the two leave must be right."""
    print(f"LEDIG_SEED={SEED}")
    dice = random.Random(SEED)
    first = start_broker(number_sweep_ms=3_600_000)
    company = make_company(broker=first, consent=False)
    data = tmp_path / "second"
    data.mkdir(mode=0o700)
    for name in ("token.key", "keys"):
        shutil.copy2(first.data / name, data / name)
    second = start_broker(data=data, redis=f"unix:{redis_socket(first)}", number_sweep_ms=3_600_000)
    offices = Office(company), Office(Company(second, company.rows, company.id))
    numbers = [number() for _ in range(4)]

    def change(office, wanted):
        if wanted is None:
            rows = [dict(user="kari", name="Kari Prøvesen", numbers=" ".join(numbers[:2]))]
            return office.broker.import_csv(office.id, rows)
        return office.http("PATCH", "/users/kari", dict(numbers=wanted))

    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for turn in range(ROUNDS):
                wishes = [None if dice.random() < 0.2 else dice.sample(numbers, dice.randrange(4)) for _ in range(6)]
                answers = list(pool.map(change, offices * 3, wishes))
                assert all(a.status in (200, 409) for a in answers), [a.body for a in answers]
                has = offices[turn % 2].user("kari")["numbers"]
                assert {n: owner(first, n) for n in numbers} == {n: owner_of(first, f"{company.id}/user/kari") if n in has else None for n in numbers}, f"LEDIG_SEED={SEED}"
    finally:
        second.stop()


def test_a_broker_that_dies_before_the_commit_leaves_no_number_taken_for_long(two):
    office, other, gate = two
    to = number()
    gate.shuts_at("take", after=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pending = pool.submit(other.http, "PATCH", "/users/kari", dict(numbers=[to]))
        assert gate.shut.wait(30)
        wait_until(lambda: owner(office.broker, to) == owner_of(office.broker, f"{office.id}/user/kari") or not owner(office.broker, to), "it was taken")
        other.broker.kill_supervisor()
        pending.exception()
    assert to not in office.user("kari")["numbers"]
    wait_until(lambda: owner(office.broker, to) is None, "the sweep gives it back")
    office.done("PATCH", "/users/ola", dict(numbers=[to]))
    assert office.broker.route(to, office.id)["user"] == "ola"


def test_a_broker_that_dies_after_the_commit_leaves_no_number_taken_for_long(two):
    office, other, gate = two
    before, to = office.user("kari")["numbers"][0], number()
    gate.shuts_at("give", after=False)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pending = pool.submit(other.http, "PATCH", "/users/kari", dict(numbers=[to]))
        assert gate.shut.wait(30)
        other.broker.kill_supervisor()
        pending.exception()
    assert office.user("kari")["numbers"] == [to]
    wait_until(lambda: owner(office.broker, before) is None, "the sweep gives it back")
    assert owner(office.broker, to) == owner_of(office.broker, f"{office.id}/user/kari"), "what somebody has stays"
    office.done("PATCH", "/users/ola", dict(numbers=[before]))


def test_what_the_index_lacks_is_taken_again(two):
    office, _, _ = two
    line, to = number(), office.user("kari")["numbers"][0]
    office.done("PATCH", "/queues/support", dict(numbers=[line]))
    rows = [dict(user=f"u{i}", name="Prøve", numbers=number()) for i in range(600)]  # more than a step
    assert office.broker.import_csv(office.id, rows).status == 200
    lost = {to: "user/kari", line: "queue/support", rows[0]["numbers"]: "user/u0", rows[599]["numbers"]: "user/u599"}
    redis(office.broker, "DEL", *(key_of(office.broker, n) for n in lost))
    for n, who in lost.items():
        wait_until(lambda: owner(office.broker, n) == owner_of(office.broker, f"{office.id}/{who}"), "the sweep takes it")
    assert office.broker.route(to, office.id)["user"] == "kari"


def test_a_sweep_leaves_alone_what_is_right_and_what_it_does_not_know(two):
    office, _, _ = two
    to, strange, mine = number(), number(), office.user("kari")["numbers"][0]
    before = told(office)
    for value in ("acme", "acme/user", "acme/door/kari", "/user/kari", "acme/user/", "x" * 500):
        redis(office.broker, "SET", key_of(office.broker, strange), value)
        redis(office.broker, "SET", key_of(office.broker, to), owner_of(office.broker, f"{office.id}/user/nobody"))  # the end of a round
        wait_until(lambda: owner(office.broker, to) is None, "the sweep has been here")
        assert owner(office.broker, strange) == value
    assert owner(office.broker, mine) == owner_of(office.broker, f"{office.id}/user/kari") and told(office) == before
