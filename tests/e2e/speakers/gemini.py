"""Gemini generateContent, by the `google-genai` SDK."""

from typing import Any

from google import genai
from google.genai import types

from .conversation import Call, Conversation, Said, Usage


class Gemini(Conversation):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client: genai.Client = self.gateway.genai()
        self.contents: list[types.Content] = []
        #: Names of the calls by the ids under which they are told.
        self.called: dict[str, types.FunctionCall] = {}

    def _user(self, text: str, image: bytes | None, image_url: str | None) -> None:
        parts = [types.Part.from_text(text=text)]
        if image:
            parts.append(types.Part.from_bytes(data=image, mime_type="image/png"))
        elif image_url:
            parts.append(types.Part.from_uri(file_uri=image_url, mime_type="image/png"))
        self.contents.append(types.Content(role="user", parts=parts))

    def assistant_said(self, text: str) -> None:
        self.contents.append(types.Content(role="model", parts=[types.Part.from_text(text=text)]))

    def say(self, text: str, image: bytes | None = None, image_url: str | None = None, **options: Any) -> Said:
        self._user(text, image, image_url)
        return self._ask(self.options | options)

    def answer(self, results: dict[str, str], **options: Any) -> Said:
        parts = []
        for told_id, result in results.items():
            call = self.called[told_id]
            response = types.FunctionResponse(id=call.id, name=call.name, response={"result": result})
            parts.append(types.Part(function_response=response))
        self.contents.append(types.Content(role="user", parts=parts))
        return self._ask(self.options | options)

    def _config(self, options: dict[str, Any]) -> types.GenerateContentConfig:
        config: dict[str, Any] = {}
        if system := options.get("system"):
            config["system_instruction"] = system
        if tools := options.get("tools"):
            declarations = [
                types.FunctionDeclaration(
                    name=tool.name,
                    description=tool.description,
                    parameters_json_schema=tool.schema if tool.properties else None,
                )
                for tool in tools
            ]
            config["tools"] = [types.Tool(function_declarations=declarations)]
            config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
        if choice := options.get("tool_choice"):
            modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
            calling: dict[str, Any] = {"mode": modes.get(choice, "ANY")}
            if choice not in modes:
                calling["allowed_function_names"] = [choice]
            config["tool_config"] = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(**calling))
        if schema := options.get("schema"):
            config |= {"response_mime_type": "application/json", "response_json_schema": schema}
        if options.get("thinking"):
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
        if "stop" in options:
            config["stop_sequences"] = options["stop"]
        if "max_tokens" in options:
            config["max_output_tokens"] = options["max_tokens"]
        if "temperature" in options:
            config["temperature"] = options["temperature"]
        return types.GenerateContentConfig(**config)

    def _ask(self, options: dict[str, Any]) -> Said:
        request = {"model": self.model, "contents": self.contents, "config": self._config(options)}
        if self.stream:
            answers = list(self.client.models.generate_content_stream(**request))
        else:
            answers = [self.client.models.generate_content(**request)]
        return self._said(answers)

    def _said(self, answers: list[types.GenerateContentResponse]) -> Said:
        parts, finish, blocked, explained = [], None, None, None
        for answer in answers:
            blocked = blocked or (answer.prompt_feedback and answer.prompt_feedback.block_reason)
            for candidate in answer.candidates or []:
                parts += (candidate.content and candidate.content.parts) or []
                finish = candidate.finish_reason or finish
                explained = candidate.finish_message or explained
        self.contents.append(types.Content(role="model", parts=parts))
        calls = []
        for part in parts:
            if call := part.function_call:
                told_id = call.id or f"call-{len(self.called)}"
                self.called[told_id] = call
                calls.append(Call(told_id, call.name, call.args or {}))
        texts = [part.text for part in parts if part.text and not part.thought]
        usage = next((answer.usage_metadata for answer in reversed(answers) if answer.usage_metadata), None)
        finishes = {"STOP": "stop", "MAX_TOKENS": "length"}
        told = "filtered" if blocked else finishes.get(finish and finish.name, "filtered")
        thoughts = (usage and usage.thoughts_token_count) or 0
        return Said(
            text="".join(texts),
            finish="tool_calls" if calls and told == "stop" else told,
            calls=calls,
            usage=usage
            and Usage(
                usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
                (usage.candidates_token_count or 0) + thoughts,
                usage.cached_content_token_count or 0,
                thoughts,
            ),
            thinking="".join(part.text for part in parts if part.text and part.thought),
            refusal=("".join(texts) or explained or "") if told == "filtered" else "",
            pieces=len(texts),
        )
