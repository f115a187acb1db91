"""The admin API is what its OpenAPI document says: whatever is sent, no answer is a fault of the gateway or undocumented."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from hypothesis.stateful import run_state_machine_as_test
from requests import Response
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from harness.database import create
from harness.gateway import ADMIN_KEY, PROVIDER_KEY, Gateway, migrate
from harness.process import REPOSITORY

pytestmark = pytest.mark.sqlite_only

#: The document as it is checked in; the gateway's own is held against it.
FILE = REPOSITORY / "crates/admin/openapi.json"
DOCUMENT = json.loads(FILE.read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Linters.
JS = REPOSITORY / "tests/e2e/js"
#: Of each operation, of data that fit the document and of data that do not, of objects that there are and of others.
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "8"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One of its own with something of everything, which may be changed and deleted in any way."""
    database = create("sqlite", tmp_path_factory.mktemp("database"))
    migrate(database)
    # Nobody outside is called, whatever address is made up.
    gateway = Gateway(database, tmp_path_factory.mktemp("gateway"), GATEWAY_PROVIDER_NETWORKS="public")
    yield gateway
    gateway.close()


@pytest.fixture
def furnished(gateway: Gateway) -> int:
    """The id by which there is one of each kind, again before each operation."""
    admin = gateway.admin
    rows = {
        "providers": {"name": "p", "type": "openai", "config": {"api_key": PROVIDER_KEY}},
        "models": {"name": "m"},
        "keys": {"name": "k"},
        "admin-keys": {"name": "a", "role": "operator"},
        "prices": {"model_pattern": "x*", "input": "1"},
    }
    for path, body in rows.items():
        if admin.http.get(f"/{path}/1").status_code == 404:
            admin.http.post(f"/{path}", json=body)
    return 1


def assert_no_fault_of_the_gateway(response: Response) -> None:
    """That a provider does not answer is told by 502, and is the provider's."""
    if response.status_code == 502:
        assert response.json()["error"]["code"] == "upstream_error", response.text
    else:
        assert response.status_code < 500, response.text


def is_stream(label: str) -> bool:
    """A stream has no end to wait for."""
    answers = OPERATIONS[label].definition.raw.get("responses", {})
    return any("text/event-stream" in answer.get("content", {}) for answer in answers.values())


def test_the_document_is_valid_and_the_gateways_own(gateway: Gateway) -> None:
    validate(DOCUMENT)
    assert gateway.http.get("/openapi.json").json() == DOCUMENT
    assert len(OPERATIONS) >= 60


def test_a_linter_finds_nothing_in_the_document() -> None:
    """By all that it recommends; what is excepted stands beside its settings, with the reason."""
    lint = [JS / "node_modules/.bin/redocly", "lint", "--config", JS / "redocly.yaml", FILE]
    # It asks nobody for news, and reports to nobody.
    quiet = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
    linted = subprocess.run(lint, capture_output=True, text=True, env=quiet, timeout=120, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_error_is_told_by_its_status(gateway: Gateway) -> None:
    """An answer for any other status would let every answer pass for documented."""
    for label, operation in OPERATIONS.items():
        answers = operation.definition.raw["responses"]
        assert "default" not in answers and not any(status.endswith("XX") for status in answers), label
        assert "500" not in answers, label


@pytest.mark.parametrize("label", [label for label in OPERATIONS if not is_stream(label)])
def test_whatever_is_sent_is_answered_as_documented(gateway: Gateway, furnished: int, label: str) -> None:
    operation = OPERATIONS[label]
    names = [parameter.name for parameter in operation.path_parameters]
    session = requests.Session()
    takes_something = names or operation.query or operation.headers or operation.body
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if takes_something else (GenerationMode.POSITIVE,)
    for mode in modes:
        for path in (None, dict.fromkeys(names, furnished)) if names else (None,):
            cases = operation.as_strategy(generation_mode=mode, path_parameters=path)

            @given(case=cases)
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def send(case: Case) -> None:
                headers = {"authorization": f"Bearer {ADMIN_KEY}"}
                response = case.call(base_url=gateway.url, session=session, headers=headers, timeout=30)
                assert_no_fault_of_the_gateway(response)
                case.validate_response(response, checks=CHECKS)

            send()
    session.close()


def test_objects_that_were_made_are_used_as_documented(gateway: Gateway) -> None:
    """What one call made or changed is read, changed and deleted by the next ones, whichever way they follow."""
    left_out = {label.partition(" ")[2] for label in OPERATIONS if is_stream(label)}
    schema = SCHEMA.exclude(path=sorted(left_out))

    class Calls(schema.as_state_machine()):
        def get_call_kwargs(self, case: Case) -> dict:
            return {"base_url": gateway.url, "headers": {"authorization": f"Bearer {ADMIN_KEY}"}, "timeout": 30}

        def validate_response(self, response, case: Case, **_: object) -> None:
            assert response.status_code < 500 or response.status_code == 502, response.text
            case.validate_response(response, checks=CHECKS)

    stateful = settings(
        max_examples=EXAMPLES * 4,
        stateful_step_count=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Calls, settings=stateful)
