//! The walk of a request, from top to bottom.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use access::ClientKey;
use bytes::Bytes;
use catalog::{Catalog, Model, Snapshot, route_endpoint};
use chrono::Utc;
use health::Health;
use http::{Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use protocol::{Endpoint, Protocol, openai::Envelope};
use router::{Capabilities, ProviderId, RetryBudget, Strategy};
use stats::Recorder;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    attempt::{Answered, Ask},
    attempts::{self, Success, ThreadDice, Tools},
    authenticate,
    body::Body,
    edge,
    error::{Error, model_not_found, refused},
    intake,
    ledger::{Arrival, Ledger},
    metrics::Metrics,
    models,
    orchestration::Orchestration,
    relay::{Committed, Relay},
    settings::Settings,
    surface::{Operation, method_name},
};

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
}

impl Proxy {
    /// A proxy of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let budget = RetryBudget::new(Instant::now());
        Self {
            inner: Arc::new(Inner { parts, budget }),
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
        let mut response = self
            .walk(request, &arrival)
            .await
            .unwrap_or_else(|error| edge::render(Protocol::OpenAi, &error));
        edge::add_id(response.headers_mut(), &arrival);
        response
    }

    async fn walk<B>(&self, request: Request<B>, arrival: &Arrival) -> Result<Response<Body>, Error>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let parts = &self.inner.parts;
        let (head, body) = request.into_parts();
        let snapshot = parts.catalog.snapshot(); // one view of the configuration for the whole walk
        let caller = authenticate::caller(&snapshot, &head, arrival.utc)?;
        let operation = Operation::at(head.uri.path());
        let method = method_name(&head.method);
        let (recorder, metrics) = (parts.recorder.clone(), parts.metrics.clone());
        let mut ledger = Ledger::open(
            arrival,
            operation.name(),
            method,
            caller.name.clone(),
            recorder,
            metrics,
        );
        let result = match operation.check(&head.method, head.uri.path()) {
            Err(error) => Err(error),
            Ok(()) => match operation {
                Operation::Routed(endpoint) => {
                    self.route(&snapshot, &caller, endpoint, &head, body, &mut ledger)
                        .await
                }
                Operation::Model(name) => {
                    let name = percent_decode_str(name).decode_utf8_lossy();
                    ledger.asked_for_model(&name);
                    models::one(&snapshot, &caller, &name).map(Answer::Own)
                }
                Operation::Models | Operation::Unknown => {
                    Ok(Answer::Own(models::list(&snapshot, &caller)))
                }
            },
        };
        Ok(conclude(result, ledger, arrival, &parts.cut))
    }

    /// Finds a provider that answers.
    async fn route<B>(
        &self,
        snapshot: &Arc<Snapshot>,
        caller: &ClientKey,
        endpoint: Endpoint,
        head: &request::Parts,
        body: B,
        ledger: &mut Ledger,
    ) -> Result<Answer, Error>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let Parts {
            health, settings, ..
        } = &self.inner.parts;
        let body = intake::read(body, &head.headers, settings).await?; // bounded
        let envelope = Envelope::scan(endpoint, &body)?; // parsed just far enough
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
        let wanted = router::Request {
            endpoint: route_endpoint(endpoint),
            requirements: requirements(&envelope),
            provider: orchestration.provider.as_deref(),
            fallback_providers: &fallbacks,
            allowed_providers: allowed.as_deref(),
            session: (model.policy.strategy == Strategy::Sticky)
                .then(|| orchestration.session(&body)),
            hard_pin: false,
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
            deadline: deadline(model, &orchestration),
            is_deadline_own: orchestration.timeout.is_some(),
        };
        let tools = Tools {
            snapshot,
            health,
            budget: &self.inner.budget,
            settings,
        };
        let success = attempts::run(&tools, &ask, plan, ledger).await?; // build, send, judge, as the walk says
        Ok(Answer::Providers {
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
        idle_timeout: Duration,
    },
}

/// Makes the response, and ends the account, unless that ends with the stream.
fn conclude(
    result: Result<Answer, Error>,
    ledger: Ledger,
    arrival: &Arrival,
    cut: &CancellationToken,
) -> Response<Body> {
    let (success, idle_timeout) = match result {
        Ok(Answer::Providers {
            success,
            idle_timeout,
        }) => (success, idle_timeout),
        Ok(Answer::Own(body)) => {
            ledger.close(200, None, Instant::now());
            return edge::json(StatusCode::OK, body);
        }
        Err(error) => {
            let mut response = edge::render(Protocol::OpenAi, &error);
            edge::add_trail(response.headers_mut(), &ledger, arrival, None);
            ledger.close(
                response.status().as_u16(),
                Some((error.class, error.message())),
                Instant::now(),
            );
            return response;
        }
    };
    let Success {
        answered,
        provider,
        in_flight,
        latency,
    } = success;
    let (status, upstream) = match &answered {
        Answered::Whole {
            status, headers, ..
        }
        | Answered::Stream {
            status, headers, ..
        } => (*status, headers),
    };
    let mut headers = edge::passed_headers(upstream);
    edge::add_trail(&mut headers, &ledger, arrival, Some(latency));
    let body = match answered {
        Answered::Whole { body, .. } => {
            edge::claim_json(&mut headers);
            ledger.close(status.as_u16(), None, Instant::now());
            Body::whole(body)
        }
        Answered::Stream {
            body, tap, held, ..
        } => {
            let status = status.as_u16();
            let stream = Committed {
                body,
                tap,
                held,
                in_flight,
                provider,
                status,
                latency,
                idle_timeout,
            };
            Body::stream(Relay::new(Protocol::OpenAi, stream, ledger, cut.clone())) // taps usage; records when the body ends or drops
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
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
