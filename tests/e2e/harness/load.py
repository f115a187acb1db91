"""Many requests at once through the official SDK, and what became of each."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import openai


@dataclass
class Result:
    """One request as its client saw it."""

    index: int
    stream: bool
    #: `x-request-id`; none when no response head came.
    request_id: str | None = None
    text: str = ""
    total_tokens: int | None = None
    attempts: int | None = None
    provider: str | None = None
    error: Exception | None = None
    #: When it was begun and its end was seen, by `time.time()`.
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def prompt(self) -> str:
        return prompt(self.index)


def prompt(index: int) -> str:
    """What tells a request from all others, in the journals of providers too."""
    return f"request {index}"


def one(client: openai.OpenAI, model: str, index: int, text: str | None = None) -> Result:
    """Odd ones stream, every other stream asks for its usage."""
    result = Result(index, stream=index % 2 == 1, started_at=time.time())
    wants_usage = index % 4 == 1
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    messages = [{"role": "user", "content": text or result.prompt}]
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=messages, stream=result.stream, **options
        )
        result.request_id = raw.headers["x-request-id"]
        result.provider = raw.headers["x-gateway-provider"]
        result.attempts = int(raw.headers["x-gateway-attempts"])
        answer = raw.parse()
        for part in answer if result.stream else [answer]:
            if part.usage:
                result.total_tokens = part.usage.total_tokens
            for choice in part.choices:
                result.text += (choice.delta.content if result.stream else choice.message.content) or ""
    except Exception as error:
        result.error = error
    result.ended_at = time.time()
    return result


def run(client: openai.OpenAI, model: str, count: int, threads: int = 32) -> list[Result]:
    """`count` requests from many threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda index: one(client, model, index), range(count)))


class Load:
    """Requests without end, until they are told to stop."""

    def __init__(self, client: openai.OpenAI, model: str, threads: int = 16) -> None:
        self.results: list[Result] = []
        self._lock = threading.Lock()
        self._next = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(client, model)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _work(self, client: openai.OpenAI, model: str) -> None:
        while not self._stop.is_set():
            with self._lock:
                index, self._next = self._next, self._next + 1
            result = one(client, model, index)
            with self._lock:
                self.results.append(result)
            if result.error:
                return

    def succeeded(self) -> int:
        with self._lock:
            return sum(result.error is None for result in self.results)

    def finish(self, meanwhile: Callable[[], None] | None = None) -> list[Result]:
        """Starts no further request, waits for those that run."""
        self._stop.set()
        if meanwhile:
            meanwhile()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        return self.results
