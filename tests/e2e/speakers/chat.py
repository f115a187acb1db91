"""OpenAI Chat Completions, by the `openai` SDK."""

import base64
import json
from typing import Any

import openai
from openai.lib.streaming._deltas import accumulate_delta
from openai.types.chat import ChatCompletion

from .conversation import Call, Conversation, Said, Usage


class Chat(Conversation):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client: openai.OpenAI = self.gateway.openai()
        self.messages: list[Any] = []
        if system := self.options.get("system"):
            self.messages.append({"role": "system", "content": system})

    def _user(self, text: str, image: bytes | None, image_url: str | None) -> None:
        url = image_url or (image and f"data:image/png;base64,{base64.b64encode(image).decode()}")
        content: Any = text
        if url:
            content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        self.messages.append({"role": "user", "content": content})

    def assistant_said(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def say(self, text: str, image: bytes | None = None, image_url: str | None = None, **options: Any) -> Said:
        self._user(text, image, image_url)
        return self._ask(self.options | options)

    def answer(self, results: dict[str, str], **options: Any) -> Said:
        for call_id, result in results.items():
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
        return self._ask(self.options | options)

    def _ask(self, options: dict[str, Any]) -> Said:
        request: dict[str, Any] = {"model": self.model, "messages": self.messages}
        if tools := options.get("tools"):
            request["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in tools
            ]
        if choice := options.get("tool_choice"):
            named = {"type": "function", "function": {"name": choice}}
            request["tool_choice"] = choice if choice in ("auto", "none", "required") else named
        if "parallel" in options:
            request["parallel_tool_calls"] = options["parallel"]
        if schema := options.get("schema"):
            request["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        if options.get("thinking"):
            request["reasoning_effort"] = "medium"
        if "max_tokens" in options:
            request["max_completion_tokens"] = options["max_tokens"]
        for name in ("stop", "temperature"):
            if name in options:
                request[name] = options[name]
        pieces = 1
        if self.stream:
            options = {"stream": True, "stream_options": {"include_usage": True}}
            with self.client.chat.completions.create(**request, **options) as stream:
                completion, pieces = self._joined(stream)
        else:
            completion = self.client.chat.completions.create(**request)
        return self._said(completion, pieces)

    def _joined(self, stream: Any) -> tuple[ChatCompletion, int]:
        """The chunks as one answer, by the SDK's own joining; its helper for streams raises where an answer is cut."""
        whole: dict[str, Any] = {}
        pieces = 0
        for chunk in stream:
            pieces += sum(bool(choice.delta.content) for choice in chunk.choices)
            told = chunk.to_dict()
            whole = told | accumulate_delta({"choices": whole.get("choices", [])}, {"choices": told.pop("choices")})
        for choice in whole["choices"]:
            choice["message"] = choice.pop("delta")
        return ChatCompletion.construct(**whole), pieces

    def _said(self, completion: Any, pieces: int) -> Said:
        [choice] = completion.choices
        message = choice.message
        self.messages.append(message.model_dump(exclude_none=True))
        for call in self.messages[-1].get("tool_calls", []):
            call.pop("index", None)
        calls = [Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
        usage = completion.usage
        finish = {"content_filter": "filtered"}.get(choice.finish_reason, choice.finish_reason)
        return Said(
            text=message.content or "",
            finish="refusal" if message.refusal else finish,
            calls=calls,
            usage=usage
            and Usage(
                usage.prompt_tokens,
                usage.completion_tokens,
                (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0,
                (usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens) or 0,
            ),
            thinking=getattr(message, "reasoning_content", None) or "",
            refusal=message.refusal or "",
            pieces=pieces,
        )
