"""Conversations that change provider from turn to turn, and streams that change it before they begin."""

import json

import openai
import pytest

from conftest import MakeStack
from harness.gateway import Gateway
from harness.simulator import Simulator
from speakers import SPEAKERS, Tool

pytestmark = pytest.mark.sqlite_only

TOOLS = [Tool("get_weather", "The weather in a city", {"city": {"type": "string"}}), Tool("get_time", "The time")]
MODELS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-3-pro"}


@pytest.fixture(params=SPEAKERS)
def speaker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.mark.parametrize("kinds", [("openai", "anthropic"), ("anthropic", "gemini"), ("gemini", "openai")], ids="-".join)
def test_a_tool_loop_that_alternates_between_providers(
    make_stack: MakeStack,
    gateway: Gateway,
    alpha: Simulator,
    beta: Simulator,
    speaker: str,
    stream: bool,
    kinds: tuple[str, str],
) -> None:
    """Five turns with parallel calls and thinking; each turn the provider that answered the last one fails."""
    stack = make_stack()
    stack.add(alpha, kind=kinds[0], provider_model=MODELS[kinds[0]])
    stack.add(beta, kind=kinds[1], provider_model=MODELS[kinds[1]])
    talk = SPEAKERS[speaker](gateway, stack.name, stream=stream, tools=TOOLS, thinking=True, max_tokens=4096)
    cities = ["Rome", "Oslo", "Lima", "Cairo", "Perth"]
    for turn, city in enumerate(cities):
        failing, healthy = ((alpha, beta), (beta, alpha))[turn % 2]
        calls = [{"name": "get_weather", "arguments": {"city": city}}, {"name": "get_time", "arguments": {}}]
        failing.always(status=500)
        healthy.always(reasoning_tokens=8, tool_calls=calls, calls_again=True)
        if turn == 0:
            said = talk.say("How is it everywhere?")
        else:
            said = talk.answer({call.id: f"{call.name} of turn {turn}" for call in said.calls})
        assert [(call.name, call.arguments) for call in said.calls] == [(it["name"], it["arguments"]) for it in calls], turn
    alpha.reset()
    beta.always(text="It is fine everywhere")
    alpha.always(status=500)
    final = talk.answer({call.id: "the last" for call in said.calls})
    assert final.text == "It is fine everywhere" and final.finish == "stop"
    sent = json.dumps(beta.seen()[-1].body)
    assert all(city in sent for city in cities), "the whole history reached the last provider"
    stack.rows(6)


def test_a_stream_changes_protocol_before_its_first_content(
    make_stack: MakeStack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str
) -> None:
    stack = make_stack()
    stack.add(alpha, kind="anthropic", provider_model=MODELS["anthropic"], priority=200)
    stack.add(beta, kind="gemini", provider_model="gemini-2.5-flash", priority=100)
    # It begins as a stream and breaks before any content.
    alpha.always(fault={"kind": "error_event", "after_events": 1})
    beta.always(text="One clean stream")
    said = SPEAKERS[speaker](gateway, stack.name, stream=True).say("Hello")
    assert (said.text, said.finish) == ("One clean stream", "stop")
    assert alpha.received() >= 1 and beta.received() == 1
    [row] = stack.rows(1)
    attempts = json.loads(row["attempts"]) if isinstance(row["attempts"], str) else row["attempts"]
    assert attempts[0]["error_class"] == "stream_error" and attempts[-1]["error_class"] is None


def test_what_one_provider_cannot_be_asked_another_can(
    make_stack: MakeStack, gateway: Gateway, alpha: Simulator, beta: Simulator
) -> None:
    stack = make_stack()
    stack.add(alpha, kind="anthropic", provider_model=MODELS["anthropic"], priority=200)
    stack.add(beta, kind="openai", provider_model=MODELS["openai"], priority=100)
    answer = gateway.openai().chat.completions.with_raw_response.create(
        model=stack.name, messages=[{"role": "user", "content": "Hello"}], n=2
    )
    assert len(answer.parse().choices) == 2
    assert answer.headers["x-gateway-attempts"] == "1"
    assert alpha.received() == 0, "what cannot be said is not sent"


def test_what_no_provider_can_be_asked_is_refused_by_its_name(
    make_stack: MakeStack, gateway: Gateway, alpha: Simulator
) -> None:
    stack = make_stack()
    stack.add(alpha, kind="anthropic", provider_model=MODELS["anthropic"])
    client = gateway.openai()
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(
            model=stack.name, messages=[{"role": "user", "content": "Hello"}], logit_bias={"1": 1}
        )
    assert raised.value.param == "logit_bias" and "logit_bias" in str(raised.value)
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        client.responses.create(model=stack.name, input="Hello", previous_response_id="resp_1")
    assert alpha.received() == 0


def test_what_is_dropped_is_told(make_stack: MakeStack, gateway: Gateway, alpha: Simulator) -> None:
    stack = make_stack()
    stack.add(alpha, kind="anthropic", provider_model=MODELS["anthropic"])
    answer = gateway.openai().chat.completions.with_raw_response.create(
        model=stack.name, messages=[{"role": "user", "content": "Hello"}], seed=1, presence_penalty=0.5
    )
    dropped = {name.strip() for name in answer.headers["x-gateway-dropped"].split(",")}
    assert dropped == {"seed", "presence_penalty"}
