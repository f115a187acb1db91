//! One attempt, from its begin to its end.

use std::sync::Arc;
use std::time::Instant;

use crate::breaker::Claim;
use crate::outcome::{Effect, Outcome};
use crate::registry::Association;

/// An attempt that is running. Finish it with how it ended; dropped without, it teaches nothing, as when the client went
/// away, but gives back what it held.
#[derive(Debug)]
#[must_use = "an attempt counts as running only as long as this is kept"]
pub struct InFlight {
    watched: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    association: Arc<Association>,
    claim: Claim,
    provider_claim: Claim,
}

impl InFlight {
    /// `None` when a trial is running, unless `anyway`.
    pub(crate) fn begin(
        association: &Arc<Association>,
        anyway: bool,
        now: Instant,
    ) -> Option<Self> {
        let provider_claim = association.provider_lane.claim(anyway, now)?;
        let Some(claim) = association.lane.claim(anyway, now) else {
            association.provider_lane.release(provider_claim);
            return None;
        };
        let watched = Watched {
            association: Arc::clone(association),
            claim,
            provider_claim,
        };
        Some(Self {
            watched: Some(watched),
        })
    }

    /// An attempt at something nobody watches.
    pub(crate) fn unwatched() -> Self {
        Self { watched: None }
    }

    /// Reports the first real content of an answer that goes on. A half-open trial thereby is a success and the next may
    /// begin, instead of waiting minutes for the end of a stream. The attempt is still to be finished.
    pub fn first_content(&mut self, now: Instant) {
        if let Some(watched) = &mut self.watched {
            let Watched {
                association,
                claim,
                provider_claim,
            } = watched;
            association.lane.credit_trial(claim, now);
            association.provider_lane.credit_trial(provider_claim, now);
        }
    }

    /// Ends the attempt. What `outcome` is held against follows from its verdict alone.
    pub fn finish(mut self, mut outcome: Outcome, now: Instant) {
        if let Some(Watched {
            association,
            claim,
            provider_claim,
        }) = self.watched.take()
        {
            let effect = Effect::of_attempt(outcome.verdict);
            if let Some(pause) = association.lane.finish(effect, claim, &outcome, now) {
                association.tell(pause);
            }
            let provider_lane = &association.provider_lane;
            provider_lane.finish(effect.provider, provider_claim, &mut outcome, now);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(watched) = self.watched.take() {
            watched.association.lane.release(watched.claim);
            let provider_lane = &watched.association.provider_lane;
            provider_lane.release(watched.provider_claim);
        }
    }
}
