//! A proxy on a database of its own, called without a listener.

use std::{sync::Arc, time::Duration};

use access::{ClientKey, limit::Limiter};
use budgets::Budgets;
use bytes::Bytes;
use catalog::{Catalog, CatalogSettings, Secrets, Snapshot};
use entities::{api_key, model, model_provider, provider, routing_policy};
use health::{
    AssociationReport, Health, Moment, ProviderReport, WatchedAssociation, WatchedProvider,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use proxy::{Arrival, Body, Label, Metrics, Parts, Proxy, TokenCounter, Tokenizer};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection};
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorSettings};
use stats::{Recorder, RequestRecord};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upstream::{Clients, NetworkPolicy};

/// The client key that is always accepted.
pub(crate) const KEY: &str = "sk-client-0123456789";
/// What providers are called with.
pub(crate) const PROVIDER_KEY: &str = "sk-upstream-secret-42";

pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorSettings::default())
        .await
        .unwrap()
}

/// What a gateway is made of, with providers in the order in which they are tried.
pub(crate) struct Setup {
    providers: Vec<(String, &'static str, Value)>,
    max_retry: i32,
    policy: Value,
    keys: Vec<(&'static str, Value, Value)>,
    association: fn(usize, &mut model_provider::ActiveModel),
    settings: proxy::Settings,
    counter: Arc<dyn TokenCounter>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            providers: Vec::new(),
            max_retry: 0,
            policy: json!({}),
            keys: Vec::new(),
            association: |_, _| {},
            settings: proxy::Settings::default(),
            counter: Arc::new(Tokenizer),
        }
    }

    /// Providers called `a`, `b`, ... at these addresses, each in a tier of its own.
    pub(crate) fn at(bases: &[String]) -> Self {
        let mut setup = Self::new();
        for (index, base) in bases.iter().enumerate() {
            let config = json!({"base_url": base, "priority": 100 - index});
            setup = setup.provider(&config);
        }
        setup
    }

    pub(crate) fn of(simulators: &[&Simulator]) -> Self {
        Self::at(
            &simulators
                .iter()
                .map(|it| it.base_url())
                .collect::<Vec<_>>(),
        )
    }

    pub(crate) fn provider(self, config: &Value) -> Self {
        self.provider_of("openai", config)
    }

    /// The next provider, of that type.
    pub(crate) fn provider_of(mut self, kind: &'static str, config: &Value) -> Self {
        let name = char::from(b'a' + u8::try_from(self.providers.len()).unwrap()).to_string();
        let mut full = json!({"api_key": format!("plain:{PROVIDER_KEY}")});
        full.as_object_mut()
            .unwrap()
            .extend(config.as_object().unwrap().clone());
        self.providers.push((name, kind, full));
        self
    }

    pub(crate) fn max_retry(mut self, count: i32) -> Self {
        self.max_retry = count;
        self
    }

    /// Columns of `routing_policies`.
    pub(crate) fn policy(mut self, policy: Value) -> Self {
        self.policy = policy;
        self
    }

    /// A further client key, with the models and the providers it may use.
    pub(crate) fn key(mut self, secret: &'static str, models: Value, providers: Value) -> Self {
        self.keys.push((secret, models, providers));
        self
    }

    /// Changes the association of the provider of that index.
    pub(crate) fn association(
        mut self,
        change: fn(usize, &mut model_provider::ActiveModel),
    ) -> Self {
        self.association = change;
        self
    }

    pub(crate) fn settings(mut self, settings: proxy::Settings) -> Self {
        self.settings = settings;
        self
    }

    pub(crate) fn counter(mut self, counter: impl TokenCounter + 'static) -> Self {
        self.counter = Arc::new(counter);
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        let directory = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite://{}?mode=rwc",
            directory.path().join("test.db").display()
        );
        let database = migration::connect(&url).await.unwrap();
        migration::up(&database).await.unwrap();
        self.fill(&database).await;
        let health = Health::new(&health::Settings::default());
        let watched = health.clone();
        let settings = CatalogSettings {
            file: None,
            database: database.clone(),
            secrets: Secrets::new(None).unwrap(),
            clients: Clients::new(NetworkPolicy::Any),
            fixed_keys: vec![ClientKey::fixed(KEY)],
            on_change: Box::new(move |snapshot| watch(&watched, snapshot)),
        };
        let (catalog, _) = Catalog::load(settings).await.unwrap();
        let (recorder, records) = Recorder::channel(64);
        let metrics = Arc::<Metrics>::default();
        let cut = CancellationToken::new();
        let proxy = Proxy::new(Parts {
            catalog: catalog.clone(),
            health: health.clone(),
            recorder,
            budgets: Budgets::default(),
            limiter: Arc::new(Limiter::new(tokio::time::Instant::now().into_std())),
            shared: None,
            guards: None,
            metrics,
            settings: self.settings,
            counter: self.counter,
            cut: cut.clone(),
        });
        Gateway {
            proxy,
            catalog,
            database,
            health,
            records,
            cut,
            _directory: directory,
        }
    }

    async fn fill(&self, database: &DatabaseConnection) {
        let model = model::ActiveModel {
            name: Set("m".into()),
            max_retry: Set(Some(self.max_retry)),
            ..Default::default()
        };
        let model = model.insert(database).await.unwrap();
        let seconds = |name: &str| Set(self.policy.get(name).and_then(Value::as_f64));
        let number = |name: &str| {
            let value = self.policy.get(name).and_then(Value::as_i64);
            Set(value.map(|value| i32::try_from(value).unwrap()))
        };
        let policy = routing_policy::ActiveModel {
            model_id: Set(model.id),
            strategy: Set(self
                .policy
                .get("strategy")
                .and_then(Value::as_str)
                .unwrap_or("weighted")
                .into()),
            connect_timeout: seconds("connect_timeout"),
            first_content_timeout: seconds("first_content_timeout"),
            response_timeout: seconds("response_timeout"),
            stream_idle_timeout: seconds("stream_idle_timeout"),
            total_timeout: seconds("total_timeout"),
            hedge_after_ms: number("hedge_after_ms"),
            hedge_percentile: number("hedge_percentile"),
            heartbeat_after_ms: number("heartbeat_after_ms"),
            verified_resume: Set(self.policy["verified_resume"] == true),
            skip_malformed_events: Set(self.policy["skip_malformed_events"] == true),
            ..Default::default()
        };
        policy.insert(database).await.unwrap();
        for (index, (name, kind, config)) in self.providers.iter().enumerate() {
            let provider = provider::ActiveModel {
                name: Set(name.clone()),
                kind: Set((*kind).into()),
                config: Set(config.clone()),
                enabled: Set(true),
                ..Default::default()
            };
            let provider = provider.insert(database).await.unwrap();
            let mut association = model_provider::ActiveModel {
                model_id: Set(model.id),
                provider_id: Set(provider.id),
                provider_model: Set(format!("up-{name}")),
                ..Default::default()
            };
            (self.association)(index, &mut association);
            association.insert(database).await.unwrap();
        }
        for (secret, models, providers) in &self.keys {
            let list = |names: &Value| Set(names.is_array().then(|| names.clone()));
            let key = api_key::ActiveModel {
                name: Set((*secret).into()),
                key_hash: Set(access::KeyHash::of(secret).to_hex()),
                key_prefix: Set("sk".into()),
                enabled: Set(true),
                allowed_models: list(models),
                allowed_providers: list(providers),
                ..Default::default()
            };
            key.insert(database).await.unwrap();
        }
    }
}

pub(crate) fn watch(health: &Health, snapshot: &Snapshot) {
    let providers: Vec<_> = snapshot
        .revisions()
        .map(|(provider, revision)| WatchedProvider { provider, revision })
        .collect();
    let associations: Vec<_> = snapshot
        .candidates()
        .map(|(candidate, provider, revision)| WatchedAssociation {
            candidate,
            provider,
            revision,
            cost: snapshot.price(candidate).and_then(|it| it.expected()),
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
}

pub(crate) struct Gateway {
    pub(crate) proxy: Proxy,
    pub(crate) catalog: Catalog,
    pub(crate) database: DatabaseConnection,
    pub(crate) health: Health,
    records: mpsc::Receiver<RequestRecord>,
    /// Ends the streams that still run.
    pub(crate) cut: CancellationToken,
    _directory: tempfile::TempDir,
}

/// A whole answer of the gateway.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) async fn of(response: http::Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The data of the events of a stream, in order.
    pub(crate) fn events(&self) -> Vec<&str> {
        self.text()
            .split(['\n', '\r'])
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim_start)
            .collect()
    }

    /// The text that a stream tells.
    pub(crate) fn content(&self) -> String {
        let delta = |data: &&str| {
            let chunk: Value = serde_json::from_str(data).ok()?;
            Some(
                chunk
                    .pointer("/choices/0/delta/content")?
                    .as_str()?
                    .to_owned(),
            )
        };
        self.events().iter().filter_map(delta).collect()
    }

    /// Whether it is a stream that ends in the error event and nothing else.
    #[track_caller]
    pub(crate) fn assert_ends_in_error(&self) {
        assert!(!self.events().contains(&"[DONE]"), "{}", self.text());
        let last: Value = serde_json::from_str(self.events().last().unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{}", self.text());
    }

    #[track_caller]
    pub(crate) fn assert_is_complete_stream(&self) {
        assert_eq!(self.events().last(), Some(&"[DONE]"), "{}", self.text());
        assert!(
            self.text().ends_with("\n\n")
                || self.text().ends_with("\r\r")
                || self.text().ends_with("\r\n\r\n")
                || self.text().ends_with("\r\n\r")
        );
        assert!(!self.text().contains("\"error\""), "{}", self.text());
    }
}

/// A chat request with `extra` over the usual fields.
pub(crate) fn chat(extra: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

pub(crate) fn post(
    path: &str,
    body: impl Into<Bytes>,
    headers: &[(&'static str, &str)],
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().unwrap();
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

impl Gateway {
    /// The response head, and a body that is still to be read.
    pub(crate) async fn open(
        &self,
        extra: &Value,
        headers: &[(&'static str, &str)],
    ) -> http::Response<Body> {
        let request = post("/v1/chat/completions", chat(extra).to_string(), headers);
        self.serve(request).await
    }

    pub(crate) async fn serve(&self, request: Request<Full<Bytes>>) -> http::Response<Body> {
        let arrival = Arrival::after(
            self.proxy.backlog().turn().await,
            Some([127, 0, 0, 1].into()),
        );
        self.proxy.serve(request, arrival).await
    }

    pub(crate) async fn chat(&self, extra: &Value) -> Reply {
        Reply::of(self.open(extra, &[]).await).await
    }

    pub(crate) async fn chat_with(&self, extra: &Value, headers: &[(&'static str, &str)]) -> Reply {
        Reply::of(self.open(extra, headers).await).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Reply {
        let mut request = post(path, "", headers);
        *request.method_mut() = Method::GET;
        Reply::of(self.serve(request).await).await
    }

    /// The record of a request that has ended: exactly one.
    #[track_caller]
    pub(crate) fn record(&mut self) -> RequestRecord {
        let record = self
            .records
            .try_recv()
            .expect("a request that ended is recorded");
        assert!(self.records.try_recv().is_err(), "recorded twice");
        record
    }

    #[track_caller]
    pub(crate) fn assert_no_record(&mut self) {
        assert!(self.records.try_recv().is_err());
    }

    /// How many panics the metrics tell of.
    pub(crate) fn panics(&self) -> u64 {
        self.metric("panics", &[])
    }

    /// What a counter stands at, by name and label.
    pub(crate) fn metric(&self, name: &str, labels: &[Label]) -> u64 {
        let figures = self.proxy.metrics().figures();
        let figure = figures.into_iter().find(|it| it.name == name).unwrap();
        let mut values = figure.values.into_iter();
        values.find(|(of, _)| of == labels).unwrap().1
    }

    /// How many hedges had that outcome.
    pub(crate) fn hedges(&self, outcome: &'static str) -> u64 {
        self.metric("hedges", &[("outcome", outcome)])
    }

    pub(crate) fn health_of(&self, index: usize) -> (ProviderReport, AssociationReport) {
        let mut report = self.health.report(Moment::now());
        let provider = report.swap_remove(index);
        let association = provider.associations[0].clone();
        (provider, association)
    }

    /// Waits until nothing runs any more.
    pub(crate) async fn idle(&self) {
        until(|| {
            self.health
                .report(Moment::now())
                .iter()
                .all(|it| it.in_flight == 0)
        })
        .await;
    }

    pub(crate) async fn add_model(&self, name: &str, enabled: bool) -> i64 {
        let model = model::ActiveModel {
            name: Set(name.into()),
            enabled: Set(Some(enabled)),
            created_at: Set(Some(Moment::now().utc)),
            ..Default::default()
        };
        model.insert(&self.database).await.unwrap().id
    }
}

/// Waits until `holds`; one that never does fails by the runner's patience, not by a clock of its own.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
