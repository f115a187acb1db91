//! Chooses which provider should serve an LLM request, and what to try next when it fails.

mod budget;
mod dice;
mod ewma;
mod explain;
mod order;
mod plan;
mod request;
mod screen;
mod spec;
mod state;
mod strategy;
mod table;
mod verdict;
mod walk;

pub use budget::{BudgetLimits, RetryBudget};
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
pub use walk::{Failure, FailureClass, Step, StopReason, Walk};
