//! Every cut of an answer, between every two providers, for every client.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::{
    ClientError, Endpoint, ErrorKind, Format, Inspected, Reply, Stream, Usage,
    canonical::{Finish, Request},
    sse::Decoder,
    translate::Reader,
};

/// What a model says; each piece is one or more events of its stream.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Thought(&'static str),
    Text(&'static str),
    Call(&'static str, &'static str),
}
use Said::{Call, Text, Thought};

const ANSWERS: [&[Said]; 5] = [
    &[Text("Grüße aus Köln, 🚀 und zurück")],
    &[Thought("first this, then that"), Text("So it is.")],
    &[Call("look", r#"{"city":"Köln"}"#)],
    &[
        Text("I look."),
        Call("look", r#"{"city":"Köln"}"#),
        Call("ask", r#"{"whom":["a","b"]}"#),
    ],
    &[
        Thought("hm"),
        Text("I look."),
        Call("look", r#"{"a":{"b":"}"}}"#),
    ],
];

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// Frames of a provider's stream that says so, in pieces of `size` characters.
fn frames(format: Format, answer: &[Said], size: usize, provider: &str) -> Vec<String> {
    let events = match format {
        Format::Chat => chat(answer, size, provider),
        Format::Responses => responses(answer, size, provider),
        Format::Messages => messages(answer, size, provider),
        Format::Gemini => gemini(answer, size, provider),
    };
    let mut frames: Vec<String> = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    if format == Format::Chat {
        frames.push("data: [DONE]\n\n".to_owned());
    }
    frames
}

fn chat(answer: &[Said], size: usize, provider: &str) -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": format!("gen-{provider}"), "object": "chat.completion.chunk", "created": 7, "model": provider,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    let mut calls = 0;
    for said in answer {
        match said {
            Text(text) => events.extend(
                pieces(text, size)
                    .iter()
                    .map(|it| chunk(json!({"content": it}), Value::Null)),
            ),
            Thought(text) => events.extend(
                pieces(text, size)
                    .iter()
                    .map(|it| chunk(json!({"reasoning_content": it}), Value::Null)),
            ),
            Call(name, arguments) => {
                let id = format!("call_{provider}_{calls}");
                let begin = json!({"tool_calls": [{"index": calls, "id": id, "type": "function",
                    "function": {"name": name, "arguments": ""}}]});
                events.push(chunk(begin, Value::Null));
                events.extend(pieces(arguments, size).iter().map(|it| {
                    chunk(
                        json!({"tool_calls": [{"index": calls, "function": {"arguments": it}}]}),
                        Value::Null,
                    )
                }));
                calls += 1;
            }
        }
    }
    events.push(chunk(
        json!({}),
        if calls > 0 { "tool_calls" } else { "stop" }.into(),
    ));
    events
}

fn messages(answer: &[Said], size: usize, provider: &str) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": format!("msg_{provider}"), "type": "message",
        "role": "assistant", "model": provider, "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
    ];
    let mut has_calls = false;
    for (index, said) in answer.iter().enumerate() {
        let (block, deltas): (Value, Vec<Value>) = match said {
            Text(text) => (
                json!({"type": "text", "text": ""}),
                pieces(text, size)
                    .iter()
                    .map(|it| json!({"type": "text_delta", "text": it}))
                    .collect(),
            ),
            Thought(text) => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                pieces(text, size)
                    .iter()
                    .map(|it| json!({"type": "thinking_delta", "thinking": it}))
                    .collect(),
            ),
            Call(name, arguments) => {
                has_calls = true;
                (
                    json!({"type": "tool_use", "id": format!("toolu_{provider}_{index}"), "name": name, "input": {}}),
                    pieces(arguments, size)
                        .iter()
                        .map(|it| json!({"type": "input_json_delta", "partial_json": it}))
                        .collect(),
                )
            }
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.extend(
            deltas
                .iter()
                .map(|it| json!({"type": "content_block_delta", "index": index, "delta": it})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let reason = if has_calls { "tool_use" } else { "end_turn" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn gemini(answer: &[Said], size: usize, provider: &str) -> Vec<Value> {
    let event = |part: Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}],
            "modelVersion": provider, "responseId": format!("g-{provider}")})
    };
    let mut events = Vec::new();
    for (index, said) in answer.iter().enumerate() {
        match said {
            Text(text) => events.extend(
                pieces(text, size)
                    .iter()
                    .map(|it| event(json!({"text": it}))),
            ),
            Thought(text) => {
                events.extend(
                    pieces(text, size)
                        .iter()
                        .map(|it| event(json!({"text": it, "thought": true}))),
                );
            }
            Call(name, arguments) => {
                let args: Value = serde_json::from_str(arguments).unwrap();
                let id = format!("c-{provider}-{index}");
                events.push(event(
                    json!({"functionCall": {"id": id, "name": name, "args": args}}),
                ));
            }
        }
    }
    let mut last = event(json!({"text": ""}));
    last["candidates"][0]["finishReason"] = "STOP".into();
    events.push(last);
    events
}

#[expect(
    clippy::too_many_lines,
    reason = "the events of each kind of item, one after the other"
)]
fn responses(answer: &[Said], size: usize, provider: &str) -> Vec<Value> {
    let whole = |status: &str, output: &[Value]| {
        json!({"id": format!("resp_{provider}"), "object": "response", "created_at": 7, "model": provider,
            "status": status, "output": output})
    };
    let mut events =
        vec![json!({"type": "response.created", "response": whole("in_progress", &[])})];
    let mut output = Vec::new();
    for (place, said) in answer.iter().enumerate() {
        let id = format!("item_{provider}_{place}");
        let mut tell = |mut event: Value| {
            if event["item"].is_null() {
                event["item_id"] = id.as_str().into();
            }
            event["output_index"] = place.into();
            events.push(event);
        };
        let item = match said {
            Text(text) => {
                let item = |content: Value| json!({"type": "message", "id": id, "role": "assistant", "content": content});
                let part =
                    |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
                tell(json!({"type": "response.output_item.added", "item": item(json!([]))}));
                tell(
                    json!({"type": "response.content_part.added", "content_index": 0, "part": part("")}),
                );
                for it in pieces(text, size) {
                    tell(
                        json!({"type": "response.output_text.delta", "content_index": 0, "delta": it, "logprobs": []}),
                    );
                }
                tell(
                    json!({"type": "response.output_text.done", "content_index": 0, "text": text}),
                );
                tell(
                    json!({"type": "response.content_part.done", "content_index": 0, "part": part(text)}),
                );
                item(json!([part(text)]))
            }
            Thought(text) => {
                let item =
                    |summary: Value| json!({"type": "reasoning", "id": id, "summary": summary});
                let part = |text: &str| json!({"type": "summary_text", "text": text});
                tell(json!({"type": "response.output_item.added", "item": item(json!([]))}));
                tell(
                    json!({"type": "response.reasoning_summary_part.added", "summary_index": 0, "part": part("")}),
                );
                for it in pieces(text, size) {
                    tell(
                        json!({"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": it}),
                    );
                }
                tell(
                    json!({"type": "response.reasoning_summary_text.done", "summary_index": 0, "text": text}),
                );
                tell(
                    json!({"type": "response.reasoning_summary_part.done", "summary_index": 0, "part": part(text)}),
                );
                item(json!([part(text)]))
            }
            Call(name, arguments) => {
                let item = |arguments: &str| {
                    json!({"type": "function_call", "id": id, "call_id": format!("call_{provider}_{place}"), "name": name,
                        "arguments": arguments})
                };
                tell(json!({"type": "response.output_item.added", "item": item("")}));
                for it in pieces(arguments, size) {
                    tell(json!({"type": "response.function_call_arguments.delta", "delta": it}));
                }
                tell(
                    json!({"type": "response.function_call_arguments.done", "arguments": arguments}),
                );
                item(arguments)
            }
        };
        tell(json!({"type": "response.output_item.done", "item": item}));
        output.push(item);
    }
    events.push(json!({"type": "response.completed", "response": whole("completed", &output)}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events
}

fn reply() -> Reply {
    Reply {
        request: Request::default().into(),
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        created: 1,
        model: "m".to_owned(),
        include_usage: false,
        prompt_tokens: 3,
        as_array: false,
    }
}

fn endpoint(client: Format) -> Endpoint {
    match client {
        Format::Chat => Endpoint::ChatCompletions,
        Format::Responses => Endpoint::Responses,
        Format::Messages => Endpoint::Messages,
        Format::Gemini => Endpoint::StreamGenerateContent,
    }
}

fn begun(provider: Format, client: Format) -> Stream {
    let mut stream = if provider == client {
        let expected = Inspected {
            endpoint: endpoint(client),
            passes_usage: false,
            choices: 1,
            as_array: false,
        };
        Stream::pass(expected, 10)
    } else {
        Stream::translate(provider, client, reply(), 10)
    };
    stream.remember(reply());
    stream
}

/// Feeds frames; answers whether the provider said something else.
fn feed(stream: &mut Stream, frames: &[String], out: &mut Vec<u8>) -> bool {
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(Bytes::from(frames.concat()));
    while let Some(event) = decoder.next_event().unwrap() {
        let step = stream.look(event).unwrap();
        out.extend_from_slice(&step.bytes);
        if step.differs {
            assert!(step.bytes.is_empty());
            return true;
        }
    }
    false
}

/// What a client has at the end: items, whether it finished, whether it was told of an error.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    items: Vec<Item>,
    finish: Option<Finish>,
    errors: usize,
}

#[track_caller]
fn heard(client: Format, bytes: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let mut transcript = Transcript::default();
    let mut reader = Reader::new(client);
    let mut decoder = Decoder::new(1 << 20);
    let mut numbers = Vec::new();
    let mut ids = Vec::new();
    decoder.push(Bytes::copy_from_slice(bytes));
    while let Some(event) = decoder.next_event().unwrap() {
        let Some(data) = event.data() else { continue };
        if let Ok(wire) = serde_json::from_slice::<Value>(&data) {
            numbers.extend(wire["sequence_number"].as_u64());
            ids.extend(
                wire["id"]
                    .as_str()
                    .or(wire["responseId"].as_str())
                    .map(str::to_owned),
            );
            ids.extend(
                wire.pointer("/response/id")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
        }
        reader
            .read(&data, &mut |event| {
                let is_error = matches!(event, Event::Error(_) | Event::Usage(_));
                assert!(heard.errors == 0 || is_error, "nothing follows an error");
                match &event {
                    Event::Finish { reason, .. } => heard.finish = Some(reason.clone()),
                    // Responses tells it by an event that SDKs raise at, and by the state the answer is left in.
                    Event::Error(_) => heard.errors = 1,
                    // What the gateway vouches for a call with is nobody's signature.
                    Event::Signature { .. } | Event::End => {}
                    event => transcript.note(event),
                }
            })
            .unwrap();
    }
    assert!(decoder.finish().is_none(), "an event is cut off");
    assert!(
        numbers.iter().copied().eq(0..numbers.len() as u64),
        "{numbers:?}"
    );
    ids.dedup();
    assert!(ids.len() <= 1, "{ids:?}");
    if client == Format::Messages {
        check_blocks(bytes);
    }
    heard.items = transcript.items;
    for item in &mut heard.items {
        if let Item::Call { id, is_closed, .. } = item {
            id.clear();
            *is_closed = false;
        }
    }
    heard
}

/// Blocks begin, go on and end one after the other.
#[track_caller]
fn check_blocks(bytes: &[u8]) {
    let (mut next, mut open) = (0, None);
    let mut decoder = Decoder::new(1 << 20);
    decoder.push(Bytes::copy_from_slice(bytes));
    while let Some(event) = decoder.next_event().unwrap() {
        let wire: Value = serde_json::from_slice(&event.data().unwrap()).unwrap();
        let index = wire["index"].as_u64();
        match wire["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)));
                open = index;
                next += 1;
            }
            "content_block_delta" => assert!(index.is_some() && index == open, "{wire}"),
            "content_block_stop" => {
                assert!(index.is_some() && index == open, "{wire}");
                open = None;
            }
            "message_start" => assert_eq!(next, 0),
            _ => {}
        }
    }
}

fn uncut(provider: Format, client: Format, answer: &[Said]) -> Heard {
    let mut stream = begun(provider, client);
    let mut out = Vec::new();
    feed(&mut stream, &frames(provider, answer, 3, "a"), &mut out);
    assert!(stream.is_complete());
    if !stream.is_done() {
        out.extend_from_slice(&stream.finish());
    }
    heard(client, &out)
}

fn fail(stream: &mut Stream, out: &mut Vec<u8>) {
    let error = ClientError::new(ErrorKind::BadGateway, "broke");
    out.extend_from_slice(&stream.fail(&error));
}

/// Cuts the stream of `first` after every frame and has `second` go on; how many of the cuts were resumed.
fn every_cut(
    first: Format,
    second: Format,
    client: Format,
    answer: &[Said],
    other: &[Said],
) -> usize {
    let expected = uncut(first, client, answer);
    let others = uncut(second, client, other);
    let all = frames(first, answer, 6, "a");
    let mut resumed = 0;
    for (cut, size) in (1..all.len()).flat_map(|cut| [2, 100].map(|size| (cut, size))) {
        let mut stream = begun(first, client);
        let mut out = Vec::new();
        assert!(!feed(&mut stream, &all[..cut], &mut out));
        if stream.is_complete() {
            continue;
        }
        let context =
            format!("{first:?}, then {second:?}, for {client:?}, cut at {cut}, pieces of {size}");
        let Some(resumption) = stream.resumption() else {
            fail(&mut stream, &mut out);
            assert_eq!(heard(client, &out).errors, 1, "{context}");
            continue;
        };
        let mut stream = Stream::resume(second, &resumption, 10);
        let differs = feed(&mut stream, &frames(second, other, size, "b"), &mut out);
        if differs || !stream.is_complete() {
            fail(&mut stream, &mut out);
            let heard = heard(client, &out);
            assert_eq!((heard.errors, heard.finish), (1, None), "{context}");
            continue;
        }
        if !stream.is_done() {
            out.extend_from_slice(&stream.finish());
        }
        let text = String::from_utf8_lossy(&out);
        let heard = heard(client, &out);
        assert_eq!(heard, others, "{context}:\n{text}");
        assert!(
            answer != other || heard.items == expected.items,
            "{context}:\n{text}"
        );
        resumed += 1;
    }
    resumed
}

#[test]
fn an_answer_that_is_repeated_goes_on_wherever_it_was_cut() {
    for client in Format::ALL {
        for first in Format::ALL {
            for second in Format::ALL {
                for answer in ANSWERS {
                    let resumed = every_cut(first, second, client, answer, answer);
                    assert!(resumed > 0, "{first:?}, {second:?}, {client:?}: {answer:?}");
                }
            }
        }
    }
}

#[test]
fn an_answer_that_differs_is_never_mixed() {
    for client in Format::ALL {
        for first in Format::ALL {
            for second in Format::ALL {
                for (at, answer) in ANSWERS.iter().enumerate() {
                    for other in ANSWERS.iter().skip(at + 1).step_by(2) {
                        every_cut(first, second, client, answer, other);
                        every_cut(first, second, client, other, answer);
                    }
                }
            }
        }
    }
}

#[test]
fn what_nobody_else_can_repeat_is_not_resumed() {
    let sealed = |event: Event<'static>| {
        let mut transcript = Transcript::default();
        transcript.say(Kind::Text, "a");
        transcript.note(&event);
        !transcript.is_comparable()
    };
    assert!(sealed(Event::Finish {
        choice: 0,
        reason: Finish::Stop
    }));
    let text = |choice, text: String| Event::Text {
        choice,
        text: text.into(),
        logprobs: Vec::new(),
    };
    assert!(sealed(text(1, "b".to_owned())));
    assert!(sealed(text(0, "b".repeat(LONGEST))));
    assert!(!sealed(text(0, "b".to_owned())));
    assert!(!sealed(Event::Usage(Usage::estimated(1, 1))));
}
