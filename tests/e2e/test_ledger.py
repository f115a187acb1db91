"""The books: what attempts cost, what requests do, the days of providers and of keys are alike to the nano-dollar."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

from conftest import MakeGateway
from harness.accounts import assert_sums_agree
from harness.admin import Json
from harness.gateway import PROVIDER_KEY
from harness.simulator import Simulator, mark
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

#: What providers may do, and what clients may: each as often.
FAULTS = [
    {},
    {},
    {"status": 500},
    # Else the first would pause a provider for longer than all of this takes.
    {"status": 429, "retry_after": {"seconds": 0}},
    {"fault": "reset"},
    {"usage": False},
    {"cached_tokens": 7},
    {"reasoning_tokens": 11},
]
REQUESTS = 240
KEYS = 4
#: Requests of which at least one is tried at the failing one of two providers first, but for one in 4096 runs.
FAILOVERS = 12


def usd(nano: int) -> str:
    return f"{Decimal(nano) / 10**9:f}"


def price(stack: Stack, provider: Json, draw: random.Random) -> None:
    """Prices whose last digits no float would keep."""
    amounts = {name: usd(draw.randrange(10**9, 10**10)) for name in ("input", "output", "cache_read", "reasoning")}
    amounts["per_request"] = usd(draw.randrange(1, 1000))
    pattern = {"provider_id": provider["id"], "model_pattern": "*"}
    stack.gateway.admin.post("/prices", pattern | amounts)


def ask(
    stack: Stack, key: str, simulators: list[Simulator], seed: int, faults: Sequence[dict[str, Any]] = FAULTS
) -> None:
    """One request: whole or streamed, with a fault or without, left before its end or not."""
    draw = random.Random(seed)
    prompt = f"Number {seed}"
    for simulator in simulators:
        prompt = mark(prompt, at=simulator, **draw.choice(faults))
    stream, hangs_up = draw.random() < 0.5, draw.random() < 0.3
    options = {"stream_options": {"include_usage": True}} if stream else {}
    try:
        answer = stack.gateway.openai(key).chat.completions.create(
            model=stack.name, messages=asking(prompt), max_tokens=40, stream=stream, **options
        )
        if stream:
            for number, _ in enumerate(answer):
                if hangs_up and number == 2:
                    answer.close()
                    break
    except openai.APIError:
        pass


def test_to_the_nano_after_faults_failovers_hang_ups_and_a_kill(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator
) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha, beta], max_retry=2)
    draw = random.Random(7)
    for provider in stack.providers:
        price(stack, provider, draw)
    # Half of the keys have budgets, of which some are spent before the end.
    budgets = [None, {"day": "1000"}, {"total": "0.002"}, {"month": "0.02", "unpriced": "refuse"}]
    keys = [gateway.admin.key(f"key {number}", budgets=budget) for number, budget in enumerate(budgets)]
    # With both well and nobody else asking, what fails at one is answered, and paid for, at the other.
    client = gateway.openai(keys[0]["key"])
    for _ in range(FAILOVERS):
        client.chat.completions.create(model=stack.name, messages=asking(mark("Hello", at=alpha, status=500)))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda seed: ask(stack, keys[seed % KEYS]["key"], [alpha, beta], seed), range(REQUESTS)))
    wait_for(lambda: gateway.database.count("request_logs") == FAILOVERS + REQUESTS, "all rows")
    assert_sums_agree(gateway.database)
    gateway.kill()
    gateway.restart()
    with ThreadPoolExecutor(16) as pool:
        seeds = range(REQUESTS, 2 * REQUESTS)
        list(pool.map(lambda seed: ask(stack, keys[seed % KEYS]["key"], [alpha, beta], seed), seeds))
    wait_for(lambda: gateway.database.count("request_logs") == FAILOVERS + 2 * REQUESTS, "all rows")
    assert_sums_agree(gateway.database)
    rows = gateway.database.request_logs()
    classes = {row["error_class"] for row in rows}
    assert {None, "budget_exceeded"} <= classes, classes
    assert any(len(row["attempts"]) > 1 and row["cost"] for row in rows)
    for key in keys:
        shown = gateway.admin.get(f"/keys/{key['id']}")
        cost = sum(row["cost"] or 0 for row in rows if row["user_id"] == key["name"])
        assert Decimal(shown["spending"]["total"]["spent"]) * 10**9 == cost
        assert Decimal(shown["usage"]["cost"]) * 10**9 == cost
        if budget := (key["budgets"] or {}).get("total"):
            # No request here costs more than is thought before.
            assert cost <= Decimal(budget) * 10**9


#: A stream that breaks.
BREAKS: dict[str, Any] = {"fault": {"kind": "close", "at": {"after_events": 8}}}
#: What makes a second leg of a request: an answer that is late, a stream that breaks, an answer that is withheld.
LEGS = [
    *FAULTS,
    {"ttft_ms": 400},
    {"ttft_ms": 400, "usage": False},
    BREAKS,
    {**BREAKS, "reasoning_tokens": 3},
    {"text": "So much violence, in so many words that it is worth its price."},
]


def test_to_the_nano_where_requests_are_raced_resumed_and_withheld(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, tmp_path: Path
) -> None:
    gateway = make_gateway()
    moderation_key = tmp_path / "moderation-key"
    moderation_key.write_text(PROVIDER_KEY)
    moderation = {"url": f"{alpha.base_url}/moderations", "api_key": f"file:{moderation_key}", "on": "response"}
    policies = [
        {"hedge_after_ms": 100, "verified_resume": True},
        {"hedge_after_ms": 100, "guards": {"moderation": moderation}},
    ]
    draw = random.Random(11)
    stacks = [Stack.make(gateway, [alpha, beta], max_retry=2) for _ in policies]
    for stack, policy in zip(stacks, policies, strict=True):
        gateway.admin.policy(stack.model, **policy)
        for provider in stack.providers:
            price(stack, provider, draw)
    keys = [gateway.admin.key("open"), gateway.admin.key("bounded", budgets={"day": "1000"})]

    def one(seed: int) -> None:
        ask(stacks[seed % 2], keys[seed // 2 % 2]["key"], [alpha, beta], seed, LEGS)

    def broken_off(number: int) -> None:
        """A stream that one provider breaks off and the other goes on with, if it can, or serves alone."""
        prompt = mark(f"Number {number}", at=[alpha, beta][number % 2], **BREAKS)
        client = gateway.openai(keys[0]["key"])
        with suppress(openai.APIError):
            list(client.chat.completions.create(model=stacks[0].name, messages=asking(prompt), max_tokens=40, stream=True))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(2 * REQUESTS)))
    # Among those above few streams are resumed by chance, and in some runs none is.
    for number in range(FAILOVERS):
        broken_off(number)
    wait_for(lambda: gateway.database.count("request_logs") == 2 * REQUESTS + FAILOVERS, "all rows")
    assert_sums_agree(gateway.database)
    metrics = gateway.metrics()
    happened = {
        "hedged": metrics['gateway_hedges_total{outcome="won"}'],
        "resumed": metrics['gateway_resumes_total{result="resumed"}'],
        "withheld": metrics['gateway_guards_total{stage="response",result="denied"}'],
    }
    assert all(happened.values()), happened
    rows = gateway.database.request_logs()
    # Each of them is paid for more than once, or though the client got nothing.
    twice = [row for row in rows if sum(attempt["cost"] is not None for attempt in row["attempts"]) > 1]
    assert any(row["error_class"] is None for row in twice)
    assert any(row["cost"] for row in rows if row["error_class"] == "guard_denied")
    bounded = gateway.admin.get(f"/keys/{keys[1]['id']}")["spending"]["day"]["spent"]
    assert Decimal(bounded) * 10**9 == sum(row["cost"] or 0 for row in rows if row["user_id"] == "bounded")


@pytest.fixture
def media(make_gateway: MakeGateway, alpha: Simulator) -> Stack:
    return Stack.make(make_gateway(), [alpha])


def test_images_are_charged_each(media: Stack) -> None:
    pattern = {"provider_id": media.providers[0]["id"], "model_pattern": "*"}
    media.gateway.admin.post("/prices", pattern | {"per_image": "0.04"})
    key = media.gateway.admin.key("ci", budgets={"day": "0.30"})
    client = media.gateway.openai(key["key"])
    answer = client.images.generate(model=media.name, prompt="a cat", n=3)
    assert len(answer.data) == 3
    client.images.edit(model=media.name, prompt="a dog", image=("a.png", b"x"))
    with pytest.raises(openai.RateLimitError, match="up to 0.16 USD"):
        client.images.generate(model=media.name, prompt="cats", n=4)
    rows = media.rows(3)
    assert [row["cost"] for row in rows] == [120_000_000, 40_000_000, None]
    assert_sums_agree(media.gateway.database)


def test_sound_is_charged_by_the_second(make_gateway: MakeGateway, alpha: Simulator) -> None:
    stack = Stack.make(make_gateway())
    stack.add(alpha, provider_model="whisper-1")
    pattern = {"provider_id": stack.providers[0]["id"], "model_pattern": "whisper-*"}
    stack.gateway.admin.post("/prices", pattern | {"per_second": "0.0001"})
    client = stack.gateway.openai()
    client.audio.transcriptions.create(model=stack.name, file=("a.wav", b"x" * 100_000))
    assert [row["cost"] for row in stack.rows(1)] == [7 * 100_000]
