"""A JavaScript user: the Vercel AI SDK in all four protocols, against every type of provider."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conftest import MakeStack
from harness.gateway import CLIENT_KEY, Gateway
from harness.node import Node
from harness.simulator import Simulator, mark
from harness.stack import Stack
from test_protocols import CITY, PNG, PROVIDERS

pytestmark = pytest.mark.sqlite_only

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    node = Node()
    yield node
    node.close()


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["chat", "responses", "messages", "gemini"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def stack(make_stack: MakeStack, alpha: Simulator, provider: str) -> Stack:
    # One attempt: what it met is what the client sees.
    stack = make_stack(max_retry=0)
    stack.add(alpha, kind=provider, provider_model=PROVIDERS[provider], association={"image": True})
    return stack


@pytest.fixture
def ask(node: Node, gateway: Gateway, stack: Stack, protocol: str, stream: bool) -> Ask:
    def ask(prompt: str, **options: Any) -> dict[str, Any]:
        job = {"protocol": protocol, "url": gateway.url, "key": CLIENT_KEY, "model": stack.name, "stream": stream}
        return node.ask(**job, prompt=prompt, **options)

    return ask


def test_plain(ask: Ask) -> None:
    answer = ask(mark("Hello", text="Good day, 写作 \U0001f642"))["ok"]
    assert (answer["text"], answer["finish"]) == ("Good day, 写作 \U0001f642", "stop")
    assert answer["usage"]["input"] > 0 and answer["usage"]["output"] > 0


def test_a_tool_loop_with_parallel_calls(ask: Ask) -> None:
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Rome", "Oslo")]
    answer = ask(mark("How is it?", tool_calls=calls), tools=True)["ok"]
    assert answer["calls"] == calls
    assert answer["results"] == ["It rains in Rome", "It rains in Oslo"]
    assert answer["finish"] == "stop" and answer["text"]


def test_structured_output(ask: Ask) -> None:
    answer = ask("Where, and for how long?", schema=CITY)["ok"]
    assert set(answer["object"]) == {"city", "days"}


def test_an_image(ask: Ask) -> None:
    answer = ask(mark("What is this?", text="A red pixel"), image=base64.b64encode(PNG).decode())["ok"]
    assert answer["text"] == "A red pixel"


def test_length(ask: Ask) -> None:
    assert ask(mark("Tell me more", tokens=200), max_tokens=16)["ok"]["finish"] == "length"


@pytest.mark.parametrize(
    ("behaviour", "status"), [({"error": "rate_limit"}, 429), ({"error": "invalid_request"}, 400), ({"status": 500}, 502)]
)
def test_failures_are_api_errors(ask: Ask, behaviour: dict[str, Any], status: int) -> None:
    error = ask(mark("Hello", **behaviour))["error"]
    assert (error["name"], error["status"]) == ("AI_APICallError", status)
