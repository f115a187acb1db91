//! The proxy against simulated providers, on real sockets.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod clouds;
mod edges;
mod forwarded;
mod gateway;
mod hangups;
mod hostile;
mod matrix;
mod outcomes;
mod panics;
mod protocols;
mod raw;
mod streams;
mod surface;
