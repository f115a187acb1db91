"""One request as plain HTTP, and what its client saw, in the words of the document."""

import json
import socket
from dataclasses import dataclass
from typing import Any

import httpx

from harness.gateway import CLIENT_KEY, PROVIDER_KEY
from harness.raw import raw_head
from harness.stack import Stack

#: Where a protocol has what it calls an error.
CODES = {"chat": "code", "messages": "type", "gemini": "status"}
#: Where it has what a model says.
CONTENTS = {"chat": "choices", "messages": "content", "gemini": "candidates"}


@dataclass(frozen=True)
class Answer:
    """What a client saw."""

    sees: str
    status: int
    headers: httpx.Headers
    text: str


def body_of(stack: Stack, speaks: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a plain request."""
    messages = [{"role": "user", "content": "Hello"}]
    match speaks:
        case "chat":
            return "/v1/chat/completions", {"model": stack.name, "messages": messages, "stream": stream}
        case "messages":
            body = {"model": stack.name, "messages": messages, "stream": stream, "max_tokens": 64}
            return "/v1/messages", body
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{stack.name}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def ask(stack: Stack, stream: bool, speaks: str = "chat", **headers: str) -> Answer:
    path, body = body_of(stack, speaks, stream)
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": "2023-06-01", **headers}
    if speaks != "messages":
        del headers["anthropic-version"]
    response = stack.gateway.http.post(path, json=body, headers=headers)
    return told(response, speaks)


def begin(stack: Stack, stream: bool) -> socket.socket:
    """Sends a request and waits for nothing."""
    body = json.dumps(body_of(stack, "chat", stream)[1]).encode()
    connection = socket.create_connection(("127.0.0.1", stack.gateway.port), timeout=20)
    connection.sendall(raw_head(len(body)) + body)
    return connection


def told(response: httpx.Response, speaks: str = "chat") -> Answer:
    """Reads an answer, and checks what holds for all."""
    assert response.headers["x-request-id"]
    whole = response.text + str(response.headers)
    for secret in (PROVIDER_KEY, "127.0.0.1", "<html", "no-such-host"):
        assert secret not in whole, whole
    return Answer(seen_in(response, speaks), response.status_code, response.headers, response.text)


def seen_in(response: httpx.Response, speaks: str) -> str:
    if response.status_code != 200:
        assert response.headers["content-type"].startswith("application/json")
        error = response.json()["error"]
        assert error["message"]
        word = error[CODES[speaks]] or error.get("type")
        return f"{response.status_code} `{word}`"
    if not response.headers["content-type"].startswith("text/event-stream"):
        [content, *_] = response.json()[CONTENTS[speaks]]
        assert speaks != "chat" or content["message"]["content"]
        return "200"
    events = [event for event in response.text.split("\n\n") if event.startswith("data:")]
    last = events[-1].removeprefix("data:").strip()
    if last == "[DONE]":
        return "200"
    # Nothing invents an end.
    assert "[DONE]" not in response.text and '"finish_reason":"' not in response.text
    assert '"content":"Lor' in response.text, "the answer's beginning, in whatever pieces"
    return f"content, then the error event `{json.loads(last)['error']['code']}`"
