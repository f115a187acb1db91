"""Budgets of client keys: told in every SDK's words, exact in the books, shared by gateways, kept through restarts."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import anthropic
import openai
import pytest
from google import genai

from conftest import MakeDatabase, MakeGateway
from harness.accounts import assert_sums_agree
from harness.admin import Json
from harness.gateway import Gateway, migrate
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

#: What a request costs, by the price that is set here.
COST = Decimal("0.001")


@pytest.fixture
def stack(make_gateway: MakeGateway, alpha: Simulator) -> Stack:
    stack = Stack.make(make_gateway(), [alpha])
    set_price(stack, per_request=str(COST))
    return stack


def several(make_gateway: MakeGateway, make_database: MakeDatabase, count: int) -> list[Gateway]:
    """Gateways on one database, which share nothing else."""
    database = make_database()
    migrate(database)
    return [make_gateway(database) for _ in range(count)]


def wait_for_key(gateways: list[Gateway], secret: str) -> None:
    headers = {"authorization": f"Bearer {secret}"}
    for gateway in gateways:
        known = lambda: gateway.http.get("/v1/models", headers=headers).status_code == 200  # noqa: B023, E731
        wait_for(known, "the key at another gateway")


def set_price(stack: Stack, **amounts: str) -> Json:
    provider = stack.providers[0]["id"]
    return stack.gateway.admin.post("/prices", {"provider_id": provider, "model_pattern": "*", **amounts})


def ask(gateway: Gateway, stack: Stack, key: str) -> bool:
    """Whether the request was served; the only other answer is that the budget is spent."""
    try:
        gateway.openai(key).chat.completions.create(model=stack.name, messages=asking("Hello"))
    except openai.RateLimitError as error:
        assert error.code == "insufficient_quota"
        return False
    return True


def spent(gateway: Gateway) -> Decimal:
    rows = gateway.database.rows("SELECT cost FROM key_usage")
    return Decimal(sum(row["cost"] or 0 for row in rows)) / 10**9


def spending(stack: Stack, key: Json) -> Json:
    return stack.gateway.admin.get(f"/keys/{key['id']}")["spending"]


def by_openai(stack: Stack, key: str) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client = stack.gateway.openai(key, max_retries=2)
        client.chat.completions.create(model=stack.name, messages=asking("Hello"))
    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert "the budget of 0.002 USD" in caught.value.message and "It begins anew at " in caught.value.message


def by_responses(stack: Stack, key: str) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        stack.gateway.openai(key, max_retries=2).responses.create(model=stack.name, input="Hello", stream=True)
    assert caught.value.code == "insufficient_quota"


def by_anthropic(stack: Stack, key: str) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        client = stack.gateway.anthropic(key, max_retries=2)
        client.messages.create(model=stack.name, max_tokens=5, messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    assert "budget" in caught.value.body["error"]["message"]


def by_genai(stack: Stack, key: str) -> None:
    with pytest.raises(genai.errors.ClientError) as caught:
        stack.gateway.genai(key).models.generate_content(model=stack.name, contents="Hello")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert "budget" in caught.value.message


@pytest.mark.parametrize("refused", [by_openai, by_responses, by_anthropic, by_genai])
def test_a_spent_budget_is_told_as_each_sdk_knows_it(
    stack: Stack, alpha: Simulator, refused: Callable[[Stack, str], None]
) -> None:
    key = stack.gateway.admin.key("ci", budgets={"day": "0.002"})
    assert ask(stack.gateway, stack, key["key"])
    assert ask(stack.gateway, stack, key["key"])
    refused(stack, key["key"])
    assert alpha.received() == 2, "nothing was sent, and no SDK tried again"
    row = stack.rows(3)[-1]
    assert (row["status_code"], row["error_class"], row["attempts"]) == (429, "budget_exceeded", [])
    assert row["cost"] is None and row["user_id"] == "ci"
    metrics = stack.gateway.metrics()
    assert metrics['gateway_budget_refusals_total{reason="exceeded"}'] == 1
    assert stack.gateway.http.get("/healthz").status_code == 200


def test_a_budget_is_used_up_without_a_pause(stack: Stack) -> None:
    """No request is refused for money that is counted twice while its row comes into the books."""
    for total in range(3, 7):
        key = stack.gateway.admin.key(f"ci {total}", budgets={"total": str(total * COST)})
        served = [ask(stack.gateway, stack, key["key"]) for _ in range(total + 1)]
        assert served == [True] * total + [False]


def test_what_is_spent_is_shown(stack: Stack) -> None:
    admin = stack.gateway.admin
    key = admin.key("ci", budgets={"day": "0.010", "month": "1", "warn_at": 0.5})
    assert key["budgets"] == {"day": "0.01", "month": "1", "total": None, "warn_at": 0.5, "unpriced": "allow"}
    told = spending(stack, key)
    assert told["day"] | {"resets_at": None} == {
        "spent": "0",
        "budget": "0.01",
        "remaining": "0.01",
        "state": "ok",
        "resets_at": None,
    }
    states = []
    for count in range(1, 11):
        assert ask(stack.gateway, stack, key["key"])
        wait_for(lambda: Decimal(spending(stack, key)["day"]["spent"]) == count * COST, "the spent money")
        states.append(spending(stack, key)["day"]["state"])
    assert states == ["ok"] * 4 + ["warning"] * 5 + ["exhausted"]
    assert not ask(stack.gateway, stack, key["key"])
    told = admin.get(f"/keys/{key['id']}")
    assert told["spending"]["day"]["remaining"] == "0"
    assert told["spending"]["month"]["remaining"] == "0.99"
    assert told["spending"]["total"] == {
        "spent": "0.01",
        "budget": None,
        "remaining": None,
        "state": None,
        "resets_at": None,
    }
    assert (told["usage"]["attempts"], told["usage"]["cost"]) == (10, "0.01")
    assert told["last_used_at"] is not None
    assert admin.get("/keys")["data"][0]["spending"]["day"] == told["spending"]["day"]
    wait_for(lambda: stack.gateway.metrics()['gateway_budget_warnings_total{period="day"}'] == 1, "the warning")
    assert stack.gateway.process.output.count("a key's budget is running out") == 1


def test_a_budget_that_is_raised_counts_at_once(stack: Stack) -> None:
    key = stack.gateway.admin.key("ci", budgets={"total": str(COST)})
    assert ask(stack.gateway, stack, key["key"]) and not ask(stack.gateway, stack, key["key"])
    stack.gateway.admin.patch(f"/keys/{key['id']}", {"budgets": {"total": str(3 * COST)}})
    assert [ask(stack.gateway, stack, key["key"]) for _ in range(3)] == [True, True, False]
    stack.gateway.admin.patch(f"/keys/{key['id']}", {"budgets": None})
    assert ask(stack.gateway, stack, key["key"])


async def flood(
    gateways: list[Gateway], stack: Stack, key: str, count: int, at_once: int | None = None, **fields: object
) -> Counter[int]:
    """Asks so often, all at once or so many at a time, each on a connection of its own, and counts the statuses."""
    places = asyncio.Semaphore(at_once or count)
    body = json.dumps({"model": stack.name, "messages": asking("Hello"), **fields}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"

    async def one(number: int) -> int:
        async with places:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateways[number % len(gateways)].port)
            writer.write(head.encode() + body)
            answer = await reader.read()
            writer.close()
            return int(answer.split(b" ", 2)[1])

    return Counter(await asyncio.gather(*(one(number) for number in range(count))))


def test_a_thousand_requests_at_once_spend_no_more_than_the_budget(stack: Stack) -> None:
    fit = 300
    budget = fit * COST + COST / 2
    key = stack.gateway.admin.key("ci", budgets={"total": str(budget)})
    statuses = asyncio.run(flood([stack.gateway], stack, key["key"], 1000))
    # One that cannot get its turn with the database in time is told to come again.
    assert statuses.keys() <= {200, 429, 503} and sum(statuses.values()) == 1000

    def use_up() -> bool:
        while ask(stack.gateway, stack, key["key"]):
            statuses[200] += 1
        return statuses[200] >= fit

    # What was spent counts twice for a moment, as leased and as in the books.
    wait_for(use_up, "a budget that is used up")
    assert statuses[200] == fit
    wait_for(lambda: spent(stack.gateway) == fit * COST, "all rows")
    assert_sums_agree(stack.gateway.database)


@pytest.mark.parametrize("at_once", [50, 1000], ids=["50 at a time", "1000 at once"])
@pytest.mark.parametrize("count", [1, 3], ids=["one gateway", "three gateways"])
def test_what_is_overspent_is_what_running_requests_cost_beyond_the_estimate(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, count: int, at_once: int
) -> None:
    gateways = several(make_gateway, make_database, count)
    stack = Stack.make(gateways[0], [alpha])
    # An output token costs 0.0001, and 50 come where 10 were asked for.
    set_price(stack, input="0", output="100")
    estimate, cost, budget = 1_000_000, 5_000_000, 500_000_000
    key = stack.gateway.admin.key("ci", budgets={"total": "0.5"})
    wait_for_key(gateways, key["key"])
    alpha.always(tokens=50, heeds_no_cap=True, ttft_ms=300)
    statuses = asyncio.run(flood(gateways, stack, key["key"], 1000, at_once, max_tokens=10))
    assert statuses.keys() <= {200, 429, 503}
    costs = [row["cost"] for row in stack.rows(1000) if row["cost"]]
    assert len(costs) == statuses[200] and set(costs) == {cost}
    # No more run at a time than clients ask, and than what they are thought to cost fits into the budget. Gateways know of
    # one another's excess by the rows: whatever ended while those were on their way counts as running, once more as many.
    running = min(at_once if count == 1 else 2 * at_once, budget // estimate)
    print(f"{sum(costs)} spent of {budget}, at most {budget + running * (cost - estimate)}")
    # Where each wave of requests is settled before the next begins, nothing is overspent.
    assert budget <= sum(costs) <= budget + running * (cost - estimate)
    assert_sums_agree(stack.gateway.database)
    wait_for(lambda: not any(ask(gateway, stack, key["key"]) for gateway in gateways), "that all know it is spent")
    assert spent(stack.gateway) * 10**9 == sum(costs), "nothing more is served"


def test_gateways_share_a_budget(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator
) -> None:
    gateways = several(make_gateway, make_database, 3)
    stack = Stack.make(gateways[0], [alpha])
    set_price(stack, per_request=str(COST))
    fit = 300
    key = stack.gateway.admin.key("ci", budgets={"total": str(fit * COST)})
    wait_for_key(gateways, key["key"])
    statuses = asyncio.run(flood(gateways, stack, key["key"], 1000))
    assert statuses.keys() <= {200, 429, 503}

    def use_up() -> bool:
        for gateway in gateways:
            while ask(gateway, stack, key["key"]):
                statuses[200] += 1
        return statuses[200] >= fit

    # What one has leased and does not need comes back, so that together they come to the last request.
    wait_for(use_up, "a budget that is used up", seconds=30)
    assert statuses[200] == fit
    wait_for(lambda: spent(stack.gateway) == fit * COST, "all rows")
    wait_for(lambda: spending(stack, key)["leased"] == "0", "that nothing is leased any more", seconds=30)


def test_neither_a_restart_nor_a_kill_gives_money_back(stack: Stack) -> None:
    gateway = stack.gateway
    key = gateway.admin.key("ci", budgets={"total": str(10 * COST)})
    assert all(ask(gateway, stack, key["key"]) for _ in range(4))
    gateway.stop()
    assert gateway.database.count("budget_leases") == 0, "what was leased was given back"
    gateway.restart()
    assert all(ask(gateway, stack, key["key"]) for _ in range(3))
    wait_for(lambda: spent(gateway) == 7 * COST, "all rows")
    gateway.kill()
    gateway.restart()
    served = 0
    while ask(gateway, stack, key["key"]):
        served += 1
    # What the killed one had leased is free again when the lease is over.
    assert served <= 3
    gateway.database.execute("DELETE FROM budget_leases")
    wait_for(lambda: ask(gateway, stack, key["key"]) or served == 3, "the rest")


def test_what_has_no_price_is_served_or_refused_as_the_budget_says(make_gateway: MakeGateway, alpha: Simulator) -> None:
    stack = Stack.make(make_gateway(), [alpha])
    admin = stack.gateway.admin
    free = admin.key("free", budgets={"day": "0"})
    assert ask(stack.gateway, stack, free["key"])
    strict = admin.key("strict", budgets={"day": "5", "unpriced": "refuse"})
    with pytest.raises(openai.PermissionDeniedError, match="has no price"):
        ask(stack.gateway, stack, strict["key"])
    set_price(stack, per_request=str(COST))
    assert ask(stack.gateway, stack, strict["key"])
    assert not ask(stack.gateway, stack, free["key"])
    classes = [row["error_class"] for row in stack.rows(4)]
    assert sorted(filter(None, classes)) == ["budget_exceeded", "budget_unpriced"]


def test_a_key_is_rotated_with_an_overlap(stack: Stack) -> None:
    admin = stack.gateway.admin
    key = admin.key("ci")
    rotate = f"/keys/{key['id']}/rotate"

    def works(secret: str) -> bool:
        try:
            return ask(stack.gateway, stack, secret)
        except openai.AuthenticationError:
            return False

    def rotated(**fields: int) -> Json:
        response = admin.http.post(rotate, json=fields)
        assert response.status_code == 200, response.text
        return response.json()

    second = rotated(overlap_seconds=3600)
    assert second["id"] == key["id"] and second["key"] != key["key"] and second["previous_expires_at"]
    assert second["key"].startswith(second["key_prefix"])
    assert works(key["key"]) and works(second["key"])
    third = rotated(overlap_seconds=1)
    assert not works(key["key"]), "the one before the last is over at once"
    assert works(third["key"])
    wait_for(lambda: not works(second["key"]), "the end of the overlap")
    fourth = rotated(overlap_seconds=0)
    assert works(fourth["key"]) and not works(third["key"])
    fifth = rotated()
    assert works(fourth["key"]) and works(fifth["key"])
    admin.patch(f"/keys/{key['id']}", {"enabled": False})
    assert not works(fourth["key"]) and not works(fifth["key"])
    assert {row["user_id"] for row in stack.gateway.database.request_logs()} == {"ci"}
    secrets = [one["key"] for one in (key, second, third, fourth, fifth)]
    stack.gateway.assert_clean_output(*secrets)
    assert admin.http.post(rotate, json={"overlap_seconds": -1}).json()["error"]["details"]["field"] == "overlap_seconds"
