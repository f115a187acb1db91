//! Asking another provider to go on with a stream that broke.
//!
//! It is asked for the whole answer, with the client's own request. Its stream repeats what the client has, or it is not gone
//! on with (`protocol::Resumption`); nothing of the answer is ever put into the request.

use std::{fmt, sync::Arc};

use catalog::Policy;
use futures_util::future::BoxFuture;
use protocol::{Endpoint, Envelope, ErrorKind, Operation, Resumption};
use router::{ProviderId, Route};

use crate::{
    errand::{Done, Errand},
    error::Error,
    failure::Failure,
    ledger::Ledger,
    orchestration::Orchestration,
};

/// What becomes of streams that are to be resumed, as the metrics tell it.
pub(crate) mod result {
    /// It came to its end.
    pub(crate) const RESUMED: &str = "resumed";
    /// The other provider said something else.
    pub(crate) const DIFFERED: &str = "differed";
    /// No other provider answered, or its stream broke too.
    pub(crate) const FAILED: &str = "failed";
    /// The beginning is nothing that another provider could repeat.
    pub(crate) const NOT_POSSIBLE: &str = "not_possible";
    pub(crate) const ALL: [&str; 4] = [RESUMED, DIFFERED, FAILED, NOT_POSSIBLE];
}

/// What a relay may do about a stream that breaks.
pub(crate) struct Rescue {
    pub(crate) errand: Arc<Errand>,
    /// Whose streams broke so far.
    pub(crate) broken: Vec<(ProviderId, Arc<str>)>,
    /// Another provider is asked because of this.
    pub(crate) running: Option<(BoxFuture<'static, Done>, Failure)>,
}

impl fmt::Debug for Rescue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Rescue");
        shown.field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl Rescue {
    pub(crate) fn new(errand: Arc<Errand>) -> Self {
        Self {
            errand,
            broken: Vec::new(),
            running: None,
        }
    }

    /// Whether the stream that runs goes on with another's.
    pub(crate) fn has_gone_on(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Asks another provider.
    pub(crate) fn begin(
        &mut self,
        resumption: Resumption,
        broken: (ProviderId, Arc<str>),
        failure: &Failure,
        ledger: Ledger,
    ) {
        self.broken.push(broken);
        let resuming = Resuming {
            resumption,
            broken: self.broken.clone(),
        };
        let run = self.errand.clone().resume(resuming, ledger);
        self.running = Some((run, failure.again()));
    }

    /// Counts what became of one try.
    pub(crate) fn count(&self, result: &'static str) {
        self.errand.metrics().resume(result);
        tracing::info!(
            request.id = %self.errand.request_id(),
            resume.result = result,
            "a stream that broke was to go on with another provider"
        );
    }
}

/// A stream that broke, for those who may go on with it.
#[derive(Debug)]
pub(crate) struct Resuming {
    /// What the client has.
    pub(crate) resumption: Resumption,
    /// Whose streams broke, by id and name.
    pub(crate) broken: Vec<(ProviderId, Arc<str>)>,
}

impl Resuming {
    fn is_broken(&self, name: &str) -> bool {
        self.broken.iter().any(|(_, broken)| **broken == *name)
    }

    /// The providers that are left, of those that are allowed.
    pub(crate) fn others(
        &self,
        route: &Route,
        allowed: Option<Vec<ProviderId>>,
    ) -> Vec<ProviderId> {
        let all = || {
            route
                .candidates()
                .iter()
                .map(router::Candidate::provider)
                .collect()
        };
        let mut others = allowed.unwrap_or_else(all);
        others.retain(|id| self.broken.iter().all(|(broken, _)| broken != id));
        others
    }
}

/// Whether a stream is remembered, so that another provider may go on with it.
pub(crate) fn is_wanted(
    policy: &Policy,
    orchestration: &Orchestration<'_>,
    envelope: &Envelope<'_>,
    endpoint: Endpoint,
) -> bool {
    let is_on = orchestration
        .verified_resume
        .unwrap_or(policy.verified_resume);
    let is_text = matches!(endpoint.operation(), Operation::Generate(_));
    is_on && is_text && envelope.stream && envelope.choices == 1
}

/// The providers that the request names, without those whose streams broke.
pub(crate) fn named<'o>(
    orchestration: &'o Orchestration<'_>,
    resuming: Option<&Resuming>,
) -> Result<(Option<&'o str>, Vec<&'o str>), Error> {
    let provider = orchestration.provider.as_deref();
    let fallbacks = orchestration.fallback_providers.iter().map(AsRef::as_ref);
    let Some(resuming) = resuming else {
        return Ok((provider, fallbacks.collect()));
    };
    let is_left = |name: &&str| !resuming.is_broken(name);
    let mut fallbacks: Vec<&str> = fallbacks.filter(is_left).collect();
    match provider {
        None => Ok((None, fallbacks)),
        Some(name) if is_left(&name) => Ok((Some(name), fallbacks)),
        // Only those named beside it may be asked.
        Some(_) if fallbacks.is_empty() => Err(impossible("the request names no other provider")),
        Some(_) => Ok((Some(fallbacks.remove(0)), fallbacks)),
    }
}

/// How many attempts may follow the next one; `None` is as many as the model has it.
pub(crate) fn max_retry(
    orchestration: &Orchestration<'_>,
    resuming: Option<&Resuming>,
    route: &Route,
    ledger: &Ledger,
) -> Result<Option<u32>, Error> {
    if resuming.is_none() {
        return Ok(orchestration.max_retry);
    }
    let most = orchestration.max_retry.unwrap_or_else(|| route.max_retry());
    let made = ledger.trail().map_or(0, |(made, _)| made);
    let left = most
        .saturating_add(1)
        .saturating_sub(u32::try_from(made).unwrap_or(u32::MAX));
    match left.checked_sub(1) {
        Some(left) => Ok(Some(left)),
        None => Err(impossible("no attempt is left")),
    }
}

/// Nobody can be asked to go on.
pub(crate) fn impossible(why: &'static str) -> Error {
    Error::new(ErrorKind::BadGateway, "resume", why)
}
