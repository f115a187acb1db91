//! The proxy against simulated providers, on real sockets.

mod edges;
mod gateway;
mod hangups;
mod matrix;
mod outcomes;
mod raw;
mod streams;
mod surface;
