"""Requests, tokens and concurrency within limits: what clients are told, in which headers, and what is logged."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx
import openai
import pytest
from google.genai import errors

from conftest import MakeGateway, MakeStack
from harness.crowd import MINUTE, Crowd
from harness.gateway import Gateway
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for


def chat(client: openai.OpenAI, model: str, **more) -> httpx.Headers:
    messages = [{"role": "user", "content": "Hello"}]
    answer = client.chat.completions.with_raw_response.create(model=model, messages=messages, max_tokens=10, **more)
    return answer.headers


def limited_key(gateway: Gateway, **limits) -> str:
    limited_key.made += 1
    return gateway.admin.key(f"limited-{limited_key.made}", limits=limits)["key"]


limited_key.made = 0


def test_requests_of_a_key(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    client = gateway.openai(limited_key(gateway, rpm=3))
    for remaining in (2, 1, 0):
        headers = chat(client, stack.name)
        assert headers["x-ratelimit-limit-requests"] == "3"
        assert headers["x-ratelimit-remaining-requests"] == str(remaining)
        assert headers["x-ratelimit-reset-requests"].startswith("1m")
        assert "x-ratelimit-limit-tokens" not in headers
    with pytest.raises(openai.RateLimitError, match="3 requests per minute") as refused:
        chat(client, stack.name)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 61
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    rows = stack.rows(4)
    [row] = [row for row in rows if row["error_class"]]
    assert (row["status_code"], row["error_class"], row["attempts"]) == (429, "limited", [])
    assert gateway.metrics()['gateway_requests_limited_total{scope="key",kind="requests"}'] >= 1
    # Whoever has another key is not concerned.
    chat(gateway.openai(), stack.name)


def test_tokens_are_settled_by_what_was_used(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    client = gateway.openai(limited_key(gateway, tpm=5000))
    first = chat(client, stack.name)
    used = int(gateway.database.request_logs(f"model = '{stack.name}'")[0]["total_tokens"]) if stack.rows(1) else 0
    assert int(first["x-ratelimit-remaining-tokens"]) <= 5000 - 10
    # What was reserved and not used is there again.
    assert int(chat(client, stack.name)["x-ratelimit-remaining-tokens"]) > 5000 - 2 * used - 100
    with pytest.raises(openai.RateLimitError, match="5000 tokens per minute"):
        client.chat.completions.create(
            model=stack.name, messages=[{"role": "user", "content": "Hello"}], max_tokens=5000
        )


def test_tokens_of_a_request_that_failed_are_there_again(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator
) -> None:
    stack = make_stack(alpha, max_retry=0)
    client = gateway.openai(limited_key(gateway, tpm=5000, rpm=10))
    alone = chat(client, stack.name)
    used = stack.rows(1)[0]["total_tokens"]
    reserved = 5000 - int(alone["x-ratelimit-remaining-tokens"])
    alpha.always(status=500)
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(
                model=stack.name, messages=[{"role": "user", "content": "Hello"}], max_tokens=1500
            )
    alpha.reset()
    after = chat(client, stack.name)
    # Only what the first has used is gone, and what this one may use. That the others were requests stays true.
    assert int(after["x-ratelimit-remaining-tokens"]) == 5000 - used - reserved
    assert after["x-ratelimit-remaining-requests"] == "5"


def test_fifty_clients_of_one_key_get_its_limit_of_any_minute(make_gateway: MakeGateway, alpha: Simulator) -> None:
    """One key has more requests than it may, the other more tokens."""
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    limits = {"rpm": 600, "tpm": 100_000}
    requests, tokens = (
        Crowd([gateway], stack.name, limited_key(gateway, **limits), max_tokens).start(MINUTE + 2, per_second)
        for max_tokens, per_second in ((10, 20), (250, 12))
    )
    requests, tokens = requests.finish(), tokens.finish()
    print(requests.most_in_a_minute(), tokens.most_in_a_minute())
    assert 600 * 0.99 <= requests.most_in_a_minute()[0] <= 600 * 1.01
    assert 100_000 * 0.99 <= tokens.most_in_a_minute()[1] <= 100_000 * 1.01
    assert requests.refused >= 100 and tokens.refused >= 100


def test_each_protocol_in_its_own_words(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    key = limited_key(gateway, models={f"{stack.name}*": {"rpm": 1}})
    asked = {"model": stack.name, "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
    answer = gateway.anthropic(key).messages.with_raw_response.create(**asked)
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as refused:
        gateway.anthropic(key).messages.create(**asked)
    assert refused.value.body["error"]["type"] == "rate_limit_error"
    with pytest.raises(errors.ClientError) as exhausted:
        gateway.genai(key).models.generate_content(model=stack.name, contents="Hello")
    assert (exhausted.value.code, exhausted.value.status) == (429, "RESOURCE_EXHAUSTED")
    [info] = exhausted.value.details["error"]["details"]
    assert info["@type"] == "type.googleapis.com/google.rpc.RetryInfo"
    assert 1 <= int(info["retryDelay"].removesuffix("s")) <= 61


def test_so_many_at_a_time(gateway: Gateway, make_stack: MakeStack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    client = gateway.openai(limited_key(gateway, concurrent=2))
    alpha.always(ttft_ms=1500)
    begin = threading.Barrier(6)

    def ask(_: int) -> bool:
        begin.wait()
        with contextlib.suppress(openai.RateLimitError):
            chat(client, stack.name)
            return True
        return False

    try:
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(ask, range(6))) == [False] * 4 + [True] * 2
    finally:
        alpha.reset()
    chat(client, stack.name)


def test_a_provider_that_has_had_enough_is_passed_over(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator
) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway)
    stack.add(alpha, priority=200, rpm=2)
    stack.add(beta, priority=100, rpm=3)
    served = [chat(gateway.openai(), stack.name)["x-gateway-provider"].split("-")[0] for _ in range(5)]
    assert served == ["alpha", "alpha", "beta", "beta", "beta"]
    with pytest.raises(openai.RateLimitError, match="every provider") as refused:
        chat(gateway.openai(), stack.name)
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert all(provider["state"] == "healthy" for provider in gateway.admin.get("/health")["providers"])
    rows = stack.rows(6)
    assert all(len(row["attempts"]) == 1 for row in rows if row["status_code"] == 200), "nothing else was sent"


@pytest.mark.parametrize("whose", ["the provider's", "its model's"])
def test_a_provider_whose_tokens_are_used_up_is_passed_over(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, whose: str
) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway)
    limit = {"tpm": 1000}
    stack.add(alpha, priority=200, provider_model="large", **(limit if whose == "the provider's" else {"models": {"large": limit}}))
    stack.add(beta, priority=100)
    alpha.always(tokens=900, heeds_no_cap=True)
    # What was reserved is little, what was used is not.
    served = [chat(gateway.openai(), stack.name)["x-gateway-provider"].split("-")[0] for _ in range(2)]
    wait_for(lambda: chat(gateway.openai(), stack.name)["x-gateway-provider"].startswith("beta"), "the other provider")
    assert served[0] == "alpha" and 1 <= alpha.received() <= 3
    assert all(row["status_code"] == 200 and len(row["attempts"]) == 1 for row in gateway.database.request_logs())


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("openai", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}),
        (
            "anthropic",
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2999-01-01T00:00:00Z",
            },
        ),
    ],
)
def test_a_provider_that_says_it_has_nothing_left_is_passed_over_before_it_refuses(
    gateway: Gateway, make_stack: MakeStack, alpha: Simulator, beta: Simulator, kind: str, headers: dict[str, str]
) -> None:
    stack = make_stack()
    model = {"provider_model": "claude-sonnet-4-5"} if kind == "anthropic" else {}
    first = stack.add(alpha, kind=kind, priority=200, **model)
    stack.add(beta, priority=100)
    served = lambda: chat(gateway.openai(), stack.name)["x-gateway-provider"].split("-")[0]  # noqa: E731
    assert [served(), served()] == ["alpha", "alpha"]
    alpha.always(headers=headers)
    assert [served(), served(), served()] == ["alpha", "beta", "beta"]
    assert alpha.received() == 3
    [report] = [it for it in gateway.admin.get("/health")["providers"] if it["provider_id"] == first["id"]]
    [association] = report["associations"]
    assert (report["state"], report["error_count"], association["error_count"]) == ("healthy", 0, 0)
    assert association["cooling_until"]
    assert all(len(row["attempts"]) == 1 and row["status_code"] == 200 for row in stack.rows(5))


def test_all_together_and_a_limit_that_changes(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(GATEWAY_RPM="4")
    stack = Stack.make(gateway, [alpha])
    keys = [gateway.admin.key(name) for name in ("one", "two")]
    for key in keys * 2:
        chat(gateway.openai(key["key"]), stack.name)
    with pytest.raises(openai.RateLimitError, match="this gateway"):
        chat(gateway.openai(keys[0]["key"]), stack.name)

    other = make_gateway()
    stack = Stack.make(other, [alpha])
    key = other.admin.key("changing", limits={"rpm": 1})
    chat(other.openai(key["key"]), stack.name)
    with pytest.raises(openai.RateLimitError):
        chat(other.openai(key["key"]), stack.name)
    other.admin.patch(f"/keys/{key['id']}", {"limits": {"rpm": 2}})
    assert chat(other.openai(key["key"]), stack.name)["x-ratelimit-remaining-requests"] == "0"
    other.admin.patch(f"/keys/{key['id']}", {"limits": None})
    wait_for(lambda: "x-ratelimit-limit-requests" not in chat(other.openai(key["key"]), stack.name), "no limit")


def test_limits_are_checked_by_name(gateway: Gateway) -> None:
    for limits, field in [
        ({"rpm": 0}, "limits.rpm"),
        ({"models": {"gpt-*": {"tpm": 0}}}, "limits.models.gpt-*.tpm"),
        ({"rps": 1}, "limits.rps"),
    ]:
        answer = gateway.admin.http.post("/keys", json={"name": "k", "limits": limits})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["details"]["field"] == field, answer.text
    answer = gateway.admin.http.post("/providers", json={"name": "p", "type": "openai", "config": {"rpm": 0}})
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (422, "config.rpm")
