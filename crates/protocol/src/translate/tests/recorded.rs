//! What providers of each format stream when they say the same.

use crate::Format;

/// What is said, by whom, and the stream.
pub(super) const RECORDED: &[(&str, Format, &str)] = &[
    ("text", Format::Chat, CHAT_TEXT),
    ("text", Format::Responses, RESPONSES_TEXT),
    ("text", Format::Messages, MESSAGES_TEXT),
    ("text", Format::Gemini, GEMINI_TEXT),
    ("reasoning and parallel calls", Format::Chat, CHAT_CALLS),
    (
        "reasoning and parallel calls",
        Format::Responses,
        RESPONSES_CALLS,
    ),
    (
        "reasoning and parallel calls",
        Format::Messages,
        MESSAGES_CALLS,
    ),
    ("reasoning and parallel calls", Format::Gemini, GEMINI_CALLS),
    ("refusal", Format::Chat, CHAT_REFUSAL),
    ("refusal", Format::Responses, RESPONSES_REFUSAL),
    ("refusal", Format::Messages, MESSAGES_REFUSAL),
    ("refusal", Format::Gemini, GEMINI_REFUSAL),
    ("length", Format::Chat, CHAT_LENGTH),
    ("length", Format::Responses, RESPONSES_LENGTH),
    ("length", Format::Messages, MESSAGES_LENGTH),
    ("length", Format::Gemini, GEMINI_LENGTH),
];

const CHAT_TEXT: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"content":"Grüße \ud83d\ude42"},"finish_reason":null}],"usage":null}

: keep-alive

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"content":" and more\n"},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":4}}}

data: [DONE]

"#;

const CHAT_CALLS: &str = r#"data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"Let me "},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"see…"},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"content":"One moment."},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"time","arguments":"{"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"K"}},{"index":1,"function":{"arguments":"}"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"öln\"}"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-2","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"chatcmpl-2","model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":30,"total_tokens":50,"completion_tokens_details":{"reasoning_tokens":5}}}

data: [DONE]

"#;

const CHAT_REFUSAL: &str = r#"data: {"id":"chatcmpl-3","model":"m","choices":[{"index":0,"delta":{"role":"assistant","refusal":""},"finish_reason":null}]}

data: {"id":"chatcmpl-3","model":"m","choices":[{"index":0,"delta":{"refusal":"I can't "},"finish_reason":null}]}

data: {"id":"chatcmpl-3","model":"m","choices":[{"index":0,"delta":{"refusal":"help."},"finish_reason":null}]}

data: {"id":"chatcmpl-3","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"chatcmpl-3","model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24}}

data: [DONE]

"#;

const CHAT_LENGTH: &str = r#"data: {"id":"chatcmpl-4","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"One mo"},"finish_reason":null}]}

data: {"id":"chatcmpl-4","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}

data: {"id":"chatcmpl-4","model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2,"total_tokens":22}}

data: [DONE]

"#;

const RESPONSES_TEXT: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1763800000,"status":"in_progress","model":"m","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}

event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Grüße \ud83d\ude42","logprobs":[]}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" and more\n","logprobs":[]}

event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Grüße \ud83d\ude42 and more\n","logprobs":[]}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Grüße \ud83d\ude42 and more\n","annotations":[]}]}}

event: response.completed
data: {"type":"response.completed","sequence_number":7,"response":{"id":"resp_1","object":"response","created_at":1763800000,"status":"completed","model":"m","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Grüße \ud83d\ude42 and more\n","annotations":[]}]}],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":27}}}

"#;

const RESPONSES_CALLS: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_2","created_at":1763800000,"status":"in_progress","model":"m","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":2,"item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Let me see…"}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":3,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Let me see…"}],"encrypted_content":"gAAAAABo"}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":4,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_a","name":"weather"}}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":5,"item_id":"fc_1","output_index":1,"delta":"{\"city\":"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":6,"item_id":"fc_1","output_index":1,"delta":"\"Köln\"}"}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":7,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"city\":\"Köln\"}","call_id":"call_a","name":"weather"}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":8,"output_index":2,"item":{"id":"fc_2","type":"function_call","status":"in_progress","arguments":"","call_id":"call_b","name":"time"}}

event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":9,"output_index":2,"item":{"id":"fc_2","type":"function_call","status":"completed","arguments":"{}","call_id":"call_b","name":"time"}}

event: response.completed
data: {"type":"response.completed","sequence_number":10,"response":{"id":"resp_2","created_at":1763800000,"status":"completed","model":"m","output":[],"usage":{"input_tokens":20,"output_tokens":30,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":50}}}

"#;

const RESPONSES_REFUSAL: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_3","created_at":1763800000,"status":"in_progress","model":"m","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_3","type":"message","status":"in_progress","role":"assistant","content":[]}}

event: response.refusal.delta
data: {"type":"response.refusal.delta","sequence_number":2,"item_id":"msg_3","output_index":0,"content_index":0,"delta":"I can't help."}

event: response.refusal.done
data: {"type":"response.refusal.done","sequence_number":3,"item_id":"msg_3","output_index":0,"content_index":0,"refusal":"I can't help."}

event: response.completed
data: {"type":"response.completed","sequence_number":4,"response":{"id":"resp_3","created_at":1763800000,"status":"completed","model":"m","output":[],"usage":{"input_tokens":20,"output_tokens":4,"total_tokens":24}}}

"#;

const RESPONSES_LENGTH: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_4","created_at":1763800000,"status":"in_progress","model":"m","output":[],"usage":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":1,"item_id":"msg_4","output_index":0,"content_index":0,"delta":"One mo","logprobs":[]}

event: response.incomplete
data: {"type":"response.incomplete","sequence_number":2,"response":{"id":"resp_4","created_at":1763800000,"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m","output":[],"usage":{"input_tokens":20,"output_tokens":2,"total_tokens":22}}}

"#;

const MESSAGES_TEXT: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":16,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße \ud83d\ude42"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" and more\n"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

"#;

const MESSAGES_CALLS: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_02","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":20,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me see…"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_01","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"K"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"öln\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_02","name":"time","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":30,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

"#;

const MESSAGES_REFUSAL: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_03","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":20,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I can't help."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":null},"usage":{"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

"#;

const MESSAGES_LENGTH: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_04","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":20,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"One mo"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":2}}

event: message_stop
data: {"type":"message_stop"}

"#;

const GEMINI_TEXT: &str = r#"data: {"candidates": [{"content": {"parts": [{"text": "Grüße \ud83d\ude42"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 20,"totalTokenCount": 20},"modelVersion": "m","responseId": "abc"}

data: {"candidates": [{"content": {"parts": [{"text": " and more\n"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 20,"cachedContentTokenCount": 4,"candidatesTokenCount": 7,"totalTokenCount": 27},"modelVersion": "m","responseId": "abc"}

"#;

const GEMINI_CALLS: &str = r#"data: {"candidates": [{"content": {"parts": [{"text": "Let me see…","thought": true}],"role": "model"},"index": 0}],"modelVersion": "m","responseId": "abd"}

data: {"candidates": [{"content": {"parts": [{"functionCall": {"id": "call_a","name": "weather","args": {"city": "Köln"}},"thoughtSignature": "c2ln"},{"functionCall": {"id": "call_b","name": "time","args": {}}}],"role": "model"},"index": 0}],"modelVersion": "m","responseId": "abd"}

data: {"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 20,"candidatesTokenCount": 25,"thoughtsTokenCount": 5,"totalTokenCount": 50},"modelVersion": "m","responseId": "abd"}

"#;

const GEMINI_REFUSAL: &str = r#"data: {"candidates": [{"content": {"parts": [{"text": "I can"}],"role": "model"},"index": 0}],"modelVersion": "m","responseId": "abe"}

data: {"candidates": [{"finishReason": "SAFETY","index": 0}],"usageMetadata": {"promptTokenCount": 20,"candidatesTokenCount": 4,"totalTokenCount": 24},"modelVersion": "m","responseId": "abe"}

"#;

const GEMINI_LENGTH: &str = r#"data: {"candidates": [{"content": {"parts": [{"text": "One mo"}],"role": "model"},"finishReason": "MAX_TOKENS","index": 0}],"usageMetadata": {"promptTokenCount": 20,"candidatesTokenCount": 2,"totalTokenCount": 22},"modelVersion": "m","responseId": "abf"}

"#;
