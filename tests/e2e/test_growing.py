"""An installation grows out of its SQLite file: its rows move to a server, and a gateway goes on there."""

from pathlib import Path

import pytest

from conftest import ENGINE, MakeDatabase, MakeGateway
from harness.accounts import assert_sums_agree
from harness.database import Sqlite
from harness.gateway import migrate
from harness.process import run
from harness.simulator import Simulator
from harness.stack import Stack

pytestmark = pytest.mark.skipif(ENGINE == "sqlite", reason="this is about leaving it")


def ask(gateway, model: str) -> str:
    answer = gateway.openai().chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "hello"}]
    )
    return answer.headers["x-request-id"]


def migrator(*arguments: str, url: str) -> None:
    result = run("migrator", *arguments, DATABASE_URL=url)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_gateway_goes_on_where_the_rows_of_its_file_went(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, tmp_path: Path
) -> None:
    file = Sqlite(tmp_path)
    migrate(file)
    small = make_gateway(file)
    stack = Stack.make(small, [alpha])
    before = [ask(small, stack.name) for _ in range(20)]
    small.stop()
    rows = file.request_logs()
    assert [row["request_id"] for row in rows] == before

    dump = tmp_path / "rows.jsonl.gz"
    migrator("dump", str(dump), url=file.url)
    server = make_database()
    migrate(server)
    migrator("load", str(dump), url=server.url)
    assert server.request_logs() == rows, "ids, times, tokens and attempts are what they were"

    grown = make_gateway(server)
    after = ask(grown, stack.name)  # with the provider's sealed key
    Stack(grown, stack.model).rows(len(rows) + 1)
    assert [row["id"] for row in grown.admin.get("/logs", model=stack.name)["data"]][1:] == [
        row["id"] for row in reversed(rows)
    ]
    assert grown.admin.get("/stats", hours=24)["requests"] == len(rows) + 1
    grown.stop()
    rows = server.request_logs()
    assert [row["request_id"] for row in rows] == [*before, after]
    assert len({row["id"] for row in rows}) == len(rows)
    assert_sums_agree(server)
