//! Budgets of client keys, shared by replicas through leases in the database.
//!
//! [`Budgets::reserve`] promises a request what it may cost, from what this process has leased: atomics, and no database
//! call. The [`Worker`] leases ahead, a share of what is left at a time, gives back what lies idle, and stops leasing what
//! has come into the books. The rules are `access::budget`'s; here are the database, the clock and the waiting.
//!
//! - Replicas together spend no more than a budget, beyond what requests that run cost more than was thought: a lease is
//!   written under a lock on its key, only if it fits beside `key_usage` and the leases of the others.
//! - A lease covers what was spent until that stands in `key_usage`. So a restart forgets nothing, and a killed process'
//!   money is free again when its lease is over.
//! - A request that finds nothing leased waits for the worker, for [`Settings::patience`] at most. While the database is away
//!   what is leased can be spent; then requests are refused, or served on credit where [`Settings::on_credit`] says so.
//!
//! It deliberately does not keep sums of its own: what was spent is what `key_usage` says.

mod handle;
mod metrics;
mod settings;
mod store;
mod worker;

pub use handle::{Budgets, Charge, Refusal};
pub use metrics::{BudgetMetrics, BudgetWarning};
pub use settings::Settings;
pub use worker::Worker;

use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;

/// Makes the pair of handle and worker. The database is not asked.
#[must_use]
pub fn start(settings: Settings, database: DatabaseConnection) -> (Budgets, Worker) {
    let (queue, waking) = mpsc::unbounded_channel();
    let budgets = Budgets::new(settings, queue);
    let worker = Worker::new(budgets.clone(), database, waking);
    (budgets, worker)
}
