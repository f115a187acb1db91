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
from harness.simulator import Json, Simulator, mark
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


BEFORE_CONTENT = {
    "connection refused": None,
    "reset before the head": {"fault": {"kind": "reset", "at": "before_headers"}},
    "reset in the head": {"fault": {"kind": "reset", "at": "in_headers"}},
    "reset after the head": {"fault": {"kind": "reset", "at": "after_headers"}},
    "close after the head": {"fault": {"kind": "close", "at": "after_headers"}},
    "reset after the role": {"fault": {"kind": "reset", "at": {"after_events": 1}}},
    "close after the role": {"fault": {"kind": "close", "at": {"after_events": 1}}},
    "hang after the role": {"fault": {"kind": "hang", "at": {"after_events": 1}}},
    "error event after the role": {"fault": {"kind": "error_event", "after_events": 1}},
    "malformed after the role": {"fault": {"kind": "malformed", "after_events": 1}},
    "empty stream": {"fault": {"kind": "empty"}},
    "whole answer instead": {"fault": {"kind": "json_for_stream"}},
    "login page": {"error": "html"},
    "401": {"error": "invalid_api_key"},
    "403": {"error": "permission_denied"},
    "404": {"error": "model_not_found"},
    "408": {"status": 408},
    "409": {"status": 409},
    "429": {"error": "rate_limit"},
    "503": {"error": "overloaded"},
    "529": {"status": 529},
    "redirect": {"status": 307, "headers": {"location": "http://127.0.0.1:1/v1/chat/completions"}},
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", BEFORE_CONTENT)
def test_failover_before_the_first_content_is_invisible(
    stack: Stack, alpha: Simulator, kind: str
) -> None:
    stack.gateway.admin.policy(stack.model, first_content_timeout=PATIENCE)
    behaviour = BEFORE_CONTENT[kind]
    if behaviour is None:
        address = {"config": {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-other"}}
        stack.gateway.admin.patch(f"/providers/{stack.providers[0]['id']}", address)
    else:
        alpha.always(**behaviour)

    completions = client_in_order(stack).chat.completions
    raw = completions.with_raw_response.create(model=stack.name, messages=asking("Hello"), stream=True)

    # Transient failures get one more try with the preferred provider.
    assert raw.headers["x-gateway-attempts"] in ("2", "3")
    assert raw.headers["x-gateway-provider"] == stack.providers[1]["name"]
    chunks = list(raw.parse())
    assert text_of(chunks) == TEXT
    assert len({chunk.id for chunk in chunks}) == 1, "nothing of the first provider's stream is left"
    [row] = stack.rows(1)
    bad, good = (provider["id"] for provider in stack.providers)
    *failed, answered = row["attempts"]
    assert all(is_failed(attempt) and attempt["provider_id"] == bad for attempt in failed)
    assert (answered["error_class"], answered["provider_id"], row["provider_id"]) == (None, good, good)


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
def test_a_missing_end_marker_is_added_to_a_complete_stream(
    make_stack: MakeStack, alpha: Simulator, client: openai.OpenAI
) -> None:
    stack = make_stack(alpha)
    prompt = mark("Hello", fault={"kind": "no_done"})
    body = {"model": stack.name, "messages": asking(prompt), "stream": True}
    headers = {"authorization": f"Bearer {client.api_key}"}
    text = stack.gateway.http.post("/v1/chat/completions", json=body, headers=headers).text
    assert text.endswith("data: [DONE]\n\n")
    assert stack.rows(1)[0]["error_class"] is None


@pytest.mark.sqlite_only
def test_a_client_error_is_not_tried_elsewhere(stack: Stack, alpha: Simulator, beta: Simulator) -> None:
    alpha.always(error="content_policy")
    with pytest.raises(openai.BadRequestError):
        client_in_order(stack).chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert (alpha.received(), beta.received()) == (1, 0)


@pytest.mark.sqlite_only
def test_a_prompt_too_long_for_one_model_goes_to_another(stack: Stack, alpha: Simulator) -> None:
    alpha.always(error="context_length_exceeded")
    answer = client_in_order(stack).chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert answer.choices[0].message.content == TEXT
    assert provider_health(stack)[stack.providers[0]["id"]]["error_count"] == 0


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
