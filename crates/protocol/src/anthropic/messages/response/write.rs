//! Writing an answer for a client.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    Reply, Usage,
    anthropic::usage::Written,
    canonical::{
        Choice, Family, Finish, Json, Media, Part, Reasoning, ReasoningMode, Response, Signature,
        Source,
    },
    estimate_tokens,
};

#[derive(Serialize)]
struct Message<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    stop: Stop<'a>,
    usage: Written<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Thinking {
        thinking: &'a str,
        signature: Cow<'a, str>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a Json,
    },
}

/// Why an answer ended, as it is written.
#[derive(Debug, Serialize)]
pub(in crate::anthropic::messages) struct Stop<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<StopDetails<'a>>,
}

#[derive(Debug, Serialize)]
struct StopDetails<'a> {
    r#type: &'static str,
    category: Option<&'static str>,
    explanation: Option<&'a str>,
}

impl<'a> Stop<'a> {
    /// What `finish` means for an answer that calls tools, or not, and declines, or not: some formats tell neither by
    /// their reason.
    pub(in crate::anthropic::messages) fn of(
        finish: &'a Finish,
        calls: bool,
        declines: bool,
    ) -> Self {
        let plain = |stop_reason| Self {
            stop_reason,
            stop_sequence: None,
            stop_details: None,
        };
        let refusal = |explanation| Self {
            stop_details: Some(StopDetails {
                r#type: "refusal",
                category: None,
                explanation,
            }),
            ..plain("refusal")
        };
        match finish {
            Finish::Filtered(why) | Finish::Refused(why) => refusal(why.as_deref()),
            Finish::Stop | Finish::ToolCalls if calls => plain("tool_use"),
            Finish::Stop | Finish::ToolCalls if declines => refusal(None),
            Finish::Stop | Finish::ToolCalls | Finish::Broken(_) => plain("end_turn"),
            Finish::StopSequence(sequence) => Self {
                stop_sequence: sequence.as_deref(),
                ..plain("stop_sequence")
            },
            Finish::Length => plain("max_tokens"),
            Finish::ContextLength => plain("model_context_window_exceeded"),
            Finish::Paused => plain("pause_turn"),
        }
    }
}

/// Writes an answer for a client: the first one, for the format has no more.
pub(crate) fn write(response: &Response, reply: &Reply) -> Vec<u8> {
    let choice = response.choices.first();
    let parts: &[Part] = choice.map_or(&[], |choice| &choice.parts);
    let has = |wanted: fn(&Part) -> bool| parts.iter().any(wanted);
    let stop = Stop::of(
        choice.map_or(&Finish::Stop, |Choice { finish, .. }| finish),
        has(|part| matches!(part, Part::ToolCall(_))),
        has(|part| matches!(part, Part::Refusal(_))),
    );
    let told = response.usage.unwrap_or_else(|| {
        Usage::of_estimates(reply.prompt_tokens, estimate_tokens(response.text_bytes()))
    });
    let mut usage = Written::of(&told);
    // The SDKs know no other class.
    usage.service_tier = response
        .service_tier
        .as_deref()
        .filter(|tier| matches!(*tier, "standard" | "priority" | "batch"));
    let message = Message {
        id: id(response.id.as_deref(), reply),
        r#type: "message",
        role: "assistant",
        model: response.model.as_deref().unwrap_or(&reply.model),
        content: content(parts, reply),
        stop,
        usage,
    };
    serde_json::to_vec(&message).expect("keys of our types are strings")
}

/// The provider's id where it has the format's form, else one of ours.
pub(in crate::anthropic::messages) fn id<'a>(
    provider: Option<&'a str>,
    reply: &Reply,
) -> Cow<'a, str> {
    match provider {
        Some(id) if id.starts_with("msg_") => Cow::Borrowed(id),
        _ => Cow::Owned(format!("msg_{}", reply.id)),
    }
}

/// The blocks. A turn that calls tools has a block of reasoning where reasoning was asked for: without one Anthropic's models
/// refuse the turn when it comes back to them, and the gateway could not tell it from one of theirs.
fn content<'a>(parts: &'a [Part], reply: &Reply) -> Vec<Block<'a>> {
    let has = |wanted: fn(&Part) -> bool| parts.iter().any(wanted);
    let lacks = has(|part| matches!(part, Part::ToolCall(_)))
        && !has(|part| matches!(part, Part::Thinking(_)))
        && reasons(&reply.request.reasoning);
    let mark = lacks.then(|| Block::RedactedThinking {
        data: Cow::Owned(Signature::NONE.carried()),
    });
    mark.into_iter()
        .chain(parts.iter().filter_map(block))
        .collect()
}

/// Whether reasoning was asked for.
pub(in crate::anthropic::messages) fn reasons(reasoning: &Reasoning) -> bool {
    reasoning
        .mode
        .is_some_and(|mode| mode != ReasoningMode::Off)
}

fn block(part: &Part) -> Option<Block<'_>> {
    Some(match part {
        Part::Text { text, .. } | Part::Refusal(text) => Block::Text {
            text: Cow::Borrowed(text),
        },
        Part::Image { media, .. } => Block::Text {
            text: Cow::Owned(picture(media)?),
        },
        Part::ToolCall(call) => Block::ToolUse {
            id: &call.id,
            name: &call.name,
            input: &call.arguments,
        },
        Part::Thinking(thinking) => match &thinking.signature {
            // Clients send such a block back as it is, so a foreign signature finds its maker again.
            Some(signature)
                if thinking.redacted
                    || thinking.text.is_empty() && signature.family != Family::Anthropic =>
            {
                Block::RedactedThinking {
                    data: signature.write(Family::Anthropic),
                }
            }
            signature => Block::Thinking {
                thinking: &thinking.text,
                signature: signature.as_ref().map_or_else(
                    || Cow::Owned(Signature::NONE.carried()),
                    |signature| signature.write(Family::Anthropic),
                ),
            },
        },
        Part::File { .. } | Part::Audio(_) | Part::ToolResult(_) => return None,
    })
}

/// A picture that the model made, in Markdown: the format lets the assistant say text only.
pub(in crate::anthropic::messages) fn picture(media: &Media) -> Option<String> {
    let kind = media.media_type.as_deref().unwrap_or("image/png");
    match &media.source {
        Source::Inline(data) => Some(format!("![image](data:{kind};base64,{data})")),
        Source::Url(url) => Some(format!("![image]({url})")),
        Source::FileId(_) | Source::Text(_) => None,
    }
}
