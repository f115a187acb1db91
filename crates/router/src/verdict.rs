//! How an attempt ended, as far as routing and health care.

use std::time::Duration;

/// The judgement of one attempt. Whoever sends the request decides which of these it met; what follows from it
/// (try another candidate, wait, stop; held against provider or association) is decided here and in `health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The candidate answered; a refusal or an empty but complete answer is an answer.
    Answered,
    /// The client's own fault (a 4xx that no other candidate would judge differently, content policy).
    ClientFault,
    /// The client went away.
    ClientGone,
    /// The prompt is too long for this provider model; another provider model may hold more.
    ContextLengthExceeded,
    /// Connect, DNS or TLS failure, reset, 5xx, 408, 409, an unusable 200, a stream that ended before content.
    Failed,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// Connected, but silent for longer than the clock in force allows.
    Timeout,
    /// The provider does not know the model or the path (404).
    NotFound,
    /// The provider refuses our credentials or redirects us: 401, 402, 403, 3xx.
    Misconfigured,
    /// 429; `retry_after` as the provider told it, in whatever form it did.
    RateLimited {
        /// Time until the provider takes requests again, if it said so.
        retry_after: Option<Duration>,
    },
    /// 529, or 503 with a `Retry-After`.
    Overloaded {
        /// Time until the provider takes requests again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the candidate's half-open trial was taken by another request, or a local limit was full.
    Held,
}

impl Verdict {
    /// Whether another candidate may answer where this one did not.
    pub const fn tries_next(self) -> bool {
        !matches!(self, Self::Answered | Self::ClientFault | Self::ClientGone)
    }

    /// Whether the same candidate may answer a moment later.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Failed
                | Self::ConnectTimeout
                | Self::Timeout
                | Self::RateLimited { .. }
                | Self::Overloaded { .. }
        )
    }

    /// Whether the candidate was silent; it is not tried again for the same request.
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::Timeout)
    }

    /// Whether anything was sent, so that this was an attempt.
    pub const fn is_attempt(self) -> bool {
        !matches!(self, Self::Held)
    }

    /// Whether this speaks against the provider as a whole.
    pub const fn is_held_against_provider(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::ConnectTimeout | Self::Misconfigured
        )
    }

    /// Whether this makes the provider unhealthy at once, however well it did before.
    pub const fn condemns_provider(self) -> bool {
        matches!(self, Self::Misconfigured)
    }

    /// Whether this speaks against the association.
    pub const fn is_held_against_association(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::ConnectTimeout | Self::Timeout | Self::NotFound
        )
    }

    /// Whether this puts the association on a cooldown.
    pub const fn cools_association(self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Overloaded { .. })
    }

    /// The pause the provider asked for.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Overloaded { retry_after } => retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Option<Duration> = Some(Duration::from_secs(7));

    /// The letters say what holds: next candidate, transient, silent, against the provider (at once), against the
    /// association, cooldown, attempt.
    #[track_caller]
    fn check(verdict: Verdict, letters: &str) {
        let claims = [
            ('n', verdict.tries_next()),
            ('t', verdict.is_transient()),
            ('s', verdict.is_timeout()),
            ('p', verdict.is_held_against_provider()),
            ('!', verdict.condemns_provider()),
            ('a', verdict.is_held_against_association()),
            ('c', verdict.cools_association()),
            ('x', verdict.is_attempt()),
        ];
        let found: String = claims
            .iter()
            .filter(|(_, holds)| *holds)
            .map(|(letter, _)| letter)
            .collect();
        assert_eq!(found, letters, "{verdict:?}");
    }

    #[test]
    fn every_verdict_means_what_the_table_says() {
        check(Verdict::Answered, "x");
        check(Verdict::ClientFault, "x");
        check(Verdict::ClientGone, "x");
        check(Verdict::ContextLengthExceeded, "nx");
        check(Verdict::Failed, "ntpax");
        check(Verdict::ConnectTimeout, "ntspax");
        check(Verdict::Timeout, "ntsax");
        check(Verdict::NotFound, "nax");
        check(Verdict::Misconfigured, "np!x");
        check(Verdict::RateLimited { retry_after: PAUSE }, "ntcx");
        check(Verdict::Overloaded { retry_after: PAUSE }, "ntcx");
        check(Verdict::Held, "n");
    }

    #[test]
    fn only_those_who_ask_for_a_pause_get_one() {
        assert_eq!(
            Verdict::RateLimited { retry_after: PAUSE }.retry_after(),
            PAUSE
        );
        assert_eq!(
            Verdict::Overloaded { retry_after: PAUSE }.retry_after(),
            PAUSE
        );
        assert_eq!(Verdict::Failed.retry_after(), None);
    }
}
