//! One request, from accept to record: plan, attempt, relay.
//!
//! [`Proxy::serve`] is the walk of a request, told in `walk.rs` from top to bottom. Its stations are the modules beside
//! it. On this path there is no database call and no lock held across an await; a body that keeps its protocol is passed
//! on as the bytes it came in, any other is translated by [`protocol`].
//!
//! Invariants: `attempts` is the only caller of providers and the only reporter of verdicts. A stream is committed to a
//! candidate by its first real content; before that a failure means the next candidate, after it an error event, never a
//! second beginning. A request that was authenticated is recorded exactly once, also when the client hangs up.

mod admission;
mod answer;
mod arrival;
mod ask;
mod attempt;
mod attempts;
mod authenticate;
mod backlog;
mod body;
mod budget;
mod canonical_form;
mod caught;
mod clock;
mod content_type;
mod count;
mod edge;
mod errand;
mod error;
mod estimate;
mod exchange;
mod failure;
mod guard;
mod handle;
mod heartbeat;
mod intake;
mod ledger;
mod limits;
mod media;
mod metrics;
mod models;
mod moderation;
mod orchestration;
mod probe;
mod recording;
mod relay;
mod rescue;
mod response;
mod settings;
mod surface;
mod tap;
mod trace;
mod walk;
mod withheld;

pub use arrival::Arrival;
pub use backlog::Backlog;
pub use body::{Body, BrokenOff};
pub use caught::caught;
pub use count::{TokenCounter, Tokenizer};
pub use handle::{Parts, Proxy};
pub use metrics::{Figure, Label, Metrics};
pub use probe::Prober;
pub use settings::Settings;
pub use surface::is_client_path;
pub use trace::Sampling;
