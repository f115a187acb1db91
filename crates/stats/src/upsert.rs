//! Adding to a day, in one statement and without reading it first.

use chrono::NaiveDate;
use entities::{key_usage, provider_stats};
use sea_orm::sea_query::{
    BinOper, CaseStatement, DynIden, Expr, ExprTrait, Func, IntoIden, OnConflict, Query,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use crate::rollup::Sums;

/// Days per statement.
const STATEMENT_DAYS: usize = 64;

/// Figures that are sums.
const SUMS: [&str; 6] = [
    "total_requests",
    "success_requests",
    "failed_requests",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
];
const AVERAGE: &str = "avg_response_time";
const MILLIS: &str = "response_ms_total";

/// Adds to `provider_stats`. Days must come in key order.
pub(crate) async fn providers<'a>(
    connection: &impl ConnectionTrait,
    days: impl Iterator<Item = (&'a (i64, NaiveDate), &'a Sums)>,
) -> Result<(), DbErr> {
    let table = Table {
        name: provider_stats::Entity.into_iden(),
        key: provider_stats::Column::ProviderId.into_iden(),
        times: true,
    };
    let days = days.map(|((id, date), sums)| (Expr::from(*id), *date, *sums));
    table.add(connection, days.collect()).await
}

/// Adds to `key_usage`. Days must come in key order.
pub(crate) async fn keys<'a>(
    connection: &impl ConnectionTrait,
    days: impl Iterator<Item = (&'a (&'a str, NaiveDate), &'a Sums)>,
) -> Result<(), DbErr> {
    let table = Table {
        name: key_usage::Entity.into_iden(),
        key: key_usage::Column::KeyName.into_iden(),
        times: false,
    };
    let days = days.map(|((name, date), sums)| (Expr::from(*name), *date, *sums));
    table.add(connection, days.collect()).await
}

/// A table with one row per key and day.
struct Table {
    name: DynIden,
    key: DynIden,
    /// Whether it has response times.
    times: bool,
}

impl Table {
    async fn add(
        &self,
        connection: &impl ConnectionTrait,
        days: Vec<(Expr, NaiveDate, Sums)>,
    ) -> Result<(), DbErr> {
        let on_conflict = self.on_conflict(connection.get_database_backend());
        for chunk in days.chunks(STATEMENT_DAYS) {
            let mut insert = Query::insert();
            insert
                .into_table(self.name.clone())
                .on_conflict(on_conflict.clone());
            let mut columns = vec![self.key.clone(), "date".into_iden()];
            columns.extend(SUMS.map(IntoIden::into_iden));
            columns.extend(["cost", "last_used_at"].map(IntoIden::into_iden));
            if self.times {
                columns.extend([MILLIS, AVERAGE].map(IntoIden::into_iden));
            }
            insert.columns(columns);
            for (key, date, sums) in chunk {
                let mut values = vec![key.clone(), (*date).into()];
                values.extend(
                    [
                        sums.total_requests,
                        sums.success_requests,
                        sums.failed_requests,
                        sums.total_tokens,
                        sums.prompt_tokens,
                        sums.completion_tokens,
                    ]
                    .map(Expr::from),
                );
                values.extend([sums.cost.into(), sums.last_used_at.into()]);
                if self.times {
                    let average = sums.response_ms_total / Ord::max(sums.total_requests, 1);
                    values.extend([sums.response_ms_total.into(), average.into()]);
                }
                insert.values_panic(values);
            }
            connection.execute(&insert).await?;
        }
        Ok(())
    }

    fn on_conflict(&self, backend: DbBackend) -> OnConflict {
        let old = |column: &'static str| Expr::col((self.name.clone(), column));
        let new = |column: &'static str| match backend {
            DbBackend::MySql => Func::cust("VALUES").arg(Expr::col(column)).into(),
            _ => Expr::col(("excluded", column)),
        };
        let sum = |column| old(column).add(new(column));
        let mut conflict = OnConflict::columns([self.key.clone(), "date".into_iden()]);
        if self.times {
            // The average comes first: MySQL assigns from left to right and lets later expressions see the new values,
            // the others show the old ones throughout. Whole milliseconds, cut: MySQL's `/` would round.
            let divide = match backend {
                DbBackend::MySql => BinOper::Custom("DIV"),
                _ => BinOper::Div,
            };
            conflict.value(AVERAGE, sum(MILLIS).binary(divide, sum("total_requests")));
            conflict.value(MILLIS, sum(MILLIS));
        }
        for column in SUMS {
            conflict.value(column, sum(column));
        }
        // Null is "never priced": it neither swallows a price nor counts as one.
        let cost = Func::coalesce([sum("cost"), old("cost"), new("cost")]);
        conflict.value("cost", cost);
        let last = CaseStatement::new()
            .case(
                old("last_used_at")
                    .is_null()
                    .or(old("last_used_at").lt(new("last_used_at"))),
                new("last_used_at"),
            )
            .finally(old("last_used_at"));
        conflict.value("last_used_at", last);
        conflict.to_owned()
    }
}
