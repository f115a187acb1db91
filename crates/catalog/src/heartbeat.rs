//! The sign of life by which other programs know that a gateway works with the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::Utc;
use entities::replica::{ActiveModel, Column, Entity};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter,
    Statement,
    sea_query::Expr,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Time between two signs of life. `migrator rebuild` takes a gateway for dead after six times as long.
const EVERY: Duration = Duration::from_secs(5);
/// A gateway that was not seen for so many seconds takes no part any more.
const ABSENT_AFTER: i64 = 15;
/// How long the last statement may hold up the shutdown.
const FAREWELL: Duration = Duration::from_secs(2);
/// Rows of gateways that were killed are removed after so long.
const FORGET_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// Keeps this gateway's row in `replicas`, by the database's clock, and removes it at the end.
#[derive(Debug)]
pub struct Heartbeat {
    database: DatabaseConnection,
    id: String,
    name: String,
    version: &'static str,
    /// Where it is noted how many gateways there are.
    gateways: Option<Arc<AtomicU64>>,
}

impl Heartbeat {
    /// A gateway of that name, for people, and that version; `id` tells it from all others.
    pub fn new(
        database: DatabaseConnection,
        id: String,
        name: String,
        version: &'static str,
    ) -> Self {
        Self {
            database,
            id,
            name,
            version,
            gateways: None,
        }
    }

    /// Notes in `gateways`, with each sign of life, how many gateways give some, this one included. While the database is
    /// away that stays as it was.
    #[must_use]
    pub fn counting(mut self, gateways: Arc<AtomicU64>) -> Self {
        self.gateways = Some(gateways);
        self
    }

    /// Gives signs of life until `stop`. While the database is away there are none, and nothing else suffers.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let beat = tokio::time::timeout(EVERY, self.beat());
            match stop.run_until_cancelled(beat).await {
                Some(Ok(Err(error))) => tracing::debug!(%error, "no sign of life could be given"),
                Some(Err(_)) => tracing::debug!("the database does not take a sign of life"),
                _ => {}
            }
        }
        let farewell = Entity::delete_by_id(self.id.as_str()).exec(&self.database);
        // Who looks at a row that stays sees that it gets no younger.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    async fn beat(&self) -> Result<(), DbErr> {
        self.show().await?;
        if let Some(gateways) = &self.gateways {
            gateways.store(self.present().await?.max(1), Relaxed);
        }
        Ok(())
    }

    /// How many gateways were seen lately, by the database's clock.
    async fn present(&self) -> Result<u64, DbErr> {
        let backend = self.database.get_database_backend();
        let age = match backend {
            DbBackend::Postgres => "EXTRACT(EPOCH FROM now() - seen_at)",
            DbBackend::MySql => "TIMESTAMPDIFF(SECOND, seen_at, CURRENT_TIMESTAMP(6))",
            _ => "strftime('%s', 'now') - strftime('%s', seen_at)",
        };
        let sql = format!("SELECT COUNT(*) FROM replicas WHERE {age} < {ABSENT_AFTER}");
        let counted = self
            .database
            .query_one_raw(Statement::from_string(backend, sql))
            .await?;
        let count = counted.map(|row| row.try_get_by_index::<i64>(0));
        Ok(u64::try_from(count.transpose()?.unwrap_or(0)).unwrap_or(0))
    }

    async fn show(&self) -> Result<(), DbErr> {
        let beaten = Entity::update_many()
            .col_expr(Column::SeenAt, Expr::current_timestamp())
            .filter(Column::Id.eq(self.id.as_str()))
            .exec(&self.database)
            .await?;
        if beaten.rows_affected > 0 {
            return Ok(());
        }
        // The database's own clock fills in the times.
        let row = ActiveModel {
            id: Set(self.id.clone()),
            name: Set(self.name.clone()),
            version: Set(self.version.to_owned()),
            started_at: NotSet,
            seen_at: NotSet,
        };
        Entity::insert(row)
            .exec_without_returning(&self.database)
            .await?;
        Entity::delete_many()
            .filter(Column::SeenAt.lt(Utc::now() - FORGET_AFTER))
            .exec(&self.database)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gateway_is_there_until_it_stops() {
        let database = migration::connect("sqlite::memory:").await.unwrap();
        migration::up(&database).await.unwrap();
        let heartbeat =
            |id: &str| Heartbeat::new(database.clone(), id.to_owned(), "box".to_owned(), "1.2.3");
        heartbeat("a").beat().await.unwrap();
        heartbeat("a").beat().await.unwrap();
        heartbeat("b").beat().await.unwrap();
        let rows = Entity::find().all(&database).await.unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(Utc::now() - rows[0].seen_at < chrono::TimeDelta::minutes(1));
        let stop = CancellationToken::new();
        stop.cancel();
        heartbeat("a").run(stop).await;
        let rows = Entity::find().all(&database).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].id, "b");
    }

    #[tokio::test]
    async fn those_are_counted_that_were_seen_lately() {
        let database = migration::connect("sqlite::memory:").await.unwrap();
        migration::up(&database).await.unwrap();
        let gateways = Arc::new(AtomicU64::new(1));
        let heartbeat = |id: &str| {
            Heartbeat::new(database.clone(), id.to_owned(), "box".to_owned(), "1")
                .counting(gateways.clone())
        };
        for id in ["a", "b", "c"] {
            heartbeat(id).beat().await.unwrap();
        }
        assert_eq!(gateways.load(Relaxed), 3);
        Entity::update_many()
            .col_expr(
                Column::SeenAt,
                Expr::value(Utc::now() - chrono::TimeDelta::seconds(ABSENT_AFTER + 1)),
            )
            .filter(Column::Id.eq("b"))
            .exec(&database)
            .await
            .unwrap();
        heartbeat("a").beat().await.unwrap();
        assert_eq!(gateways.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn those_that_were_killed_long_ago_are_forgotten() {
        let database = migration::connect("sqlite::memory:").await.unwrap();
        migration::up(&database).await.unwrap();
        let long_ago = Utc::now() - FORGET_AFTER - FORGET_AFTER;
        let dead = ActiveModel {
            id: Set("dead".to_owned()),
            name: Set("box".to_owned()),
            version: Set("1".to_owned()),
            started_at: Set(long_ago),
            seen_at: Set(long_ago),
        };
        Entity::insert(dead)
            .exec_without_returning(&database)
            .await
            .unwrap();
        let name = "box".to_owned();
        Heartbeat::new(database.clone(), "new".to_owned(), name, "1")
            .beat()
            .await
            .unwrap();
        let rows = Entity::find().all(&database).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].id, "new");
    }
}
