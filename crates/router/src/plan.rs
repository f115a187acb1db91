//! From a request to the order in which its candidates are tried.

use std::time::Instant;

use crate::order::{Orderer, Place};
use crate::screen::Screen;
use crate::{
    Candidate, CandidateState, Dice, LeftOut, Refusal, Request, RetryBudget, Route, Standing, Walk,
};

/// The candidates of one request, in the order to try them; each appears once.
#[derive(Debug)]
pub struct Plan<'r> {
    pub(crate) route: &'r Route,
    pub(crate) places: Vec<Place>,
    pub(crate) max_retry: u32,
    /// How many could serve, but are unhealthy or cooling.
    pub(crate) skipped: usize,
    is_forced: bool,
}

impl Route {
    /// Plans a request.
    ///
    /// Unhealthy and cooling candidates are left out. When all are, they are tried anyway, the least bad first: the
    /// soonest to be fit again, then the one with fewest errors. When all asked for a pause themselves, one request per
    /// second is let through, to the first whose pause ends. The only candidate of a request is never held back.
    ///
    /// A half-open candidate takes its natural place, as though it were well. It gets its trial as soon as a request
    /// would have gone to it anyway, and never costs healthy ones their traffic: one request at a time meets it, the
    /// others are [`Held`](crate::Verdict::Held) and go on at once.
    ///
    /// # Errors
    /// If no candidate can serve the request, or all are cooling.
    pub fn plan<'r>(
        &'r self,
        request: &Request<'_>,
        state: &impl CandidateState,
        now: Instant,
        dice: &mut impl Dice,
    ) -> Result<Plan<'r>, Refusal> {
        if !self.is_enabled() {
            return Err(Refusal::ModelDisabled);
        }
        let screen = Screen::new(self, request)?;
        let Survey {
            mut places,
            mut out,
        } = Survey::new(self, &screen, state, now);
        let fit = places.len() + out.len();
        if fit == 0 {
            return Err(screen.refusal(self));
        }
        let is_forced = fit == 1 || places.is_empty();
        if places.is_empty() {
            places = least_bad_first(self, &mut out, now).or_else(|refusal| {
                let first = out[0].index;
                let is_trial = state.claim_cooling_trial(self.candidates()[first].id(), now);
                if is_trial {
                    Ok(vec![Place::new(0, first, 1.0)])
                } else {
                    Err(refusal)
                }
            })?;
        } else {
            Orderer {
                route: self,
                session: request.session,
                state,
                now,
                dice: Some(dice),
            }
            .sort(&mut places);
        }
        Ok(Plan {
            route: self,
            skipped: fit - places.len(),
            places,
            max_retry: request.max_retry.unwrap_or(self.max_retry()),
            is_forced,
        })
    }
}

/// The candidates that can serve a request, parted by health.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Those that may be tried, not yet in order.
    pub(crate) places: Vec<Place>,
    /// Those that are unhealthy or cooling.
    pub(crate) out: Vec<Out>,
}

/// A candidate that is unhealthy or cooling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) index: usize,
    pub(crate) until: Instant,
    /// Consecutive failures; `None` while it cools by its own wish.
    pub(crate) errors: Option<u32>,
}

impl Survey {
    pub(crate) fn new(
        route: &Route,
        screen: &Screen<'_>,
        state: &impl CandidateState,
        now: Instant,
    ) -> Self {
        let mut survey = Self {
            places: Vec::with_capacity(route.candidates().len()),
            out: Vec::new(),
        };
        for (index, candidate) in route.candidates().iter().enumerate() {
            let Ok(tier) = screen.judge(candidate) else {
                continue;
            };
            match state.standing(candidate.id(), candidate.provider(), now) {
                Standing::Ready { share } => survey.places.push(Place::new(tier, index, share)),
                Standing::Trial => survey.places.push(Place::new(tier, index, 1.0)),
                Standing::Open { until, errors } => survey.out.push(Out {
                    index,
                    until,
                    errors: Some(errors),
                }),
                Standing::Cooling { until } => survey.out.push(Out {
                    index,
                    until,
                    errors: None,
                }),
            }
        }
        survey
    }
}

/// The order when nobody is fit, in one tier: priorities mean little among those that fail. Sorts `out` alike.
///
/// # Errors
/// If all of several candidates cool by their own wish.
pub(crate) fn least_bad_first(
    route: &Route,
    out: &mut [Out],
    now: Instant,
) -> Result<Vec<Place>, Refusal> {
    out.sort_by_key(|out| {
        (
            out.until,
            out.errors.unwrap_or(0),
            route.candidates()[out.index].id(),
        )
    });
    if out.len() > 1 && out.iter().all(|out| out.errors.is_none()) {
        let retry_after = out[0].until.saturating_duration_since(now);
        return Err(Refusal::AllCooling { retry_after });
    }
    Ok(out
        .iter()
        .map(|out| Place::new(0, out.index, 1.0))
        .collect())
}

impl Out {
    /// Why it is left out, as of `now`.
    pub(crate) fn reason(&self, now: Instant) -> LeftOut {
        let time_left = self.until.saturating_duration_since(now);
        match self.errors {
            Some(errors) => LeftOut::Open {
                retry_in: time_left,
                errors,
            },
            None => LeftOut::Cooling { ends_in: time_left },
        }
    }
}

impl<'r> Plan<'r> {
    /// The candidates in order.
    pub fn candidates(&self) -> impl ExactSizeIterator<Item = &'r Candidate> {
        let route = self.route;
        self.places.iter().map(move |place| place.candidate(route))
    }

    /// How many attempts may follow the first.
    pub fn max_retry(&self) -> u32 {
        self.max_retry
    }

    /// Whether its candidates are to be tried whatever their breakers say: the request has only this one, or all are
    /// out. Such an attempt must not be held.
    pub fn is_forced(&self) -> bool {
        self.is_forced
    }

    /// Starts the walk over this plan. Repeated work is drawn from `budget`.
    pub fn walk(self, budget: &'r RetryBudget) -> Walk<'r> {
        Walk::new(self, budget)
    }
}

#[cfg(test)]
mod tests;
