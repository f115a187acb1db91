"""The official SDKs, each spoken as its own users do, behind one way to hold a conversation."""

from collections.abc import Callable

from harness.gateway import Gateway

from .chat import Chat
from .conversation import Call, Conversation, Said, Tool, Usage
from .gemini import Gemini
from .messages import Messages
from .responses import Responses

#: Every client protocol.
SPEAKERS: dict[str, type[Conversation]] = {
    "chat": Chat,
    "responses": Responses,
    "messages": Messages,
    "gemini": Gemini,
}

Speak = Callable[..., Conversation]

__all__ = ["SPEAKERS", "Call", "Conversation", "Gateway", "Said", "Speak", "Tool", "Usage"]
