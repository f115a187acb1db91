//! The `usage` object.

use serde::Deserialize;

use crate::{Usage, UsageSource};

/// Reads a `usage` object; `None` where it is null, not an object, or says nothing. `prompt_tokens` includes cached and
/// cache-written tokens and `completion_tokens` includes reasoning, so both are taken over as they are.
pub(super) fn parse(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if wire.prompt_tokens.is_none()
        && wire.completion_tokens.is_none()
        && wire.total_tokens.is_none()
    {
        return None;
    }
    let completion = wire.completion_tokens.unwrap_or(0);
    let prompt = wire
        .prompt_tokens
        .unwrap_or_else(|| wire.total_tokens.unwrap_or(0).saturating_sub(completion));
    let input = wire.prompt_tokens_details.unwrap_or_default();
    let output = wire.completion_tokens_details.unwrap_or_default();
    Some(Usage {
        prompt,
        completion,
        total: wire
            .total_tokens
            .unwrap_or(prompt.saturating_add(completion)),
        cached: input
            .cached_tokens
            .or(wire.prompt_cache_hit_tokens)
            .unwrap_or(0),
        cache_write: input.cache_write_tokens.unwrap_or(0),
        reasoning: output.reasoning_tokens.unwrap_or(0),
        source: UsageSource::Provider,
    })
}

#[derive(Deserialize)]
struct Wire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<Input>,
    completion_tokens_details: Option<Output>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Input {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Output {
    reasoning_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_and_missing_ones_are_zero() {
        let full = parse(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
                "prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":3}}"#,
        )
        .unwrap();
        assert_eq!((full.prompt, full.completion, full.total), (10, 5, 15));
        assert_eq!((full.cached, full.cache_write, full.reasoning), (4, 2, 3));
        let embeddings = parse(r#"{"prompt_tokens":8,"total_tokens":8}"#).unwrap();
        assert_eq!(
            (embeddings.prompt, embeddings.completion, embeddings.total),
            (8, 0, 8)
        );
        let deepseek =
            parse(r#"{"prompt_tokens":8,"completion_tokens":1,"prompt_cache_hit_tokens":6}"#)
                .unwrap();
        assert_eq!((deepseek.cached, deepseek.total), (6, 9));
    }

    #[test]
    fn nothing_said_is_not_zero() {
        for raw in [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens_details":null}"#,
        ] {
            assert_eq!(parse(raw), None, "{raw}");
        }
    }
}
