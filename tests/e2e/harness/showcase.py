"""A gateway as it looks after a month of work: providers, models, keys, prices, and what was asked of them."""

import json
import math
import random
import uuid
from datetime import UTC, datetime, timedelta

from .database import Sqlite
from .gateway import Gateway
from .simulator import Simulator

NANO = 1_000_000_000

#: Name, type, priority, weight, milliseconds to the first content.
PROVIDERS = (
    ("openai-main", "openai", 100, 100, 380),
    ("azure-westeurope", "openai", 100, 60, 460),
    ("anthropic", "anthropic", 100, 100, 520),
    ("gemini", "gemini", 100, 100, 300),
    ("vllm-onprem", "openai", 50, 100, 140),
)
#: Model, remark, share of the requests, and who serves it: provider, name there, weight.
MODELS = (
    ("gpt-5", "for hard questions", 5, (("openai-main", "gpt-5", 3), ("azure-westeurope", "gpt-5", 2), ("vllm-onprem", "qwen3-235b", 1))),
    ("claude-sonnet-4-5", "coding agents", 4, (("anthropic", "claude-sonnet-4-5", 1), ("openai-main", "gpt-5", 0))),
    ("fast", "drafts and titles", 8, (("gemini", "gemini-2.5-flash", 2), ("openai-main", "gpt-5-mini", 1), ("vllm-onprem", "qwen3-30b", 1))),
    ("qwen3", "on our own machines", 2, (("vllm-onprem", "qwen3-235b", 1),)),
    ("text-embedding-3-small", "", 3, (("openai-main", "text-embedding-3-small", 1),)),
)
KEYS = (("checkout-service", 6), ("support-bot", 9), ("data-team", 3), ("ide-plugins", 5))
#: USD per million tokens in and out.
PRICES = {"qwen3*": (0.1, 0.2), "gpt-5": (1.25, 10), "gpt-5-mini": (0.25, 2), "claude-sonnet-4-5": (3, 15), "gemini-2.5-flash": (0.3, 2.5)}
ERRORS = (("rate_limited", 429), ("server_error", 502), ("timeout", 504))


def configure(gateway: Gateway, simulators: dict[str, Simulator]) -> None:
    """Over the admin API, as an operator would."""
    admin = gateway.admin
    providers = {}
    for name, kind, priority, weight, first in PROVIDERS:
        simulator = simulators[name]
        simulator.always(ttft_ms=first // 10, tokens=60)
        address = simulator.base_url if kind == "openai" else simulator.base_url.removesuffix("/v1")
        providers[name] = admin.provider(name, address, f"sk-{uuid.uuid4().hex}", kind=kind, priority=priority, weight=weight)
    for name, remark, _, servers in MODELS:
        model = admin.model(name, remark=remark or None)
        for provider, there, weight in servers:
            admin.associate(model, providers[provider], there, weight=weight, image=there.startswith(("gpt", "gemini")))
    admin.policy({"id": 1}, strategy="least_latency", hedge_after_ms=2500)
    for name, _ in KEYS:
        budgets = {"day": "8", "month": "150"} if name != "data-team" else None
        admin.key(name, allowed_models=["fast", "text-*"] if name == "support-bot" else None, budgets=budgets)
    for model, (input, output) in PRICES.items():
        admin.post("/prices", {"model_pattern": model, "input": str(input), "output": str(output)})


def remember(gateway: Gateway, days: int = 30, hours: int = 24) -> None:
    """Requests of the last hours as rows, and of the days before as sums."""
    dice = random.Random(7)
    now = datetime.now(UTC)
    ids = {one["name"]: one["id"] for one in gateway.admin.get("/providers", limit=100)["data"]}
    rows, at = [], now - timedelta(hours=hours)
    while at < now:
        rows.append(_row(dice, at, ids))
        hour = at.hour + at.minute / 60
        busy = 1.2 + math.sin((hour - 9) / 24 * 2 * math.pi)
        at += timedelta(seconds=dice.expovariate(1) * 40 / (0.3 + busy))
    assert isinstance(gateway.database, Sqlite)
    connection = gateway.database.connect()
    connection.execute("BEGIN")
    marks = ", ".join("?" for _ in rows[0])
    connection.executemany(f"INSERT INTO request_logs ({', '.join(rows[0])}) VALUES ({marks})", [tuple(row.values()) for row in rows])
    for back in range(days):
        day = (now - timedelta(days=back)).date()
        busy = 0.35 if day.weekday() > 4 else 1.0
        for name, share in KEYS:
            _day(connection, dice, "key_usage", "key_name", name, day, share * busy)
        for name, _, priority, *_ in PROVIDERS:
            _day(connection, dice, "provider_stats", "provider_id", ids[name], day, priority / 20 * busy)
    connection.execute("COMMIT")
    connection.close()


def _row(dice: random.Random, at: datetime, ids: dict[str, int]) -> dict:
    model, _, _, servers = dice.choices(MODELS, [one[2] for one in MODELS])[0]
    servers = [one for one in servers if one[2]]
    order = dice.sample(servers, len(servers))
    embeds = model.startswith("text-")
    stream = not embeds and dice.random() < 0.7
    attempts, begun = [], 0
    for provider, there, _ in order:
        first = next(one[4] for one in PROVIDERS if one[0] == provider)
        took = int(first * dice.lognormvariate(0, 0.35))
        fails = dice.random() < 0.035
        error, status = dice.choice(ERRORS) if fails else (None, 200)
        prompt = int(dice.lognormvariate(6.2, 0.9))
        answer = 0 if embeds else int(dice.lognormvariate(5.2, 0.7))
        begun += took
        ttft = begun
        if not fails and not embeds:
            took += answer * 9
            begun += answer * 9
        price = PRICES["qwen3*"] if there.startswith("qwen3") else PRICES.get(there)
        cost = None if fails or price is None else round((prompt * price[0] + answer * price[1]) * 1000)
        tokens = 0 if fails else prompt + answer
        attempts.append({"provider_id": ids[provider], "provider_model": there, "status": status, "error_class": error, "ms": took, "tokens": tokens, "cost": cost})
        if not fails:
            break
    last = attempts[-1]
    good = last["error_class"] is None
    return {
        "request_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "provider_id": last["provider_id"], "model": model, "provider_model": last["provider_model"],
        "endpoint": "/v1/embeddings" if embeds else "/v1/messages" if model.startswith("claude") else "/v1/chat/completions", "method": "POST",
        "status_code": last["status"], "error_class": last["error_class"], "error_message": None if good else "every attempt failed",
        "latency_ms": begun, "ttft_ms": ttft if stream and good else None,
        "prompt_tokens": prompt if good else None, "completion_tokens": answer if good else None, "total_tokens": prompt + answer if good else None,
        "cached_tokens": prompt // 3 if good and not embeds else None, "usage_source": "provider" if good else "none", "cost": last["cost"],
        "user_id": dice.choices([one[0] for one in KEYS], [one[1] for one in KEYS])[0], "ip_address": f"10.2.{dice.randrange(4)}.{dice.randrange(250)}",
        "stream": stream, "attempts": json.dumps(attempts), "created_at": at.isoformat(timespec="microseconds"),
    }


def _day(connection, dice: random.Random, table: str, column: str, of: str | int, day, share: float) -> None:
    requests = int(share * dice.uniform(150, 260))
    prompt, answer = requests * dice.randrange(700, 1100), requests * dice.randrange(190, 320)
    cost = int((prompt * 1.4 + answer * 9) / 1_000_000 * NANO)
    connection.execute(
        f"INSERT INTO {table} ({column}, date, total_requests, success_requests, failed_requests, total_tokens, prompt_tokens, completion_tokens, cost)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (of, day.isoformat(), requests, requests - requests // 70, requests // 70, prompt + answer, prompt, answer, cost),
    )
