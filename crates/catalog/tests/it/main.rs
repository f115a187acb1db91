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
use entities::{model, model_provider, price, provider};
use router::ProviderId;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection,
    EntityTrait, IntoActiveModel, QueryFilter, TransactionTrait, sea_query::Expr,
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

    async fn config(&self, id: i64) -> Value {
        let row = provider::Entity::find_by_id(id).one(&self.database);
        row.await.unwrap().unwrap().config
    }

    async fn stored_key(&self, id: i64) -> String {
        self.config(id).await["api_key"]
            .as_str()
            .unwrap()
            .to_owned()
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
        Catalog::load(self.settings(secret_key, seen).await).await
    }

    async fn settings(&self, secret_key: Option<&str>, seen: Arc<AtomicUsize>) -> CatalogSettings {
        let database = migration::connect(&self.url).await.unwrap();
        let secret_key = secret_key.map(SecretString::from);
        CatalogSettings {
            database,
            secrets: Secrets::new(secret_key.as_ref()).unwrap(),
            clients: Clients::new(NetworkPolicy::Any),
            file: None,
            fixed_keys: vec![ClientKey::fixed("sk-fixed")],
            on_change: Box::new(move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
            }),
        }
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
async fn what_is_rotated_in_a_file_is_in_force_soon() {
    let fixture = Fixture::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "sk-one").unwrap();
    let key = format!("file:{}", file.path().display());
    let id = ProviderId(
        fixture
            .add(
                "a",
                json!({"base_url": "http://127.0.0.1:1/v1", "api_key": key}),
            )
            .await,
    );
    let (catalog, poller) = fixture.load(None).await.unwrap();
    let knows = |secret: &str| {
        let headers = catalog.snapshot().provider(id).unwrap().headers();
        headers["authorization"] == format!("Bearer {secret}")
    };
    assert!(knows("sk-one") && !knows("sk-two"));
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    std::fs::write(file.path(), "sk-two").unwrap();
    while !knows("sk-two") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!knows("sk-one"));
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

/// The admin API would refuse such rows; the price that is left is the oldest usable one.
#[tokio::test]
async fn a_damaged_price_prices_nothing_and_stops_nothing() {
    let fixture = Fixture::new().await;
    fixture.add("a", local()).await;
    for (pattern, input) in [("x", -1), ("", 2), ("x", 3), ("x", 4)] {
        let row = price::ActiveModel {
            model_pattern: Set(pattern.to_owned()),
            input: Set(Some(input)),
            ..Default::default()
        };
        row.insert(&fixture.database).await.unwrap();
    }
    let (catalog, _poller) = fixture.load(None).await.unwrap();
    let snapshot = catalog.snapshot();
    let (candidate, ..) = snapshot.candidates().next().unwrap();
    let price = snapshot.price(candidate).unwrap();
    assert_eq!((price.input, price.output), (Some(3), None));
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
async fn header_values_in_clear_are_sealed_too() {
    let fixture = Fixture::new().await;
    let config = json!({
        "base_url": "http://127.0.0.1:1/v1",
        "headers": {"x-a": "in-the-clear", "x-b": "plain:in-the-clear"},
        "models": {"m": {"headers": {"x-c": "in-the-clear", "x-d": "env:HOME"}}},
    });
    let id = fixture.add("a", config).await;
    let (catalog, _poller) = fixture.load(Some(SECRET)).await.unwrap();
    let stored = fixture.config(id).await;
    assert!(!stored.to_string().contains("in-the-clear"), "{stored}");
    assert_eq!(stored["models"]["m"]["headers"]["x-d"], "env:HOME");
    let snapshot = catalog.snapshot();
    let headers = snapshot.provider(ProviderId(id)).unwrap().headers();
    assert_eq!(headers["x-a"], "in-the-clear");
    assert_eq!(headers["x-b"], "in-the-clear");
}

#[tokio::test]
async fn after_the_secret_key_has_changed_everything_is_sealed_anew_in_one_go() {
    let fixture = Fixture::new().await;
    let config = json!({
        "api_key": "plain:sk-one", "headers": {"x-a": "in-the-clear"},
        "models": {"m": {"headers": {"x-b": "in-the-clear"}}},
    });
    let id = fixture.add("a", config).await;
    fixture.add("b", json!({"api_key": "env:HOME"})).await;
    fixture.load(Some(SECRET)).await.unwrap();
    let old = fixture.config(id).await;

    let new: SecretString = "another secret key".into();
    let both = || {
        Secrets::new(Some(&new))
            .unwrap()
            .after(&SECRET.into())
            .unwrap()
    };
    let settings = CatalogSettings {
        secrets: both(),
        ..fixture.settings(None, Arc::default()).await
    };
    let (catalog, _poller) = Catalog::load(settings).await.unwrap();
    assert_eq!(catalog.snapshot().providers().count(), 2);
    assert_eq!(fixture.config(id).await, old, "reading changes nothing");

    let before = version::current(&fixture.database).await.unwrap();
    assert_eq!(
        catalog::reseal(&fixture.database, &both()).await.unwrap(),
        1
    );
    let after = version::current(&fixture.database).await.unwrap();
    assert_eq!(after, before + 1, "others read it again");
    assert_eq!(
        catalog::reseal(&fixture.database, &both()).await.unwrap(),
        0
    );

    let (catalog, _poller) = fixture.load(Some("another secret key")).await.unwrap();
    let snapshot = catalog.snapshot();
    let headers = snapshot.provider(ProviderId(id)).unwrap().headers();
    assert_eq!(headers["authorization"], "Bearer sk-one");
    assert_eq!(headers["x-a"], "in-the-clear");
    fixture.load(Some(SECRET)).await.unwrap_err();
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_leaves_all_as_they_are() {
    let fixture = Fixture::new().await;
    let a = fixture.add("a", json!({"api_key": "plain:sk-one"})).await;
    fixture.load(Some(SECRET)).await.unwrap();
    let other = Secrets::new(Some(&"yet another secret".into())).unwrap();
    let lost = other.store("sk-two").unwrap();
    fixture.add("lost", json!({"api_key": lost})).await;
    let before = fixture.config(a).await;
    let new = Secrets::new(Some(&"another secret key".into())).unwrap();
    let both = new.after(&SECRET.into()).unwrap();
    let error = catalog::reseal(&fixture.database, &both).await.unwrap_err();
    assert!(error.to_string().contains("'lost'"), "{error}");
    assert_eq!(fixture.config(a).await, before);
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

#[tokio::test]
async fn the_file_holds_the_snapshot_in_force_until_the_database_is_back() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/there.json");
    let settings = async || CatalogSettings {
        file: Some(path.clone()),
        ..fixture.settings(Some(SECRET), Arc::default()).await
    };
    let plain = json!({"base_url": "http://127.0.0.1:1/v1", "api_key": "plain:sk-in-clear"});
    fixture.add("a", plain).await;
    let (catalog, _) = Catalog::load(settings().await).await.unwrap();
    let id = fixture.add("b", local()).await;
    catalog.reload().await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("sk-in-clear") && text.contains("sealed:v1:"));

    let (catalog, poller) = Catalog::from_file(settings().await, path.clone())
        .await
        .unwrap();
    assert!(!catalog.is_database_up());
    assert_eq!(catalog.current().version, 3);
    assert!(catalog.current().model("model-a").is_some());
    assert!(catalog.current().provider(ProviderId(id)).is_some());

    // Another database may have the same version: the one that is back is read in any case.
    let other = model::Entity::update_many()
        .col_expr(model::Column::Name, Expr::value("renamed"))
        .filter(model::Column::Name.eq("model-a"));
    other.exec(&fixture.database).await.unwrap();
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    while !catalog.is_database_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(catalog.current().model("renamed").is_some());
    stop.cancel();
    polling.await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("renamed"));
}

#[tokio::test]
async fn a_file_of_another_build_or_none_is_refused() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    for (content, reason) in [
        (None, "cannot read it"),
        (Some("{"), "it is damaged"),
        (Some(r#"{"format": 1, "rows": {}}"#), "it is damaged"),
        (Some(r#"{"format": 2, "rows": {}}"#), "it has format 2"),
    ] {
        let path = folder.path().join("kept.json");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let settings = fixture.settings(None, Arc::default()).await;
        let error = Catalog::from_file(settings, path).await.unwrap_err();
        let Error::File { source, .. } = error else {
            panic!("{error}");
        };
        assert!(source.to_string().contains(reason), "{source}");
    }
}
