//! Reading an answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    ProviderError, Unusable,
    canonical::{Choice, Finish, Json, Part, Response, ToolCall},
    gemini::{
        generate::{
            finish, logprobs,
            part::{PartIn, Parts, media_part},
            stream::Ids,
        },
        usage,
    },
    json,
    lent::Lent,
};

/// An answer, or one event of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct Wire<'a> {
    #[serde(borrow)]
    pub(in crate::gemini::generate) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) model_version: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) response_id: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) error: Option<&'a RawValue>,
}

/// One of the answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct Candidate<'a> {
    pub(in crate::gemini::generate) index: Option<u32>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) finish_reason: Option<Lent<'a>>,
    #[serde(borrow)]
    pub(in crate::gemini::generate) logprobs_result: Option<&'a RawValue>,
}

/// What it says.
#[derive(Deserialize)]
pub(in crate::gemini::generate) struct Content<'a> {
    #[serde(borrow)]
    pub(in crate::gemini::generate) parts: Option<Vec<PartIn<'a>>>,
}

/// What the provider holds of the prompt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gemini::generate) struct Feedback<'a> {
    #[serde(borrow)]
    pub(in crate::gemini::generate) block_reason: Option<Lent<'a>>,
}

impl<'a> Wire<'a> {
    /// Why the prompt was not answered, if so.
    pub(in crate::gemini::generate) fn blocked(&self) -> Option<Finish> {
        let Lent(reason) = self.prompt_feedback.as_ref()?.block_reason.as_ref()?;
        Some(Finish::Filtered(Some(reason.to_string())))
    }

    /// The answers, each with its place.
    pub(in crate::gemini::generate) fn placed(
        candidates: Vec<Candidate<'a>>,
    ) -> impl Iterator<Item = (u32, Candidate<'a>)> {
        (0_u32..)
            .zip(candidates)
            .map(|(place, candidate)| (candidate.index.unwrap_or(place), candidate))
    }
}

/// Reads a provider's answer.
pub(crate) fn read(body: &[u8]) -> Result<Response, Unusable> {
    if json::validate(body)? == json::Kind::Array
        && let Some(error) = ProviderError::of_body(body)
    {
        return Err(Unusable::Error(error));
    }
    let mut wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    if let Some(error) = wire.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    let candidates = wire.candidates.take().unwrap_or_default();
    let mut ids = Ids::new(wire.response_id.as_ref().map(|Lent(id)| id.as_ref()), body);
    let mut choices: Vec<Choice> = Wire::placed(candidates)
        .map(|(index, candidate)| choice(index, candidate, &mut ids))
        .collect();
    choices.sort_by_key(|choice| choice.index);
    if choices.is_empty() {
        choices.push(Choice {
            index: 0,
            parts: Vec::new(),
            finish: wire.blocked().ok_or(Unusable::Shape("candidates"))?,
            logprobs: Vec::new(),
        });
    }
    Ok(Response {
        id: wire.response_id.map(|Lent(id)| id.into_owned()),
        model: wire.model_version.map(|Lent(model)| model.into_owned()),
        created: None,
        choices,
        usage: wire.usage_metadata.and_then(|raw| usage::parse(raw.get())),
        service_tier: None,
    })
}

fn choice(index: u32, candidate: Candidate<'_>, ids: &mut Ids) -> Choice {
    let mut parts = Parts::default();
    let list = candidate.content.and_then(|content| content.parts);
    for part in list.unwrap_or_default() {
        add(part, &mut parts, ids);
    }
    let parts = parts.into_vec();
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let word = candidate.finish_reason.as_ref();
    Choice {
        index,
        parts,
        finish: finish::read(word.map_or("", |Lent(word)| word), has_calls),
        logprobs: candidate
            .logprobs_result
            .map(|raw| logprobs::read(raw.get()))
            .unwrap_or_default(),
    }
}

fn add(part: PartIn<'_>, parts: &mut Parts, ids: &mut Ids) {
    let signature = part.signature();
    if let Some(media) = part.media() {
        return parts.push(media_part(media, None), signature);
    }
    if let Some(call) = part.function_call {
        let Some(Lent(name)) = call.name else {
            return;
        };
        let arguments = call.args.map_or_else(Json::empty_object, Json::of);
        let call = ToolCall {
            id: call
                .id
                .map_or_else(|| ids.next(), |Lent(id)| id.into_owned()),
            name: name.into_owned(),
            arguments: if arguments.is_object() {
                arguments
            } else {
                Json::empty_object()
            },
            cache: None,
        };
        return parts.push(Part::ToolCall(call), signature);
    }
    let text = part.text.map(|Lent(text)| text).unwrap_or_default();
    if part.thought == Some(true) {
        parts.thought(&text, signature);
    } else {
        parts.text(&text, signature);
    }
}
