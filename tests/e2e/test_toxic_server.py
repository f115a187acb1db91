"""A database server that misbehaves under load: connections ended, a table locked, the server gone and back."""

import statistics
import time
from collections.abc import Iterator

import pymysql
import psycopg
import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness import load
from harness.accounts import assert_each_once, assert_rows_match, assert_sums_agree
from harness.database import Database, Mysql, Postgres
from harness.forwarder import Forwarder
from harness.gateway import Gateway, migrate
from harness.private_server import PrivateServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = pytest.mark.skipif(ENGINE == "sqlite", reason="there is no server")

THREADS = 6
#: Seconds that each trouble lasts.
LASTS = 4
#: Slower than this, at the 99th percentile, requests have waited for the database. The machine alone is not that slow.
PATIENCE = 1.0
#: What each statement of a slow server takes, in seconds.
SLOW = 2.0


def end_connections(database: Database) -> int:
    """All but our own, again and again; tells how many. Whether one of them was at work is chance."""
    ended = 0
    until = time.monotonic() + LASTS
    while time.monotonic() < until:
        match database:
            case Postgres():
                ended += len(
                    database.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            case Mysql():
                others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
                ended += sum(kill(database, row["id"]) for row in database.execute(others))
        time.sleep(0.1)
    return ended


def kill(database: Mysql, connection: int) -> bool:
    try:
        database.execute(f"KILL {connection}")
    except pymysql.err.OperationalError as error:
        assert error.args[0] == 1094, error  # it has ended by itself
        return False
    return True


def lock_table(database: Database) -> int:
    """Nobody else can write the days' figures, nor read them."""
    match database:
        case Postgres():
            with psycopg.connect(database.url) as connection:
                connection.execute("LOCK TABLE provider_stats IN ACCESS EXCLUSIVE MODE")
                time.sleep(LASTS)
        case Mysql():
            with database._connect(database.name) as connection, connection.cursor() as cursor:
                cursor.execute("LOCK TABLES provider_stats WRITE")
                time.sleep(LASTS)
    return 1


def p99(results: list[load.Result]) -> float:
    seconds = sorted(result.ended_at - result.started_at for result in results)
    return seconds[len(seconds) * 99 // 100]


def assert_nothing_lost(gateway: Gateway, database: Database, results: list[load.Result]) -> None:
    assert not [result.error for result in results if result.error]
    wait_for(lambda: database.count("request_logs") >= len(results), "all rows", seconds=60)
    rows = database.request_logs()
    assert_rows_match(rows, results)
    assert_each_once(rows, results)
    assert_sums_agree(database)
    metrics = gateway.metrics()
    assert metrics["gateway_records_lost_total"] == metrics["gateway_records_set_aside_total"] == 0
    wait_for(lambda: gateway.metrics()["gateway_records_spooled"] == 0, "an empty spool")


@pytest.mark.parametrize("trouble", [end_connections, lock_table])
def test_a_toxic_server_harms_neither_rows_nor_requests(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, beta: Simulator, trouble
) -> None:
    database = make_database()
    migrate(database)
    gateway = make_gateway(database)
    stack = Stack.make(gateway, [alpha, beta])
    calm = load.run(gateway.openai(), stack.name, 200, THREADS)
    running = load.Load(gateway.openai(), stack.name, THREADS)
    assert trouble(database) > 0
    troubled = running.finish()
    print(f"p99 {p99(calm):.3f} s when all is well, {p99(troubled):.3f} s in trouble, of {len(troubled)} requests")
    assert_nothing_lost(gateway, database, calm + troubled)
    assert p99(troubled) < max(PATIENCE, 3 * p99(calm))


def median(results: list[load.Result]) -> float:
    return statistics.median(result.ended_at - result.started_at for result in results)


def test_a_server_that_takes_two_seconds_for_each_statement_delays_rows_and_nothing_else(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, beta: Simulator
) -> None:
    database = make_database()
    migrate(database)
    forwarder = Forwarder(database.address)
    gateway = make_gateway(database, DATABASE_URL=database.url_through(forwarder.port))
    stack = Stack.make(gateway, [alpha, beta])
    calm = load.run(gateway.openai(), stack.name, 400, THREADS)
    written = lambda: gateway.metrics()["gateway_records_written_total"]  # noqa: E731
    wait_for(lambda: written() == len(calm), "the rows of before")
    forwarder.delay = SLOW
    running = load.Load(gateway.openai(), stack.name, THREADS)
    # A transaction is some statements.
    wait_for(lambda: running.succeeded() > 400 and written() > len(calm), "rows that were written slowly", seconds=90)
    slow = running.finish()
    spooled = gateway.metrics()["gateway_records_spooled"]
    forwarder.delay = 0.0
    print(f"p50 {median(calm):.3f} s when all is well, {median(slow):.3f} s of {len(slow)} requests with a slow server")
    assert spooled > 0, "rows waited"
    assert_nothing_lost(gateway, database, calm + slow)
    # One that waited for a single statement would take longer than that takes.
    assert median(slow) < SLOW / 2
    assert p99(slow) < max(PATIENCE, 3 * p99(calm))
    gateway.stop()
    forwarder.close()


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    server = PrivateServer()
    yield server
    server.remove()


@pytest.mark.skipif(ENGINE != "postgres", reason="one engine shows it")
def test_a_restart_of_the_server_delays_rows_and_nothing_else(
    make_gateway: MakeGateway, server: PrivateServer, alpha: Simulator, beta: Simulator
) -> None:
    database = Postgres(server.url)
    migrate(database)
    gateway = make_gateway(database)
    stack = Stack.make(gateway, [alpha, beta])
    calm = load.run(gateway.openai(), stack.name, 200, THREADS)
    running = load.Load(gateway.openai(), stack.name, THREADS)
    for _ in range(2):
        wait_for(lambda seen=running.succeeded(): running.succeeded() > seen + 30, "load before the server goes")
        server.stop()
        wait_for(lambda: gateway.metrics()["gateway_records_spooled"] > 0, "rows that wait in the spool")
        wait_for(lambda seen=running.succeeded(): running.succeeded() > seen + 30, "load without the server")
        server.start()
    troubled = running.finish()
    print(f"p99 {p99(calm):.3f} s when all is well, {p99(troubled):.3f} s in trouble, of {len(troubled)} requests")
    assert_nothing_lost(gateway, database, calm + troubled)
    assert p99(troubled) < max(PATIENCE, 3 * p99(calm))
    gateway.stop()
