//! Chooses which provider should serve an LLM request, and what to try next when it fails.
//!
//! Build a [`RouteTable`] from plain data. For each request, [`Route::plan`] it, [walk](Plan::walk) over the plan, do
//! what [`Walk::next`] says and tell it the [`Verdict`] of each attempt. [`Route::explain`] says why.
//!
//! - No async, no I/O, no clock, no randomness of its own: callers bring the time and the [`Dice`], and equal inputs give
//!   equal plans. The one thing a route remembers is whose turn it is under [`Strategy::RoundRobin`].
//! - A plan names each candidate once, never one that cannot serve the request, and one that is unhealthy or cooling only
//!   if all are. It is never empty: a [`Refusal`] says why there is none.
//! - The lookup of a model costs the same however many there are, and a plan is one allocation.
//! - Judging attempts, watching health and waiting are the caller's. What is known about candidates comes in through
//!   [`CandidateState`].
//!
//! ```
//! # use std::time::Instant;
//! # use router::*;
//! # struct AllWell;
//! # impl CandidateState for AllWell {
//! #     fn standing(&self, _: CandidateId, _: ProviderId, _: Instant) -> Standing { Standing::Ready { share: 1.0 } }
//! #     fn load(&self, _: CandidateId, _: Instant) -> Load { Load::default() }
//! #     fn cost(&self, _: CandidateId) -> Option<u64> { None }
//! #     fn claim_cooling_trial(&self, _: CandidateId, _: Instant) -> bool { true }
//! # }
//! # let name = "small".into();
//! # let model = ModelSpec { id: ModelId(1), name, enabled: true, max_retry: 3, strategy: Strategy::Weighted };
//! # let provider = |id, priority| {
//! #     let (name, endpoints) = (format!("p{id}").into(), EndpointSet::ALL);
//! #     ProviderSpec { id: ProviderId(id), name, enabled: true, priority, weight: 1, endpoints }
//! # };
//! # let association = |id| {
//! #     let (model, provider, provider_model) = (ModelId(1), ProviderId(id), "small-v2".into());
//! #     let capabilities = Capabilities::ALL;
//! #     AssociationSpec { id: CandidateId(id), model, provider, provider_model, weight: 1, capabilities, enabled: true }
//! # };
//! let providers = [provider(1, 100), provider(2, 50)];
//! let table = RouteTable::build([model], providers, [association(1), association(2)])?;
//! let (now, mut dice) = (Instant::now(), Seeded(1));
//! let budget = RetryBudget::new(now);
//!
//! let route = table.route("small").ok_or("no such model")?;
//! let plan = route.plan(&Request::default(), &AllWell, now, &mut dice)?;
//! let mut walk = plan.walk(&budget);
//! assert!(matches!(walk.next(None, now, &mut dice), Step::Try(first) if first.id() == CandidateId(1)));
//! let next = walk.next(Some(Verdict::NotFound), now, &mut dice);
//! assert!(matches!(next, Step::Try(second) if second.id() == CandidateId(2)));
//! let end = walk.next(Some(Verdict::Answered), now, &mut dice);
//! assert!(matches!(end, Step::Stop(StopReason::Answered)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod dice;
mod ewma;
mod explain;
mod order;
mod plan;
#[cfg(test)]
mod properties;
mod request;
mod screen;
mod spec;
mod state;
mod strategy;
mod table;
#[cfg(test)]
mod testing;
mod verdict;
mod walk;

pub use budget::{BudgetLimits, BudgetStanding, RetryBudget};
pub use dice::{Dice, Fixed, Seeded};
pub use ewma::PeakEwma;
pub use explain::{Explained, Explanation, Fate};
pub use plan::Plan;
pub use request::{Refusal, Request};
pub use screen::LeftOut;
pub use spec::{
    AssociationSpec, Capabilities, Endpoint, EndpointSet, ModelId, ModelSpec, ProviderSpec,
};
pub use state::{CandidateId, CandidateState, Load, ProviderId, Standing};
pub use strategy::Strategy;
pub use table::{Candidate, Error, Route, RouteTable};
pub use verdict::Verdict;
pub use walk::{Failure, FailureClass, Hedge, Leg, Step, StopReason, Walk};

/// The README's example is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
