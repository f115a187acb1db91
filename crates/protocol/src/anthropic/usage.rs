//! The `usage` object of Messages: input is told without what the cache gave and took. A stream tells it in pieces.

use serde::{Deserialize, Serialize};

use crate::{Usage, UsageSource};

/// What was told so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Details {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Takes over what a later object says; what it does not name stays. Anything but an object says nothing.
    pub(crate) fn merge(&mut self, raw: &str) {
        let Ok(Some(later)) = serde_json::from_str::<Option<Self>>(raw) else {
            return;
        };
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = later
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = later
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }

    /// In the neutral form, whose input includes what was read from and written to the cache; `None` where nothing was told.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let split = self.cache_creation.unwrap_or_default();
        let cache_write = self.cache_creation_input_tokens.unwrap_or_else(|| {
            let short = split.ephemeral_5m_input_tokens.unwrap_or(0);
            short.saturating_add(split.ephemeral_1h_input_tokens.unwrap_or(0))
        });
        let prompt = self
            .input_tokens
            .unwrap_or(0)
            .saturating_add(cached)
            .saturating_add(cache_write);
        let completion = self.output_tokens.unwrap_or(0);
        Some(Usage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            cached,
            cache_write,
            reasoning: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or(0),
            source: UsageSource::Provider,
        })
    }
}

/// Usage as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Written<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<WrittenDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct WrittenDetails {
    thinking_tokens: u64,
}

impl Written<'_> {
    pub(super) fn of(usage: &Usage) -> Self {
        Self {
            input_tokens: usage
                .prompt
                .saturating_sub(usage.cached)
                .saturating_sub(usage.cache_write),
            cache_creation_input_tokens: usage.cache_write,
            cache_read_input_tokens: usage.cached,
            output_tokens: usage.completion,
            output_tokens_details: (usage.reasoning > 0).then_some(WrittenDetails {
                thinking_tokens: usage.reasoning,
            }),
            service_tier: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_of_counts_says_nothing() {
        let mut counts = Counts::default();
        assert_eq!(counts.usage(), None);
        counts.merge(r#"{"input_tokens":10,"output_tokens":1}"#);
        let told = counts;
        for nothing in [
            "null",
            "[]",
            "7",
            "{}",
            r#"{"input_tokens":-1}"#,
            r#"{"input_tokens":null}"#,
        ] {
            counts.merge(nothing);
            assert_eq!(counts, told, "{nothing}");
        }
    }

    #[track_caller]
    fn check(told: &[&str], expected: [u64; 5]) {
        let mut merged = Counts::default();
        for piece in told {
            merged.merge(piece);
        }
        let usage = merged.usage().unwrap();
        let found = [
            usage.prompt,
            usage.completion,
            usage.cached,
            usage.cache_write,
            usage.reasoning,
        ];
        assert_eq!(found, expected);
        assert_eq!(usage.total, usage.prompt + usage.completion);
    }

    #[test]
    fn input_includes_what_the_cache_gave_and_took() {
        check(
            &[
                r#"{"input_tokens":10,"output_tokens":7,"cache_read_input_tokens":100,"cache_creation_input_tokens":1000,
                "cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":600},
                "output_tokens_details":{"thinking_tokens":3}}"#,
            ],
            [1110, 7, 100, 1000, 3],
        );
        check(
            &[
                r#"{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":null,
                "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6}}"#,
            ],
            [11, 2, 0, 10, 0],
        );
        assert_eq!(Counts::default().usage(), None);
    }

    #[test]
    fn pieces_replace_what_they_tell_and_keep_the_rest() {
        check(
            &[
                r#"{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":5}"#,
                r#"{"output_tokens":20}"#,
                r#"{"input_tokens":12,"output_tokens":30,"output_tokens_details":{"thinking_tokens":9}}"#,
            ],
            [17, 30, 5, 0, 9],
        );
    }

    #[test]
    fn hostile_counts_do_not_overflow() {
        let most = u64::MAX;
        let piece = format!(
            r#"{{"input_tokens":{most},"output_tokens":{most},"cache_read_input_tokens":{most}}}"#
        );
        let mut counts = Counts::default();
        counts.merge(&piece);
        assert_eq!(counts.usage().unwrap().total, most);
    }
}
