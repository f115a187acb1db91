"""Several gateways on one database, as they live: one killed, one drained, one added, the database gone and back, the
configuration changed all the while. Clients notice nothing but the killed one's open connections, and the books agree."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness import load
from harness.accounts import assert_rows_match, assert_sums_agree
from harness.admin import Json
from harness.database import Database, Postgres
from harness.forwarder import Forwarder
from harness.gateway import Gateway, migrate
from harness.private_server import PrivateServer, program
from harness.simulator import Simulator, mark
from harness.stack import Stack
from harness.stalls import Stalls
from harness.waiting import wait_for

pytestmark = pytest.mark.skipif(ENGINE == "sqlite", reason="one file is for one gateway")

THREADS = 8
#: Requests answered in each of six phases.
PHASE = 500
#: Every so many requests one provider fails.
FAILS_EVERY = 5
#: Seconds before a kill within which a request may have ended without leaving its row.
AT_RISK = 0.25
#: Seconds within which every gateway has a change, and what a busy machine may add.
SPREAD, SLACK = 2.0, 3.0
#: Rows of long ago, for one gateway to delete.
OLD_ROWS = 1200


@dataclass(frozen=True)
class Shared:
    """A database that several gateways use, and that can be taken away."""

    database: Database
    url: str
    take_away: Callable[[], None]
    bring_back: Callable[[], None]


@pytest.fixture
def shared(make_database: MakeDatabase) -> Iterator[Shared]:
    """A server of the test's own, which is restarted, where there can be one; else one whose connections are cut."""
    if ENGINE == "postgres" and program("initdb") and program("pg_ctl"):
        server = PrivateServer()
        yield Shared(Postgres(server.url), "", server.stop, server.start)
        server.remove()
    else:
        database = make_database()
        forwarder = Forwarder(database.address)
        yield Shared(database, database.url_through(forwarder.port), forwarder.cut, forwarder.restore)
        forwarder.close()


@dataclass
class Answer:
    """What came of a request, and of which gateway it was asked."""

    gateway: Gateway
    result: load.Result


class Clients:
    """Requests without end, each to any of the gateways in the rota, as a balancer would have it."""

    def __init__(self, rota: list[Gateway], model: str, failing: Simulator) -> None:
        self.rota = rota
        self.answers: list[Answer] = []
        self._model, self._failing = model, failing
        self._clients = {id(gateway): gateway.openai() for gateway in rota}
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._stop = threading.Event()
        #: Requests that each thread has ended.
        self._ended = [0] * THREADS
        self._threads = [threading.Thread(target=self._work, args=(place,)) for place in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def add(self, gateway: Gateway) -> None:
        self._clients[id(gateway)] = gateway.openai()
        self.rota = [*self.rota, gateway]

    def remove(self, gateway: Gateway) -> None:
        self.rota = [one for one in self.rota if one is not gateway]

    def remove_and_wait(self, gateway: Gateway) -> None:
        """As a balancer that is given time before a gateway is asked to end: nobody who chose it is still on his way."""
        self.remove(gateway)
        before = list(self._ended)
        wait_for(lambda: all(now > then for now, then in zip(self._ended, before, strict=True)), "clients to move on", 90)

    def ask_slowly(self, gateway: Gateway, count: int) -> list[threading.Thread]:
        """Streams of some seconds, all of them running when this returns."""

        def ask() -> None:
            text = mark(f"slow {next(self._numbers)}", ttft_ms=10, tokens=60, tokens_per_second=20)
            result = load.one(self._clients[id(gateway)], self._model, 1, text)
            with self._lock:
                self.answers.append(Answer(gateway, result))

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] >= count, "slow streams", seconds=60)
        return threads

    def _work(self, place: int) -> None:
        while not self._stop.is_set():
            with self._lock:
                index = next(self._numbers)
            gateway = random.choice(self.rota)
            text = load.prompt(index)
            if index % FAILS_EVERY == 0:
                text = mark(text, at=self._failing, status=500)
            result = load.one(self._clients[id(gateway)], self._model, index, text)
            with self._lock:
                self.answers.append(Answer(gateway, result))
            self._ended[place] += 1

    def answered(self) -> int:
        with self._lock:
            return sum(answer.result.error is None for answer in self.answers)

    def phase(self) -> None:
        """Waits for some more answers."""
        enough = self.answered() + PHASE
        wait_for(lambda: self.answered() >= enough, "answers", seconds=240)

    def finish(self) -> list[Answer]:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a client hangs"
        return self.answers


def models_of(gateway: Gateway) -> list[str]:
    """As it routes by them, not as they are stored."""
    return sorted(model.id for model in gateway.openai().models.list())


def change_something(rota: list[Gateway], provider: Json, number: int) -> None:
    """Through one gateway, and in force in all of them soon."""
    here = rota[number % len(rota)]
    model = here.admin.model(f"extra-{number}", timeout=30 + number)
    here.admin.associate(model, provider, "extra")
    if number % 2:
        here.admin.delete(f"/models/{model['id']}")
        return
    changed = time.monotonic()
    for gateway in rota:
        while model["name"] not in models_of(gateway):
            assert time.monotonic() - changed < SPREAD + SLACK, "a gateway did not take up the change"
            time.sleep(0.05)


def write_old_rows(database: Database) -> None:
    values = ",".join(
        f"('old-{number}', 'm', '/v1/x', 'POST', 200, 1, 'somebody', '[]', '2020-01-01 00:00:00')"
        for number in range(OLD_ROWS)
    )
    database.execute(
        "INSERT INTO request_logs (request_id, model, endpoint, method, status_code, latency_ms, user_id, attempts, "
        f"created_at) VALUES {values}"
    )


def assert_books_agree(database: Database, answers: list[Answer], killed: Gateway, safe_until: float) -> None:
    """One row for each request that was answered, but what the killed gateway had not written yet."""
    answered = [answer for answer in answers if answer.result.error is None]
    at_risk = {a.result.request_id for a in answered if a.gateway is killed and a.result.ended_at > safe_until}
    expected = {a.result.request_id for a in answered} - at_risk

    def missing() -> set[str]:
        return expected - {row["request_id"] for row in database.request_logs()}

    wait_for(lambda: not missing(), lambda: f"rows: {len(missing())} are missing", seconds=120)
    assert database.count("request_logs") == len({row["request_id"] for row in database.request_logs()})
    asked = database.request_logs("endpoint = '/v1/chat/completions'")
    rows = {row["request_id"]: row for row in asked}
    written = [a.result for a in answered if a.result.request_id in rows]
    assert_rows_match([rows[result.request_id] for result in written], written)
    strangers = rows.keys() - {a.result.request_id for a in answers}
    assert len(strangers) <= THREADS, "only what a client of the killed gateway never heard of"
    assert any(len(row["attempts"]) > 1 for row in rows.values()), "some failed over"
    assert_sums_agree(database)


def told(errors: list[Answer], killed_at: float) -> list[str]:
    """What clients saw and where it came from, and when by the kill."""
    return [
        f"{a.gateway.port}: {a.result.error!r} of {a.result.error.__cause__!r}, begun at {a.result.started_at - killed_at:.3f}, "
        f"ended at {a.result.ended_at - killed_at:.3f}"
        for a in errors
    ]


def test_a_fleet_is_one_gateway_to_its_clients(
    make_gateway: MakeGateway, shared: Shared, alpha: Simulator, beta: Simulator, tmp_path: Path
) -> None:
    database = shared.database
    migrate(database)
    write_old_rows(database)
    # One folder, so that whoever starts next writes what a killed one has left there.
    variables = {"GATEWAY_SPOOL_DIR": str(tmp_path / "spool"), "DATABASE_URL": shared.url or database.url}
    first, second, third = fleet = [make_gateway(database, **variables) for _ in range(3)]
    stack = Stack.make(first, [alpha, beta])
    wait_for(lambda: all(stack.name in models_of(gateway) for gateway in fleet), "the model everywhere")
    # What is old is deleted, and each row by one of them.
    expired = [lambda gateway=gateway: gateway.metrics()["gateway_records_expired_total"] for gateway in fleet]
    wait_for(lambda: not database.request_logs("request_id LIKE 'old-%'"), "old rows to go", seconds=60)
    wait_for(lambda: sum(count() for count in expired) == OLD_ROWS, "each old row to be counted once")
    numbers = itertools.count()
    clients = Clients(fleet, stack.name, failing=alpha)

    def live_on() -> None:
        clients.phase()
        for _ in range(2):
            change_something(clients.rota, stack.providers[0], next(numbers))

    live_on()
    with Stalls(tmp_path) as stalls:
        clients.phase()
        killed_at = time.time()
        second.kill()
        clients.remove(second)
    live_on()

    clients.remove_and_wait(third)
    slow = clients.ask_slowly(third, 4)
    third.stop()
    for thread in slow:
        thread.join(60)
    live_on()

    fourth = make_gateway(database, **variables)
    clients.add(fourth)
    live_on()

    shared.take_away()
    clients.phase()
    assert any(gateway.metrics()["gateway_records_spooled"] > 0 for gateway in clients.rota)
    shared.bring_back()
    wait_for(lambda: all(gateway.http.get("/readyz").json()["database"] == "up" for gateway in clients.rota), "the database")
    live_on()
    answers = clients.finish()

    errors = [answer for answer in answers if answer.result.error]
    by_whom = Counter("killed" if answer.gateway is second else "another" for answer in errors)
    assert by_whom["another"] == 0, told(errors, killed_at)
    # Each thread had one request open at most; those that chose it before they learned of its end are refused.
    assert by_whom["killed"] <= 2 * THREADS
    assert all(answer.result.ended_at >= killed_at - 0.1 for answer in errors), told(errors, killed_at)

    assert_books_agree(database, answers, second, killed_at - AT_RISK - stalls.worst)
    running = clients.rota
    assert len({tuple(models_of(gateway)) for gateway in running}) == 1
    exports = [gateway.admin.http.get("/export").json() for gateway in running]
    assert exports[0] == exports[1]
    assert sum(gateway.metrics()["gateway_records_lost_total"] for gateway in running) == 0
    print(f"{len(answers)} requests, {len(errors)} cut off by the kill")
