"""The database goes away while requests are served: they go on, and their rows arrive once it is back, each once."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import MakeDatabase, MakeGateway
from harness import load
from harness.accounts import assert_each_once, assert_rows_match, assert_sums_agree
from harness.database import Database, Server, Sqlite
from harness.forwarder import Forwarder
from harness.gateway import PROVIDER_KEY, Gateway, migrate
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

REQUESTS = 200


@dataclass(frozen=True)
class Link:
    """A database whose way can be blocked."""

    database: Database
    url: str
    cut: Callable[[], None]
    restore: Callable[[], None]
    #: Whether the gateway cannot even read.
    is_unreachable: bool


def locked_file(database: Sqlite) -> Iterator[Link]:
    """Another connection holds SQLite's only write lock."""
    other = database.connect()
    yield Link(
        database,
        database.url,
        lambda: other.execute("BEGIN EXCLUSIVE"),
        lambda: other.execute("COMMIT"),
        is_unreachable=False,
    )
    other.close()


def cut_network(database: Server) -> Iterator[Link]:
    forwarder = Forwarder(database.address)
    yield Link(database, database.url_through(forwarder.port), forwarder.cut, forwarder.restore, is_unreachable=True)
    forwarder.close()


@pytest.fixture
def link(make_database: MakeDatabase) -> Iterator[Link]:
    database = make_database()
    migrate(database)
    match database:
        case Sqlite():
            yield from locked_file(database)
        case Server():
            yield from cut_network(database)


def test_an_outage_delays_rows_and_nothing_else(
    make_gateway: MakeGateway, link: Link, alpha: Simulator, beta: Simulator
) -> None:
    gateway = make_gateway(link.database, DATABASE_URL=link.url)
    stack = Stack.make(gateway, [alpha, beta])
    client = gateway.openai()
    before = load.run(client, stack.name, REQUESTS)
    running = load.Load(client, stack.name, threads=4)
    wait_for(lambda: running.succeeded() >= 20, "load when the outage begins")

    link.cut()
    during = load.run(client, stack.name, REQUESTS)
    wait_for(lambda: spooled(gateway) >= REQUESTS, "rows that wait in the spool")
    if link.is_unreachable:
        wait_for(lambda: readiness(gateway) == {"status": "degraded", "database": "down"}, "a degraded gateway")
        assert gateway.admin.http.get("/models").status_code == 503
    link.restore()

    around = running.finish()
    results = before + during + around
    assert not [result.error for result in results if result.error]
    wait_for(lambda: link.database.count("request_logs") >= len(results), "all rows", seconds=60)
    rows = link.database.request_logs()
    assert_rows_match(rows, results)
    assert_each_once(rows, results)
    assert_sums_agree(link.database)
    wait_for(lambda: readiness(gateway) == {"status": "ready", "database": "up"}, "a ready gateway")
    assert spooled(gateway) == 0
    gateway.admin.get("/models")


def test_rows_of_an_outage_survive_a_restart(make_gateway: MakeGateway, link: Link, alpha: Simulator) -> None:
    gateway = make_gateway(link.database, DATABASE_URL=link.url)
    stack = Stack.make(gateway, [alpha])
    link.cut()
    results = load.run(gateway.openai(), stack.name, REQUESTS)
    assert not [result.error for result in results if result.error]
    wait_for(lambda: spooled(gateway) >= REQUESTS, "rows that wait in the spool")
    gateway.kill()
    link.restore()
    assert link.database.count("request_logs") == 0
    gateway.restart()
    rows = stack.rows(REQUESTS)
    assert_rows_match(rows, results)
    assert_sums_agree(link.database)


@contextlib.contextmanager
def away(link: Link) -> Iterator[None]:
    """The database is away from the start: its server does not answer, its file is not there."""
    if isinstance(link.database, Sqlite):
        path = link.database.path
        elsewhere = path.with_suffix(".elsewhere")
        path.rename(elsewhere)
        yield
        elsewhere.rename(path)
    else:
        link.cut()
        yield
        link.restore()


def test_a_start_without_the_database_uses_the_configuration_kept_on_disk(
    make_gateway: MakeGateway, link: Link, alpha: Simulator, tmp_path: Path
) -> None:
    kept = tmp_path / "kept" / "configuration.json"
    variables = {"GATEWAY_SNAPSHOT_FILE": str(kept), "GATEWAY_DATABASE_WAIT": "3"}
    gateway = make_gateway(link.database, DATABASE_URL=link.url, **variables)
    stack = Stack.make(gateway, [alpha])
    key = gateway.admin.key("kept")["key"]
    gateway.stop()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert PROVIDER_KEY not in kept.read_text() and key not in kept.read_text(), "neither kind of key is in clear"

    with away(link):
        gateway.restart()
        assert readiness(gateway) == {"status": "degraded", "database": "down"}
        assert gateway.http.get("/health").status_code == 200
        results = load.run(gateway.openai(key), stack.name, REQUESTS)
        assert not [result.error for result in results if result.error]
        assert gateway.admin.http.post("/models", json={"name": "not-now"}).status_code == 503
        wait_for(lambda: spooled(gateway) >= REQUESTS, "rows that wait in the spool")
        assert "starting from the configuration kept on disk" in gateway.process.output

    wait_for(lambda: readiness(gateway) == {"status": "ready", "database": "up"}, "a ready gateway", seconds=60)
    rows = stack.rows(REQUESTS)
    assert_rows_match(rows, results)
    assert_sums_agree(link.database)
    later = Stack.make(gateway, [alpha])
    assert load.one(gateway.openai(key), later.name, 0).error is None, "changes are taken again"
    assert later.name in kept.read_text()


@pytest.mark.sqlite_only
def test_a_full_disk_delays_rows_and_nothing_else(
    make_gateway: MakeGateway, alpha: Simulator, small_disk: Path
) -> None:
    database = Sqlite(small_disk)
    migrate(database)
    gateway = make_gateway(database)
    stack = Stack.make(gateway, [alpha])
    before = load.run(gateway.openai(), stack.name, 20)
    ballast = small_disk / "ballast"
    fill(ballast)
    during = load.run(gateway.openai(), stack.name, 2 * REQUESTS)
    wait_for(lambda: spooled(gateway) >= REQUESTS, "rows that wait in the spool")
    assert gateway.metrics()["gateway_record_write_failures_total"] > 0
    ballast.unlink()
    results = before + during
    assert not [result.error for result in results if result.error]
    wait_for(lambda: spooled(gateway) == 0, lambda: f"an empty spool: {gateway.process.output}", seconds=60)
    rows = stack.rows(len(results))
    assert_rows_match(rows, results)
    assert_sums_agree(database)
    assert database.execute("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert gateway.metrics()["gateway_records_lost_total"] == 0
    gateway.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, which only root can make."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    # Lazily: the gateway ends after this fixture if the test has failed.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Takes all the space that is left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def spooled(gateway: Gateway) -> float:
    return gateway.metrics()["gateway_records_spooled"]


def readiness(gateway: Gateway) -> dict[str, str]:
    response = gateway.http.get("/readyz")
    assert response.status_code == 200
    return response.json()
