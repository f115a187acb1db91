//! What the proxy tells about a request that has ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Trace, Usage, row};

/// A request that was authenticated and has ended, in whatever way.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The id the client saw in `x-request-id`.
    pub request_id: Uuid,
    /// When it arrived. Its UTC day is the day everything about this request is counted under.
    pub arrived_at: DateTime<Utc>,
    /// The path served, without parameters, such as `/v1/chat/completions`.
    pub endpoint: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The model the client asked for, as it wrote it.
    pub model: String,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The client key's name, never the key.
    pub key_name: Arc<str>,
    /// Where the client connected from.
    pub ip: Option<IpAddr>,
    /// The status the client got; 499 if it hung up first.
    pub status_code: u16,
    /// Why it failed; none if it did not.
    pub error_class: Option<&'static str>,
    /// What the log says about the failure; no secrets, no bodies.
    pub error_message: Option<String>,
    /// From arrival to the end of the answer.
    pub latency: Duration,
    /// From arrival to the first content; none if there was none.
    pub ttft: Option<Duration>,
    /// Every attempt that was sent, in order. One that was held back and never sent is not in here.
    pub attempts: Vec<AttemptRecord>,
    /// Index of the attempt that answered; without one, the last attempt stands for the request.
    pub answered_by: Option<usize>,
    /// Who has leased the money that it was charged to, where its key has a budget.
    pub charged_to: Option<Uuid>,
    /// Its spans, where traces are made.
    pub trace: Option<Box<Trace>>,
}

impl RequestRecord {
    /// What it cost, in nano-USD, as its row will say; `None` where no attempt has a cost.
    #[must_use]
    pub fn cost(&self) -> Option<i64> {
        let costs = self.attempts.iter().filter_map(|attempt| attempt.cost);
        costs.map(row::bounded_cost).reduce(i64::saturating_add)
    }
}

/// One attempt that was sent.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// The provider tried.
    pub provider_id: i64,
    /// What that provider calls the model.
    pub provider_model: Arc<str>,
    /// HTTP status of its answer; none if no answer came.
    pub status: Option<u16>,
    /// Why it did not answer; none if it did.
    pub error_class: Option<&'static str>,
    /// How it counts in the provider's day.
    pub counted: Counted,
    /// From sending to the end of the attempt.
    pub elapsed: Duration,
    /// What it used; none if nothing is known or nothing was used.
    pub usage: Option<Usage>,
    /// Nano-USD; none while unpriced.
    pub cost: Option<i64>,
}

/// How an attempt counts in `provider_stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It answered, or what went wrong was the client's own fault or hang-up.
    Success,
    /// Held against the provider, or rate limited.
    Failed,
}
