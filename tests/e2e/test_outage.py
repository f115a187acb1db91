"""The database goes away while requests are served: they go on, and their rows arrive once it is back, each once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from conftest import MakeDatabase, MakeGateway
from harness import load
from harness.accounts import assert_each_once, assert_rows_match, assert_sums_agree
from harness.database import Database, Server, Sqlite
from harness.forwarder import Forwarder
from harness.gateway import Gateway, migrate
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


def spooled(gateway: Gateway) -> float:
    return gateway.metrics()["gateway_records_spooled"]


def readiness(gateway: Gateway) -> dict[str, str]:
    response = gateway.http.get("/readyz")
    assert response.status_code == 200
    return response.json()
