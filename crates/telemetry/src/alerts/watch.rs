//! Where news come from.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use access::money;
use budgets::BudgetMetrics;
use catalog::Catalog;
use health::{Health, Moment, ProviderReport, State};
use router::ProviderId;
use stats::StatsMetrics;

use super::{event::Told, news::News};

/// Time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// How long rows lie in the spool before that is worth an alert: a database that hesitates is none.
const SPOOLED: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Debug)]
pub struct Watch {
    catalog: Catalog,
    health: Health,
    budgets: Arc<BudgetMetrics>,
    stats: Arc<StatsMetrics>,
    /// Whether each is unhealthy; `None` until the first look, at which what was known before is no news.
    providers: Option<HashMap<i64, News<bool>>>,
    warnings: u64,
    spooled_since: Option<Instant>,
    spool: News<bool>,
    lost: News<u64>,
}

impl Watch {
    /// Looks at these. What has been so before is no news.
    #[must_use]
    pub fn new(
        catalog: &Catalog,
        health: &Health,
        budgets: &Arc<BudgetMetrics>,
        stats: &Arc<StatsMetrics>,
    ) -> Self {
        Self {
            catalog: catalog.clone(),
            health: health.clone(),
            warnings: budgets.warnings().iter().sum(),
            budgets: budgets.clone(),
            spooled_since: None,
            spool: News::new(false),
            lost: News::new(stats.lost()),
            stats: stats.clone(),
            providers: None,
        }
    }

    /// What is news since the last look.
    pub(super) fn look(&mut self) -> Vec<Told> {
        let now = Moment::now();
        let mut told = self.providers(now);
        told.extend(self.budgets());
        told.extend(self.rows(now.instant));
        told
    }

    fn providers(&mut self, now: Moment) -> Vec<Told> {
        let reports = self.health.report(now);
        let snapshot = self.catalog.current();
        let is_first = self.providers.is_none();
        let known = self.providers.get_or_insert_default();
        known.retain(|id, _| reports.iter().any(|report| report.provider_id == *id));
        let mut told = Vec::new();
        for report in reports {
            let is_unhealthy = report.state == State::Unhealthy;
            let news = known
                .entry(report.provider_id)
                .or_insert_with(|| News::new(is_first && is_unhealthy));
            if news.of(is_unhealthy, now.instant).is_none() {
                continue;
            }
            let provider = snapshot.provider(ProviderId(report.provider_id));
            let name = provider.map_or_else(
                || format!("#{}", report.provider_id),
                |provider| provider.name.to_string(),
            );
            told.push(of_provider(report, name, is_unhealthy));
        }
        told
    }

    fn budgets(&mut self) -> impl Iterator<Item = Told> {
        let (count, warnings) = self.budgets.warnings_after(self.warnings);
        self.warnings = count;
        warnings.into_iter().map(|warning| Told::BudgetWarning {
            key: warning.key_name,
            period: warning.crossed.period.name(),
            spent: money::usd(warning.crossed.spent),
            cap: money::usd(warning.crossed.cap),
        })
    }

    fn rows(&mut self, now: Instant) -> Vec<Told> {
        let mut told = Vec::new();
        let rows = self.stats.spooled();
        self.spooled_since = (rows > 0).then(|| self.spooled_since.unwrap_or(now));
        let is_in_use = self
            .spooled_since
            .is_some_and(|since| now.saturating_duration_since(since) >= SPOOLED);
        // Between empty and in use for long is neither: then it stays what it was told to be.
        if (rows == 0 || is_in_use) && self.spool.of(is_in_use, now).is_some() {
            told.push(if is_in_use {
                Told::SpoolInUse { rows }
            } else {
                Told::SpoolEmpty
            });
        }
        let lost = self.stats.lost();
        if let Some(before) = self.lost.of(lost, now) {
            told.push(Told::RecordsLost {
                rows: lost.saturating_sub(before),
            });
        }
        told
    }
}

fn of_provider(report: ProviderReport, provider: String, is_unhealthy: bool) -> Told {
    if is_unhealthy {
        Told::ProviderUnhealthy {
            provider,
            reason: report.reason.map(health::Reason::as_str),
            error: report.last_error,
            status: report.last_status_code,
        }
    } else {
        Told::ProviderRecovered { provider }
    }
}
