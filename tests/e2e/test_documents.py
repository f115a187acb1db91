"""The configuration as a document: what an import changes, what it says of faults, and that nothing is lost on the way."""

import io
import json
import tomllib
from typing import Any

import httpx
import openai
import openpyxl
import pytest

from conftest import MakeGateway
from harness.admin import Json
from harness.gateway import CLIENT_KEY, PROVIDER_KEY, Gateway
from harness.simulator import Simulator
from test_capabilities import IMAGE
from test_sdk import WEATHER, asking

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES = {"json": "application/json", "toml": "application/toml", "xlsx": XLSX}
PASSPHRASE = "correct horse battery staple"
SECTIONS = ("providers", "models", "associations", "policies", "prices", "keys")

#: The headers that the API documents, and those of the workbooks that the Python system wrote.
HEADERS = {
    "documented": {
        "Providers": ["name", "type", "api_key", "base_url", "priority", "weight", "enabled"],
        "Models": ["name", "remark", "max_retry", "timeout"],
        "Associations": ["model", "provider", "provider_model", "weight", "tool_call", "structured_output", "image", "enabled"],
    },
    "original": {
        "Providers": ["name", "type", "api_key", "base_url", "priority", "weight", "enabled"],
        "Models": ["name", "remark", "max_retry", "timeout"],
        "Associations": ["model_name", "provider_name", "provider_model", "supports_tools", "supports_vision", "weight", "enabled"],
    },
}


def workbook(**sheets: list[list[Any]]) -> bytes:
    """A workbook with these sheets, each a list of rows, as Excel would save it."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def post(gateway: Gateway, body: bytes | Json, kind: str = "json", key: str | None = None, **query: Any) -> httpx.Response:
    """Sends a document; `key` instead of the admin's own."""
    headers = {"content-type": MEDIA_TYPES[kind], "x-gateway-passphrase": PASSPHRASE}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    content = body if isinstance(body, bytes) else json.dumps(body)
    return gateway.admin.http.post("/import", content=content, headers=headers, params=query)


def imported(gateway: Gateway, body: bytes | Json, kind: str = "json", **query: Any) -> Json:
    response = post(gateway, body, kind, **query)
    assert response.status_code == 200, response.text
    return response.json()


def faults(gateway: Gateway, body: bytes | Json, kind: str = "json", **query: Any) -> list[Json]:
    response = post(gateway, body, kind, **query)
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["code"] == "invalid_document"
    return error["details"]["faults"]


def export(gateway: Gateway, kind: str = "json", secrets: str = "omitted") -> bytes:
    headers = {"x-gateway-passphrase": PASSPHRASE}
    response = gateway.admin.http.get("/export", params={"format": kind, "secrets": secrets}, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == MEDIA_TYPES[kind]
    assert f"gateway.{kind}" in response.headers["content-disposition"]
    return response.content


def counts(gateway: Gateway) -> dict[str, int]:
    return {section: len(rows) for section, rows in json.loads(export(gateway)).items() if section != "version"}


def configure(gateway: Gateway, alpha: Simulator) -> str:
    """Something of everything that documents hold; answers the secret of the client key."""
    admin = gateway.admin
    settings = {"up-1": {"max_tokens": 512, "rpm": 600, "extra_body": {"metadata": {"team": "blue"}, "stop": None}, "headers": {"x-more": "second-secret-77"}}}
    provider = admin.provider("first", alpha.base_url, PROVIDER_KEY, priority=7, headers={"X-Team": "first-secret-88"}, models=settings)
    spare = admin.provider("spare", "http://127.0.0.1:9/v1", "env:PATH", enabled=False)
    model = admin.model("größer/模型", remark="ÄÖÜ, \"quoted\"\nand more", max_retry=0, timeout=77)
    admin.associate(model, provider, "up-1", weight=3, image=True, tool_call=False)
    admin.associate(model, spare, "up-2", enabled=False)
    admin.model("unused", enabled=False)
    admin.policy(model, strategy="sticky", connect_timeout=0.25, hedge_after_ms=900)
    admin.post("/prices", {"model_pattern": "up*", "input": "1.25", "output": "0.000000001"})
    admin.post("/prices", {"provider_id": provider["id"], "model_pattern": "up-1", "per_request": "0.01", "source": "https://prices.example"})
    limits = {"budgets": {"day": "1.5"}, "limits": {"rpm": 600}, "metadata": {"team": "blue", "cost centre": 7}}
    end = "2099-01-02T03:04:05Z"
    key = admin.key("ci", allowed_models=["größer/*"], expires_at=end, **limits)
    assert key["expires_at"] == end
    return key["key"]


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_round_trip_loses_nothing(make_gateway: MakeGateway, alpha: Simulator, kind: str) -> None:
    """Sealed, a document makes the same gateway again, provider keys and client keys included."""
    here, there = make_gateway(), make_gateway(GATEWAY_SECRET_KEY="another-secret-of-16-and-more")
    client_key = configure(here, alpha)
    document = export(here, kind, "sealed")
    for secret in (PROVIDER_KEY, "first-secret-88", "second-secret-77", client_key):
        assert secret.encode() not in document
    told = imported(there, document, kind)
    assert (told["summary"], told["warnings"]) == ({"create": 10, "update": 0, "delete": 0, "unchanged": 0}, [])
    assert json.loads(export(there)) == json.loads(export(here))
    for mode in ("merge", "replace"):
        again = imported(there, document, kind, mode=mode, prune="true")
        assert again["summary"] == {"create": 0, "update": 0, "delete": 0, "unchanged": 10}, again["changes"]
    answer = there.openai(client_key).chat.completions.create(model="größer/模型", messages=asking("Hello"))
    assert answer.choices
    seen = alpha.seen()[-1]
    assert seen.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert (seen.headers["x-team"], seen.headers["x-more"]) == ("first-secret-88", "second-secret-77")
    assert (seen.body["model"], seen.body["metadata"], seen.body["stop"]) == ("up-1", {"team": "blue"}, None)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_secrets_leave_only_when_asked_for_and_only_under_a_passphrase(make_gateway: MakeGateway, alpha: Simulator, kind: str) -> None:
    here, there = make_gateway(), make_gateway()
    configure(here, alpha)
    told = imported(there, export(here, kind), kind)
    assert len(told["warnings"]) == 3, "the key and two headers"
    assert there.admin.get("/providers")["data"][1]["config"]["api_key"] is None
    # Where they are, they stay.
    told = imported(here, export(here, kind), kind, mode="replace")
    assert told["summary"]["unchanged"] == 10
    sealed = export(here, kind, "sealed")
    headers = {"content-type": MEDIA_TYPES[kind]}
    for passphrase in (None, "another horse battery staple"):
        given = headers if passphrase is None else headers | {"x-gateway-passphrase": passphrase}
        answer = there.admin.http.post("/import", content=sealed, headers=given)
        assert answer.status_code == 422
        assert len(answer.json()["error"]["details"]["faults"]) == 3, answer.text
    missing = here.admin.http.get("/export", params={"secrets": "sealed"})
    assert (missing.status_code, missing.json()["error"]["details"]["field"]) == (422, "x-gateway-passphrase")
    short = here.admin.http.get("/export", params={"secrets": "sealed"}, headers={"x-gateway-passphrase": "too short"})
    assert short.status_code == 422


def test_an_error_in_row_3_is_told_by_sheet_row_and_column(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    headers = HEADERS["documented"]

    def providers(*rows: list[Any]) -> bytes:
        models = [headers["Models"], ["m", None, 1, 30]]
        associations = [headers["Associations"], ["m", "good", "up", 1, True, True, False, True]]
        return workbook(Providers=[headers["Providers"], *rows], Models=models, Associations=associations)

    good = ["good", "openai", PROVIDER_KEY, alpha.base_url, 100, 100, True]

    def expect(row: list[Any], column: str, word: str) -> None:
        for dry_run in ("true", "false"):
            (fault,) = faults(gateway, providers(good, row), "xlsx", dry_run=dry_run)
            assert (fault["sheet"], fault["row"], fault["column"]) == ("Providers", 3, column), fault
            assert word in fault["message"], fault
        assert set(counts(gateway).values()) == {0}, "nothing is there"

    expect(["bad", "openai", None, alpha.base_url, 100, "heavy", True], "weight", "heavy")
    expect(["bad", "openai", None, "http://169.254.169.254/v1", 100, 100, True], "base_url", "169.254")
    expect(["bad", "telepathy", None, alpha.base_url, 100, 100, True], "type", "telepathy")
    expect(["bad", "openai", None, alpha.base_url, 100, 100, "perhaps"], "enabled", "perhaps")
    expect(["good", "openai", None, alpha.base_url, 100, 100, True], "name", "twice")
    expect([None, "openai", None, alpha.base_url, 100, 100, True], "name", "missing")
    # An empty row is none, and rows are counted as the spreadsheet counts them.
    (fault,) = faults(gateway, providers(good, [None] * 7, ["bad", "openai", None, "ftp://x", 1, 1, True]), "xlsx")
    assert (fault["row"], fault["column"]) == (4, "base_url")
    told = imported(gateway, providers(good, [None] * 7, ["other", "openai", None, alpha.base_url, 1, 0, "no"]), "xlsx")
    assert told["summary"]["create"] == 4


def test_everything_that_is_wrong_in_a_workbook_is_told_at_once(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    book = workbook(
        Providers=[["name", "type", "colour"], ["p", "openai", "blue"]],
        Models=[["name", "timeout"], ["m", 0]],
        Associations=[["model", "provider", "provider_model"], ["m", "nobody", "x"]],
        Notes=[["anything"]],
    )
    found = faults(gateway, book, "xlsx")
    places = [(fault["sheet"], fault["row"], fault.get("column")) for fault in found]
    assert places == [("Providers", 1, "colour"), ("Providers", 2, None)], found
    book = workbook(
        Providers=[["name", "type"], ["p", "openai"]],
        Models=[["name", "timeout"], ["m", 0], ["n", 5]],
        Associations=[["model", "provider", "provider_model"], ["n", "nobody", "x"], ["none", "p", "x"], ["n", "p", ""]],
    )
    found = faults(gateway, book, "xlsx")
    assert [(fault["sheet"], fault["row"], fault["column"]) for fault in found] == [
        ("Models", 2, "timeout"),
        ("Associations", 2, "provider"),
        ("Associations", 3, "model"),
        ("Associations", 4, "provider_model"),
    ]
    for body in (b"PK", b"", b"name,type\n"):
        (fault,) = faults(gateway, body, "xlsx")
        assert "no workbook" in fault["message"]


@pytest.mark.parametrize("family", HEADERS)
def test_workbooks_of_either_family_of_headers_make_a_gateway_that_serves(make_gateway: MakeGateway, alpha: Simulator, family: str) -> None:
    gateway = make_gateway()
    headers = HEADERS[family]
    able = {"model": "sees", "model_name": "sees", "image": True, "supports_vision": True, "tool_call": False, "supports_tools": False}
    blind = {"model": "blind", "model_name": "blind", "image": False, "supports_vision": False, "tool_call": True, "supports_tools": True}
    common = {"provider": "p", "provider_name": "p", "provider_model": "up", "weight": 1, "structured_output": True, "enabled": True}
    book = workbook(
        Providers=[headers["Providers"], ["p", "openai", PROVIDER_KEY, alpha.base_url, 100, 50, True]],
        Models=[headers["Models"], ["sees", "has eyes", 0, 30], ["blind", None, 0, 30]],
        Associations=[headers["Associations"], *([(one | common)[header] for header in headers["Associations"]] for one in (able, blind))],
    )
    assert imported(gateway, book, "xlsx")["summary"]["create"] == 5
    client = gateway.openai()
    seeing = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}]
    assert client.chat.completions.create(model="sees", messages=seeing).choices
    assert client.chat.completions.create(model="blind", messages=asking("Weather?"), tools=[WEATHER]).choices
    with pytest.raises(openai.BadRequestError, match="image"):
        client.chat.completions.create(model="blind", messages=seeing)
    with pytest.raises(openai.BadRequestError, match="tool"):
        client.chat.completions.create(model="sees", messages=asking("Weather?"), tools=[WEATHER])
    assert [seen.body["model"] for seen in alpha.seen()] == ["up", "up"]


def test_a_dry_run_tells_what_the_import_then_does(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    configure(gateway, alpha)
    before, version = json.loads(export(gateway)), gateway.admin.get("/audit")["data"]
    document = {
        "providers": [{"name": "first", "config": {"priority": 8, "api_key": "sk-another-key-0f0f0f"}}, {"name": "third", "type": "anthropic"}],
        "models": [{"name": "größer/模型", "timeout": 78}],
    }
    told = imported(gateway, document, dry_run="true", prune="true")
    assert told["dry_run"] is True
    assert told["summary"] == {"create": 1, "update": 2, "delete": 3, "unchanged": 0}
    assert told["changes"][0] == {
        "action": "update",
        "kind": "provider",
        "name": "first",
        "fields": [
            {"field": "config.api_key", "before": f"****{PROVIDER_KEY[-4:]}", "after": "****0f0f"},
            {"field": "config.priority", "before": 7, "after": 8},
        ],
    }
    gone = {(change["kind"], change["name"]) for change in told["changes"] if change["action"] == "delete"}
    assert gone == {("association", "größer/模型 -> spare/up-2"), ("provider", "spare"), ("model", "unused")}
    assert json.loads(export(gateway)) == before
    assert gateway.admin.get("/audit")["data"] == version
    done = imported(gateway, document, prune="true")
    assert done == told | {"dry_run": False}
    entry = gateway.admin.get("/audit", limit=1)["data"][0]
    assert (entry["action"], entry["object_type"], entry["after"]["summary"]) == ("import", "configuration", told["summary"])
    assert "sk-another-key" not in json.dumps(entry)
    assert imported(gateway, document, prune="true")["summary"] == {"create": 0, "update": 0, "delete": 0, "unchanged": 3}


def test_a_document_with_one_fault_changes_nothing(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    client_key = configure(gateway, alpha)
    before = json.loads(export(gateway))
    document = {
        "providers": [{"name": "first", "enabled": False}, {"name": "new", "type": "openai"}],
        "models": [{"name": "größer/模型", "enabled": False}],
        "associations": [{"model": "größer/模型", "provider": "new", "provider_model": "x", "weight": -1}],
        "keys": [{"name": "ci", "enabled": False}],
    }
    found = faults(gateway, document, prune="true")
    assert [fault["path"] for fault in found] == ["associations[0].weight"]
    assert json.loads(export(gateway)) == before
    assert gateway.openai(client_key).chat.completions.create(model="größer/模型", messages=asking("Hello")).choices


def test_what_an_import_makes_is_live_when_it_returns(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    client = gateway.openai()
    document: Json = {
        "providers": [{"name": "p", "type": "openai", "config": {"base_url": alpha.base_url, "api_key": PROVIDER_KEY}}],
        "models": [{"name": "m", "max_retry": 0}],
        "associations": [{"model": "m", "provider": "p", "provider_model": "one"}],
    }
    imported(gateway, document)
    assert client.chat.completions.create(model="m", messages=asking("Hello")).choices
    document["associations"][0]["provider_model"] = "two"
    imported(gateway, document, prune="true")
    assert client.chat.completions.create(model="m", messages=asking("Hello")).choices
    assert [seen.body["model"] for seen in alpha.seen()] == ["one", "two"]
    document["models"] = document["associations"] = []
    imported(gateway, document, prune="true")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="m", messages=asking("Hello"))


@pytest.mark.parametrize("role", ["read-only", "operator"])
def test_only_admins_import_and_take_secrets_out(make_gateway: MakeGateway, alpha: Simulator, role: str) -> None:
    gateway = make_gateway()
    configure(gateway, alpha)
    key = gateway.admin.post("/admin-keys", {"name": "lesser", "role": role})["key"]
    before = json.loads(export(gateway))
    for query in ({}, {"dry_run": "true"}):
        answer = post(gateway, {"models": [{"name": "new"}]}, key=key, **query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    asked = {"authorization": f"Bearer {key}", "x-gateway-passphrase": PASSPHRASE}
    assert gateway.admin.http.get("/export", params={"secrets": "sealed"}, headers=asked).status_code == 403
    plain = gateway.admin.http.get("/export", headers=asked)
    assert plain.json() == before
    assert json.loads(export(gateway)) == before


def test_the_template_is_a_workbook_that_imports(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(OPENAI_API_KEY="sk-template")
    answer = gateway.admin.http.get("/import/template.xlsx")
    assert answer.headers["content-type"] == XLSX
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    for title, headers in HEADERS["documented"].items():
        found = [cell.value for cell in book[title][1]]
        assert set(headers) <= set(found), title
    assert imported(gateway, answer.content, "xlsx")["summary"]["create"] == 3


def test_exports_are_what_other_programs_read(make_gateway: MakeGateway, alpha: Simulator) -> None:
    """Python's own readers find in each format what the API shows."""
    gateway = make_gateway()
    configure(gateway, alpha)
    as_json, as_toml = json.loads(export(gateway)), tomllib.loads(export(gateway, "toml").decode())
    assert as_json.keys() == {"version", *SECTIONS} == as_toml.keys()
    assert as_toml["providers"][0]["config"]["priority"] == as_json["providers"][0]["config"]["priority"] == 7
    book = openpyxl.load_workbook(io.BytesIO(export(gateway, "xlsx")))
    assert book.sheetnames == ["Providers", "Models", "Associations", "Policies", "Prices", "Keys"]
    header, *rows = book["Models"].iter_rows(values_only=True)
    named = [dict(zip(header, row, strict=True)) for row in rows]
    assert {row["name"]: row["timeout"] for row in named} == {"größer/模型": 77, "unused": 30}
    assert CLIENT_KEY not in json.dumps(as_json), "keys of the settings are no part of the configuration"
