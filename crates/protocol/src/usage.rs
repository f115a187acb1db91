//! Token counts, in one neutral form: input includes cached and cache-written tokens, output includes reasoning.

/// Who counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider.
    Provider,
    /// Guessed from the length of the text, because the provider told nothing.
    Estimated,
}

/// Tokens that one attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Input in total.
    pub prompt: u64,
    /// Output in total.
    pub completion: u64,
    /// As the provider totals them.
    pub total: u64,
    /// Input read from the provider's cache.
    pub cached: u64,
    /// Input written to the provider's cache.
    pub cache_write: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
    /// Who counted.
    pub source: UsageSource,
}

/// What one attempt made or heard besides tokens, where its answer tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Media {
    /// Images made.
    pub images: Option<u64>,
    /// Milliseconds of sound.
    pub millis: Option<u64>,
}

impl Usage {
    /// A guess from the bytes of text that went in and came out.
    #[must_use]
    pub fn estimated(prompt_bytes: usize, completion_bytes: usize) -> Self {
        Self::of_estimates(
            estimate_tokens(prompt_bytes),
            estimate_tokens(completion_bytes),
        )
    }

    /// A guess from the guesses of what went in and what came out, in tokens.
    pub(crate) fn of_estimates(prompt: u64, completion: u64) -> Self {
        Self {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            cached: 0,
            cache_write: 0,
            reasoning: 0,
            source: UsageSource::Estimated,
        }
    }

    /// The same, but for an output that is guessed to be greater than was told.
    pub(crate) fn with_estimated_output(self, completion: u64) -> Self {
        if completion <= self.completion {
            return self;
        }
        Self {
            completion,
            total: self.prompt.saturating_add(completion),
            source: UsageSource::Estimated,
            ..self
        }
    }
}

/// Tokens in `bytes` of UTF-8 text: four bytes each, the mean of English prose with the common vocabularies.
#[must_use]
pub fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}
