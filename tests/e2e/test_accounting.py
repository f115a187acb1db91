"""The admin API, the database and /metrics give the same account of the same requests."""

from datetime import UTC, date, datetime

import openai
import pytest

from conftest import MakeGateway
from harness import load
from harness.accounts import assert_metrics_match, assert_rows_match, assert_sums_agree, is_failed
from harness.admin import Json
from harness.simulator import Simulator, mark
from harness.stack import Stack
from test_sdk import asking

REQUESTS = 120
SUMS = (
    "total_requests",
    "success_requests",
    "failed_requests",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "response_ms_total",
)


@pytest.fixture
def stack(make_gateway: MakeGateway, alpha: Simulator, beta: Simulator) -> Stack:
    return Stack.make(make_gateway(), [alpha, beta])


def test_logs_show_the_rows(stack: Stack, alpha: Simulator) -> None:
    alpha.script({"rate": 0.2, "do": {"status": 500}})
    results = load.run(stack.gateway.openai(), stack.name, REQUESTS)
    rows = stack.rows(REQUESTS)
    assert_rows_match(rows, results)
    assert_metrics_match(stack.gateway, stack, rows)
    shown = all_logs(stack)
    assert [entry["request_id"] for entry in shown] == [row["request_id"] for row in sorted(rows, key=by_arrival)[::-1]]
    by_request = {row["request_id"]: row for row in rows}
    for entry in shown:
        row = by_request[entry["request_id"]]
        for name, value in entry.items():
            if name == "created_at":
                assert datetime.fromisoformat(value) == row[name]
            elif name != "cost":
                assert value == row[name], name


def by_arrival(row: Json) -> tuple[datetime, int]:
    return row["created_at"], row["id"]


def all_logs(stack: Stack, **filters: str) -> list[Json]:
    """All pages of the logs."""
    logs, cursor = [], {}
    while True:
        page = stack.gateway.admin.get("/logs", limit=50, **filters, **cursor)
        logs += page["data"]
        if page["next"] is None:
            return logs
        cursor = {"cursor": page["next"]}


def test_logs_can_be_filtered(stack: Stack) -> None:
    gateway = stack.gateway
    other = gateway.openai(gateway.admin.key("other")["key"])
    list(gateway.openai().chat.completions.create(model=stack.name, messages=asking("Hello"), stream=True))
    other.chat.completions.create(model=stack.name, messages=asking("Hello"))
    with pytest.raises(openai.BadRequestError):
        other.chat.completions.create(model=stack.name, messages=asking(mark("Hello", status=400)))
    rows = stack.rows(3)

    def count(**filters: object) -> int:
        return len(all_logs(stack, **{name: str(value).lower() for name, value in filters.items()}))

    assert count(model=stack.name) == 3 and count(model="another") == 0
    assert count(stream=True) == 1 and count(stream=False) == 2
    assert count(key="other") == 2
    assert count(status_code=400) == 1
    assert count(request_id=rows[0]["request_id"]) == 1
    assert sum(count(provider_id=provider["id"]) for provider in stack.providers) == 3
    middle = rows[1]["created_at"].isoformat().replace("+00:00", "z")
    assert count(**{"from": middle}) == 2 and count(to=middle) == 1


def test_stats_are_the_sums_of_the_logs(stack: Stack, alpha: Simulator) -> None:
    gateway = stack.gateway
    alpha.script({"rate": 0.2, "do": {"status": 500}})
    before = today()
    load.run(gateway.openai(), stack.name, REQUESTS)
    rows = stack.rows(REQUESTS)
    assert_sums_agree(gateway.database)

    summary = gateway.admin.get("/stats", hours=24)
    whole = summary
    assert (whole["requests"], whole["successes"], whole["success_rate"]) == (REQUESTS, REQUESTS, 1.0)
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert whole[name] == sum(row[name] for row in rows)
    [model] = summary["models"]
    assert model["model"] == stack.name
    assert sum(provider["requests"] for provider in summary["providers"]) == REQUESTS

    daily = gateway.admin.get("/stats/daily", **{"from": str(before), "to": str(today())})
    attempts = [attempt for row in rows for attempt in row["attempts"]]
    for days in (daily["providers"], daily["keys"]):
        assert sum(day["total_requests"] for day in days) == len(attempts)
        assert sum(day["failed_requests"] for day in days) == sum(map(is_failed, attempts)) > 0
    stored = gateway.database.rows("SELECT * FROM provider_stats")
    for name in SUMS:
        assert sum(day[name] for day in daily["providers"]) == sum(row[name] for row in stored)


def today() -> date:
    return datetime.now(UTC).date()


def test_usage_that_no_provider_tells_is_estimated(stack: Stack) -> None:
    client = stack.gateway.openai()
    prompt = asking(mark("Hello", usage=False))
    client.chat.completions.create(model=stack.name, messages=prompt)
    list(client.chat.completions.create(model=stack.name, messages=prompt, stream=True))
    for row in stack.rows(2):
        assert row["usage_source"] == "estimated" and row["completion_tokens"] > 0 and row["prompt_tokens"] > 0
    assert_sums_agree(stack.gateway.database)


def test_details_of_usage_are_kept(stack: Stack) -> None:
    prompt = asking(mark("Hello " * 3000, reasoning_tokens=12))
    client = stack.gateway.openai()
    whole = client.chat.completions.create(model=stack.name, messages=prompt).usage
    list(client.chat.completions.create(model=stack.name, messages=prompt, stream=True))
    assert whole.prompt_tokens_details.cached_tokens > 0
    for row in stack.rows(2):
        assert row["prompt_tokens"] == whole.prompt_tokens
        assert row["cached_tokens"] == whole.prompt_tokens_details.cached_tokens
        assert row["completion_tokens"] == whole.completion_tokens
        assert row["reasoning_tokens"] == whole.completion_tokens_details.reasoning_tokens == 12


def test_a_row_says_who_asked_and_from_where(stack: Stack) -> None:
    gateway = stack.gateway
    key = gateway.admin.key("somebody")
    gateway.openai(key["key"]).chat.completions.create(model=stack.name, messages=asking("Hello"))
    [row] = stack.rows(1)
    assert (row["user_id"], row["ip_address"], row["method"]) == ("somebody", "127.0.0.1", "POST")
    assert row["latency_ms"] >= row["attempts"][0]["ms"] >= 0


def test_text_of_any_kind_is_stored(stack: Stack) -> None:
    """Names longer than their column are cut, and what some engine cannot store is left out; no row is lost."""
    client = stack.gateway.openai()
    names = ["m" * 5000, "模型-🌍" * 60, "nul\0inside", "quote'\"\\; DROP TABLE models"]
    for name in names:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=asking("Hello"))
    client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    stack.rows(1)
    stored = [row["model"] for row in stack.gateway.database.request_logs("status_code = 404")]
    assert stored == [name.replace("\0", "")[:100] for name in names]


def test_old_logs_can_be_deleted_without_changing_the_sums(stack: Stack) -> None:
    load.run(stack.gateway.openai(), stack.name, 10)
    rows = stack.rows(10)
    before = stack.gateway.database.rows("SELECT * FROM provider_stats")
    limit = rows[5]["created_at"].isoformat().replace("+00:00", "Z")
    response = stack.gateway.admin.http.delete("/logs", params={"before": limit})
    assert response.is_success, response.text
    assert len(stack.rows(5)) == 5
    assert stack.gateway.database.rows("SELECT * FROM provider_stats") == before
