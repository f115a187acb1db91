//! The `usage` object as it is written: totals that include their details, as the neutral form has them.

use serde::Serialize;

use crate::Usage;

/// `usage`, as it is written: the SDKs require every detail.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    input_tokens: u64,
    input_tokens_details: WrittenInput,
    output_tokens: u64,
    output_tokens_details: WrittenOutput,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct WrittenInput {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct WrittenOutput {
    reasoning_tokens: u64,
}

impl From<Usage> for Written {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt,
            input_tokens_details: WrittenInput {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
            },
            output_tokens: usage.completion,
            output_tokens_details: WrittenOutput {
                reasoning_tokens: usage.reasoning,
            },
            total_tokens: usage.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{UsageSource, openai::usage};

    #[test]
    fn what_is_written_is_read_back() {
        let usage = Usage {
            prompt: 10,
            completion: 7,
            total: 17,
            cached: 4,
            cache_write: 2,
            reasoning: 3,
            source: UsageSource::Provider,
        };
        let json = serde_json::to_string(&Written::from(usage)).unwrap();
        insta::assert_snapshot!(json, @r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":17}"#);
        assert_eq!(usage::parse(&json), Some(usage));
    }
}
