"""Secrets of what stands around a gateway, planted, used and refused: told to nobody and written nowhere."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from conftest import MakeDatabase, MakeGateway
from harness.database import Database
from harness.gateway import ADMIN_KEY, CLIENT_KEY, Gateway, free_port, migrate
from harness.process import run
from harness.receiver import Receiver
from harness.redis_server import RedisServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_alerts import fail_once
from test_hostile_admin import bearer, database_files, operations
from test_sdk import asking

OTLP, WEBHOOK, SIGNING = "planted-collector-token", "planted-webhook-token", "planted-signing-secret"
REDIS, DATABASE, MODERATION = "planted-redis-password", "planted-database-password", "planted-moderation-key"
PROXY = "planted-proxy-password"
PLANTED = (OTLP, WEBHOOK, SIGNING, REDIS, DATABASE, MODERATION, PROXY)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer(password=REDIS)
    yield server
    server.remove()


@pytest.fixture
def unwilling() -> Iterator[Receiver]:
    """Takes nothing of what it is sent."""
    receiver = Receiver(lambda _: 401)
    yield receiver
    receiver.close()


def with_password(database: Database) -> str:
    """The database's URL, with a password where its server asks for none; a file has none."""
    url = urlsplit(database.url)
    if url.scheme != "postgres" or url.password:
        return database.url
    return urlunsplit(url._replace(netloc=f"{url.username}:{DATABASE}@{url.hostname}:{url.port}"))


def everything_told(gateway: Gateway) -> list[str]:
    """All that can be read, by whoever may read all."""
    reading = [path for method, path in operations(gateway) if method == "GET" and path != "/api/logs/tail"]
    exports = [f"/api/export?format={form}" for form in ("json", "toml", "xlsx")]
    told = []
    for path in [*reading, *exports, "/metrics", "/openapi.json", "/docs", "/readyz", "/health", "/version"]:
        answer = gateway.http.get(path, headers=bearer(ADMIN_KEY))
        told.append(str(answer.headers))
        if answer.content.startswith(b"PK"):
            sheets = zipfile.ZipFile(io.BytesIO(answer.content))
            told += [sheets.read(name).decode("latin-1") for name in sheets.namelist()]
        else:
            told.append(answer.text)
    return told


def test_secrets_of_what_stands_around_are_found_nowhere(
    make_gateway: MakeGateway,
    make_database: MakeDatabase,
    alpha: Simulator,
    redis: RedisServer,
    unwilling: Receiver,
    tmp_path: Path,
) -> None:
    database = make_database()
    migrate(database)
    snapshot, moderation_key = tmp_path / "snapshot.json", tmp_path / "moderation-key"
    moderation_key.write_text(MODERATION)
    gateway = make_gateway(
        database,
        DATABASE_URL=with_password(database),
        REDIS_URL=redis.url,
        GATEWAY_ALERT_URLS=f"{unwilling.url}/hook?token={WEBHOOK}, http://127.0.0.1:{free_port()}/{WEBHOOK}",
        GATEWAY_ALERT_SECRET=SIGNING,
        OTEL_EXPORTER_OTLP_ENDPOINT=unwilling.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {OTLP}",
        OTEL_METRIC_EXPORT_INTERVAL="1000",
        GATEWAY_SNAPSHOT_FILE=str(snapshot),
        LOG_LEVEL="trace",
    )
    stack = Stack.make(gateway, [alpha])
    moderation = {"url": f"{unwilling.url}/moderations", "api_key": f"file:{moderation_key}"}
    told = []

    def ask() -> None:
        body = {"model": stack.name, "messages": asking("Hello")}
        answer = gateway.http.post("/v1/chat/completions", json=body, headers=bearer(CLIENT_KEY))
        told.append(answer.text + str(answer.headers))

    ask()
    wait_for(lambda: gateway.metrics()["gateway_redis_up"] == 1, "Redis, which knows the password")
    gateway.admin.policy(stack.model, guards={"moderation": moderation})
    ask()
    gateway.admin.policy(stack.model)
    fail_once(gateway, stack, alpha)
    # Nothing here hides it, so that it is not taken.
    proxy = f"http://user:{PROXY}@127.0.0.1:{free_port()}"
    answer = gateway.admin.http.patch(f"/providers/{stack.providers[0]['id']}", json={"config": {"proxy": proxy}})
    assert answer.status_code == 422 and "config.proxy" in answer.text, answer.text
    told.append(answer.text)
    redis.kill()
    ask()
    for secret in (OTLP, WEBHOOK, MODERATION):
        used = lambda: any(secret in it.path + str(it.headers) for it in list(unwilling.received))  # noqa: E731, B023
        wait_for(used, f"that {secret} is used", seconds=60)
    wait_for(lambda: gateway.metrics()["gateway_alerts_failed_total"] > 0, "an alert that is given up", seconds=60)
    wait_for(lambda: gateway.metrics()["gateway_redis_outages_total"] > 0, "that Redis is given up", seconds=60)
    told += everything_told(gateway)
    gateway.stop()
    gateway.assert_clean_output(*PLANTED)
    files = [snapshot, *(database_files(gateway) if database.url.startswith("sqlite") else [])]
    at_rest = [path.read_bytes() for path in files]
    for secret in PLANTED:
        assert not [text for text in told if secret in text], secret
        assert not [text for text in at_rest if secret.encode() in text], secret
    assert not any(WEBHOOK in request.body.decode("latin-1") for request in unwilling.received)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("scheme", ["postgres", "mysql"])
def test_a_server_that_cannot_be_had_is_told_of_without_its_password(scheme: str) -> None:
    url = f"{scheme}://user:{DATABASE}@127.0.0.1:{free_port()}/nothing"
    settings = {"DATABASE_URL": url, "GATEWAY_DATABASE_WAIT": "1", "GATEWAY_LISTEN": f"127.0.0.1:{free_port()}"}
    for program, arguments in (("migrator", ["up"]), ("migrator", ["check"]), ("gateway", [])):
        ended = run(program, *arguments, **settings, LOG_LEVEL="trace", RUST_LOG="trace")
        assert ended.returncode != 0, (program, ended.stdout)
        assert DATABASE not in ended.stdout + ended.stderr, (program, arguments, ended.stderr)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DATABASE_URL", f"postgres://user:{DATABASE}@[nowhere/x"),
        ("DATABASE_URL", f"oracle://user:{DATABASE}@127.0.0.1/x"),
        ("REDIS_URL", f"http://user:{REDIS}@127.0.0.1"),
        ("GATEWAY_ALERT_URLS", f"ftp://127.0.0.1/{WEBHOOK}"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"no header {OTLP}"),
        ("GATEWAY_SECRET_KEY", "planted-short"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_not_repeated(
    make_database: MakeDatabase, setting: str, value: str
) -> None:
    database = make_database()
    migrate(database)
    settings = {"DATABASE_URL": database.url, "GATEWAY_LISTEN": f"127.0.0.1:{free_port()}", setting: value}
    ended = run("gateway", **settings, GATEWAY_DATABASE_WAIT="3")
    written = ended.stdout + ended.stderr
    assert ended.returncode != 0 and setting in written, written
    assert "planted-" not in written, written
