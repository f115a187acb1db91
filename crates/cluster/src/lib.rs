//! What gateways share on Redis: limits, and the pauses that providers ask for.
//!
//! Limits are counted there for all gateways together, in one script that decides on all limits of a request at once, by
//! Redis's clock ([`Cluster`] is the [`Shared`](access::limit::Shared) of `access`). What was used in the end is told without
//! anybody waiting for it.
//!
//! Invariants: a request waits for Redis no longer than the timeout, and after one that had to, none does until Redis
//! has answered quickly twice. Without Redis nothing is refused but by this gateway's part of a limit. What is counted
//! meanwhile is told when Redis is back; where Redis has lost the count, each gateway tells all of its last minute. What
//! runs is told as a number, not as a difference, so that a lost message is made up for, and a gateway that was not heard of
//! for 15 s runs nothing. What was on its way when a connection broke counts as told.
//!
//! This crate does not choose what is limited, and knows of no request.

mod address;
mod call;
mod clock;
mod error;
mod handle;
mod keys;
mod link;
mod metrics;
mod outbox;
mod servers;
mod settings;
mod worker;

pub use error::Error;
pub use handle::Cluster;
pub use metrics::Metrics;
pub use settings::Settings;
pub use worker::{Worker, start};
