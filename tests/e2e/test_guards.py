"""Guards on content: what is denied and redacted, in each protocol, whole and streamed, and who else is asked."""

import base64
from pathlib import Path

import anthropic
import httpx
import openai
import pytest
from google.genai import errors

from conftest import MakeGateway, MakeStack
from harness.gateway import PROVIDER_KEY, Gateway, free_port
from harness.simulator import Simulator
from harness.stack import Stack

CARD = {"name": "cards", "pattern": r"\b\d{4}-\d{4}-\d{4}-\d{4}\b", "action": "redact"}
DENIED = {"name": "names", "pattern": "(?i)voldemort", "action": "deny"}
NUMBER = "4111-1111-1111-1111"
TOLD = f"Pay with {NUMBER}, and with {NUMBER}."
REDACTED = "Pay with [redacted], and with [redacted]."

KINDS = ["openai", "anthropic"]


def guard(stack: Stack, *rules: dict, **guards) -> None:
    stack.gateway.admin.policy(stack.model, guards={"rules": list(rules), **guards})


def asked(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def moderator(beta: Simulator, tmp_path: Path) -> dict:
    """Beta as a moderation endpoint."""
    key = tmp_path / "moderation-key"
    key.write_text(PROVIDER_KEY)
    return {"url": f"{beta.base_url}/moderations", "api_key": f"file:{key}"}


def texts(gateway: Gateway, model: str, prompt: str) -> dict[str, str]:
    """What each protocol's client gets, whole and streamed."""
    chat, claude, gemini = gateway.openai(), gateway.anthropic(), gateway.genai()
    told = {}
    answer = chat.chat.completions.create(model=model, messages=asked(prompt))
    told["chat"] = answer.choices[0].message.content
    stream = chat.chat.completions.create(model=model, messages=asked(prompt), stream=True)
    told["chat stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    told["responses"] = chat.responses.create(model=model, input=prompt).output_text
    with chat.responses.stream(model=model, input=prompt) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == deltas
    told["responses stream"] = deltas
    ask = {"model": model, "max_tokens": 100, "messages": asked(prompt)}
    told["messages"] = claude.messages.create(**ask).content[0].text
    with claude.messages.stream(**ask) as stream:
        told["messages stream"] = "".join(stream.text_stream)
    told["gemini"] = gemini.models.generate_content(model=model, contents=prompt).text
    stream = gemini.models.generate_content_stream(model=model, contents=prompt)
    told["gemini stream"] = "".join(chunk.text or "" for chunk in stream)
    return told


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_redacted(gateway: Gateway, make_stack: MakeStack, alpha: Simulator, kind: str) -> None:
    stack = make_stack()
    stack.add(alpha, kind=kind)
    alpha.always(text=TOLD)
    assert set(texts(gateway, stack.name, "Hello").values()) == {TOLD}, "without a guard"
    guard(stack, CARD | {"on": "response"})
    told = texts(gateway, stack.name, "Hello")
    assert told == dict.fromkeys(told, REDACTED)
    assert gateway.metrics()['gateway_guards_total{stage="response",result="redacted"}'] >= 4
    rows = stack.rows(16)
    assert all((row["status_code"], row["error_class"]) == (200, None) for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_are_redacted(gateway: Gateway, make_stack: MakeStack, alpha: Simulator, kind: str) -> None:
    stack = make_stack()
    stack.add(alpha, kind=kind)
    guard(stack, CARD | {"on": "request", "replacement": "(a number)"})
    texts(gateway, stack.name, TOLD)
    seen = alpha.seen()
    assert len(seen) == 8
    for request in seen:
        assert "1111" not in str(request.body), request
        assert "Pay with (a number), and with (a number)." in str(request.body), request


def test_requests_are_denied_in_each_protocol(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    guard(stack, DENIED)
    prompt, chat, claude = "Call Voldemort", gateway.openai(), gateway.anthropic()
    told = "the request was refused by the content guard 'names'"
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match=told) as refused:
            chat.chat.completions.create(model=stack.name, messages=asked(prompt), stream=stream)
        assert refused.value.type == "invalid_request_error"
        with pytest.raises(openai.BadRequestError, match=told):
            chat.responses.create(model=stack.name, input=prompt, stream=stream)
        with pytest.raises(anthropic.BadRequestError, match=told) as refused:
            claude.messages.create(model=stack.name, max_tokens=9, messages=asked(prompt), stream=stream)
        assert refused.value.body["error"]["type"] == "invalid_request_error"
    with pytest.raises(errors.ClientError, match=told) as refused:
        gateway.genai().models.generate_content(model=stack.name, contents=prompt)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert alpha.received() == 0
    for row in stack.rows(7):
        assert (row["status_code"], row["error_class"], row["attempts"]) == (400, "guard_denied", [])
    assert gateway.metrics()['gateway_guards_total{stage="request",result="denied"}'] >= 7
    chat.chat.completions.create(model=stack.name, messages=asked("Call Harry"))


def test_answers_are_denied(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    guard(stack, DENIED)
    alpha.always(text="It was Voldemort, they said.")
    chat, claude, told = gateway.openai(), gateway.anthropic(), "the answer was withheld by the content guard 'names'"
    with pytest.raises(openai.BadRequestError, match=told):
        chat.chat.completions.create(model=stack.name, messages=asked("Who?"))
    heard = []
    with pytest.raises(openai.APIError, match=told):
        for chunk in chat.chat.completions.create(model=stack.name, messages=asked("Who?"), stream=True):
            heard += [choice.delta.content or "" for choice in chunk.choices]
    assert "Vol" not in "".join(heard)
    with pytest.raises(anthropic.APIStatusError, match=told):
        with claude.messages.stream(model=stack.name, max_tokens=99, messages=asked("Who?")) as stream:
            assert "Vol" not in "".join(stream.text_stream)
    rows = stack.rows(3)
    assert {row["error_class"] for row in rows} == {"guard_denied"}
    # It has answered, and is paid for it.
    for row in rows:
        [attempt] = row["attempts"]
        assert attempt["error_class"] is None
        assert row["completion_tokens"] > 0
    [health] = [it for it in gateway.admin.get("/health")["providers"] if it["provider_id"] == stack.providers[0]["id"]]
    assert (health["state"], health["error_count"]) == ("healthy", 0)


def test_arguments_of_tools_stay_json(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    guard(stack, CARD)
    alpha.always(tool_calls=[{"name": "pay", "arguments": {"card": NUMBER, "note": 'a "b"'}}])
    tool = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object", "properties": {}}}}
    asks = {"model": stack.name, "messages": asked("Pay"), "tools": [tool]}
    client = gateway.openai()
    [call] = client.chat.completions.create(**asks).choices[0].message.tool_calls
    chunks = client.chat.completions.create(**asks, stream=True)
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    streamed = "".join(call.function.arguments or "" for call in calls)
    for arguments in (call.function.arguments, streamed):
        assert NUMBER not in arguments
        assert '"[redacted]"' in arguments and r"a \"b\"" in arguments, arguments


def test_guards_of_a_key_and_of_all(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(GATEWAY_GUARDS='{"rules": [{"name": "all", "pattern": "aaa", "action": "deny"}]}')
    stack = Stack.make(gateway, [alpha])
    rule = {"name": "key", "pattern": "bbb", "action": "deny"}
    key = gateway.admin.key("guarded", guards={"rules": [rule]})

    def refused(secret: str | None, prompt: str) -> bool:
        client = gateway.openai(secret) if secret else gateway.openai()
        try:
            client.chat.completions.create(model=stack.name, messages=asked(prompt))
        except openai.BadRequestError:
            return True
        return False

    assert [refused(None, text) for text in ("aaa", "bbb", "ccc")] == [True, False, False]
    assert [refused(key["key"], text) for text in ("aaa", "bbb", "ccc")] == [True, True, False]
    gateway.admin.patch(f"/keys/{key['id']}", {"guards": None})
    assert not refused(key["key"], "bbb")


def test_moderation(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    guard(stack, CARD, moderation=moderator | {"model": "mod-1"})
    client = gateway.openai()
    client.chat.completions.create(model=stack.name, messages=asked(f"Peace. {NUMBER}"))
    [request] = beta.seen()
    assert request.body == {"input": "Peace. [redacted]", "model": "mod-1"}
    with pytest.raises(openai.BadRequestError, match="refused by moderation"):
        client.chat.completions.create(model=stack.name, messages=asked("violence"), stream=True)
    with pytest.raises(anthropic.BadRequestError, match="refused by moderation"):
        gateway.anthropic().messages.create(model=stack.name, max_tokens=9, messages=asked("violence"))
    assert alpha.received() == 1
    assert sorted(row["error_class"] or "" for row in stack.rows(3)) == ["", "guard_denied", "guard_denied"]


@pytest.mark.parametrize("trouble", ["down", "slow", "failing", "nonsense"])
def test_a_moderation_endpoint_that_does_not_answer(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, trouble: str
) -> None:
    stack = make_stack(alpha)
    url = f"{beta.base_url}/moderations"
    if trouble == "down":
        url = f"http://127.0.0.1:{free_port()}/moderations"
    behaviour = {"slow": {"ttft_ms": 20_000}, "failing": {"status": 500}, "nonsense": {"body": {"results": []}}}
    beta.always(**behaviour.get(trouble, {}))
    client, failed = gateway.openai(), 'gateway_guards_total{stage="request",result="failed"}'
    before = gateway.metrics().get(failed, 0)
    guard(stack, moderation={"url": url, "timeout_ms": 500, "on_failure": "allow"})
    client.chat.completions.create(model=stack.name, messages=asked("Hello"))
    guard(stack, moderation={"url": url, "timeout_ms": 500})
    with pytest.raises(openai.InternalServerError, match="could not be moderated") as refused:
        client.chat.completions.create(model=stack.name, messages=asked("Hello"))
    assert refused.value.status_code == 503
    assert alpha.received() == 1
    assert sorted(row["error_class"] or "" for row in stack.rows(2)) == ["", "guard_failed"]
    assert gateway.metrics()[failed] >= before + 2


@pytest.mark.parametrize("on", ["request", "response"])
def test_moderation_has_no_more_time_than_the_request(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict, on: str
) -> None:
    stack = make_stack(alpha)
    beta.always(ttft_ms=20_000)
    guard(stack, moderation=moderator | {"on": on, "timeout_ms": 15_000, "on_failure": "allow"})
    with pytest.raises(openai.InternalServerError, match="moderation has not judged it yet") as late:
        hurry = {"x-gateway-timeout": "1"}
        client = gateway.openai().with_options(max_retries=0)
        client.chat.completions.create(model=stack.name, messages=asked("Hello"), extra_headers=hurry)
    assert late.value.status_code == 504
    [row] = stack.rows(1)
    assert (row["status_code"], row["error_class"]) == (504, "timeout")
    assert row["latency_ms"] < 10_000
    assert alpha.received() == (on == "response")


def test_answers_are_moderated_before_they_are_told(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    guard(stack, CARD, moderation=moderator | {"on": "response"})
    chat, claude, gemini, ask = gateway.openai(), gateway.anthropic(), gateway.genai(), asked("Tell of violence")
    alpha.always(text=f"Peace. {NUMBER}")
    assert chat.chat.completions.create(model=stack.name, messages=ask).choices[0].message.content == "Peace. [redacted]"
    [request] = beta.seen()
    assert request.body == {"input": "Peace. [redacted]"}, "the answer, redacted, and not the request"
    alpha.always(text="There was violence.")
    told = "the answer was withheld by moderation"
    with pytest.raises(openai.BadRequestError, match=told) as refused:
        chat.chat.completions.create(model=stack.name, messages=ask)
    assert refused.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match=told):
        chat.responses.create(model=stack.name, input="Tell of violence")
    with pytest.raises(anthropic.BadRequestError, match=told) as refused:
        claude.messages.create(model=stack.name, max_tokens=99, messages=ask)
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    with pytest.raises(errors.ClientError, match=told) as refused:
        gemini.models.generate_content(model=stack.name, contents="Tell of violence")
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    rows = stack.rows(5)[1:]
    for row in rows:
        assert (row["status_code"], row["error_class"]) == (400, "guard_denied")
        assert row["completion_tokens"] > 0, "it has answered, and is paid for it"
        assert [attempt["error_class"] for attempt in row["attempts"]] == [None]
    assert gateway.metrics()['gateway_guards_total{stage="response",result="denied"}'] >= 4
    # Of the arguments of tools it is asked too; of both it may be.
    alpha.always(tool_calls=[{"name": "act", "arguments": {"with": "violence"}}])
    tool = {"type": "function", "function": {"name": "act", "parameters": {"type": "object", "properties": {}}}}
    with pytest.raises(openai.BadRequestError, match=told):
        chat.chat.completions.create(model=stack.name, messages=ask, tools=[tool])
    guard(stack, moderation=moderator | {"on": "both"})
    with pytest.raises(openai.BadRequestError, match="the request was refused by moderation"):
        chat.chat.completions.create(model=stack.name, messages=ask)
    assert alpha.received() == 6


def test_streams_of_moderated_answers_may_be_refused_or_let_pass(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    guard(stack, CARD, moderation=moderator | {"on": "response", "streams": "deny"})
    chat, claude, gemini = gateway.openai(), gateway.anthropic(), gateway.genai()
    alpha.always(text=f"There was violence. {NUMBER}")
    told = "answers are moderated, which this stream cannot be"
    with pytest.raises(openai.BadRequestError, match=told) as refused:
        chat.chat.completions.create(model=stack.name, messages=asked("Hello"), stream=True)
    assert refused.value.param == "stream"
    with pytest.raises(openai.BadRequestError, match=told):
        chat.responses.create(model=stack.name, input="Hello", stream=True)
    with pytest.raises(anthropic.BadRequestError, match=told):
        claude.messages.create(model=stack.name, max_tokens=99, messages=asked("Hello"), stream=True)
    with pytest.raises(errors.ClientError, match=told):
        list(gemini.models.generate_content_stream(model=stack.name, contents="Hello"))
    assert (alpha.received(), beta.received()) == (0, 0)
    guard(stack, CARD, moderation=moderator | {"on": "response", "streams": "allow"})
    stream = chat.chat.completions.create(model=stack.name, messages=asked("Hello"), stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "There was violence. [redacted]", "rules hold for it"
    assert beta.received() == 0
    with pytest.raises(openai.BadRequestError, match="withheld by moderation"):
        chat.chat.completions.create(model=stack.name, messages=asked("Hello"))


def test_an_answer_that_cannot_be_moderated(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    beta.always(status=500)
    client = gateway.openai(max_retries=2)
    guard(stack, moderation=moderator | {"on": "response", "on_failure": "allow"})
    client.chat.completions.create(model=stack.name, messages=asked("Hello"))
    guard(stack, moderation=moderator | {"on": "response"})
    with pytest.raises(openai.InternalServerError, match="the answer could not be moderated") as refused:
        client.chat.completions.create(model=stack.name, messages=asked("Hello"))
    assert refused.value.status_code == 503
    assert alpha.received() == 2, "no SDK pays twice for it"
    assert sorted(row["error_class"] or "" for row in stack.rows(2)) == ["", "guard_failed"]


def test_the_texts_of_uploads_are_guarded_and_their_files_are_not(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, moderator: dict
) -> None:
    stack = make_stack(alpha)
    guard(stack, CARD, DENIED, moderation=moderator)
    client = gateway.openai()
    picture = b"Voldemort \xff " + NUMBER.encode()
    edit = client.images.edit(model=stack.name, prompt=f"A dog {NUMBER}", image=("Voldemort.png", picture), size="1024x1024")
    assert base64.b64decode(edit.data[0].b64_json) == picture
    assert beta.seen()[-1].body == {"input": "A dog [redacted]"}
    sound = ("a.wav", b"RIFF" + bytes(range(256)))
    with pytest.raises(openai.BadRequestError, match="refused by the content guard 'names'"):
        client.audio.transcriptions.create(model=stack.name, file=sound, prompt="Said by Voldemort")
    with pytest.raises(openai.BadRequestError, match="refused by moderation"):
        client.audio.transcriptions.create(model=stack.name, file=sound, prompt="Of violence")
    # A text that claims to be a file, and one that nobody can read.
    form = {"model": (None, stack.name), "image": picture, "prompt": ("a.txt", b"Voldemort")}
    headers = {"authorization": f"Bearer {client.api_key}"}
    edits = f"{str(client.base_url).rstrip('/')}/images/edits"
    answer = httpx.post(edits, files=form, headers=headers)
    assert (answer.status_code, "content guard 'names'" in answer.text) == (400, True), answer.text
    answer = httpx.post(edits, files=form | {"prompt": (None, b"\xff")}, headers=headers)
    assert (answer.status_code, "no text in UTF-8" in answer.text) == (400, True), answer.text
    assert alpha.received() == 1
    guard(stack)
    answer = httpx.post(edits, files=form, headers=headers)
    assert answer.status_code == 200, answer.text


def test_guards_are_checked_by_name(gateway: Gateway, make_stack: MakeStack) -> None:
    stack = make_stack()
    for guards, field in [
        ({"rules": [CARD | {"pattern": "("}]}, "guards.rules[0].pattern"),
        ({"rules": [CARD | {"pattern": "a+"}]}, "guards.rules[0].pattern"),
        ({"rules": [CARD, CARD]}, "guards.rules[1].name"),
        ({"rules": [CARD | {"action": "shout"}]}, "guards.rules[0].action"),
        ({"moderation": {"url": "http://169.254.169.254/"}}, "guards.moderation.url"),
        ({"moderation": {"url": "http://m", "api_key": "sk-bare"}}, "guards.moderation.api_key"),
        ({"moderation": {"url": "http://m", "on": "answers"}}, "guards.moderation.on"),
        ({"moderation": {"url": "http://m", "streams": "hold"}}, "guards.moderation.streams"),
        ({"rule": []}, "guards.rule"),
    ]:
        for path, body in ((f"/policies/{stack.model['id']}", {}), ("/keys", {"name": "k"})):
            method = "PUT" if path != "/keys" else "POST"
            answer = gateway.admin.http.request(method, path, json={**body, "guards": guards})
            assert answer.status_code == 422, answer.text
            assert answer.json()["error"]["details"]["field"] == field, answer.text
