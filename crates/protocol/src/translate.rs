//! From one format to another, by way of the canonical form.

mod stream;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use crate::{
    Format, RequestError, Traits, Unusable,
    anthropic::messages,
    canonical::{Finish, Part, Request, Response},
    feature::{self, Feature, Refusal},
    gemini::generate,
    openai::{chat, responses},
};

pub(crate) use stream::{Progress, Reader, Translation, Writer};

/// The provider model that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What the provider calls it.
    pub model: &'a str,
    /// What it takes.
    pub traits: Traits,
}

/// A request as it goes to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// Its body.
    pub body: Bytes,
    /// The client's fields that it lacks.
    pub dropped: Vec<Cow<'static, str>>,
}

/// A writer's result: the body. What had to be cut to fit it notes besides.
pub(crate) type Written = Result<Vec<u8>, Unsayable>;

/// What an answer tells of the request, and of the gateway.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The request that is answered.
    pub request: Arc<Request>,
    /// 32 hexadecimal digits, unique to the request: ids are made of it where the provider's do not fit the format.
    pub id: String,
    /// Now, in Unix seconds.
    pub created: i64,
    /// The provider model: told where the provider does not say which model answered.
    pub model: String,
    /// Whether a Chat Completions client asked for usage at the end of its stream.
    pub include_usage: bool,
    /// Estimate of the prompt's tokens, for formats that tell it before the provider does.
    pub prompt_tokens: u64,
    /// Whether a Gemini client reads a JSON array instead of events.
    pub as_array: bool,
}

/// Why a request cannot be sent to a provider model of another format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// The request itself is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// This provider model cannot be asked; another may be.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Something that a writer found it cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsayable {
    /// What.
    pub(crate) feature: Feature,
    /// Why.
    pub(crate) why: Cow<'static, str>,
}

/// Reads the body of a request in format `from`.
///
/// # Errors
/// It is not what the format's documents say; the error names the field.
pub fn read_request(from: Format, body: &[u8]) -> Result<Request, RequestError> {
    match from {
        Format::Chat => chat::request::read(body),
        Format::Responses => responses::request::read(body),
        Format::Messages => messages::request::read(body),
        Format::Gemini => generate::request::read(body),
    }
}

/// Writes a request that came in format `from` for a provider model that is asked in format `to`.
///
/// # Errors
/// Something in it can neither be carried nor left out.
pub fn write_request(
    request: &Request,
    from: Format,
    to: Format,
    target: &Target<'_>,
) -> Result<Translated, Refusal> {
    write(request, from, to, target, false)
}

/// Writes the request to count `request`'s tokens; not for [`Format::Chat`], which has none.
///
/// # Errors
/// Something in it can neither be carried nor left out.
pub fn write_count(
    request: &Request,
    from: Format,
    to: Format,
    target: &Target<'_>,
) -> Result<Translated, Refusal> {
    write(request, from, to, target, true)
}

fn write(
    request: &Request,
    from: Format,
    to: Format,
    target: &Target<'_>,
    counts: bool,
) -> Result<Translated, Refusal> {
    let (request, mut dropped) = feature::apply(request, from, to, &target.traits)?;
    let mut cut = Vec::new();
    let write = match (to, counts) {
        (Format::Chat, _) => chat::request::write,
        (Format::Responses, false) => responses::request::write,
        (Format::Responses, true) => responses::count::write,
        (Format::Messages, false) => messages::request::write,
        (Format::Messages, true) => messages::count::write,
        (Format::Gemini, false) => generate::request::write,
        (Format::Gemini, true) => generate::count::write,
    };
    let body = write(&request, target, &mut cut).map_err(|Unsayable { feature, why }| Refusal {
        param: feature.field(from).to_owned(),
        to,
        why,
    })?;
    for feature in cut {
        let name = Cow::Borrowed(feature.field(from));
        if !dropped.contains(&name) {
            dropped.push(name);
        }
    }
    Ok(Translated {
        body: body.into(),
        dropped,
    })
}

/// Reads the answer of a provider that speaks `from`.
///
/// # Errors
/// It is no answer, and another provider should be asked.
pub fn read_response(from: Format, body: &[u8]) -> Result<Response, Unusable> {
    let response = match from {
        Format::Chat => chat::response::read(body),
        Format::Responses => responses::response::read(body),
        Format::Messages => messages::response::read(body),
        Format::Gemini => generate::response::read(body),
    }?;
    let broken = response
        .choices
        .iter()
        .find_map(|choice| match &choice.finish {
            Finish::Broken(reason) => Some(reason.clone()),
            _ => None,
        });
    broken.map_or(Ok(response), |reason| Err(Unusable::Broken(reason)))
}

/// Writes an answer for a client that speaks `to`.
#[must_use]
pub fn write_response(to: Format, response: &Response, reply: &Reply) -> Bytes {
    match to {
        Format::Chat => chat::response::write(response, reply),
        Format::Responses => responses::response::write(response, reply),
        Format::Messages => messages::response::write(response, reply),
        Format::Gemini => generate::response::write(response, reply),
    }
    .into()
}

impl Response {
    /// Bytes of generated text, for an estimate of tokens.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let part = |part: &Part| match part {
            Part::Text { text, .. } | Part::Refusal(text) => text.len(),
            Part::Thinking(thinking) => thinking.text.len(),
            Part::ToolCall(call) => call.name.len() + call.arguments.get().len(),
            _ => 0,
        };
        self.choices
            .iter()
            .flat_map(|choice| &choice.parts)
            .map(part)
            .sum()
    }
}

#[cfg(test)]
mod tests;
