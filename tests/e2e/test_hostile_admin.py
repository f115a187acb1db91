"""The admin API and what it guards, tried as an attacker would: the classes of OWASP's API Security Top 10 (2023).

What other files try already is not tried again; docs/security.md says of each class where.
"""

import itertools
import json
from pathlib import Path

import httpx
import pytest

from conftest import MakeGateway
from harness.gateway import ADMIN_KEY, CLIENT_KEY, PROVIDER_KEY, SECRET_KEY, Gateway
from harness.simulator import Simulator, mark
from harness.waiting import wait_for
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only


def admin_key(gateway: Gateway, role: str) -> str:
    return gateway.admin.post("/admin-keys", {"name": f"{role}-key", "role": role})["key"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def operations(gateway: Gateway) -> list[tuple[str, str]]:
    """Every operation below /api that there is, with ids filled in."""
    paths = gateway.http.get("/openapi.json").json()["paths"]
    found = [
        (method.upper(), path.replace("{id}", "1").replace("{model_id}", "1"))
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/api/")
    ]
    assert len(found) > 40
    return found


def answer_to(gateway: Gateway, method: str, path: str, key: str) -> httpx.Response:
    """The answer, of which only the beginning is read where it has no end."""
    with gateway.http.stream(method, path, headers=bearer(key), json={} if method != "GET" else None) as answer:
        if answer.headers.get("content-type") == "text/event-stream":
            assert next(answer.iter_lines()) == ": watching"
        else:
            answer.read()
        return answer


def test_nobody_without_an_admin_key_gets_anything_done(make_gateway: MakeGateway) -> None:
    """API2 and API5: each operation, without a key, with a client's, and with keys in places where they do not belong."""
    # Each try comes from an address of its own, or the throttle would answer instead of what is tried.
    gateway = make_gateway(GATEWAY_TRUSTED_PROXIES="127.0.0.1")
    client = gateway.admin.key("client")["key"]
    addresses = (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(256), repeat=3))
    tries = [
        {},
        bearer(CLIENT_KEY),
        bearer(client),
        {"x-api-key": ADMIN_KEY},
        {"x-goog-api-key": ADMIN_KEY},
        {"authorization": f"Basic {ADMIN_KEY}"},
        {"authorization": ADMIN_KEY},
        {"cookie": f"key={ADMIN_KEY}"},
        bearer(ADMIN_KEY[:-1]),
        bearer(ADMIN_KEY.upper()),
    ]
    for method, path in operations(gateway):
        for headers in tries:
            headers = {"x-forwarded-for": next(addresses), **headers}
            answer = gateway.http.request(method, path, params={"key": ADMIN_KEY}, headers=headers)
            assert answer.status_code == 401, (method, path, headers, answer.text)
    assert len(gateway.admin.get("/audit")["data"]) == 1, "nothing but the key of this test was made"


def test_a_reader_changes_nothing_and_an_operator_no_secret(make_gateway: MakeGateway, alpha: Simulator) -> None:
    """API5: roles hold for each operation, found by the document and not by a list of this test."""
    gateway = make_gateway()
    gateway.admin.provider("p", alpha.base_url, PROVIDER_KEY)
    reader, operator = admin_key(gateway, "read-only"), admin_key(gateway, "operator")
    before = gateway.admin.get("/audit")["data"]
    for method, path in operations(gateway):
        answer = answer_to(gateway, method, path, reader)
        # An import can say where secrets go.
        is_admins = "/admin-keys" in path or path == "/api/import"
        # What was asked and answered is for who runs the gateway.
        is_operators = method != "GET" or path.endswith("/bodies")
        assert (answer.status_code == 403) == (is_operators or is_admins), (method, path, answer)
        if is_admins:
            answer = gateway.http.request(method, path, headers=bearer(operator), json={})
            assert answer.status_code == 403, (method, path, answer.text)
    # Where a provider's key is sent to, an operator cannot say, in whatever spelling.
    for config in (
        {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-of-the-attacker"},
        {"proxy": "http://127.0.0.1:9"},
        {"ca_file": "/etc/hostname"},
        {"headers": {"X-A": "env:GATEWAY_SECRET_KEY"}},
        {"api_key": "env:GATEWAY_ADMIN_KEY"},
        {"models": {"m": {"headers": {"x-a": "file:/etc/passwd"}}}},
    ):
        answer = gateway.http.patch("/api/providers/1", headers=bearer(operator), json={"config": config})
        assert answer.status_code == 403, (config, answer.text)
    assert gateway.admin.get("/audit")["data"] == before


def test_nobody_writes_what_is_not_his_to_write(make_gateway: MakeGateway) -> None:
    """API3: members that the API sets itself are refused by name, in every body."""
    gateway = make_gateway()
    gateway.admin.post("/models", {"name": "m"})
    gateway.admin.key("k")
    own = ["id", "created_at", "key_hash", "key_prefix", "last_used_at", "associations", "problem", "__proto__"]
    for path, member in itertools.product(("models", "keys", "admin-keys", "providers"), own):
        body = {"name": "n", "role": "admin", "type": "openai"} if path != "models" else {"name": "n"}
        answer = gateway.admin.http.post(f"/{path}", json={**body, member: 1})
        assert answer.status_code == 422, (path, member, answer.text)
    for path, member in itertools.product(("models/1", "keys/1"), own):
        answer = gateway.admin.http.patch(f"/{path}", json={member: 1})
        assert answer.status_code == 422, (path, member, answer.text)


def test_a_client_sees_and_uses_only_what_its_key_may(make_gateway: MakeGateway, alpha: Simulator) -> None:
    """API1: other models, by name, by pattern tricks and by lists; other providers, by header."""
    gateway = make_gateway()
    provider = gateway.admin.provider("p", alpha.base_url, PROVIDER_KEY)
    other = gateway.admin.provider("q", alpha.base_url, PROVIDER_KEY)
    for name in ("mine", "theirs"):
        model = gateway.admin.model(name)
        gateway.admin.associate(model, provider, name)
        gateway.admin.associate(model, other, name)
    key = gateway.admin.key("k", allowed_models=["mine"], allowed_providers=["p"])["key"]
    listed = gateway.http.get("/v1/models", headers=bearer(key)).json()["data"]
    assert [model["id"] for model in listed] == ["mine"]
    assert gateway.http.get("/v1/models/theirs", headers=bearer(key)).status_code == 404
    for model in ("theirs", "mine/../theirs", "Mine", "mine\x00", "mine,theirs", "*", "m*"):
        body = {"model": model, "messages": asking("Hello")}
        answer = gateway.http.post("/v1/chat/completions", json=body, headers=bearer(key))
        assert answer.status_code in (400, 403, 404), (model, answer.text)
    body = {"model": "mine", "messages": asking("Hello")}
    answer = gateway.http.post(
        "/v1/chat/completions", json=body, headers={**bearer(key), "x-gateway-provider": "q"}
    )
    assert answer.status_code >= 400, answer.text
    assert not alpha.seen()


def test_odd_requests_change_nothing(make_gateway: MakeGateway) -> None:
    """API8 and API9: methods and paths that nobody needs, and tricks by which a path passes for another."""
    gateway = make_gateway()
    for method in ("TRACE", "CONNECT", "PROPFIND", "DEBUG"):
        assert gateway.http.request(method, "/api/models", headers=bearer("x")).status_code >= 400
    for path in ("/API/models", "//api/models", "/api//models", "/api/./models", "/api/%6dodels", "/docs/../api/models"):
        url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
        answer = gateway.http.get(url)
        assert answer.status_code in (400, 401, 404), (path, answer.text)
    override = {"x-http-method-override": "DELETE", "x-original-url": "/api/models", "x-rewrite-url": "/api/models"}
    assert gateway.http.get("/readyz", headers=override).json()["status"] == "ready"
    for path in ("/actuator", "/debug/pprof", "/.env", "/server-status", "/console/../../etc/passwd"):
        assert gateway.http.get(path).status_code in (307, 404), path


def test_planted_secrets_are_found_nowhere(make_gateway: MakeGateway, alpha: Simulator, tmp_path: Path) -> None:
    """Each secret is used, repeated by a provider, and looked for in all that is written or told."""
    snapshot = tmp_path / "snapshot.json"
    from_file = tmp_path / "key"
    from_file.write_text("planted-in-a-file-0123456789")
    gateway = make_gateway(LOG_LEVEL="trace", GATEWAY_SNAPSHOT_FILE=str(snapshot))
    planted = {
        "provider key": "planted-provider-key-0123456789",
        "header": "planted-header-value-0123456789",
        "header of a model": "planted-model-header-0123456789",
        "file": from_file.read_text(),
    }
    headers, of_model = {"x-team": planted["header"]}, {"x-model": planted["header of a model"]}
    provider = gateway.admin.provider(
        "p", alpha.base_url, planted["provider key"], headers=headers, models={"m": {"headers": of_model}}
    )
    gateway.admin.associate(gateway.admin.model("m", max_retry=0), provider, "m")
    by_file = gateway.admin.provider("f", alpha.base_url, f"file:{from_file}")
    gateway.admin.associate(gateway.admin.model("n", max_retry=0), by_file, "n")
    client = gateway.admin.key("client")
    planted["client key"] = client["key"]
    planted["admin key"] = admin_key(gateway, "operator")
    told: list[str] = []
    for key in (client["key"], CLIENT_KEY):
        for model, behaviour in itertools.product(
            ("m", "n", "none"),
            ({}, {"status": 500}, {"error": "echo_key"}, {"error": "echo_key", "status": 400}),
        ):
            body = {"model": model, "messages": asking(mark("Hello", **behaviour))}
            answer = gateway.http.post("/v1/chat/completions", json=body, headers=bearer(key))
            told.append(answer.text + str(answer.headers))
    told.append(gateway.http.get("/api/me", headers=bearer("planted-wrong-key")).text)
    planted["wrong key"] = "planted-wrong-key"
    sent = [request.headers for request in alpha.seen()]
    for secret in ("provider key", "header", "header of a model", "file"):
        assert planted[secret] in str(sent), f"the {secret} was used"
    gateway.admin.patch("/providers/1", {"config": {"weight": 7}, "name": "renamed"})
    wait_for(lambda: len(gateway.database.request_logs()) == len(told) - 1, "all rows")
    reading = [path for method, path in operations(gateway) if method == "GET" and path != "/api/logs/tail"]
    for path in [*reading, "/metrics", "/openapi.json", "/docs", "/readyz", "/version"]:
        told.append(gateway.http.get(path, headers=bearer(ADMIN_KEY)).text)

    limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"], core
    gateway.stop()
    gateway.assert_clean_output(*planted.values())
    at_rest = [path.read_bytes() for path in (snapshot, *database_files(gateway))]
    planted |= {"settings' client key": CLIENT_KEY, "settings' admin key": ADMIN_KEY, "secret key": SECRET_KEY}
    for name, secret in planted.items():
        assert not [text for text in told if secret in text], name
        assert not [text for text in at_rest if secret.encode() in text], name
    assert json.loads(snapshot.read_text()), "the file of the configuration was written"


def database_files(gateway: Gateway) -> list[Path]:
    path = Path(gateway.database.url.removeprefix("sqlite://").partition("?")[0])
    files = sorted(path.parent.glob(f"{path.name}*"))
    assert files
    return files
