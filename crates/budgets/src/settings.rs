//! What an operator can turn.

use std::time::Duration;

/// Settings of budgets.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a lease lasts that nobody renews. A killed process keeps so long from others what it had leased; without
    /// the database what is leased can be spent for nine tenths of it.
    pub lease: Duration,
    /// How long a request waits at most that finds nothing leased. A turn with the database is a matter of milliseconds,
    /// unless it is busy, or very many keys ask for one at once.
    pub patience: Duration,
    /// Whether keys with a budget are served when the database is away and nothing is leased any more.
    pub on_credit: bool,
}

impl Default for Settings {
    /// Five minutes, two seconds, and no credit.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(300),
            patience: Duration::from_secs(2),
            on_credit: false,
        }
    }
}
