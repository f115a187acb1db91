"""Waiting for something to become true, with a limit that only a failure reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(probe: Callable[[], Value], what: str | Callable[[], str], seconds: float = 20.0) -> Value:
    """Calls `probe` until it answers something true, and returns that. `what` tells what was waited for in vain."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {told} (last: {value!r})")
        time.sleep(0.02)
