"""Requests as applications mix them: small chats, streams and embeddings, in OpenAI's form and in Anthropic's."""

import json
import re
from dataclasses import dataclass

CHAT, MESSAGES, EMBEDDINGS = ENDPOINTS = ("/v1/chat/completions", "/v1/messages", "/v1/embeddings")


@dataclass(frozen=True)
class Kind:
    """One way to ask."""

    path: str
    stream: bool = False
    #: Whether the answer tells what was used.
    tells_usage: bool = True

    def body(self, model: str, text: str, max_tokens: int) -> bytes:
        if self.path == EMBEDDINGS:
            return json.dumps({"model": model, "input": text, "dimensions": 8}).encode()
        asked = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": text}]}
        if self.stream:
            asked["stream"] = True
        if self.stream and self.path == CHAT and self.tells_usage:
            asked["stream_options"] = {"include_usage": True}
        return json.dumps(asked).encode()

    def is_whole(self, body: bytes) -> bool:
        """Whether nothing is missing from an answer of status 200."""
        if not self.stream:
            return isinstance(json.loads(body), dict)
        end = b"data: [DONE]\n\n" if self.path == CHAT else b'data: {"type":"message_stop"}\n\n'
        return body.endswith(end) and b'"error"' not in body

    def tokens(self, body: bytes) -> int | None:
        """What was used in all, as the answer has it."""
        if not self.tells_usage:
            return None
        if self.path == MESSAGES:
            return last(body, b"input_tokens") + last(body, b"output_tokens")
        return last(body, b"total_tokens")


def last(body: bytes, name: bytes) -> int:
    """The figure that is told last under this name."""
    return int(re.findall(rb'"%s":(\d+)' % name, body)[-1])


SMALL_CHAT = Kind(CHAT)
#: All of them, of one size.
KINDS = (
    SMALL_CHAT,
    Kind(CHAT, stream=True),
    Kind(MESSAGES),
    Kind(CHAT, stream=True, tells_usage=False),
    Kind(MESSAGES, stream=True),
    Kind(EMBEDDINGS),
)
