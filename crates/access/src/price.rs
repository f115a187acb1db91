//! What a provider charges for a model, and what an attempt costs by it.

mod list;
mod table;

#[cfg(test)]
mod tests;

pub use list::{ListPrice, list_prices};
pub use table::{PriceError, PriceTable};

use protocol::{Media, Usage};

/// Prices of tokens are per so many of them.
const TOKENS: i128 = 1_000_000;
/// Milliseconds of a second.
const MILLIS: i128 = 1_000;

/// What a provider charges for a model: nano-USD, of tokens per million. What is `None` is not priced, which is not the
/// same as free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Input tokens.
    pub input: Option<i64>,
    /// Output tokens.
    pub output: Option<i64>,
    /// Input tokens read from the provider's cache; as `input` where it is not given.
    pub cache_read: Option<i64>,
    /// Input tokens written to the provider's cache; as `input` where it is not given.
    pub cache_write: Option<i64>,
    /// Output tokens spent on reasoning; as `output` where it is not given.
    pub reasoning: Option<i64>,
    /// Each request, whatever it uses.
    pub per_request: Option<i64>,
    /// Each image.
    pub per_image: Option<i64>,
    /// Each second of sound or video.
    pub per_second: Option<i64>,
}

impl Price {
    /// What an attempt costs that used `usage` and made `media`, in nano-USD: exact, rounded once, half to even. `None` where a part of
    /// what it used has no price, since the sum over the rest would be less than what is owed.
    ///
    /// Each token is charged once: the cached and the written ones are part of the input, reasoning is part of the output.
    #[must_use]
    pub fn cost(&self, usage: Option<&Usage>, media: Media) -> Option<i64> {
        let by_token = usage.filter(|_| self.is_by_token());
        let others = [self.per_request, self.per_image, self.per_second];
        if by_token.is_none() && others.into_iter().flatten().next().is_none() {
            return None;
        }
        let tokens = by_token.map_or(Some(0), |usage| self.of_tokens(usage))?;
        let request = i128::from(self.per_request.unwrap_or(0)) * TOKENS;
        let images = counted(self.per_image, media.images)?.saturating_mul(TOKENS);
        let sound = counted(self.per_second, media.millis)?.saturating_mul(TOKENS / MILLIS);
        let total = [request, images, sound]
            .into_iter()
            .fold(tokens, i128::saturating_add);
        let cost = half_even(total.max(0), TOKENS);
        Some(i64::try_from(cost).unwrap_or(i64::MAX))
    }

    /// The most that a request costs, in nano-USD, which uses so many input and output tokens and makes so many images: every
    /// token at the dearest of its prices. Seconds are not known before. `None` where nothing is priced.
    #[must_use]
    pub fn at_most(&self, input: u64, output: u64, images: u64) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        let dearest = |amounts: &[Option<i64>]| {
            let dearest = amounts.iter().flatten().max();
            i128::from(dearest.copied().unwrap_or(0).max(0))
        };
        let parts = [
            (
                input,
                dearest(&[self.input, self.cache_read, self.cache_write]),
            ),
            (output, dearest(&[self.output, self.reasoning])),
            (1, dearest(&[self.per_request]) * TOKENS),
            (images, dearest(&[self.per_image]) * TOKENS),
        ];
        let total = parts.into_iter().fold(0_i128, |sum, (count, amount)| {
            sum.saturating_add(i128::from(count).saturating_mul(amount))
        });
        let cost = total.saturating_add(TOKENS - 1) / TOKENS;
        Some(i64::try_from(cost).unwrap_or(i64::MAX))
    }

    /// One number to compare prices by, in nano-USD per million tokens: three parts of input to one of output, which is
    /// near what chats use. Of input alone where output is not priced, as for embeddings. `None` where input is not
    /// priced, or where requests, images or seconds are charged: how many tokens these stand for is not known.
    #[must_use]
    pub fn expected(&self) -> Option<u64> {
        let others = [self.per_request, self.per_image, self.per_second];
        if others.into_iter().flatten().any(|amount| amount > 0) {
            return None;
        }
        let input = i128::from(self.input?);
        let blend = self
            .output
            .map_or(input, |output| half_even(3 * input + i128::from(output), 4));
        u64::try_from(blend).ok()
    }

    /// Whether nothing is priced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every amount, with the name of its column.
    #[must_use]
    pub fn amounts(&self) -> [(&'static str, Option<i64>); 8] {
        [
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("reasoning", self.reasoning),
            ("per_request", self.per_request),
            ("per_image", self.per_image),
            ("per_second", self.per_second),
        ]
    }

    fn is_by_token(&self) -> bool {
        self.amounts()[..5]
            .iter()
            .any(|(_, amount)| amount.is_some())
    }

    /// Millionths of nano-USD. Counts that contradict each other are cut to their totals.
    fn of_tokens(&self, usage: &Usage) -> Option<i128> {
        let cached = usage.cached.min(usage.prompt);
        let written = usage.cache_write.min(usage.prompt - cached);
        let reasoning = usage.reasoning.min(usage.completion);
        let parts = [
            (usage.prompt - cached - written, self.input),
            (cached, self.cache_read.or(self.input)),
            (written, self.cache_write.or(self.input)),
            (usage.completion - reasoning, self.output),
            (reasoning, self.reasoning.or(self.output)),
        ];
        parts.into_iter().filter(|(count, _)| *count > 0).try_fold(
            0_i128,
            |sum, (count, amount)| {
                Some(sum.saturating_add(i128::from(count) * i128::from(amount?)))
            },
        )
    }
}

/// So many of what costs so much. What is not charged need not be known.
fn counted(amount: Option<i64>, count: Option<u64>) -> Option<i128> {
    match amount {
        None => Some(0),
        Some(amount) => Some(i128::from(amount).saturating_mul(count?.into())),
    }
}

/// `dividend / divisor`, halves to the even neighbour; neither is negative.
fn half_even(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let is_up = match (2 * rest).cmp(&divisor) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(is_up)
}
