"""OpenAI Responses, by the `openai` SDK, without state at the provider."""

import base64
import json
from typing import Any

import openai

from .conversation import Call, Conversation, Said, Usage


class Responses(Conversation):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client: openai.OpenAI = self.gateway.openai()
        self.input: list[Any] = []

    def _user(self, text: str, image: bytes | None, image_url: str | None) -> None:
        url = image_url or (image and f"data:image/png;base64,{base64.b64encode(image).decode()}")
        content: Any = text
        if url:
            content = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]
        self.input.append({"role": "user", "content": content})

    def assistant_said(self, text: str) -> None:
        self.input.append({"role": "assistant", "content": text})

    def say(self, text: str, image: bytes | None = None, image_url: str | None = None, **options: Any) -> Said:
        self._user(text, image, image_url)
        return self._ask(self.options | options)

    def answer(self, results: dict[str, str], **options: Any) -> Said:
        for call_id, result in results.items():
            self.input.append({"type": "function_call_output", "call_id": call_id, "output": result})
        return self._ask(self.options | options)

    def _ask(self, options: dict[str, Any]) -> Said:
        request: dict[str, Any] = {"model": self.model, "input": self.input, "store": False}
        if system := options.get("system"):
            request["instructions"] = system
        if tools := options.get("tools"):
            request["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                    "strict": False,
                }
                for tool in tools
            ]
        if choice := options.get("tool_choice"):
            named = {"type": "function", "name": choice}
            request["tool_choice"] = choice if choice in ("auto", "none", "required") else named
        if "parallel" in options:
            request["parallel_tool_calls"] = options["parallel"]
        if schema := options.get("schema"):
            request["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
        if options.get("thinking"):
            request["reasoning"] = {"effort": "medium", "summary": "auto"}
            request["include"] = ["reasoning.encrypted_content"]
        if "max_tokens" in options:
            request["max_output_tokens"] = options["max_tokens"]
        if "temperature" in options:
            request["temperature"] = options["temperature"]
        pieces = 1
        if self.stream:
            with self.client.responses.stream(**request) as stream:
                pieces = 0
                for event in stream:
                    pieces += event.type == "response.output_text.delta"
            # The SDK's own way to the end knows only answers that were not cut.
            assert event.type in ("response.completed", "response.incomplete"), event
            response = event.response
        else:
            response = self.client.responses.create(**request)
        return self._said(response, pieces)

    def _said(self, response: Any, pieces: int) -> Said:
        assert response.status in ("completed", "incomplete"), response
        calls, refusal, thinking = [], "", ""
        for item in response.output:
            sent = item.model_dump(exclude_none=True)
            sent.pop("parsed_arguments", None)
            for part in sent.get("content", []):
                part.pop("parsed", None)
            self.input.append(sent)
            if item.type == "function_call":
                calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
            elif item.type == "message":
                refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
            elif item.type == "reasoning":
                thinking += "".join(part.text for part in item.summary)
        finish = "tool_calls" if calls else "stop"
        if response.status == "incomplete":
            reasons = {"max_output_tokens": "length", "content_filter": "filtered"}
            finish = reasons[response.incomplete_details.reason]
        usage = response.usage
        return Said(
            text=response.output_text,
            finish="refusal" if refusal else finish,
            calls=calls,
            usage=usage
            and Usage(
                usage.input_tokens,
                usage.output_tokens,
                usage.input_tokens_details.cached_tokens,
                usage.output_tokens_details.reasoning_tokens,
            ),
            thinking=thinking,
            refusal=refusal,
            pieces=pieces,
        )
