"""A stream that breaks at one provider goes on with another that says the same, and no SDK notices."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai

from conftest import MakeStack
from harness.gateway import Gateway
from harness.simulator import Seen, Simulator
from harness.stack import Stack
from speakers import SPEAKERS, Said, Tool

PROVIDERS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
SAID = "Die Antwort ist überall dieselbe: zwölf 🥚, wie jeder weiß, der je welche gezählt hat, und größer wird sie nicht."
CITY = Tool("weather", "Tells the weather", {"city": {"type": "string"}})
CITIES = ("Lindau on the lake", "Bregenz")
CALLS = [{"name": "weather", "arguments": {"city": city}} for city in CITIES]
#: Within the arguments of the first call. Gemini tells its calls and its end in one event, which only words can come before.
LOOKING = "Let me look that up for you."
WITHIN_CALLS = {"openai": 7, "anthropic": 7, "gemini": 2}
CUTS = [
    {"kind": "close", "at": {"after_events": 8}},
    {"kind": "reset", "at": {"after_events": 8}},
    {"kind": "error_event", "after_events": 8},
    {"kind": "hang", "at": {"after_events": 8}},
]
WITHIN = [
    {"kind": "close", "at": {"within": {"after_events": 8, "place": place}}}
    for place in ("field", "json", "character", "line_end")
]
#: Seconds: what a request has, and the other clocks, which would let a provider take too long.
HURRY, LATE = 3.0, 60.0
#: Seconds of silence after which a stream is given up.
STALL = 0.7
BROKEN = (openai.APIError, anthropic.APIError, genai.APIError, RuntimeError)


@pytest.fixture(params=SPEAKERS)
def speaker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=PROVIDERS)
def first(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def stack(make_stack: MakeStack, gateway: Gateway, alpha: Simulator, beta: Simulator, first: str) -> Stack:
    """`alpha`, of the type at hand, is asked first; `beta`, of another, if that breaks."""
    stack = make_stack(max_retry=1)
    kinds = list(PROVIDERS)
    second = kinds[(kinds.index(first) + 1) % len(kinds)]
    stack.add(alpha, kind=first, provider_model=PROVIDERS[first], priority=9)
    stack.add(beta, kind=second, provider_model=PROVIDERS[second], priority=1)
    gateway.admin.policy(stack.model, verified_resume=True, stream_idle_timeout=STALL)
    return stack


def ask(stack: Stack, speaker: str, **options: Any) -> Said:
    return SPEAKERS[speaker](stack.gateway, stack.name, stream=True, **options).say("How many?")


def resumes(gateway: Gateway, result: str) -> Callable[[], float]:
    """How many more ended so since this was called."""
    name = f'gateway_resumes_total{{result="{result}"}}'
    before = gateway.metrics().get(name, 0)
    return lambda: gateway.metrics().get(name, 0) - before


def attempts(stack: Stack) -> list[dict[str, Any]]:
    [row] = stack.rows(1)
    return row["attempts"]


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut["kind"])
def test_text_goes_on_and_both_legs_are_accounted(
    stack: Stack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str, cut: dict[str, Any]
) -> None:
    alpha.always(text=SAID, fault=cut)
    beta.always(text=SAID)
    more = resumes(gateway, "resumed")
    said = ask(stack, speaker)
    assert (said.text, said.finish) == (SAID, "stop")
    assert said.usage and said.usage.output > 0
    assert more() == 1
    legs = attempts(stack)
    assert len(legs) == 2
    assert all(leg["tokens"]["completion"] > 0 for leg in legs), legs
    [row] = stack.rows(1)
    assert (row["status_code"], row["error_class"]) == (200, None)
    [seen] = beta.seen()
    assert seen.status == 200
    assert roles(seen) == {"user"}, "it is asked what the first was asked: nothing of the answer is put into its mouth"


def roles(seen: Seen) -> set[str]:
    """Who speaks in a request, in the protocol of any provider."""
    [turns] = [seen.body[name] for name in ("messages", "contents", "input") if name in seen.body]
    return {turn["role"] for turn in turns}


def calling(first: str, *, calls: list[dict[str, Any]] = CALLS, is_cut: bool = False) -> dict[str, Any]:
    """An answer that calls tools, as whoever goes on after `first` is to give it too."""
    fault = {"fault": {"kind": "close", "at": {"after_events": WITHIN_CALLS[first]}}} if is_cut else {}
    return {"text": LOOKING if first == "gemini" else "", "tool_calls": calls} | fault


def test_tool_calls_go_on(
    stack: Stack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str, first: str
) -> None:
    alpha.always(**calling(first, is_cut=True))
    beta.always(**calling(first))
    more = resumes(gateway, "resumed")
    said = ask(stack, speaker, tools=[CITY])
    assert [(call.name, call.arguments) for call in said.calls] == [("weather", {"city": city}) for city in CITIES]
    assert said.finish == "tool_calls"
    assert more() == 1
    legs = attempts(stack)
    assert len(legs) == 2 and all(leg["tokens"]["completion"] > 0 for leg in legs), legs


@pytest.mark.parametrize("first", ["openai", "anthropic"], indirect=True)
@pytest.mark.parametrize(
    "other",
    [
        [{"name": "forecast", "arguments": {"city": CITIES[0]}}, CALLS[1]],
        [{"name": "weather", "arguments": {"city": "Wasserburg on the lake"}}, CALLS[1]],
    ],
    ids=["name", "arguments"],
)
def test_another_tool_call_is_never_mixed_in(
    stack: Stack,
    gateway: Gateway,
    alpha: Simulator,
    beta: Simulator,
    speaker: str,
    first: str,
    other: list[dict[str, Any]],
) -> None:
    alpha.always(**calling(first, is_cut=True))
    beta.always(**calling(first, calls=other))
    more = resumes(gateway, "differed")
    with pytest.raises(BROKEN):
        ask(stack, speaker, tools=[CITY, Tool("forecast", "Tells what comes", CITY.properties)])
    assert more() == 1
    assert len(attempts(stack)) == 2


def test_who_cannot_call_tools_is_not_asked_to_go_on(
    stack: Stack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str, first: str
) -> None:
    gateway.admin.patch(f"/model-providers/{stack.associations[1]['id']}", {"tool_call": False})
    alpha.always(**calling(first, is_cut=True))
    with pytest.raises(BROKEN):
        ask(stack, speaker, tools=[CITY])
    assert beta.received() == 0


def test_another_answer_is_never_mixed_in(
    stack: Stack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str
) -> None:
    alpha.always(text=SAID, fault={"kind": "close", "at": {"after_events": 12}})
    beta.always(text="Something else altogether, and at a greater length than what was said before it.")
    more = resumes(gateway, "differed")
    with pytest.raises(BROKEN):
        ask(stack, speaker)
    assert more() == 1
    assert len(attempts(stack)) == 2


def test_who_did_not_ask_for_it_gets_the_error(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, speaker: str
) -> None:
    stack = make_stack(max_retry=1)
    stack.add(alpha, priority=9)
    stack.add(beta, priority=1)
    alpha.always(text=SAID, fault={"kind": "close", "at": {"after_events": 12}})
    with pytest.raises(BROKEN):
        ask(stack, speaker)
    assert beta.received() == 0


@pytest.mark.parametrize("cut", WITHIN, ids=lambda cut: cut["at"]["within"]["place"])
def test_a_stream_cut_within_an_event_goes_on_or_ends_in_the_error(
    make_stack: MakeStack, gateway: Gateway, alpha: Simulator, beta: Simulator, speaker: str, cut: dict[str, Any]
) -> None:
    """Of the event that was cut nothing is passed on, so that it is not told twice."""
    stack = make_stack(max_retry=1)
    stack.add(alpha, priority=9)
    stack.add(beta, priority=1)
    alpha.always(text=SAID, fault=cut)
    beta.always(text=SAID)
    with pytest.raises(BROKEN):
        ask(stack, speaker)
    assert beta.received() == 0
    gateway.admin.policy(stack.model, verified_resume=True)
    said = ask(stack, speaker)
    assert (said.text, said.finish) == (SAID, "stop")
    broken, resumed = stack.rows(2)
    assert (broken["status_code"], broken["error_class"]) == (200, "upstream_truncated")
    assert broken["completion_tokens"] > 0 and broken["usage_source"] == "estimated"
    assert (resumed["error_class"], len(resumed["attempts"])) == (None, 2)


@pytest.mark.parametrize("whose", ["client", "policy"])
def test_who_goes_on_has_as_long_as_the_request_had_to_begin(
    make_stack: MakeStack, gateway: Gateway, alpha: Simulator, beta: Simulator, whose: str
) -> None:
    """The first content of the second provider never comes."""
    stack = make_stack(max_retry=1)
    stack.add(alpha, priority=9)
    stack.add(beta, priority=1)
    clock = {"total_timeout": HURRY} if whose == "policy" else {}
    clocks = {"first_content_timeout": LATE, "stream_idle_timeout": LATE}
    gateway.admin.policy(stack.model, verified_resume=True, **clocks, **clock)
    alpha.always(text=SAID, fault={"kind": "close", "at": {"after_events": 8}})
    beta.always(fault={"kind": "hang", "at": "after_headers"})
    headers = {"x-gateway-timeout": str(HURRY)} if whose == "client" else {}
    client = stack.gateway.openai(default_headers=headers)
    more = resumes(gateway, "failed")
    asked = [{"role": "user", "content": "How many?"}]
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model=stack.name, messages=asked, stream=True):
            pass
    assert more() == 1
    classes = [leg["error_class"] for leg in attempts(stack)]
    assert classes == ["upstream_truncated", "client_timeout" if whose == "client" else "timeout"]
