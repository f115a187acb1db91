//! The simulator as its callers see it, through real sockets.

mod faults;
mod openai;
#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
mod support;
mod wire;
