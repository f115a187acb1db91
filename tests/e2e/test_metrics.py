"""What /metrics tells, and that the files for Prometheus and Grafana ask for nothing else."""

import json
import re
from pathlib import Path

import pytest
import yaml

from conftest import MakeGateway
from harness.gateway import Gateway
from harness.receiver import Receiver
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only

DOCS = Path(__file__).parents[2] / "docs"
#: Shown only once they have happened, which takes more than this test does.
RARE = {"gateway_requests_shed_total", "gateway_requests_limited_total", "gateway_hedges_total", "gateway_resumes_total"}


def names_in(text: str) -> set[str]:
    """Metrics by the names that they are documented by."""
    names = re.findall(r"\bgateway_[a-z0-9_]+", text)
    return {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in names}


def documented() -> set[str]:
    text = (DOCS / "observability.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `gateway_")]
    return names_in(" ".join(rows))


def shown(gateway: Gateway) -> set[str]:
    lines = gateway.http.get("/metrics").raise_for_status().text.splitlines()
    return names_in(" ".join(line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")))


def test_what_is_told_is_documented_and_what_is_documented_is_told(make_gateway: MakeGateway, alpha: Simulator) -> None:
    receiver = Receiver()
    gateway = make_gateway(GATEWAY_ALERT_URLS=receiver.url, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    stack = Stack.make(gateway, [alpha])
    gateway.admin.post("/prices", {"model_pattern": "*", "input": "1", "output": "1"})
    list(gateway.openai().chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True))
    stack.rows(1)
    wait_for(lambda: any("gateway_inter_token" in name for name in shown(gateway)), "the request is counted")
    assert shown(gateway) | RARE == documented()
    receiver.close()


def test_files_for_prometheus_and_grafana_ask_for_what_there_is() -> None:
    dashboard = json.loads((DOCS / "deploy" / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked += [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    rules = yaml.safe_load((DOCS / "deploy" / "prometheus-rules.yaml").read_text())
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert len(asked) > 40 and len(alerts) > 5
    for expression in asked + alerts:
        wanted = names_in(expression)
        assert wanted or expression.startswith("up{"), expression
        assert wanted <= documented(), (expression, wanted - documented())
    # An operator who looks at the dashboard sees all that is counted, but for a few figures.
    unseen = documented() - names_in(" ".join(asked))
    assert len(unseen) < 20, unseen


def test_labels_name_what_is_configured_and_nothing_a_client_wrote(gateway: Gateway, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    client = gateway.openai()
    answer = client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    for number in range(3):
        gateway.http.post(
            "/v1/chat/completions",
            json={"model": f"made-up-{number}", "messages": asking("Hello")},
            headers={"authorization": f"Bearer {client.api_key}"},
        )
    provider = stack.providers[0]["name"]
    answered = f'gateway_model_requests_total{{model="{stack.name}",outcome="answered"}}'
    wait_for(lambda: gateway.metrics().get(answered) == 1, "the request is counted")
    wait_for(
        lambda: gateway.metrics().get('gateway_model_requests_total{model="other",outcome="refused"}', 0) >= 3,
        "requests for unknown models",
    )
    metrics = gateway.metrics()
    assert not any("made-up" in name for name in metrics)
    assert metrics[f'gateway_tokens_total{{provider="{provider}",kind="prompt"}}'] == answer.usage.prompt_tokens
    assert metrics[f'gateway_attempt_duration_seconds_count{{provider="{provider}"}}'] == 1
    assert metrics[f'gateway_provider_state{{provider="{provider}",state="healthy"}}'] == 1
    assert metrics["gateway_upstream_connections_opened_total"] >= metrics["gateway_upstream_connections"] > 0
    assert metrics['gateway_database_connections{state="idle"}'] > 0
