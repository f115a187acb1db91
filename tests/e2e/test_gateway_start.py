"""What a gateway says when it cannot start, and what it answers to everybody when it has."""

import json
import signal
import socket
from pathlib import Path

import httpx
import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness.admin import Admin
from harness.database import Database
from harness.gateway import ADMIN_KEY, CLIENT_KEY, PROVIDER_KEY, SECRET_KEY, Gateway, free_port, migrate
from harness.process import run
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking


def refused(tmp_path: Path, *flags: str, **variables: str) -> str:
    """Starts a gateway that must not start; answers the one line it says."""
    defaults = {
        "GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        "GATEWAY_SPOOL_DIR": str(tmp_path / "spool"),
        "GATEWAY_DATABASE_WAIT": "3",
    }
    result = run("gateway", *flags, **defaults | variables)
    assert result.returncode not in (0, None) and result.returncode > 0, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert "panicked" not in result.stderr
    return lines[0]


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    database = make_database()
    migrate(database)
    return database


def test_an_empty_database(make_database: MakeDatabase, tmp_path: Path) -> None:
    assert "migrator up" in refused(tmp_path, DATABASE_URL=make_database().url)


DRIFTS = {
    "sqlite": "ALTER TABLE models ADD COLUMN price INTEGER",
    "postgres": "ALTER TABLE models ALTER COLUMN remark TYPE TEXT",
    "mysql": "ALTER TABLE models MODIFY remark VARCHAR(200)",
}


def test_a_different_schema(database: Database, tmp_path: Path) -> None:
    database.execute(DRIFTS[ENGINE])
    line = refused(tmp_path, DATABASE_URL=database.url)
    assert "migrator check" in line and "models" in line
    checked = run("migrator", "check", DATABASE_URL=database.url)
    assert checked.returncode != 0 and "models" in checked.stdout + checked.stderr


def test_a_port_in_use(database: Database, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(tmp_path, DATABASE_URL=database.url, GATEWAY_LISTEN=address)
    assert "GATEWAY_LISTEN" in line and address in line


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, "GATEWAY_ADMIN_KEY"),
        ({"GATEWAY_SECRET_KEY": SECRET_KEY}, "GATEWAY_ADMIN_KEY"),
        ({"GATEWAY_ADMIN_KEY": ADMIN_KEY}, "GATEWAY_SECRET_KEY"),
    ],
)
@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_a_listener_for_others_needs_keys(
    database: Database, tmp_path: Path, address: str, variables: dict[str, str], missing: str
) -> None:
    listen = f"{address}:{free_port()}"
    line = refused(tmp_path, DATABASE_URL=database.url, GATEWAY_LISTEN=listen, **variables)
    assert missing in line and "GATEWAY_LISTEN" in line


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_LISTEN", "nowhere"),
        ("GATEWAY_SECRET_KEY", "short"),
        ("GATEWAY_ADMIN_KEY", ""),
        ("GATEWAY_PROVIDER_NETWORKS", "some"),
        ("GATEWAY_DRAIN_TIMEOUT", "-1"),
        ("GATEWAY_MAX_BODY", "0"),
        ("GATEWAY_BODY_TIMEOUT", "0"),
        ("HEALTH_CHECK_INTERVAL", "0"),
        ("HEALTH_CHECK_MAX_ERRORS", "0"),
        ("HEALTH_CHECK_RETRY_HOURS", "nan"),
        ("LOG_LEVEL", "gateway=loud"),
        ("DATABASE_URL", "oracle://localhost/x"),
    ],
)
def test_a_wrong_value_is_named(database: Database, tmp_path: Path, name: str, value: str) -> None:
    assert name in refused(tmp_path, **{"DATABASE_URL": database.url, name: value})


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEALTH_CHECK_ENABLED", "perhaps"),
        ("HEALTH_CHECK_INTERVAL", "soon"),
        ("LOG_RETENTION_DAYS", "-1"),
        ("LOG_FORMAT", "xml"),
        ("GATEWAY_MAX_BODY", "64MB"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(database: Database, tmp_path: Path, name: str, value: str) -> None:
    assert name in refused(tmp_path, **{"DATABASE_URL": database.url, name: value})


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read it"),
        ("", "it is damaged"),
        ('{"format": 1, "rows": {"version": 3, "mod', "it is damaged"),
        ('{"format": 2, "rows": {}}', "it has format 2"),
    ],
)
def test_a_kept_configuration_that_cannot_be_used(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "configuration.json"
    if content is not None:
        file.write_text(content)
    url = f"postgres://user:secret-password@127.0.0.1:{free_port()}/nothing"
    line = refused(tmp_path, DATABASE_URL=url, GATEWAY_SNAPSHOT_FILE=str(file))
    assert "DATABASE_URL" in line and "secret-password" not in line
    assert "GATEWAY_SNAPSHOT_FILE" in line and str(file) in line and reason in line


def test_a_wrong_schema_is_no_reason_for_the_kept_configuration(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "configuration.json"
    file.write_text('{"format": 1}')
    database.execute(DRIFTS[ENGINE])
    line = refused(tmp_path, DATABASE_URL=database.url, GATEWAY_SNAPSHOT_FILE=str(file))
    assert "migrator check" in line and "GATEWAY_SNAPSHOT_FILE" not in line


@pytest.mark.sqlite_only
def test_folders_that_cannot_be_written(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    line = refused(tmp_path, DATABASE_URL=database.url, GATEWAY_SPOOL_DIR=str(file / "spool"))
    assert "GATEWAY_SPOOL_DIR" in line and str(file) in line
    assert "DATABASE_URL" in refused(tmp_path, DATABASE_URL=f"sqlite://{file}/gateway.db?mode=rwc")


def test_sealed_keys_need_their_secret_key(make_gateway: MakeGateway, alpha: Simulator, tmp_path: Path) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    gateway.stop()
    stored = gateway.database.rows("SELECT config FROM providers")[0]["config"]
    assert stored["api_key"].startswith("sealed:v1:")
    for variables in ({}, {"GATEWAY_SECRET_KEY": "another-secret-key-than-before"}):
        line = refused(tmp_path, DATABASE_URL=gateway.database.url, GATEWAY_ADMIN_KEY=ADMIN_KEY, **variables)
        assert "GATEWAY_SECRET_KEY" in line and stack.providers[0]["name"] in line
    gateway.restart()
    assert ask(gateway, stack).status_code == 200


def ask(gateway: Gateway, stack: Stack) -> httpx.Response:
    body = {"model": stack.name, "messages": asking("Hello")}
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    return gateway.http.post("/v1/chat/completions", json=body, headers=headers)


@pytest.mark.sqlite_only
def test_references_to_keys(make_gateway: MakeGateway, alpha: Simulator, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("sk-from-a-file-0123\n")
    gateway = make_gateway(E2E_UPSTREAM_KEY="sk-from-the-environment")
    for reference, key in (
        ("env:E2E_UPSTREAM_KEY", "sk-from-the-environment"),
        (f"file:{key_file}", "sk-from-a-file-0123"),
    ):
        stack = Stack.make(gateway)
        shown = stack.add(alpha, api_key=reference)
        assert shown["config"]["api_key"] == reference, "a reference is no secret"
        assert ask(gateway, stack).status_code == 200
        assert alpha.seen()[-1].headers["authorization"] == f"Bearer {key}"

    def asked_with() -> str:
        assert ask(gateway, stack).status_code == 200
        return alpha.seen()[-1].headers["authorization"]

    # As an orchestrator changes a mounted secret, and as an operator may slip.
    changed = tmp_path / "changed"
    changed.write_text("sk-of-the-next-month-4567\n")
    changed.replace(key_file)
    wait_for(lambda: asked_with() == "Bearer sk-of-the-next-month-4567", "the key that the file has now")
    key_file.unlink()
    wait_for(lambda: str(key_file) in gateway.process.output, "a word about the file that is gone")
    assert asked_with() == "Bearer sk-of-the-next-month-4567"


@pytest.mark.sqlite_only
def test_without_an_admin_key_the_admin_api_is_closed(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(GATEWAY_ADMIN_KEY=None, GATEWAY_SECRET_KEY=None)
    for key in (None, "any"):
        response = Admin(gateway.url, key).http.get("/models")
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "admin_key_not_set"


@pytest.mark.sqlite_only
def test_plain_keys_are_sealed_when_a_secret_key_comes(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(GATEWAY_SECRET_KEY=None)
    stack = Stack.make(gateway, [alpha])

    def stored() -> str:
        return gateway.database.rows("SELECT config FROM providers")[0]["config"]["api_key"]

    assert stored() == f"plain:{PROVIDER_KEY}", "there is nothing to seal with"
    gateway.stop()
    sealing = make_gateway(gateway.database)
    assert stored().startswith("sealed:v1:")
    assert ask(sealing, stack).status_code == 200


def test_what_everybody_may_ask(gateway: Gateway) -> None:
    http = gateway.http
    for path in ("/health", "/healthz"):
        assert http.get(path).status_code == 200
    ready = http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": "up"})
    assert http.get("/version").json()["version"]
    metrics = http.get("/metrics")
    assert metrics.status_code == 200 and metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE gateway_requests_in_flight gauge\n" in metrics.text and "# EOF" not in metrics.text
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert {"/api/providers", "/api/models", "/api/model-providers", "/api/keys", "/api/logs"} <= document["paths"].keys()
    docs = http.get("/docs", follow_redirects=True)
    assert docs.status_code == 200 and docs.headers["content-type"].startswith("text/html")
    root = http.get("/")
    assert root.is_redirect and root.headers["location"] == "/console/"
    console = http.get(root.headers["location"])
    assert console.status_code == 200 and console.headers["content-type"].startswith("text/html")
    assert http.head("/healthz").status_code == 200


@pytest.mark.sqlite_only
def test_metrics_can_be_closed(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(GATEWAY_PROTECT_METRICS="true")
    assert gateway.http.get("/metrics").status_code == 401
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    assert gateway.http.get("/metrics", headers=headers).status_code == 200


@pytest.mark.sqlite_only
def test_logs_can_be_json(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(LOG_FORMAT="json")
    gateway.stop()
    lines = [json.loads(line) for line in gateway.process.stdout.splitlines()]
    assert "the gateway is ready" in [line["message"] for line in lines]


@pytest.mark.sqlite_only
def test_settings_from_a_file(make_gateway: MakeGateway, tmp_path: Path, database: Database) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("gateway_lisen = '127.0.0.1:1'\n")
    assert "gateway_lisen" in refused(tmp_path, "--config", str(file), DATABASE_URL=database.url)
    assert "nowhere.toml" in refused(tmp_path, "--config", str(tmp_path / "nowhere.toml"))
    assert str(tmp_path) in refused(tmp_path, "--config", str(tmp_path)), "a folder is no file"
    file.write_bytes(b"\xff\xfe")
    assert str(file) in refused(tmp_path, "--config", str(file))


@pytest.mark.sqlite_only
def test_a_draining_gateway_takes_no_connections_and_finishes(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    alpha.always(tokens=30, tokens_per_second=15)
    # Its connection was there before and has a request running, so it is still answered.
    stream = gateway.openai().chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True)
    next(iter(stream))
    gateway.process.send(signal.SIGTERM)
    wait_for(lambda: is_refused(gateway), "a closed listener")
    assert list(stream)[-1].choices[0].finish_reason == "stop"
    assert gateway.process.wait() == 0


def is_refused(gateway: Gateway) -> bool:
    """Whether new connections are refused."""
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.sqlite_only
def test_memory_of_a_peak_is_given_back_soon() -> None:
    """The allocator tells what it was built to do, which no other figure would without waiting for it."""
    told = run("gateway", "--version", MALLOC_CONF="confirm_conf:true").stderr
    built = next(line for line in told.splitlines() if "--with-malloc-conf" in line)
    assert "dirty_decay_ms:1000" in built
    assert "background_thread:true" in built
