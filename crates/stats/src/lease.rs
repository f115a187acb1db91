//! Work that one replica at a time does: a lease in the database says which.

use std::time::Duration;

use chrono::Utc;
use entities::lease::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

/// A lease that is held while there is work.
#[derive(Debug)]
pub(crate) struct Lease {
    db: DatabaseConnection,
    name: &'static str,
    holder: String,
    /// So much later another replica takes over from one that was killed.
    term: Duration,
}

impl Lease {
    pub(crate) fn new(db: DatabaseConnection, name: &'static str, term: Duration) -> Self {
        Self {
            db,
            name,
            holder: Uuid::now_v7().to_string(),
            term,
        }
    }

    /// Takes it while nobody has it, or holds it for longer; false while it is another's.
    pub(crate) async fn hold(&self) -> Result<bool, DbErr> {
        let now = Utc::now();
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
    pub(crate) async fn give_back(&self) -> Result<(), DbErr> {
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
    use super::*;

    async fn database() -> DatabaseConnection {
        let db = migration::connect("sqlite::memory:").await.unwrap();
        migration::up(&db).await.unwrap();
        db
    }

    #[tokio::test]
    async fn one_holds_it_until_it_gives_it_back_or_is_late() {
        let db = database().await;
        let lease = |term| Lease::new(db.clone(), "work", term);
        let (first, second) = (lease(Duration::from_secs(60)), lease(Duration::ZERO));
        assert!(first.hold().await.unwrap());
        assert!(!second.hold().await.unwrap());
        assert!(first.hold().await.unwrap(), "its holder renews it");
        second.give_back().await.unwrap();
        assert!(!second.hold().await.unwrap(), "it was another's to give");
        first.give_back().await.unwrap();
        assert!(second.hold().await.unwrap());
        // What the second has is over as soon as it is had.
        assert!(first.hold().await.unwrap());
        assert!(!second.hold().await.unwrap());
    }
}
