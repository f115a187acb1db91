//! The proxy against simulated providers, on real sockets.

mod gateway;
mod hangups;
mod matrix;
mod raw;
mod streams;
