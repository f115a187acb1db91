"""Whatever clients send: an error in OpenAI's format with the right status, no upstream call, and a gateway that lives."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from conftest import MakeDatabase
from harness.gateway import CLIENT_KEY, Gateway, migrate
from harness.raw import raw_head
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

LARGEST_BODY = 200_000
BODY_TIMEOUT = 0.5
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def stack(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory, _alpha: Simulator) -> Iterator[Stack]:
    """A gateway with narrow bounds, and a model `m` that would answer."""
    database = make_database()
    migrate(database)
    bounds = {"GATEWAY_MAX_BODY": str(LARGEST_BODY), "GATEWAY_BODY_TIMEOUT": str(BODY_TIMEOUT)}
    gateway = Gateway(database, tmp_path_factory.mktemp("gateway"), **bounds)
    stack = Stack(gateway, gateway.admin.model("m"))
    stack.add(_alpha)
    yield stack
    gateway.close()


@dataclass(frozen=True)
class Bad:
    """A request that must be refused."""

    name: str
    status: int
    body: bytes = b'{"model":"m","messages":[{"role":"user","content":"Hello"}]}'
    method: str = "POST"
    path: str = CHAT
    headers: dict[str, str | bytes] = field(default_factory=dict)
    #: What the message or the parameter must name.
    says: str = ""


def chat(**fields) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}], **fields}).encode()


def without(name: str) -> bytes:
    body = json.loads(chat())
    del body[name]
    return json.dumps(body).encode()


NO_KEY = {"authorization": ""}
DEEP = b'{"model":"m","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
DEEP_OBJECT = b'{"model":"m","messages":[],"metadata":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}"

CASES = [
    Bad("broken JSON", 400, b'{"model":"m","messages":['),
    Bad("two values", 400, chat() + b"{}"),
    Bad("no JSON at all", 400, b"model=m"),
    Bad("nothing", 400, b""),
    Bad("an array", 400, b'[{"model":"m"}]'),
    Bad("a string", 400, b'"m"'),
    Bad("null", 400, b"null"),
    Bad("invalid UTF-8", 400, b'{"model":"m","messages":[{"role":"user","content":"\xff\xfe"}]}'),
    Bad("invalid UTF-8 in the model", 400, b'{"model":"\xc3\x28","messages":[]}'),
    Bad("a NUL byte", 400, b'{"model":"m",\x00"messages":[]}'),
    Bad("NUL bytes only", 400, bytes(64)),
    Bad("a raw control character", 400, b'{"model":"m","messages":[{"role":"user","content":"a\nb"}]}'),
    Bad("a lone surrogate as the model", 400, b'{"model":"\\ud800","messages":[]}'),
    Bad("a byte order mark", 400, b"\xef\xbb\xbf" + chat()),
    Bad("comments", 400, b'{"model":"m", /* hi */ "messages":[]}'),
    Bad("NaN", 400, b'{"model":"m","messages":[],"temperature":NaN}'),
    Bad("10,000 arrays deep", 400, DEEP),
    Bad("10,000 objects deep", 400, DEEP_OBJECT),
    Bad("the same key twice", 400, b'{"model":"m","model":"m2","messages":[]}', says="model"),
    Bad("the same key twice, once escaped", 400, b'{"model":"m","m\\u006fdel":"m2","messages":[]}', says="model"),
    Bad("no model", 400, without("model"), says="model"),
    Bad("the model a number", 400, chat(model=7), says="model"),
    Bad("the model null", 400, chat(model=None), says="model"),
    Bad("the model empty", 400, chat(model=""), says="model"),
    Bad("unknown model", 404, chat(model="nobody"), says="nobody"),
    Bad("a model with a NUL", 404, chat(model="m\0")),
    Bad("a model of 100,000 characters", 404, chat(model="m" * 100_000)),
    Bad("messages a string", 400, chat(messages="Hello"), says="messages"),
    Bad("messages a number", 400, chat(messages=1), says="messages"),
    Bad("stream a string", 400, chat(stream="true"), says="stream"),
    Bad("stream options a string", 400, chat(stream=True, stream_options="usage"), says="stream_options"),
    Bad("tools an object", 400, chat(tools={}), says="tools"),
    Bad("n a string", 400, chat(stream=True, n="two"), says="n"),
    Bad("too large, announced", 413, chat(padding="x" * LARGEST_BODY)),
    Bad("compressed", 400, chat(), headers={"content-encoding": "gzip"}),
    Bad("no key", 401, headers=NO_KEY),
    Bad("wrong key", 401, headers={"authorization": "Bearer sk-wrong"}),
    Bad("key of another scheme", 401, headers={"authorization": f"Basic {CLIENT_KEY}"}),
    Bad("key that is no text", 401, headers={"authorization": b"Bearer \xff\xfe"}),
    Bad("a very long key", 401, headers={"authorization": "Bearer " + "k" * 16_000}),
    Bad("no key and no JSON", 401, b"{", headers=NO_KEY),
    Bad("no key on an unknown path", 401, path="/v1/nothing", headers=NO_KEY),
    Bad("wrong method", 405, b"", method="GET"),
    Bad("wrong method for models", 405, method="POST", path="/v1/models"),
    Bad("DELETE", 405, b"", method="DELETE", path="/v1/models/m"),
    Bad("unknown path", 404, path="/v1/nothing"),
    Bad("files, which are not served", 404, b"", method="GET", path="/v1/files"),
    Bad("a path that climbs", 404, path="/v1/../v1/chat/completions/../x"),
    Bad("a path with a NUL", 404, path="/v1/%00"),
    Bad("embeddings without input", 400, b'{"model":"m"}', path="/v1/embeddings", says="input"),
    Bad("unknown provider", 400, headers={"x-gateway-provider": "nobody"}, says="nobody"),
    Bad("a provider that is no text", 400, headers={"x-gateway-provider": b"\xff"}, says="x-gateway-provider"),
    Bad("an unknown fallback", 400, headers={"x-gateway-fallback-providers": "a,,b"}),
    Bad("a timeout that is none", 400, headers={"x-gateway-timeout": "soon"}, says="x-gateway-timeout"),
    Bad("a negative timeout", 400, headers={"x-gateway-timeout": "-1"}, says="x-gateway-timeout"),
    Bad("an endless timeout", 400, headers={"x-gateway-timeout": "inf"}, says="x-gateway-timeout"),
    Bad("too many retries", 400, headers={"x-gateway-retry-count": "6"}, says="x-gateway-retry-count"),
    Bad("half a retry", 400, headers={"x-gateway-retry-count": "0.5"}, says="x-gateway-retry-count"),
    Bad("an empty session", 400, headers={"x-gateway-session": ""}, says="x-gateway-session"),
]


def assert_is_openai_error(response: httpx.Response, status: int, says: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["x-request-id"]
    body = response.json()
    assert body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["message"] and body["error"]["type"]
    assert says in body["error"]["message"] or says == body["error"]["param"], body


def assert_unharmed(stack: Stack, alpha: Simulator) -> None:
    """Nothing was sent to the provider, and a good request still is."""
    assert alpha.received() == 0, alpha.seen()
    assert stack.gateway.process.exit_code is None
    answer = stack.gateway.openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content
    assert alpha.received() == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_requests(stack: Stack, alpha: Simulator, case: Bad) -> None:
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json", **case.headers}
    if not headers["authorization"]:
        del headers["authorization"]
    response = stack.gateway.http.request(case.method, case.path, content=case.body, headers=headers)
    assert_is_openai_error(response, case.status, case.says)
    assert_unharmed(stack, alpha)


@pytest.mark.sqlite_only
def test_a_body_too_large_that_does_not_say_so(stack: Stack, alpha: Simulator) -> None:
    def pieces() -> Iterator[bytes]:
        yield chat()[:-1] + b',"padding":"'
        for _ in range(LARGEST_BODY // 10_000):
            yield b"x" * 10_000
        yield b'"}'

    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    response = stack.gateway.http.post(CHAT, content=pieces(), headers=headers)
    assert_is_openai_error(response, 413)
    assert_unharmed(stack, alpha)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("path", "key", "status"),
    [(CHAT, "sk-wrong", 401), ("/v1/nothing", CLIENT_KEY, 404), (CHAT, CLIENT_KEY, 413), ("/api/models", "wrong", 401)],
)
def test_an_answer_that_comes_before_the_body_reaches_its_client(
    stack: Stack, alpha: Simulator, path: str, key: str, status: int
) -> None:
    """However much is still on its way; and the connection can be used again."""
    length = 8_000_000
    lines = [f"POST {path} HTTP/1.1", "host: x", f"authorization: Bearer {key}", f"content-length: {length}"]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", stack.gateway.port), timeout=20) as connection:
        for _ in range(2):
            connection.sendall(head)
            answer = connection.recv(65536)
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())
            connection.sendall(b"x" * length)
    assert_unharmed(stack, alpha)


@pytest.mark.sqlite_only
def test_a_body_that_breaks_off(stack: Stack, alpha: Simulator) -> None:
    before = stack.gateway.database.count("request_logs")
    with socket.create_connection(("127.0.0.1", stack.gateway.port)) as connection:
        connection.sendall(raw_head(1000) + b'{"model":')
    wait_for(lambda: stack.gateway.database.count("request_logs") > before, "the row of the broken request")
    assert_unharmed(stack, alpha)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "request_bytes",
    [b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"POST /v1/x HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
    + [b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n"],
)
def test_what_is_no_http(stack: Stack, alpha: Simulator, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.gateway.port), timeout=20) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert not answer or answer.split(b" ")[1] in (b"400", b"505")
    assert_unharmed(stack, alpha)


def test_keys_that_are_not_accepted(stack: Stack, alpha: Simulator) -> None:
    admin = stack.gateway.admin
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    cases = [
        (admin.key("disabled", enabled=False), 401),
        (admin.key("expired", expires_at=past), 401),
        (admin.key("for another model", allowed_models=["other"]), 403),
        (admin.key("for no model", allowed_models=[]), 403),
        (admin.key("for another provider", allowed_providers=["other"]), 403),
    ]
    for key, status in cases:
        headers = {"authorization": f"Bearer {key['key']}"}
        response = stack.gateway.http.post(CHAT, content=chat(), headers=headers)
        assert_is_openai_error(response, status)
    assert_unharmed(stack, alpha)


def test_each_refused_request_of_a_known_key_has_its_row(stack: Stack, alpha: Simulator) -> None:
    key = stack.gateway.admin.key("counted")
    headers = {"authorization": f"Bearer {key['key']}"}
    bad = [case for case in CASES if not case.headers]
    for case in bad:
        stack.gateway.http.request(case.method, case.path, content=case.body, headers=headers)
    where = "user_id = 'counted'"
    logs = stack.gateway.database.request_logs
    wait_for(lambda: len(logs(where)) >= len(bad), "all rows")
    assert [row["status_code"] for row in logs(where)] == [case.status for case in bad]
    assert all(row["attempts"] == [] for row in logs(where))
    assert_unharmed(stack, alpha)
