//! Screened streams, to and from every format.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::{
    ClientError, ErrorKind, Format, Reply, Step, Stream, canonical::Request, sse, translate::Reader,
};

const FORMATS: [Format; 4] = [
    Format::Chat,
    Format::Responses,
    Format::Messages,
    Format::Gemini,
];

/// Replaces one word and denies another; holds everything until the end.
#[derive(Debug, Clone, Default)]
struct Censor(String);

fn censored(text: &str) -> Result<String, Denied> {
    if text.contains("forbidden") {
        return Err(Denied("words".into()));
    }
    Ok(text.replace("secret", "***"))
}

impl Screen for Censor {
    fn whole(&self, text: &str) -> Result<Option<String>, Denied> {
        censored(text).map(|said| (said != text).then_some(said))
    }

    fn window(&self) -> Box<dyn Window> {
        Box::new(Self::default())
    }
}

impl Window for Censor {
    fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denied> {
        self.0.push_str(piece);
        // Some text passes early, as it does where a window is short.
        if self.0.ends_with(' ') {
            out.push_str(&censored(&mem::take(&mut self.0))?);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut String) -> Result<(), Denied> {
        out.push_str(&censored(&mem::take(&mut self.0))?);
        Ok(())
    }
}

fn reply() -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "00112233445566778899aabbccddeeff".to_owned(),
        created: 1_700_000_000,
        model: "up".to_owned(),
        include_usage: true,
        prompt_tokens: 1,
        as_array: false,
    }
}

fn events(stream: &[u8]) -> Vec<sse::Event> {
    let mut decoder = sse::Decoder::new(1 << 20);
    decoder.push(Bytes::copy_from_slice(stream));
    std::iter::from_fn(|| decoder.next_event().unwrap()).collect()
}

/// A stream of a Chat provider, with these words and a call with these arguments.
fn chat(words: &[&str], arguments: &[&str]) -> String {
    let mut stream = String::new();
    let mut chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let choice = serde_json::json!({"index": 0, "delta": delta, "finish_reason": finish});
        let data = serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": "up", "choices": [choice]});
        stream.push_str(&format!("data: {data}\n\n"));
    };
    for word in words {
        chunk(serde_json::json!({"content": word}), None);
    }
    if !arguments.is_empty() {
        let call = serde_json::json!({"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "f", "arguments": ""}});
        chunk(serde_json::json!({"tool_calls": [call]}), None);
    }
    for piece in arguments {
        let call = serde_json::json!({"index": 0, "function": {"arguments": piece}});
        chunk(serde_json::json!({"tool_calls": [call]}), None);
    }
    let finish = if arguments.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    chunk(serde_json::json!({}), Some(finish));
    stream.push_str("data: [DONE]\n\n");
    stream
}

/// What a client of `to` gets of a stream of a provider that speaks `from`.
fn screened(from: Format, to: Format, stream: &[u8]) -> (Vec<u8>, Option<Denied>) {
    let censor = Box::new(Censor::default());
    let mut screened = Stream::translate(from, to, reply(), 0).screened(censor);
    let mut out = Vec::new();
    for event in events(stream) {
        let Step { bytes, denied, .. } = screened.look(event).unwrap();
        out.extend_from_slice(&bytes);
        if denied.is_some() {
            let error = ClientError::new(ErrorKind::InvalidRequest, "no");
            out.extend_from_slice(&screened.fail(&error));
            return (out, denied);
        }
    }
    if !screened.is_done() {
        out.extend_from_slice(&screened.finish());
    }
    assert!(screened.is_complete());
    (out, None)
}

/// Text, arguments, and whether it came to its finish.
fn heard(format: Format, stream: &[u8]) -> (String, String, bool) {
    let (mut said, mut arguments, mut is_finished) = (String::new(), String::new(), false);
    let mut reader = Reader::new(format);
    for event in events(stream) {
        let Some(data) = event.data() else { continue };
        let read = reader.read(&data, &mut |event| match event {
            Event::Text { text, .. } => said.push_str(&text),
            Event::Arguments { json, .. } => arguments.push_str(&json),
            Event::Finish { .. } => is_finished = true,
            _ => {}
        });
        read.unwrap();
    }
    (said, arguments, is_finished)
}

#[test]
fn text_is_changed_on_its_way_between_all_formats() {
    let chat = chat(&["the sec", "ret ", "is ", "a sec", "ret"], &[]);
    for from in FORMATS {
        let plain = Stream::translate(Format::Chat, from, reply(), 0);
        let provider = through(plain, chat.as_bytes());
        for to in FORMATS {
            let (out, denied) = screened(from, to, &provider);
            assert_eq!(denied, None);
            let (said, _, is_finished) = heard(to, &out);
            assert_eq!(
                (&*said, is_finished),
                ("the *** is a ***", true),
                "{from:?} {to:?}"
            );
            let bytes = String::from_utf8(out).unwrap();
            assert!(!bytes.contains("secret"), "{from:?} {to:?}: {bytes}");
        }
    }
}

fn through(mut stream: Stream, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events(bytes) {
        out.extend_from_slice(&stream.look(event).unwrap().bytes);
    }
    out
}

#[test]
fn arguments_are_changed_as_json() {
    let chat = chat(
        &["so ", "be it"],
        &[r#"{"a":"a se"#, r#"cret","n":[1]"#, "}"],
    );
    for to in FORMATS {
        let (out, denied) = screened(Format::Chat, to, chat.as_bytes());
        assert_eq!(denied, None);
        let (said, arguments, is_finished) = heard(to, &out);
        assert_eq!((&*said, is_finished), ("so be it", true));
        let arguments: serde_json::Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(
            arguments,
            serde_json::json!({"a": "a ***", "n": [1]}),
            "{to:?}"
        );
    }
}

#[test]
fn what_is_denied_is_not_said_and_what_came_before_is() {
    let in_text = chat(&["fine ", "forbid", "den ", "more"], &[]);
    let in_arguments = chat(&["fine "], &[r#"{"a":"forb"#, r#"idden"}"#]);
    for (stream, to) in [in_text, in_arguments]
        .iter()
        .flat_map(|stream| FORMATS.map(|to| (stream, to)))
    {
        let (out, denied) = screened(Format::Chat, to, stream.as_bytes());
        assert_eq!(denied, Some(Denied("words".into())), "{to:?}");
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("fine"), "{to:?}: {text}");
        assert!(
            !text.contains("forb") && !text.contains("more"),
            "{to:?}: {text}"
        );
        assert!(text.contains("\"no\""), "{to:?}: {text}");
    }
}

/// What is told of a stream of a Chat provider for a client of `to`: the bytes, and what they say.
fn overheard(to: Format, stream: &str) -> Vec<(String, String)> {
    let censor = Box::new(Censor::default());
    let translated = Stream::translate(Format::Chat, to, reply(), 0);
    let mut stream_of = translated.screened(censor).overheard();
    let mut told = Vec::new();
    for event in events(stream.as_bytes()) {
        let step = stream_of.look(event).unwrap();
        let said: Vec<&str> = step.said.iter().map(|said| &*said.text).collect();
        told.push((String::from_utf8(step.bytes.into()).unwrap(), said.concat()));
    }
    // Whether it was whole or not, it is withheld in the end.
    for is_begun in [true, false] {
        stream_of.retract(is_begun);
        let error = ClientError::new(ErrorKind::InvalidRequest, "no");
        let failed = String::from_utf8(stream_of.fail(&error).into()).unwrap();
        told.push((failed, String::new()));
    }
    told
}

#[test]
fn what_is_said_is_heard_with_the_bytes_that_say_it() {
    let stream = chat(
        &["a sec", "ret ", "is told "],
        &[r#"{"a":"s\u0065cret","#, r#""b":["x y"]}"#],
    );
    for to in FORMATS {
        let told = overheard(to, &stream);
        let said: String = told.iter().map(|(_, said)| &**said).collect();
        assert_eq!(said, "a *** is told ***\nx y\n", "{to:?}");
        let with = told.iter().find(|(_, said)| said.contains("told"));
        assert!(with.unwrap().0.contains("is told"), "{to:?}");
    }
}

#[test]
fn an_error_repeats_nothing_that_was_only_heard() {
    // A part that has ended, and one that is denied while it is written.
    for stream in [
        chat(&["the first "], &[r#"{"a":"forbidden"}"#]),
        chat(&["the first ", "forbidden "], &[]),
        chat(&["the first "], &[]),
    ] {
        for to in FORMATS {
            let told = overheard(to, &stream);
            for (failed, _) in &told[told.len() - 2..] {
                assert!(failed.contains("\"no\""), "{to:?}: {failed}");
                assert!(!failed.contains("first"), "{to:?}: {failed}");
            }
        }
    }
}

#[test]
fn an_array_whose_end_is_withheld_is_one() {
    for is_begun in [true, false] {
        let as_array = Reply {
            as_array: true,
            ..reply()
        };
        let censor = Box::new(Censor::default());
        let translated = Stream::translate(Format::Chat, Format::Gemini, as_array, 0);
        let mut stream = translated.screened(censor).overheard();
        let mut told = Vec::new();
        for event in events(chat(&["one ", "two "], &[]).as_bytes()) {
            let step = stream.look(event).unwrap();
            if is_begun && told.is_empty() {
                told = step.bytes.to_vec();
            }
        }
        stream.retract(is_begun);
        let error = ClientError::new(ErrorKind::InvalidRequest, "no");
        told.extend_from_slice(&stream.fail(&error));
        let told: Vec<serde_json::Value> = serde_json::from_slice(&told).unwrap();
        assert_eq!(told.len(), 1 + usize::from(is_begun));
        assert_eq!(told.last().unwrap()["error"]["message"], "no");
    }
}

#[test]
fn arguments_of_any_size_are_not_held() {
    let piece = "x".repeat(1 << 20);
    let mut choice = Choice {
        index: 0,
        part: None,
        calls: Vec::new(),
    };
    for _ in 0..4 {
        choice.arguments(0, &piece).unwrap();
    }
    assert!(choice.arguments(1, "x").is_err());
}
