//! Work that one replica at a time does: a lease in the database says which.
//!
//! A lease ends by itself, so that another replica goes on where its holder was killed. It says who is to do the work, not
//! that nobody else does: a holder that was held up for longer than the term does not know yet that it lost it. So the
//! work has to be such that two at it do no harm.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entities::lease::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter};

/// One holder's side of a lease.
#[derive(Debug)]
pub struct Lease {
    db: DatabaseConnection,
    name: &'static str,
    holder: String,
    term: Duration,
    /// When it was last ours, in milliseconds since 1970; 0 while it is not known to be.
    held_at: AtomicI64,
}

impl Lease {
    /// The lease called `name`, for whoever this is. So much as `term` later than it was last held, another takes over.
    pub fn new(db: DatabaseConnection, name: &'static str, term: Duration) -> Self {
        // Unlike that of any other; nobody need know it.
        let holder = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self {
            db,
            name,
            holder,
            term,
            held_at: AtomicI64::new(0),
        }
    }

    /// Takes it while nobody has it, or holds it for longer; false while it is another's.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hold(&self) -> Result<bool, DbErr> {
        let now = Utc::now();
        let is_ours = self.take(now).await;
        let held_at = match is_ours {
            Ok(true) => now.timestamp_millis(),
            _ => 0,
        };
        self.held_at.store(held_at, Relaxed);
        is_ours
    }

    /// As [`Lease::hold`], before each step of work that has many: the database is asked when a third of the term is over,
    /// and not at every step, each of which would cost it a durable write more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep(&self) -> Result<bool, DbErr> {
        let age = Utc::now().timestamp_millis() - self.held_at.load(Relaxed);
        let third = i64::try_from(self.term.as_millis() / 3).unwrap_or(i64::MAX);
        if (0..third).contains(&age) {
            return Ok(true);
        }
        self.hold().await
    }

    async fn take(&self, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let until = now + self.term;
        let free = Condition::any()
            .add(Column::Holder.eq(self.holder.as_str()))
            .add(Column::ExpiresAt.lt(now));
        let renewed = Entity::update_many()
            .col_expr(Column::Holder, Expr::value(self.holder.as_str()))
            .col_expr(Column::ExpiresAt, Expr::value(until))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Name.eq(self.name))
            .filter(free)
            .exec(&self.db)
            .await?;
        if renewed.rows_affected > 0 {
            return Ok(true);
        }
        // Those who only ask whether it is free write nothing.
        if Entity::find_by_id(self.name).one(&self.db).await?.is_some() {
            return Ok(false);
        }
        let first = ActiveModel {
            name: Set(self.name.to_owned()),
            holder: Set(self.holder.clone()),
            expires_at: Set(until),
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
        let row = Entity::find_by_id(self.name).one(&self.db).await?;
        Ok(row.is_some_and(|row| row.holder == self.holder))
    }

    /// Lets the next one have it.
    ///
    /// # Errors
    /// Those of the database; then it ends by itself.
    pub async fn give_back(&self) -> Result<(), DbErr> {
        self.held_at.store(0, Relaxed);
        Entity::delete_many()
            .filter(Column::Name.eq(self.name))
            .filter(Column::Holder.eq(self.holder.as_str()))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use scratch::{ENGINES, Scratch};

    use super::*;

    #[tokio::test]
    async fn one_holds_it_until_it_gives_it_back_or_is_late() {
        for engine in ENGINES {
            let scratch = Scratch::migrated(engine).await;
            let lease = |term| Lease::new(scratch.db.clone(), "work", term);
            let (first, second) = (lease(Duration::from_secs(60)), lease(Duration::ZERO));
            assert_eq!(first.hold().await, Ok(true), "{engine:?}");
            assert_eq!(second.hold().await, Ok(false), "{engine:?}");
            assert_eq!(first.hold().await, Ok(true), "{engine:?}: renewed");
            assert_eq!(second.give_back().await, Ok(()), "{engine:?}");
            assert_eq!(
                second.hold().await,
                Ok(false),
                "{engine:?}: it was another's"
            );
            assert_eq!(first.give_back().await, Ok(()), "{engine:?}");
            assert_eq!(second.hold().await, Ok(true), "{engine:?}");
            // What the second has is over as soon as it is had.
            assert_eq!(first.hold().await, Ok(true), "{engine:?}");
            assert_eq!(second.hold().await, Ok(false), "{engine:?}");
        }
    }

    #[tokio::test]
    async fn one_that_keeps_it_asks_now_and_then() {
        let scratch = Scratch::migrated(ENGINES[0]).await;
        let lease = |term| Lease::new(scratch.db.clone(), "work", term);
        let (first, late) = (lease(Duration::from_secs(3600)), lease(Duration::ZERO));
        assert_eq!(first.keep().await, Ok(true));
        scratch.run("DELETE FROM leases").await;
        assert_eq!(late.keep().await, Ok(true));
        assert_eq!(first.keep().await, Ok(true), "not asked");
        assert_eq!(first.hold().await, Ok(true), "the other's term was over");
        assert_eq!(late.keep().await, Ok(false), "asked");
        assert_eq!(first.give_back().await, Ok(()));
        assert_eq!(late.hold().await, Ok(true));
        scratch
            .run("UPDATE leases SET expires_at = '2999-01-01T00:00:00+00:00'")
            .await;
        assert_eq!(
            first.keep().await,
            Ok(false),
            "what was given back is asked for"
        );
    }
}
