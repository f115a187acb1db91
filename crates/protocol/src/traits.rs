//! What a provider model takes where models of one format differ.

mod anthropic;

use crate::Format;

/// How a model is told to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThinkingStyle {
    /// Not at all.
    None,
    /// By an effort (OpenAI's `reasoning_effort`, `reasoning.effort`).
    Effort,
    /// By a budget of tokens (Anthropic up to 4.6, Gemini 2.5).
    Budget,
    /// By itself, with an effort (Anthropic from 4.7 on).
    Adaptive,
    /// By a level (Gemini 3).
    Level,
}

/// What a provider model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// Sent where the format requires a limit and the client named none.
    pub max_tokens: u64,
    /// How it is told to reason.
    pub thinking: ThinkingStyle,
    /// Whether it always reasons: then it cannot be told not to, nor be made to call a tool.
    pub always_thinks: bool,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    pub sampling: bool,
    /// Whether it goes on from a turn of the assistant's.
    pub prefill: bool,
    /// Whether it fetches images and files by URL itself.
    pub urls: bool,
}

impl Traits {
    /// What the vendor documents of `provider_model`, as known from its name; for unknown names what most models take.
    /// Providers' configuration overrides it.
    #[must_use]
    pub fn of(format: Format, provider_model: &str) -> Self {
        match format {
            Format::Chat | Format::Responses => Self::openai(),
            Format::Messages => Self::anthropic(provider_model),
            Format::Gemini => Self::gemini(provider_model),
        }
    }
}

impl Traits {
    fn openai() -> Self {
        Self {
            max_tokens: 0,
            thinking: ThinkingStyle::Effort,
            always_thinks: false,
            sampling: true,
            prefill: true,
            urls: true,
        }
    }

    fn anthropic(provider_model: &str) -> Self {
        anthropic::traits(provider_model)
    }

    fn gemini(provider_model: &str) -> Self {
        Self {
            max_tokens: 0,
            thinking: gemini_thinking(provider_model),
            always_thinks: false,
            sampling: true,
            prefill: true,
            urls: true,
        }
    }
}

/// Gemini 3 reasons by levels and 2.5 by budgets; what came before does not reason. Names without a version (`latest`,
/// fine-tuned models) are taken for 2.5, which newer models understand too.
fn gemini_thinking(provider_model: &str) -> ThinkingStyle {
    match gemini_version(provider_model) {
        Some((3.., _)) => ThinkingStyle::Level,
        Some((2, 5..)) | None => ThinkingStyle::Budget,
        Some(_) => ThinkingStyle::None,
    }
}

/// The version that the name of a Gemini model tells, major and minor.
pub(crate) fn gemini_version(provider_model: &str) -> Option<(u32, u32)> {
    let name = provider_model.rsplit('/').next()?;
    let (_, version) = name.split_once("gemini-")?;
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    let version = version.get(..end.unwrap_or(version.len()))?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    Some((major.parse().ok()?, minor.parse().unwrap_or(0)))
}

#[cfg(test)]
mod gemini_tests {
    use super::*;

    #[test]
    fn a_gemini_model_is_told_to_reason_as_its_generation_takes_it() {
        for (model, thinking) in [
            ("gemini-3-pro-preview", ThinkingStyle::Level),
            ("gemini-3.1-flash", ThinkingStyle::Level),
            ("models/gemini-3-flash", ThinkingStyle::Level),
            (
                "publishers/google/models/gemini-10-pro",
                ThinkingStyle::Level,
            ),
            ("google/gemini-2.5-pro", ThinkingStyle::Budget),
            (
                "gemini-2.5-flash-lite-preview-09-2025",
                ThinkingStyle::Budget,
            ),
            ("gemini-2.0-flash-001", ThinkingStyle::None),
            ("models/gemini-1.5-pro", ThinkingStyle::None),
            ("gemini-flash-latest", ThinkingStyle::Budget),
            ("tunedModels/own-123", ThinkingStyle::Budget),
            ("", ThinkingStyle::Budget),
        ] {
            assert_eq!(
                Traits::of(Format::Gemini, model).thinking,
                thinking,
                "{model}"
            );
        }
    }
}
