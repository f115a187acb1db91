//! The walk of a request, from top to bottom.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use access::ClientKey;
use budgets::Charge;
use bytes::Bytes;
use catalog::{Model, Snapshot, route_endpoint};
use http::{Response, request};
use protocol::{Endpoint, Envelope};
use router::{Capabilities, Plan, ProviderId, Route, Strategy};

use crate::{
    arrival::Arrival,
    ask::Ask,
    attempts::{self, Success, ThreadDice, Tools},
    authenticate,
    body::Body,
    budget,
    canonical_form::CanonicalForm,
    clock,
    errand::{self, Errand},
    error::{Error, model_not_found, refused},
    estimate::Estimate,
    guard::{self, Guard},
    handle::Proxy,
    heartbeat, intake,
    ledger::Ledger,
    limits::{self, Ahead},
    models,
    orchestration::Orchestration,
    rescue::{self, Resuming},
    response::{Answer, Asking, conclude, told},
    surface::{Asked, Operation, method_name},
    trace,
};

impl Proxy {
    pub(crate) async fn walk<B>(
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
        let caller = authenticate::caller(&snapshot, head, arrival)?;
        let mut ledger = Ledger::open(
            arrival,
            asked.operation.name(asked.protocol),
            method_name(&head.method),
            caller.name.clone(),
            parts.recorder.clone(),
            parts.metrics.clone(),
        );
        if let Some(sampling) = parts.settings.traces {
            ledger.trace(trace::begin(&head.headers, sampling));
        }
        let Some(permit) = self
            .inner
            .admission
            .enter(parts.settings.max_concurrent)
            .await
        else {
            parts.metrics.shed("gateway");
            return Ok(told(&Error::shed(), ledger, asked.protocol, arrival));
        };
        ledger.hold(permit);
        let asking = Asking {
            protocol: asked.protocol,
            cut: parts.cut.clone(),
        };
        let result = if let Err(error) = asked.check(&head.method, head.uri.path()) {
            Err(error)
        } else {
            match &asked.operation {
                Operation::Routed(endpoint, model) => {
                    let (endpoint, model) = (*endpoint, model.as_deref());
                    let (snapshot, account) = (&snapshot, &mut ledger);
                    let routed = self.route(
                        snapshot, &caller, endpoint, model, head, body, arrival, account,
                    );
                    match routed.await {
                        Ok(Routed::Answered(answer)) => Ok(answer),
                        Ok(Routed::Errand(errand, interval)) => {
                            let answer = heartbeat::answer(*errand, interval, ledger, asking);
                            return Box::pin(answer).await;
                        }
                        Err(error) => Err(error),
                    }
                }
                Operation::Model(name) => {
                    ledger.asked_for_model(name);
                    models::one(&snapshot, &caller, asked.protocol, name).map(Answer::Own)
                }
                Operation::Models | Operation::Unknown => {
                    models::list(&snapshot, &caller, asked.protocol, head.uri.query())
                        .map(Answer::Own)
                }
            }
        };
        Ok(conclude(result, ledger, &asking, arrival))
    }

    /// Reads the request, and has it answered.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that is known of the request, each used once"
    )]
    async fn route<B>(
        &self,
        snapshot: &Arc<Snapshot>,
        caller: &Arc<ClientKey>,
        endpoint: Endpoint,
        path_model: Option<&str>,
        head: &request::Parts,
        body: B,
        arrival: &Arrival,
        ledger: &mut Ledger,
    ) -> Result<Routed, Error>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        intake::check_version(endpoint, &head.headers)?;
        let body = intake::read(body, &head.headers, &self.inner.parts.settings, arrival).await?; // bounded
        let request = errand::Request {
            snapshot,
            caller,
            endpoint,
            path_model,
            head,
            body: &body,
            arrival,
        };
        let envelope = intake::scan(endpoint, path_model, &head.headers, &body)?; // parsed just far enough
        let policy = snapshot
            .model(&envelope.model)
            .map(|(model, _)| model.policy);
        let interval = policy.and_then(|policy| heartbeat::interval(&policy, endpoint, &envelope));
        Ok(match interval {
            Some(interval) => Routed::Errand(Box::new(Errand::of(self, request)), interval),
            None => Routed::Answered(self.pursue(request, &envelope, ledger, None).await?),
        })
    }

    /// Whether a request that found every provider full may try again: it has waited, and one has a place.
    async fn has_place_now(&self, result: &Result<Success, Error>) -> bool {
        let Err(Error {
            full: Some(full), ..
        }) = result
        else {
            return false;
        };
        let has_place = self.inner.slots.wait(**full).await;
        if !has_place {
            self.inner.parts.metrics.shed("provider");
        }
        has_place
    }

    /// Takes the request's part of its limits. What became known of those of providers goes to `tools`.
    async fn admit(
        &self,
        caller: &ClientKey,
        envelope: &Envelope<'_>,
        plan: &Plan<'_>,
        tools: &mut Tools<'_>,
        ledger: &mut Ledger,
    ) -> Result<(), Error> {
        let all = self.inner.parts.settings.rates;
        let asked = (tools.snapshot, plan);
        let (counts, tokens) = (tools.counts, tools.tokens);
        match limits::admit(counts, all, caller, &envelope.model, tokens, asked).await {
            Ok((admission, ahead)) => {
                ledger.admit(admission);
                tools.ahead = ahead;
                Ok(())
            }
            Err(limited) => {
                tools.metrics.limited(&limited);
                ledger.limited(limited.standings);
                Err(limits::refused(&limited))
            }
        }
    }

    /// Promises the request what it may cost, where its key has a budget.
    async fn promise(
        &self,
        request: &errand::Request<'_>,
        envelope: &Envelope<'_>,
        estimate: Estimate,
        route: &Route,
        allowed: Option<&[ProviderId]>,
    ) -> Result<Option<Charge>, Error> {
        let asked = budget::Asked {
            snapshot: request.snapshot,
            caller: request.caller,
            route,
            allowed,
            endpoint: request.endpoint,
            envelope,
            estimate,
        };
        let today = request.arrival.utc.date_naive();
        budget::charge(&self.inner.parts.budgets, asked, today).await
    }

    /// Has a request moderated, where it has to be.
    async fn moderate(
        &self,
        guard: Option<&Guard<'_>>,
        body: &Bytes,
        deadline: Option<Instant>,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        match guard {
            None => Ok(()),
            Some(guard) => {
                let moderator = &self.inner.moderator;
                guard.moderate(body, moderator, deadline, ledger).await
            }
        }
    }

    /// What attempts for a request of this size are made with.
    fn tools<'a>(&'a self, snapshot: &'a Snapshot, estimate: Estimate) -> Tools<'a> {
        let inner = &*self.inner;
        Tools {
            snapshot,
            health: &inner.parts.health,
            budget: &inner.budget,
            settings: &inner.parts.settings,
            fetcher: &inner.fetcher,
            counting: &inner.counting,
            metrics: &inner.parts.metrics,
            slots: &inner.slots,
            counts: &inner.counts,
            ahead: Ahead::default(),
            tokens: estimate.tokens(),
        }
    }

    /// Has the request guarded, where it has to be, and finds a provider that answers.
    pub(crate) async fn pursue(
        &self,
        request: errand::Request<'_>,
        envelope: &Envelope<'_>,
        ledger: &mut Ledger,
        resuming: Option<&Resuming>,
    ) -> Result<Answer, Error> {
        ledger.asked(envelope);
        authenticate::model(request.caller, &envelope.model)?;
        let model = request.snapshot.model(&envelope.model);
        let model = model.map(|(model, _)| model);
        let keeps = request.caller.record_bodies || model.is_some_and(|it| it.policy.record_bodies);
        if keeps && resuming.is_none() {
            let as_array = reads_array(request.endpoint, request.head.uri.query());
            ledger.keep_bodies(request.endpoint, as_array, request.body);
        }
        let sets = [
            self.inner.parts.guards.as_deref(),
            request.caller.guards.as_deref(),
            model.and_then(|model| model.guards.as_deref()),
        ];
        let guard = Guard::of(sets, intake::form(request.endpoint, &request.head.headers));
        let guard = guard.as_ref();
        let redacted = match guard {
            None => None,
            Some(guard) => {
                guard.check_stream(request.endpoint, envelope)?;
                guard.request(request.body, ledger)?
            }
        };
        let Some(body) = &redacted else {
            return self.find(request, envelope, guard, ledger, resuming).await;
        };
        if let Some(recording) = ledger.recording() {
            recording.request(body);
        }
        let request = errand::Request { body, ..request };
        let headers = &request.head.headers;
        let envelope = intake::scan(request.endpoint, request.path_model, headers, body)?;
        // Boxed, so that who has nothing redacted keeps no room for a second envelope beside it.
        Box::pin(self.find(request, &envelope, guard, ledger, resuming)).await
    }

    /// Finds a provider that answers.
    async fn find(
        &self,
        request: errand::Request<'_>,
        envelope: &Envelope<'_>,
        guard: Option<&Guard<'_>>,
        ledger: &mut Ledger,
        resuming: Option<&Resuming>,
    ) -> Result<Answer, Error> {
        let errand::Request {
            snapshot,
            caller,
            endpoint,
            head,
            body,
            arrival,
            ..
        } = request;
        let health = &self.inner.parts.health;
        let orchestration = Orchestration::of(&head.headers, envelope)?;
        let (model, route) = snapshot
            .model(&envelope.model)
            .ok_or_else(|| model_not_found(&envelope.model))?;
        let screen = guard.and_then(|guard| guard.screen.as_ref());
        let (provider, fallbacks) = rescue::named(&orchestration, resuming)?;
        let mut allowed = allowed_providers(snapshot, caller);
        if let Some(resuming) = resuming {
            allowed = Some(resuming.others(route, allowed));
        }
        let is_sticky = model.policy.strategy == Strategy::Sticky;
        let wanted = router::Request {
            endpoint: route_endpoint(endpoint),
            requirements: requirements(envelope),
            provider,
            fallback_providers: &fallbacks,
            allowed_providers: allowed.as_deref(),
            session: is_sticky.then(|| orchestration.session(body)),
            hard_pin: is_sticky && envelope.encrypted_reasoning,
            max_retry: rescue::max_retry(&orchestration, resuming, route, ledger)?,
        };
        let plan = || {
            route
                .plan(&wanted, health, clock::now(), &mut ThreadDice)
                .map_err(|refusal| refused(refusal, &envelope.model))
        };
        let ask = Ask {
            endpoint,
            headers: &head.headers,
            body,
            envelope,
            policy: &model.policy,
            arrival,
            as_array: reads_array(endpoint, head.uri.query()),
            canonical: CanonicalForm::default(),
            screen,
            remembers: resuming.is_some()
                || screen.is_none()
                    && rescue::is_wanted(&model.policy, &orchestration, envelope, endpoint),
            resumption: resuming.map(|resuming| &resuming.resumption),
            // Who goes on with a stream that broke gets as long as the request had for its beginning.
            deadline: deadline(model, &orchestration),
            is_deadline_own: orchestration.timeout.is_some(),
        };
        let estimate = Estimate::of(endpoint, envelope);
        let mut tools = self.tools(snapshot, estimate);
        let first = plan()?;
        if resuming.is_none() {
            // What it may use and cost is taken now and settled by the ledger.
            self.admit(caller, envelope, &first, &mut tools, ledger)
                .await?;
            let charge = self.promise(&request, envelope, estimate, route, allowed.as_deref());
            ledger.charge(charge.await?);
            self.moderate(guard, body, ask.deadline, ledger).await?;
        } else if !self.inner.budget.try_draw(clock::now()) {
            return Err(rescue::impossible("the retry budget is spent"));
        }
        // Build, send, judge, as the walk says; where every provider is full, once more when one has a place.
        let mut result = attempts::run(&tools, &ask, first, ledger).await;
        if self.has_place_now(&result).await {
            result = attempts::run(&tools, &ask, plan()?, ledger).await;
        }
        let success =
            guard::screened(guard, result?, &self.inner.moderator, ask.deadline, ledger).await?;
        Ok(Answer::Providers {
            as_array: ask.as_array,
            success,
            idle_timeout: model.policy.clocks.stream_idle,
            rescue: (ask.remembers && resuming.is_none())
                .then(|| Arc::new(Errand::of(self, request))),
        })
    }
}

/// How a request is answered.
#[expect(
    clippy::large_enum_variant,
    reason = "made once per request and taken apart at once"
)]
enum Routed {
    /// So.
    Answered(Answer),
    /// By this, with signs of life at that interval until it is done.
    Errand(Box<Errand>, Duration),
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
    clock::now().checked_add(total)
}
