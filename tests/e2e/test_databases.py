"""What is set of the database: connections, how long a statement may take, TLS to the server."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness.authority import make_authority
from harness.database import Database, Mysql, Postgres
from harness.forwarder import Forwarder
from harness.gateway import free_port, migrate
from harness.private_mariadb import PrivateMariaDb
from harness.private_server import PrivateServer, own
from harness.process import run
from harness.waiting import wait_for

pytestmark = pytest.mark.skipif(ENGINE == "sqlite", reason="there is no server")


def locked_models(database: Database, free: threading.Event, held: threading.Event) -> None:
    """Nobody else can read the models until `free` is set."""
    match database:
        case Postgres():
            with psycopg.connect(database.url) as connection:
                connection.execute("LOCK TABLE models IN ACCESS EXCLUSIVE MODE")
                held.set()
                free.wait(60)
        case Mysql():
            with database._connect(database.name) as connection, connection.cursor() as cursor:
                cursor.execute("LOCK TABLES models WRITE")
                held.set()
                free.wait(60)


def test_a_statement_that_takes_too_long_is_given_up_and_told(
    make_gateway: MakeGateway, make_database: MakeDatabase
) -> None:
    database = make_database()
    migrate(database)
    gateway = make_gateway(database, GATEWAY_DATABASE_STATEMENT_TIMEOUT="1")
    free, held = threading.Event(), threading.Event()
    holder = threading.Thread(target=locked_models, args=(database, free, held))
    holder.start()
    assert held.wait(30)
    begun = time.monotonic()
    answer = gateway.admin.http.get("/models")
    took = time.monotonic() - begun
    free.set()
    holder.join(30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_too_slow"), answer.text
    assert 0.9 < took < 15
    wait_for(lambda: gateway.admin.http.get("/models").status_code == 200, "models, once they can be read")


def test_no_more_connections_are_made_than_are_set(make_gateway: MakeGateway, make_database: MakeDatabase) -> None:
    database = make_database()
    migrate(database)
    gateway = make_gateway(database, GATEWAY_DATABASE_CONNECTIONS="2")
    threads = [threading.Thread(target=lambda: gateway.admin.http.get("/stats")) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    match database:
        case Postgres():
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            count = f"SELECT COUNT(*) AS n {others} AND query NOT LIKE 'LISTEN %'"
            listening = f"SELECT COUNT(*) AS n {others} AND query LIKE 'LISTEN %'"
            wait_for(lambda: database.execute(listening)[0]["n"] == 1, "one connection that hears of changes")
        case _:
            count = "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    assert 1 <= database.execute(count)[0]["n"] <= 2


def test_a_start_waits_for_a_server_that_is_late(make_gateway: MakeGateway, make_database: MakeDatabase) -> None:
    database = make_database()
    migrate(database)
    forwarder = Forwarder(database.address)
    forwarder.cut()
    late = threading.Timer(3, forwarder.restore)
    late.start()
    begun = time.monotonic()
    gateway = make_gateway(database, DATABASE_URL=database.url_through(forwarder.port), GATEWAY_DATABASE_WAIT="60")
    assert time.monotonic() - begun >= 3, "there was no server before"
    assert gateway.http.get("/readyz").json() == {"status": "ready", "database": "up"}
    gateway.stop()
    late.join()
    forwarder.close()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A folder with an authority, and a certificate of it for `localhost`."""
    return make_authority(tmp_path)


@pytest.fixture
def server(authority: Path) -> Iterator[PrivateServer]:
    # Where the server's user can read it, unlike pytest's folder.
    folder = Path(shutil.copytree(authority, f"/tmp/e2e-tls-{authority.name}-{time.time_ns()}"))
    for path in (folder, folder / "server.key", folder / "server.pem"):
        own(path)
    (folder / "server.key").chmod(0o600)
    server = PrivateServer("ssl=on", f"ssl_cert_file={folder}/server.pem", f"ssl_key_file={folder}/server.key")
    yield server
    server.remove()
    shutil.rmtree(folder)


@pytest.fixture
def mariadb(authority: Path) -> Iterator[PrivateMariaDb]:
    server = PrivateMariaDb("--ssl-cert={files}/server.pem", "--ssl-key={files}/server.key", files=authority)
    yield server
    server.remove()


def assert_strangers_are_refused(strangers: dict[str, str], folder: Path) -> None:
    """Nobody talks to a server that is not who it should be; the reason is told in a line."""
    for url, reason in strangers.items():
        listen = f"127.0.0.1:{free_port()}"
        spool = str(folder / "spool")
        refused = run("gateway", DATABASE_URL=url, GATEWAY_DATABASE_WAIT="3", GATEWAY_LISTEN=listen, GATEWAY_SPOOL_DIR=spool)
        assert refused.returncode == 1 and reason in refused.stderr, refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(ENGINE != "postgres", reason="PostgreSQL's way")
def test_a_postgresql_server_is_known_by_its_certificate(
    make_gateway: MakeGateway, server: PrivateServer, authority: Path
) -> None:
    database = Postgres(server.url)
    migrate(database)
    at = f"postgres://postgres@localhost:{server.port}/{database.name}"
    trusted = f"{at}?sslmode=verify-full&sslrootcert={authority}/ca.pem"
    gateway = make_gateway(database, DATABASE_URL=trusted)
    in_clear = database.execute(
        "SELECT COUNT(*) AS n FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND NOT ssl"
    )
    assert in_clear[0]["n"] == 0
    assert gateway.admin.http.get("/models").status_code == 200
    strangers = {
        f"{at}?sslmode=verify-full": "UnknownIssuer",
        trusted.replace("localhost", "127.0.0.1"): "not valid for name",
    }
    assert_strangers_are_refused(strangers, authority)


@pytest.mark.skipif(ENGINE != "mysql", reason="MariaDB's way")
def test_a_mariadb_server_is_known_by_its_certificate(
    make_gateway: MakeGateway, mariadb: PrivateMariaDb, authority: Path
) -> None:
    database = Mysql(mariadb.url)
    migrate(database)
    # Who comes in clear is not let in, so that a gateway that works came by TLS.
    database.execute("CREATE USER 'guarded'@'%' REQUIRE SSL")
    database.execute("GRANT ALL ON *.* TO 'guarded'@'%'")
    at = f"mysql://guarded@localhost:{mariadb.port}/{database.name}"
    trusted = f"{at}?ssl-mode=VERIFY_IDENTITY&ssl-ca={authority}/ca.pem"
    gateway = make_gateway(database, DATABASE_URL=trusted)
    assert gateway.admin.http.get("/models").status_code == 200
    assert run("migrator", "check", DATABASE_URL=trusted).returncode == 0
    strangers = {
        f"{at}?ssl-mode=DISABLED": "Access denied",
        f"{at}?ssl-mode=VERIFY_IDENTITY": "UnknownIssuer",
        trusted.replace("localhost", "127.0.0.1"): "not valid for name",
    }
    assert_strangers_are_refused(strangers, authority)
