//! Limits: how many requests and tokens a minute, and how many requests at a time.
//!
//! A minute is any 60 seconds, not one of the clock's: of a limit of 600, 600 may come at once, and then none until the first
//! of them is a minute old. Tokens are reserved by an estimate before a request is sent, and settled when it has ended. What
//! passes or fails is decided for all limits of a request together: none is taken from where another refuses.
//!
//! The crates of the field that count rates ([governor](https://docs.rs/governor) among them) keep a cell's arrival time, from
//! which nothing can be given back and to which nothing can be added later; a reservation needs both. So the window here is
//! our own: 121 counts of half a second each, in integers.
//!
//! Where gateways count together ([`Shared`]), that count decides, and the one here is kept beside it: by it each gateway goes
//! on alone when the others are out of reach, and from it the common count is made anew when that was lost.

mod limiter;
mod rates;
mod shared;
mod window;

#[cfg(test)]
mod tests;

pub use limiter::{Account, Admission, Kind, Limited, Limiter, Rule, Scope, Standing, Standings};
pub use rates::{LimitError, Limits, LimitsFields, ModelRates, Rates, RatesFields};
pub use shared::{Change, Granted, Lack, Reserving, Shared, Wanted};
pub use window::{STEP, STEPS};
