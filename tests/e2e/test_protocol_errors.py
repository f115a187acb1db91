"""A provider's failure, whatever protocol it speaks, is the exception that the client's own SDK has for it."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import errors as genai

from conftest import MakeStack
from harness.gateway import CLIENT_KEY, Gateway
from harness.simulator import Simulator, mark
from speakers import SPEAKERS

pytestmark = pytest.mark.sqlite_only

PROVIDERS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}

#: What happens at the only provider; the status that clients see; the exceptions of openai, anthropic, and Gemini's status.
FAILURES: list[tuple[dict[str, Any], int, type, type, str]] = [
    ({"error": "invalid_request"}, 400, openai.BadRequestError, anthropic.BadRequestError, "INVALID_ARGUMENT"),
    ({"error": "context_length_exceeded"}, 400, openai.BadRequestError, anthropic.BadRequestError, "INVALID_ARGUMENT"),
    ({"status": 413}, 413, openai.APIStatusError, anthropic.APIStatusError, "INVALID_ARGUMENT"),
    ({"status": 422}, 422, openai.UnprocessableEntityError, anthropic.UnprocessableEntityError, "INVALID_ARGUMENT"),
    ({"error": "invalid_api_key"}, 502, openai.InternalServerError, anthropic.InternalServerError, "UNAVAILABLE"),
    ({"error": "permission_denied"}, 502, openai.InternalServerError, anthropic.InternalServerError, "UNAVAILABLE"),
    ({"error": "model_not_found"}, 404, openai.NotFoundError, anthropic.NotFoundError, "NOT_FOUND"),
    ({"error": "rate_limit"}, 429, openai.RateLimitError, anthropic.RateLimitError, "RESOURCE_EXHAUSTED"),
    ({"error": "server_error"}, 502, openai.InternalServerError, anthropic.InternalServerError, "UNAVAILABLE"),
    ({"error": "html"}, 502, openai.InternalServerError, anthropic.InternalServerError, "UNAVAILABLE"),
    ({"status": 529}, 529, openai.InternalServerError, anthropic.APIStatusError, "UNAVAILABLE"),
]


def failure_name(failure: tuple[dict[str, Any], ...]) -> str:
    [value] = failure[0].values()
    return str(value)


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
def ask(
    make_stack: MakeStack, alpha: Simulator, gateway: Gateway, provider: str, speaker: str, stream: bool
) -> Callable[[str], Any]:
    stack = make_stack(max_retry=0)
    # One attempt: what it met is what the client sees.
    stack.add(alpha, kind=provider, provider_model=PROVIDERS[provider])
    return lambda prompt: SPEAKERS[speaker](gateway, stack.name, stream=stream).say(prompt)


@pytest.mark.parametrize("failure", FAILURES, ids=failure_name)
def test_a_failure_raises_the_sdks_own_exception(
    ask: Callable[[str], Any], speaker: str, failure: tuple[dict[str, Any], int, type, type, str]
) -> None:
    behaviour, status, of_openai, of_anthropic, gemini_status = failure
    prompt = mark("Hello", **behaviour)
    if speaker == "gemini":
        with pytest.raises(genai.APIError) as raised:
            ask(prompt)
        # Gemini and OpenAI have no 529.
        assert raised.value.code == (503 if status == 529 else status)
        assert raised.value.status == gemini_status
        return
    expected = of_anthropic if speaker == "messages" else of_openai
    with pytest.raises(expected) as raised:
        ask(prompt)
    error = raised.value
    assert error.status_code == (503 if status == 529 and speaker != "messages" else status)
    assert "sk-upstream" not in str(error)
    if speaker == "messages":
        assert error.body["type"] == "error" and error.body["error"]["message"]
        assert error.request_id and error.body["request_id"]


def test_when_to_come_again_is_told(ask: Callable[[str], Any], speaker: str) -> None:
    prompt = mark("Hello", error="rate_limit", retry_after={"seconds": 7})
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError, genai.ClientError)) as raised:
        ask(prompt)
    response = raised.value.response
    assert 5 <= int(response.headers["retry-after"]) <= 7


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_wrong_key(gateway: Gateway, speaker: str) -> None:
    talk = SPEAKERS[speaker](gateway, "any")
    make = {"messages": gateway.anthropic, "gemini": gateway.genai}.get(speaker, gateway.openai)
    talk.client = make("sk-lo-wrong")
    with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError, genai.ClientError)) as raised:
        talk.say("Hello")
    assert getattr(raised.value, "status_code", None) == 401 or raised.value.code == 401


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_an_unknown_model(gateway: Gateway, speaker: str) -> None:
    with pytest.raises((openai.NotFoundError, anthropic.NotFoundError, genai.ClientError)) as raised:
        SPEAKERS[speaker](gateway, "no-such-model").say("Hello")
    assert "no-such-model" in str(raised.value)


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize(
    "fault", [{"kind": "close", "at": {"after_events": 12}}, {"kind": "error_event", "after_events": 12}], ids=["cut", "error"]
)
def test_a_stream_that_breaks_raises(
    make_stack: MakeStack, alpha: Simulator, gateway: Gateway, provider: str, speaker: str, fault: dict[str, Any]
) -> None:
    stack = make_stack()
    stack.add(alpha, kind=provider, provider_model=PROVIDERS[provider])
    talk = SPEAKERS[speaker](gateway, stack.name, stream=True)
    with pytest.raises((openai.APIError, anthropic.APIError, genai.APIError, RuntimeError)):
        talk.say(mark("Tell me more", tokens=60, fault=fault))
    [row] = stack.rows(1)
    assert row["error_class"] in ("upstream_truncated", "stream_error")
    assert row["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/messages", {"messages": []}, lambda it: it["type"] == "error" and it["error"]["type"] == "invalid_request_error"),
        ("/v1beta/models/x:generateContent", {}, lambda it: it["error"]["code"] == 400 and it["error"]["status"] == "INVALID_ARGUMENT"),
        ("/v1/responses", {}, lambda it: it["error"]["type"] == "invalid_request_error"),
        ("/anthropic/v1/nothing", {}, lambda it: it["error"]["type"] == "not_found_error"),
        ("/gemini/v1beta/nothing", {}, lambda it: it["error"]["status"] == "NOT_FOUND"),
        ("/openai/v1/nothing", {}, lambda it: it["error"]["code"] == "unknown_url"),
    ],
)
def test_bad_requests_are_told_in_the_clients_form(
    gateway: Gateway, path: str, body: dict[str, Any], told: Callable[[Any], bool]
) -> None:
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": "2023-06-01"}
    if "anthropic" not in path and "messages" not in path:
        del headers["anthropic-version"]
    response = httpx.post(f"{gateway.url}{path}", json=body, headers=headers)
    assert response.status_code in (400, 404)
    assert told(response.json()), response.text
