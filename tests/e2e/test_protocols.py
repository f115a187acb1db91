"""Every client protocol reaches every type of provider, streaming or not, and its SDK does not notice."""

import base64
import json

import pytest

from conftest import MakeStack
from harness.gateway import Gateway
from harness.simulator import Simulator, mark
from harness.stack import Stack
from speakers import SPEAKERS, Conversation, Said, Speak, Tool

pytestmark = pytest.mark.sqlite_only

#: Types of providers, each with a model of its vendor's.
PROVIDERS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"], "additionalProperties": False}
WEATHER = Tool("get_weather", "The weather in a city", {"city": {"type": "string"}})
TIME = Tool("get_time", "The time of day")
TOOLS = [WEATHER, TIME]
#: One red pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=SPEAKERS)
def speaker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def stack(make_stack: MakeStack, alpha: Simulator, provider: str) -> Stack:
    stack = make_stack()
    stack.add(alpha, kind=provider, provider_model=PROVIDERS[provider], association={"image": True})
    return stack


@pytest.fixture
def speak(stack: Stack, gateway: Gateway, speaker: str, stream: bool) -> Speak:
    """Begins a conversation with the stack's model in the protocol at hand."""

    def begin(**options) -> Conversation:
        return SPEAKERS[speaker](gateway, stack.name, stream=stream, **options)

    return begin


def counted(said: Said) -> None:
    assert said.usage and said.usage.input > 0 and said.usage.output > 0


def test_plain(speak: Speak, stack: Stack, stream: bool) -> None:
    said = speak().say(mark("Hello", tokens=40))
    assert len(said.text.split()) > 20
    assert said.finish == "stop" and not said.calls and not said.thinking
    counted(said)
    if stream:
        assert said.pieces > 5, "the text came in pieces"
    [row] = stack.rows(1)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (said.usage.input, said.usage.output)
    assert row["usage_source"] == "provider"


def test_many_turns(speak: Speak, alpha: Simulator) -> None:
    talk = speak(system="Be brief.")
    first = talk.say(mark("My name is Ada", text="Hello Ada"))
    second = talk.say(mark("What is my name?", text="Ada"))
    assert (first.text, second.text) == ("Hello Ada", "Ada")
    sent = json.dumps(alpha.seen()[-1].body)
    for words in ("Be brief.", "My name is Ada", "Hello Ada", "What is my name?"):
        assert words in sent
    assert sent.index("My name is Ada") < sent.index("Hello Ada") < sent.index("What is my name?")


def test_an_image(speak: Speak, alpha: Simulator) -> None:
    said = speak().say(mark("What is this?", text="A red pixel"), image=PNG)
    assert said.text == "A red pixel"
    # Gemini's SDK writes the URL's alphabet, which its service takes.
    sent = json.dumps(alpha.seen()[-1].body).replace("_", "/").replace("-", "+")
    assert base64.b64encode(PNG).decode() in sent


def test_an_image_by_its_address(speak: Speak, alpha: Simulator) -> None:
    url = "https://images.example.com/pixel.png"
    assert speak().say(mark("What is this?", text="A pixel"), image_url=url).text == "A pixel"
    assert url in json.dumps(alpha.seen()[-1].body)


def test_a_tool_round_trip(speak: Speak, alpha: Simulator) -> None:
    talk = speak(tools=TOOLS)
    call = {"name": "get_weather", "arguments": {"city": "Łódź \u2028 \"now\""}}
    said = talk.say(mark("How is the weather?", tool_calls=[call]))
    assert said.finish == "tool_calls"
    [made] = said.calls
    assert (made.name, made.arguments) == (call["name"], call["arguments"])
    counted(said)
    final = talk.answer({made.id: "It rains cats"})
    assert final.finish == "stop" and not final.calls and final.text
    assert "It rains cats" in json.dumps(alpha.seen()[-1].body)
    counted(final)


def test_parallel_tools(speak: Speak, alpha: Simulator) -> None:
    talk = speak(tools=TOOLS)
    calls = [
        {"name": "get_weather", "arguments": {"city": "Rome"}},
        {"name": "get_time", "arguments": {}},
        {"name": "get_weather", "arguments": {"city": "Oslo"}},
    ]
    said = talk.say(mark("How is it?", tool_calls=calls))
    assert [(call.name, call.arguments) for call in said.calls] == [(it["name"], it["arguments"]) for it in calls]
    assert len({call.id for call in said.calls}) == 3, "each call has an id of its own"
    results = {call.id: f"result {number}" for number, call in enumerate(said.calls)}
    # Clients may answer in any order.
    assert talk.answer(dict(reversed(results.items()))).finish == "stop"
    sent = json.dumps(alpha.seen()[-1].body)
    assert all(result in sent for result in results.values())


@pytest.mark.parametrize("choice", ["none", "auto", "required", "get_time"])
def test_tool_choice(speak: Speak, choice: str) -> None:
    said = speak(tools=TOOLS, tool_choice=choice).say("Hello")
    called = [call.name for call in said.calls]
    if choice == "none":
        assert not called and said.finish == "stop" and said.text
    elif choice == "get_time":
        assert called == ["get_time"] and said.finish == "tool_calls"
    elif choice == "required":
        assert called and said.finish == "tool_calls"


def test_one_tool_at_a_time(speak: Speak, alpha: Simulator, provider: str, speaker: str) -> None:
    if speaker == "gemini":
        pytest.skip("Gemini's clients cannot ask for it")
    speak(tools=TOOLS, parallel=False).say("Hello")
    sent = alpha.seen()[-1].body
    if provider == "openai":
        assert sent["parallel_tool_calls"] is False
    elif provider == "anthropic":
        assert sent["tool_choice"]["disable_parallel_tool_use"] is True


def test_a_tool_without_arguments(speak: Speak) -> None:
    talk = speak(tools=[TIME])
    said = talk.say(mark("What time is it?", tool_calls=[{"name": "get_time", "arguments": {}}]))
    assert [(call.name, call.arguments) for call in said.calls] == [("get_time", {})]
    assert talk.answer({said.calls[0].id: ""}).text


def test_structured_output(speak: Speak) -> None:
    said = speak(schema=CITY).say("Where, and for how long?")
    answer = json.loads(said.text)
    assert isinstance(answer["city"], str) and isinstance(answer["days"], int) and len(answer) == 2
    assert said.finish == "stop" and not said.calls


def test_stop(speak: Speak, alpha: Simulator, provider: str, speaker: str) -> None:
    if speaker == "responses":
        pytest.skip("Responses has no stop sequences")
    said = speak(stop=["amet"]).say(mark("Hello", text="Lorem ipsum dolor sit amet, consectetur"))
    assert said.text == "Lorem ipsum dolor sit " and said.finish == "stop"
    if speaker == "messages" and provider == "anthropic":
        assert said.stop_sequence == "amet"


def test_temperature(speak: Speak, alpha: Simulator, provider: str) -> None:
    speak(temperature=0.25).say("Hello")
    sent = alpha.seen()[-1].body
    assert (sent["generationConfig"] if provider == "gemini" else sent)["temperature"] == 0.25


def test_length(speak: Speak) -> None:
    said = speak(max_tokens=16).say(mark("Tell me more", tokens=200))
    assert said.finish == "length" and said.text
    counted(said)


def test_thinking(speak: Speak) -> None:
    said = speak(thinking=True, max_tokens=4096).say(mark("Think", reasoning_tokens=12, text="So be it"))
    assert said.text == "So be it" and said.finish == "stop"
    assert said.thinking and said.thinking not in said.text
    assert said.usage.reasoning > 0 and said.usage.output > said.usage.reasoning


def test_thinking_survives_a_tool_loop(speak: Speak) -> None:
    talk = speak(thinking=True, max_tokens=4096, tools=TOOLS)
    asked = mark("Think", reasoning_tokens=12, tool_calls=[{"name": "get_weather", "arguments": {"city": "Rome"}}])
    said = talk.say(asked)
    assert said.thinking and said.calls
    assert talk.answer({said.calls[0].id: "Rain"}).finish == "stop"


def test_cached_tokens_are_counted_once(speak: Speak, stack: Stack) -> None:
    said = speak().say(mark("Hello", cached_tokens=1000))
    assert said.usage.cached == 1000 <= said.usage.input
    [row] = stack.rows(1)
    assert (row["cached_tokens"], row["prompt_tokens"]) == (1000, said.usage.input)


def test_unicode_cut_anywhere(speak: Speak, alpha: Simulator) -> None:
    text = "naïve 写作 \U0001f642 a\u2028b\u2029c\u0085d \"quoted\" \\ back\tslash\r\nend " * 3
    alpha.script({"do": {"text": text, "sse": {"split_bytes": 1}}})
    assert speak().say("Hello").text == text


def test_a_megabyte_of_prompt(speak: Speak, alpha: Simulator) -> None:
    prompt = "wörter " * 150_000
    said = speak().say(prompt + mark("and?", text="Read it all"))
    assert said.text == "Read it all"
    assert said.usage.input > 150_000


def test_an_empty_answer(speak: Speak) -> None:
    said = speak().say(mark("Say nothing", text=""))
    assert said.text == "" and said.finish == "stop" and not said.calls


def test_a_refusal(speak: Speak, provider: str, speaker: str) -> None:
    said = speak().say(mark("Do harm", refusal="I will not"))
    assert said.finish in ("refusal", "filtered")
    # Gemini refuses without words, and its SDK does not read those that Anthropic's explanation becomes.
    if provider != "gemini" and (speaker, provider) != ("gemini", "anthropic"):
        assert "I will not" in said.refusal


def test_a_filtered_answer(speak: Speak) -> None:
    said = speak().say(mark("Hello", finish="content_filter"))
    assert said.finish in ("filtered", "refusal")
