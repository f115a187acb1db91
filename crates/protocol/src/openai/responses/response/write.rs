//! Writing an answer for a client.

use crate::{
    Reply,
    canonical::{Choice, Finish, Part, Response, TokenLogprob},
    openai::responses::{
        item::{self, COMPLETED, Content, INCOMPLETE, Item, Kind, SummaryText},
        reasoning,
        response::echo::{Answer, State},
    },
};

/// Writes an answer for a client. The format has room for one; requests for more do not reach it.
pub(crate) fn write(response: &Response, reply: &Reply) -> Vec<u8> {
    let empty = Choice {
        index: 0,
        parts: Vec::new(),
        finish: Finish::Stop,
        logprobs: Vec::new(),
    };
    let choice = response.choices.first().unwrap_or(&empty);
    let mut has_refusal = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::Refusal(_)));
    let mut parts: Vec<&Part> = choice.parts.iter().collect();
    let told = match &choice.finish {
        Finish::Refused(Some(why)) if !has_refusal && !why.is_empty() => {
            Some(Part::Refusal(why.clone()))
        }
        _ => None,
    };
    has_refusal |= told.is_some();
    parts.extend(&told);
    let (status, reason) = item::status(&choice.finish, has_refusal);
    let output = items(&parts, &choice.logprobs, status, &reply.id);
    let state = State {
        status,
        reason,
        error: None,
        model: response.model.as_deref(),
        created: response.created.unwrap_or(reply.created),
        tier: response.service_tier.as_deref(),
        output: &output,
        usage: response.usage,
    };
    serde_json::to_vec(&Answer::new(reply, state)).expect("keys of our types are strings")
}

/// Texts and refusals in a row are one message. Only the last item can have been cut off.
fn items(parts: &[&Part], logprobs: &[TokenLogprob], status: &'static str, id: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut logprobs = logprobs.iter().map(item::Logprob::from).collect::<Vec<_>>();
    let mut rest = parts;
    while let Some((part, after)) = rest.split_first() {
        let index = items.len();
        let spoken = rest
            .iter()
            .take_while(|part| item::is_message(part))
            .count();
        let (taken, next) = if spoken > 0 {
            rest.split_at(spoken)
        } else {
            (std::slice::from_ref(part), after)
        };
        let status = if next.is_empty() && status == INCOMPLETE {
            INCOMPLETE
        } else {
            COMPLETED
        };
        rest = next;
        items.extend(if spoken > 0 {
            Some(Item::Message {
                id: Kind::Message.id(id, index),
                status,
                role: "assistant",
                content: contents(taken, &mut logprobs),
            })
        } else {
            single(part, status, id, index)
        });
    }
    items
}

/// The first text has all log probabilities: where one text ends among them is not known.
fn contents(parts: &[&Part], logprobs: &mut Vec<item::Logprob>) -> Vec<Content> {
    let content = |part: &&Part| match part {
        Part::Text { text, .. } => Some(Content::text(text.clone(), std::mem::take(logprobs))),
        Part::Refusal(refusal) => Some(Content::Refusal {
            refusal: refusal.clone(),
        }),
        _ => None,
    };
    parts.iter().filter_map(content).collect()
}

fn single(part: &Part, status: &'static str, id: &str, index: usize) -> Option<Item> {
    match part {
        Part::ToolCall(call) => Some(Item::FunctionCall {
            id: Kind::Call.id(id, index),
            status,
            call_id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.get().to_owned(),
        }),
        Part::Thinking(thinking) => Some(Item::Reasoning {
            id: Kind::Reasoning.id(id, index),
            status,
            summary: (!thinking.text.is_empty())
                .then(|| SummaryText {
                    text: thinking.text.clone(),
                })
                .into_iter()
                .collect(),
            encrypted_content: thinking
                .signature
                .as_ref()
                .map(|signature| reasoning::carried(signature, thinking.redacted)),
        }),
        Part::Image { media, .. } => match item::address(media) {
            Some(text) => Some(Item::Message {
                id: Kind::Message.id(id, index),
                status,
                role: "assistant",
                content: vec![Content::text(text, Vec::new())],
            }),
            None => Some(Item::ImageGenerationCall {
                id: Kind::Image.id(id, index),
                status: COMPLETED,
                result: Some(item::picture(media)?.to_owned()),
            }),
        },
        _ => None,
    }
}
