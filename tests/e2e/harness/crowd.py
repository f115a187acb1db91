"""Fifty clients of one key, and what a limit let pass of what they asked for."""

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .gateway import Gateway
from .simulator import mark
from .traffic import SMALL_CHAT
from .wire import Wire

CLIENTS = 50
MINUTE = 60


@dataclass(frozen=True)
class Passed:
    """A request that was let pass: somewhen between the two times."""

    sent: float
    came: float
    tokens: int


class Crowd:
    """Each client asks the next gateway each time, and comes again whatever it is told."""

    def __init__(
        self, gateways: Sequence[Gateway], model: str, secret: str, max_tokens: int = 10, **behaviour: int
    ) -> None:
        """Each request asks for `max_tokens`, and gets them, by a provider that behaves so."""
        self.passed: list[Passed] = []
        self.refused = 0
        self._ports = itertools.cycle([gateway.port for gateway in gateways])
        self._headers = {"authorization": f"Bearer {secret}"}
        text = mark("Hello", tokens=max_tokens, **behaviour)
        self._body = SMALL_CHAT.body(model, text, max_tokens)

    def come(self, count: int) -> "Crowd":
        """So many requests, by all clients at once and without a pause."""
        return self._come(count, None)

    def come_for(self, seconds: float, per_second: float) -> "Crowd":
        """Requests at an even pace, whatever becomes of them."""
        return self._come(round(seconds * per_second), per_second)

    def start(self, seconds: float, per_second: float) -> "Coming":
        """The same while the caller does something else."""
        return Coming(self, seconds, per_second)

    def most_in_a_minute(self) -> tuple[int, int]:
        """Requests and tokens of the fullest 60 seconds, of those that were let pass in them for certain."""
        windows = [
            [it for it in self.passed if begin.sent <= it.sent and it.came <= begin.sent + MINUTE] for begin in self.passed
        ]
        return max(map(len, windows)), max(sum(it.tokens for it in window) for window in windows)

    def _come(self, count: int, per_second: float | None) -> "Crowd":
        asyncio.run(self._ask_all(count, per_second))
        return self

    async def _ask_all(self, count: int, per_second: float | None) -> None:
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for place in range(min(CLIENTS, count)):
                times = [begin + number / per_second if per_second else begin for number in range(place, count, CLIENTS)]
                group.create_task(self._ask(times))

    async def _ask(self, times: list[float]) -> None:
        wire = Wire()
        for due in times:
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            reply = await wire.post(next(self._ports), SMALL_CHAT.path, self._headers, self._body)
            assert reply.status in (200, 429), (reply.status, reply.body)
            if reply.status == 200:
                self.passed.append(Passed(reply.sent, reply.came, SMALL_CHAT.tokens(reply.body)))
            else:
                assert int(reply.headers["retry-after"]) >= 1
                self.refused += 1
        wire.close()


class Coming:
    """A crowd that comes in a thread of its own."""

    def __init__(self, crowd: Crowd, seconds: float, per_second: float) -> None:
        self._crowd = crowd
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(seconds, per_second))
        self._thread.start()

    def _run(self, seconds: float, per_second: float) -> None:
        try:
            self._crowd.come_for(seconds, per_second)
        except BaseException as error:
            self._error = error

    def finish(self) -> Crowd:
        self._thread.join()
        if self._error:
            raise self._error
        return self._crowd
