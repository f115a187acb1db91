"""Streams whose answers are moderated: told window by window, and only what was let pass."""

from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import errors as genai

from conftest import MakeStack
from harness.gateway import PROVIDER_KEY, Gateway, free_port
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from speakers import SPEAKERS, Tool

CALM = "It was a calm day, and nobody said a word. "
#: Several windows of text.
LONG = CALM * 40
NUMBER = "4111-1111-1111-1111"
CARD = {"name": "cards", "pattern": r"\b\d{4}-\d{4}-\d{4}-\d{4}\b", "action": "redact"}
BROKEN = (openai.APIError, anthropic.APIError, genai.APIError, RuntimeError)
ENDS = {"chat": "[DONE]", "responses": "response.completed", "messages": "message_stop", "gemini": '"finishReason"'}


@pytest.fixture(params=SPEAKERS)
def speaker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def moderator(beta: Simulator, tmp_path: Path) -> dict:
    """Beta as a moderation endpoint, asked about answers."""
    key = tmp_path / "moderation-key"
    key.write_text(PROVIDER_KEY)
    return {"url": f"{beta.base_url}/moderations", "api_key": f"file:{key}", "on": "response"}


def guard(stack: Stack, moderation: dict, *rules: dict) -> None:
    stack.gateway.admin.policy(stack.model, guards={"rules": list(rules), "moderation": moderation})


def request(stack: Stack, speaker: str) -> dict[str, Any]:
    """A stream is asked for, by hand."""
    said = [{"role": "user", "content": "Hello"}]
    path, body = {
        "chat": ("/v1/chat/completions", {"messages": said}),
        "responses": ("/v1/responses", {"input": "Hello"}),
        "messages": ("/v1/messages", {"messages": said, "max_tokens": 2000}),
        "gemini": (f"/v1beta/models/{stack.name}:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    }[speaker]
    if speaker != "gemini":
        body |= {"model": stack.name, "stream": True}
    headers = {"authorization": f"Bearer {stack.gateway.openai().api_key}"}
    return {"method": "POST", "url": f"{stack.gateway.url}{path}", "json": body, "headers": headers, "timeout": 60}


def ask(stack: Stack, speaker: str, **options: Any) -> Any:
    return SPEAKERS[speaker](stack.gateway, stack.name, stream=True, **options).say("Hello")


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
def test_what_is_let_pass_is_told(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict, speaker: str, kind: str
) -> None:
    stack = make_stack()
    stack.add(alpha, kind=kind)
    guard(stack, moderator, CARD)
    alpha.always(text=f"{LONG}Pay with {NUMBER}.", tokens_per_second=400)
    assert ask(stack, speaker).text == f"{LONG}Pay with [redacted]."
    asked = [seen.body["input"] for seen in beta.seen()]
    assert len(asked) > 2, "window by window"
    assert max(map(len, asked)) < len(LONG) + 100 and asked[0] == LONG[: len(asked[0])]
    assert asked[-1].endswith("Pay with [redacted].")
    assert NUMBER not in "".join(asked)
    [row] = stack.rows(1)
    assert (row["status_code"], row["error_class"]) == (200, None)


def test_what_is_flagged_is_not_told(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict, speaker: str
) -> None:
    stack = make_stack(alpha)
    guard(stack, moderator)
    alpha.always(text=f"{LONG}Then came violence. {CALM}", tokens_per_second=400)
    body = httpx.request(**request(stack, speaker)).text
    assert "calm" in body, "what was judged before was told"
    assert "the answer was withheld by moderation" in body
    assert "violence" not in body and "Then" not in body
    assert ENDS[speaker] not in body, "no end is told"
    with pytest.raises(BROKEN, match="withheld by moderation"):
        ask(stack, speaker)
    rows = stack.rows(2)
    for row in rows:
        assert (row["status_code"], row["error_class"]) == (200, "guard_denied")
        assert row["completion_tokens"] > 0
        assert [attempt["error_class"] for attempt in row["attempts"]] == [None], "nobody is blamed"
    assert gateway.metrics()['gateway_guards_total{stage="response",result="denied"}'] >= 2


def test_calls_are_moderated_too(make_stack: MakeStack, alpha: Simulator, moderator: dict, speaker: str) -> None:
    stack = make_stack(alpha)
    guard(stack, moderator)
    tools = [Tool("act", "Acts", {"with": {"type": "string"}})]
    alpha.always(tool_calls=[{"name": "act", "arguments": {"with": "calm"}}])
    [call] = ask(stack, speaker, tools=tools).calls
    assert call.arguments == {"with": "calm"}
    alpha.always(tool_calls=[{"name": "act", "arguments": {"with": "violence"}}])
    with pytest.raises(BROKEN, match="withheld by moderation"):
        ask(stack, speaker, tools=tools)


@pytest.mark.parametrize("trouble", ["down", "slow", "failing"])
def test_a_stream_that_cannot_be_judged(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict, speaker: str, trouble: str
) -> None:
    stack = make_stack(alpha)
    moderation = moderator | {"timeout_ms": 300}
    if trouble == "down":
        moderation["url"] = f"http://127.0.0.1:{free_port()}/moderations"
    beta.always(**{"slow": {"ttft_ms": 20_000}, "failing": {"status": 500}}.get(trouble, {}))
    alpha.always(text=CALM)
    guard(stack, moderation | {"on_failure": "allow"})
    assert ask(stack, speaker).text == CALM
    guard(stack, moderation)
    body = httpx.request(**request(stack, speaker)).text
    assert "the answer could not be moderated" in body and "calm" not in body
    assert ENDS[speaker] not in body
    assert [row["error_class"] for row in stack.rows(2)] in ([None, "guard_failed"], ["guard_failed", None])


def test_a_client_that_leaves_while_its_answer_is_judged(
    make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    beta.always(ttft_ms=20_000)
    guard(stack, moderator | {"timeout_ms": 30_000})
    alpha.always(text=CALM)
    with httpx.stream(**request(stack, "chat")) as answer:
        assert answer.status_code == 200
        wait_for(beta.received, "the answer is judged")
    [row] = stack.rows(1)
    assert row["status_code"] == 499 and row["completion_tokens"] > 0


def test_streams_that_are_only_passed_on_are_refused(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    guard(stack, moderator)
    client, sound = gateway.openai(), ("a.wav", b"RIFF" + bytes(range(256)))
    with pytest.raises(openai.BadRequestError, match="which this stream cannot be"):
        client.audio.transcriptions.create(model=stack.name, file=sound, stream=True)
    with pytest.raises(openai.BadRequestError, match="cannot be guarded"):
        client.completions.create(model=stack.name, prompt="Hello", stream=True)
    assert (alpha.received(), beta.received()) == (0, 0)
