//! Which features a request uses.

use super::Feature;
use crate::{
    Format,
    canonical::{
        Family, Media, Message, Output, Part, Request, Role, Source, Tool, ToolChoice, ToolResult,
    },
};

/// Calls `found` with each feature that `request` uses and that is not carried everywhere alike, and with the field that
/// asks for it, where the feature's own name would not tell. A feature may be found more than once.
pub(super) fn present<'a>(
    request: &'a Request,
    to: Format,
    mut found: impl FnMut(Feature, Option<&'a str>),
) {
    for extra in &request.extras {
        found(extra.feature, Some(&extra.param));
    }
    let mut plain = |feature| found(feature, None);
    conversation(&request.messages, to, &mut plain);
    tools(request, &mut plain);
    let output = match request.output {
        Output::Text => None,
        Output::JsonObject => Some(Feature::JsonObject),
        Output::JsonSchema(_) => Some(Feature::JsonSchema),
    };
    output.into_iter().for_each(&mut plain);
    let reasoning = &request.reasoning;
    let used = [
        (request.max_tokens.is_some(), Feature::MaxTokens),
        (!request.stop.is_empty(), Feature::Stop),
        (request.temperature.is_some(), Feature::Temperature),
        (request.top_p.is_some(), Feature::TopP),
        (request.top_k.is_some(), Feature::TopK),
        (request.presence_penalty.is_some(), Feature::PresencePenalty),
        (
            request.frequency_penalty.is_some(),
            Feature::FrequencyPenalty,
        ),
        (request.seed.is_some(), Feature::Seed),
        (
            request.choices.is_some_and(|choices| choices != 1),
            Feature::Choices,
        ),
        (request.logprobs.is_some(), Feature::Logprobs),
        (request.verbosity.is_some(), Feature::Verbosity),
        (reasoning.effort.is_some(), Feature::Effort),
        (reasoning.mode.is_some(), Feature::ReasoningBudget),
        (reasoning.summary.is_some(), Feature::ReasoningSummary),
        (request.user.is_some(), Feature::User),
        (!request.metadata.is_empty(), Feature::Metadata),
        (request.service_tier.is_some(), Feature::ServiceTier),
        (request.cache_key.is_some(), Feature::CacheKey),
    ];
    for (_, feature) in used.into_iter().filter(|(is_used, _)| *is_used) {
        plain(feature);
    }
}

fn conversation(messages: &[Message], to: Format, found: &mut impl FnMut(Feature)) {
    let first_turn = messages
        .iter()
        .position(|message| !matches!(message.role, Role::System | Role::Developer));
    for (index, message) in messages.iter().enumerate() {
        match message.role {
            Role::System | Role::Developer if first_turn.is_some_and(|first| index > first) => {
                found(Feature::LateSystem);
            }
            Role::System => found(Feature::System),
            Role::Developer => found(Feature::Developer),
            _ => {}
        }
        if message.name.is_some() {
            found(Feature::SpeakerName);
        }
        for it in &message.parts {
            part(it, to, found);
        }
    }
    if messages
        .last()
        .is_some_and(|message| message.role == Role::Assistant)
    {
        found(Feature::Prefill);
    }
}

fn part(part: &Part, to: Format, found: &mut impl FnMut(Feature)) {
    let cache = match part {
        Part::Text { cache, .. } => cache,
        Part::Image {
            media,
            detail,
            cache,
        } => {
            if detail.is_some() {
                found(Feature::ImageDetail);
            }
            found(match media.source {
                Source::Url(_) => Feature::ImageUrl,
                Source::FileId(_) => Feature::FileId,
                Source::Inline(_) | Source::Text(_) => Feature::ImageInline,
            });
            cache
        }
        Part::File { media, cache, .. } => {
            found(file(media));
            cache
        }
        Part::Audio(_) => return found(Feature::Audio),
        Part::ToolCall(call) => &call.cache,
        Part::ToolResult(result) => {
            tool_result(result, to, found);
            &result.cache
        }
        Part::Thinking(thinking) => {
            let own = match to {
                Format::Chat => None,
                Format::Responses => Some(Family::OpenAi),
                Format::Messages => Some(Family::Anthropic),
                Format::Gemini => Some(Family::Gemini),
            };
            let family = thinking
                .signature
                .as_ref()
                .map(|signature| signature.family);
            return found(if family.is_some() && family == own {
                Feature::OwnThinking
            } else {
                Feature::ForeignThinking
            });
        }
        Part::Refusal(_) => return,
    };
    if cache.is_some() {
        found(Feature::CacheControl);
    }
}

fn file(media: &Media) -> Feature {
    match media.source {
        Source::Inline(_) => Feature::FileInline,
        Source::Url(_) => Feature::FileUrl,
        Source::FileId(_) => Feature::FileId,
        Source::Text(_) => Feature::FileText,
    }
}

fn tool_result(result: &ToolResult, to: Format, found: &mut impl FnMut(Feature)) {
    if result.is_error {
        found(Feature::ToolError);
    }
    for it in &result.content {
        if matches!(it, Part::Image { .. }) {
            found(Feature::ToolImage);
        }
        part(it, to, found);
    }
}

fn tools(request: &Request, found: &mut impl FnMut(Feature)) {
    for Tool { strict, cache, .. } in &request.tools {
        if strict.is_some() {
            found(Feature::ToolStrict);
        }
        if cache.is_some() {
            found(Feature::CacheControl);
        }
    }
    match &request.tool_choice {
        Some(ToolChoice::Allowed(..)) => found(Feature::ToolChoiceAllowed),
        Some(_) => found(Feature::ToolChoice),
        None => {}
    }
    if request.parallel_tool_calls == Some(false) {
        found(Feature::OneToolCall);
    }
}
