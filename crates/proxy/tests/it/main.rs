//! The proxy against simulated providers, on real sockets.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod clocks;
mod clouds;
mod costs;
mod edges;
mod footprint;
mod forwarded;
mod gateway;
mod hangups;
mod heartbeat;
mod hedging;
mod hostile;
mod matrix;
mod outcomes;
mod overload;
mod panics;
mod protocols;
mod raw;
mod resume;
mod simulation;
mod streams;
mod surface;
