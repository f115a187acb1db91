//! Which members of a body are texts, by their names.

/// Members of a request in which text stands.
pub(super) const OF_REQUESTS: [&str; 22] = [
    "messages",
    "input",
    "instructions",
    "system",
    "prompt",
    "suffix",
    "prediction",
    "contents",
    "systemInstruction",
    "system_instruction",
    "content",
    "requests",
    "generateContentRequest",
    "generate_content_request",
    "query",
    "documents",
    "tools",
    "functions",
    "response_format",
    "output_format",
    "title",
    "taskInstruction",
];

/// Members of a request that hold, among what is no text, schemas of the answer.
pub(super) const OF_SETTINGS: [&str; 4] = [
    "generationConfig",
    "generation_config",
    "output_config",
    "text",
];

/// The schemas in them, whose descriptions models read.
pub(super) const OF_SCHEMAS: [&str; 6] = [
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "response_json_schema",
    "_responseJsonSchema",
    "format",
];

/// Members of an answer in which text stands.
pub(super) const OF_ANSWERS: [&str; 9] = [
    "choices",
    "output",
    "content",
    "candidates",
    "text",
    "segments",
    "words",
    "results",
    "data",
];

/// Members that hold a picture or a sound.
pub(super) const OF_MEDIA: [&str; 3] = ["inlineData", "inline_data", "input_audio"];

/// Members whose strings are no text, wherever they stand in a conversation.
pub(super) const NO_TEXT: [&str; 36] = [
    "type",
    "role",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "item_id",
    "name",
    "model",
    "media_type",
    "mimeType",
    "mime_type",
    "url",
    "image_url",
    "file_url",
    "fileUri",
    "file_uri",
    "file_id",
    "b64_json",
    "embedding",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "encrypted_content",
    "cache_control",
    "status",
    "finish_reason",
    "finishReason",
    "stop_reason",
    "detail",
    "format",
    "phase",
    "object",
    "required",
    "$ref",
    "language",
];

/// Members whose objects are a tool's own, and hold what it likes.
pub(super) const OF_TOOLS: [&str; 5] = ["args", "arguments", "input", "response", "output"];

/// Members whose elements are the parts of one text.
pub(super) const OF_PARTS: [&str; 3] = ["content", "parts", "system"];

/// Members that repeat the text token by token, where none of it is whole.
pub(super) const OF_TOKENS: [&str; 2] = ["logprobs", "logprobsResult"];
