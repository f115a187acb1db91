"""A simulated provider: what it is told to do, and what it saw."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from .process import Process
from .waiting import wait_for

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A request as it reached a provider."""

    number: int
    path: str
    headers: dict[str, str]
    body: Any
    status: int | None
    outcome: str

    @property
    def prompt(self) -> str:
        """The last message's text, or the input of what has no messages, in OpenAI's protocol."""
        if "messages" in self.body:
            return self.body["messages"][-1]["content"]
        return self.body.get("input") or self.body.get("prompt")


class Simulator:
    """The simulator as a process."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        flags = ["--listen", "127.0.0.1:0", "--name", name, "--journal", "20000", *arguments]
        self.process = Process("simulator", *flags)
        self.base_url = wait_for(lambda: self.process.stdout.strip(), f"address of simulator {name}")
        # It has one thread, which a stream of 25 MB keeps busy for many seconds on a slow machine.
        self._control = httpx.Client(base_url=self.base_url.removesuffix("/v1") + "/_sim", timeout=60)

    def script(self, *rules: Json) -> None:
        """Replaces the rules; `{"do": {"status": 500}}` answers everything with 500."""
        self._control.post("/script", json={"rules": list(rules)}).raise_for_status()

    def always(self, **behaviour: Any) -> None:
        """Treats every request in this way."""
        self.script({"do": behaviour})

    def reset(self) -> None:
        """Back to good answers and an empty journal."""
        self._control.post("/reset").raise_for_status()

    def refuse(self, milliseconds: int) -> None:
        """Takes no connection for that long."""
        self._control.post("/refuse", json={"ms": milliseconds}).raise_for_status()

    def seen(self) -> list[Seen]:
        """All requests since the last reset, in order."""
        requests = self._control.get("/requests").raise_for_status().json()["requests"]
        fields = Seen.__dataclass_fields__
        return [Seen(**{name: request[name] for name in fields}) for request in requests]

    def received(self) -> int:
        """How many requests arrived since the last reset."""
        return self._control.get("/requests").raise_for_status().json()["counts"]["received"]

    def close(self) -> None:
        self._control.close()
        self.process.end()


def mark(prompt: str, /, at: Simulator | None = None, **behaviour: Any) -> str:
    """A prompt that makes one simulator, or any, behave so for this request only."""
    target = f"@{at.name}" if at else ""
    return f"{prompt} [[sim{target}:{json.dumps(behaviour)}]]"
