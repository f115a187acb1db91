"""What all protocols can say, in words of none."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from harness.gateway import Gateway

Json = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A tool that the client runs."""

    name: str
    description: str = ""
    properties: Json = field(default_factory=dict)

    @property
    def schema(self) -> Json:
        return {"type": "object", "properties": self.properties, "required": list(self.properties)}


@dataclass(frozen=True)
class Call:
    """The model calls a tool."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True)
class Usage:
    """Tokens, inclusive: input with what was cached, output with reasoning."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Said:
    """An answer, whatever protocol it came in. `finish` is stop, length, tool_calls, filtered or refusal."""

    text: str
    finish: str
    calls: list[Call]
    usage: Usage | None
    thinking: str = ""
    refusal: str = ""
    stop_sequence: str | None = None
    #: How many pieces of text a stream brought.
    pieces: int = 1


class Conversation(ABC):
    """A conversation that grows turn by turn. The SDK's own objects are what is sent back, as its users do."""

    def __init__(self, gateway: Gateway, model: str, *, stream: bool = False, **options: Any) -> None:
        """`options`: system, tools, tool_choice (auto, none, required, or a tool's name), parallel (bool), schema, stop,
        max_tokens, temperature, thinking (bool)."""
        self.gateway = gateway
        self.model = model
        self.stream = stream
        self.options = options

    @abstractmethod
    def say(self, text: str, image: bytes | None = None, image_url: str | None = None, **options: Any) -> Said:
        """The user says this; `options` hold for this turn only."""

    @abstractmethod
    def answer(self, results: dict[str, str], **options: Any) -> Said:
        """The tools answered: results by the id of their call."""

    @abstractmethod
    def assistant_said(self, text: str) -> None:
        """Puts a turn of the assistant's into the history."""

    def user_said(self, text: str) -> None:
        """Puts a turn of the user's into the history without asking."""
        self._user(text, None, None)

    @abstractmethod
    def _user(self, text: str, image: bytes | None, image_url: str | None) -> None: ...
