"""Twice and three times what can be served: as much is served as ever, and the rest is refused in the client's own words."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from conftest import MakeGateway
from faults.exchange import CODES, body_of
from harness.gateway import CLIENT_KEY, Gateway
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from harness.wire import Reply, Wire

pytestmark = pytest.mark.sqlite_only

#: Requests at a time, and milliseconds that the provider takes for each: so long that it is the provider that is waited for,
#: on a busy machine too, and not the processor.
PLACES, TAKES = 16, 400
#: Seconds of each load.
LASTS = 3
#: What of the peak is served at least; the client that makes the load takes its share of the machine too.
KEPT = 0.8
#: What a refusal is, by who is full and by the client's protocol.
REFUSALS = {
    "gateway": {
        "chat": (503, "overloaded"),
        "messages": (529, "overloaded_error"),
        "gemini": (503, "UNAVAILABLE"),
    },
    "provider": {
        "chat": (429, "rate_limit_exceeded"),
        "messages": (429, "rate_limit_error"),
        "gemini": (429, "RESOURCE_EXHAUSTED"),
    },
}


@dataclass(frozen=True)
class Asked:
    """A request, and what came of it."""

    speaks: str
    reply: Reply

    @property
    def refusal(self) -> tuple[int, str]:
        return self.reply.status, json.loads(self.reply.body)["error"][CODES[self.speaks]]


class Crowd:
    """Clients of all protocols, by turns, on connections that they keep."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.gateway.port
        speakers = {speaks: body_of(stack, speaks, stream=False) for speaks in CODES}
        self._turns = itertools.cycle([(speaks, path, json.dumps(body).encode()) for speaks, (path, body) in speakers.items()])
        self._free: list[Wire] = []

    async def ask(self) -> Asked:
        speaks, path, body = next(self._turns)
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        if speaks == "messages":
            headers["anthropic-version"] = "2023-06-01"
        wire = self._free.pop() if self._free else Wire()
        reply = await wire.post(self._port, path, headers, body)
        self._free.append(wire)
        return Asked(speaks, reply)

    async def at_most(self, clients: int) -> list[Asked]:
        """Each client asks again as soon as it is answered."""
        until = time.monotonic() + LASTS

        async def work() -> list[Asked]:
            asked = []
            while time.monotonic() < until:
                asked.append(await self.ask())
            return asked

        return list(itertools.chain(*await asyncio.gather(*(work() for _ in range(clients)))))

    async def at(self, per_second: float) -> list[Asked]:
        """At an even pace, whatever becomes of the others."""
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(round(LASTS * per_second)):
                if (wait := begin + number / per_second - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                tasks.append(group.create_task(self.ask()))
        return [task.result() for task in tasks]

    def play(self, load: Callable[["Crowd"], Coroutine[Any, Any, list[Asked]]]) -> list[Asked]:
        async def played() -> list[Asked]:
            asked = await load(self)
            while self._free:
                self._free.pop().close()
            return asked

        return asyncio.run(played())


def served(asked: list[Asked]) -> int:
    return sum(one.reply.status == 200 for one in asked)


def begin(make_gateway: MakeGateway, alpha: Simulator, full: str) -> Stack:
    """One model at a slow provider, and places only where they are to run out."""
    gateway = make_gateway(GATEWAY_MAX_CONCURRENT=str(PLACES)) if full == "gateway" else make_gateway()
    stack = Stack.make(gateway)
    stack.add(alpha, **{"max_concurrent": PLACES} if full == "provider" else {})
    alpha.always(ttft_ms=TAKES)
    return stack


def assert_recorded(gateway: Gateway, asked: list[Asked]) -> None:
    """One row of each, and of those refused that nothing was sent."""
    rows = lambda: gateway.database.request_logs()  # noqa: E731
    wait_for(lambda: len(rows()) >= len(asked), "a row of each request")
    statuses = Counter(row["status_code"] for row in rows())
    assert statuses == Counter(one.reply.status for one in asked)
    assert all(bool(row["attempts"]) == (row["status_code"] == 200) for row in rows())


@pytest.mark.parametrize("full", REFUSALS)
def test_overload_costs_nobody_who_is_served(make_gateway: MakeGateway, alpha: Simulator, full: str) -> None:
    stack = begin(make_gateway, alpha, full)
    crowd = Crowd(stack)
    all_asked = calm = crowd.play(lambda it: it.at_most(PLACES))
    peak = served(calm)
    refusals = set(REFUSALS[full].values())
    for times in (2, 3):
        asked = crowd.play(lambda it, times=times: it.at(times * peak / LASTS))
        all_asked = all_asked + asked
        assert served(asked) >= KEPT * peak, f"{served(asked)} of {len(asked)} at {times} times {peak}"
        refused = [one for one in asked if one.reply.status != 200]
        assert {one.refusal for one in refused} == refusals
        assert all(one.refusal == REFUSALS[full][one.speaks] for one in refused)
        assert all(int(one.reply.headers["retry-after"]) >= 1 for one in refused)
    # As before: with half the clients there is always a place.
    after = crowd.play(lambda it: it.at_most(PLACES // 2))
    assert served(after) == len(after)
    gateway = stack.gateway
    wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] == 0, "the end of all requests")
    [provider] = gateway.admin.get("/health")["providers"]
    assert (provider["state"], provider["error_count"]) == ("healthy", 0)
    assert_recorded(gateway, all_asked + after)
