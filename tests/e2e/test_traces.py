"""Traces over OTLP, and W3C trace context from clients to providers."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from conftest import MakeGateway
from harness.gateway import SECRETS, Gateway
from harness.otlp import Span, spans
from harness.receiver import Receiver
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    collector = Receiver()
    yield collector
    collector.close()


def collected(collector: Receiver, count: int) -> list[Span]:
    def all_spans() -> list[Span]:
        sent = [request for request in list(collector.received) if request.path == "/v1/traces"]
        return [span for request in sent for span in spans(request.body)[1]]

    wait_for(lambda: len(all_spans()) >= count, f"{count} spans", 60)
    found = all_spans()
    assert len(found) == count
    return found


def traced(gateway: Gateway, stack: Stack, stream: bool = False, **headers: str) -> None:
    answer = gateway.openai().chat.completions.create(
        model=stack.name, messages=asking("a secret prompt"), stream=stream, extra_headers=headers
    )
    if stream:
        list(answer)


def test_a_request_and_its_attempts_are_spans_of_the_callers_trace(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, collector: Receiver
) -> None:
    gateway = make_gateway(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20of-the-collector",
        OTEL_SERVICE_NAME="our-gateway",
        GATEWAY_TRACE_SHARE="0",
    )
    stack = Stack.make(gateway, max_retry=1)
    stack.add(alpha, priority=200)
    stack.add(beta, priority=100)
    alpha.always(status=500)
    traced(gateway, stack, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="vendor=x")
    # Sampled is what the caller says; without a caller, by the share.
    traced(gateway, stack, traceparent=f"00-{TRACE}-{PARENT}-00")
    traced(gateway, stack)

    found = collected(collector, 3)
    [request] = [span for span in found if span.kind == "server"]
    first, second = sorted((span for span in found if span.kind == "client"), key=lambda span: span.start)
    assert {span.trace_id for span in found} == {TRACE}
    assert (request.parent_id, request.state) == (PARENT, "vendor=x")
    assert first.parent_id == second.parent_id == request.span_id
    assert (first.is_error, first.attributes["error.type"]) == (True, "server_error")
    assert first.attributes["http.response.status_code"] == 500
    assert not second.is_error and not request.is_error
    assert request.start <= first.start <= first.end <= second.start <= second.end <= request.end
    row = stack.rows(3)[0]
    assert request.name == f"chat {stack.name}"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": stack.name,
        "gen_ai.response.model": f"{stack.name}-at-beta",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": row["prompt_tokens"],
        "gen_ai.usage.output_tokens": row["completion_tokens"],
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gateway.request.id": row["request_id"],
        "gateway.attempts": 2,
    }
    assert request.attributes | expected == request.attributes
    assert second.attributes["server.address"] == "127.0.0.1"
    assert second.attributes["gateway.provider.name"] == stack.providers[1]["name"]
    assert second.attributes["gen_ai.usage.output_tokens"] == row["completion_tokens"]

    # Providers are told of the span of their own attempt.
    sent = [simulator.seen()[0].headers for simulator in (alpha, beta)]
    assert [headers["traceparent"] for headers in sent] == [
        f"00-{TRACE}-{span.span_id}-01" for span in (first, second)
    ]
    assert {headers["tracestate"] for headers in sent} == {"vendor=x"}
    assert alpha.seen()[1].headers["traceparent"].startswith(f"00-{TRACE}-")
    assert alpha.seen()[1].headers["traceparent"].endswith("-00")

    [exported, *_] = collector.received
    assert exported.path == "/v1/traces"
    assert exported.headers["content-type"] == "application/x-protobuf"
    assert exported.headers["authorization"] == "Bearer of-the-collector"
    assert spans(exported.body)[0]["service.name"] == "our-gateway"
    for secret in (*SECRETS, "a secret prompt"):
        assert secret.encode() not in exported.body
    gateway.assert_clean_output("of-the-collector")


def test_a_trace_begins_here_where_the_client_sends_none(
    make_gateway: MakeGateway, alpha: Simulator, collector: Receiver
) -> None:
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/")
    stack = Stack.make(gateway, [alpha])
    traced(gateway, stack, stream=True, traceparent="nonsense")
    with pytest.raises(openai.NotFoundError):
        gateway.openai().chat.completions.create(model="missing", messages=asking("Hello"))
    found = collected(collector, 3)
    answered, refused = sorted((span for span in found if span.kind == "server"), key=lambda span: span.start)
    assert answered.parent_id == refused.parent_id == ""
    assert answered.attributes["gateway.stream"] is True
    assert answered.attributes["gateway.time_to_first_content"] > 0
    assert answered.trace_id != refused.trace_id
    assert (refused.attributes["http.response.status_code"], refused.is_error) == (404, False), "the client's fault"
    assert refused.attributes["error.type"]
    # What is under way when the gateway stops is still sent.
    traced(gateway, stack)
    gateway.stop()
    collected(collector, 5)


def test_without_a_collector_nothing_is_traced(gateway: Gateway, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    traced(gateway, stack, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert "traceparent" not in alpha.seen()[0].headers


def test_a_collector_that_is_away_costs_spans_only(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gone = Receiver()
    gone.close()
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=gone.url)
    stack = Stack.make(gateway, [alpha])
    for _ in range(3):
        traced(gateway, stack)
    wait_for(lambda: gateway.metrics()["gateway_spans_lost_total"] == 6, "the lost spans are counted", 90)
    # The line follows the count, and comes by a pipe.
    line = "the collector does not take spans"
    wait_for(lambda: line in gateway.process.output, "it is told")
    assert gateway.process.output.count(line) == 1
    assert httpx.get(f"{gateway.url}/readyz").status_code == 200
