"""The admin API: what it keeps, what it refuses and by which name, and what it never tells."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from conftest import MakeGateway, MakeStack
from harness.admin import Admin, Json
from harness.gateway import ADMIN_KEY, CLIENT_KEY, PROVIDER_KEY, SECRETS, Gateway
from harness.simulator import Simulator, mark
from test_sdk import asking

numbers = itertools.count(1)


def unique(name: str) -> str:
    return f"{name}-{next(numbers)}"


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Admin:
    return gateway.admin


@dataclass(frozen=True)
class Existing:
    """One of each kind, for requests to collide with or to refer to."""

    provider: Json
    model: Json
    association: Json
    key: Json


@pytest.fixture(scope="module")
def existing(admin: Admin) -> Iterator[Existing]:
    provider = admin.provider(unique("existing"), "http://127.0.0.1:9/v1", PROVIDER_KEY)
    model = admin.model(unique("existing"))
    association = admin.associate(model, provider, "upstream-name")
    yield Existing(provider, model, association, admin.key(unique("existing")))


# What is kept


def test_providers_are_kept(admin: Admin) -> None:
    name = unique("kept")
    made = admin.provider(name, "https://llm.example/v1", PROVIDER_KEY, priority=7, weight=3, enabled=False)
    path = f"/providers/{made['id']}"
    assert isinstance(made["id"], int)
    assert (made["name"], made["type"], made["enabled"]) == (name, "openai", False)
    assert (made["config"]["priority"], made["config"]["weight"]) == (7, 3)
    assert admin.get(path) == made
    changed = admin.patch(path, {"enabled": True, "config": {"weight": 9}})
    assert changed["enabled"] and changed["config"] == made["config"] | {"weight": 9}
    assert made["id"] in [entry["id"] for entry in admin.get("/providers", limit=1000)["data"]]
    admin.delete(path)
    assert admin.http.get(path).status_code == 404


def test_models_are_kept(admin: Admin) -> None:
    name = unique("kept")
    made = admin.model(name, remark="for tests")
    path = f"/models/{made['id']}"
    defaults = {"name": name, "remark": "for tests", "max_retry": 3, "timeout": 30, "enabled": True}
    assert defaults.items() <= made.items()
    changed = admin.patch(path, {"timeout": 5, "remark": None})
    assert (changed["timeout"], changed["remark"], changed["max_retry"]) == (5, None, 3)
    assert admin.get(path) == changed
    admin.delete(path)
    assert admin.http.get(path).status_code == 404


def test_associations_are_kept(admin: Admin, existing: Existing) -> None:
    model = admin.model(unique("kept"))
    made = admin.associate(model, existing.provider, "upstream-name")
    path = f"/model-providers/{made['id']}"
    defaults = {"weight": 1, "tool_call": True, "structured_output": True, "image": False, "enabled": True}
    assert defaults.items() <= made.items()
    assert admin.patch(path, {"image": True, "weight": 0}).items() >= {"image": True, "weight": 0}.items()
    listed = admin.get("/model-providers", model_id=model["id"])["data"]
    assert [entry["id"] for entry in listed] == [made["id"]]
    admin.delete(path)
    assert admin.get("/model-providers", model_id=model["id"])["data"] == []


def test_keys_are_kept_and_told_once(admin: Admin) -> None:
    made = admin.key(unique("kept"), allowed_models=["m"])
    secret = made.pop("key")
    path = f"/keys/{made['id']}"
    assert admin.get(path) == made
    assert secret not in json.dumps(admin.get("/keys", limit=1000))
    assert admin.patch(path, {"enabled": False})["enabled"] is False
    admin.delete(path)
    assert admin.http.get(path).status_code == 404


def test_policies_are_replaced_whole(admin: Admin) -> None:
    model = admin.model(unique("kept"), timeout=7)
    path = f"/policies/{model['id']}"
    defaults = admin.get(path)
    assert defaults["strategy"] == "weighted"
    put = admin.policy(model, strategy="least_busy", stream_idle_timeout=1.5)
    assert (put["strategy"], put["stream_idle_timeout"]) == ("least_busy", 1.5)
    put = admin.policy(model, total_timeout=9)
    assert (put["strategy"], put["total_timeout"]) == ("weighted", 9)
    assert put["stream_idle_timeout"] == defaults["stream_idle_timeout"]
    admin.delete(path)
    assert admin.get(path) == defaults


def test_lists_are_paged_newest_first(admin: Admin) -> None:
    ids = [admin.model(unique("paged"))["id"] for _ in range(5)]
    first = admin.get("/models", limit=2)
    second = admin.get("/models", limit=2, cursor=first["next"])
    assert [entry["id"] for entry in first["data"] + second["data"]] == ids[::-1][:4]


def test_deleting_a_provider_in_use_needs_force(admin: Admin) -> None:
    provider = admin.provider(unique("used"), "http://127.0.0.1:9/v1", PROVIDER_KEY)
    association = admin.associate(admin.model(unique("user")), provider, "m")
    path = f"/providers/{provider['id']}"
    assert admin.http.delete(path).status_code == 409
    admin.delete(path, force="true")
    assert admin.http.get(f"/model-providers/{association['id']}").status_code == 404


# What is refused


def assert_refused(response: httpx.Response, status: int, field: str | None) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"code", "message", "details"}
    if field is not None:
        assert field in error["message"], error
        assert error["details"]["field"] == field, error


def provider_body(**fields: Any) -> Json:
    config = {"base_url": "https://llm.example/v1", "api_key": PROVIDER_KEY}
    return {"name": unique("refused"), "type": "openai", "config": config} | fields


REFUSED_PROVIDERS = [
    ("name", {"name": ""}),
    ("name", {"name": "x" * 101}),
    ("name", {"name": 7}),
    ("name", {"name": None}),
    ("type", {"type": "telepathy"}),
    ("type", {"type": None}),
    ("enabled", {"enabled": "yes"}),
    ("colour", {"colour": "blue"}),
    ("config", {"config": []}),
    ("config.colour", {"config": {"base_url": "https://llm.example/v1", "colour": "blue"}}),
    ("config.weight", {"config": {"base_url": "https://llm.example/v1", "weight": -1}}),
    ("config.weight", {"config": {"base_url": "https://llm.example/v1", "weight": "heavy"}}),
    ("config.priority", {"config": {"base_url": "https://llm.example/v1", "priority": 1.5}}),
    ("config.api_key", {"config": {"base_url": "https://llm.example/v1", "api_key": ""}}),
    ("config.api_key", {"config": {"base_url": "https://llm.example/v1", "api_key": "two\nlines"}}),
]


@pytest.mark.parametrize(("field", "change"), REFUSED_PROVIDERS, ids=str)
def test_refused_providers(admin: Admin, field: str, change: Json) -> None:
    body = provider_body(**change)
    assert_refused(admin.http.post("/providers", json=body), 422, field)
    made = admin.post("/providers", provider_body())
    assert_refused(admin.http.patch(f"/providers/{made['id']}", json=change), 422, field)
    assert admin.get(f"/providers/{made['id']}") == made


#: No URLs, or none that a gateway may call: link-local, metadata services, multicast and unspecified addresses in every
#: notation that some resolver understands.
BAD_URLS = [
    "",
    "llm.example",
    "llm.example/v1",
    "/v1",
    "ftp://llm.example/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://",
    "http:///v1",
    "http://user:password@llm.example/v1",
    "http://llm.example:99999/v1",
    "http://llm.example/v1?key=value",
    "http://llm.example/v1#fragment",
    "http://llm.example/v1\r\nx-header: 1",
    "http://[::1/v1",
    "http://169.254.169.254/v1",
    "http://169.254.1.1:8080/v1",
    "http://[fe80::1]/v1",
    "http://[::ffff:169.254.169.254]/v1",
    "http://[::ffff:a9fe:a9fe]/v1",
    "http://[64:ff9b::a9fe:a9fe]/v1",
    "http://[2002:a9fe:a9fe::1]/v1",
    "http://[fd00:ec2::254]/v1",
    "http://2852039166/v1",
    "http://0xa9fea9fe/v1",
    "http://0xa9.0xfe.0xa9.0xfe/v1",
    "http://0251.0376.0251.0376/v1",
    "http://169.254.43518/v1",
    "http://169.254.169.254./v1",
    "http://169。254。169。254/v1",
    "http://%31%36%39.254.169.254/v1",
    "http://metadata.google.internal/v1",
    "http://METADATA.google.internal./v1",
    "http://224.0.0.1/v1",
    "http://[ff02::1]/v1",
    "http://0.0.0.0/v1",
    "http://0/v1",
    "http://[::]/v1",
    "http://255.255.255.255/v1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_refused_base_urls(admin: Admin, existing: Existing, url: str) -> None:
    body = provider_body(config={"base_url": url, "api_key": PROVIDER_KEY})
    assert_refused(admin.http.post("/providers", json=body), 422, "config.base_url")
    patch = {"config": {"base_url": url, "api_key": PROVIDER_KEY}}
    path = f"/providers/{existing.provider['id']}"
    assert_refused(admin.http.patch(path, json=patch), 422, "config.base_url")
    assert admin.get(path)["config"] == existing.provider["config"]


@pytest.mark.sqlite_only
def test_private_networks_can_be_closed(make_gateway: MakeGateway) -> None:
    admin = make_gateway(GATEWAY_PROVIDER_NETWORKS="public").admin
    for host in ("127.0.0.1", "127.1", "[::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "[fc00::1]"):
        body = provider_body(config={"base_url": f"http://{host}/v1", "api_key": PROVIDER_KEY})
        assert_refused(admin.http.post("/providers", json=body), 422, "config.base_url")


REFUSED_MODELS = [
    ("name", {"name": ""}),
    ("name", {"name": "x" * 101}),
    ("name", {"name": "two\nlines"}),
    ("name", {"name": None}),
    ("remark", {"remark": "x" * 256}),
    ("max_retry", {"max_retry": -1}),
    ("max_retry", {"max_retry": "three"}),
    ("timeout", {"timeout": 0}),
    ("timeout", {"timeout": 2**40}),
    ("enabled", {"enabled": 2}),
    ("price", {"price": 1}),
    ("id", {"id": 1}),
]


@pytest.mark.parametrize(("field", "change"), REFUSED_MODELS, ids=str)
def test_refused_models(admin: Admin, field: str, change: Json) -> None:
    assert_refused(admin.http.post("/models", json={"name": unique("refused")} | change), 422, field)
    made = admin.model(unique("refused"))
    assert_refused(admin.http.patch(f"/models/{made['id']}", json=change), 422, field)
    assert admin.get(f"/models/{made['id']}") == made


REFUSED_ASSOCIATIONS = [
    ("model_id", {"model_id": 999_999_999}),
    ("model_id", {"model_id": "1"}),
    ("model_id", {"model_id": None}),
    ("provider_id", {"provider_id": 999_999_999}),
    ("provider_id", {"provider_id": -1}),
    ("provider_model", {"provider_model": ""}),
    ("provider_model", {"provider_model": "x" * 101}),
    ("provider_model", {"provider_model": None}),
    ("weight", {"weight": -1}),
    ("tool_call", {"tool_call": "yes"}),
    ("audio", {"audio": True}),
]


@pytest.mark.parametrize(("field", "change"), REFUSED_ASSOCIATIONS, ids=str)
def test_refused_associations(admin: Admin, existing: Existing, field: str, change: Json) -> None:
    ids = {"model_id": existing.model["id"], "provider_id": existing.provider["id"]}
    body = {**ids, "provider_model": "m"} | change
    assert_refused(admin.http.post("/model-providers", json=body), 422, field)
    path = f"/model-providers/{existing.association['id']}"
    assert_refused(admin.http.patch(path, json=change), 422, field)
    assert admin.get(path) == existing.association


REFUSED_KEYS = [
    ("name", {"name": ""}),
    ("name", {"name": "env-deadbeef"}),
    ("expires_at", {"expires_at": "tomorrow"}),
    ("allowed_models", {"allowed_models": "m"}),
    ("allowed_models", {"allowed_models": [1]}),
    ("key", {"key": "sk-my-own"}),
    ("colour", {"colour": "blue"}),
]


@pytest.mark.parametrize(("field", "change"), REFUSED_KEYS, ids=str)
def test_refused_keys(admin: Admin, field: str, change: Json) -> None:
    response = admin.http.post("/keys", json={"name": unique("refused")} | change)
    assert response.status_code == 422, response.text
    assert field in response.json()["error"]["message"]


REFUSED_POLICIES = [
    ("strategy", {"strategy": "fastest"}),
    ("connect_timeout", {"connect_timeout": 0}),
    ("stream_idle_timeout", {"stream_idle_timeout": -1}),
    ("total_timeout", {"total_timeout": 1e12}),
    ("response_timeout", {"response_timeout": "soon"}),
    ("colour", {"colour": "blue"}),
]


@pytest.mark.parametrize(("field", "body"), REFUSED_POLICIES, ids=str)
def test_refused_policies(admin: Admin, existing: Existing, field: str, body: Json) -> None:
    assert_refused(admin.http.put(f"/policies/{existing.model['id']}", json=body), 422, field)


def test_a_policy_of_no_model_is_refused(admin: Admin) -> None:
    assert admin.http.put("/policies/999999999", json={}).status_code == 404


def test_duplicate_names_are_refused(admin: Admin, existing: Existing) -> None:
    other_provider, other_model = admin.post("/providers", provider_body()), admin.model(unique("other"))
    taken = {"name": existing.provider["name"]}
    assert_refused(admin.http.post("/providers", json=provider_body(**taken)), 409, "name")
    assert_refused(admin.http.patch(f"/providers/{other_provider['id']}", json=taken), 409, "name")
    taken = {"name": existing.model["name"]}
    assert_refused(admin.http.post("/models", json=taken), 409, "name")
    assert_refused(admin.http.patch(f"/models/{other_model['id']}", json=taken), 409, "name")
    assert_refused(admin.http.post("/keys", json={"name": existing.key["name"]}), 409, "name")
    # Names are told apart by case, alike on every engine.
    admin.model(existing.model["name"].upper())


@pytest.mark.parametrize("path", ["/providers", "/models", "/model-providers", "/keys"])
def test_bodies_that_are_no_objects(admin: Admin, path: str) -> None:
    as_json = {"content-type": "application/json"}
    assert_refused(admin.http.post(path, content=b'{"name":', headers=as_json), 400, None)
    assert_refused(admin.http.post(path, content=b"\xff", headers=as_json), 400, None)
    assert admin.http.post(path, json=[1]).status_code in (400, 422)
    deep = b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    assert admin.http.post(path, content=deep, headers=as_json).status_code == 400


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("/models", {"limit": 0}, "limit"),
        ("/models", {"limit": 1001}, "limit"),
        ("/models", {"limit": "many"}, "limit"),
        ("/models", {"colour": "blue"}, "colour"),
        ("/model-providers", {"model_id": "one"}, "model_id"),
        ("/logs", {"status_code": "good"}, "status_code"),
        ("/logs", {"from": "yesterday"}, "from"),
        ("/stats", {"hours": 0}, "hours"),
    ],
)
def test_refused_parameters(admin: Admin, path: str, parameters: Json, field: str) -> None:
    response = admin.http.get(path, params=parameters)
    assert response.status_code == 422, response.text
    assert field in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/providers", "/models", "/model-providers", "/keys"])
def test_what_is_not_there(admin: Admin, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body = {"json": {}} if method == "PATCH" else {}
        assert_refused(admin.http.request(method, f"{path}/999999999", **body), 404, None)
    assert admin.http.get(f"{path}/one").status_code in (404, 422)
    assert admin.http.put(path, json={}).status_code == 405


@pytest.mark.parametrize("key", [None, "wrong", CLIENT_KEY, ADMIN_KEY + " x", ADMIN_KEY[:-1]])
def test_only_the_admin_key_opens_the_admin_api(make_gateway: MakeGateway, key: str | None) -> None:
    # One of its own: after this many wrong keys an address waits, and all tests have the same.
    stranger = Admin(make_gateway().url, key)
    for path in ("/providers", "/keys", "/logs", "/nothing", ""):
        assert stranger.http.get(path).status_code == 401
    assert stranger.http.post("/models", json={"name": "m"}).status_code == 401
    stranger.close()


@pytest.mark.sqlite_only
def test_the_admin_key_is_no_client_key(gateway: Gateway) -> None:
    assert gateway.http.get("/v1/models", headers={"authorization": f"Bearer {ADMIN_KEY}"}).status_code == 401


# What is never told


def test_secrets_come_out_nowhere(make_gateway: MakeGateway, alpha: Simulator) -> None:
    header_secret = "header-secret-9d8c7b6a5f4e"
    gateway = make_gateway(LOG_LEVEL="debug")
    admin = gateway.admin
    provider = admin.provider("p", alpha.base_url, PROVIDER_KEY, headers={"x-org-token": header_secret})
    model = admin.model("m", max_retry=0)
    admin.associate(model, provider, "m")
    key = admin.key("k")
    headers = {"authorization": f"Bearer {key['key']}"}
    texts = [json.dumps(provider)]
    for behaviour in ({}, {"status": 500}, {"error": "echo_key"}, {"error": "echo_key", "status": 400}):
        body = {"model": "m", "messages": asking(mark("Hello", **behaviour))}
        response = gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        texts.append(response.text + str(response.headers))
    assert alpha.seen()[0].headers["x-org-token"] == header_secret
    patched = admin.patch("/providers/1", {"config": {"weight": 5, "api_key": provider["config"]["api_key"]}})
    texts.append(json.dumps(patched))
    paths = ["/providers", "/providers/1", "/models", "/model-providers", "/keys", "/health", "/stats", "/logs"]
    texts += [json.dumps(admin.get(path)) for path in [*paths, "/stats/daily", "/model-providers/1/status"]]
    texts += [gateway.http.get(path).text for path in ("/metrics", "/openapi.json", "/docs", "/version", "/readyz")]
    stored = [gateway.database.execute(f"SELECT * FROM {table}") for table in ("providers", "api_keys", "request_logs")]
    in_database = str(stored)
    gateway.stop()
    gateway.assert_clean_output(key["key"], header_secret)
    for secret in (*SECRETS, key["key"]):
        assert not [text for text in texts if secret in text], secret
        assert secret not in in_database, "it is sealed or hashed at rest"
    assert not [text for text in texts if header_secret in text]


def test_a_masked_key_is_kept_unless_the_provider_moves(make_stack: MakeStack, alpha: Simulator, client) -> None:
    stack = make_stack(alpha)
    admin, provider = stack.gateway.admin, stack.providers[0]
    path = f"/providers/{provider['id']}"
    mask = provider["config"]["api_key"]
    admin.patch(path, {"config": {"api_key": mask, "base_url": alpha.base_url + "/"}})
    client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert alpha.seen()[0].headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    for config in ({"base_url": "http://127.0.0.1:9/v1"}, {"base_url": "http://127.0.0.1:9/v1", "api_key": mask}):
        assert_refused(admin.http.patch(path, json={"config": config}), 422, "config.api_key")
