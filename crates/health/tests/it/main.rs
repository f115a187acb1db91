//! Router and health together, over hours of virtual time.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod schedules;
mod world;
