"""When one of two providers fails, clients notice nothing, and health, stats and logs tell exactly what happened."""

from collections import Counter
from dataclasses import dataclass, field

import openai
import pytest

from conftest import MakeGateway, MakeStack
from harness import load
from harness.accounts import (
    assert_journals_match,
    assert_metrics_match,
    assert_rows_match,
    assert_sums_agree,
    is_failed,
)
from harness.simulator import Json, Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import TEXT, asking, text_of

REQUESTS = 1000
#: Seconds that a hanging provider gets: longer than a good one takes on a busy machine.
PATIENCE = 3.0


@dataclass(frozen=True)
class Failure:
    """A way to fail, and what it is called afterwards."""

    rule: Json
    error_class: str
    status: int | None
    #: What becomes of the provider as a whole.
    provider_states: tuple[str, ...] = ("unhealthy",)
    policy: Json = field(default_factory=dict)


FAILURES = {
    "500": Failure({"do": {"status": 500}}, "server_error", 500),
    "reset": Failure({"do": {"fault": {"kind": "reset", "at": "before_headers"}}}, "reset", None),
    # A rate limit and a silence are held against the association, not against the provider.
    "429": Failure(
        {"do": {"status": 429, "retry_after": {"seconds": 1}}}, "rate_limited", 429, ("healthy", "degraded")
    ),
    "hang": Failure(
        {"do": {"fault": {"kind": "hang", "at": "before_headers"}}},
        "timeout",
        None,
        ("healthy", "degraded"),
        {"first_content_timeout": PATIENCE, "response_timeout": PATIENCE},
    ),
    # Half of its answers are good, so that it is used again and again.
    "500 now and then": Failure({"rate": 0.5, "do": {"status": 500}}, "server_error", 500, ("unhealthy", "degraded")),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_thousand_requests_with_one_bad_provider(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, kind: str
) -> None:
    failure = FAILURES[kind]
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha, beta])
    gateway.admin.policy(stack.model, strategy="round_robin", **failure.policy)
    alpha.script(failure.rule)

    results = load.run(gateway.openai(), stack.name, REQUESTS)

    failed = [result for result in results if result.error]
    assert not failed, failed[:3]
    assert {result.text for result in results} == {TEXT}
    assert sum(result.stream for result in results) == REQUESTS // 2
    rows = stack.rows(REQUESTS)
    assert_rows_match(rows, results)
    assert_journals_match(stack, [alpha, beta], rows, results)
    assert_sums_agree(gateway.database)
    assert_metrics_match(gateway, stack, rows)
    bad, good = stack.providers
    failures = [attempt for row in rows for attempt in row["attempts"] if is_failed(attempt)]
    met = Counter((attempt["provider_id"], attempt["error_class"], attempt["status"]) for attempt in failures)
    assert met.keys() == {(bad["id"], failure.error_class, failure.status)}
    assert_health_tells(stack, failure)
    gateway.stop()
    assert_health_is_stored(stack, failure)


def provider_health(stack: Stack) -> dict[int, Json]:
    return {entry["provider_id"]: entry for entry in stack.gateway.admin.get("/health")["providers"]}


def assert_health_tells(stack: Stack, failure: Failure) -> None:
    bad, good = (provider_health(stack)[provider["id"]] for provider in stack.providers)
    assert bad["state"] in failure.provider_states
    assert good["state"] == "healthy" and good["error_count"] == 0


def assert_health_is_stored(stack: Stack, failure: Failure) -> None:
    stored = {row["provider_id"]: row for row in stack.gateway.database.rows("SELECT * FROM provider_health")}
    bad, good = (stored.get(provider["id"]) for provider in stack.providers)
    assert good is None or good["is_healthy"]
    if failure.provider_states == ("unhealthy",):
        assert not bad["is_healthy"] and bad["error_count"] >= 1
        assert bad["last_status_code"] == failure.status
        assert bad["last_error"] and bad["next_retry_at"]


@pytest.fixture
def stack(make_stack: MakeStack, alpha: Simulator, beta: Simulator) -> Stack:
    """A model with two providers of the same rank."""
    return make_stack(alpha, beta)


def client_in_order(stack: Stack) -> openai.OpenAI:
    """The SDK, asking for the model's providers in their order."""
    order = ",".join(provider["name"] for provider in stack.providers)
    return stack.gateway.openai(default_headers={"x-gateway-fallback-providers": order})


AFTER_CONTENT = {
    "reset": ({"kind": "reset", "at": {"after_events": 5}}, "upstream_truncated"),
    "close": ({"kind": "close", "at": {"after_events": 5}}, "upstream_truncated"),
    "close within an event": ({"kind": "close", "at": "mid_body"}, "upstream_truncated"),
    "error event": ({"kind": "error_event", "after_events": 5}, "stream_error"),
    "malformed": ({"kind": "malformed", "after_events": 5}, "bad_payload"),
    "silence": ({"kind": "hang", "at": {"after_events": 5}}, "stream_idle"),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", AFTER_CONTENT)
def test_after_the_first_content_a_failure_is_an_error_event(
    stack: Stack, alpha: Simulator, beta: Simulator, kind: str
) -> None:
    fault, error_class = AFTER_CONTENT[kind]
    client = client_in_order(stack)
    stack.gateway.admin.policy(stack.model, stream_idle_timeout=PATIENCE)
    alpha.always(fault=fault)

    pieces = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True):
            pieces.append(chunk)
    assert text_of(pieces) and TEXT.startswith(text_of(pieces))
    raw = client.chat.completions.with_streaming_response.create(
        model=stack.name, messages=asking("Hello"), stream=True
    )
    with raw as response:
        events = response.read().decode().rstrip().split("\n\n")
    assert events[-1].startswith('data: {"error":'), "the error is the last event"
    assert "data: [DONE]" not in events, "no end is invented"
    assert beta.received() == 0
    rows = stack.rows(2)
    assert [(row["status_code"], row["error_class"]) for row in rows] == [(200, error_class)] * 2
    assert rows[0]["completion_tokens"] > 0, "what passed is estimated"
    assert rows[0]["usage_source"] == "estimated"


@pytest.mark.sqlite_only
def test_health_is_read_back_at_start(make_gateway: MakeGateway, alpha: Simulator, beta: Simulator) -> None:
    gateway = make_gateway(HEALTH_CHECK_MAX_ERRORS="1")
    stack = Stack.make(gateway, [alpha, beta])
    alpha.always(error="invalid_api_key")
    client_in_order(stack).chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert provider_health(stack)[stack.providers[0]["id"]]["state"] == "unhealthy"
    gateway.stop()
    gateway.restart()
    assert provider_health(stack)[stack.providers[0]["id"]]["state"] == "unhealthy"


@pytest.mark.sqlite_only
def test_probes_ask_what_the_provider_serves_and_end_an_outage(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator
) -> None:
    gateway = make_gateway(HEALTH_CHECK_ENABLED="true", HEALTH_CHECK_INTERVAL="1", HEALTH_CHECK_MAX_ERRORS="1")
    stack = Stack.make(gateway, [alpha, beta])
    alpha.always(status=500)
    bad = stack.providers[0]["id"]
    wait_for(lambda: provider_health(stack)[bad]["state"] == "unhealthy", "probes find the outage")
    alpha.script()
    wait_for(lambda: provider_health(stack)[bad]["state"] != "unhealthy", "probes find its end", seconds=30)
    assert {request.path for request in alpha.seen()} <= {"/v1/models"}
    assert gateway.database.count("request_logs") == 0
