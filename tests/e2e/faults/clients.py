"""The faults of clients. Each is provoked and checked by a function, which tells what was seen."""

import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from harness.gateway import CLIENT_KEY, Gateway
from harness.raw import CHAT, raw_exchange, raw_head
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

from .exchange import ask, begin, body_of, seen_in
from .upstream import GOOD


@dataclass
class Scene:
    """What a fault is played with: a gateway with narrow bounds, a model `stack` of two good providers."""

    gateway: Gateway
    alpha: Simulator
    beta: Simulator
    stack: Stack
    folder: Path
    #: A connection that began a request long ago and never ended its head.
    slow: socket.socket

    def post(self, body: bytes | str, path: str = CHAT, **headers: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json", **headers}
        return self.gateway.http.post(path, content=body, headers=headers)

    def received(self) -> int:
        return self.alpha.received() + self.beta.received()

    def refused(self, body: bytes | str, code: int, path: str = CHAT, **headers: str) -> str:
        """A request that is refused and reaches no provider."""
        speaks = "messages" if "/messages" in path else "gemini" if "v1beta" in path else "chat"
        seen = seen_in(self.post(body, path, **headers), speaks)
        assert seen.startswith(str(code)), seen
        assert self.received() == 0
        return seen

    def assert_nobody_is_blamed(self) -> None:
        ids = {provider["id"] for provider in self.stack.providers}
        for report in self.gateway.admin.get("/health")["providers"]:
            if report["provider_id"] in ids:
                assert report["error_count"] == report["in_flight"] == 0, report
                assert all(it["error_count"] == it["in_flight"] == 0 for it in report["associations"]), report


Play = Callable[[Scene], str]
CLIENTS: list[tuple[str, str, Play]] = []


def of_client(id: str, name: str) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        CLIENTS.append((id, name, play))
        return play

    return register


def hang_up(scene: Scene, stream: bool, at: Any, reads: bytes) -> str:
    """Leaves while the provider is silent. The call is cancelled, and nobody else is asked."""
    for simulator in (scene.alpha, scene.beta):
        simulator.always(fault={"kind": "hang", "at": at})
    with begin(scene.stack, stream) as connection:
        wait_for(lambda: scene.received() == 1, "the request at the provider")
        seen = b""
        while reads and reads not in seen:
            seen += connection.recv(4096)
    ends = lambda: [it.outcome for it in scene.alpha.seen() + scene.beta.seen()]  # noqa: E731
    wait_for(lambda: ends() == ["client_cut"], "the end of the provider's call")
    [row] = scene.stack.rows(1)
    [attempt] = row["attempts"]
    assert attempt["error_class"] == row["error_class"]
    if reads:
        assert row["usage_source"] == "estimated" and row["completion_tokens"] > 0
    used = ", with the tokens seen so far, estimated" if reads else ""
    return f"the provider's call is cancelled, nobody else is asked; logged {row['status_code']} `{row['error_class']}`{used}"


@of_client("C01", "leaves in the middle of a stream")
def leaves_mid_stream(scene: Scene) -> str:
    return hang_up(scene, True, {"after_events": 6}, b" sit")


@of_client("C02", "leaves before the answer")
def leaves_before(scene: Scene) -> str:
    return hang_up(scene, False, "before_headers", b"")


@of_client("C02", "leaves before a stream's first content")
def leaves_before_a_stream(scene: Scene) -> str:
    return hang_up(scene, True, {"after_events": 1}, b"")


@of_client("C03", "sends its body too slowly")
def slow_body(scene: Scene) -> str:
    answer = raw_exchange(scene.gateway, raw_head(1000) + b'{"model":')
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ") and b"x-request-id: " in head
    assert scene.received() == 0 and ask(scene.stack, False).sees == GOOD
    return f"408 `{json.loads(body)['error']['code'] or json.loads(body)['error']['type']}` after `GATEWAY_BODY_TIMEOUT` between two pieces"


@of_client("C04", "never reads its stream")
def never_reads(scene: Scene) -> str:
    """The provider is read no faster than the client reads: what waits is bounded, however long the stream is."""
    for simulator in (scene.alpha, scene.beta):
        # Some 25 MB in small events: more than the system's own buffers hold.
        simulator.always(tokens=100_000)
    calm = Stack.make(scene.gateway, [scene.beta])
    before = resident(scene.gateway)
    with begin(scene.stack, stream=True):
        wait_for(lambda: scene.received() == 1, "the request at the provider")
        for simulator in (scene.alpha, scene.beta):
            simulator.script()
        assert ask(calm, True).sees == GOOD
        grown = resident(scene.gateway) - before
        assert grown < 4 << 20, grown
        running = lambda: scene.gateway.metrics()["gateway_requests_in_flight"]  # noqa: E731
        assert running() >= 1, "it waits for its client"
        wait_for(lambda: running() == 0, "the end of its patience")
    [row] = scene.stack.rows(1)
    return f"the provider is read no further, others are served; logged {row['status_code']} `{row['error_class']}` after `GATEWAY_WRITE_TIMEOUT`"


def resident(gateway: Gateway) -> int:
    """Bytes of memory that the gateway has."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


@of_client("C05", "body over the limit")
def too_large(scene: Scene) -> str:
    """Refused by what its head says: the body is never sent."""
    length = 1 << 30
    head, _, body = raw_exchange(scene.gateway, raw_head(length)).partition(b"\r\n\r\n")
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 413 ")
    lines = ["POST /v1/messages HTTP/1.1", "host: x", f"x-api-key: {CLIENT_KEY}", f"content-length: {length}"]
    other = raw_exchange(scene.gateway, ("\r\n".join(lines) + "\r\n\r\n").encode())
    head, _, body = other.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and scene.received() == 0
    return f"413 before it is read, `{told['error']['code'] or told['error']['type']}`; to Anthropic's clients `{json.loads(body)['error']['type']}`"


@of_client("C06", "200,000 levels of nesting")
def deep(scene: Scene) -> str:
    levels = 200_000
    seen = {
        scene.refused('{"model":"%s","messages":%s%s}' % (scene.stack.name, "[" * levels, "]" * levels), 400),
        scene.refused('{"model":"%s","messages":[],"x":%s1%s}' % (scene.stack.name, '{"a":' * levels, "}" * levels), 400),
    }
    [one] = seen
    return one


@of_client("C07", "invalid UTF-8, a NUL, nothing, no object")
def no_request(scene: Scene) -> str:
    bodies = [b'{"model":"m","messages":"\xff"}', b'{"model":"m",\x00"messages":[]}', b"", b"[1]", b'"m"']
    [one] = {scene.refused(body, 400) for body in bodies}
    assert all(" at byte " in scene.post(body).text for body in bodies[:3])
    return f"{one}, with the position in the message"


@of_client("C08", "the same key twice")
def twice(scene: Scene) -> str:
    name = scene.stack.name
    twins = [f'"model":"{name}","m\\u006fdel":"other","messages":[]', f'"model":"{name}","messages":[],"messages":[]',
             f'"model":"{name}","messages":[],"stream":true,"stream":false']
    [one] = {scene.refused("{%s}" % twin, 400) for twin in twins}
    return one


@of_client("C09", "unknown model")
def unknown_model(scene: Scene) -> str:
    body = '{"model":"nobody","max_tokens":1,"messages":[{"role":"user","content":"Hello"}]}'
    chat = scene.refused(body, 404)
    messages = scene.refused(body, 404, "/v1/messages")
    gemini = scene.refused('{"contents":[]}', 404, "/v1beta/models/nobody:generateContent")
    with pytest.raises(anthropic.NotFoundError):
        scene.gateway.anthropic().messages.create(model="nobody", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    return f"{chat}, {messages}, {gemini}"


@of_client("C10", "needs what no provider of the model can")
def no_capability(scene: Scene) -> str:
    stack = Stack.make(scene.gateway)
    stack.add(scene.alpha, association={"tool_call": False})
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    body = body_of(stack, "chat", False)[1] | {"tools": tools}
    response = scene.post(json.dumps(body))
    assert "tool" in response.json()["error"]["message"] and scene.received() == 0
    return f"{seen_in(response, 'chat')}, naming the capability"


@of_client("C10", "every provider of the model is unhealthy")
def all_unhealthy(scene: Scene) -> str:
    for simulator in (scene.alpha, scene.beta):
        simulator.always(error="invalid_api_key")
    assert ask(scene.stack, False).sees.startswith("502")
    before = scene.received()
    for simulator in (scene.alpha, scene.beta):
        simulator.script()
    seen = ask(scene.stack, False).sees
    assert seen == GOOD and scene.received() > before
    return f"the least bad one is tried all the same: {seen}"


@of_client("C10", "every provider of the model is disabled")
def all_disabled(scene: Scene) -> str:
    for association in scene.stack.associations:
        scene.gateway.admin.patch(f"/model-providers/{association['id']}", {"enabled": False})
    return scene.refused(json.dumps(body_of(scene.stack, "chat", False)[1]), 503)


@of_client("C11", "values of the wrong type")
def wrong_types(scene: Scene) -> str:
    base = body_of(scene.stack, "chat", False)[1]
    for name, value in (("model", 7), ("messages", "x"), ("stream", "true"), ("tools", {}), ("stream_options", 1)):
        response = scene.post(json.dumps(base | {name: value, **({"stream": True} if name == "stream_options" else {})}))
        seen = seen_in(response, "chat")
        assert seen.startswith("400") and name in response.text, response.text
    assert scene.received() == 0
    return f"{seen}, naming the field"


@of_client("C12", "HTTP that two readers could read differently")
def smuggling(scene: Scene) -> str:
    """Whatever is answered, the connection is closed and what follows is not taken for a request."""
    second = raw_head(2) + b"{}"
    body = json.dumps(body_of(scene.stack, "chat", False)[1]).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    # Two lengths, of which one has to win: the only one that may be served.
    both = raw_head(4, "transfer-encoding: chunked") + chunked
    attacks = [
        both,
        raw_head(len(body), f"content-length: {len(body) + 5}") + body,
        raw_head(-1, "transfer-encoding: chunked") + b"zz\r\n" + body,
        raw_head(len(body), "x-folded: a\r\n b") + body,
        raw_head(len(body), "x-space : a") + body,
        raw_head(-1, "transfer-encoding: chunked, identity") + chunked,
        raw_head(-1, "transfer-encoding: xchunked") + chunked,
        raw_head(-1, "transfer-encoding: identity", "transfer-encoding: chunked, x") + chunked,
        raw_head(-1, "transfer-encoding : chunked") + chunked,
        raw_head(-1, "content-length: +2") + body,
        raw_head(-1, "content-length: 0x2") + body,
        raw_head(-1, "content-length: 2, 3") + body,
        raw_head(-1, "content-length: -1") + body,
        raw_head(-1, "x-nul: a\0b", "content-length: 2") + body,
        raw_head(-1, "transfer-encoding: chunked") + b"-1\r\n" + body,
        raw_head(-1, "transfer-encoding: chunked") + b"ffffffffffffffffff\r\n" + body,
        raw_head(-1, "transfer-encoding: chunked") + b"%x\r\n%sXX0\r\n\r\n" % (len(body), body),
    ]
    for attack in attacks:
        with socket.create_connection(("127.0.0.1", scene.gateway.port), timeout=20) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(attack + second)
            answers = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(65536):
                    answers += piece
        codes = [line.split()[1] for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert codes in ([b"400"], [b"200"], []), (attack, answers)
        assert codes != [b"200"] or attack == both, attack
    assert ask(scene.stack, False).sees == GOOD
    return "400, or with both lengths the chunked body; then the connection is closed"


@of_client("C13", "headers that are no provider's business")
def headers_up(scene: Scene) -> str:
    sent = {"cookie": "a=b", "x-forwarded-for": "1.2.3.4", "x-stainless-lang": "js", "x-own": "1", "forwarded": "for=1.2.3.4",
            "te": "trailers", "openai-beta": "assistants=v2"}
    assert ask(scene.stack, False, **sent).sees == GOOD
    [seen] = scene.alpha.seen() + scene.beta.seen()
    got = {name: value for name, value in seen.headers.items() if name in sent}
    assert got == {"openai-beta": "assistants=v2"}, got
    assert CLIENT_KEY not in str(seen.headers)
    return "only those on a list are passed on"


@of_client("C14", "headers of a provider that are no client's business")
def headers_down(scene: Scene) -> str:
    told = {"set-cookie": "a=b", "server": "secret/1", "x-internal": "1", "strict-transport-security": "max-age=1",
            "x-ratelimit-remaining-requests": "7"}
    for simulator in (scene.alpha, scene.beta):
        simulator.always(headers=told)
    for stream in (False, True):
        answer = ask(scene.stack, stream)
        assert {name for name in told if name in answer.headers} == {"x-ratelimit-remaining-requests"}
    return "only those on a list are passed on"


@of_client("C15", "a path in the name of a model")
def path_tricks(scene: Scene) -> str:
    name = scene.stack.name
    for trick in (f"../{name}", f"{name}/../..", f"{name}%2f..", f"{name}:verb", f"{name}\r\nx: y", f"{name}?key=1", "..%2f.."):
        scene.refused(json.dumps({"model": trick, "messages": []}), 404)
    for trick in (f"..%2f{name}", f"{name}%2f..", "%2e%2e", f"{name}%0d%0ax"):
        scene.refused('{"contents":[]}', 404, f"/v1beta/models/{trick}:generateContent")
    return "404: a name is only looked up, and no path is made of it"


@of_client("C03", "sends its head too slowly")
def slow_head(scene: Scene) -> str:
    """Begun before all others, so that its patience is over by now."""
    scene.slow.settimeout(40)
    with contextlib.suppress(ConnectionError):
        answer = scene.slow.recv(4096)
        assert not answer or answer.startswith(b"HTTP/1.1 408 "), answer
    assert ask(scene.stack, False).sees == GOOD
    return "the connection is closed after 30 s; others are served"
