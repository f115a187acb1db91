//! The proxy against simulated providers, on real sockets.

mod gateway;
mod hangups;
mod raw;
mod streams;
