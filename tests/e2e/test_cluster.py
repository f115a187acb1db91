"""Three gateways over one Redis and one database: limits that hold for all of them together, and pauses that all keep."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from conftest import MakeDatabase, MakeGateway
from harness.crowd import MINUTE, Crowd
from harness.gateway import Gateway, migrate
from harness.redis_server import RedisServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

REPLICAS = 3
#: What each key may in a minute, of whatever it needs more.
RPM, TPM = 600, 100_000
#: Tokens of a large answer: so many that the requests that TPM allows are fewer than RPM.
LARGE = 250


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

    def add(self, simulator: Simulator, **config: int) -> None:
        """Another provider of the model, that every gateway knows."""
        self.stack.add(simulator, **config)

        def knows(gateway: Gateway) -> bool:
            reports = gateway.admin.get("/health")["providers"]
            return sum(len(report["associations"]) for report in reports) == len(self.stack.providers)

        wait_for(lambda: all(knows(gateway) for gateway in self.gateways), "the provider, everywhere")

    def crowd(self, name: str, max_tokens: int = 10) -> Crowd:
        return Crowd(self.gateways, self.stack.name, self.key(name, rpm=RPM, tpm=TPM), max_tokens)


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


def assert_exact(crowd: Crowd, requests: int | None = None, tokens: int | None = None) -> None:
    """What was let pass in the fullest minute is one of them, to one percent."""
    passed = crowd.most_in_a_minute()
    for limit, count in zip((requests, tokens), passed, strict=True):
        assert limit is None or limit * 0.99 <= count <= limit * 1.01, passed
    assert crowd.refused >= 100


def assert_roughly_held(crowd: Crowd, requests: int | None = None, tokens: int | None = None) -> None:
    passed = crowd.most_in_a_minute()
    for limit, count in zip((requests, tokens), passed, strict=True):
        assert limit is None or limit * 0.95 <= count <= limit * 1.05, passed
    assert crowd.refused >= 20


def test_fifty_clients_get_of_three_gateways_what_one_would_give_and_redis_may_go_meanwhile(fleet: Fleet) -> None:
    """Four crowds, so that they share their minutes: two with Redis, two that begin with it, lose it, and have it again."""
    requests, tokens = fleet.crowd("requests"), fleet.crowd("tokens", LARGE)
    requests_meanwhile, tokens_meanwhile = fleet.crowd("requests-meanwhile"), fleet.crowd("tokens-meanwhile", LARGE)
    calm = [requests.start(MINUTE + 2, 20), tokens.start(MINUTE + 2, 12)]
    time.sleep(MINUTE / 2)
    # By these paces there is something left to pass at each change, and nothing at the end.
    troubled = [requests_meanwhile.start(MINUTE + 2, 12), tokens_meanwhile.start(MINUTE + 2, 8)]
    for crowd in calm:
        crowd.finish()
    assert all(gateway.metrics()["gateway_limits_decided_alone_total"] == 0 for gateway in fleet.gateways)
    fleet.server.kill()
    time.sleep(MINUTE / 4)
    for gateway in fleet.gateways:
        assert gateway.http.get("/readyz").json()["status"] == "degraded"
        metrics = gateway.metrics()
        assert metrics["gateway_redis_outages_total"] == 1
        assert metrics["gateway_limits_decided_alone_total"] > 0
    fleet.server.start()
    fleet.wait_for_redis()
    for crowd in troubled:
        crowd.finish()
    alone = [gateway.metrics()["gateway_limits_decided_alone_total"] for gateway in fleet.gateways]
    afterwards = fleet.crowd("afterwards").come(RPM + 150)
    tokens_afterwards = fleet.crowd("tokens-afterwards", LARGE).come(RPM - 50)
    assert alone == [gateway.metrics()["gateway_limits_decided_alone_total"] for gateway in fleet.gateways]
    print([crowd.most_in_a_minute() for crowd in (requests, tokens, requests_meanwhile, tokens_meanwhile, afterwards)])
    assert_exact(requests, requests=RPM)
    assert_exact(tokens, tokens=TPM)
    assert_roughly_held(requests_meanwhile, requests=RPM)
    assert_roughly_held(tokens_meanwhile, tokens=TPM)
    assert_exact(afterwards, requests=RPM)
    assert_exact(tokens_afterwards, tokens=TPM)


def test_so_many_at_a_time_on_all_gateways(fleet: Fleet) -> None:
    secret = fleet.key("at-a-time", concurrent=4)
    ask = lambda count, **how: Crowd(fleet.gateways, fleet.stack.name, secret, **how).come(count)  # noqa: E731
    crowd = ask(12, ttft_ms=3000)
    assert (len(crowd.passed), crowd.refused) == (4, 8)
    wait_for(lambda: ask(1).passed, "all have ended")


def test_what_one_provider_asked_one_gateway_for_is_kept_by_all(fleet: Fleet, alpha: Simulator, beta: Simulator) -> None:
    one, *others = fleet.gateways
    fleet.add(beta, priority=50)
    alpha.always(status=429, retry_after={"seconds": 100})
    ask = lambda gateway: gateway.openai().chat.completions.with_raw_response.create(  # noqa: E731
        model=fleet.stack.name, messages=[{"role": "user", "content": "Hello"}]
    )
    assert ask(one).headers["x-gateway-provider"].startswith("beta")
    assert alpha.received() == 1

    for gateway in others:
        wait_for(lambda: pauses(gateway), "a pause that another gateway was asked for")  # noqa: B023
        assert ask(gateway).headers["x-gateway-provider"].startswith("beta")
    assert alpha.received() == 1, "nobody else had to find out"


def test_a_session_has_the_same_home_at_every_gateway_also_when_it_has_to_move(
    fleet: Fleet, alpha: Simulator, beta: Simulator
) -> None:
    """What a provider has in its prompt cache is of use whichever gateway the next request comes to."""
    fleet.add(beta)
    fleet.first.admin.policy(fleet.stack.model, strategy="sticky")
    edition = fleet.first.metrics()["gateway_config_version"]
    current = lambda gateway: gateway.metrics()["gateway_config_version"] >= edition  # noqa: E731
    wait_for(lambda: all(current(gateway) for gateway in fleet.gateways), "the policy, everywhere")

    def home(gateway: Gateway, session: int) -> str:
        client = gateway.openai(default_headers={"x-gateway-session": f"session-{session}"})
        messages = [{"role": "user", "content": "Hello"}]
        answer = client.chat.completions.with_raw_response.create(model=fleet.stack.name, messages=messages)
        return answer.headers["x-gateway-provider"]

    def homes() -> list[str]:
        each = [{home(gateway, session) for gateway in fleet.gateways} for session in range(12)]
        assert all(len(names) == 1 for names in each), each
        return [names.pop() for names in each]

    at_first = homes()
    assert len(set(at_first)) == 2, "sessions of either provider"
    alpha.always(status=429, retry_after={"seconds": 100})
    moved = next(session for session, name in enumerate(at_first) if name.startswith("alpha"))
    home(fleet.first, moved)
    wait_for(lambda: all(pauses(gateway) for gateway in fleet.gateways), "a pause, everywhere")
    assert {name.split("-")[0] for name in homes()} == {"beta"}


def pauses(gateway: Gateway) -> bool:
    reports = gateway.admin.get("/health")["providers"]
    return any(it["cooling_until"] for report in reports for it in report["associations"])


def test_a_wrong_address_stops_the_start(make_gateway: MakeGateway) -> None:
    with pytest.raises(AssertionError, match="REDIS_URL: is no address"):
        make_gateway(REDIS_URL="http://user:secret-password@127.0.0.1")
