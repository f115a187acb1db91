//! The messages of the protocol, as far as text generation and embeddings use them.

use super::proto::{Message, Proto};

use Proto::{Any, Bool, Bytes, Enum, Float, Int, List, Map, Struct, Text};

macro_rules! message {
    ($(#[$doc:meta])* $constant:ident, $name:literal, $($field:literal: $proto:expr),+ $(,)?) => {
        $(#[$doc])*
        pub(crate) static $constant: Message = Message {
            name: $name,
            fields: &[$(($field, $proto)),+],
        };
    };
}

const TEXTS: Proto = List(&Text);

message!(
    /// The older schema, a part of OpenAPI's; JSON schema's other keywords are unknown to it.
    SCHEMA, "Schema",
    "type": Enum(&["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"]),
    "format": Text, "title": Text, "description": Text, "nullable": Bool, "enum": TEXTS, "maxItems": Int,
    "minItems": Int, "properties": Map(&Proto::Message(&SCHEMA)), "required": TEXTS, "minProperties": Int,
    "maxProperties": Int, "minLength": Int, "maxLength": Int, "pattern": Text, "example": Any,
    "anyOf": List(&Proto::Message(&SCHEMA)), "propertyOrdering": TEXTS, "default": Any,
    "items": Proto::Message(&SCHEMA), "minimum": Float, "maximum": Float,
);
message!(
    /// Bytes within the request.
    BLOB, "Blob", "mimeType": Text, "data": Bytes, "displayName": Text,
);
message!(
    /// Bytes elsewhere.
    FILE, "FileData", "mimeType": Text, "fileUri": Text, "displayName": Text,
);
message!(
    /// A call by the model.
    CALL, "FunctionCall", "id": Text, "name": Text, "args": Struct,
);
message!(
    /// A part of what a function gave back.
    RESPONSE_PART, "FunctionResponsePart", "inlineData": Proto::Message(&BLOB), "fileData": Proto::Message(&FILE),
);
message!(
    /// What a function gave back.
    RESPONSE, "FunctionResponse",
    "id": Text, "name": Text, "response": Struct, "willContinue": Bool,
    "scheduling": Enum(&["SCHEDULING_UNSPECIFIED", "SILENT", "WHEN_IDLE", "INTERRUPT"]),
    "parts": List(&Proto::Message(&RESPONSE_PART)),
);
message!(
    /// A part of a turn.
    PART, "Part",
    "text": Text, "inlineData": Proto::Message(&BLOB), "fileData": Proto::Message(&FILE),
    "functionCall": Proto::Message(&CALL), "functionResponse": Proto::Message(&RESPONSE),
    "executableCode": Struct, "codeExecutionResult": Struct, "thought": Bool, "thoughtSignature": Bytes,
    "videoMetadata": Struct, "mediaResolution": Struct, "partMetadata": Struct,
);
message!(
    /// A turn.
    CONTENT, "Content", "role": Text, "parts": List(&Proto::Message(&PART)),
);
message!(
    /// A function the model may call.
    DECLARATION, "FunctionDeclaration",
    "name": Text, "description": Text, "parameters": Proto::Message(&SCHEMA), "parametersJsonSchema": Any,
    "response": Proto::Message(&SCHEMA), "responseJsonSchema": Any,
    "behavior": Enum(&["UNSPECIFIED", "BLOCKING", "NON_BLOCKING"]),
);
message!(
    /// Functions, or one of the service's own tools.
    TOOL, "Tool",
    "functionDeclarations": List(&Proto::Message(&DECLARATION)), "googleSearch": Struct,
    "googleSearchRetrieval": Struct, "codeExecution": Struct, "urlContext": Struct, "googleMaps": Struct,
    "fileSearch": Struct, "computerUse": Struct,
);
message!(
    /// Whether functions are called.
    CALLING, "FunctionCallingConfig",
    "mode": Enum(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]), "allowedFunctionNames": TEXTS,
);
message!(
    /// Settings of all tools.
    TOOL_CONFIG, "ToolConfig", "functionCallingConfig": Proto::Message(&CALLING), "retrievalConfig": Struct,
);
message!(
    /// How much the model thinks.
    THINKING, "ThinkingConfig",
    "includeThoughts": Bool, "thinkingBudget": Int,
    "thinkingLevel": Enum(&["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"]),
);
message!(
    /// Settings of the answer.
    CONFIG, "GenerationConfig",
    "candidateCount": Int, "stopSequences": TEXTS, "maxOutputTokens": Int, "temperature": Float, "topP": Float,
    "topK": Float, "seed": Int, "responseMimeType": Text, "responseSchema": Proto::Message(&SCHEMA),
    "responseJsonSchema": Any, "presencePenalty": Float, "frequencyPenalty": Float, "responseLogprobs": Bool,
    "logprobs": Int, "enableEnhancedCivicAnswers": Bool, "responseModalities": TEXTS, "speechConfig": Struct,
    "thinkingConfig": Proto::Message(&THINKING), "mediaResolution": Text,
);
message!(
    /// One threshold.
    SAFETY, "SafetySetting", "category": Text, "threshold": Text,
);
message!(
    /// The body of `generateContent` and `streamGenerateContent`.
    GENERATE, "GenerateContentRequest",
    "model": Text, "contents": List(&Proto::Message(&CONTENT)), "systemInstruction": Proto::Message(&CONTENT),
    "tools": List(&Proto::Message(&TOOL)), "toolConfig": Proto::Message(&TOOL_CONFIG),
    "safetySettings": List(&Proto::Message(&SAFETY)), "generationConfig": Proto::Message(&CONFIG),
    "cachedContent": Text, "labels": Struct, "serviceTier": Text, "store": Bool,
);
message!(
    /// The body of `countTokens`.
    COUNT, "CountTokensRequest",
    "contents": List(&Proto::Message(&CONTENT)), "generateContentRequest": Proto::Message(&GENERATE),
);
message!(
    /// The body of `embedContent`.
    EMBED, "EmbedContentRequest",
    "model": Text, "content": Proto::Message(&CONTENT), "taskType": Text, "title": Text, "outputDimensionality": Int,
);
message!(
    /// The body of `batchEmbedContents`.
    EMBED_BATCH, "BatchEmbedContentsRequest", "requests": List(&Proto::Message(&EMBED)),
);
