//! What a request is thought to use, before it is sent.

use protocol::{Endpoint, Envelope, Operation, estimate_tokens};

/// Output tokens of a request that names no limit. Where it needs more, more is counted when it has ended.
const OUTPUT_TOKENS: u64 = 1_024;

/// Tokens in and out, and images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) prompt: u64,
    pub(crate) output: u64,
    pub(crate) images: u64,
}

impl Estimate {
    /// Of the request; counting tokens uses none.
    pub(crate) fn of(endpoint: Endpoint, envelope: &Envelope<'_>) -> Self {
        let choices = envelope.choices as u64;
        let (output, images) = match endpoint.operation() {
            Operation::Count(_) => return Self::default(),
            Operation::Generate(_) | Operation::Complete => {
                let each = envelope.max_output.unwrap_or(OUTPUT_TOKENS);
                (each.saturating_mul(choices), 0)
            }
            Operation::Forward if endpoint.makes_images() => (0, choices),
            _ => (0, 0),
        };
        Self {
            prompt: estimate_tokens(envelope.prompt_bytes),
            output,
            images,
        }
    }

    /// In and out.
    pub(crate) fn tokens(self) -> u64 {
        self.prompt.saturating_add(self.output)
    }
}
