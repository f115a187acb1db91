//! TCP connections whose short writes are sent together.
//!
//! A write to a peer on the same machine wakes it, which costs as much as the rest of the write where that peer sleeps: an
//! interrupt to the processor it sleeps on. A gateway that writes an answer, works for ten microseconds and writes the next wakes
//! a peer for each, because it sleeps again in between. Written back to back they find it awake. So on a thread that has all
//! tasks of its runtime to itself, what is written while a task runs is kept, and sent when all others that were ready have run.
//! Redis does the same (`beforeSleep`, which writes what its clients' commands have left to be written).
//!
//! Nothing waits for longer than that: where only one task is ready, it is sent as soon as that rests.

mod round;
mod socket;

pub use self::{round::Round, socket::Socket};
