//! Other gateways, who meet the same providers.

use std::fmt;
use std::time::Duration;

use router::CandidateId;

/// Who is told of what a provider asked for. Must not wait.
pub trait Peers: fmt::Debug + Send + Sync {
    /// The provider wants `candidate` to be left alone for so long.
    fn tell(&self, candidate: CandidateId, pause: Duration);
}
