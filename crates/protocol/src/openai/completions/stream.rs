//! Writing chunks for a client.

use std::collections::HashSet;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::{OBJECT, finish_reason, id};
use crate::{
    ClientError, Reply, Usage,
    canonical::{Event, Finish},
    openai::{stream_error, usage},
};

/// Writes events for a client.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    reply: Reply,
    /// As the provider reports it.
    model: Option<String>,
    finished: HashSet<u32>,
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Null in all chunks but the last, of those that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<usage::Told>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            reply,
            model: None,
            finished: HashSet::new(),
            usage: None,
        }
    }

    /// Writes what one event means; never called with an error or the end. Nothing but text has a place.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { model, .. } => self.model = model.as_deref().map(str::to_owned),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Text { choice, text, .. } | Event::Refusal { choice, text }
                if !text.is_empty() && !self.finished.contains(choice) =>
            {
                self.choice(*choice, text, None, out);
            }
            // What is broken is told as an error.
            Event::Finish { choice, reason }
                if !matches!(reason, Finish::Broken(_)) && !self.finished.contains(choice) =>
            {
                self.finished.insert(*choice);
                self.choice(*choice, "", Some(finish_reason(reason)), out);
            }
            _ => {}
        }
    }

    /// Ends a complete stream. Called once, after every answer has finished.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if let (Some(usage), true) = (self.usage, self.reply.include_usage) {
            self.chunk(&[], Some(usage::Told::of(&usage)), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        out.extend_from_slice(stream_error(error).as_bytes());
    }

    fn choice(
        &self,
        index: u32,
        text: &str,
        finish_reason: Option<&'static str>,
        out: &mut BytesMut,
    ) {
        let choice = Choice {
            text,
            index,
            logprobs: None,
            finish_reason,
        };
        self.chunk(&[choice], None, out);
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<usage::Told>, out: &mut BytesMut) {
        let chunk = Chunk {
            id: id(&self.reply.id),
            object: OBJECT,
            created: self.reply.created,
            model: self.model.as_deref().unwrap_or(&self.reply.model),
            choices,
            usage: self.reply.include_usage.then_some(usage),
        };
        out.extend_from_slice(b"data: ");
        serde_json::to_writer((&mut *out).writer(), &chunk).expect("keys of our types are strings");
        out.extend_from_slice(b"\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, openai::completions::reply};

    fn text(choice: u32, text: &str) -> Event<'_> {
        Event::Text {
            choice,
            text: text.into(),
            logprobs: Vec::new(),
        }
    }

    fn finish(choice: u32) -> Event<'static> {
        Event::Finish {
            choice,
            reason: Finish::Stop,
        }
    }

    fn written(include_usage: bool, events: &[Event<'_>]) -> String {
        let mut writer = Writer::new(Reply {
            include_usage,
            ..reply()
        });
        let mut out = BytesMut::new();
        for event in events {
            writer.write(event, &mut out);
        }
        writer.finish(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_stream_tells_text_and_how_it_ended() {
        let start = Event::Start {
            id: Some("msg_1".into()),
            model: Some("claude".into()),
        };
        let events = [
            start,
            Event::Thinking {
                choice: 0,
                text: "hm".into(),
            },
            text(0, ""),
            text(0, "a\n"),
            finish(0),
            text(0, "late"),
            finish(0),
            Event::Usage(Usage::estimated(4, 8)),
        ];
        let head =
            r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"claude","choices":["#;
        let said = r#"{"text":"a\n","index":0,"logprobs":null,"finish_reason":null}]"#;
        let ended = r#"{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]"#;
        assert_eq!(
            written(false, &events),
            format!("data: {head}{said}}}\n\ndata: {head}{ended}}}\n\ndata: [DONE]\n\n")
        );
        let usage = concat!(
            r#""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"#,
            r#""prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"#,
            r#""completion_tokens_details":{"reasoning_tokens":0}}"#
        );
        assert_eq!(
            written(true, &events),
            format!(
                "data: {head}{said},\"usage\":null}}\n\ndata: {head}{ended},\"usage\":null}}\n\n\
                 data: {head}],{usage}}}\n\ndata: [DONE]\n\n"
            )
        );
    }

    #[test]
    fn an_error_is_told_as_one() {
        let mut out = BytesMut::new();
        let error = ClientError::new(ErrorKind::BadGateway, "gone");
        Writer::new(reply()).fail(&error, &mut out);
        let told = str::from_utf8(&out).unwrap();
        assert!(told.starts_with("data: {\"error\":"), "{told}");
    }
}
