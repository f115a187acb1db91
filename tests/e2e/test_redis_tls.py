"""A Redis that speaks TLS: it is known by its certificate, and one that is not trusted is told of and done without."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from conftest import MakeDatabase, MakeGateway
from harness.authority import make_authority
from harness.gateway import Gateway, migrate
from harness.redis_server import RedisServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [
    pytest.mark.sqlite_only,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates"),
]

RPM = 6


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return make_authority(tmp_path)


@pytest.fixture
def server(authority: Path) -> Iterator[RedisServer]:
    server = RedisServer(authority)
    yield server
    server.remove()


def ask(gateway: Gateway, stack: Stack, secret: str) -> int:
    body = {"model": stack.name, "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60).status_code


def test_limits_are_shared_over_tls(
    make_gateway: MakeGateway, make_database: MakeDatabase, server: RedisServer, authority: Path, alpha: Simulator
) -> None:
    database = make_database()
    migrate(database)
    assert server.url.startswith("rediss://localhost:")
    variables = {"REDIS_URL": server.url, "REDIS_CA_FILE": str(authority / "ca.pem"), "REDIS_TIMEOUT": "5"}
    gateways = [make_gateway(database, **variables) for _ in range(2)]
    stack = Stack.make(gateways[0], [alpha])
    secret = gateways[0].admin.key("shared", limits={"rpm": RPM})["key"]
    wait_for(lambda: all(it.metrics()["gateway_redis_up"] == 1 for it in gateways), "gateways that know of Redis")

    def serves(gateway: Gateway) -> bool:
        answer = gateway.http.get("/v1/models", headers={"authorization": f"Bearer {secret}"})
        return answer.status_code == 200 and stack.name in answer.text

    wait_for(lambda: all(map(serves, gateways)), "the key and the model, everywhere")
    asked = [ask(gateway, stack, secret) for _ in range(RPM) for gateway in gateways]
    assert asked == [200] * RPM + [429] * RPM
    assert all(gateway.metrics()["gateway_limits_decided_alone_total"] == 0 for gateway in gateways)


@pytest.mark.parametrize("doubt", ["another authority", "another name", "the system's authorities"])
def test_a_server_that_is_not_trusted_is_told_of_and_done_without(
    make_gateway: MakeGateway, server: RedisServer, authority: Path, alpha: Simulator, tmp_path: Path, doubt: str
) -> None:
    url, trusted, reason = server.url, authority / "ca.pem", "UnknownIssuer"
    match doubt:
        case "another authority":
            (tmp_path / "other").mkdir()
            trusted = make_authority(tmp_path / "other") / "ca.pem"
            reason = "BadSignature"
        case "another name":
            url, reason = url.replace("localhost", "127.0.0.1"), "not valid for name"
        case "the system's authorities":
            trusted = None
    # Long enough for a busy machine to see why, instead of seeing nothing in time.
    variables = {"REDIS_TIMEOUT": "5"} | ({"REDIS_CA_FILE": str(trusted)} if trusted else {})
    gateway = make_gateway(REDIS_URL=url, **variables)
    stack = Stack.make(gateway, [alpha])
    secret = gateway.admin.key("alone", limits={"rpm": RPM})["key"]
    assert [ask(gateway, stack, secret) for _ in range(RPM + 2)] == [200] * RPM + [429] * 2
    ready = gateway.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["redis"]) == (200, "degraded", "down")
    wait_for(lambda: gateway.metrics()["gateway_redis_failures_total"] >= 3, "more tries", seconds=30)
    lines = [line for line in gateway.process.output.splitlines() if "Redis" in line]
    assert len(lines) == 1 and reason in lines[0] and "each gateway holds its part of the limits" in lines[0]


def test_certificates_that_cannot_serve_stop_the_start(
    make_gateway: MakeGateway, server: RedisServer, authority: Path, tmp_path: Path
) -> None:
    (tmp_path / "not.pem").write_text("nothing of the kind")
    in_clear = server.url.replace("rediss", "redis")
    for url, file, told in (
        (server.url, tmp_path / "not.pem", "not.pem: holds no certificate"),
        (server.url, tmp_path / "nowhere.pem", "nowhere.pem: No such file"),
        (in_clear, authority / "ca.pem", "are for an address whose scheme begins with rediss"),
    ):
        with pytest.raises(AssertionError, match=f"gateway: REDIS_CA_FILE: .*{told}"):
            make_gateway(REDIS_URL=url, REDIS_CA_FILE=str(file))
