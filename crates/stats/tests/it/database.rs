//! A database for one test.

use std::ops::AsyncFnOnce;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entities::{provider, request_log};
use scratch::Place;
pub(crate) use sea_orm::DbBackend as Engine;
use sea_orm::{
    ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, DatabaseTransaction,
    EntityTrait, PaginatorTrait, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::link::{Link, Mode};

/// Providers 1 to this exist.
pub(crate) const PROVIDERS: i64 = 4;

/// A database with the schema, reached directly (`db`) and by way of what the test can cut (`connect`).
pub(crate) struct TestDatabase {
    pub(crate) db: DatabaseConnection,
    pub(crate) engine: Engine,
    /// Between the worker and a server; SQLite has none.
    pub(crate) link: Option<Arc<Link>>,
    place: Place,
}

/// Makes a database, runs the test, drops the database.
pub(crate) async fn run(engine: Engine, test: impl AsyncFnOnce(&TestDatabase)) {
    let database = TestDatabase::create(engine).await;
    test(&database).await;
}

impl TestDatabase {
    async fn create(engine: Engine) -> Self {
        let place = Place::new(engine).await;
        let link = match engine {
            Engine::Sqlite => None,
            _ => Some(Link::to(host(place.url())).await),
        };
        // SQLite makes the file, not the folders around it.
        migration::connect(place.url()).await.unwrap();
        let db = open(place.url(), 5_000).await;
        migration::up(&db).await.unwrap();
        let database = Self {
            db,
            engine,
            link,
            place,
        };
        for id in 1..=PROVIDERS {
            database.add_provider(id).await;
        }
        database
    }

    /// A folder that goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// A connection for a worker. On SQLite it waits 50 ms for a lock, so that a test need not wait for long.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        open(&self.linked(), 50).await
    }

    /// A connection for a worker that waits for a lock as long as one does in earnest.
    pub(crate) async fn connect_patient(&self) -> DatabaseConnection {
        open(&self.linked(), 5_000).await
    }

    fn linked(&self) -> String {
        let direct = self.place.url();
        match &self.link {
            Some(link) => {
                // The link looks for commits, which it could not find in an encrypted connection.
                let plain = match self.engine {
                    Engine::MySql => "ssl-mode=DISABLED",
                    _ => "sslmode=disable",
                };
                let linked = direct.replace(&host(direct), &link.address());
                format!("{linked}?{plain}")
            }
            None => direct.to_owned(),
        }
    }

    /// Takes the database away until the outage ends: the link is cut, or, on SQLite, another writer holds the lock.
    pub(crate) async fn outage(&self) -> Trouble<'_> {
        self.trouble(Mode::Cut).await
    }

    /// Every answer takes this long; on SQLite the first one takes as long as the trouble does.
    pub(crate) async fn slowness(&self, delay: Duration) -> Trouble<'_> {
        self.trouble(Mode::Slow(delay)).await
    }

    async fn trouble(&self, mode: Mode) -> Trouble<'_> {
        match &self.link {
            Some(link) => {
                link.set(mode);
                Trouble {
                    link: Some(link),
                    lock: None,
                }
            }
            None => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
                    ..TransactionOptions::default()
                };
                let lock = self.db.begin_with_options(options).await.unwrap();
                Trouble {
                    link: None,
                    lock: Some(lock),
                }
            }
        }
    }

    pub(crate) async fn add_provider(&self, id: i64) {
        let model = provider::ActiveModel {
            id: Set(id),
            name: Set(format!("provider-{id}")),
            kind: Set("openai".into()),
            config: Set(serde_json::from_str(r#"{"base_url":"http://127.0.0.1:9/v1"}"#).unwrap()),
            enabled: Set(true),
            created_at: Set(chrono::Utc::now()),
            updated_at: Set(chrono::Utc::now()),
        };
        provider::Entity::insert(model)
            .exec(&self.db)
            .await
            .unwrap();
    }

    pub(crate) async fn logs(&self) -> Vec<request_log::Model> {
        request_log::Entity::find().all(&self.db).await.unwrap()
    }

    pub(crate) async fn log_count(&self) -> u64 {
        request_log::Entity::find().count(&self.db).await.unwrap()
    }
}

/// Something is wrong with the database, until it ends.
pub(crate) struct Trouble<'a> {
    link: Option<&'a Arc<Link>>,
    lock: Option<DatabaseTransaction>,
}

impl Trouble<'_> {
    pub(crate) async fn end(self) {
        if let Some(link) = self.link {
            link.set(Mode::Open);
        }
        if let Some(lock) = self.lock {
            lock.rollback().await.unwrap();
        }
    }
}

/// Host and port of the server in a URL.
fn host(url: &str) -> String {
    let after_user = url.rsplit_once('@').expect("a server URL names its user").1;
    after_user
        .split('/')
        .next()
        .expect("split gives at least one part")
        .to_owned()
}

async fn open(url: &str, busy_ms: u64) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(4)
        .acquire_timeout(Duration::from_millis(500))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
                .busy_timeout(Duration::from_millis(busy_ms))
        });
    Database::connect(options).await.unwrap()
}
