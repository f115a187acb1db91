//! Whole answers.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use crate::canonical::{Finish, Json};

/// What a provider's `finish_reason` says. A server that tells of the stop text (vLLM's `stop_reason`) has it kept.
pub(super) fn finish(
    reason: Option<&str>,
    stop_text: Option<String>,
    has_calls: bool,
    has_refusal: bool,
) -> Finish {
    match reason.unwrap_or_default() {
        "length" => Finish::Length,
        "model_length" => Finish::ContextLength,
        "content_filter" => Finish::Filtered(Some("content_filter".to_owned())),
        "tool_calls" | "function_call" => Finish::ToolCalls,
        broken @ ("error" | "insufficient_system_resource") => Finish::Broken(broken.to_owned()),
        // Some servers say `stop` although they sent calls.
        _ if has_calls => Finish::ToolCalls,
        _ if has_refusal => Finish::Refused(None),
        _ if stop_text.is_some() => Finish::StopSequence(stop_text),
        _ => Finish::Stop,
    }
}

/// The `finish_reason` for a client. One that declined says so by its `refusal`, and stops.
pub(super) fn finish_reason(finish: &Finish, has_refusal: bool) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Paused => "stop",
        Finish::Length | Finish::ContextLength => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refused(_) if has_refusal => "stop",
        Finish::Filtered(_) | Finish::Refused(_) | Finish::Broken(_) => "content_filter",
    }
}

/// The object that the text of a call's arguments holds; none at all are none.
pub(super) fn arguments(text: &str) -> Option<Json> {
    if text.trim().is_empty() {
        return Some(Json::empty_object());
    }
    Json::parse(text).ok().filter(Json::is_object)
}

/// The id of a call that its server gave none: unique as the answer's own id is.
pub(super) fn call_id(answer: &str, index: usize) -> String {
    format!("call_{index}_{answer}")
}

/// The id of an answer: the provider's where it looks like one of Chat Completions', else one made of the gateway's own.
pub(super) fn id(told: Option<&str>, own: &str) -> String {
    match told {
        Some(id) if id.starts_with("chatcmpl") => id.to_owned(),
        _ => format!("chatcmpl-{own}"),
    }
}

#[cfg(test)]
pub(super) mod tests;
