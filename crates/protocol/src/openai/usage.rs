//! The `usage` object.

use serde::{Deserialize, Serialize};

use crate::{Usage, UsageSource};

/// Reads a `usage` object in the words of Chat Completions or in those of Responses; `None` where it is null, not an
/// object, or says nothing. Input includes cached and cache-written tokens and output includes reasoning, so both are taken
/// over as they are.
pub(crate) fn parse(raw: &str) -> Option<Usage> {
    if raw == "null" {
        return None;
    }
    let wire: Wire = serde_json::from_str(raw).ok()?;
    let (input, output) = (
        wire.prompt_tokens.or(wire.input_tokens),
        wire.completion_tokens.or(wire.output_tokens),
    );
    if input.is_none() && output.is_none() && wire.total_tokens.is_none() {
        return None;
    }
    let completion = output.unwrap_or(0);
    let prompt = input.unwrap_or_else(|| wire.total_tokens.unwrap_or(0).saturating_sub(completion));
    let input = wire
        .prompt_tokens_details
        .or(wire.input_tokens_details)
        .unwrap_or_default();
    let output = wire
        .completion_tokens_details
        .or(wire.output_tokens_details)
        .unwrap_or_default();
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

/// Seconds of sound, where these are what is billed.
pub(crate) fn seconds(raw: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Seconds {
        #[serde(rename = "type")]
        kind: Option<String>,
        seconds: Option<f64>,
    }
    let told: Seconds = serde_json::from_str(raw).ok()?;
    told.seconds
        .filter(|_| told.kind.as_deref() == Some("duration"))
}

#[derive(Deserialize)]
struct Wire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<Input>,
    completion_tokens_details: Option<Output>,
    input_tokens_details: Option<Input>,
    output_tokens_details: Option<Output>,
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

/// A `usage` object, as Chat Completions writes it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: ToldInput,
    completion_tokens_details: ToldOutput,
}

#[derive(Debug, Serialize)]
struct ToldInput {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct ToldOutput {
    reasoning_tokens: u64,
}

impl Told {
    /// How `usage` is written.
    pub(super) fn of(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.total,
            prompt_tokens_details: ToldInput {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
            },
            completion_tokens_details: ToldOutput {
                reasoning_tokens: usage.reasoning,
            },
        }
    }
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
        let responses = parse(
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},
                "output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":15}"#,
        )
        .unwrap();
        assert_eq!(
            (responses.prompt, responses.completion, responses.total),
            (10, 5, 15)
        );
        assert_eq!(
            (responses.cached, responses.cache_write, responses.reasoning),
            (4, 1, 3)
        );
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
