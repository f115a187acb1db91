//! What an attempt met, and what that means for provider and association.

use std::time::Duration;

use router::Verdict;

/// How an attempt or a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The judgement.
    pub verdict: Verdict,
    /// HTTP status of the provider's answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, for operators: no secret, no prompt. Kept up to 500 characters.
    pub error: Option<String>,
    /// Time from sending to the first content (or to the answer, or to giving up).
    pub latency: Option<Duration>,
}

impl Outcome {
    /// An outcome with nothing but its verdict.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            status: None,
            error: None,
            latency: None,
        }
    }

    /// Adds the HTTP status of the answer.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds what went wrong.
    #[must_use]
    pub fn error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Adds the time it took.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }
}

/// What a breaker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It served.
    Success,
    /// It failed.
    Failure,
    /// It can not serve as it is configured: unhealthy at once.
    Misconfigured,
    /// Nothing is learnt.
    Nothing,
}

/// What a verdict means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) provider: Mark,
    pub(crate) association: Mark,
    /// Pause of the association.
    pub(crate) cooldown: Option<Duration>,
}

/// Pause after a 429 or 529 that names no time.
pub(crate) const DEFAULT_COOLDOWN: Duration = Duration::from_secs(5);
/// The longest pause a provider can ask for. A longer `Retry-After` (a spent day's quota, or nonsense) is found out again
/// every two minutes by one request that fails over.
pub(crate) const MAX_COOLDOWN: Duration = Duration::from_secs(120);

impl Effect {
    /// What an attempt with `verdict` means.
    pub(crate) fn of_attempt(verdict: Verdict) -> Self {
        let (provider, association) = match verdict {
            Verdict::Answered => (Mark::Success, Mark::Success),
            Verdict::Failed | Verdict::ConnectTimeout => (Mark::Failure, Mark::Failure),
            Verdict::Timeout | Verdict::NotFound => (Mark::Nothing, Mark::Failure),
            Verdict::Misconfigured => (Mark::Misconfigured, Mark::Nothing),
            _ => (Mark::Nothing, Mark::Nothing),
        };
        let cooldown = match verdict {
            Verdict::RateLimited { retry_after } | Verdict::Overloaded { retry_after } => {
                Some(retry_after.unwrap_or(DEFAULT_COOLDOWN).min(MAX_COOLDOWN))
            }
            _ => None,
        };
        Self {
            provider,
            association,
            cooldown,
        }
    }

    /// What a probe with `verdict` means for its provider. A probe stands for the provider as a whole, so its silence is
    /// held against that.
    pub(crate) fn of_probe(verdict: Verdict) -> Mark {
        match verdict {
            Verdict::Timeout => Mark::Failure,
            other => Self::of_attempt(other).provider,
        }
    }
}

/// Whether an attempt counts as failed: held against someone, or refused by a limit of the provider. The client's own
/// fault or hang-up is not a failure.
pub(crate) fn is_failure(verdict: Verdict) -> bool {
    let effect = Effect::of_attempt(verdict);
    let held = |mark| matches!(mark, Mark::Failure | Mark::Misconfigured);
    held(effect.provider) || held(effect.association) || effect.cooldown.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use router::Verdict;

    use super::{Effect, Mark, is_failure};

    #[track_caller]
    fn check(verdict: Verdict, provider: Mark, association: Mark, cooldown_s: Option<u64>) {
        let expected = Effect {
            provider,
            association,
            cooldown: cooldown_s.map(Duration::from_secs),
        };
        assert_eq!(Effect::of_attempt(verdict), expected);
        let answers = [
            Verdict::Answered,
            Verdict::ClientFault,
            Verdict::ClientGone,
            Verdict::ContextLengthExceeded,
            Verdict::Held,
        ];
        assert_eq!(is_failure(verdict), !answers.contains(&verdict));
    }

    #[test]
    fn each_verdict_is_held_against_whom_it_concerns() {
        use Mark::{Failure, Misconfigured, Nothing, Success};
        let secs = |it| Some(Duration::from_secs(it));
        check(Verdict::Answered, Success, Success, None);
        check(Verdict::Failed, Failure, Failure, None);
        check(Verdict::ConnectTimeout, Failure, Failure, None);
        check(Verdict::Timeout, Nothing, Failure, None);
        check(Verdict::NotFound, Nothing, Failure, None);
        check(Verdict::Misconfigured, Misconfigured, Nothing, None);
        check(Verdict::ClientFault, Nothing, Nothing, None);
        check(Verdict::ClientGone, Nothing, Nothing, None);
        check(Verdict::ContextLengthExceeded, Nothing, Nothing, None);
        check(Verdict::Held, Nothing, Nothing, None);
        check(
            Verdict::RateLimited {
                retry_after: secs(7),
            },
            Nothing,
            Nothing,
            Some(7),
        );
        check(
            Verdict::RateLimited { retry_after: None },
            Nothing,
            Nothing,
            Some(5),
        );
        check(
            Verdict::RateLimited {
                retry_after: secs(9999),
            },
            Nothing,
            Nothing,
            Some(120),
        );
        check(
            Verdict::Overloaded {
                retry_after: secs(1),
            },
            Nothing,
            Nothing,
            Some(1),
        );
        check(
            Verdict::Overloaded { retry_after: None },
            Nothing,
            Nothing,
            Some(5),
        );
    }

    #[test]
    fn a_silent_probe_is_held_against_the_provider() {
        assert_eq!(Effect::of_probe(Verdict::Timeout), Mark::Failure);
        assert_eq!(Effect::of_probe(Verdict::NotFound), Mark::Nothing);
        assert_eq!(Effect::of_probe(Verdict::Answered), Mark::Success);
    }
}
