//! What the gateway holds while it runs: memory, descriptors, threads, tasks.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::descriptors::{self, Database};
use crate::admin::Admin;
use crate::run::process::Spawned;

/// One look.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) resident_kb: u64,
    /// Descriptors, but for those of database connections.
    pub(crate) files: u64,
    pub(crate) database_files: u64,
    pub(crate) threads: u64,
    pub(crate) tasks: u64,
    pub(crate) spooled: u64,
}

/// How long connections may take to be closed on both sides, and tasks to end.
const PATIENCE: Duration = Duration::from_secs(12);

/// The value of a metric, summed over its labels.
pub(crate) fn metric(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.trim().parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0) + value as u64))
}

/// Looks once.
pub(crate) async fn look(
    process: &Spawned,
    database: Database<'_>,
    admin: Admin,
    since: Instant,
) -> anyhow::Result<Sample> {
    let vitals = process.vitals()?;
    let descriptors = descriptors::count(process, database)?;
    let metrics = admin.text("/metrics").await?;
    Ok(Sample {
        seconds: since.elapsed().as_secs_f64(),
        resident_kb: vitals.resident_kb,
        files: descriptors.others,
        database_files: descriptors.database,
        threads: vitals.threads,
        tasks: metric(&metrics, "gateway_tasks").unwrap_or_default(),
        spooled: metric(&metrics, "gateway_records_spooled").unwrap_or_default(),
    })
}

/// Looks until it is idle, or for as long as patience lasts; the last look.
pub(crate) async fn settle(
    process: &Spawned,
    database: Database<'_>,
    admin: Admin,
    since: Instant,
    is_idle: impl Fn(&Sample) -> bool,
) -> anyhow::Result<Sample> {
    let start = Instant::now();
    loop {
        let sample = look(process, database, admin, since).await?;
        if is_idle(&sample) || start.elapsed() > PATIENCE {
            return Ok(sample);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// By how much a series grows over its second half, told by the median of the slopes between its points: a spike, even
/// at the end, moves it little.
pub(crate) fn growth(samples: &[(f64, f64)]) -> f64 {
    let late = &samples[samples.len() / 2..];
    let (Some(first), Some(last)) = (late.first(), late.last()) else {
        return 0.0;
    };
    let mut slopes: Vec<f64> = Vec::new();
    for (index, from) in late.iter().enumerate() {
        let later = late[index + 1..].iter().filter(|to| to.0 > from.0);
        slopes.extend(later.map(|to| (to.1 - from.1) / (to.0 - from.0)));
    }
    slopes.sort_by(f64::total_cmp);
    let median = slopes.get(slopes.len() / 2).copied().unwrap_or_default();
    median * (last.0 - first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_labels_and_not_over_longer_names() {
        let text = "a_total{x=\"} 1\"} 2\na_total{x=\"b\"} 3\na_total_more 9\nb 4\n";
        assert_eq!(metric(text, "a_total"), Some(5));
        assert_eq!(metric(text, "b"), Some(4));
        assert_eq!(metric(text, "c"), None);
    }

    #[test]
    fn growth_is_of_the_second_half_and_heeds_no_spike() {
        let series = |value: fn(f64) -> f64| -> Vec<(f64, f64)> {
            (0..101).map(f64::from).map(|at| (at, value(at))).collect()
        };
        assert_eq!(growth(&series(|at| at.min(50.0))), 0.0, "a warm-up");
        assert_eq!(growth(&series(|at| 2.0 * at)), 100.0, "a leak");
        assert_eq!(
            growth(&series(|at| if at > 95.0 { 900.0 } else { 7.0 })),
            0.0
        );
        assert_eq!(growth(&[]), 0.0);
    }
}
