//! What every attempt of a request shares.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use catalog::{Clocks, Policy};
use http::HeaderMap;
use protocol::{Endpoint, Envelope, Reply, Resumption, canonical, estimate_tokens};
use router::Verdict;
use tokio::time::Instant as Deadline;

use crate::{arrival::Arrival, canonical_form::CanonicalForm, failure::Failure, guard::Screen};

/// A client's request, as attempts see it.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) envelope: &'a Envelope<'a>,
    pub(crate) policy: &'a Policy,
    pub(crate) arrival: &'a Arrival,
    /// Whether a Gemini client reads its stream as a JSON array.
    pub(crate) as_array: bool,
    /// When the whole request has to be committed, if ever.
    pub(crate) deadline: Option<Instant>,
    /// Whether that is the client's own wish.
    pub(crate) is_deadline_own: bool,
    /// Whether a stream is remembered, so that another provider may go on with it.
    pub(crate) remembers: bool,
    /// What the answer has to pass.
    pub(crate) screen: Option<&'a Screen>,
    /// The beginning that the client has, where another provider's stream broke.
    pub(crate) resumption: Option<&'a Resumption>,
    /// Read when the first candidate speaks another format.
    pub(crate) canonical: CanonicalForm,
}

impl Ask<'_> {
    pub(crate) fn clocks(&self) -> &Clocks {
        &self.policy.clocks
    }

    /// How long an attempt may take to answer, or to begin its stream.
    fn patience(&self) -> Duration {
        if self.envelope.stream {
            self.clocks().first_content
        } else {
            self.clocks().response
        }
    }

    /// Whether an attempt that failed after `lasted` had time by its own clock, and only the client had none left: a
    /// client in a hurry must not make a provider look silent to everybody.
    pub(crate) fn was_cut_short(&self, failure: &Failure, lasted: Duration) -> bool {
        failure.verdict == Verdict::Timeout && self.is_deadline_own && lasted < self.patience()
    }

    /// When an attempt that starts at `now` has to have answered, or begun its stream.
    pub(crate) fn attempt_deadline(&self, now: Instant) -> Deadline {
        let own = now + self.patience();
        self.deadline
            .map_or(own, |deadline| deadline.min(own))
            .into()
    }

    /// What a translated answer tells of the request; `provider_model` answers it.
    pub(crate) fn reply(&self, request: Arc<canonical::Request>, provider_model: &str) -> Reply {
        Reply {
            request,
            id: self.arrival.id.simple().to_string(),
            created: self.arrival.utc.timestamp(),
            model: provider_model.to_owned(),
            include_usage: self.envelope.include_usage,
            prompt_tokens: estimate_tokens(self.envelope.prompt_bytes),
            as_array: self.as_array,
        }
    }
}
