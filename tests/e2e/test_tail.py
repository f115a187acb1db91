"""Requests as they end: `/api/logs/tail`."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from conftest import MakeGateway
from harness.gateway import ADMIN_KEY, Gateway
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only


@contextmanager
def watching(gateway: Gateway, **filters: str) -> Iterator[Iterator[str]]:
    """The lines of a list that has begun."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.stream("GET", f"{gateway.url}/api/logs/tail", params=filters, headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert next(lines) == ": watching"
        yield lines


def next_request(lines: Iterator[str]) -> dict:
    for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the list has ended")


def test_requests_are_told_as_they_end(make_gateway: MakeGateway, alpha: Simulator, beta: Simulator) -> None:
    gateway = make_gateway()
    stack, other = Stack.make(gateway, [alpha]), Stack.make(gateway, [beta])
    client = gateway.openai()
    with watching(gateway) as every, watching(gateway, text=other.providers[0]["name"].upper()) as some:
        assert gateway.metrics()["gateway_log_watchers"] == 2
        for model in (stack.name, other.name):
            client.chat.completions.create(model=model, messages=asking("Hello"))
        told = next_request(every)
        assert (told["model"], told["status_code"], told["user_id"][:4]) == (stack.name, 200, "env-")
        assert next_request(every)["model"] == other.name
        assert next_request(some)["model"] == other.name, "by its provider's name"
        [row] = stack.rows(1)
        assert told["request_id"] == row["request_id"]
        # It ends before the gateway does, which waits for nothing else.
        ended = threading.Event()
        reader = threading.Thread(target=lambda: (list(every), ended.set()))
        reader.start()
        gateway.stop()
        assert ended.wait(30)
        reader.join()


def test_watchers_that_leave_are_forgotten(gateway: Gateway) -> None:
    with watching(gateway):
        pass
    wait_for(lambda: gateway.metrics()["gateway_log_watchers"] == 0, "nobody watches", 60)
