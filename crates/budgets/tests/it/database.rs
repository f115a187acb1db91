//! A database for one test, with one client key.

use std::collections::HashMap;
use std::ops::AsyncFnOnce;
use std::path::Path;

use chrono::{NaiveDate, Utc};
use entities::{api_key, budget_lease, key_usage, provider};
use scratch::Scratch;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbBackend, EntityTrait};

pub(crate) struct TestDatabase {
    scratch: Scratch,
}

/// Makes a database, runs the test, drops the database.
pub(crate) async fn run(engine: DbBackend, test: impl AsyncFnOnce(&TestDatabase)) {
    let scratch = Scratch::migrated(engine).await;
    let database = TestDatabase { scratch };
    database.fill().await;
    test(&database).await;
}

impl TestDatabase {
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.place().folder()
    }

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
            .exec_without_returning(&self.scratch.db)
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
            .exec_without_returning(&self.scratch.db)
            .await
            .unwrap();
    }

    /// Another connection to it.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        migration::connect(self.scratch.url()).await.unwrap()
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
            .exec_without_returning(&self.scratch.db)
            .await
            .unwrap();
    }

    /// What the books say that the key has spent.
    pub(crate) async fn spent(&self) -> i64 {
        let days = key_usage::Entity::find()
            .all(&self.scratch.db)
            .await
            .unwrap();
        days.iter().filter_map(|day| day.cost).sum()
    }

    /// What is leased, by holder.
    pub(crate) async fn leases(&self) -> HashMap<String, i64> {
        let leases = budget_lease::Entity::find()
            .all(&self.scratch.db)
            .await
            .unwrap();
        let pairs = leases.into_iter().map(|lease| (lease.holder, lease.amount));
        pairs.collect()
    }
}
