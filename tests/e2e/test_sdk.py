"""The official SDK, unmodified, does through the gateway what it does with its own service."""

import asyncio
import json
import re
import uuid

import openai
import pydantic
import pytest

from conftest import MakeStack
from harness.gateway import CLIENT_KEY, PROVIDER_KEY, Gateway
from harness.simulator import Simulator, mark
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = pytest.mark.sqlite_only

TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def asking(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def text_of(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@pytest.fixture
def stack(make_stack: MakeStack, alpha: Simulator) -> Stack:
    return make_stack(alpha)


@pytest.mark.parametrize("prefix", ["", "/openai"])
def test_chat(stack: Stack, alpha: Simulator, gateway: Gateway, prefix: str) -> None:
    client = gateway.openai(prefix=prefix)
    answer = client.chat.completions.create(model=stack.name, messages=asking("Hello"), temperature=0.5, seed=7)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 16
    [seen] = alpha.seen()
    provider_model = stack.associations[0]["provider_model"]
    assert answer.model == provider_model, "the answer's model is what the provider reported"
    # The provider gets what the client sent, with its own model's name and the gateway's key.
    assert seen.body == {
        "model": provider_model,
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "seed": 7,
    }
    assert seen.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert CLIENT_KEY not in json.dumps(seen.headers)
    assert not [name for name in seen.headers if name.startswith("x-stainless")]


def test_headers_tell_which_way_a_request_took(stack: Stack, client: openai.OpenAI) -> None:
    own_id = "an-id-of-the-client"
    raw = client.chat.completions.with_raw_response.create(
        model=stack.name, messages=asking("Hello"), extra_headers={"x-request-id": own_id}
    )
    assert uuid.UUID(raw.headers["x-request-id"]).version == 7
    assert raw.headers["x-gateway-provider"] == stack.providers[0]["name"]
    assert raw.headers["x-gateway-attempts"] == "1"
    timing = re.fullmatch(r"total;dur=([\d.]+), upstream;dur=([\d.]+)", raw.headers["server-timing"])
    assert timing and float(timing[1]) >= float(timing[2]) > 0
    assert raw.parse().choices[0].message.content == TEXT
    [row] = stack.rows(1)
    assert row["request_id"] == raw.headers["x-request-id"] != own_id


def test_a_stream_without_usage(stack: Stack, alpha: Simulator, client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True))
    assert text_of(chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    assert alpha.seen()[0].body["stream_options"] == {"include_usage": True}, "the gateway wants to know all the same"
    [row] = stack.rows(1)
    assert (row["completion_tokens"], row["usage_source"], row["stream"]) == (16, "provider", True)
    assert row["ttft_ms"] is not None


def test_a_stream_with_usage(stack: Stack, client: openai.OpenAI) -> None:
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        model=stack.name, messages=asking("Hello"), stream=True, stream_options=options
    )
    chunks = list(stream)
    assert text_of(chunks) == TEXT
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 16
    [row] = stack.rows(1)
    assert row["total_tokens"] == chunks[-1].usage.total_tokens


@pytest.mark.parametrize("shape", [{"split_bytes": 3}, {"line_end": "cr_lf"}, {"comments": True}, {"coalesce": True}])
def test_streams_of_every_shape(stack: Stack, alpha: Simulator, client: openai.OpenAI, shape: dict) -> None:
    alpha.always(sse=shape, content="unicode", tokens=40)
    whole = client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    stream = client.chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True)
    assert text_of(stream) == whole.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_round_trip(stack: Stack, client: openai.OpenAI, stream: bool) -> None:
    messages: list = asking("Weather?")
    call = first_call(client, stack.name, messages, stream)
    assert call["function"]["name"] == "get_weather"
    assert "city" in json.loads(call["function"]["arguments"])
    messages += [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    answer = client.chat.completions.create(model=stack.name, messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "The tools say: sunny"


def first_call(client: openai.OpenAI, model: str, messages: list, stream: bool) -> dict:
    """Asks for a tool call, and puts its pieces together where it comes in some."""
    answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], stream=stream)
    if not stream:
        assert answer.choices[0].finish_reason == "tool_calls"
        return answer.choices[0].message.tool_calls[0].model_dump()
    chunks = list(answer)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or []]
    name = "".join(piece.function.name or "" for piece in pieces)
    arguments = "".join(piece.function.arguments or "" for piece in pieces)
    return {"id": pieces[0].id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_parallel_tool_calls(stack: Stack, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=stack.name, messages=asking("Both?"), tools=[WEATHER, TIME], parallel_tool_calls=True
    )
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["get_weather", "get_time"]


class Person(pydantic.BaseModel):
    name: str
    age: int


def test_structured_output(stack: Stack, client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model=stack.name, messages=asking("Who?"), response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_an_image_reaches_a_provider_that_takes_images(make_stack: MakeStack, alpha: Simulator, client) -> None:
    stack = make_stack()
    stack.add(alpha, {"image": True})
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    answer = client.chat.completions.create(model=stack.name, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == TEXT
    assert alpha.seen()[0].body["messages"][0]["content"] == content


def test_embeddings(stack: Stack, client: openai.OpenAI) -> None:
    # The SDK asks for base64 unless told otherwise, and decodes it.
    packed = client.embeddings.create(model=stack.name, input=["one", "two"], dimensions=8)
    plain = client.embeddings.create(
        model=stack.name, input=["one", "two"], dimensions=8, encoding_format="float"
    )
    assert [len(entry.embedding) for entry in packed.data] == [8, 8]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    rows = stack.rows(2)
    assert [row["endpoint"] for row in rows] == ["/v1/embeddings"] * 2
    assert rows[0]["prompt_tokens"] == packed.usage.prompt_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_completions(stack: Stack, client: openai.OpenAI, stream: bool) -> None:
    answer = client.completions.create(model=stack.name, prompt="Hello", stream=stream)
    parts = list(answer) if stream else [answer]
    assert "".join(choice.text for part in parts for choice in part.choices) == TEXT
    assert stack.rows(1)[0]["endpoint"] == "/v1/completions"


def test_models(make_stack: MakeStack, alpha: Simulator, gateway: Gateway) -> None:
    served, off, unserved = make_stack(alpha), make_stack(alpha, enabled=False), make_stack()
    client = gateway.openai()
    listed = [model.id for model in client.models.list()]
    assert served.name in listed
    assert off.name not in listed and unserved.name not in listed
    assert client.models.retrieve(served.name).object == "model"
    for name in (off.name, unserved.name, "no-such-model"):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)
    key = gateway.admin.key(f"only-{served.name}", allowed_models=[served.name])
    assert [model.id for model in gateway.openai(key["key"]).models.list()] == [served.name]
    assert alpha.received() == 0, "the list is the gateway's own"


def test_a_name_with_slashes_can_be_retrieved(gateway: Gateway, alpha: Simulator, client: openai.OpenAI) -> None:
    stack = Stack(gateway, gateway.admin.model("org/model:tag"))
    stack.add(alpha)
    assert client.models.retrieve("org/model:tag").id == "org/model:tag"


@pytest.mark.parametrize(
    ("behaviour", "error", "status"),
    [
        ({"error": "content_policy"}, openai.BadRequestError, 400),
        ({"error": "context_length_exceeded"}, openai.BadRequestError, 400),
        ({"status": 422}, openai.UnprocessableEntityError, 422),
        ({"error": "rate_limit", "retry_after": {"seconds": 7}}, openai.RateLimitError, 429),
        ({"error": "overloaded", "retry_after": {"seconds": 7}}, openai.InternalServerError, 503),
        ({"error": "server_error"}, openai.InternalServerError, 502),
        ({"error": "invalid_api_key"}, openai.InternalServerError, 502),
        ({"error": "html"}, openai.InternalServerError, 502),
        ({"error": "model_not_found"}, openai.NotFoundError, 404),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_only_provider(
    make_stack: MakeStack, alpha: Simulator, client: openai.OpenAI, behaviour, error, status: int, stream: bool
) -> None:
    stack = make_stack(alpha, max_retry=0)
    alpha.always(**behaviour)
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=stack.name, messages=asking("Hello"), stream=stream)
    assert raised.value.status_code == status
    assert raised.value.response.headers["x-gateway-attempts"] == "1"
    # What went wrong is told without keys and addresses.
    assert PROVIDER_KEY not in raised.value.response.text and "127.0.0.1" not in raised.value.response.text
    if status in (429, 503):
        assert 1 <= int(raised.value.response.headers["retry-after"]) <= 7
    [row] = stack.rows(1)
    assert row["status_code"] == status and row["error_class"]


def test_errors_of_the_client(stack: Stack, gateway: Gateway, client: openai.OpenAI, alpha: Simulator) -> None:
    def ask(client: openai.OpenAI, model: str = stack.name, **options) -> None:
        client.chat.completions.create(model=model, messages=asking("Hello"), **options)

    with pytest.raises(openai.AuthenticationError) as raised:
        ask(gateway.openai("sk-wrong"))
    assert raised.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, "no-such-model")
    assert raised.value.code == "model_not_found"
    other = gateway.admin.key(f"not-{stack.name}", allowed_models=["another-model"])
    with pytest.raises(openai.PermissionDeniedError):
        ask(gateway.openai(other["key"]))
    with pytest.raises(openai.BadRequestError):
        ask(client, extra_body={"stream": "yes"})
    assert alpha.received() == 0


def test_a_provider_that_repeats_its_key_does_not_give_it_away(
    stack: Stack, alpha: Simulator, client: openai.OpenAI
) -> None:
    alpha.always(error="echo_key", status=400)
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert PROVIDER_KEY not in raised.value.response.text
    assert PROVIDER_KEY not in json.dumps(stack.rows(1), default=str)


def test_an_error_within_a_stream_is_raised(stack: Stack, alpha: Simulator, client: openai.OpenAI) -> None:
    prompt = mark("Hello", fault={"kind": "error_event", "after_events": 4})
    stream = client.chat.completions.create(model=stack.name, messages=asking(prompt), stream=True)
    pieces = []
    with pytest.raises(openai.APIError):
        for chunk in stream:
            pieces.append(chunk)
    assert text_of(pieces) and TEXT.startswith(text_of(pieces))
    assert stack.rows(1)[0]["error_class"] == "stream_error"


def test_the_asynchronous_client(stack: Stack, gateway: Gateway) -> None:
    async def ask() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
            whole, stream = await asyncio.gather(
                client.chat.completions.create(model=stack.name, messages=asking("Hello")),
                client.chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True),
            )
            return whole.choices[0].message.content, text_of([chunk async for chunk in stream])

    assert asyncio.run(ask()) == (TEXT, TEXT)


def test_orchestration_in_the_body(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, client: openai.OpenAI
) -> None:
    stack = make_stack(alpha, beta)
    first, second = (provider["name"] for provider in stack.providers)
    alpha.always(status=500)
    extra = {"provider": first, "fallback_providers": [second], "timeout": 30, "retry_count": 1}
    raw = client.chat.completions.with_raw_response.create(
        model=stack.name, messages=asking("Hello"), extra_body=extra
    )
    assert (raw.headers["x-gateway-provider"], raw.headers["x-gateway-attempts"]) == (second, "2")
    for seen in (*alpha.seen(), *beta.seen()):
        assert not extra.keys() & seen.body.keys(), "it is taken out before the body goes to a provider"
    with pytest.raises(openai.BadRequestError, match="nobody"):
        client.chat.completions.create(model=stack.name, messages=asking("Hello"), extra_body={"provider": "nobody"})


def test_a_client_that_leaves_cancels_the_call(stack: Stack, alpha: Simulator, client: openai.OpenAI) -> None:
    prompt = mark("Hello", fault={"kind": "hang", "at": {"after_events": 4}})
    stream = client.chat.completions.create(model=stack.name, messages=asking(prompt), stream=True)
    next(iter(stream))
    stream.close()
    wait_for(lambda: alpha.seen()[0].outcome == "client_cut", "the provider's call is cut")
    [row] = stack.rows(1)
    assert (row["status_code"], row["error_class"]) == (499, "client_closed")
    assert row["attempts"][0]["error_class"] == "client_closed"
