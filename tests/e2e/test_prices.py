"""What requests cost: on every row, in every sum, and in the order of candidates."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import pytest

from conftest import MakeGateway
from harness.accounts import assert_sums_agree
from harness.admin import Json
from harness.database import Row
from harness.gateway import Gateway
from harness.simulator import Simulator, mark
from harness.stack import Stack
from test_sdk import asking

# Nano-USD per million tokens. The last digits make sums that no float would hold.
PRICE = {"input": 2_500_000_001, "output": 10_000_000_007, "cache_read": 250_000_003, "reasoning": 12_000_000_011}


@pytest.fixture
def stack(make_gateway: MakeGateway, alpha: Simulator, beta: Simulator) -> Stack:
    """The first provider is priced, the second is not."""
    stack = Stack.make(make_gateway(), [alpha, beta])
    set_price(stack.gateway, stack.providers[0], **PRICE)
    return stack


def usd(nano: int) -> str:
    return f"{Decimal(nano) / 10**9:f}"


def set_price(gateway: Gateway, provider: Json, pattern: str = "model-*", **nano: int) -> Json:
    amounts = {name: usd(amount) for name, amount in nano.items()}
    return gateway.admin.post("/prices", {"provider_id": provider["id"], "model_pattern": pattern, **amounts})


def expected(tokens: Json) -> int:
    """What an attempt at the priced provider costs; Python rounds halves to even."""
    parts = {
        "input": tokens["prompt"] - tokens["cached"],
        "cache_read": tokens["cached"],
        "output": tokens["completion"] - tokens["reasoning"],
        "reasoning": tokens["reasoning"],
    }
    return round(Fraction(sum(count * PRICE[name] for name, count in parts.items()), 10**6))


def total(costs: Iterable[int | None]) -> int | None:
    """A sum over what is priced; nothing, if nothing is."""
    priced = [cost for cost in costs if cost is not None]
    return sum(priced) if priced else None


def ask(stack: Stack, prompt: str, provider: int | None = None, stream: bool = False) -> None:
    """Asks that provider first, the other one next."""
    names = [one["name"] for one in stack.providers]
    headers = {}
    if provider is not None:
        headers = {"x-gateway-provider": names[provider], "x-gateway-fallback-providers": names[1 - provider]}
    messages, options = asking(prompt), {"stream_options": {"include_usage": True}} if stream else {}
    answer = stack.gateway.openai().chat.completions.create(
        model=stack.name, messages=messages, stream=stream, extra_headers=headers, **options
    )
    if stream:
        list(answer)


def ask_in_every_way(stack: Stack, alpha: Simulator) -> list[Row]:
    """Both providers, whole and streamed; cached and reasoned tokens; an estimate; a failover."""
    for stream in (False, True):
        for provider in (0, 1):
            ask(stack, "Hello", provider, stream)
        ask(stack, mark("Hello", cached_tokens=1024), 0, stream)
        ask(stack, mark("Hello", usage=False), 0, stream)
        ask(stack, mark("Hello", at=alpha, status=500), 0, stream)
    return stack.rows(10)


def test_every_row_costs_the_sum_of_its_attempts(stack: Stack, alpha: Simulator) -> None:
    rows = ask_in_every_way(stack, alpha)
    priced = stack.providers[0]["id"]
    kinds = Counter()
    for row in rows:
        for attempt in row["attempts"]:
            tokens = attempt["tokens"]
            if attempt["provider_id"] == priced and tokens:
                assert attempt["cost"] == expected(tokens) > 0
                kinds["cached"] += tokens["cached"] > 0
            else:
                assert attempt["cost"] is None
                kinds["unpriced"] += 1
        assert row["cost"] == total(attempt["cost"] for attempt in row["attempts"])
        kinds["estimated"] += row["usage_source"] == "estimated" and row["cost"] is not None
        kinds["failed over"] += len(row["attempts"]) > 1
    assert kinds.pop("unpriced") >= 6, "two asked directly, two that failed, two that took over"
    assert kinds == {"cached": 2, "estimated": 2, "failed over": 2}
    shown = {entry["request_id"]: entry["cost"] for entry in stack.gateway.admin.get("/logs")["data"]}
    for row in rows:
        told = shown[row["request_id"]]
        assert told is None if row["cost"] is None else Decimal(told) * 10**9 == row["cost"]


def test_all_sums_agree_to_the_nano(stack: Stack, alpha: Simulator) -> None:
    rows = ask_in_every_way(stack, alpha)
    gateway = stack.gateway
    assert_sums_agree(gateway.database)
    attempts = [attempt for row in rows for attempt in row["attempts"]]
    whole = total(attempt["cost"] for attempt in attempts)
    assert whole
    for table in ("provider_stats", "key_usage"):
        stored = gateway.database.rows(f"SELECT * FROM {table}")
        assert total(row["cost"] for row in stored) == whole, table
    for provider in stack.providers:
        of_one = [attempt["cost"] for attempt in attempts if attempt["provider_id"] == provider["id"]]
        where = f"provider_id = {provider['id']}"
        stored = gateway.database.rows(f"SELECT cost FROM provider_stats WHERE {where}")
        assert total(row["cost"] for row in stored) == total(of_one)
    for group_by in ("key", "model", "provider", "day"):
        groups = gateway.admin.get("/usage", group_by=group_by)["data"]
        assert sum(Decimal(group["cost"]) * 10**9 for group in groups if group["cost"]) == whole, group_by
        assert sum(group["total_tokens"] for group in groups) == sum(row["total_tokens"] for row in rows)
        text = gateway.admin.http.get("/usage", params={"group_by": group_by, "format": "csv"}).text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert lines == [as_text(group) for group in groups]


def as_text(group: Json) -> dict[str, str]:
    """What the CSV tells of a group."""
    return {name: "" if value is None else str(value) for name, value in group.items()}


def test_a_price_is_live_at_once_and_leaves_the_past_alone(stack: Stack) -> None:
    admin, unpriced = stack.gateway.admin, stack.providers[1]
    ask(stack, "Hello", 1)
    price = set_price(stack.gateway, unpriced, input=1_000_000, output=0)
    ask(stack, "Hello", 1)
    admin.patch(f"/prices/{price['id']}", {"input": "0.002"})
    ask(stack, "Hello", 1)
    admin.delete(f"/prices/{price['id']}")
    ask(stack, "Hello", 1)
    rows = sorted(stack.rows(4), key=lambda row: row["id"])
    tokens = rows[0]["prompt_tokens"]
    assert tokens > 0 and [row["cost"] for row in rows] == [None, tokens, 2 * tokens, None]


def test_the_cheapest_is_asked_first(stack: Stack, alpha: Simulator, beta: Simulator) -> None:
    stack.gateway.admin.policy(stack.model, strategy="cheapest")
    for _ in range(5):
        ask(stack, "Hello")
    assert (alpha.received(), beta.received()) == (5, 0), "the unpriced come after the priced"
    set_price(stack.gateway, stack.providers[1], input=1, output=1)
    for _ in range(5):
        ask(stack, "Hello")
    assert (alpha.received(), beta.received()) == (5, 5)
    ask(stack, mark("Hello", at=beta, status=500))
    assert (alpha.received(), beta.received()) == (6, 6), "the dearer one is the next"


def test_images_seconds_and_requests_have_prices_of_their_own(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    draws, hears = (Stack.make(gateway) for _ in range(2))
    per_image, per_second, per_request = 40_000_007, 100_003, 11
    draws.add(alpha, provider_model="gpt-image-1")
    set_price(gateway, draws.providers[0], "gpt-image-*", per_image=per_image, per_request=per_request)
    hears.add(alpha, provider_model="whisper-1")
    set_price(gateway, hears.providers[0], "whisper-*", per_second=per_second, per_request=per_request)
    client = gateway.openai()
    drawn = client.images.generate(model=draws.name, prompt="a house", n=3)
    assert len(drawn.data) == 3
    heard = client.audio.transcriptions.create(model=hears.name, file=("speech.wav", b"RIFF" + bytes(100_000)))
    assert heard.usage.type == "duration" and heard.usage.seconds > 1
    assert draws.rows(1)[0]["cost"] == 3 * per_image + per_request
    assert hears.rows(1)[0]["cost"] == heard.usage.seconds * per_second + per_request
    assert_sums_agree(gateway.database)
