//! What the gateway tells of itself to others: metrics of ended requests, traces, and alerts.
//!
//! Nothing here is on a request's path. Requests that have ended are seen by [`stats::Observer`]s, which the writer of
//! records calls; alerts are found by looking at health, budgets and records once a second. What is sent elsewhere is
//! queued, bounded, and sent by workers: a receiver that is slow or away costs what is in its queue, and nothing else.
//!
//! Receivers are reached through the same guarded clients as providers, so that the same addresses are refused, and no
//! redirect is followed. Prompts and answers are in nothing that leaves here.

pub mod alerts;
mod collector;
mod conventions;
mod http;
pub mod meters;
mod pace;
mod post;
mod requests;
pub mod traces;

pub use collector::Collector;
pub use requests::RequestMetrics;
