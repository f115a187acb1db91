//! The part of a request that routing reads, and the few places where it is changed.

use std::{borrow::Cow, ops::Range};

use crate::{
    Endpoint, RequestError, Splice,
    json::{Kind, Scanner},
};

mod reader;

use reader::Reader;

/// What a provider must be able to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tools are offered, or were called earlier in the conversation.
    pub tool_call: bool,
    /// The answer must be JSON.
    pub structured_output: bool,
    /// A message holds an image.
    pub image: bool,
}

/// Orchestration of one request, from body fields of the gateway's own that no provider gets to see.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orchestration<'a> {
    /// The provider to try first.
    pub provider: Option<Cow<'a, str>>,
    /// The providers to try next, in order.
    pub fallback_providers: Vec<Cow<'a, str>>,
    /// Seconds for the whole request.
    pub timeout: Option<f64>,
    /// Attempts after the first, 0 to 5.
    pub retry_count: Option<u8>,
}

/// A request, scanned once and borrowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The model asked for.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client asked for usage at the end of the stream.
    pub include_usage: bool,
    /// What a provider must be able to do.
    pub needs: Needs,
    /// The gateway's own fields.
    pub orchestration: Orchestration<'a>,
    /// `prompt_cache_key`, else `user`: what to keep on one provider.
    pub session: Option<Cow<'a, str>>,
    /// Bytes of text that go in, for an estimate of tokens.
    pub prompt_bytes: usize,
    /// Answers asked for: `n` for each prompt.
    pub choices: usize,
    edits: Edits,
}

/// Where the body is changed before it goes to a provider.
#[derive(Debug, Clone, Default, PartialEq)]
struct Edits {
    model: Range<usize>,
    stream_options: Option<StreamOptions>,
    /// After the opening brace.
    start: usize,
    removals: Vec<Range<usize>>,
}

#[derive(Debug, Clone, PartialEq)]
struct StreamOptions {
    /// The value's place.
    span: Range<usize>,
    /// The place of `include_usage`'s value in it.
    include_usage: Option<Range<usize>>,
    has_members: bool,
}

impl<'a> Envelope<'a> {
    /// Scans the body of a request to `endpoint`. Only what the gateway reads is judged; the rest is the provider's.
    ///
    /// # Errors
    /// The body is not a JSON object, lacks a required field, or holds one of the wrong type or twice.
    pub fn scan(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, RequestError> {
        let mut scanner = Scanner::new(body)?;
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            scanner.end()?;
            return Err(RequestError::NotAnObject);
        }
        let mut members = scanner.enter_object()?;
        let mut reader = Reader::new(endpoint, scanner.offset());
        while let Some(key) = scanner.next_member(&mut members)? {
            reader.member(&mut scanner, key)?;
        }
        scanner.end()?;
        reader.finish()
    }

    /// The changes that make this body one for a provider that calls the model `provider_model`: the name replaced, the
    /// gateway's own fields removed, usage asked for in a stream.
    #[must_use]
    pub fn splice(&self, provider_model: &str) -> Splice {
        let mut splice = Splice::default();
        for removal in &self.edits.removals {
            splice.replace(removal.clone(), "");
        }
        if self.model != provider_model {
            splice.replace(self.edits.model.clone(), quoted(provider_model));
        }
        if self.stream && !self.include_usage {
            self.ask_for_usage(&mut splice);
        }
        splice
    }

    fn ask_for_usage(&self, splice: &mut Splice) {
        match &self.edits.stream_options {
            None => {
                let start = self.edits.start;
                splice.replace(start..start, r#""stream_options":{"include_usage":true},"#);
            }
            Some(StreamOptions {
                include_usage: Some(span),
                ..
            }) => splice.replace(span.clone(), "true"),
            Some(StreamOptions {
                span,
                has_members: true,
                ..
            }) => {
                let inside = span.start + 1;
                splice.replace(inside..inside, r#""include_usage":true,"#);
            }
            Some(StreamOptions { span, .. }) => {
                splice.replace(span.clone(), r#"{"include_usage":true}"#)
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
