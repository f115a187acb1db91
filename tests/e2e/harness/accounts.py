"""Checks that rows, sums, metrics and journals tell the same story."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from .database import Database, Row
from .gateway import Gateway
from .load import Result
from .simulator import Seen, Simulator
from .stack import Stack

Sums = dict[str, int]

#: What `key_usage` has of it.
KEY_SUMS = (
    *("total_requests", "success_requests", "failed_requests"),
    *("total_tokens", "prompt_tokens", "completion_tokens"),
)


def is_failed(attempt: Row) -> bool:
    """Held against the provider; what the client did itself is not."""
    error_class = attempt["error_class"]
    return error_class is not None and not error_class.startswith("client_")


def costs_over_attempts(rows: Iterable[Row], of: Callable[[Row, Row], int | str]) -> dict[tuple[int | str, str], int]:
    """Nano-USD by what a row and its attempt count for, and UTC day; what was never priced is missing."""
    days: dict[tuple[int | str, str], int] = Counter()
    for row in rows:
        costs = [attempt["cost"] for attempt in row["attempts"] if attempt["cost"] is not None]
        assert row["cost"] == (sum(costs) if costs else None), row
        for attempt in row["attempts"]:
            if attempt["cost"] is not None:
                days[of(row, attempt), str(row["created_at"].date())] += attempt["cost"]
    return dict(days)


def assert_costs_agree(database: Database) -> None:
    """What attempts cost, what their rows do, and what the days of providers and of keys do: alike to the nano-dollar."""
    rows = database.request_logs()
    for table, column, of in (
        ("provider_stats", "provider_id", lambda row, attempt: attempt["provider_id"]),
        ("key_usage", "key_name", lambda row, attempt: row["user_id"]),
    ):
        stored = database.rows(f"SELECT * FROM {table} WHERE cost IS NOT NULL")
        days = {(row[column], row["date"]): row["cost"] for row in stored}
        assert days == costs_over_attempts(rows, of), table


def sums_over_attempts(
    rows: Iterable[Row], of: Callable[[Row, Row], int | str] = lambda _, attempt: attempt["provider_id"]
) -> dict[tuple[int | str, str], Sums]:
    """What `provider_stats` must hold, by provider and UTC day; or another table by another column."""
    days: dict[tuple[int | str, str], Sums] = defaultdict(Counter)
    for row in rows:
        for attempt in row["attempts"]:
            tokens = attempt["tokens"] or {"prompt": 0, "completion": 0, "total": 0}
            failed = is_failed(attempt)
            days[of(row, attempt), str(row["created_at"].date())].update(
                total_requests=1,
                success_requests=int(not failed),
                failed_requests=int(failed),
                total_tokens=tokens["total"],
                prompt_tokens=tokens["prompt"],
                completion_tokens=tokens["completion"],
                response_ms_total=attempt["ms"],
            )
    return days


def assert_sums_agree(database: Database) -> None:
    """Every figure of every day is the sum over the rows' attempts, no more and no less."""
    rows = database.request_logs()
    expected = sums_over_attempts(rows)
    stored = {(row["provider_id"], row["date"]): row for row in database.rows("SELECT * FROM provider_stats")}
    assert stored.keys() == expected.keys()
    for day, sums in expected.items():
        row = stored[day]
        assert {name: row[name] for name in sums} == dict(sums)
        assert row["avg_response_time"] in average(sums)
    assert_costs_agree(database)
    by_key = sums_over_attempts(rows, lambda row, _: row["user_id"])
    stored = {(row["key_name"], row["date"]): row for row in database.rows("SELECT * FROM key_usage")}
    assert stored.keys() >= by_key.keys()
    for day, row in stored.items():
        sums = by_key[day]
        for name in KEY_SUMS:
            assert row[name] == sums[name], (day, name)


def average(sums: Sums) -> set[int]:
    """The average in milliseconds, rounded either way."""
    floor, rest = divmod(sums["response_ms_total"], sums["total_requests"])
    return {floor, floor + bool(rest)}


def assert_each_once(rows: list[Row], results: Iterable[Result]) -> None:
    """One row for each request whose client learned its id, and no other."""
    counted = Counter(row["request_id"] for row in rows)
    assert counted == Counter(result.request_id for result in results)


def assert_rows_match(rows: list[Row], results: list[Result]) -> None:
    """Each row says what its client saw."""
    assert_each_once(rows, results)
    by_id = {row["request_id"]: row for row in rows}
    for result in results:
        row = by_id[result.request_id]
        assert (row["status_code"], row["error_class"]) == (200, None), (row, result)
        assert row["stream"] == result.stream
        assert len(row["attempts"]) == result.attempts
        answered = row["attempts"][-1]
        assert answered["error_class"] is None and answered["provider_id"] == row["provider_id"]
        assert row["usage_source"] == "provider"
        tokens = [attempt["tokens"]["total"] for attempt in row["attempts"] if attempt["tokens"]]
        assert row["total_tokens"] == sum(tokens)
        assert result.total_tokens in (None, row["total_tokens"])


def seen_by_prompt(simulator: Simulator) -> dict[str, list[Seen]]:
    seen = defaultdict(list)
    for request in simulator.seen():
        seen[request.prompt].append(request)
    return seen


def assert_journals_match(stack: Stack, simulators: list[Simulator], rows: list[Row], results: list[Result]) -> None:
    """Request by request, each provider saw exactly the attempts that the row names, and answered what it says."""
    rows_by_id = {row["request_id"]: row for row in rows}
    for provider, simulator in zip(stack.providers, simulators, strict=True):
        journal = seen_by_prompt(simulator)
        for result in results:
            attempts = rows_by_id[result.request_id]["attempts"]
            told = [attempt for attempt in attempts if attempt["provider_id"] == provider["id"]]
            seen = journal.pop(result.prompt, [])
            assert len(told) == len(seen), (told, seen)
            for attempt, request in zip(told, seen, strict=True):
                assert is_same(attempt, request), (attempt, request)
        assert not journal, f"{simulator.name} saw what no row tells of"


def is_same(attempt: Row, request: Seen) -> bool:
    """Whether an attempt's end is what the provider did. A provider that breaks off may not have sent its status."""
    if request.outcome == "answered":
        return attempt["status"] == request.status and (attempt["error_class"] is None) == (request.status == 200)
    return attempt["error_class"] is not None


def assert_metrics_match(gateway: Gateway, stack: Stack, rows: list[Row]) -> None:
    """What is counted live is what was stored."""
    metrics = gateway.metrics()
    names = {provider["id"]: provider["name"] for provider in stack.providers}
    attempts = Counter(
        (names[attempt["provider_id"]], attempt["error_class"] or "answered")
        for row in rows
        for attempt in row["attempts"]
    )
    counted = {
        (provider, outcome): count
        for name, count in metrics.items()
        for provider in names.values()
        for outcome in [name.partition('outcome="')[2].partition('"')[0]]
        if name.startswith("gateway_attempts_total{") and f'provider="{provider}"' in name
    }
    assert counted == attempts
    requests = 'gateway_requests_total{endpoint="/v1/chat/completions",status="200"}'
    assert metrics[requests] == len(rows)
    assert metrics["gateway_records_written_total"] == len(rows)
    assert metrics["gateway_records_lost_total"] == metrics["gateway_records_set_aside_total"] == 0
    assert metrics["gateway_requests_in_flight"] == 0
    kinds = {"prompt": "prompt_tokens", "completion": "completion_tokens"}
    for kind, column in kinds.items():
        used = [
            count
            for name, count in metrics.items()
            if name.startswith("gateway_tokens_total{") and f'kind="{kind}"' in name
        ]
        assert sum(used) == sum(row[column] for row in rows)
