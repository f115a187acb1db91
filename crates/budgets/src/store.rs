//! Leases in the database.

use std::time::Duration;

use access::budget::{ByPeriod, Standing};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use entities::{
    api_key,
    budget_lease::{ActiveModel, Column, Entity},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    IsolationLevel, QueryFilter, QuerySelect, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
    sea_query::{Expr, ExprTrait},
};
use stats::query::key_totals;
use uuid::Uuid;

/// Whose lease of which key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease<'a> {
    pub(crate) key_id: i64,
    pub(crate) key_name: &'a str,
    pub(crate) holder: Uuid,
    pub(crate) ttl: Duration,
}

/// Reads what the books say, has `decide` say how much is to be leased, and writes that: all under a lock on the key, so
/// that replicas do so one after the other.
///
/// # Errors
/// When the database did not confirm; the lease may be written nevertheless.
pub(crate) async fn renew(
    database: &DatabaseConnection,
    lease: Lease<'_>,
    today: NaiveDate,
    decide: impl FnOnce(&Standing) -> i64 + Send,
) -> Result<(), DbErr> {
    let options = TransactionOptions {
        // What was committed before the lock was had has to be seen, which InnoDB's default does not promise.
        isolation_level: (database.get_database_backend() == DbBackend::MySql)
            .then_some(IsolationLevel::ReadCommitted),
        // SQLite locks no rows: a transaction that will write is the only one from its beginning.
        sqlite_transaction_mode: (database.get_database_backend() == DbBackend::Sqlite)
            .then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = database.begin_with_options(options).await?;
    let locked: Option<i64> = api_key::Entity::find_by_id(lease.key_id)
        .select_only()
        .column(api_key::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .one(&transaction)
        .await?;
    let now = Utc::now();
    let standing = standing(&transaction, lease, now, today).await?;
    let amount = decide(&standing);
    // With a key its leases have gone.
    if locked.is_some() {
        put(&transaction, lease, now, amount).await?;
    }
    transaction.commit().await
}

async fn standing(
    connection: &impl ConnectionTrait,
    lease: Lease<'_>,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> Result<Standing, DbErr> {
    let others: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Amount)
        .filter(Column::KeyId.eq(lease.key_id))
        .filter(Column::Holder.ne(lease.holder.to_string()))
        .filter(Column::ExpiresAt.gt(now))
        .into_tuple()
        .all(connection)
        .await?;
    let totals = key_totals(connection, [lease.key_name], today).await?;
    let totals = totals.get(lease.key_name).cloned().unwrap_or_default();
    Ok(Standing {
        others: others.into_iter().fold(0, i64::saturating_add),
        spent: ByPeriod {
            day: totals.cost_of_day.unwrap_or(0),
            month: totals.cost_of_month.unwrap_or(0),
            total: totals.cost.unwrap_or(0),
        },
    })
}

async fn put(
    connection: &impl ConnectionTrait,
    lease: Lease<'_>,
    now: DateTime<Utc>,
    amount: i64,
) -> Result<(), DbErr> {
    let holder = lease.holder.to_string();
    let is_own = Column::KeyId
        .eq(lease.key_id)
        .and(Column::Holder.eq(holder.as_str()));
    if amount == 0 {
        let delete = Entity::delete_many().filter(is_own);
        return delete.exec(connection).await.map(drop);
    }
    let ttl = TimeDelta::from_std(lease.ttl).unwrap_or(TimeDelta::MAX);
    let expires_at = now.checked_add_signed(ttl).unwrap_or(now);
    let update = Entity::update_many()
        .col_expr(Column::Amount, Expr::value(amount))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(is_own);
    if update.exec(connection).await?.rows_affected > 0 {
        return Ok(());
    }
    let row = ActiveModel {
        key_id: Set(lease.key_id),
        holder: Set(holder),
        amount: Set(amount),
        expires_at: Set(expires_at),
        updated_at: Set(now),
        ..ActiveModel::default()
    };
    Entity::insert(row)
        .exec_without_returning(connection)
        .await
        .map(drop)
}

/// Forgets the leases of those who are no more.
pub(crate) async fn sweep(database: &DatabaseConnection) -> Result<(), DbErr> {
    let delete = Entity::delete_many().filter(Column::ExpiresAt.lt(Utc::now()));
    delete.exec(database).await.map(drop)
}
