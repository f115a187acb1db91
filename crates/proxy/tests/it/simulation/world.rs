//! One run: the real proxy, with all that belongs to it, on a network and a clock of its own.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use access::{ClientKey, limit::Limiter};
use budgets::Budgets;
use catalog::{Catalog, CatalogSettings, Secrets};
use entities::{api_key, config_version, model, model_provider, price, provider, routing_policy};
use health::{Health, Moment, ProviderReport};
use http_body_util::BodyExt;
use proxy::{Arrival, Metrics, Parts, Proxy, Tokenizer};
use router::{CandidateId, CandidateState, Standing};
use sea_orm::{DbBackend, MockDatabase, entity::prelude::DateTimeUtc};
use serde_json::json;
use simulator::Recorded;
use stats::{Recorder, RequestRecord};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::{Clients, NetworkPolicy};

use super::{
    network::{Network, SYSTEM_PATIENCE},
    schedule::{Ask, Config, Moderation, Schedule},
};
use crate::gateway::{KEY, PROVIDER_KEY, post, watch};

/// More than any request of a schedule can last, by the clocks in it.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// A file with the key of the moderation endpoint, which is only ever referred to.
static MODERATION_KEY: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moderation-key");
    std::fs::write(&file, PROVIDER_KEY).unwrap();
    file
});

/// What a client saw.
pub(super) struct Seen {
    /// Index of the configuration when it asked.
    pub(super) config: usize,
    pub(super) head: Option<Head>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

impl fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(formatter, "{:?} {:?} {body:?}", self.head, self.end)
    }
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// From asking to its arrival.
    pub(super) after: Duration,
    pub(super) id: String,
    pub(super) provider: Option<String>,
    pub(super) attempts: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    BrokenOff,
    HungUp,
}

/// All that came of a run.
#[derive(Debug)]
pub(super) struct Run {
    /// By request; none where a client was never served to the end.
    pub(super) seen: Vec<Option<Seen>>,
    pub(super) records: Vec<RequestRecord>,
    /// By provider.
    pub(super) requests: Vec<Vec<Recorded>>,
    pub(super) health: Vec<ProviderReport>,
    /// Candidates that get no request two hours later.
    pub(super) stuck: Vec<CandidateId>,
    /// What the gateway counted, by sample.
    pub(super) counted: BTreeMap<String, u64>,
    /// Tasks that outlived everything.
    pub(super) tasks_left: usize,
}

/// Plays `schedule`; the same one gives the same run.
pub(super) fn play(schedule: &Schedule) -> Run {
    fastrand::seed(schedule.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = run(schedule).await;
        // A connection that is being made when its request ends goes on for as long as the system tries.
        tokio::time::sleep(SYSTEM_PATIENCE + Duration::from_secs(60)).await;
        run.tasks_left = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        run
    })
}

async fn run(schedule: &Schedule) -> Run {
    let start = Instant::now();
    let providers = schedule.phases.len();
    let network = Arc::new(Network::new(providers, schedule.seed));
    let health = Health::new(&health::Settings::default());
    let catalog = catalog(schedule, network.clone(), health.clone()).await;
    let (recorder, mut records) = Recorder::channel(256);
    let metrics = Arc::<Metrics>::default();
    let proxy = Proxy::new(Parts {
        catalog: catalog.clone(),
        health: health.clone(),
        recorder,
        budgets: Budgets::default(),
        limiter: Arc::new(Limiter::new(tokio::time::Instant::now().into_std())),
        shared: None,
        guards: None,
        metrics: metrics.clone(),
        settings: proxy::Settings::default(),
        counter: Arc::new(Tokenizer),
        cut: CancellationToken::new(),
    });
    let mut turns = tokio::task::JoinSet::new();
    for (place, phase) in schedule.places() {
        if phase.from.is_zero() {
            network.enter(place, phase);
        }
    }
    for (number, ask) in schedule.asks.iter().cloned().enumerate() {
        let (proxy, catalog) = (proxy.clone(), catalog.clone());
        turns.spawn(async move {
            tokio::time::sleep_until(start + ask.at).await;
            (number, serve(&proxy, &catalog, &ask, number).await)
        });
    }
    let director = direct(schedule, &network, &catalog, start);
    let mut seen: Vec<_> = schedule.asks.iter().map(|_| None).collect();
    let all = async {
        while let Some(done) = turns.join_next().await {
            let (number, one) = done.expect("no client panics");
            seen[number] = Some(one);
        }
    };
    let _late = tokio::time::timeout(PATIENCE, async { tokio::join!(all, director) }).await;
    turns.shutdown().await;
    // Ends of connections, and what hangs on them.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut told = Vec::new();
    while let Ok(record) = records.try_recv() {
        told.push(record);
    }
    Run {
        seen,
        records: told,
        requests: (0..providers).map(|it| network.requests(it)).collect(),
        health: health.report(Moment::now()),
        stuck: stuck(&health, &catalog),
        counted: counted(&metrics, &health),
        tasks_left: 0,
    }
}

/// The gateway's counters, each by its name and the values of its labels, and how often providers and associations came to be
/// what they are.
fn counted(metrics: &Metrics, health: &Health) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for figure in metrics.figures() {
        for (labels, count) in &figure.values {
            let values = labels.iter().map(|(_, value)| *value);
            let words: Vec<_> = [figure.name].into_iter().chain(values).collect();
            counted.insert(words.join(" "), *count);
        }
    }
    let entered = health.transitions();
    for (of, entered) in [
        ("provider", entered.providers),
        ("model", entered.associations),
    ] {
        counted.insert(format!("{of} healthy"), entered.healthy);
        counted.insert(format!("{of} degraded"), entered.degraded);
        counted.insert(format!("{of} unhealthy"), entered.unhealthy);
    }
    counted
}

/// Lets the providers' phases and the configurations come in their time.
async fn direct(schedule: &Schedule, network: &Network, catalog: &Catalog, start: Instant) {
    let mut moments = Vec::new();
    let later = schedule.places().filter(|(_, phase)| !phase.from.is_zero());
    moments.extend(later.map(|(place, phase)| (phase.from, Some((place, phase)))));
    moments.extend(schedule.configs.iter().skip(1).map(|it| (it.0, None)));
    moments.sort_by_key(|moment| moment.0);
    for (at, what) in moments {
        tokio::time::sleep_until(start + at).await;
        match what {
            Some((place, phase)) => network.enter(place, phase),
            None => catalog.reload().await.unwrap(),
        }
    }
}

async fn serve(proxy: &Proxy, catalog: &Catalog, ask: &Ask, number: usize) -> Seen {
    let began = Instant::now();
    let mut seen = Seen {
        config: usize::try_from(catalog.current().version).unwrap() - 1,
        head: None,
        body: Vec::new(),
        end: End::HungUp,
    };
    let request = request(ask, number);
    let ip = [10, 1, 0, u8::try_from(number).unwrap()].into();
    let talk = async {
        let arrival = Arrival::after(proxy.backlog().turn().await, Some(ip));
        let response = proxy.serve(request, arrival).await;
        let (head, mut body) = response.into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        seen.head = Some(Head {
            status: head.status.as_u16(),
            after: began.elapsed(),
            id: header("x-request-id").unwrap_or_default(),
            provider: header("x-gateway-provider"),
            attempts: header("x-gateway-attempts").map(|it| it.parse().unwrap()),
        });
        loop {
            match body.frame().await {
                Some(Ok(frame)) => seen.body.extend_from_slice(frame.data_ref().unwrap()),
                Some(Err(_)) => seen.end = End::BrokenOff,
                None if seen.end == End::BrokenOff => break,
                None => {
                    seen.end = End::Whole;
                    break;
                }
            }
            if !ask.pause.is_zero() {
                tokio::time::sleep(ask.pause).await;
            }
        }
    };
    match ask.hang_up {
        // Which of the two is seen does not matter: the body tells how far it came.
        Some(after) => drop(tokio::time::timeout(after, talk).await),
        None => talk.await,
    }
    seen
}

fn request(ask: &Ask, number: usize) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let model = format!("m{}", ask.model);
    let body = ask.client.body(ask.stream, ask.tools).to_string();
    // The model stands in the path or in the body, the prompt tells which request it is.
    let body = body
        .replace("\"model\":\"m\"", &format!("\"model\":\"{model}\""))
        .replace("hello", &marker(number));
    let path = ask
        .client
        .path(ask.stream)
        .replace("/m:", &format!("/{model}:"));
    let mut request = post(&path, body, &[]);
    let mut add = |name: &'static str, value: String| {
        request.headers_mut().insert(name, value.parse().unwrap());
    };
    if let Some(seconds) = ask.timeout {
        add("x-gateway-timeout", seconds.to_string());
    }
    if let Some(count) = ask.retry_count {
        add("x-gateway-retry-count", count.to_string());
    }
    if let Some(provider) = ask.provider {
        add("x-gateway-provider", format!("p{provider}"));
    }
    if let Some(resume) = ask.resume {
        add("x-gateway-verified-resume", resume.to_string());
    }
    request
}

/// By which a request is known wherever it comes.
pub(super) fn marker(number: usize) -> String {
    format!("ask-{number}.")
}

/// Who would still be kept from requests when every pause is long over.
fn stuck(health: &Health, catalog: &Catalog) -> Vec<CandidateId> {
    let later = Instant::now().into_std() + Duration::from_secs(2 * 3600);
    let snapshot = catalog.snapshot();
    let mut stuck: Vec<_> = snapshot
        .candidates()
        .filter(|(candidate, provider, _)| {
            !matches!(
                health.standing(*candidate, *provider, later),
                Standing::Ready { .. } | Standing::Trial
            )
        })
        .map(|(candidate, ..)| candidate)
        .collect();
    stuck.sort_unstable();
    stuck
}

async fn catalog(schedule: &Schedule, network: Arc<Network>, health: Health) -> Catalog {
    let mut database = MockDatabase::new(DbBackend::Sqlite);
    for (index, (_, config)) in schedule.configs.iter().enumerate() {
        let version = config_version::Model {
            id: 1,
            version: i64::try_from(index).unwrap() + 1,
            updated_at: DateTimeUtc::UNIX_EPOCH,
        };
        database = database
            .append_query_results([vec![version]])
            .append_query_results([models(config)])
            .append_query_results([providers(config)])
            .append_query_results([associations(config)])
            .append_query_results([policies(config, schedule.phases.len())])
            .append_query_results([Vec::<api_key::Model>::new()])
            .append_query_results([Vec::<price::Model>::new()]);
    }
    let settings = CatalogSettings {
        database: database.into_connection(),
        secrets: Secrets::new(None).unwrap(),
        clients: Clients::dialling(NetworkPolicy::Any, network),
        fixed_keys: vec![ClientKey::fixed(KEY)],
        on_change: Box::new(move |snapshot| watch(&health, snapshot)),
        file: None,
    };
    Catalog::load(settings).await.unwrap().0
}

fn id(index: usize) -> i64 {
    i64::try_from(index).unwrap()
}

fn models(config: &Config) -> Vec<model::Model> {
    let row = |(index, setup): (usize, &super::schedule::ModelSetup)| model::Model {
        id: id(index),
        name: format!("m{index}"),
        remark: None,
        max_retry: Some(i32::try_from(setup.max_retry).unwrap()),
        timeout: None,
        enabled: Some(true),
        created_at: None,
        updated_at: None,
    };
    config.models.iter().enumerate().map(row).collect()
}

fn providers(config: &Config) -> Vec<provider::Model> {
    let row = |(index, setup): (usize, &super::schedule::ProviderSetup)| {
        let mut row = json!({
            "base_url": Network::origin(index),
            "api_key": format!("plain:{PROVIDER_KEY}"),
            "priority": setup.priority,
            "weight": setup.weight,
        });
        if setup.kind == "openai" {
            row["base_url"] = format!("{}/v1", Network::origin(index)).into();
            row["api"] = setup.api.into();
        }
        provider::Model {
            id: id(index),
            name: format!("p{index}"),
            kind: setup.kind.to_owned(),
            config: row,
            enabled: setup.enabled,
            created_at: DateTimeUtc::UNIX_EPOCH,
            updated_at: DateTimeUtc::UNIX_EPOCH,
        }
    };
    config.providers.iter().enumerate().map(row).collect()
}

fn associations(config: &Config) -> Vec<model_provider::Model> {
    let mut rows = Vec::new();
    for (model, setup) in config.models.iter().enumerate() {
        for (provider, association) in setup.associations.iter().enumerate() {
            let Some(association) = association else {
                continue;
            };
            rows.push(model_provider::Model {
                id: id(model * 100 + provider),
                model_id: id(model),
                provider_id: id(provider),
                provider_model: format!("up-m{model}"),
                weight: Some(association.weight),
                tool_call: Some(association.tool_call),
                structured_output: Some(true),
                image: Some(true),
                enabled: Some(association.enabled),
                created_at: None,
                updated_at: None,
            });
        }
    }
    rows
}

fn policies(config: &Config, moderator: usize) -> Vec<routing_policy::Model> {
    let guards = |moderation: &Moderation| {
        json!({"moderation": {
            "url": format!("{}/v1/moderations", Network::origin(moderator)),
            "api_key": format!("file:{}", MODERATION_KEY.display()),
            "on": moderation.on,
            "on_failure": moderation.on_failure,
        }})
    };
    let row = |(index, setup): (usize, &super::schedule::ModelSetup)| routing_policy::Model {
        id: id(index),
        model_id: id(index),
        strategy: setup.strategy.to_owned(),
        connect_timeout: Some(setup.connect),
        first_content_timeout: Some(setup.first_content),
        response_timeout: Some(setup.response),
        stream_idle_timeout: Some(setup.idle),
        total_timeout: setup.total,
        hedge_after_ms: setup.hedge_after_ms,
        hedge_percentile: setup.hedge_percentile,
        heartbeat_after_ms: setup.heartbeat_after_ms,
        verified_resume: setup.verified_resume,
        skip_malformed_events: false,
        guards: setup.moderation.as_ref().map(guards),
        record_bodies: false,
        created_at: DateTimeUtc::UNIX_EPOCH,
        updated_at: DateTimeUtc::UNIX_EPOCH,
    };
    config.models.iter().enumerate().map(row).collect()
}
