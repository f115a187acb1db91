//! Budgets: how much money a key may spend in a day, a month and in all.
//!
//! What was spent stands in the books (`key_usage`), and what may be spent before the books are asked again is *leased*: a
//! replica has an amount written down as its own, and spends no more than that. So that replicas together never spend
//! more than a budget, an amount is leased only if it fits beside what the books say and what all of them have leased,
//! and it stays leased until what was spent of it stands in the books.
//!
//! An [`Account`] is one key's money in one process, a few atomics on the way of a request. A [`Turn`] is one round
//! with the books, which the caller makes: nothing here asks a database or a clock.

mod account;
mod period;
mod policy;
mod turn;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use account::{Account, Lacking, Reservation};
pub use period::{ByPeriod, Period};
pub use policy::{Budget, BudgetError, BudgetFields, BudgetReason, Unpriced};
pub use turn::{Crossed, Outlook, Standing, Turn, spendable_until};
