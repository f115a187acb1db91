//! The catalog on a real database.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use access::ClientKey;
use catalog::{Catalog, CatalogSettings, Error, Poller, Secrets, version};
use entities::{model, model_provider, provider};
use router::ProviderId;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, TransactionTrait,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use upstream::{Clients, NetworkPolicy};

const SECRET: &str = "0123456789abcdef";

struct Fixture {
    database: DatabaseConnection,
    url: String,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite://{}?mode=rwc",
            directory.path().join("test.db").display()
        );
        let database = migration::connect(&url).await.unwrap();
        migration::up(&database).await.unwrap();
        Self {
            database,
            url,
            _directory: directory,
        }
    }

    /// A provider of that name with a model and an association of its own, as the admin API would add it.
    async fn add(&self, name: &str, config: Value) -> i64 {
        let transaction = self.database.begin().await.unwrap();
        let provider = provider::ActiveModel {
            name: Set(name.into()),
            kind: Set("openai".into()),
            config: Set(config),
            enabled: Set(true),
            ..Default::default()
        };
        let provider = provider.insert(&transaction).await.unwrap();
        let model = model::ActiveModel {
            name: Set(format!("model-{name}")),
            ..Default::default()
        };
        let model = model.insert(&transaction).await.unwrap();
        let association = model_provider::ActiveModel {
            model_id: Set(model.id),
            provider_id: Set(provider.id),
            provider_model: Set("x".into()),
            ..Default::default()
        };
        association.insert(&transaction).await.unwrap();
        version::bump(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        provider.id
    }

    async fn stored_key(&self, id: i64) -> String {
        let row = provider::Entity::find_by_id(id)
            .one(&self.database)
            .await
            .unwrap()
            .unwrap();
        row.config["api_key"].as_str().unwrap().to_owned()
    }

    async fn load(&self, secret_key: Option<&str>) -> Result<(Catalog, Poller), Error> {
        self.watched(secret_key, Arc::default()).await
    }

    /// A catalog with a connection of its own, as another replica has, that counts its snapshots.
    async fn watched(
        &self,
        secret_key: Option<&str>,
        seen: Arc<AtomicUsize>,
    ) -> Result<(Catalog, Poller), Error> {
        let database = migration::connect(&self.url).await.unwrap();
        let secret_key = secret_key.map(SecretString::from);
        Catalog::load(CatalogSettings {
            database,
            secrets: Secrets::new(secret_key.as_ref()).unwrap(),
            clients: Clients::new(NetworkPolicy::Any),
            fixed_keys: vec![ClientKey::fixed("sk-fixed")],
            on_change: Box::new(move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
            }),
        })
        .await
    }
}

fn local() -> Value {
    json!({"base_url": "http://127.0.0.1:1/v1"})
}

#[tokio::test]
async fn a_reload_swaps_the_snapshot_and_old_holders_keep_theirs() {
    let fixture = Fixture::new().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let (catalog, _poller) = fixture.watched(None, seen.clone()).await.unwrap();
    let before = catalog.snapshot();
    assert_eq!((before.version, before.models().count()), (0, 0));
    let id = fixture.add("a", local()).await;
    assert!(
        catalog.snapshot().model("model-a").is_none(),
        "nothing changes by itself"
    );
    catalog.reload().await.unwrap();
    let after = catalog.snapshot();
    assert_eq!(after.version, 1);
    assert!(after.model("model-a").is_some() && after.provider(ProviderId(id)).is_some());
    assert!(before.model("model-a").is_none());
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    let now = chrono::Utc::now();
    assert!(after.keys.authenticate(Some("sk-fixed"), now).is_ok());
}

#[tokio::test]
async fn another_replica_notices_a_change() {
    let fixture = Fixture::new().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let (one, _) = fixture.load(None).await.unwrap();
    let (other, poller) = fixture.watched(None, seen.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    fixture.add("a", local()).await;
    one.reload().await.unwrap();
    while other.snapshot().model("model-a").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(other.is_database_up());
    assert_eq!((one.snapshot().version, other.snapshot().version), (1, 1));
    assert_eq!(
        seen.load(Ordering::Relaxed),
        2,
        "what did not change is not read again"
    );
    stop.cancel();
    polling.await.unwrap();
}

#[tokio::test]
async fn while_the_database_is_away_the_last_snapshot_serves_on() {
    let fixture = Fixture::new().await;
    fixture.add("a", local()).await;
    let (catalog, poller) = fixture.load(None).await.unwrap();
    let table = "config_version";
    let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
    let database = &fixture.database;
    let run = async |sql: String| {
        database.execute_unprepared(&sql).await.unwrap();
    };
    run(rename(table, "gone")).await;
    assert!(catalog.reload().await.is_err());
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    while catalog.is_database_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(catalog.snapshot().model("model-a").is_some());
    run(rename("gone", table)).await;
    while !catalog.is_database_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    polling.await.unwrap();
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_left_out_with_its_problem() {
    let fixture = Fixture::new().await;
    let good = fixture.add("good", local()).await;
    let mut bad = Vec::new();
    for (name, config, told) in [
        (
            "env",
            json!({"api_key": "env:NO_SUCH_VARIABLE_HERE"}),
            "NO_SUCH_VARIABLE_HERE",
        ),
        (
            "file",
            json!({"api_key": "file:/no/such/file"}),
            "/no/such/file",
        ),
        (
            "url",
            json!({"base_url": "http://169.254.169.254/v1"}),
            "base_url",
        ),
        ("field", json!({"base_uri": "x"}), "base_uri"),
        ("shape", json!([1]), ""),
        ("damaged", json!({"api_key": "sealed:v9:x"}), "api_key"),
    ] {
        bad.push((ProviderId(fixture.add(name, config).await), name, told));
    }
    let (catalog, _poller) = fixture.load(None).await.unwrap();
    let snapshot = catalog.snapshot();
    assert!(
        snapshot.provider(ProviderId(good)).is_some()
            && snapshot.problem(ProviderId(good)).is_none()
    );
    for (id, name, told) in bad {
        assert!(snapshot.provider(id).is_none(), "{name}");
        assert!(
            snapshot
                .problem(id)
                .is_some_and(|problem| problem.contains(told)),
            "{name}"
        );
        let (_, route) = snapshot.model(&format!("model-{name}")).unwrap();
        assert!(
            route
                .candidates()
                .iter()
                .all(|candidate| !candidate.is_provider_enabled()),
            "{name}"
        );
    }
    assert_eq!(snapshot.revisions().count(), 7);
}

#[tokio::test]
async fn plain_keys_are_sealed_as_soon_as_there_is_a_secret_key() {
    let fixture = Fixture::new().await;
    let plain = fixture
        .add("a", json!({"api_key": "plain:sk-in-the-clear"}))
        .await;
    let reference = fixture.add("b", json!({"api_key": "env:HOME"})).await;
    fixture.load(None).await.unwrap();
    assert_eq!(fixture.stored_key(plain).await, "plain:sk-in-the-clear");
    let (catalog, _poller) = fixture.load(Some(SECRET)).await.unwrap();
    let stored = fixture.stored_key(plain).await;
    assert!(
        stored.starts_with("sealed:v1:") && !stored.contains("clear"),
        "{stored}"
    );
    assert_eq!(fixture.stored_key(reference).await, "env:HOME");
    let snapshot = catalog.snapshot();
    assert_eq!(snapshot.version, 3, "replicas hear of it");
    let provider = snapshot.provider(ProviderId(plain)).unwrap();
    assert_eq!(
        provider.headers()["authorization"],
        "Bearer sk-in-the-clear"
    );
    let (again, _poller) = fixture.load(Some(SECRET)).await.unwrap();
    assert_eq!(
        (fixture.stored_key(plain).await, again.snapshot().version),
        (stored, 3),
        "once"
    );
}

#[tokio::test]
async fn plain_secrets_beside_the_key_are_sealed_too() {
    let fixture = Fixture::new().await;
    let config = json!({"secret_access_key": "plain:aws-in-the-clear", "session_token": "env:HOME", "service_account": "plain:{}"});
    let id = fixture.add("a", config).await;
    fixture.load(Some(SECRET)).await.unwrap();
    let row = provider::Entity::find_by_id(id).one(&fixture.database);
    let config = row.await.unwrap().unwrap().config;
    for field in ["secret_access_key", "service_account"] {
        assert!(
            config[field].as_str().unwrap().starts_with("sealed:v1:"),
            "{config}"
        );
    }
    assert_eq!(config["session_token"], "env:HOME");
    assert_eq!(config.get("api_key"), None);
}

#[tokio::test]
async fn a_sealed_key_without_its_secret_key_stops_the_start_and_names_the_provider() {
    let fixture = Fixture::new().await;
    let id = fixture
        .add("my-provider", json!({"api_key": "plain:sk-in-the-clear"}))
        .await;
    let (running, _poller) = fixture.load(Some(SECRET)).await.unwrap();
    for wrong in [None, Some("another secret key")] {
        let error = fixture.load(wrong).await.unwrap_err();
        assert!(
            matches!(&error, Error::SealedKey { provider, .. } if provider == "my-provider"),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("clear"));
    }
    // A running one keeps what it has when such a row appears.
    let other = Secrets::new(Some(&"another secret key".into())).unwrap();
    let row = provider::Entity::find_by_id(id)
        .one(&fixture.database)
        .await
        .unwrap()
        .unwrap();
    let mut row = row.into_active_model();
    row.config = Set(json!({"api_key": other.store("sk-2").unwrap()}));
    row.update(&fixture.database).await.unwrap();
    assert!(running.reload().await.is_err());
    assert!(running.snapshot().provider(ProviderId(id)).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_bump_is_lost_among_concurrent_transactions() {
    let fixture = Fixture::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let database = migration::connect(&fixture.url).await.unwrap();
        tasks.spawn(async move {
            for _ in 0..10 {
                let transaction = database.begin().await.unwrap();
                version::bump(&transaction).await.unwrap();
                transaction.commit().await.unwrap();
            }
            let abandoned = database.begin().await.unwrap();
            version::bump(&abandoned).await.unwrap();
            abandoned.rollback().await.unwrap();
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(version::current(&fixture.database).await.unwrap(), 40);
}

/// Two replicas that start at once, with a secret key for the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_together_seal_once() {
    let fixture = Fixture::new().await;
    for index in 0..5 {
        fixture
            .add(
                &format!("p{index}"),
                json!({"api_key": format!("plain:sk-{index}-secret")}),
            )
            .await;
    }
    let (one, two, three) = tokio::join!(
        fixture.load(Some(SECRET)),
        fixture.load(Some(SECRET)),
        fixture.load(Some(SECRET))
    );
    for loaded in [one, two, three] {
        let (catalog, _poller) = loaded.unwrap();
        assert_eq!(catalog.snapshot().providers().count(), 5);
    }
    assert_eq!(version::current(&fixture.database).await.unwrap(), 6);
}
