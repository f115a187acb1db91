//! The proxy against simulated providers, on real sockets.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod edges;
mod gateway;
mod hangups;
mod matrix;
mod outcomes;
mod raw;
mod streams;
mod surface;
