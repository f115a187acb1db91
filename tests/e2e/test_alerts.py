"""Alerts by webhook: what is told, to whom, and how often it is tried."""

import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import MakeGateway
from harness import load
from harness.gateway import CLIENT_KEY, SECRETS, Gateway
from harness.raw import raw_head
from harness.receiver import Received, Receiver
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_budgets import set_price
from test_outage import Link, link, spooled
from test_sdk import asking

__all__ = ["link"]

SECRET = "e2e-alert-secret"
#: A thing that changes to and fro is told at most every ten seconds.
PATIENCE = 60.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def events(receiver: Receiver, name: str) -> list[dict]:
    bodies = [json.loads(request.body) for request in receiver.received]
    return [body for body in bodies if body["event"] == name]


def one(receiver: Receiver, name: str) -> dict:
    wait_for(lambda: events(receiver, name), f"an alert {name}", PATIENCE)
    [event] = events(receiver, name)
    return event


def assert_signed(request: Received) -> None:
    timestamp = request.headers["x-gateway-timestamp"]
    assert abs(time.time() - int(timestamp)) < 60
    signature = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-gateway-signature"] == f"sha256={signature}"


def fail_once(gateway: Gateway, stack: Stack, provider: Simulator) -> None:
    """A refused key makes a provider unhealthy at once."""
    provider.always(status=401)
    body = {"model": stack.name, "messages": asking("Hello")}
    gateway.http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {CLIENT_KEY}"})


@pytest.mark.sqlite_only
def test_a_provider_that_fails_and_comes_back(make_gateway: MakeGateway, alpha: Simulator, receiver: Receiver) -> None:
    gateway = make_gateway(GATEWAY_ALERT_URLS=f"{receiver.url}/hook?token=t0ken", GATEWAY_ALERT_SECRET=SECRET)
    stack = Stack.make(gateway, [alpha])
    [provider] = stack.providers
    fail_once(gateway, stack, alpha)
    told = one(receiver, "provider_unhealthy")
    assert told["details"] | {"last_error": None} == {
        "provider": provider["name"],
        "reason": "misconfigured",
        "last_error": None,
        "last_status_code": 401,
    }
    assert provider["name"] in told["text"] and told["gateway"] in told["text"]
    alpha.reset()
    assert gateway.admin.http.post(f"/providers/{provider['id']}/check").json()["ok"]
    assert one(receiver, "provider_recovered")["details"] == {"provider": provider["name"]}
    for request in receiver.received:
        assert request.path == "/hook?token=t0ken"
        assert request.headers["x-gateway-event"] == json.loads(request.body)["event"]
        assert_signed(request)
        assert not any(secret in request.body.decode() for secret in SECRETS)
    wait_for(lambda: gateway.metrics()["gateway_alerts_delivered_total"] == 2, "both are counted")
    changes = gateway.admin.get(f"/providers/{provider['id']}/transitions")["data"]
    assert [(change["from"], change["to"], change["reason"]) for change in changes][-2:] == [
        ("unhealthy", "degraded", "slow_start"),
        ("healthy", "unhealthy", "misconfigured"),
    ]
    gateway.stop()
    gateway.restart()
    kept = gateway.admin.get(f"/providers/{provider['id']}/transitions")["data"]
    assert kept[-1] | {"at": None} == changes[-1] | {"at": None}, "changes outlive the process"
    gateway.assert_clean_output("t0ken", SECRET)


@pytest.mark.sqlite_only
def test_a_receiver_that_hesitates_gets_it_in_the_end(make_gateway: MakeGateway, alpha: Simulator) -> None:
    answers = iter([500, 429])
    hesitant = Receiver(lambda _: next(answers, 204))
    wrong = Receiver(lambda _: 302)
    gateway = make_gateway(GATEWAY_ALERT_URLS=f"{hesitant.url}, {wrong.url}")
    stack = Stack.make(gateway, [alpha])
    fail_once(gateway, stack, alpha)
    wait_for(lambda: len(hesitant.received) == 3, "the third try", PATIENCE)
    assert len({request.headers["x-gateway-delivery"] for request in hesitant.received}) == 1
    assert "x-gateway-signature" not in hesitant.received[0].headers
    wait_for(lambda: gateway.metrics()["gateway_alerts_delivered_total"] == 1, "it is delivered", PATIENCE)
    assert [request.path for request in wrong.received] == ["/"], "a redirect is not followed, nor tried again"
    assert gateway.metrics()["gateway_alerts_failed_total"] == 1
    hesitant.close()
    wrong.close()


@pytest.mark.sqlite_only
def test_a_budget_that_runs_out(make_gateway: MakeGateway, alpha: Simulator, receiver: Receiver) -> None:
    gateway = make_gateway(GATEWAY_ALERT_URLS=receiver.url)
    stack = Stack.make(gateway, [alpha])
    set_price(stack, per_request="0.001")
    key = gateway.admin.key("team", budgets={"day": "0.002", "warn_at": 0.5})
    gateway.openai(key["key"]).chat.completions.create(model=stack.name, messages=asking("Hello"))
    told = one(receiver, "budget_warning")
    assert (told["details"]["key"], told["details"]["period"]) == ("team", "day")
    assert (told["details"]["spent"], told["details"]["cap"]) == ("0.001", "0.002")


def test_rows_that_wait_in_the_spool(make_gateway: MakeGateway, link: Link, alpha: Simulator, receiver: Receiver) -> None:
    gateway = make_gateway(link.database, DATABASE_URL=link.url, GATEWAY_ALERT_URLS=receiver.url)
    stack = Stack.make(gateway, [alpha])
    link.cut()
    load.run(gateway.openai(), stack.name, 20)
    told = one(receiver, "spool_in_use")
    assert 0 < told["details"]["rows"] <= 20
    link.restore()
    wait_for(lambda: spooled(gateway) == 0, "an empty spool", PATIENCE)
    assert one(receiver, "spool_empty")["details"] == {}


def flood(gateway: Gateway, count: int) -> None:
    """So many requests for a model that there is not, each of which leaves a row, as fast as it can be."""
    body = json.dumps({"model": "nothing", "messages": asking("Hello")}).encode()
    request, at_once = raw_head(len(body)) + body, 50
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        answers = connection.makefile("rb")
        for _ in range(count // at_once):
            connection.sendall(request * at_once)
            for _ in range(at_once):
                assert b" 404 " in answers.readline()
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                answers.read(length)


@pytest.mark.sqlite_only
def test_rows_that_neither_spool_nor_memory_has_room_for(
    make_gateway: MakeGateway, link: Link, alpha: Simulator, receiver: Receiver
) -> None:
    gateway = make_gateway(link.database, GATEWAY_SPOOL_MAX="100000", GATEWAY_ALERT_URLS=receiver.url)
    stack = Stack.make(gateway, [alpha])
    link.cut()
    sent = 34_000
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: flood(gateway, sent // 2), range(2)))
    lost = lambda: gateway.metrics()["gateway_records_lost_total"]  # noqa: E731
    wait_for(lambda: lost() > 0, "rows that are lost")
    told = one(receiver, "records_lost")
    assert 0 < told["details"]["rows"] <= lost()
    assert re.search("request records are (being )?lost", gateway.process.output)
    # Requests do not mind.
    load.run(gateway.openai(), stack.name, 10)
    link.restore()
    # Tens of thousands of rows, which a gateway built without optimization beside other tests writes a few hundred a second of.
    wait_for(lambda: gateway.metrics()["gateway_records_queued"] + spooled(gateway) == 0, "all others", 5 * PATIENCE)
    assert gateway.database.count("request_logs") == sent + 10 - lost()
