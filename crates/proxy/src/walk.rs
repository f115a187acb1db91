//! The walk of a request, from top to bottom.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use access::ClientKey;
use bytes::Bytes;
use catalog::{Catalog, Model, Snapshot, route_endpoint};
use chrono::Utc;
use futures_util::FutureExt;
use health::Health;
use http::{HeaderMap, Request, Response, StatusCode, request};
use protocol::{Endpoint, Envelope, ErrorKind, Protocol};
use router::{Capabilities, ProviderId, RetryBudget, Strategy};
use stats::Recorder;
use tokio_util::sync::CancellationToken;
use upstream::{Clients, NetworkPolicy};
use uuid::Uuid;

use crate::{
    answer::Answered,
    ask::Ask,
    attempts::{self, Success, ThreadDice, Tools},
    authenticate,
    body::Body,
    canonical_form::CanonicalForm,
    count::{Counting, TokenCounter},
    edge,
    error::{Error, model_not_found, refused},
    intake,
    ledger::{Arrival, Ledger},
    metrics::Metrics,
    models,
    orchestration::Orchestration,
    relay::{Committed, Relay},
    settings::Settings,
    surface::{Asked, Operation, method_name},
};

/// All that a client is told of a fault in here.
const INTERNAL: &str = "the gateway met an internal error";

/// What a proxy is made of.
#[derive(Debug)]
pub struct Parts {
    /// Models, providers and keys.
    pub catalog: Catalog,
    /// How providers fare.
    pub health: Health,
    /// Where ended requests are recorded.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Bounds.
    pub settings: Settings,
    /// Counts tokens in place of providers that cannot.
    pub counter: Arc<dyn TokenCounter>,
    /// Cancelled when streams that still run have to end, with an error event.
    pub cut: CancellationToken,
}

/// Serves clients; cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    budget: RetryBudget,
    counting: Counting,
    /// For addresses that come from requests.
    public: Clients,
}

impl Proxy {
    /// A proxy of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let budget = RetryBudget::new(Instant::now());
        Self {
            inner: Arc::new(Inner {
                counting: Counting::new(parts.counter.clone()),
                parts,
                budget,
                public: Clients::new(NetworkPolicy::Public),
            }),
        }
    }

    /// Serves one request from `ip`; every failure becomes an answer in the client's protocol. Dropping the future cancels
    /// the call to the provider and records that the client left.
    pub async fn serve<B>(&self, request: Request<B>, ip: Option<IpAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let arrival = Arrival {
            id: Uuid::now_v7(),
            instant: Instant::now(),
            utc: Utc::now(),
            ip,
        };
        let (head, body) = request.into_parts();
        let asked = Asked::at(head.uri.path(), head.uri.query(), &head.headers); // who speaks which protocol, and what for
        // Nothing is looked at again of what a panic may have left half done: all of it is dropped with the walk.
        let walk = AssertUnwindSafe(self.walk(&asked, &head, body, &arrival));
        let mut response = walk
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(self.panicked(&arrival)))
            .unwrap_or_else(|error| edge::render(asked.protocol, &error, &arrival));
        edge::add_id(response.headers_mut(), &arrival, asked.protocol);
        response
    }

    /// A fault of the gateway's own, which has been told by the panic's message and recorded by the ledger it met.
    fn panicked(&self, arrival: &Arrival) -> Error {
        self.inner.parts.metrics.panicked();
        tracing::error!(request.id = %arrival.id, "a request's task panicked");
        Error::new(ErrorKind::Internal, "internal", INTERNAL)
    }

    async fn walk<B>(
        &self,
        asked: &Asked<'_>,
        head: &request::Parts,
        body: B,
        arrival: &Arrival,
    ) -> Result<Response<Body>, Error>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let parts = &self.inner.parts;
        let snapshot = parts.catalog.snapshot(); // one view of the configuration for the whole walk
        let caller = authenticate::caller(&snapshot, head, arrival.utc)?;
        let mut ledger = Ledger::open(
            arrival,
            asked.operation.name(asked.protocol),
            method_name(&head.method),
            caller.name.clone(),
            parts.recorder.clone(),
            parts.metrics.clone(),
        );
        let result = match asked.check(&head.method, head.uri.path()) {
            Err(error) => Err(error),
            Ok(()) => match &asked.operation {
                Operation::Routed(endpoint, model) => {
                    let (endpoint, model) = (*endpoint, model.as_deref());
                    let (snapshot, ledger) = (&snapshot, &mut ledger);
                    self.route(
                        snapshot, &caller, endpoint, model, head, body, arrival, ledger,
                    )
                    .await
                }
                Operation::Model(name) => {
                    ledger.asked_for_model(name);
                    models::one(&snapshot, &caller, asked.protocol, name).map(Answer::Own)
                }
                Operation::Models | Operation::Unknown => {
                    models::list(&snapshot, &caller, asked.protocol, head.uri.query())
                        .map(Answer::Own)
                }
            },
        };
        Ok(conclude(
            result,
            ledger,
            asked.protocol,
            arrival,
            &parts.cut,
        ))
    }

    /// Finds a provider that answers.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that is known of the request, each used once"
    )]
    async fn route<B>(
        &self,
        snapshot: &Arc<Snapshot>,
        caller: &ClientKey,
        endpoint: Endpoint,
        path_model: Option<&str>,
        head: &request::Parts,
        body: B,
        arrival: &Arrival,
        ledger: &mut Ledger,
    ) -> Result<Answer, Error>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let Parts {
            health, settings, ..
        } = &self.inner.parts;
        intake::check_version(endpoint, &head.headers)?;
        let body = intake::read(body, &head.headers, settings).await?; // bounded
        let envelope = intake::scan(endpoint, path_model, &head.headers, &body)?; // parsed just far enough
        ledger.asked(&envelope);
        let orchestration = Orchestration::of(&head.headers, &envelope)?;
        authenticate::model(caller, &envelope.model)?;
        let (model, route) = snapshot
            .model(&envelope.model)
            .ok_or_else(|| model_not_found(&envelope.model))?;
        let fallbacks: Vec<&str> = orchestration
            .fallback_providers
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let allowed = allowed_providers(snapshot, caller);
        let is_sticky = model.policy.strategy == Strategy::Sticky;
        let wanted = router::Request {
            endpoint: route_endpoint(endpoint),
            requirements: requirements(&envelope),
            provider: orchestration.provider.as_deref(),
            fallback_providers: &fallbacks,
            allowed_providers: allowed.as_deref(),
            session: is_sticky.then(|| orchestration.session(&body)),
            hard_pin: is_sticky && envelope.encrypted_reasoning,
            max_retry: orchestration.max_retry,
        };
        let plan = route
            .plan(&wanted, health, Instant::now(), &mut ThreadDice)
            .map_err(|refusal| refused(refusal, &envelope.model))?;
        let ask = Ask {
            endpoint,
            headers: &head.headers,
            body: &body,
            envelope: &envelope,
            policy: &model.policy,
            arrival,
            as_array: reads_array(endpoint, head.uri.query()),
            canonical: CanonicalForm::default(),
            deadline: deadline(model, &orchestration),
            is_deadline_own: orchestration.timeout.is_some(),
        };
        let tools = Tools {
            snapshot,
            health,
            budget: &self.inner.budget,
            settings,
            public: &self.inner.public,
            counting: &self.inner.counting,
        };
        let success = attempts::run(&tools, &ask, plan, ledger).await?; // build, send, judge, as the walk says
        Ok(Answer::Providers {
            as_array: ask.as_array,
            success,
            idle_timeout: model.policy.clocks.stream_idle,
        })
    }
}

/// What goes back.
#[expect(
    clippy::large_enum_variant,
    reason = "made once per request and taken apart at once"
)]
enum Answer {
    /// JSON of ours.
    Own(Bytes),
    /// A provider's.
    Providers {
        success: Success,
        /// Whether its stream is read as a JSON array.
        as_array: bool,
        idle_timeout: Duration,
    },
}

/// Makes the response, and ends the account, unless that ends with the stream.
fn conclude(
    result: Result<Answer, Error>,
    ledger: Ledger,
    protocol: Protocol,
    arrival: &Arrival,
    cut: &CancellationToken,
) -> Response<Body> {
    let (success, as_array, idle_timeout) = match result {
        Ok(Answer::Providers {
            success,
            as_array,
            idle_timeout,
        }) => (success, as_array, idle_timeout),
        Ok(Answer::Own(body)) => {
            ledger.close(200, None, Instant::now());
            return edge::json(StatusCode::OK, body);
        }
        Err(error) => return told(&error, ledger, protocol, arrival),
    };
    let Success {
        answered,
        provider,
        in_flight,
        latency,
        passes,
        dropped,
    } = success;
    let speaks = passes.then_some(protocol);
    let (status, mut headers, body) = match answered {
        Answered::Estimated { body } => {
            let mut headers = edge::passed_headers(&HeaderMap::new(), None);
            edge::add_estimated(&mut headers);
            edge::claim_json(&mut headers);
            edge::add_trail(&mut headers, &ledger, arrival, None);
            ledger.close(200, None, Instant::now());
            (StatusCode::OK, headers, Body::whole(body))
        }
        Answered::Whole {
            status,
            headers,
            body,
            ..
        } => {
            let mut headers = edge::passed_headers(&headers, speaks);
            edge::claim_json(&mut headers);
            edge::add_trail(&mut headers, &ledger, arrival, Some(latency));
            ledger.close(status.as_u16(), None, Instant::now());
            (status, headers, Body::whole(body))
        }
        Answered::Stream {
            status,
            headers,
            body,
            tap,
            held,
        } => {
            let mut headers = edge::passed_headers(&headers, speaks);
            if !passes || as_array {
                edge::claim_stream(&mut headers, as_array);
            }
            edge::add_trail(&mut headers, &ledger, arrival, Some(latency));
            let stream = Committed {
                body,
                tap,
                held,
                in_flight,
                provider,
                status: status.as_u16(),
                latency,
                idle_timeout,
            };
            // Taps usage; records when the body ends or drops.
            let relay = Relay::new(stream, ledger, cut.clone());
            (status, headers, Body::stream(relay))
        }
    };
    edge::add_dropped(&mut headers, &dropped);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Makes the response to a request that got no answer, and ends the account.
fn told(error: &Error, ledger: Ledger, protocol: Protocol, arrival: &Arrival) -> Response<Body> {
    let mut response = edge::render(protocol, error, arrival);
    edge::add_trail(response.headers_mut(), &ledger, arrival, None);
    let status = response.status().as_u16();
    ledger.close(status, Some((error.class, error.message())), Instant::now());
    response
}

/// Whether a Gemini client reads its stream as one JSON array, as it does unless it asks for events; Google's APIs take
/// the parameter by either name.
fn reads_array(endpoint: Endpoint, query: Option<&str>) -> bool {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    endpoint == Endpoint::StreamGenerateContent
        && !parameters.any(|(name, value)| matches!(&*name, "alt" | "$alt") && value == "sse")
}

fn requirements(envelope: &Envelope<'_>) -> Capabilities {
    Capabilities::new(
        envelope.needs.tool_call,
        envelope.needs.structured_output,
        envelope.needs.image,
    )
}

fn allowed_providers(snapshot: &Snapshot, caller: &ClientKey) -> Option<Vec<ProviderId>> {
    let names = caller.allowed_providers.as_ref()?;
    Some(
        names
            .iter()
            .filter_map(|name| snapshot.routes.provider_id(name))
            .collect(),
    )
}

fn deadline(model: &Model, orchestration: &Orchestration<'_>) -> Option<Instant> {
    let total = orchestration.timeout.or(model.policy.clocks.total)?;
    Instant::now().checked_add(total)
}
