//! The part of a request that routing reads, and the few places where it is changed.

use std::{borrow::Cow, ops::Range};

use crate::{
    Endpoint, RequestError, Splice,
    canonical::Json,
    json::{Kind, Scanner},
};

mod edit;
mod field;
mod foreign;
mod form_texts;
mod multipart;
mod place;
mod reader;

pub use form_texts::rewrite_form_texts;
use place::Place;
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
    /// Whether the usage that a stream tells is for the client. On the two completions endpoints only where it asked, by
    /// `stream_options`; elsewhere always.
    pub include_usage: bool,
    /// What a provider must be able to do.
    pub needs: Needs,
    /// The gateway's own fields.
    pub orchestration: Orchestration<'a>,
    /// `prompt_cache_key`, else `user`, else `safety_identifier`; `metadata.user_id` of Messages: what to keep on one
    /// provider.
    pub session: Option<Cow<'a, str>>,
    /// Bytes of text that go in, for an estimate of tokens.
    pub prompt_bytes: usize,
    /// The most tokens that each answer may have, where the request limits them.
    pub max_output: Option<u64>,
    /// Answers asked for: `n` for each prompt, or `candidateCount`; images, where those are asked for.
    pub choices: usize,
    /// Whether it holds encrypted items of Responses, which only the provider that made them can read.
    pub encrypted_reasoning: bool,
    /// Whether it holds reasoning of another family of models ([`crate::canonical::CARRIED`]), or `thinking_blocks` of
    /// Chat Completions.
    pub foreign: bool,
    endpoint: Endpoint,
    body: &'a [u8],
    edits: Edits,
}

/// Where the body is changed before it goes to a provider.
#[derive(Debug, Clone, PartialEq)]
enum Edits {
    Json(JsonEdits),
    Form(FormEdits),
}

#[derive(Debug, Clone, Default, PartialEq)]
struct JsonEdits {
    /// After the opening brace.
    start: usize,
    /// How many members the body has.
    members: usize,
    model: Option<Place>,
    /// The place of `model`'s value.
    model_value: Range<usize>,
    stream: Option<Place>,
    stream_options: Option<StreamOptions>,
    /// The gateway's own members.
    own: Vec<Place>,
    /// Models that Gemini's bodies name besides the path.
    nested_models: Vec<NestedModel>,
    has_version: bool,
}

/// A model that a part of the body names.
#[derive(Debug, Clone, PartialEq)]
struct NestedModel {
    place: Place,
    /// The place of its value.
    value: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
struct FormEdits {
    /// The value of the part `model`.
    value: Range<usize>,
    /// The part with the delimiter before it.
    part: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
struct StreamOptions {
    /// The value's place.
    span: Range<usize>,
    /// The place of `include_usage`'s value in it.
    include_usage: Option<Range<usize>>,
    has_members: bool,
}

/// How a body goes to a provider model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing<'a> {
    /// The model's name for the body; absent where the URL names it. In Gemini's bodies a name stands only where the client
    /// wrote one, as `models/<name>`; the embedding and counting endpoints need it there.
    pub model: Option<&'a str>,
    /// Whether the URL says if the answer is streamed, so that the body must not (Bedrock, Vertex).
    pub is_stream_in_url: bool,
    /// `anthropic_version` in the body (Bedrock, Vertex).
    pub anthropic_version: Option<&'a str>,
    /// Names of features, separated by commas, for `anthropic_beta` in the body (Bedrock, which knows no such header).
    pub anthropic_beta: Option<&'a str>,
    /// Members that are added unless the body has them. Forms have none.
    pub extra: &'a [(String, Json)],
}

impl<'a> Envelope<'a> {
    /// Scans the JSON body of a request to `endpoint`. Only what the gateway reads is judged; the rest is the provider's.
    /// `path_model` is the model where the path names it; it goes before the body's.
    ///
    /// # Errors
    /// The body is not a JSON object, lacks a required field, or holds one of the wrong type or twice.
    pub fn scan(
        endpoint: Endpoint,
        path_model: Option<Cow<'a, str>>,
        body: &'a [u8],
    ) -> Result<Self, RequestError> {
        let mut scanner = Scanner::new(body)?;
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            scanner.end()?;
            return Err(RequestError::NotAnObject);
        }
        let mut members = scanner.enter_object()?;
        let mut reader = Reader::new(endpoint, path_model, body, scanner.offset());
        while let Some(key) = scanner.next_member(&mut members)? {
            reader.member(&mut scanner, key)?;
        }
        scanner.end()?;
        reader.finish()
    }

    /// Scans the `multipart/form-data` body of a request to `endpoint`: uploads of images and audio.
    ///
    /// # Errors
    /// `content_type` names no boundary, the body is not cut by it, or the form lacks its `model` or names it twice.
    pub fn scan_multipart(
        endpoint: Endpoint,
        content_type: &str,
        body: &'a [u8],
    ) -> Result<Self, RequestError> {
        multipart::scan(endpoint, content_type, body)
    }

    /// The changes that make this body one for a provider model: the name replaced, the gateway's own fields removed, usage
    /// asked for in a stream, and what only another family of models can read left out.
    #[must_use]
    pub fn splice(&self, outgoing: &Outgoing<'_>) -> Splice {
        let mut splice = Splice::default();
        match &self.edits {
            Edits::Json(edits) => {
                if self.foreign {
                    foreign::remove(self.endpoint, self.body, &mut splice);
                }
                self.splice_json(edits, outgoing, &mut splice);
            }
            Edits::Form(edits) => match outgoing.model {
                Some(model) if model == self.model => {}
                Some(model) => splice.replace(edits.value.clone(), model.to_owned()),
                None => splice.replace(edits.part.clone(), ""),
            },
        }
        splice
    }
}

#[cfg(test)]
mod tests;
