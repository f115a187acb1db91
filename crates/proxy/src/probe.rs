//! Active probes: the cheapest question that a provider really answers, its list of models.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use catalog::{Catalog, Provider, Snapshot, Way};
use health::{Outcome, Probe};
use http::{HeaderValue, Request, Uri, header};
use protocol::{Endpoint, Envelope};
use router::{ProviderId, Verdict};
use tokio::time::{Instant as Deadline, timeout_at};
use upstream::{NetworkPolicy, Pieces};

use crate::{
    answer,
    arrival::Arrival,
    ask::Ask,
    attempt::{self, USER_AGENT},
    canonical_form::CanonicalForm,
    clock,
    exchange::{self, Unprepared},
    failure::Failure,
    media::Fetcher,
    settings::Settings,
};

/// Time for a connection, and for the whole answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest list of models read.
const MAX_LIST_BYTES: usize = 8 << 20;

/// Probes the providers of the snapshot in force. A provider without a list of models (404, 405) is asked for one token
/// by one of its own associated models; no invented name is ever sent.
#[derive(Clone, Default)]
pub struct Prober {
    catalog: Arc<OnceLock<Catalog>>,
}

impl fmt::Debug for Prober {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Prober").finish_non_exhaustive()
    }
}

impl Prober {
    /// Gives it the catalog, which is made after health, and health after its prober. Before, it probes nothing.
    pub fn set_catalog(&self, catalog: Catalog) {
        // A second catalog would be a mistake of the wiring; the first stays.
        let _ = self.catalog.set(catalog);
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.catalog.get().map(Catalog::snapshot)
    }
}

impl Probe for Prober {
    fn targets(&self) -> Vec<ProviderId> {
        let Some(snapshot) = self.snapshot() else {
            return Vec::new();
        };
        let candidates = snapshot.routes.routes().flat_map(router::Route::candidates);
        let mut ids: Vec<ProviderId> = candidates
            .filter(|it| it.is_provider_enabled())
            .map(router::Candidate::provider)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    async fn probe(&self, id: ProviderId) -> Outcome {
        let snapshot = self.snapshot();
        let Some((snapshot, provider)) = snapshot
            .as_ref()
            .and_then(|it| Some((it, it.provider(id)?)))
        else {
            return Outcome::new(Verdict::ClientFault).error("the provider cannot be used");
        };
        let started = clock::now();
        let listed = match provider.models_url() {
            Some(url) => list(provider, url).await,
            None => one_token(snapshot, provider).await,
        };
        let result = match listed {
            Err(failure) if matches!(failure.status, Some(404 | 405)) => {
                one_token(snapshot, provider).await
            }
            result => result,
        };
        let outcome = match result {
            Ok(status) => Outcome::new(Verdict::Answered).status(status),
            Err(failure) => {
                let mut outcome = Outcome::new(failure.verdict).error(failure.message);
                outcome.status = failure.status;
                outcome
            }
        };
        outcome.latency(started.elapsed())
    }
}

async fn list(provider: &Provider, url: &Uri) -> Result<u16, Failure> {
    let mut request = Request::new(Pieces::default());
    *request.uri_mut() = url.clone();
    *request.headers_mut() = provider.headers();
    request
        .headers_mut()
        .insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let deadline = Deadline::now() + ANSWER_TIMEOUT;
    let sending = provider.client.send(request, CONNECT_TIMEOUT);
    let response = timeout_at(deadline, sending)
        .await
        .map_err(|_| Failure::timeout("no answer to the probe in time"))?
        .map_err(|error| Failure::of_send(&error))?;
    let (head, body) = response.into_parts();
    let body = answer::read(body, MAX_LIST_BYTES, deadline).await?;
    if !head.status.is_success() {
        return Err(Failure::of_status(
            head.status,
            &head.headers,
            &body,
            |text| provider.redact(text),
        ));
    }
    provider
        .kind
        .parse_models(&body)
        .map(|_| head.status.as_u16())
        .map_err(|error| {
            Failure::bad_payload(format!("no list of models: {error}")).with_status(head.status)
        })
}

async fn one_token(snapshot: &Snapshot, provider: &Arc<Provider>) -> Result<u16, Failure> {
    let mut candidates = snapshot.routes.routes().flat_map(router::Route::candidates);
    let Some(candidate) = candidates.find(|it| it.provider() == provider.id && it.is_enabled())
    else {
        return Err(unasked("the provider has no model to ask for"));
    };
    let model = candidate.provider_model();
    // In the words of Chat Completions, which every type can be asked in.
    let question = serde_json::json!({
        "model": &**model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]
    });
    let body = Bytes::from(question.to_string());
    let endpoint = Endpoint::ChatCompletions;
    let envelope = Envelope::scan(endpoint, None, &body).map_err(|it| unasked(&it.to_string()))?;
    let policy = catalog::Policy::defaults(Duration::from_secs(2));
    let ask = Ask {
        remembers: false,
        screen: None,
        resumption: None,
        endpoint,
        headers: &http::HeaderMap::new(),
        body: &body,
        envelope: &envelope,
        policy: &policy,
        arrival: &Arrival {
            id: uuid::Uuid::now_v7(),
            instant: clock::now(),
            utc: clock::utc(),
            ip: None,
        },
        as_array: false,
        deadline: None,
        is_deadline_own: false,
        canonical: CanonicalForm::default(),
    };
    let Way::Call(call) = provider.way(endpoint, model, false) else {
        return Err(unasked("the provider answers no such request"));
    };
    // A text alone names nothing that would have to be fetched.
    let fetcher = Fetcher::new(NetworkPolicy::Public);
    let prepared = exchange::prepare(&ask, *call, &fetcher)
        .await
        .map_err(|unprepared| match unprepared {
            Unprepared::Wrong(error) => unasked(error.message()),
            Unprepared::Refused(refusal) => unasked(&refusal.to_string()),
        })?;
    attempt::run(&ask, provider, &prepared, &Settings::default())
        .await
        .map(|_| 200)
}

/// A probe that could not be sent, which says nothing of the provider.
fn unasked(message: &str) -> Failure {
    Failure::new(Verdict::ClientFault, "client_error", message)
}
