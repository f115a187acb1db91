"""A request reaches only an association that can do what it needs."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from conftest import MakeStack
from harness.simulator import Json, Seen, Simulator
from test_sdk import WEATHER, asking

pytestmark = pytest.mark.sqlite_only

REQUESTS = 500
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOL_RESULT = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
]


@dataclass(frozen=True)
class Capability:
    """Something an association may lack."""

    name: str
    #: Ways to need it.
    needing: tuple[Json, ...]
    #: Whether a request as it arrived needs it.
    is_needed: Callable[[Json], bool]


def parts(body: Json) -> list[Any]:
    return [part for message in body["messages"] for part in message.get("content") or [] if isinstance(part, dict)]


CAPABILITIES = [
    Capability(
        "tool_call",
        ({"messages": asking("Weather?"), "tools": [WEATHER]}, {"messages": TOOL_RESULT}),
        lambda body: "tools" in body or any(message["role"] == "tool" for message in body["messages"]),
    ),
    Capability(
        "structured_output",
        (
            {"messages": asking("As JSON."), "response_format": {"type": "json_object"}},
            {
                "messages": asking("As JSON."),
                "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}},
            },
        ),
        lambda body: "response_format" in body,
    ),
    Capability(
        "image",
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, IMAGE]}]},),
        lambda body: any(part["type"] == "image_url" for part in parts(body)),
    ),
]
by_name = pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda capability: capability.name)
EVERYTHING = {"tool_call": True, "structured_output": True, "image": True}
NOTHING_SPECIAL = {"messages": asking("Hello")}


@by_name
def test_what_needs_a_capability_never_reaches_who_lacks_it(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, client: openai.OpenAI, capability: Capability
) -> None:
    stack = make_stack()
    stack.add(alpha, {**EVERYTHING, capability.name: False, "weight": 50})
    stack.add(beta, {**EVERYTHING, "weight": 1})
    # Failures of the one that can must not lead to the one that cannot, either.
    beta.script({"rate": 0.1, "do": {"status": 500}})
    dice = random.Random(7)
    asked = [dice.choice([*capability.needing, NOTHING_SPECIAL]) for _ in range(REQUESTS)]
    streams = [dice.random() < 0.5 for _ in asked]

    def ask(request: Json, stream: bool) -> None:
        try:
            answer = client.chat.completions.create(model=stack.name, **request, stream=stream)
            if stream:
                list(answer)
        except openai.InternalServerError:
            assert request is not NOTHING_SPECIAL, "who lacks the capability takes this one"

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, asked, streams))

    def needy(seen: list[Seen]) -> int:
        return sum(capability.is_needed(request.body) for request in seen)

    plain = asked.count(NOTHING_SPECIAL)
    assert needy(alpha.seen()) == 0
    assert needy(beta.seen()) >= REQUESTS - plain
    assert len(alpha.seen()) > plain / 2, "what needs nothing special still goes there"


@by_name
def test_when_none_can_the_client_is_told_what_is_missing(
    make_stack: MakeStack, alpha: Simulator, client: openai.OpenAI, capability: Capability
) -> None:
    stack = make_stack()
    stack.add(alpha, {**EVERYTHING, capability.name: False})
    for request in capability.needing:
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model=stack.name, **request)
        assert capability.name in raised.value.message
    assert alpha.received() == 0
    assert {row["status_code"] for row in stack.rows(len(capability.needing))} == {400}


def test_the_route_explains_who_is_left_out(make_stack: MakeStack, alpha: Simulator, beta: Simulator) -> None:
    stack = make_stack()
    stack.add(alpha, {**EVERYTHING, "tool_call": False})
    stack.add(beta, EVERYTHING)
    text = stack.gateway.admin.http.get("/route", params={"model": stack.name, "tools": "true"}).text
    assert all(provider["name"] in text for provider in stack.providers)
    assert "tool_call" in text
