"""Fixtures: simulated providers for the whole session, gateways with databases of their own."""

import os
from collections.abc import Callable, Iterator

import openai
import pytest

from harness import database as databases
from harness.database import Database
from harness.gateway import Gateway, migrate
from harness.simulator import Simulator
from harness.stack import Stack

# Failed assertions of the fault matrix tell what they compared, as those in test files do.
pytest.register_assert_rewrite("faults.clients", "faults.surroundings", "faults.exchange")

ENGINE = os.environ.get("E2E_DATABASE", "sqlite")

MakeGateway = Callable[..., Gateway]
MakeDatabase = Callable[[], Database]
MakeStack = Callable[..., Stack]


def pytest_report_header() -> str:
    return f"database: {ENGINE}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, on the servers, what has nothing to do with the database."""
    if ENGINE == "sqlite":
        return
    left_out = [item for item in items if item.get_closest_marker("sqlite_only")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def make_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDatabase]:
    """Makes databases; they are dropped at the end of the session."""
    made: list[Database] = []

    def make() -> Database:
        made.append(databases.create(ENGINE, tmp_path_factory.mktemp("database")))
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture(scope="session")
def gateway(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway of all tests that need nothing special."""
    database = make_database()
    migrate(database)
    gateway = Gateway(database, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.close()


@pytest.fixture
def make_gateway(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGateway]:
    """Makes gateways for one test, each on a migrated database of its own unless it is given one."""
    made: list[Gateway] = []

    def make(database: Database | None = None, **variables: str | None) -> Gateway:
        if database is None:
            database = make_database()
            migrate(database)
        made.append(Gateway(database, tmp_path_factory.mktemp("gateway"), **variables))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def make_stack(gateway: Gateway) -> MakeStack:
    """Makes models with providers on the shared gateway."""
    return lambda *simulators, **model: Stack.make(gateway, simulators, **model)


def _session_simulator(name: str) -> Iterator[Simulator]:
    simulator = Simulator(name)
    yield simulator
    simulator.close()


@pytest.fixture(scope="session")
def _alpha() -> Iterator[Simulator]:
    yield from _session_simulator("alpha")


@pytest.fixture(scope="session")
def _beta() -> Iterator[Simulator]:
    yield from _session_simulator("beta")


@pytest.fixture
def alpha(_alpha: Simulator) -> Simulator:
    """A provider, with good answers and an empty journal."""
    _alpha.reset()
    return _alpha


@pytest.fixture
def beta(_beta: Simulator) -> Simulator:
    """Another one."""
    _beta.reset()
    return _beta


@pytest.fixture
def client(gateway: Gateway) -> openai.OpenAI:
    """The official SDK on the shared gateway."""
    return gateway.openai()
