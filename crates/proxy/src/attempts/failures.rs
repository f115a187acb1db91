//! What the attempts of a request met, and the error that tells the client of it.

use std::{fmt::Write, time::Duration};

use protocol::{ErrorKind, Refusal};
use router::{Candidate, FailureClass, StopReason, Verdict};

use super::Miss;
use crate::{
    admission::{COME_BACK, Full},
    ask::Ask,
    error::{Error, Told},
    failure::Failure,
};

/// What the attempts met, for the error that tells of them.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Provider and class of each, as the client is told.
    told: String,
    /// Of those that were sent.
    last: Option<Failure>,
    /// Why the first that could not be asked could not.
    refusal: Option<Refusal>,
    /// Whether one was held back that might be asked a moment later.
    any_held: bool,
    /// The first that was full.
    full: Option<Full>,
    /// The shortest time until one is within its limits again.
    limited: Option<Duration>,
}

impl Failures {
    /// Takes in why a candidate did not answer; answers what that is to the walk.
    ///
    /// # Errors
    /// Nobody can be asked this.
    pub(super) fn miss(
        &mut self,
        ask: &Ask<'_>,
        candidate: &Candidate,
        miss: Miss,
    ) -> Result<Verdict, Error> {
        match miss {
            Miss::Failed(failure) => {
                let verdict = failure.verdict;
                self.push(candidate, failure);
                return Ok(verdict);
            }
            Miss::Refused(refusal) => self.refused(ask, candidate, refusal),
            Miss::Full(full) => self.full(full),
            Miss::Limited(pause) => self.limited(pause),
            Miss::Wrong(error) => return Err(error),
        }
        Ok(Verdict::Held)
    }

    pub(super) fn push(&mut self, candidate: &Candidate, failure: Failure) {
        if failure.verdict != Verdict::Held {
            let separator = if self.told.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(
                self.told,
                "{separator}{}: {}",
                candidate.provider_name(),
                failure.class
            );
            self.last = Some(failure);
        } else {
            self.any_held = true;
        }
    }

    pub(super) fn refused(&mut self, ask: &Ask<'_>, candidate: &Candidate, refusal: Refusal) {
        tracing::debug!(
            request.id = %ask.arrival.id,
            provider.name = &**candidate.provider_name(),
            provider.model = &**candidate.provider_model(),
            request.field = refusal.param,
            "a candidate cannot be asked this"
        );
        self.refusal.get_or_insert(refusal);
    }

    /// A provider had no place for one more attempt.
    fn full(&mut self, full: Full) {
        self.full.get_or_insert(full);
        self.any_held = true;
    }

    /// A provider's limits let no more pass for so long.
    fn limited(&mut self, pause: Duration) {
        self.limited = Some(self.limited.map_or(pause, |other| other.min(pause)));
        self.any_held = true;
    }

    pub(super) fn out_of_time(&self) -> Error {
        let message = self.sentence("the time for the request is over");
        Error::new(ErrorKind::GatewayTimeout, "timeout", message)
    }

    fn sentence(&self, what: &str) -> String {
        if self.told.is_empty() {
            what.to_owned()
        } else {
            format!("{what} ({})", self.told)
        }
    }

    /// When all attempts failed alike the client is told so, else that the providers failed.
    pub(super) fn into_error(self, reason: StopReason) -> Error {
        let failure = match reason {
            StopReason::ClientFault | StopReason::ContextLengthExceeded => {
                return self.clients_own();
            }
            StopReason::Failed(failure) => failure,
            StopReason::Answered | StopReason::ClientGone => {
                return Error::new(
                    ErrorKind::Internal,
                    "internal",
                    "the walk ended without an answer",
                );
            }
        };
        if failure.class == FailureClass::Held
            && !self.any_held
            && let Some(refusal) = self.refusal
        {
            return refusal.into();
        }
        if failure.class == FailureClass::Held && self.full.is_some() {
            let message = "every provider is serving as many requests as it may";
            let mut error = Error::new(ErrorKind::RateLimited, "full", message);
            error.retry_after = Some(COME_BACK);
            error.full = self.full.map(Box::new);
            return error;
        }
        if failure.class == FailureClass::Held
            && let Some(pause) = self.limited
        {
            let message =
                "every provider has had as many requests or tokens as it may have in a minute";
            let mut error = Error::new(ErrorKind::RateLimited, "provider_limited", message);
            error.retry_after = Some(pause);
            return error;
        }
        let (kind, class, what) = match failure.class {
            FailureClass::RateLimited => (
                ErrorKind::RateLimited,
                "rate_limited",
                "every provider is rate limited",
            ),
            FailureClass::Overloaded => (
                ErrorKind::Overloaded,
                "overloaded",
                "every provider is overloaded",
            ),
            FailureClass::TimedOut => (
                ErrorKind::GatewayTimeout,
                "timeout",
                "every provider was too slow",
            ),
            FailureClass::NotFound => (
                ErrorKind::ModelNotFound,
                "not_found",
                "no provider knows the model",
            ),
            FailureClass::Held => (
                ErrorKind::Unavailable,
                "held",
                "no provider can be tried at the moment",
            ),
            FailureClass::Other => (
                ErrorKind::BadGateway,
                "upstream_error",
                "every provider failed",
            ),
        };
        let mut error = Error::new(kind, class, self.sentence(what));
        error.retry_after = failure.retry_after;
        error.is_final = failure.all_tried;
        error
    }

    /// The provider's own words about the client's request; in ours where they are not fit to be passed on.
    fn clients_own(self) -> Error {
        let Some(failure) = self.last else {
            return Error::new(
                ErrorKind::Internal,
                "internal",
                "the walk ended without a verdict",
            );
        };
        let (status, body) = match (failure.status, failure.body) {
            (Some(status), Some(body)) if !body.is_empty() => (status, body),
            (status, _) => {
                let message = "the provider refused the request";
                let mut error = Error::new(ErrorKind::InvalidRequest, failure.class, message);
                error.status = status;
                return error;
            }
        };
        let told = Told::Providers {
            status,
            body,
            message: failure.message,
            protocol: failure.protocol,
        };
        Error {
            told,
            status: None,
            class: failure.class,
            retry_after: None,
            is_final: false,
            full: None,
        }
    }
}
