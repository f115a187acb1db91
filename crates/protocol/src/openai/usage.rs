//! The `usage` object.

use serde::{Deserialize, Serialize};

use crate::{
    Usage, UsageSource,
    json::{
        Kind, Scanner,
        walk::{self, Walk},
    },
};

/// Reads a `usage` object in the words of Chat Completions or in those of Responses; `None` where it is null, not an
/// object, or says nothing. Input includes cached and cache-written tokens and output includes reasoning, so both are taken
/// over as they are.
pub(crate) fn parse(raw: &str) -> Option<Usage> {
    let mut scanner = Scanner::of(raw);
    let usage = read(&mut scanner).ok()?;
    scanner.end().ok()?;
    usage
}

/// [`parse`], of the value that comes next.
pub(crate) fn read(scanner: &mut Scanner<'_>) -> Walk<Option<Usage>> {
    let mut said = Said::default();
    walk::object(scanner, |name, scanner| said.member(name, scanner))?;
    Ok(said.usage())
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

/// What it says, by either name.
#[derive(Default)]
struct Said {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    /// DeepSeek's name for cached tokens.
    cache_hit: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    /// Something that is to be a number, or to hold some, is neither that nor null: then none of it is believed.
    is_wrong: bool,
}

impl Said {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walk<()> {
        match name {
            "prompt_tokens" => self.input = self.number(scanner)?.or(self.input),
            "input_tokens" => self.input = self.input.or(self.number(scanner)?),
            "completion_tokens" => self.output = self.number(scanner)?.or(self.output),
            "output_tokens" => self.output = self.output.or(self.number(scanner)?),
            "total_tokens" => self.total = self.number(scanner)?,
            "prompt_cache_hit_tokens" => self.cache_hit = self.number(scanner)?,
            "prompt_tokens_details" | "input_tokens_details" => {
                self.details(scanner, |said, name, scanner| {
                    match name {
                        "cached_tokens" => said.cached = said.number(scanner)?,
                        "cache_write_tokens" => said.cache_write = said.number(scanner)?,
                        _ => {
                            scanner.value()?;
                        }
                    }
                    Ok(())
                })?;
            }
            "completion_tokens_details" | "output_tokens_details" => {
                self.details(scanner, |said, name, scanner| {
                    match name {
                        "reasoning_tokens" => said.reasoning = said.number(scanner)?,
                        _ => {
                            scanner.value()?;
                        }
                    }
                    Ok(())
                })?;
            }
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    }

    fn number(&mut self, scanner: &mut Scanner<'_>) -> Walk<Option<u64>> {
        let value = scanner.value()?;
        let number = match value.kind {
            Kind::Number => value.raw().parse().ok(),
            _ => None,
        };
        self.is_wrong |= number.is_none() && !value.is_null();
        Ok(number)
    }

    fn details(
        &mut self,
        scanner: &mut Scanner<'_>,
        mut member: impl FnMut(&mut Self, &str, &mut Scanner<'_>) -> Walk<()>,
    ) -> Walk<()> {
        let kind = scanner.peek()?;
        self.is_wrong |= !matches!(kind, Kind::Object | Kind::Null);
        walk::object(scanner, |name, scanner| member(self, name, scanner))?;
        Ok(())
    }

    fn usage(self) -> Option<Usage> {
        let says_nothing = self.input.is_none() && self.output.is_none() && self.total.is_none();
        if says_nothing || self.is_wrong {
            return None;
        }
        let completion = self.output.unwrap_or(0);
        let rest = || self.total.unwrap_or(0).saturating_sub(completion);
        let prompt = self.input.unwrap_or_else(rest);
        Some(Usage {
            prompt,
            completion,
            total: self.total.unwrap_or(prompt.saturating_add(completion)),
            cached: self.cached.or(self.cache_hit).unwrap_or(0),
            cache_write: self.cache_write.unwrap_or(0),
            reasoning: self.reasoning.unwrap_or(0),
            source: UsageSource::Provider,
        })
    }
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
    fn what_is_null_or_unknown_is_passed_over() {
        let usage = parse(
            r#" {"prompt_tokens":null,"input_tokens":3,"cost":{"usd":[1e-3]},"completion_tokens":2,
                "output_tokens":null,"prompt_tokens_details":null,"completion_tokens_details":{"x":"y"}}"#,
        )
        .unwrap();
        assert_eq!((usage.prompt, usage.completion, usage.total), (3, 2, 5));
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
            r#"{"prompt_tokens":1,"completion_tokens":1.5}"#,
            r#"{"prompt_tokens":1,"completion_tokens":"2"}"#,
            r#"{"prompt_tokens":1,"prompt_tokens_details":7}"#,
            r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":[]}}"#,
            r#"{"prompt_tokens":18446744073709551616}"#,
            r#"{"prompt_tokens":1} {}"#,
            r#"{"prompt_tokens":1"#,
        ] {
            assert_eq!(parse(raw), None, "{raw}");
        }
    }
}
