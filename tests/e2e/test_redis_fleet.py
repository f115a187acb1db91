"""A Redis that is more than one server: the master that Sentinels name, and the node of a cluster that has the counts."""

from pathlib import Path

import httpx
import pytest

from conftest import MakeDatabase, MakeGateway
from harness.gateway import Gateway, migrate
from harness.redis_fleet import ask, cluster, watched_pair
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = pytest.mark.sqlite_only

RPM = 6


def status(gateway: Gateway, stack: Stack, secret: str) -> int:
    body = {"model": stack.name, "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60).status_code


class Pair:
    """Two gateways on one database and one Redis."""

    def __init__(self, make_gateway: MakeGateway, make_database: MakeDatabase, url: str, alpha: Simulator) -> None:
        database = make_database()
        migrate(database)
        variables = {"REDIS_URL": url, "REDIS_TIMEOUT": "5"}
        self.gateways = [make_gateway(database, **variables) for _ in range(2)]
        self.stack = Stack.make(self.gateways[0], [alpha])
        self.wait_for_redis()

    def wait_for_redis(self) -> None:
        up = lambda: all(it.metrics()["gateway_redis_up"] == 1 for it in self.gateways)  # noqa: E731
        wait_for(up, "gateways that know of Redis", seconds=60)

    def share(self, name: str) -> None:
        """A key's limit is held by both together, to the request."""
        secret = self.gateways[0].admin.key(name, limits={"rpm": RPM})["key"]

        def serves(gateway: Gateway) -> bool:
            answer = gateway.http.get("/v1/models", headers={"authorization": f"Bearer {secret}"})
            return answer.status_code == 200 and self.stack.name in answer.text

        wait_for(lambda: all(map(serves, self.gateways)), "the key and the model, everywhere")
        asked = [status(gateway, self.stack, secret) for _ in range(RPM) for gateway in self.gateways]
        assert asked == [200] * RPM + [429] * RPM


def test_the_master_is_whom_sentinel_names_after_a_failover_too(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, tmp_path: Path
) -> None:
    with watched_pair(tmp_path) as (master, url):
        pair = Pair(make_gateway, make_database, url, alpha)
        pair.share("before")
        assert "{gateway}:" in ask(master.port, "keys", "*")
        master.kill()
        down = lambda: all(it.metrics()["gateway_redis_up"] == 0 for it in pair.gateways)  # noqa: E731
        wait_for(down, "gateways that have lost the master", seconds=30)
        pair.wait_for_redis()
        pair.share("after")


def test_a_cluster_is_asked_at_the_node_that_has_the_counts(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator
) -> None:
    with cluster() as nodes:
        # The last, which does not have them, is the one that gateways are told of.
        pair = Pair(make_gateway, make_database, f"redis+cluster://127.0.0.1:{nodes[-1].port}", alpha)
        pair.share("shared")
        assert "{gateway}:" in ask(nodes[0].port, "keys", "*")
        assert "{gateway}:" not in ask(nodes[-1].port, "keys", "*")


def test_an_address_of_sentinels_without_a_master_stops_the_start(make_gateway: MakeGateway) -> None:
    with pytest.raises(AssertionError, match="gateway: REDIS_URL: is no address such as"):
        make_gateway(REDIS_URL="redis+sentinel://127.0.0.1:26379")
