//! Reading a provider's answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    ProviderError, Unusable,
    canonical::{Choice, Finish, Json, Part, Response, Thinking, TokenLogprob, ToolCall},
    json,
    openai::{
        responses::reasoning::{self, BETWEEN_PARTS},
        usage,
    },
};

#[derive(Deserialize)]
struct Wire<'a> {
    id: Option<String>,
    model: Option<String>,
    created_at: Option<f64>,
    status: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    incomplete_details: Option<Incomplete>,
    #[serde(borrow)]
    output: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    service_tier: Option<String>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    r#type: Option<String>,
}

/// An item of `output`; fields that another kind of item has are absent.
#[derive(Debug, Deserialize)]
pub(in crate::openai::responses) struct OutputItem {
    pub(in crate::openai::responses) r#type: String,
    #[serde(default)]
    pub(in crate::openai::responses) id: Option<String>,
    content: Option<Vec<Content>>,
    pub(in crate::openai::responses) call_id: Option<String>,
    pub(in crate::openai::responses) name: Option<String>,
    pub(in crate::openai::responses) arguments: Option<String>,
    summary: Option<Vec<Content>>,
    encrypted_content: Option<String>,
}

/// A part of an item; fields that another kind of part has are absent.
#[derive(Debug, Deserialize)]
struct Content {
    r#type: Option<String>,
    text: Option<String>,
    refusal: Option<String>,
    logprobs: Option<Vec<Logprob>>,
}

/// Log probability of a token.
#[derive(Debug, Deserialize)]
pub(in crate::openai::responses) struct Logprob {
    token: String,
    logprob: f64,
    bytes: Option<Vec<u8>>,
    top_logprobs: Option<Vec<Logprob>>,
}

impl Logprob {
    /// In the canonical form, in which those at its place have none of their own.
    pub(in crate::openai::responses) fn canonical(self) -> TokenLogprob {
        let top = self.top_logprobs.unwrap_or_default();
        TokenLogprob {
            bytes: self.bytes.filter(|bytes| bytes != self.token.as_bytes()),
            token: self.token,
            logprob: self.logprob,
            top: top
                .into_iter()
                .map(|it| {
                    Logprob {
                        top_logprobs: None,
                        ..it
                    }
                    .canonical()
                })
                .collect(),
        }
    }
}

impl OutputItem {
    /// Reads an item; `None` where it is of a kind that has no place in the canonical form, such as the calls of tools that
    /// the provider runs.
    pub(in crate::openai::responses) fn read(
        raw: &RawValue,
    ) -> Result<Option<Self>, serde_json::Error> {
        let head: Head = serde_json::from_str(raw.get())?;
        match head.r#type.as_deref() {
            Some("message" | "function_call" | "reasoning") => {
                serde_json::from_str(raw.get()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What it says of reasoning.
    pub(in crate::openai::responses) fn thinking(self) -> Option<Thinking> {
        let texts = |parts: Option<Vec<Content>>| {
            let texts: Vec<String> = parts
                .unwrap_or_default()
                .into_iter()
                .filter_map(|part| part.text)
                .collect();
            texts.join(BETWEEN_PARTS)
        };
        let summary = texts(self.summary);
        let text = if summary.is_empty() {
            texts(self.content)
        } else {
            summary
        };
        let id = self.id.unwrap_or_default();
        let signature = self
            .encrypted_content
            .filter(|encrypted| !encrypted.is_empty())
            .map(|encrypted| reasoning::read(&id, encrypted.into()));
        let redacted = signature.as_ref().is_some_and(|(_, redacted)| *redacted);
        let thinking = Thinking {
            text,
            signature: signature.map(|(signature, _)| signature),
            redacted,
        };
        (thinking != Thinking::default()).then_some(thinking)
    }

    /// The parts of a message, in order: `Ok` text with its log probabilities, `Err` a refusal.
    pub(in crate::openai::responses) fn spoken(
        self,
    ) -> impl Iterator<Item = Result<(String, Vec<TokenLogprob>), String>> {
        let spoken = |part: Content| match part.r#type.as_deref() {
            Some("output_text") => {
                let logprobs = part.logprobs.unwrap_or_default();
                let logprobs = logprobs.into_iter().map(Logprob::canonical).collect();
                Some(Ok((part.text.unwrap_or_default(), logprobs)))
            }
            Some("refusal") => Some(Err(part.refusal.unwrap_or_default())),
            _ => None,
        };
        self.content
            .unwrap_or_default()
            .into_iter()
            .filter_map(spoken)
    }
}

/// Why an answer whose status is `incomplete` ended; one that is cut off for an unknown reason counts as cut at the limit.
pub(in crate::openai::responses) fn finish_of_incomplete(reason: Option<&str>) -> Finish {
    match reason {
        Some("content_filter") => Finish::Filtered(reason.map(str::to_owned)),
        _ => Finish::Length,
    }
}

/// Reads a provider's answer.
pub(crate) fn read(body: &[u8]) -> Result<Response, Unusable> {
    json::validate(body)?;
    let unreadable = |error: serde_json::Error| Unusable::Wire(error.to_string());
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(error) = wire.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    let is_incomplete = match wire.status.as_deref() {
        None | Some("completed") => false,
        Some("incomplete") => true,
        Some(status) => {
            return Err(Unusable::Error(ProviderError {
                message: format!("the answer's status is {status}"),
                ..ProviderError::default()
            }));
        }
    };
    let mut said = Said::default();
    for raw in wire.output.ok_or(Unusable::Shape("output"))? {
        if let Some(item) = OutputItem::read(raw).map_err(unreadable)? {
            said.hear(item, is_incomplete);
        }
    }
    let reason = wire.incomplete_details.and_then(|details| details.reason);
    let finish = match said.broken.take() {
        Some(reason) => Finish::Broken(reason),
        None if is_incomplete => finish_of_incomplete(reason.as_deref()),
        None => said.finish(),
    };
    Ok(Response {
        id: wire.id,
        model: wire.model,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast to an integer saturates, and a second is as fine as it is told"
        )]
        created: wire.created_at.map(|seconds| seconds as i64),
        choices: vec![Choice {
            index: 0,
            parts: said.parts,
            finish,
            logprobs: said.logprobs,
        }],
        usage: wire.usage.and_then(|usage| usage::parse(usage.get())),
        service_tier: wire.service_tier,
    })
}

#[derive(Default)]
struct Said {
    parts: Vec<Part>,
    logprobs: Vec<TokenLogprob>,
    broken: Option<String>,
}

impl Said {
    fn hear(&mut self, item: OutputItem, is_incomplete: bool) {
        match item.r#type.as_str() {
            "function_call" => self.call(item, is_incomplete),
            "reasoning" => self.parts.extend(item.thinking().map(Part::Thinking)),
            _ => {
                for spoken in item.spoken() {
                    match spoken {
                        Ok((text, mut logprobs)) => {
                            self.logprobs.append(&mut logprobs);
                            self.parts
                                .extend((!text.is_empty()).then(|| Part::text(text)));
                        }
                        Err(refusal) => self
                            .parts
                            .extend((!refusal.is_empty()).then_some(Part::Refusal(refusal))),
                    }
                }
            }
        }
    }

    fn call(&mut self, item: OutputItem, is_incomplete: bool) {
        let name = item.name.unwrap_or_default();
        let text = item.arguments.unwrap_or_default();
        let arguments = if text.trim().is_empty() {
            Some(Json::empty_object())
        } else {
            Json::parse(&text).ok().filter(Json::is_object)
        };
        match arguments {
            Some(arguments) => self.parts.push(Part::ToolCall(ToolCall {
                id: item.call_id.or(item.id).unwrap_or_default(),
                name,
                arguments,
                cache: None,
            })),
            // A call that the limit cut off cannot be run; that it was cut off is told by the finish reason.
            None if is_incomplete => {}
            None => self.broken = Some(format!("the arguments of {name} are not a JSON object")),
        }
    }

    fn finish(&self) -> Finish {
        let any = |is: fn(&Part) -> bool| self.parts.iter().any(is);
        if any(|part| matches!(part, Part::ToolCall(_))) {
            Finish::ToolCalls
        } else if any(|part| matches!(part, Part::Refusal(_))) {
            Finish::Refused(None)
        } else {
            Finish::Stop
        }
    }
}
