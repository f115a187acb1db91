"""The end of a gateway under load: asked to, and not."""

import json
import signal
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

import pytest

from conftest import MakeGateway
from faults.exchange import body_of
from harness import load
from harness.accounts import assert_each_once, assert_rows_match, assert_sums_agree
from harness.gateway import CLIENT_KEY, Gateway
from harness.simulator import Simulator
from harness.stack import Stack
from harness.stalls import Stalls
from harness.waiting import wait_for

#: Seconds before a kill within which a request may have ended without leaving its row.
AT_RISK = 0.25
#: Requests answered before the end comes: long enough under load that most rows are in the database.
WARM = 400


def complete(results: list[load.Result]) -> list[load.Result]:
    return [result for result in results if result.error is None]


def test_kill_loses_at_most_the_last_moment_and_doubles_nothing(
    make_gateway: MakeGateway, alpha: Simulator, beta: Simulator, tmp_path: Path
) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha, beta])
    results: list[load.Result] = []
    safe: dict[str, float] = {}
    # The same database and spool several times: rows that wait in the spool at one end are written at the next start.
    for _ in range(3):
        with Stalls(tmp_path) as stalls:
            running = load.Load(gateway.openai(), stack.name)
            wait_for(lambda: running.succeeded() >= WARM, "a warm gateway", seconds=60)
            killed_at = time.time()
            gateway.kill()
        round_results = running.finish()
        # What a client saw end by then had ended in the gateway before.
        ages = {result.request_id: killed_at - result.ended_at for result in complete(round_results)}
        at_risk = AT_RISK + stalls.worst
        safe |= {request_id: age for request_id, age in ages.items() if age > at_risk}
        results += round_results
        gateway.restart()

    logs = gateway.database.request_logs

    def lost() -> dict[str, float]:
        written = {row["request_id"] for row in logs()}
        return {request_id: age for request_id, age in safe.items() if request_id not in written}

    wait_for(lambda: not lost(), lambda: f"rows of what ended in time, before a kill by so much: {lost()}", seconds=60)
    gateway.stop()
    rows = {row["request_id"]: row for row in logs()}
    assert len(rows) == len(logs()), "no row is doubled"
    assert len(safe) >= WARM // 2, "enough had ended for the test to say something"
    written = [result for result in complete(results) if result.request_id in rows]
    assert_rows_match([rows[result.request_id] for result in written], written)
    # What no client heard of are requests whose end the client missed: at most one of each client and kill.
    known = {result.request_id for result in results}
    assert len(rows.keys() - known) <= sum(result.request_id is None for result in results)
    assert_sums_agree(gateway.database)


def slow_streams(gateway: Gateway, stack: Stack, alpha: Simulator) -> load.Load:
    """Streams that take about two seconds each, all of them running when this returns."""
    threads = 12
    alpha.always(ttft_ms=10, tokens=40, tokens_per_second=20)
    running = load.Load(gateway.openai(), stack.name, threads)
    wait_for(lambda: alpha.received() >= threads, "running requests")
    return running


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_loses_nothing_and_lets_streams_finish(
    make_gateway: MakeGateway, alpha: Simulator, asked: signal.Signals
) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    running = slow_streams(gateway, stack, alpha)
    gateway.process.send(asked)
    results = running.finish()
    assert gateway.process.wait() == 0, gateway.process.output

    served = [result for result in results if result.request_id]
    cut = [result for result in served if result.error]
    assert not cut, "what had begun is finished"
    assert any(result.stream for result in served)
    rows = gateway.database.request_logs()
    assert_rows_match(rows, served)
    assert_sums_agree(gateway.database)
    assert gateway.database.count("write_batches") > 0


def test_sigterm_under_load_loses_nothing(make_gateway: MakeGateway, alpha: Simulator, beta: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha, beta])
    running = load.Load(gateway.openai(), stack.name)
    wait_for(lambda: running.succeeded() >= WARM, "a warm gateway", seconds=60)
    gateway.process.send(signal.SIGTERM)
    results = running.finish()
    assert gateway.process.wait() == 0, gateway.process.output
    rows = gateway.database.request_logs()
    assert_rows_match(rows, complete(results))
    assert_each_once(rows, [result for result in results if result.request_id])
    assert_sums_agree(gateway.database)


def test_what_came_before_sigterm_is_answered(make_gateway: MakeGateway, alpha: Simulator) -> None:
    """Also what waits to begin: on connections that look idle until it does."""
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    path, body = body_of(stack, "chat", stream=False)
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}

    def ask(client: HTTPConnection) -> None:
        client.request("POST", path, json.dumps(body), headers)

    def answer(client: HTTPConnection) -> int:
        response = client.getresponse()
        response.read()
        return response.status

    clients = [HTTPConnection("127.0.0.1", gateway.port, timeout=60) for _ in range(300)]
    for client in clients:
        ask(client)
        assert answer(client) == 200
    for client in clients:
        ask(client)
    gateway.process.send(signal.SIGTERM)
    assert Counter(map(answer, clients)) == {200: len(clients)}
    assert gateway.process.wait() == 0, gateway.process.output
    assert len(gateway.database.request_logs()) == 2 * len(clients)


def test_what_outlasts_the_drain_is_cut_and_told(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(GATEWAY_DRAIN_TIMEOUT="0.3")
    stack = Stack.make(gateway, [alpha])
    running = slow_streams(gateway, stack, alpha)
    gateway.process.send(signal.SIGTERM)
    results = running.finish()
    assert gateway.process.wait() == 0, gateway.process.output
    assert all(result.error for result in results)
    streams = [result for result in results if result.request_id]
    assert streams and all("shutting down" in str(result.error) for result in streams), "the error event says why"
    rows = gateway.database.request_logs()
    assert len(rows) == alpha.received()
    ends = {(row["stream"], row["status_code"], row["error_class"]) for row in rows}
    assert ends == {(True, 200, "client_shutdown"), (False, 499, "client_closed")}
    assert_sums_agree(gateway.database)


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(make_gateway: MakeGateway, alpha: Simulator, again: signal.Signals) -> None:
    gateway = make_gateway(GATEWAY_DRAIN_TIMEOUT="600")
    stack = Stack.make(gateway, [alpha])
    alpha.always(fault={"kind": "hang", "at": {"after_events": 4}})
    running = load.Load(gateway.openai(), stack.name, threads=4)
    wait_for(lambda: alpha.received() >= 4, "running requests")
    gateway.process.send(signal.SIGTERM)
    wait_for(lambda: "asked to stop" in gateway.process.output, "the first signal's effect")
    assert gateway.process.exit_code is None
    gateway.process.send(again)
    assert gateway.process.wait(20) == 0, gateway.process.output
    results = running.finish()
    assert all(result.error for result in results)
    assert all("shutting down" in str(result.error) for result in results if result.request_id), "who streams is told"
    assert len(gateway.database.request_logs()) == alpha.received(), "what was cut is accounted for all the same"
    assert_sums_agree(gateway.database)
