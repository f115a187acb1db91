"""Several gateways on one database, as they live: one killed, one drained, one added, the database gone and back, the
configuration changed all the while. Clients notice nothing but the killed one's open connections, and the books agree."""

import asyncio
import itertools
import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness import load
from harness.accounts import assert_rows_match, assert_sums_agree
from harness.admin import Json
from harness.database import Database, Postgres
from harness.forwarder import Forwarder
from harness.gateway import CLIENT_KEY, Gateway, migrate
from harness.private_server import PrivateServer
from harness.redis_server import RedisServer
from harness.simulator import Simulator, mark
from harness.stack import Stack
from harness.stalls import Stalls
from harness.traffic import ENDPOINTS, KINDS, SMALL_CHAT, Kind
from harness.waiting import wait_for
from harness.wire import Wire

pytestmark = pytest.mark.skipif(ENGINE == "sqlite", reason="one file is for one gateway")

#: Requests answered in all, in phases of this part.
REQUESTS = int(os.environ.get("FLEET_REQUESTS", "20000"))
PHASES = 10
#: Clients, each of which waits for its answer before it asks again.
CLIENTS = 12
#: Every so many requests one provider fails.
FAILS_EVERY = 5
#: What two keys may in a minute, each with one request in ten: less than they ask for.
RPM, TPM = 200, 3000
LIMITS = {"requests": {"rpm": RPM}, "tokens": {"tpm": TPM}}
MAX_TOKENS = 8
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
    if ENGINE == "postgres":
        server = PrivateServer()
        yield Shared(Postgres(server.url), "", server.stop, server.start)
        server.remove()
    else:
        database = make_database()
        forwarder = Forwarder(database.address)
        yield Shared(database, database.url_through(forwarder.port), forwarder.cut, forwarder.restore)
        forwarder.close()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


@dataclass
class Answer(load.Result):
    """What came of a request, and of which gateway it was asked, and by whose key."""

    gateway: Gateway = field(kw_only=True)
    key: str = field(kw_only=True)
    #: None when no whole answer came.
    status: int | None = None
    #: When it was let pass or refused lies between the two, by `time.monotonic()`.
    sent: float = 0.0
    came: float = 0.0


class Clients:
    """Requests without end, each to any of the gateways in the rota, as a balancer would have it."""

    def __init__(self, rota: list[Gateway], model: str, failing: Simulator, requests_key: str, tokens_key: str) -> None:
        self.rota = rota
        self.answers: list[Answer] = []
        self._model, self._failing = model, failing
        self._limited = {3: requests_key, 7: tokens_key}
        self._numbers = itertools.count()
        #: Requests by the gateway that has not answered them yet.
        self._open: dict[int, set[int]] = defaultdict(set)
        self._stop = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._work_done = [asyncio.run_coroutine_threadsafe(self._work(), self._loop) for _ in range(CLIENTS)]

    def add(self, gateway: Gateway) -> None:
        self.rota = [*self.rota, gateway]

    def remove_and_wait(self, gateway: Gateway) -> None:
        """As a balancer that is given time before a gateway is asked to end: nobody is still on his way to it."""
        self.remove(gateway)
        wait_for(lambda: not self._open[gateway.port], "clients to move on", 90)

    def remove(self, gateway: Gateway) -> None:
        self.rota = [one for one in self.rota if one is not gateway]

    def kill(self, gateway: Gateway) -> set[int]:
        """Ends it in the midst of its work; the requests that it had not answered."""

        async def now() -> set[int]:
            self.remove(gateway)
            gateway.process.send(signal.SIGKILL)
            return set(self._open[gateway.port])

        opened = asyncio.run_coroutine_threadsafe(now(), self._loop).result(90)
        gateway.kill()
        return opened

    def ask_slowly(self, gateway: Gateway, count: int) -> list[Future[None]]:
        """Streams of some seconds, all of them running when this returns."""

        async def ask() -> None:
            wire = Wire()
            index = next(self._numbers)
            text = mark(f"slow {index}", ttft_ms=10, tokens=60, tokens_per_second=20)
            await self._ask(wire, gateway, index, KINDS[1], text, CLIENT_KEY, 60)
            wire.close()

        asked = [asyncio.run_coroutine_threadsafe(ask(), self._loop) for _ in range(count)]
        wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] >= count, "slow streams", seconds=60)
        return asked

    async def _work(self) -> None:
        wire = Wire()
        while not self._stop:
            index = next(self._numbers)
            text = load.prompt(index)
            if index % FAILS_EVERY == 0:
                text = mark(text, at=self._failing, status=500)
            key = self._limited.get(index % 10, CLIENT_KEY)
            kind = SMALL_CHAT if index % 10 == 7 else KINDS[index // 10 % len(KINDS)]
            await self._ask(wire, random.choice(self.rota), index, kind, text, key, MAX_TOKENS)
        wire.close()

    async def _ask(
        self, wire: Wire, gateway: Gateway, index: int, kind: Kind, text: str, key: str, max_tokens: int
    ) -> None:
        answer = Answer(index, kind.stream, started_at=time.time(), gateway=gateway, key=key)
        self._open[gateway.port].add(index)
        try:
            body = kind.body(self._model, text, max_tokens)
            reply = await wire.post(gateway.port, kind.path, {"authorization": f"Bearer {key}"}, body)
            answer.request_id = reply.headers["x-request-id"]
            answer.status, answer.sent, answer.came = reply.status, reply.sent, reply.came
            assert reply.status == 200 or (reply.status == 429 and key != CLIENT_KEY), (reply.status, reply.body)
            if reply.status == 200:
                answer.attempts = int(reply.headers["x-gateway-attempts"])
                answer.total_tokens = kind.tokens(reply.body)
                assert kind.is_whole(reply.body), reply.body
        except Exception as error:
            answer.error = error
        self._open[gateway.port].discard(index)
        answer.ended_at = time.time()
        self.answers.append(answer)

    def phase(self) -> None:
        """Waits for some more answers."""
        self.wait_for(len(self.answers) + REQUESTS // PHASES)

    def wait_for(self, count: int) -> None:
        wait_for(lambda: len(self.answers) >= count, lambda: f"{count} answers: {len(self.answers)}", seconds=300)

    def finish(self) -> list[Answer]:
        self._stop = True
        for done in self._work_done:
            done.result(90)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(90)
        self._loop.close()
        return self.answers


def models_of(gateway: Gateway) -> list[str]:
    """As it routes by them, not as they are stored."""
    return sorted(model.id for model in gateway.openai().models.list())


def knows(gateway: Gateway, keys: Iterable[str]) -> bool:
    asked = [gateway.http.get("/v1/models", headers={"authorization": f"Bearer {key}"}) for key in keys]
    return all(answer.status_code == 200 for answer in asked)


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
    answered = [answer for answer in answers if answer.error is None]
    at_risk = {a.request_id for a in answered if a.gateway is killed and a.ended_at > safe_until}
    expected = {a.request_id for a in answered} - at_risk

    def missing() -> set[str]:
        return expected - {row["request_id"] for row in database.execute("SELECT request_id FROM request_logs")}

    wait_for(lambda: not missing(), lambda: f"rows: {len(missing())} are missing", seconds=120)
    every = database.request_logs()
    rows = {row["request_id"]: row for row in every}
    assert len(every) == len(rows)
    asked = {request_id: row for request_id, row in rows.items() if row["endpoint"] in ENDPOINTS}
    written = [answer for answer in answered if answer.request_id in asked]
    served = [answer for answer in written if answer.status == 200]
    assert_rows_match([asked[answer.request_id] for answer in served], served)
    refused = [asked[answer.request_id] for answer in written if answer.status == 429]
    assert all((row["status_code"], row["error_class"], row["attempts"]) == (429, "limited", []) for row in refused)
    strangers = asked.keys() - {answer.request_id for answer in answers}
    assert len(strangers) <= CLIENTS, "only what a client of the killed gateway never heard of"
    assert any(len(row["attempts"]) > 1 for row in asked.values()), "some failed over"
    assert_sums_agree(database)
    print(f"{len(answered) - len(written)} rows went with the killed gateway, {len(strangers)} have no answer")


def assert_limit_was_held(answers: list[Answer], limit: int, of: Callable[[Answer], int]) -> None:
    """Of a key that asked for more all the while, in the fullest minute."""
    passed = [answer for answer in answers if answer.status == 200]
    refused = sum(answer.status == 429 for answer in answers)
    assert refused >= 20, f"{len(passed)} passed, {refused} refused: too few to tell"
    minutes = [[it for it in passed if begin.sent <= it.sent and it.came <= begin.sent + 60] for begin in passed]
    most = max(sum(map(of, minute)) for minute in minutes)
    print(f"{most} of {limit} in the fullest minute, {len(passed)} passed, {refused} refused")
    assert limit * 0.98 <= most <= limit * 1.02


def told(errors: list[Answer], killed_at: float) -> str:
    """What clients saw and where it came from, and when by the kill."""
    return "\n".join(
        f"{a.gateway.port}: {a.error!r}, begun at {a.started_at - killed_at:.3f}, ended at {a.ended_at - killed_at:.3f}"
        for a in errors
    )


def test_a_fleet_is_one_gateway_to_its_clients(
    make_gateway: MakeGateway, shared: Shared, redis: RedisServer, alpha: Simulator, beta: Simulator, tmp_path: Path
) -> None:
    database = shared.database
    migrate(database)
    write_old_rows(database)
    # One folder, so that whoever starts next writes what a killed one has left there.
    variables = {"GATEWAY_SPOOL_DIR": str(tmp_path / "spool"), "DATABASE_URL": shared.url or database.url}
    # So patient that a busy machine is not taken for a Redis that is gone.
    variables |= {"REDIS_URL": redis.url, "REDIS_TIMEOUT": "5"}
    first, second, third = fleet = [make_gateway(database, **variables) for _ in range(3)]
    stack = Stack.make(first, [alpha, beta])
    wait_for(lambda: all(stack.name in models_of(gateway) for gateway in fleet), "the model everywhere")
    # What is old is deleted, and each row by one of them.
    expired = [lambda gateway=gateway: gateway.metrics()["gateway_records_expired_total"] for gateway in fleet]
    wait_for(lambda: not database.request_logs("request_id LIKE 'old-%'"), "old rows to go", seconds=60)
    wait_for(lambda: sum(count() for count in expired) == OLD_ROWS, "each old row to be counted once")
    wait_for(lambda: all(gateway.metrics()["gateway_redis_up"] == 1 for gateway in fleet), "gateways that count together")
    keys = {name: first.admin.key(name, limits=limits)["key"] for name, limits in LIMITS.items()}
    wait_for(lambda: all(knows(gateway, keys.values()) for gateway in fleet), "keys that every gateway knows")
    numbers = itertools.count()
    begun = time.monotonic()
    clients = Clients(fleet, stack.name, alpha, *keys.values())

    def live_on() -> None:
        clients.phase()
        for _ in range(2):
            change_something(clients.rota, stack.providers[0], next(numbers))

    live_on()
    with Stalls(tmp_path) as stalls:
        clients.phase()
        killed_at = time.time()
        cut_off = clients.kill(second)
    live_on()

    clients.remove_and_wait(third)
    slow = clients.ask_slowly(third, 4)
    third.stop()
    for stream in slow:
        stream.result(60)
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
    clients.wait_for(REQUESTS)
    answers = clients.finish()
    print(f"{len(answers)} requests in {time.monotonic() - begun:.1f} s, of which {len(cut_off)} were open at the kill")

    errors = [answer for answer in answers if answer.error]
    strange = [answer for answer in errors if answer.gateway is not second or answer.index not in cut_off]
    assert not strange, told(strange, killed_at)

    assert_books_agree(database, answers, second, killed_at - AT_RISK - stalls.worst)
    by_key = {name: [answer for answer in answers if answer.key == key] for name, key in keys.items()}
    assert_limit_was_held(by_key["requests"], RPM, lambda _: 1)
    assert_limit_was_held(by_key["tokens"], TPM, lambda answer: answer.total_tokens)
    running = clients.rota
    assert len({tuple(models_of(gateway)) for gateway in running}) == 1
    # What each has in force, and what is stored, are the same edition.
    [stored] = database.execute("SELECT version FROM config_version")

    def in_force() -> set[float]:
        return {gateway.metrics()["gateway_config_version"] for gateway in running}

    wait_for(lambda: in_force() == {stored["version"]}, lambda: f"{in_force()} to be {stored}", seconds=SPREAD + SLACK)
    exports = [gateway.admin.http.get("/export").json() for gateway in running]
    assert exports[0] == exports[1]
    assert sum(gateway.metrics()["gateway_records_lost_total"] for gateway in running) == 0
    assert all(gateway.metrics()["gateway_limits_decided_alone_total"] == 0 for gateway in running)
    # Before the servers go.
    for gateway in running:
        gateway.stop()
