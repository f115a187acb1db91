//! The simulator as its callers see it, through real sockets.

#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
mod anthropic;
mod faults;
#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
mod gemini;
mod openai;
#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
mod responses;
#[expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
mod support;
mod wire;
