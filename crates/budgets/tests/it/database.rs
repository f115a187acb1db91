//! A database for one test, with one client key.

use std::{collections::HashMap, ops::AsyncFnOnce};

use chrono::{NaiveDate, Utc};
use entities::{api_key, budget_lease, key_usage, provider};
use sea_orm::{ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection, EntityTrait};
use tempfile::TempDir;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    MySql,
}

pub(crate) struct TestDatabase {
    pub(crate) db: DatabaseConnection,
    pub(crate) folder: TempDir,
    url: String,
}

/// Makes a database, runs the test, drops the database.
pub(crate) async fn run(engine: Engine, test: impl AsyncFnOnce(&TestDatabase)) {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("budgets_{}", Uuid::now_v7().simple());
    let url = match engine {
        Engine::Sqlite => format!("sqlite://{}/main.db?mode=rwc", folder.path().display()),
        _ => {
            execute(engine, &format!("CREATE DATABASE {name}")).await;
            let url = server(engine);
            let (start, _) = url.rsplit_once('/').unwrap();
            format!("{start}/{name}")
        }
    };
    let db = migration::connect(&url).await.unwrap();
    migration::up(&db).await.unwrap();
    let database = TestDatabase { db, folder, url };
    database.fill().await;
    test(&database).await;
    database.db.close().await.unwrap();
    match engine {
        Engine::Sqlite => {}
        Engine::Postgres => execute(engine, &format!("DROP DATABASE {name} WITH (FORCE)")).await,
        Engine::MySql => execute(engine, &format!("DROP DATABASE {name}")).await,
    }
}

impl TestDatabase {
    async fn fill(&self) {
        let now = Utc::now();
        let provider = provider::ActiveModel {
            id: Set(1),
            name: Set("p".to_owned()),
            kind: Set("openai".to_owned()),
            config: Set(serde_json::json!({})),
            enabled: Set(true),
            created_at: Set(now),
            updated_at: Set(now),
        };
        provider::Entity::insert(provider)
            .exec_without_returning(&self.db)
            .await
            .unwrap();
        let key = api_key::ActiveModel {
            id: Set(1),
            name: Set("k".to_owned()),
            key_hash: Set("0".repeat(64)),
            key_prefix: Set("sk-lo-".to_owned()),
            enabled: Set(true),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        api_key::Entity::insert(key)
            .exec_without_returning(&self.db)
            .await
            .unwrap();
    }

    /// Another connection to it.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        migration::connect(&self.url).await.unwrap()
    }

    /// Has the key have spent so much on a day.
    pub(crate) async fn spend(&self, date: NaiveDate, cost: i64) {
        let day = key_usage::ActiveModel {
            key_name: Set("k".to_owned()),
            date: Set(date),
            cost: Set(Some(cost)),
            ..Default::default()
        };
        key_usage::Entity::insert(day)
            .exec_without_returning(&self.db)
            .await
            .unwrap();
    }

    /// What the books say that the key has spent.
    pub(crate) async fn spent(&self) -> i64 {
        let days = key_usage::Entity::find().all(&self.db).await.unwrap();
        days.iter().filter_map(|day| day.cost).sum()
    }

    /// What is leased, by holder.
    pub(crate) async fn leases(&self) -> HashMap<String, i64> {
        let leases = budget_lease::Entity::find().all(&self.db).await.unwrap();
        let pairs = leases.into_iter().map(|lease| (lease.holder, lease.amount));
        pairs.collect()
    }
}

fn server(engine: Engine) -> String {
    let (variable, default) = match engine {
        Engine::MySql => ("TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql"),
        _ => (
            "TEST_POSTGRES_URL",
            "postgres://postgres@127.0.0.1:5432/postgres",
        ),
    };
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

async fn execute(engine: Engine, sql: &str) {
    let url = server(engine);
    let server = Database::connect(&url)
        .await
        .unwrap_or_else(|error| panic!("this test needs the server at {url}: {error}"));
    server.execute_unprepared(sql).await.unwrap();
    server.close().await.unwrap();
}
