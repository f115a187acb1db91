"""Waiting for something to become true, with a limit that only a failure reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(probe: Callable[[], Value], what: str, seconds: float = 20.0) -> Value:
    """Calls `probe` until it answers something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what} (last: {value!r})"
        time.sleep(0.02)
