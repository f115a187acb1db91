"""One empty database for one gateway, on any of the three engines."""

import json
import os
import sqlite3
import uuid
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import psycopg.rows
import pymysql
import pymysql.cursors

POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/postgres"
MYSQL_URL = "mysql://root@127.0.0.1:3306/"

Row = dict[str, Any]


class Database(ABC):
    """A database that exists until it is dropped, empty at first."""

    #: As the programs under test take it.
    url: str

    @abstractmethod
    def execute(self, statement: str) -> list[Row]:
        """Runs one statement in its own transaction; answers the rows, if it has any."""

    @abstractmethod
    def drop(self) -> None:
        """Removes it with all that is in it."""

    def rows(self, statement: str) -> list[Row]:
        """Rows in one form for all engines: JSON columns parsed, booleans as such, times in UTC."""
        return [{name: plain(name, value) for name, value in row.items()} for row in self.execute(statement)]

    def request_logs(self, where: str = "1 = 1") -> list[Row]:
        """Rows of `request_logs`, oldest first."""
        return self.rows(f"SELECT * FROM request_logs WHERE {where} ORDER BY created_at, id")

    def count(self, table: str) -> int:
        return self.execute(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"]


def plain(name: str, value: Any) -> Any:
    """One value of a column, whatever the engine makes of it."""
    if value is None:
        return None
    if name in ("attempts", "config") and isinstance(value, str):
        return json.loads(value)
    if name in ("stream", "enabled", "is_healthy"):
        return bool(value)
    if name.endswith("_at"):
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if name == "date":
        return str(value)[:10]
    return value


class Sqlite(Database):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.db"
        self.url = f"sqlite://{self.path}?mode=rwc"

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def execute(self, statement: str) -> list[Row]:
        connection = self.connect()
        try:
            return [dict(row) for row in connection.execute(statement).fetchall()]
        finally:
            connection.close()

    def drop(self) -> None:
        for path in self.path.parent.glob("gateway.db*"):
            path.unlink()


class Server(Database):
    """A database of its own on a server."""

    def __init__(self, server: str) -> None:
        self.server = urlsplit(server)
        self.name = f"e2e_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self.url = self.url_at(self.server.netloc)
        self._on_server(f"CREATE DATABASE {self.name}")

    def url_at(self, netloc: str) -> str:
        """The URL of the same database where the server is reached by another address."""
        return urlunsplit(self.server._replace(netloc=netloc, path=f"/{self.name}"))

    def url_through(self, port: int) -> str:
        """The same database, reached through a port of this machine."""
        user = self.server.netloc.rpartition("@")[0]
        return self.url_at(f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}")

    @abstractmethod
    def _on_server(self, statement: str) -> None: ...


class Postgres(Server):
    @property
    def address(self) -> tuple[str, int]:
        return self.server.hostname or "127.0.0.1", self.server.port or 5432

    def execute(self, statement: str) -> list[Row]:
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self.server.geturl(), autocommit=True) as connection:
            connection.execute(statement)

    def drop(self) -> None:
        self._on_server(f"DROP DATABASE {self.name} WITH (FORCE)")


class Mysql(Server):
    @property
    def address(self) -> tuple[str, int]:
        return self.server.hostname or "127.0.0.1", self.server.port or 3306

    def _connect(self, database: str | None) -> pymysql.Connection:
        host, port = self.address
        return pymysql.connect(
            host=host,
            port=port,
            user=self.server.username or "root",
            password=self.server.password or "",
            database=database,
            autocommit=True,
            cursorclass=pymysql.cursors.DictCursor,
        )

    def execute(self, statement: str) -> list[Row]:
        with self._connect(self.name) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _on_server(self, statement: str) -> None:
        with self._connect(None) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def drop(self) -> None:
        self._on_server(f"DROP DATABASE {self.name}")


def create(engine: str, folder: Path) -> Database:
    """A new, empty database. A server that cannot be reached is an error."""
    match engine:
        case "sqlite":
            return Sqlite(folder)
        case "postgres":
            return Postgres(os.environ.get("TEST_POSTGRES_URL", POSTGRES_URL))
        case "mysql":
            return Mysql(os.environ.get("TEST_MYSQL_URL", MYSQL_URL))
        case other:
            raise ValueError(f"E2E_DATABASE: '{other}' is none of sqlite, postgres, mysql")
