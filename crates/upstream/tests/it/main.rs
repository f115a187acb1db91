//! The client against real sockets: pools, faults, the address guard, proxies and TLS.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod connections;
mod pool;
mod server;
mod tls;
