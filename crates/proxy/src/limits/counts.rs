//! Where what is taken of limits is counted: here, and where gateways count together, there first.

use std::sync::{Arc, Mutex, PoisonError};

use access::limit::{Admission, Granted, Kind, Lack, Limited, Limiter, Rule, Shared, Wanted};
use router::CandidateId;

use crate::clock;

/// The count of this gateway, and that of all.
#[derive(Debug)]
pub(crate) struct Counts {
    own: Arc<Limiter>,
    shared: Option<Arc<dyn Shared>>,
}

/// What a candidate's provider has room for.
pub(crate) type Room = Result<Reserved, Lack>;

/// What was found of candidates when the request's own limits were looked at, so that it need not be asked again.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<Vec<(CandidateId, Room)>>);

/// Taken for an attempt that is not begun yet: given back unless it is kept.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Option<Admission>);

impl Ahead {
    /// What was found of `candidate`, the first time that it is asked for.
    pub(super) fn take(&self, candidate: CandidateId) -> Option<Room> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = found.iter().position(|(id, _)| *id == candidate)?;
        Some(found.swap_remove(at).1)
    }
}

impl Reserved {
    /// The attempt is begun with it.
    pub(crate) fn keep(mut self) -> Option<Admission> {
        self.0.take()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(admission) = self.0.take() {
            admission.refund(clock::now());
        }
    }
}

impl Counts {
    pub(crate) fn new(own: Arc<Limiter>, shared: Option<Arc<dyn Shared>>) -> Self {
        Self { own, shared }
    }

    /// Whether gateways count together.
    pub(super) fn are_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Takes of each of `rules` or of none, and together with them of the first of `choices` that has room.
    pub(super) async fn take(
        &self,
        rules: Vec<Rule>,
        choices: Vec<(CandidateId, Vec<Rule>)>,
        tokens: u64,
    ) -> Result<(Admission, Ahead), Box<Limited>> {
        let Some(shared) = &self.shared else {
            let admission = self.own.admit(&rules, tokens, clock::now())?;
            return Ok((admission, Ahead::default()));
        };
        let wanted = Wanted {
            rules: rules.clone(),
            choices: choices.iter().map(|(_, rules)| rules.clone()).collect(),
            tokens,
        };
        match shared.reserve(wanted).await {
            Some(decision) => Ok(self.note(shared, &rules, choices, tokens, decision?)),
            None => {
                let admission = self.alone(shared, &rules, tokens)?;
                Ok((admission, Ahead::default()))
            }
        }
    }

    /// Keeps the count here beside the common one.
    fn note(
        &self,
        shared: &Arc<dyn Shared>,
        rules: &[Rule],
        choices: Vec<(CandidateId, Vec<Rule>)>,
        tokens: u64,
        granted: Granted,
    ) -> (Admission, Ahead) {
        let now = clock::now();
        let enter = |rules: &[Rule]| {
            let entered = self.own.enter(rules, tokens, now);
            entered.shared(shared, Some(granted.step))
        };
        let mut admission = enter(rules);
        admission.standings = granted.standings;
        let mut lacks = granted.lacks.into_iter();
        let mut ahead = Vec::with_capacity(choices.len());
        for (candidate, rules) in choices {
            let lack = lacks.next();
            let is_chosen = lack.is_none();
            let room = lack.map_or_else(|| Ok(Reserved(Some(enter(&rules)))), Err);
            ahead.push((candidate, room));
            if is_chosen {
                break;
            }
        }
        (admission, Ahead(Mutex::new(ahead)))
    }

    /// Decides by this gateway's part of the limits, since the others are out of reach.
    fn alone(
        &self,
        shared: &Arc<dyn Shared>,
        rules: &[Rule],
        tokens: u64,
    ) -> Result<Admission, Box<Limited>> {
        let gateways = shared.gateways();
        let part = |rule: &Rule| Rule {
            scope: rule.scope.clone(),
            rates: rule.rates.part(gateways),
        };
        let parts: Vec<_> = rules.iter().map(part).collect();
        match self.own.admit(&parts, tokens, clock::now()) {
            Ok(admission) => Ok(admission.shared(shared, None)),
            Err(mut limited) => {
                // Clients are told of the limit that was set, not of a part that changes.
                let rule = rules.iter().find(|rule| rule.scope == limited.scope);
                let whole = rule.and_then(|rule| match limited.kind {
                    Kind::Requests => rule.rates.requests,
                    Kind::Tokens => rule.rates.tokens,
                    Kind::Concurrent => rule.rates.concurrent,
                });
                limited.limit = whole.unwrap_or(limited.limit);
                Err(limited)
            }
        }
    }

    /// Takes of the limits of a provider; what they lack where there is no room.
    pub(super) async fn take_of_provider(&self, rules: Vec<Rule>, tokens: u64) -> Room {
        match self.take(rules, Vec::new(), tokens).await {
            Ok((admission, _)) => Ok(Reserved(Some(admission))),
            Err(limited) => Err(Lack {
                kind: limited.kind,
                limit: limited.limit,
                retry_after: limited.retry_after,
            }),
        }
    }
}
