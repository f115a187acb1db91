//! Chooses which provider should serve an LLM request, and what to try next when it fails.

mod state;
mod verdict;

pub use state::{CandidateId, CandidateState, Load, ProviderId, Standing};
pub use verdict::Verdict;
