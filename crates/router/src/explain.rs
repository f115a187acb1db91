//! Why a request would go where it would go.

use std::sync::Arc;
use std::time::Instant;

use crate::order::{Orderer, Place};
use crate::plan::{Survey, least_bad_first};
use crate::screen::Screen;
use crate::{
    Candidate, CandidateState, LeftOut, Refusal, Request, Route, Seeded, Standing, Strategy,
};

/// What would become of a request, and what part every association of its model would have in that.
#[derive(Debug, Clone)]
pub struct Explanation<'r> {
    /// The model's name.
    pub model: &'r Arc<str>,
    /// How candidates of one tier are ordered.
    pub strategy: Strategy,
    /// Why the request would be refused; `None` if it would be tried.
    pub refusal: Option<Refusal>,
    /// Whether candidates would be tried in spite of their health, as nobody else is left.
    pub is_forced: bool,
    /// Every association of the model: first those that would be tried, the most likely order; then the others.
    pub candidates: Vec<Explained<'r>>,
}

/// One association in an [`Explanation`].
#[derive(Debug, Clone)]
pub struct Explained<'r> {
    /// The association.
    pub candidate: &'r Candidate,
    /// What would become of it.
    pub fate: Fate,
}

/// What would become of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It would be tried, if those before it fail.
    Included {
        /// Its tier among those in use, from 1.
        tier: usize,
        /// Its position over all tiers, from 1.
        position: usize,
        /// How often it comes first in its tier, in percent; `None` where load, latency or price decide.
        share_percent: Option<f64>,
        /// Whether its weight is 0, which puts it last.
        is_spare: bool,
        /// Whether its breaker is half-open, and this would be its trial.
        is_trial: bool,
    },
    /// It would not be tried.
    LeftOut(LeftOut),
}

impl Route {
    /// Explains what [`plan`](Self::plan) would do with a request at `now`, without using up a turn or a trial. A
    /// disabled model is explained as though it were enabled.
    pub fn explain<'r>(
        &'r self,
        request: &Request<'_>,
        state: &impl CandidateState,
        now: Instant,
    ) -> Explanation<'r> {
        let mut explanation = Explanation {
            model: self.name(),
            strategy: self.strategy(),
            refusal: (!self.is_enabled()).then_some(Refusal::ModelDisabled),
            is_forced: false,
            candidates: Vec::with_capacity(self.candidates().len()),
        };
        let screen = match Screen::new(self, request) {
            Ok(screen) => screen,
            Err(refusal) => {
                explanation.refusal.get_or_insert(refusal);
                explanation.leave_out(
                    self.candidates()
                        .iter()
                        .map(|candidate| (candidate, LeftOut::NotNamed)),
                );
                return explanation;
            }
        };
        let Survey {
            mut places,
            mut out,
        } = Survey::new(self, &screen, state, now);
        let fit = places.len() + out.len();
        if fit == 0 {
            explanation.refusal.get_or_insert(screen.refusal(self));
        }
        explanation.is_forced = fit == 1 || (places.is_empty() && fit > 0);
        if places.is_empty() {
            match least_bad_first(self, &mut out, now) {
                Ok(forced) => {
                    out.clear();
                    places = forced;
                }
                Err(refusal) => {
                    explanation.refusal.get_or_insert(refusal);
                }
            }
        } else {
            let session = request.session;
            Orderer {
                route: self,
                session,
                state,
                now,
                dice: None::<&mut Seeded>,
            }
            .sort(&mut places);
        }
        explanation.include(self, &places, request, state, now);
        let is_out = |index: usize| {
            out.iter()
                .find(|out| out.index == index)
                .map(|out| out.reason(now))
        };
        let reasons = self
            .candidates()
            .iter()
            .enumerate()
            .filter_map(|(index, candidate)| {
                let reason = screen.judge(candidate).err().or_else(|| is_out(index))?;
                Some((candidate, reason))
            });
        explanation.leave_out(reasons);
        explanation
    }
}

impl<'r> Explanation<'r> {
    fn include(
        &mut self,
        route: &'r Route,
        places: &[Place],
        request: &Request<'_>,
        state: &impl CandidateState,
        now: Instant,
    ) {
        let mut position = 0;
        for (tier_index, tier) in places.chunk_by(|a, b| a.tier == b.tier).enumerate() {
            let chances = match self.is_forced {
                true => None,
                false => chances(route, tier, request, state),
            };
            for place in tier {
                let candidate = place.candidate(route);
                let standing = state.standing(candidate.id(), candidate.provider(), now);
                position += 1;
                let fate = Fate::Included {
                    tier: tier_index + 1,
                    position,
                    share_percent: match (tier.len(), &chances) {
                        (1, _) => Some(100.0),
                        (_, Some(chances)) => Some(100.0 * chances.of(place)),
                        (_, None) => None,
                    },
                    is_spare: candidate.weight() == 0,
                    is_trial: standing == Standing::Trial,
                };
                self.candidates.push(Explained { candidate, fate });
            }
        }
    }

    fn leave_out(&mut self, reasons: impl Iterator<Item = (&'r Candidate, LeftOut)>) {
        let explained = reasons.map(|(candidate, reason)| Explained {
            candidate,
            fate: Fate::LeftOut(reason),
        });
        self.candidates.extend(explained);
    }
}

/// How the first places of a tier are dealt out.
struct Chances<'r> {
    route: &'r Route,
    by_weight: bool,
    total: f64,
}

impl Chances<'_> {
    fn of(&self, place: &Place) -> f64 {
        self.part(place) / self.total
    }

    fn part(&self, place: &Place) -> f64 {
        match () {
            () if place.is_late() => 0.0,
            () if self.by_weight => place.weight(self.route),
            () => f64::from(place.share),
        }
    }
}

/// `None` where something else than weights or turns decides.
fn chances<'r>(
    route: &'r Route,
    tier: &[Place],
    request: &Request<'_>,
    state: &impl CandidateState,
) -> Option<Chances<'r>> {
    let is_priced = |place: &Place| state.cost(place.candidate(route).id()).is_some();
    let by_weight = match route.strategy() {
        Strategy::Weighted => true,
        Strategy::RoundRobin => false,
        Strategy::Sticky if request.session.is_none() => true,
        Strategy::Cheapest if !tier.iter().any(is_priced) => true,
        _ => return None,
    };
    let mut chances = Chances {
        route,
        by_weight,
        total: 0.0,
    };
    chances.total = tier.iter().map(|place| chances.part(place)).sum();
    (chances.total > 0.0).then_some(chances)
}

#[cfg(test)]
mod tests;
