"""Token counts, embeddings and model lists, in every protocol."""

import base64
import struct

import anthropic
import openai
import pytest
from google.genai import types

from conftest import MakeStack
from harness.gateway import CLIENT_KEY, Gateway
from harness.simulator import Simulator
from harness.stack import Stack

pytestmark = pytest.mark.sqlite_only

PROVIDERS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
TEXT = "The quick brown fox jumps over the lazy dog. " * 40


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def stack(make_stack: MakeStack, alpha: Simulator, provider: str) -> Stack:
    stack = make_stack()
    stack.add(alpha, kind=provider, provider_model=PROVIDERS[provider])
    return stack


def test_messages_are_counted(gateway: Gateway, stack: Stack, provider: str) -> None:
    raw = gateway.anthropic().messages.with_raw_response.count_tokens(
        model=stack.name, messages=[{"role": "user", "content": TEXT}], system="Be brief."
    )
    assert 250 < raw.parse().input_tokens < 800
    assert raw.headers.get("x-gateway-estimated") == ("true" if provider == "openai" else None)


def test_contents_are_counted(gateway: Gateway, stack: Stack, provider: str) -> None:
    counted = gateway.genai().models.count_tokens(model=stack.name, contents=TEXT)
    assert 250 < counted.total_tokens < 800


def test_inputs_are_counted(gateway: Gateway, stack: Stack) -> None:
    counted = gateway.openai().responses.input_tokens.count(model=stack.name, input=TEXT)
    assert counted.object == "response.input_tokens" and 250 < counted.input_tokens < 800


def test_a_count_is_recorded(gateway: Gateway, stack: Stack) -> None:
    gateway.anthropic().messages.count_tokens(model=stack.name, messages=[{"role": "user", "content": TEXT}])
    [row] = stack.rows(1)
    assert row["endpoint"] == "/v1/messages/count_tokens" and row["status_code"] == 200
    assert row["completion_tokens"] in (0, None)


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_embeddings(gateway: Gateway, stack: Stack) -> None:
    texts = ["one", "two", "three"]
    client = gateway.openai()
    # The SDK asks for base64 by itself and decodes it.
    vectors = [entry.embedding for entry in client.embeddings.create(model=stack.name, input=texts).data]
    assert len(vectors) == 3 and len({len(vector) for vector in vectors}) == 1 and vectors[0] != vectors[1]
    raw = client.embeddings.create(model=stack.name, input="one", encoding_format="base64").data[0].embedding
    decoded = struct.unpack(f"<{len(vectors[0])}f", base64.b64decode(raw)) if isinstance(raw, str) else raw
    assert list(decoded) == pytest.approx(vectors[0])
    embedded = gateway.genai().models.embed_content(model=stack.name, contents=texts)
    assert [len(entry.values) for entry in embedded.embeddings] == [len(vectors[0])] * 3


@pytest.mark.parametrize("provider", ["anthropic"])
def test_no_embeddings_where_there_are_none(gateway: Gateway, stack: Stack) -> None:
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        gateway.openai().embeddings.create(model=stack.name, input="one")


@pytest.mark.parametrize("provider", ["openai"])
def test_models_are_listed_in_the_askers_form(gateway: Gateway, stack: Stack) -> None:
    assert stack.name in [model.id for model in gateway.openai().models.list()]
    assert gateway.openai().models.retrieve(stack.name).object == "model"
    for prefix in ("", "/anthropic"):
        models = list(gateway.anthropic(prefix=prefix).models.list(limit=1))
        assert stack.name in [model.id for model in models], "the SDK walks all pages"
    one = gateway.anthropic().models.retrieve(stack.name)
    assert (one.type, one.id) == ("model", stack.name)
    for prefix in ("", "/gemini"):
        listed = list(gateway.genai(prefix=prefix).models.list(config=types.ListModelsConfig(page_size=1)))
        assert f"models/{stack.name}" in [model.name for model in listed]
    assert gateway.genai().models.get(model=stack.name).name == f"models/{stack.name}"
    with pytest.raises(anthropic.NotFoundError):
        gateway.anthropic().models.retrieve("no-such-model")


@pytest.mark.parametrize("provider", ["openai"])
@pytest.mark.parametrize("prefix", ["", "/anthropic"])
def test_both_ways_of_anthropics_key(gateway: Gateway, stack: Stack, prefix: str) -> None:
    # Releases before 2.0 send x-api-key.
    old = gateway.anthropic(prefix=prefix, auth_token=None, default_headers={"x-api-key": CLIENT_KEY, "authorization": ""})
    for client in (gateway.anthropic(prefix=prefix), old):
        assert client.messages.create(model=stack.name, max_tokens=100, messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("provider", ["openai"])
def test_other_endpoints_are_passed_on(gateway: Gateway, stack: Stack, alpha: Simulator) -> None:
    client = gateway.openai()
    provider_model = PROVIDERS["openai"]
    sound = client.audio.speech.create(model=stack.name, input="Hello", voice="alloy")
    assert sound.read().endswith(b"Hello") and sound.response.headers["content-type"].startswith("audio/")
    heard = client.audio.transcriptions.create(model=stack.name, file=("a.wav", b"RIFF" + bytes(range(256)) * 40))
    assert heard.text
    assert client.images.generate(model=stack.name, prompt="A fox").data[0].b64_json
    assert client.moderations.create(model=stack.name, input="Hello").results
    assert provider_model in str(alpha.seen()[-1].body)
    rows = stack.rows(4)
    assert {row["status_code"] for row in rows} == {200}
