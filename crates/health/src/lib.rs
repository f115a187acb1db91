//! Health states, breakers and cooldowns of providers and their models.
//!
//! Each provider, and each association of a model with a provider, has a circuit breaker, fed by every attempt and by
//! active probes; [`Health`] answers the router's questions from them. What an outcome is held against follows from its
//! verdict alone:
//!
//! | verdict | provider | association |
//! |---|---|---|
//! | answered | success | success |
//! | failed, connect timeout | failure | failure |
//! | timeout, not found | | failure |
//! | misconfigured | unhealthy at once | |
//! | rate limited, overloaded | | pauses for the `Retry-After`: 5 s without one, 120 s at most; longer when the last was not true |
//! | everything else | | |
//!
//! One that refuses again when the pause it asked for is over, with no answer in between, pauses for a second at least, then
//! for twice as long each time, up to 5 s: otherwise a provider that says "at once" would be asked in vain by every request.
//!
//! An association also pauses when a provider says with a good answer that it has nothing left ([`Health::pause`]), and when
//! another gateway was asked to ([`Health::hear`]); [`Peers`] are told of every pause.
//!
//! A breaker opens after `max_errors` failures in a row (those within one second count once), or when more than half of at
//! least 20 attempts in 30 s failed. It stays open for 5 s, and twice as long each further time; then one request at a
//! time is its trial, two successes in a row close it, and its share of the traffic grows back from a tenth in 30 s. Where
//! more than a quarter of at least 10 attempts in 30 s failed, the share is half.
//!
//! Invariants: a request never waits for the database or for a lock that is held longer than some arithmetic takes; no
//! rule reads a clock; an attempt gives back what it held however it ends. What this crate does not do is choose: that a
//! model's only candidate is tried whatever its state, or the least bad one when all are unhealthy, is the router's.
//!
//! ```
//! use health::{Health, Moment, Outcome, Settings, WatchedAssociation, WatchedProvider};
//! use router::{CandidateId, CandidateState, ProviderId, Standing, Verdict};
//!
//! let (candidate, provider) = (CandidateId(1), ProviderId(1));
//! let now = Moment::now();
//! let health = Health::new(&Settings::default());
//! health.configure(
//!     &[WatchedProvider { provider, revision: 0 }],
//!     &[WatchedAssociation { candidate, provider, revision: 0, cost: None }],
//!     now,
//! );
//!
//! let attempt = health.begin(candidate, provider, now.instant).expect("no trial is running");
//! attempt.finish(Outcome::new(Verdict::Misconfigured).status(401), now.instant);
//! assert!(matches!(health.standing(candidate, provider, now.instant), Standing::Open { .. }));
//! ```

mod breaker;
mod clock;
mod error;
mod handle;
mod history;
mod in_flight;
mod lane;
mod lease;
mod outcome;
mod peers;
mod probe;
mod recent;
mod registry;
mod report;
mod saved;
mod schedule;
mod settings;
mod state;
mod store;
mod times;
mod window;
mod worker;

pub use clock::Moment;
pub use error::Error;
pub use handle::Health;
pub use history::StateChange;
pub use in_flight::InFlight;
pub use outcome::Outcome;
pub use peers::Peers;
pub use probe::Probe;
pub use recent::RecentOutcome;
pub use registry::{WatchedAssociation, WatchedProvider};
pub use report::{AssociationReport, ProviderReport};
pub use settings::Settings;
pub use state::{Entered, Reason, State, Transitions};
pub use times::Awaited;
pub use worker::{Worker, start};
