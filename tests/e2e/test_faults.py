"""Every fault of providers, of clients and of the gateway's surroundings, by its id; what is seen makes `docs/faults.md`."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeDatabase, MakeGateway
from faults.clients import CLIENTS, Scene
from faults.exchange import ask
from faults.observed import DOCUMENT, IDS, Line, Observed
from faults.surroundings import SURROUNDINGS, Surroundings
from faults.upstream import BOTH, FAULTS, GOOD, MISCONFIGURED, MODEL, NOBODY, PAUSE, TOLD, Fault
from harness.gateway import Gateway, migrate
from harness.simulator import Simulator
from harness.stack import Stack
from test_sdk import TEXT, asking, text_of

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def observed() -> Observed:
    return Observed()


@pytest.fixture(scope="module")
def bounded(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with narrow bounds."""
    database = make_database()
    migrate(database)
    narrow = {"GATEWAY_BODY_TIMEOUT": "0.5", "GATEWAY_WRITE_TIMEOUT": "5"}
    gateway = Gateway(database, tmp_path_factory.mktemp("gateway"), LOG_FORMAT="json", **narrow)
    yield gateway
    gateway.close()


def held_against(stack: Stack) -> str:
    """What the first provider's health says of the fault."""
    [report] = [it for it in stack.gateway.admin.get("/health")["providers"] if it["provider_id"] == stack.providers[0]["id"]]
    [association] = report["associations"] or [{"error_count": 0, "cooling_until": None, "in_flight": 0}]
    assert (report["in_flight"], association["in_flight"]) == (0, 0)
    if report["reason"] == "misconfigured":
        return MISCONFIGURED
    if association["cooling_until"]:
        assert report["error_count"] == association["error_count"] == 0
        return PAUSE
    return {(0, 0): NOBODY, (0, 1): MODEL, (1, 1): BOTH}[report["error_count"], association["error_count"]]


def lines_of(gateway: Gateway, request_id: str) -> list[dict[str, Any]]:
    """What the log says of a request."""
    lines = (json.loads(line) for line in gateway.process.stdout.splitlines() if request_id in line)
    return [line for line in lines if line.get("request.id") == request_id]


def faulty(gateway: Gateway, alpha: Simulator, case: Fault, folder: Path, stack: contextlib.ExitStack, retries: int) -> Stack:
    """A model whose only provider has the fault."""
    made = Stack.make(gateway, max_retry=retries)
    place: Any = stack.enter_context(case.at(alpha, folder)) if case.at else alpha
    kind = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}[case.kind]
    made.add(place, kind=case.kind, provider_model=kind, priority=200, **getattr(place, "config", {}))
    if case.policy:
        gateway.admin.policy(made.model, **case.policy)
    if not case.at:
        alpha.always(**(case.do() if callable(case.do) else case.do))
    if case.is_reused:
        assert ask(made, False).sees == GOOD
    return made


def alone(stack: Stack, alpha: Simulator, case: Fault, stream: bool) -> None:
    """Where no other provider is left."""
    before = alpha.received()
    answer = ask(stack, stream, case.speaks)
    assert answer.sees == case.sees, answer.text
    assert answer.headers["x-gateway-attempts"] == "1"
    if case.retry_after:
        assert int(answer.headers["retry-after"]) in TOLD
    row = stack.rows(2 if case.is_reused else 1)[-1]
    assert (row["status_code"], row["stream"]) == (answer.status, stream)
    assert (row["error_class"] is None) == (case.logged is None)
    [attempt] = row["attempts"]
    assert (attempt["error_class"], attempt["status"]) == (case.logged, case.status)
    if case.sees.startswith("content"):
        assert row["completion_tokens"] > 0 and row["usage_source"] == "estimated"
    if not case.at:
        assert alpha.received() - before == (2 if case.is_reused else 1)
    assert held_against(stack) == case.against
    sample = f'gateway_attempts_total{{provider="{stack.providers[0]["name"]}",outcome="{case.logged or "answered"}"}}'
    assert stack.gateway.metrics()[sample] == (2 if case.is_reused else 1)
    told = lines_of(stack.gateway, answer.headers["x-request-id"])
    if case.logged is None:
        assert not told, "nothing that anybody need look at"
    else:
        [line] = told
        assert (line["level"], line["error.class"]) == ("WARN", case.logged)
        assert line["provider.name"] == stack.providers[0]["name"] and line["error"]


def beside(stack: Stack, beta: Simulator, case: Fault, stream: bool) -> None:
    """Where a good provider of less priority is there too."""
    stack.add(beta, kind=case.kind, provider_model={"openai": "gpt-4o"}.get(case.kind, stack.name), priority=100)
    if case.is_next_tried:
        client = stack.gateway.openai()
        raw = client.chat.completions.with_raw_response.create(model=stack.name, messages=asking("Hello"), stream=stream)
        assert raw.headers["x-gateway-provider"] == stack.providers[1]["name"]
        text = text_of(list(raw.parse())) if stream else raw.parse().choices[0].message.content
        assert text == TEXT, "nothing of the first provider is left"
        *failed, answered = stack.rows(1)[0]["attempts"]
        assert failed and {attempt["error_class"] for attempt in failed} <= {case.logged}
        assert answered["error_class"] is None and beta.received() == 1
    else:
        assert ask(stack, stream, case.speaks).sees == case.sees
        assert beta.received() == 0, "nobody else was asked"


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=lambda place: f"{FAULTS[place].id} {FAULTS[place].name}")
def test_faults_of_providers(
    bounded: Gateway, alpha: Simulator, beta: Simulator, observed: Observed, tmp_path: Path, place: int
) -> None:
    case = FAULTS[place]
    modes = [stream for stream in (False, True) if case.stream in (None, stream)]
    for stream in modes:
        with contextlib.ExitStack() as stack:
            alone(faulty(bounded, alpha, case, tmp_path, stack, 0), alpha, case, stream)
        with contextlib.ExitStack() as stack:
            beta.reset()
            beside(faulty(bounded, alpha, case, tmp_path, stack, 3), beta, case, stream)
    seen = ["-" if stream not in modes else case.sees for stream in (False, True)]
    asked = "yes" if case.is_next_tried else "no"
    logged = f"`{case.logged}`" if case.logged else "-"
    observed.add(place, Line(case.id, (case.name, *seen, asked, logged, case.against)))


def test_of_several_pauses_the_soonest_is_told(bounded: Gateway, alpha: Simulator, beta: Simulator) -> None:
    """U14, where more than one provider is tried."""
    stack = Stack.make(bounded, [alpha, beta])
    alpha.always(status=429, retry_after={"seconds": 60})
    beta.always(status=429, retry_after={"seconds": 7})
    answer = ask(stack, False)
    assert answer.status == 429 and int(answer.headers["retry-after"]) in TOLD
    assert alpha.received() == beta.received() == 1


@pytest.fixture(scope="module", autouse=True)
def slow(bounded: Gateway) -> Iterator[socket.socket]:
    """Begins a request and does not go on."""
    with socket.create_connection(("127.0.0.1", bounded.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost:")
        yield connection


@pytest.mark.parametrize("place", range(len(CLIENTS)), ids=lambda place: " ".join(CLIENTS[place][:2]))
def test_faults_of_clients(
    bounded: Gateway, alpha: Simulator, beta: Simulator, observed: Observed, slow: socket.socket, tmp_path: Path, place: int
) -> None:
    id, name, play = CLIENTS[place]
    scene = Scene(bounded, alpha, beta, Stack.make(bounded, [alpha, beta]), tmp_path, slow)
    seen = play(scene)
    if "unhealthy" not in name:
        scene.assert_nobody_is_blamed()
    assert bounded.process.exit_code is None
    observed.add(place, Line(id, (name, seen)))


@pytest.mark.parametrize("place", range(len(SURROUNDINGS)), ids=lambda place: " ".join(SURROUNDINGS[place][:2]))
def test_faults_of_surroundings(
    make_gateway: MakeGateway,
    make_database: MakeDatabase,
    alpha: Simulator,
    beta: Simulator,
    observed: Observed,
    tmp_path: Path,
    place: int,
) -> None:
    id, name, play = SURROUNDINGS[place]
    observed.add(place, Line(id, (name, play(Surroundings(make_gateway, make_database, alpha, beta, tmp_path)))))


def test_the_document_tells_what_was_seen(observed: Observed) -> None:
    missing = IDS ^ {line.id for line in observed.lines.values()}
    assert not missing, f"faults without a test that passed, or unknown ones: {sorted(missing)}"
    text = observed.document()
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "docs/faults.md tells something else: UPDATE_DOCS=1 writes it anew"
