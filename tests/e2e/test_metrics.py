"""What /metrics tells, and that the files for Prometheus and Grafana ask for nothing else."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from harness.database import create
from harness.gateway import Gateway, migrate
from harness.receiver import Receiver
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only

DOCS = Path(__file__).parents[2] / "docs"
#: What a histogram's family is shown as.
PARTS = ("_bucket", "_sum", "_count")


def label_names(labels: str) -> set[str]:
    return set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


@dataclass
class Family:
    """What is shown of one metric, by the name that it is documented by."""

    kind: str
    help: str
    labels: set[str] = field(default_factory=set)


def families(text: str) -> dict[str, Family]:
    """All families of an exposition in the classic format."""
    found: dict[str, Family] = {}
    about = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, about = line.split(" ", 3)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            found[name] = Family(kind, about)
            about = ""
        else:
            name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
            family = next((name.removesuffix(part) for part in PARTS if name.removesuffix(part) in found), name)
            assert family in found, f"{line} has no type"
            found[family].labels |= label_names(labels or "") - {"le"}
    return found


def documented() -> dict[str, set[str]]:
    """The documented metrics and their labels; where those of a row differ, a semicolon is between them."""
    found = {}
    for line in (DOCS / "observability.md").read_text().splitlines():
        if line.startswith("| `gateway_"):
            _, names, labels, *_ = line.split("|")
            each = [set(re.findall(r"`(\w+)`", one)) for one in labels.split(";")]
            names = re.findall(r"`(gateway_\w+)`", names)
            found |= dict(zip(names, each if len(each) > 1 else each * len(names), strict=True))
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Family]]:
    """What a gateway tells that has everything which is counted, once it has answered a stream."""
    database = create("sqlite", tmp_path_factory.mktemp("database"))
    migrate(database)
    receiver, simulator = Receiver(), Simulator("counted")
    gateway = Gateway(
        database,
        tmp_path_factory.mktemp("gateway"),
        GATEWAY_ALERT_URLS=receiver.url,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
    )
    stack = Stack.make(gateway, [simulator])
    gateway.admin.post("/prices", {"model_pattern": "*", "input": "1", "output": "1"})
    list(gateway.openai().chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True))
    stack.rows(1)
    wait_for(lambda: "gateway_inter_token_seconds" in shown(gateway), "the request is counted")
    yield shown(gateway)
    for part in (gateway, receiver, simulator):
        part.close()


def shown(gateway: Gateway) -> dict[str, Family]:
    answer = gateway.http.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {name: family for name, family in families(answer.text).items() if family.labels or family.kind != "histogram"}


def test_what_is_told_is_documented_and_what_is_documented_is_told(told: dict[str, Family]) -> None:
    assert {name: family.labels for name, family in told.items()} == documented()


def test_names_and_helps_are_as_prometheus_wants_them(told: dict[str, Family]) -> None:
    """The rules of `promtool check metrics`, and of https://prometheus.io/docs/practices/naming/."""
    other_units = "milliseconds|microseconds|nanoseconds|minutes|hours|days|ms|kilobytes|megabytes|kb|mb|percent|cents|nano"
    for name, family in told.items():
        assert re.fullmatch(r"gateway(_[a-z0-9]+)+", name), name
        assert len(family.help) > 10 and family.help[0].isupper(), (name, family.help)
        assert name.endswith("_total") == (family.kind == "counter"), (name, family.kind)
        words = name.removesuffix("_total").split("_")
        assert not set(words) & set(other_units.split("|")), f"{name} is not in base units"
        assert not set(words) & {"counter", "gauge", "histogram", "total", "sum", "bucket"}, f"{name} names its type"
        if family.kind == "histogram":
            assert name.endswith("_seconds"), f"{name} has no unit"


def test_who_asks_for_openmetrics_gets_it(gateway: Gateway) -> None:
    accepting = {"accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
    answer = gateway.http.get("/metrics", headers=accepting).raise_for_status()
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert "# TYPE gateway_records_lost counter" in answer.text and "gateway_records_lost_total 0" in answer.text


def asked_by_files() -> Iterator[str]:
    """Every query of the dashboard and of the rules."""
    dashboard = json.loads((DOCS / "deploy" / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if "definition" in variable:
            yield variable["definition"]
    rules = yaml.safe_load((DOCS / "deploy" / "prometheus-rules.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


#: Prometheus adds them to what it reads.
ADDED = {"instance", "job", "le"}


def test_files_for_prometheus_and_grafana_ask_for_what_there_is(told: dict[str, Family]) -> None:
    queries = list(asked_by_files())
    assert len(queries) > 45
    asked = set()
    for query in queries:
        selected = re.findall(r"\b(gateway_\w+|up)\b(?:\{([^}]*)\})?", query)
        assert selected, query
        there = set(ADDED)
        for name, matchers in selected:
            parted = next((name.removesuffix(part) for part in PARTS if name.removesuffix(part) in told), name)
            family = Family("gauge", "") if name == "up" else told.get(parted)
            assert family, f"{query}: there is no {name}"
            assert family.kind != "histogram" or parted != name, f"{query}: {name} is a histogram"
            assert family.kind != "counter" or "rate(" in query or "increase(" in query or "sum(" in query, query
            assert label_names(matchers) <= family.labels | ADDED, f"{query}: {name} has no such label"
            there |= family.labels
            asked.add(parted)
        grouped = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query) + re.findall(r"label_values\(\w+, (\w+)\)", query)
        for labels in grouped:
            assert {label.strip() for label in labels.split(",")} <= there, f"{query}: nothing has all of {labels}"
    # An operator who looks at the dashboard sees all that is counted, but for a few figures.
    unseen = told.keys() - asked
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
