"""Three gateways over one Redis and one database: limits that hold for all of them together, and pauses that all keep."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from conftest import MakeDatabase, MakeGateway
from harness.gateway import Gateway, migrate
from harness.redis_server import RedisServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

REPLICAS = 3
CLIENTS = 50
#: What the simulator counts of each request's prompt and answer is less.
MAX_TOKENS = 10


@dataclass
class Fleet:
    server: RedisServer
    gateways: list[Gateway]
    stack: Stack

    @property
    def first(self) -> Gateway:
        return self.gateways[0]

    def wait_for_redis(self) -> None:
        def all_are_there() -> bool:
            metrics = [gateway.metrics() for gateway in self.gateways]
            return all(it["gateway_redis_up"] == 1 and it["gateway_replicas"] == REPLICAS for it in metrics)

        wait_for(all_are_there, "gateways that know of Redis and of each other", seconds=60)

    def key(self, name: str, **limits: int) -> str:
        secret = self.first.admin.key(name, limits=limits)["key"]
        for gateway in self.gateways:
            headers = {"authorization": f"Bearer {secret}"}
            known = lambda: gateway.http.get("/v1/models", headers=headers).status_code == 200  # noqa: E731, B023
            wait_for(known, "a key that every gateway knows")
        return secret


@pytest.fixture
def fleet(make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator) -> Iterator[Fleet]:
    server = RedisServer()
    database = make_database()
    migrate(database)
    # So patient that only a Redis that is gone is too slow for a machine that has much else to do.
    variables = {"REDIS_URL": server.url, "REDIS_TIMEOUT": "5"}
    gateways = [make_gateway(database, **variables) for _ in range(REPLICAS)]
    fleet = Fleet(server, gateways, Stack.make(gateways[0], [alpha]))
    wait_for(lambda: all(serves(gateway, fleet.stack) for gateway in gateways), "the model, everywhere")
    fleet.wait_for_redis()
    yield fleet
    for gateway in gateways:
        gateway.close()
    server.remove()


def serves(gateway: Gateway, stack: Stack) -> bool:
    return stack.name in {model.id for model in gateway.openai().models.list().data}


class Crowd:
    """Clients who never pause, each with the next gateway each time."""

    def __init__(self, fleet: Fleet, secret: str) -> None:
        self.fleet = fleet
        self.headers = {"authorization": f"Bearer {secret}"}
        self.body = {
            "model": fleet.stack.name,
            "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": "Hello"}],
        }
        #: When each was sent that was let pass, and the tokens it used.
        self.passed: list[tuple[float, int]] = []
        self.refused = 0
        self._lock = threading.Lock()
        self._turns = itertools.count()

    def ask(self, client: httpx.Client) -> None:
        sent = time.monotonic()
        gateway = self.fleet.gateways[next(self._turns) % REPLICAS]
        answer = client.post(f"{gateway.url}/v1/chat/completions", json=self.body, headers=self.headers)
        assert answer.status_code in (200, 429), answer.text
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        with self._lock:
            if answer.status_code == 200:
                self.passed.append((sent, answer.json()["usage"]["total_tokens"]))
            else:
                self.refused += 1

    def come(self, count: int) -> "Crowd":
        """So many requests, by all clients at once."""

        def work(number: int) -> None:
            with httpx.Client(timeout=120) as client:
                for _ in range(number, count, CLIENTS):
                    self.ask(client)

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(work, range(CLIENTS)))
        return self

    def most_in_a_minute(self) -> tuple[int, int]:
        """Requests and tokens of the fullest 60 seconds."""
        passed = sorted(self.passed)
        windows = [[it for it in passed if begin <= it[0] < begin + 60] for begin, _ in passed]
        return max(len(window) for window in windows), max(sum(tokens for _, tokens in window) for window in windows)


def test_fifty_clients_get_of_three_gateways_what_one_would_give(fleet: Fleet) -> None:
    crowd = Crowd(fleet, fleet.key("requests", rpm=300)).come(450)
    requests, _ = crowd.most_in_a_minute()
    assert 300 * 0.99 <= requests <= 300 * 1.01
    assert crowd.refused >= 100
    assert all(gateway.metrics()["gateway_limits_decided_alone_total"] == 0 for gateway in fleet.gateways)


def test_tokens_are_held_to_two_percent(fleet: Fleet) -> None:
    crowd = Crowd(fleet, fleet.key("tokens", tpm=6000)).come(100)
    while crowd.refused < 100:
        crowd.come(CLIENTS)
    _, tokens = crowd.most_in_a_minute()
    # What is left at last is less than one request reserves.
    assert 6000 * 0.98 <= tokens <= 6000 * 1.02


def test_so_many_at_a_time_on_all_gateways(fleet: Fleet, alpha: Simulator) -> None:
    alpha.always(ttft_ms=3000)
    crowd = Crowd(fleet, fleet.key("at-a-time", concurrent=4)).come(12)
    assert (len(crowd.passed), crowd.refused) == (4, 8)
    alpha.reset()
    wait_for(lambda: Crowd(fleet, crowd.headers["authorization"].split()[1]).come(1).passed, "all have ended")


def test_redis_is_killed_and_comes_back(fleet: Fleet) -> None:
    secret = fleet.key("outage", rpm=300)
    crowd = Crowd(fleet, secret).come(90)
    assert len(crowd.passed) == 90
    fleet.server.kill()
    crowd.come(450)
    # Each holds its third, with what it let pass before.
    requests, _ = crowd.most_in_a_minute()
    assert 300 * 0.95 <= requests <= 300 * 1.05
    for gateway in fleet.gateways:
        assert gateway.http.get("/readyz").json()["status"] == "degraded"
        assert gateway.metrics()["gateway_redis_outages_total"] == 1
    fleet.server.start()
    fleet.wait_for_redis()
    # What passed without Redis is counted there now, and the rest is exact again.
    crowd.come(60)
    requests, _ = crowd.most_in_a_minute()
    assert requests <= 300 * 1.05
    after = Crowd(fleet, fleet.key("afterwards", rpm=100)).come(200)
    requests, _ = after.most_in_a_minute()
    assert 100 * 0.99 <= requests <= 100 * 1.01


def test_what_one_provider_asked_one_gateway_for_is_kept_by_all(fleet: Fleet, alpha: Simulator, beta: Simulator) -> None:
    fleet.stack.add(beta, priority=50)
    one, *others = fleet.gateways

    def both_serve(gateway: Gateway) -> bool:
        reports = gateway.admin.get("/health")["providers"]
        return sum(len(report["associations"]) for report in reports) == 2

    wait_for(lambda: all(both_serve(gateway) for gateway in fleet.gateways), "both providers, everywhere")
    alpha.always(status=429, retry_after={"seconds": 100})
    ask = lambda gateway: gateway.openai().chat.completions.with_raw_response.create(  # noqa: E731
        model=fleet.stack.name, messages=[{"role": "user", "content": "Hello"}]
    )
    assert ask(one).headers["x-gateway-provider"].startswith("beta")
    assert alpha.received() == 1

    def pauses(gateway: Gateway) -> bool:
        reports = gateway.admin.get("/health")["providers"]
        return any(it["cooling_until"] for report in reports for it in report["associations"])

    for gateway in others:
        wait_for(lambda: pauses(gateway), "a pause that another gateway was asked for")  # noqa: B023
        assert ask(gateway).headers["x-gateway-provider"].startswith("beta")
    assert alpha.received() == 1, "nobody else had to find out"


def test_a_wrong_address_stops_the_start(make_gateway: MakeGateway) -> None:
    with pytest.raises(AssertionError, match="REDIS_URL: is no address"):
        make_gateway(REDIS_URL="http://user:secret-password@127.0.0.1")
