//! What the rows of a period add up to, in all and by provider and model.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::log_rollup::ActiveModel;
use entities::request_log::{Column, Entity};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QuerySelect, Select,
};

use super::counts::{Counts, coarse};
use super::{SECONDS, at, step};
use crate::query::{Sums, sums};

/// What is summed up together in a row of `log_rollups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RolledBy {
    /// All of the period.
    All,
    /// A provider's part, or what none was asked for.
    Provider,
    /// A model's part.
    Model,
    /// A provider's part of a model's.
    Both,
}

impl RolledBy {
    /// Every one of them.
    pub(crate) const EVERY: [&str; 4] = [
        Self::All.as_str(),
        Self::Provider.as_str(),
        Self::Model.as_str(),
        Self::Both.as_str(),
    ];

    /// As it stands in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Both => "both",
        }
    }
}

#[derive(Debug, FromQueryResult)]
struct Ended {
    begins: i64,
    provider_id: Option<i64>,
    model: String,
    took: i64,
    #[sea_orm(nested)]
    sums: Sums,
}

#[derive(Debug, FromQueryResult)]
struct First {
    begins: i64,
    provider_id: Option<i64>,
    model: String,
    took: i64,
    requests: i64,
}

type Key = (RolledBy, Option<i64>, Option<String>);

#[derive(Debug, Default)]
struct Part {
    sums: Sums,
    latencies: Counts,
    ttfts: Counts,
}

/// The parts of a period.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<Key, Part>);

impl Parts {
    /// Those of each period from `oldest` to `newest` that has rows. Not from one moment: whoever keeps them has to know that
    /// no row came or went.
    pub(super) async fn of_each(
        db: &impl ConnectionTrait,
        oldest: i64,
        newest: i64,
    ) -> Result<BTreeMap<i64, Self>, DbErr> {
        let backend = db.get_database_backend();
        let range = (at(oldest), at(newest + SECONDS));
        let ended = grouped(sums(backend), backend, range, Column::LatencyMs)
            .into_model::<Ended>()
            .all(db)
            .await?;
        let select = Entity::find()
            .select_only()
            .filter(Column::TtftMs.is_not_null())
            .expr_as(Expr::col(Column::Id).count(), "requests");
        let first = grouped(select, backend, range, Column::TtftMs)
            .into_model::<First>()
            .all(db)
            .await?;
        let mut periods: BTreeMap<i64, Self> = BTreeMap::new();
        for row in &ended {
            let parts = periods.entry(row.begins).or_default();
            parts.each(row.provider_id, &row.model, |part| {
                part.sums.add(&row.sums);
                part.latencies.add(row.took, row.sums.requests);
            });
        }
        for row in &first {
            let parts = periods.entry(row.begins).or_default();
            parts.each(row.provider_id, &row.model, |part| {
                part.ttfts.add(row.took, row.requests);
            });
        }
        Ok(periods)
    }

    fn each(&mut self, provider: Option<i64>, model: &str, add: impl Fn(&mut Part)) {
        let name = || Some(model.to_owned());
        let keys = [
            Some((RolledBy::All, None, None)),
            Some((RolledBy::Provider, provider, None)),
            Some((RolledBy::Model, None, name())),
            // Nobody can ask for those that no provider has.
            provider.map(|id| (RolledBy::Both, Some(id), name())),
        ];
        for key in keys.into_iter().flatten() {
            add(self.0.entry(key).or_default());
        }
    }

    /// As rows.
    pub(super) fn rows(self, begins: i64) -> Vec<ActiveModel> {
        let row = |((by, provider_id, model), part): (Key, Part)| ActiveModel {
            id: NotSet,
            rolled_by: Set(by.as_str().to_owned()),
            provider_id: Set(provider_id),
            model: Set(model),
            begins: Set(begins),
            requests: Set(part.sums.requests),
            successes: Set(part.sums.successes.unwrap_or(0)),
            latency_ms: Set(part.sums.latency_ms.unwrap_or(0)),
            prompt_tokens: Set(part.sums.prompt_tokens.unwrap_or(0)),
            completion_tokens: Set(part.sums.completion_tokens.unwrap_or(0)),
            total_tokens: Set(part.sums.total_tokens.unwrap_or(0)),
            cost: Set(part.sums.cost),
            latencies: Set(part.latencies.to_bytes()),
            ttfts: Set(part.ttfts.to_bytes()),
        };
        self.0.into_iter().map(row).collect()
    }
}

fn grouped(
    select: Select<Entity>,
    backend: DbBackend,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    timed: Column,
) -> Select<Entity> {
    let begins = step(backend, SECONDS);
    select
        .filter(Column::CreatedAt.gte(from))
        .filter(Column::CreatedAt.lt(to))
        .expr_as(begins.clone(), "begins")
        .column(Column::ProviderId)
        .column(Column::Model)
        .expr_as(coarse(timed), "took")
        .group_by(begins)
        .group_by(Column::ProviderId)
        .group_by(Column::Model)
        .group_by(coarse(timed))
}
