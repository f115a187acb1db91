"""Metrics over OTLP, as OpenTelemetry's conventions for generative AI name them, and the gateway's own."""

from collections.abc import Iterator

import pytest

from conftest import MakeGateway
from harness.gateway import Gateway
from harness.otlp import Metric, Point, metrics
from harness.receiver import Receiver
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def collector() -> Iterator[Receiver]:
    collector = Receiver()
    yield collector
    collector.close()


def latest(collector: Receiver) -> dict[str, Metric]:
    sent = [request for request in list(collector.received) if request.path == "/v1/metrics"]
    return metrics(sent[-1].body)[1] if sent else {}


def point(found: dict[str, Metric], name: str, **attributes: object) -> Point:
    """The only point of a metric that has these attributes, by their last words."""
    wanted = {key.replace("__", "."): value for key, value in attributes.items()}
    [one] = [one for one in found[name].points if one.attributes | wanted == one.attributes]
    return one


def ask(gateway: Gateway, stack: Stack, stream: bool = False) -> None:
    answer = gateway.openai().chat.completions.create(model=stack.name, messages=asking("a secret prompt"), stream=stream)
    if stream:
        list(answer)


def test_attempts_and_requests_are_measured_as_the_conventions_say(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, collector: Receiver
) -> None:
    gateway = make_gateway(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20of-the-collector",
        OTEL_SERVICE_NAME="our-gateway",
        OTEL_METRIC_EXPORT_INTERVAL="200",
    )
    stack = Stack.make(gateway, max_retry=1)
    stack.add(alpha, priority=200)
    stack.add(beta, priority=100)
    gateway.admin.post("/prices", {"model_pattern": "*", "input": "1", "output": "1"})
    alpha.always(status=500)
    ask(gateway, stack)
    ask(gateway, stack, stream=True)
    gateway.http.post(
        "/v1/chat/completions",
        json={"model": "made-up", "messages": asking("Hello")},
        headers={"authorization": f"Bearer {gateway.openai().api_key}"},
    )
    rows = stack.rows(2)
    requests = "gen_ai.server.request.duration"
    wait_for(
        lambda: sum(one.value for one in getattr(latest(collector).get(requests), "points", [])) == 3,
        "the requests are measured",
        60,
    )

    found = latest(collector)
    first, second = (provider["name"] for provider in stack.providers)
    failed = point(found, "gen_ai.client.operation.duration", gateway__provider__name=first)
    answered = point(found, "gen_ai.client.operation.duration", gateway__provider__name=second)
    assert (failed.value, failed.attributes["error.type"]) == (2, "server_error")
    assert answered.value == 2 and "error.type" not in answered.attributes
    assert answered.attributes["gen_ai.operation.name"] == "chat"
    assert answered.attributes["gen_ai.provider.name"] == "openai"
    assert answered.attributes["gen_ai.request.model"] == f"{stack.name}-at-beta"
    assert answered.attributes["server.address"] == "127.0.0.1"
    assert (answered.boundaries[0], answered.boundaries[-1]) == (0.01, 81.92)
    assert found["gen_ai.client.operation.duration"].unit == "s"

    for kind, column in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        used = point(found, "gen_ai.client.token.usage", gen_ai__token__type=kind)
        assert (used.value, used.total) == (2, sum(row[column] for row in rows))
    assert found["gen_ai.client.token.usage"].unit == "{token}"
    for name in ("gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token"):
        assert point(found, name, gen_ai__request__model=stack.name).value == 1, name
    assert point(found, requests, gen_ai__request__model=stack.name).value == 2
    assert point(found, requests, gen_ai__request__model="other").value == 1
    http = "http.server.request.duration"
    answers = {"http__route": "/v1/chat/completions", "http__request__method": "POST"}
    assert point(found, http, http__response__status_code=200, **answers).value == 2
    assert point(found, http, http__response__status_code=404, **answers).value == 1
    used = point(found, "gateway.tokens", gateway__token__kind="completion", gateway__provider__name=second)
    assert used.value == sum(row["completion_tokens"] for row in rows)
    spent = point(found, "gateway.cost", gateway__provider__name=second)
    # Rows have nano-USD.
    assert spent.value == pytest.approx(sum(row["cost"] for row in rows) * 1e-9)

    [exported, *_] = [request for request in collector.received if request.path == "/v1/metrics"]
    assert exported.headers["content-type"] == "application/x-protobuf"
    assert exported.headers["authorization"] == "Bearer of-the-collector"
    about = metrics(exported.body)[0]
    assert about["service.name"] == "our-gateway" and about["service.instance.id"]
    everything = b"".join(request.body for request in collector.received)
    assert b"secret prompt" not in everything and b"made-up" not in metrics_only(collector)


def metrics_only(collector: Receiver) -> bytes:
    return b"".join(request.body for request in collector.received if request.path == "/v1/metrics")


def test_what_the_gateway_counts_itself_goes_there_as_in_its_own_metrics(
    make_gateway: MakeGateway, alpha: Simulator, collector: Receiver
) -> None:
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRIC_EXPORT_INTERVAL="200")
    stack = Stack.make(gateway, [alpha])
    ask(gateway, stack)
    stack.rows(1)
    written = "gateway.records_written"
    wait_for(
        lambda: [one.value for one in getattr(latest(collector).get(written), "points", [])] == [1],
        "the written row is told",
        60,
    )
    found = latest(collector)
    assert found[written].kind == "sum" and found["gateway.records_queued"].kind == "gauge"
    provider = stack.providers[0]["name"]
    assert point(found, "gateway.provider_state", provider=provider, state="healthy").value == 1
    assert point(found, "gateway.tasks").value > 0
    # There units are told beside the name.
    shown = {name.partition("{")[0].removesuffix("_total").removesuffix("_seconds") for name in gateway.metrics()}
    own = {name.replace("gateway.", "gateway_", 1) for name in found if name.startswith("gateway.")} - {"gateway_cost"}
    for running in ("requests_in_flight", "requests_waiting", "requests_shed", "requests_limited", "hedges", "resumes", "guards", "panics"):
        assert f"gateway.{running}" in found, running
    assert point(found, "gateway.requests_shed", full="gateway").value == 0
    assert found["gateway.record_write_lag"].unit == "s"
    assert own <= shown and len(own) > 40, own - shown


def test_what_was_counted_last_is_sent_before_the_end(make_gateway: MakeGateway, alpha: Simulator, collector: Receiver) -> None:
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    stack = Stack.make(gateway, [alpha])
    ask(gateway, stack)
    assert latest(collector) == {}, "a minute has not passed"
    gateway.stop()
    assert point(latest(collector), "gen_ai.client.operation.duration").value == 1


def test_a_collector_of_traces_only_is_not_sent_metrics(make_gateway: MakeGateway, alpha: Simulator, collector: Receiver) -> None:
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRICS_EXPORTER="none")
    ask(gateway, Stack.make(gateway, [alpha]))
    gateway.stop()
    assert {request.path for request in collector.received} == {"/v1/traces"}


def test_a_collector_that_is_away_is_told_once_and_costs_nothing_else(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gone = Receiver()
    gone.close()
    gateway = make_gateway(OTEL_EXPORTER_OTLP_ENDPOINT=gone.url, OTEL_METRIC_EXPORT_INTERVAL="100")
    stack = Stack.make(gateway, [alpha])
    ask(gateway, stack)
    wait_for(lambda: gateway.metrics()["gateway_metric_export_failures_total"] > 2, "the failures are counted", 90)
    assert gateway.process.output.count("the collector does not take metrics") == 1
    assert gateway.http.get("/readyz").status_code == 200
