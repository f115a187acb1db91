//! What gateways share, on a real Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod limits;
mod outages;
mod pauses;
mod replica;
mod wire;
