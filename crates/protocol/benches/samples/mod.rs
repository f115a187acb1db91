//! The same request, answer and stream in each format, for benchmarks and for the count of allocations.

use bytes::Bytes;
use protocol::{Format, Reply, Stream, sse::Event};

/// Every format, and what it is called.
pub(crate) const FORMATS: [(&str, Format); 4] = [
    ("chat", Format::Chat),
    ("responses", Format::Responses),
    ("messages", Format::Messages),
    ("gemini", Format::Gemini),
];

/// A request of about `bytes`, in messages of up to two kilobytes with an escape in each.
pub(crate) fn request(format: Format, bytes: usize) -> Bytes {
    let mut messages = Vec::new();
    let mut left = bytes.saturating_sub(140);
    while left > 0 {
        let size = left.min(2000);
        let text = format!(
            "{}\\n{}",
            "word ".repeat(size / 10),
            "text ".repeat(size / 10)
        );
        messages.push(match format {
            Format::Chat => format!(r#"{{"role":"user","content":"{text}"}}"#),
            Format::Responses => {
                format!(r#"{{"role":"user","content":[{{"type":"input_text","text":"{text}"}}]}}"#)
            }
            Format::Messages => {
                format!(r#"{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}}"#)
            }
            Format::Gemini => format!(r#"{{"role":"user","parts":[{{"text":"{text}"}}]}}"#),
        });
        left -= size;
    }
    let messages = messages.join(",");
    match format {
        Format::Chat => format!(r#"{{"model":"fast","stream":true,"messages":[{messages}],"temperature":0.7,"max_tokens":256,"user":"u-1","seed":7}}"#),
        Format::Responses => format!(r#"{{"model":"fast","stream":true,"input":[{messages}],"temperature":0.7,"max_output_tokens":256,"store":false}}"#),
        Format::Messages => format!(r#"{{"model":"fast","stream":true,"messages":[{messages}],"temperature":0.7,"max_tokens":256,"metadata":{{"user_id":"u-1"}}}}"#),
        Format::Gemini => format!(r#"{{"contents":[{messages}],"generationConfig":{{"temperature":0.7,"maxOutputTokens":256}}}}"#),
    }
    .into()
}

/// A whole answer with a text of about `bytes`.
pub(crate) fn answer(format: Format, bytes: usize) -> Bytes {
    let text = "word ".repeat(bytes / 5);
    match format {
        Format::Chat => format!(r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#),
        Format::Responses => format!(r#"{{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}]}}],"usage":{{"input_tokens":9,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":12,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":21}}}}"#),
        Format::Messages => format!(r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":12}}}}"#),
        Format::Gemini => format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":9,"candidatesTokenCount":12,"totalTokenCount":21}},"modelVersion":"m","responseId":"r1"}}"#),
    }
    .into()
}

/// What a stream is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// More text.
    Text,
    /// More of a tool call's arguments.
    Arguments,
}

/// Every kind of piece, and what it is called.
pub(crate) const PIECES: [(&str, Piece); 2] =
    [("text", Piece::Text), ("arguments", Piece::Arguments)];

/// What comes before the first piece.
pub(crate) fn beginning(format: Format, piece: Piece) -> Vec<Event> {
    let data: &[&str] = match (format, piece) {
        (Format::Chat, Piece::Text) => &[
            r#"{"id":"chatcmpl-9xQ2","object":"chat.completion.chunk","created":1730000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        ],
        (Format::Chat, Piece::Arguments) => &[
            r#"{"id":"chatcmpl-9xQ2","object":"chat.completion.chunk","created":1730000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]},"finish_reason":null}]}"#,
        ],
        (Format::Responses, Piece::Text) => &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","model":"m","status":"in_progress","output":[]}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
        ],
        (Format::Responses, Piece::Arguments) => &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","model":"m","status":"in_progress","output":[]}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"fc_1","type":"function_call","status":"in_progress","call_id":"call_1","name":"look","arguments":""}}"#,
        ],
        (Format::Messages, Piece::Text) => &[
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ],
        (Format::Messages, Piece::Arguments) => &[
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
        ],
        (Format::Gemini, _) => &[],
    };
    let mut events: Vec<Event> = data.iter().map(|data| event(format, data)).collect();
    if piece == Piece::Arguments {
        events.push(event(format, &arguments(format, r#"{\"query\":\""#)));
    }
    events.push(self::piece(format, piece));
    events
}

/// One piece of a stream. Gemini's arguments come whole, so there a piece is a call.
pub(crate) fn piece(format: Format, piece: Piece) -> Event {
    match piece {
        Piece::Text => event(format, text(format)),
        Piece::Arguments => event(format, &arguments(format, " token")),
    }
}

fn text(format: Format) -> &'static str {
    match format {
        Format::Chat => {
            r#"{"id":"chatcmpl-9xQ2","object":"chat.completion.chunk","created":1730000000,"model":"gpt-5-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null}"#
        }
        Format::Responses => {
            r#"{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" token","logprobs":[]}"#
        }
        Format::Messages => {
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}"#
        }
        Format::Gemini => {
            r#"{"candidates":[{"content":{"parts":[{"text":" token"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},"modelVersion":"gemini-3-flash","responseId":"x1"}"#
        }
    }
}

fn arguments(format: Format, json: &str) -> String {
    match format {
        Format::Chat => format!(r#"{{"id":"chatcmpl-9xQ2","object":"chat.completion.chunk","created":1730000000,"model":"gpt-5-mini","system_fingerprint":"fp_1","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{json}"}}}}]}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#),
        Format::Responses => format!(r#"{{"type":"response.function_call_arguments.delta","sequence_number":7,"item_id":"fc_1","output_index":0,"delta":"{json}"}}"#),
        Format::Messages => format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":"{json}"}}}}"#),
        Format::Gemini => r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_1","name":"look","args":{"query":"token"}}}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},"modelVersion":"gemini-3-flash","responseId":"x1"}"#.to_owned(),
    }
}

/// As it comes over the network.
fn event(format: Format, data: &str) -> Event {
    let name = matches!(format, Format::Responses | Format::Messages);
    let kind = data.split('"').nth(3).filter(|_| name);
    let name = kind.map_or(String::new(), |kind| format!("event: {kind}\n"));
    Event {
        raw: format!("{name}data: {data}\n\n").into(),
    }
}

/// What an answer in `format` tells of its request.
pub(crate) fn reply(format: Format) -> Reply {
    let request = protocol::read_request(format, &request(format, 200));
    Reply {
        request: request.expect("it is a request").into(),
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        created: 1_730_000_000,
        model: "gpt-5-mini".to_owned(),
        include_usage: false,
        prompt_tokens: 9,
        as_array: false,
    }
}

/// A stream from a provider to a client that has come as far as its first piece.
pub(crate) fn begun(from: Format, to: Format, piece: Piece) -> Stream {
    let mut stream = Stream::translate(from, to, reply(to), 0);
    for event in beginning(from, piece) {
        stream.look(event).expect("it is an event");
    }
    stream
}
