"""Anthropic Messages, by the `anthropic` SDK."""

import base64
from typing import Any

import anthropic

from .conversation import Call, Conversation, Said, Usage


class Messages(Conversation):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client: anthropic.Anthropic = self.gateway.anthropic()
        self.messages: list[Any] = []

    def _user(self, text: str, image: bytes | None, image_url: str | None) -> None:
        content: Any = text
        if image:
            data = base64.b64encode(image).decode()
            source = {"type": "base64", "media_type": "image/png", "data": data}
            content = [{"type": "text", "text": text}, {"type": "image", "source": source}]
        elif image_url:
            content = [{"type": "text", "text": text}, {"type": "image", "source": {"type": "url", "url": image_url}}]
        self.messages.append({"role": "user", "content": content})

    def assistant_said(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def say(self, text: str, image: bytes | None = None, image_url: str | None = None, **options: Any) -> Said:
        self._user(text, image, image_url)
        return self._ask(self.options | options)

    def answer(self, results: dict[str, str], **options: Any) -> Said:
        blocks = [{"type": "tool_result", "tool_use_id": id, "content": result} for id, result in results.items()]
        self.messages.append({"role": "user", "content": blocks})
        return self._ask(self.options | options)

    def _ask(self, options: dict[str, Any]) -> Said:
        request: dict[str, Any] = {"model": self.model, "messages": self.messages}
        request["max_tokens"] = options.get("max_tokens", 8192)
        if system := options.get("system"):
            request["system"] = system
        if tools := options.get("tools"):
            request["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools
            ]
        choice: dict[str, Any] = {}
        if wanted := options.get("tool_choice"):
            kinds = {"auto": "auto", "none": "none", "required": "any"}
            choice = {"type": kinds[wanted]} if wanted in kinds else {"type": "tool", "name": wanted}
        if options.get("parallel") is False:
            choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
        if choice:
            request["tool_choice"] = choice
        if schema := options.get("schema"):
            request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if options.get("thinking"):
            request["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if "stop" in options:
            request["stop_sequences"] = options["stop"]
        if "temperature" in options:
            # Requests of this SDK's version may hold none; its users send one this way.
            request["extra_body"] = {"temperature": options["temperature"]}
            request["extra_headers"] = {"anthropic-version": "2023-06-01"}
        pieces = 1
        if self.stream:
            with self.client.messages.stream(**request) as stream:
                pieces = sum(event.type == "text" for event in stream)
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**request)
        return self._said(message, pieces)

    def _said(self, message: Any, pieces: int) -> Said:
        self.messages.append({"role": "assistant", "content": message.content})
        blocks = message.content
        text = "".join(block.text for block in blocks if block.type == "text")
        finish = {
            "end_turn": "stop",
            "stop_sequence": "stop",
            "max_tokens": "length",
            "model_context_window_exceeded": "length",
            "tool_use": "tool_calls",
            "refusal": "refusal",
        }[message.stop_reason]
        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        details = usage.output_tokens_details
        return Said(
            text=text,
            finish=finish,
            calls=[Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
            usage=Usage(
                usage.input_tokens + cached + written,
                usage.output_tokens,
                cached,
                (details and details.thinking_tokens) or 0,
            ),
            thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
            refusal=(text or (message.stop_details and message.stop_details.explanation) or "") if finish == "refusal" else "",
            stop_sequence=message.stop_sequence,
            pieces=pieces,
        )
