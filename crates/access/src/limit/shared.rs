//! Limits that several gateways count together.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::{Kind, Limited, Rule, Scope, Standings};

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Limits that all have to let it pass.
    pub rules: Vec<Rule>,
    /// Beside them: of these groups the first that lets it pass, whole, is taken from too.
    pub choices: Vec<Vec<Rule>>,
    /// What it is thought to use, in and out.
    pub tokens: u64,
}

/// What a group of limits has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// Of what.
    pub kind: Kind,
    /// How much the limit is.
    pub limit: u64,
    /// When the same would pass, if nothing else comes.
    pub retry_after: Duration,
}

/// What was taken for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// When, by the common clock.
    pub step: u64,
    /// How the rules stand now.
    pub standings: Standings,
    /// What the groups before the chosen one lack; where there are as many as groups, none was chosen.
    pub lacks: Vec<Lack>,
}

/// A difference in what is taken of one scope's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose limits.
    pub scope: Scope,
    /// When it was taken, by the common clock.
    pub step: u64,
    /// Requests more.
    pub requests: i64,
    /// Tokens more.
    pub tokens: i64,
    /// How many of them a minute may have; what is more than that leaves room for is owed to the minutes to come.
    pub limit: Option<u64>,
    /// Requests more that run.
    pub running: i64,
}

/// Where several gateways count together.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Takes of all that is wanted, or of nothing; `None` where nobody answers in time: then it is decided here.
    fn reserve(&self, wanted: Wanted) -> Reserving<'_>;

    /// Tells of what was taken, given back or corrected here. Never waits.
    fn change(&self, changes: Vec<Change>);

    /// The present by the common clock, in half seconds.
    fn step(&self) -> u64;

    /// How many gateways there are, this one included.
    fn gateways(&self) -> u64;
}

/// The answer to come.
pub type Reserving<'a> =
    Pin<Box<dyn Future<Output = Option<Result<Granted, Box<Limited>>>> + Send + 'a>>;
