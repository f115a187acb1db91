//! Which of the replicas probes on the interval: the one that holds a lease in the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chrono::Utc;
use entities::lease::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// What the lease is called.
const NAME: &str = "probes";
/// How long it is held without being renewed: so much later another replica takes over from one that was killed.
const TERM: Duration = Duration::from_secs(30);
/// Time between two renewals, or two tries to get it.
const EVERY: Duration = Duration::from_secs(10);
/// How long one of them, or giving it back, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether this replica probes on the interval.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turn {
    pub(crate) fn is_ours(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, is_ours: bool) {
        self.0.store(is_ours, Relaxed);
    }
}

/// Takes the lease while nobody else has it, and keeps it.
#[derive(Debug)]
pub(crate) struct Lease {
    db: DatabaseConnection,
    holder: String,
    turn: Turn,
}

impl Lease {
    pub(crate) fn new(db: DatabaseConnection, turn: Turn) -> Self {
        // Unlike that of any other process; nobody need know it.
        let holder = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self { db, holder, turn }
    }

    /// Holds the lease when it can until `stop`, then gives it back. While the database is away it is this replica's turn,
    /// as it is every other's: nobody knows of any other then.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let held = tokio::time::timeout(PATIENCE, self.hold());
            let Some(held) = stop.run_until_cancelled(held).await else {
                break;
            };
            let is_ours = matches!(held, Ok(Ok(true)) | Ok(Err(_)) | Err(_));
            if is_ours != self.turn.is_ours() {
                tracing::debug!(is_ours, "the turn to probe providers has changed");
            }
            self.turn.set(is_ours);
        }
        self.turn.set(false);
        // Otherwise it ends by itself.
        let _ = tokio::time::timeout(PATIENCE, self.give_back()).await;
    }

    /// Takes or renews it; whether it is ours.
    async fn hold(&self) -> Result<bool, DbErr> {
        let now = Utc::now();
        let free = Condition::any()
            .add(Column::Holder.eq(self.holder.as_str()))
            .add(Column::ExpiresAt.lt(now));
        let renewed = Entity::update_many()
            .col_expr(Column::Holder, Expr::value(self.holder.as_str()))
            .col_expr(Column::ExpiresAt, Expr::value(now + TERM))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Name.eq(NAME))
            .filter(free)
            .exec(&self.db)
            .await?;
        if renewed.rows_affected > 0 {
            return Ok(true);
        }
        if Entity::find_by_id(NAME).one(&self.db).await?.is_some() {
            return Ok(false);
        }
        let first = ActiveModel {
            name: Set(NAME.to_owned()),
            holder: Set(self.holder.clone()),
            expires_at: Set(now + TERM),
            amount: Set(None),
            updated_at: Set(now),
        };
        // Where two are first at once, one of them is: the row says which.
        let mut others = OnConflict::column(Column::Name);
        others.value(Column::Name, Expr::col((Entity, Column::Name)));
        Entity::insert(first)
            .on_conflict(others)
            .exec_without_returning(&self.db)
            .await?;
        let row = Entity::find_by_id(NAME).one(&self.db).await?;
        Ok(row.is_some_and(|row| row.holder == self.holder))
    }

    async fn give_back(&self) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::Name.eq(NAME))
            .filter(Column::Holder.eq(self.holder.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn database() -> DatabaseConnection {
        let db = migration::connect("sqlite::memory:").await.unwrap();
        migration::up(&db).await.unwrap();
        db
    }

    fn lease(db: &DatabaseConnection) -> Lease {
        Lease::new(db.clone(), Turn::default())
    }

    #[tokio::test]
    async fn one_holds_it_until_it_gives_it_back() {
        let db = database().await;
        let (first, second) = (lease(&db), lease(&db));
        assert!(first.hold().await.unwrap());
        assert!(!second.hold().await.unwrap());
        assert!(first.hold().await.unwrap(), "its holder renews it");
        second.give_back().await.unwrap();
        assert!(!second.hold().await.unwrap(), "it was another's to give");
        first.give_back().await.unwrap();
        assert!(second.hold().await.unwrap());
    }

    #[tokio::test]
    async fn one_that_was_killed_loses_it() {
        let db = database().await;
        let (first, second) = (lease(&db), lease(&db));
        assert!(first.hold().await.unwrap());
        Entity::update_many()
            .col_expr(Column::ExpiresAt, Expr::value(Utc::now() - TERM))
            .exec(&db)
            .await
            .unwrap();
        assert!(second.hold().await.unwrap());
        assert!(!first.hold().await.unwrap());
    }

    #[tokio::test]
    async fn without_a_database_it_is_everybodys_turn() {
        let db = migration::connect("sqlite::memory:").await.unwrap(); // without tables
        let turn = Turn::default();
        let stop = CancellationToken::new();
        let running = Lease::new(db, turn.clone()).run(stop.clone());
        let seen = async {
            while !turn.is_ours() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(running, seen);
        assert!(!turn.is_ours(), "nobody's after the end");
    }
}
