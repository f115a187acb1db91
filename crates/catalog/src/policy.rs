//! Strategy and clocks of a model.

use std::{ops::RangeInclusive, time::Duration};

use entities::routing_policy;
use router::Strategy;

/// The five clocks. All but `total` run per attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// To get a connection.
    pub connect: Duration,
    /// From sending to the first content of a stream.
    pub first_content: Duration,
    /// From sending to the end of an answer that is not streamed.
    pub response: Duration,
    /// Between two events of a stream.
    pub stream_idle: Duration,
    /// Of the whole request, over all attempts, up to the commit.
    pub total: Option<Duration>,
}

/// When a second candidate is tried beside one that lets the client wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedging {
    /// Once the first has been slower than this percentile of its own answers, where enough of them are known.
    pub percentile: Option<u8>,
    /// Else after this time, if at all.
    pub after: Option<Duration>,
}

/// How requests for a model are routed and timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How candidates of a tier are ordered.
    pub strategy: Strategy,
    /// The five clocks.
    pub clocks: Clocks,
    /// Set where a slow candidate is hedged.
    pub hedging: Option<Hedging>,
    /// After this time without content a stream's head goes out, and heartbeats at this interval.
    pub heartbeat: Option<Duration>,
    /// Whether an event that no client could read is left out instead of ending the stream with an error.
    pub skip_malformed_events: bool,
    /// Whether a stream that breaks goes on with another provider, where that repeats what the client has.
    pub verified_resume: bool,
    /// Whether bodies are recorded.
    pub record_bodies: bool,
}

/// Hedges at a percentile below the median would double the load.
const HEDGE_PERCENTILES: RangeInclusive<i32> = 50..=99;
const HEDGE_AFTER_MS: RangeInclusive<i32> = 1..=3_600_000;
/// Heartbeats keep a connection open; more often than this they are noise.
const HEARTBEAT_AFTER_MS: RangeInclusive<i32> = 100..=3_600_000;

/// A policy row that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct PolicyError {
    /// The column at fault.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Policy {
    /// The policy of a model without a row, whose `timeout` is `model_timeout`.
    #[must_use]
    pub fn defaults(model_timeout: Duration) -> Self {
        Self {
            strategy: Strategy::Weighted,
            clocks: Clocks {
                connect: Duration::from_secs(5),
                first_content: model_timeout,
                response: model_timeout.saturating_mul(10),
                stream_idle: Duration::from_secs(60),
                total: None,
            },
            hedging: None,
            heartbeat: None,
            skip_malformed_events: false,
            verified_resume: false,
            record_bodies: false,
        }
    }

    /// The policy that a row describes; what it leaves open takes the default.
    ///
    /// # Errors
    /// A value makes no sense.
    pub fn of_row(
        row: &routing_policy::Model,
        model_timeout: Duration,
    ) -> Result<Self, PolicyError> {
        let defaults = Self::defaults(model_timeout);
        let clock = |field, value: Option<f64>, default| {
            value.map_or(Ok(default), |seconds| clock(field, seconds))
        };
        let strategy = row.strategy.parse().map_err(|_| PolicyError {
            field: "strategy",
            reason: format!("unknown strategy '{}'", row.strategy),
        })?;
        let given = defaults.clocks;
        let percentile = row
            .hedge_percentile
            .map(|value| bounded("hedge_percentile", value, HEDGE_PERCENTILES))
            .transpose()?;
        let after = row
            .hedge_after_ms
            .map(|value| milliseconds("hedge_after_ms", value, HEDGE_AFTER_MS))
            .transpose()?;
        Ok(Self {
            strategy,
            clocks: Clocks {
                connect: clock("connect_timeout", row.connect_timeout, given.connect)?,
                first_content: clock(
                    "first_content_timeout",
                    row.first_content_timeout,
                    given.first_content,
                )?,
                response: clock("response_timeout", row.response_timeout, given.response)?,
                stream_idle: clock(
                    "stream_idle_timeout",
                    row.stream_idle_timeout,
                    given.stream_idle,
                )?,
                total: row
                    .total_timeout
                    .map(|seconds| self::clock("total_timeout", seconds))
                    .transpose()?,
            },
            hedging: (percentile.is_some() || after.is_some())
                .then_some(Hedging { percentile, after }),
            heartbeat: row
                .heartbeat_after_ms
                .map(|value| milliseconds("heartbeat_after_ms", value, HEARTBEAT_AFTER_MS))
                .transpose()?,
            skip_malformed_events: row.skip_malformed_events,
            verified_resume: row.verified_resume,
            record_bodies: row.record_bodies,
        })
    }
}

fn bounded<N: TryFrom<i32>>(
    field: &'static str,
    value: i32,
    bounds: RangeInclusive<i32>,
) -> Result<N, PolicyError> {
    let (least, most) = (*bounds.start(), *bounds.end());
    let fits = Some(value).filter(|value| bounds.contains(value));
    fits.and_then(|value| N::try_from(value).ok())
        .ok_or_else(|| PolicyError {
            field,
            reason: format!("must be from {least} to {most}"),
        })
}

fn milliseconds(
    field: &'static str,
    value: i32,
    bounds: RangeInclusive<i32>,
) -> Result<Duration, PolicyError> {
    bounded(field, value, bounds).map(Duration::from_millis)
}

fn clock(field: &'static str, seconds: f64) -> Result<Duration, PolicyError> {
    /// A day; longer clocks are mistakes, and stay far from overflow.
    const LONGEST: f64 = 86_400.0;
    if seconds > 0.0 && seconds <= LONGEST {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(PolicyError {
            field,
            reason: format!("must be above 0 and at most {LONGEST} seconds"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> routing_policy::Model {
        routing_policy::Model {
            id: 1,
            model_id: 1,
            strategy: "least_busy".into(),
            connect_timeout: Some(0.5),
            first_content_timeout: None,
            response_timeout: None,
            stream_idle_timeout: None,
            total_timeout: Some(90.0),
            hedge_after_ms: None,
            hedge_percentile: Some(95),
            heartbeat_after_ms: Some(2_000),
            verified_resume: false,
            skip_malformed_events: true,
            guards: None,
            record_bodies: false,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_row_leaves_open_follows_the_model() {
        let policy = Policy::of_row(&row(), Duration::from_secs(7)).unwrap();
        assert_eq!(policy.strategy, Strategy::LeastBusy);
        assert_eq!(policy.clocks.connect, Duration::from_millis(500));
        assert_eq!(policy.clocks.first_content, Duration::from_secs(7));
        assert_eq!(policy.clocks.response, Duration::from_secs(70));
        assert_eq!(policy.clocks.stream_idle, Duration::from_secs(60));
        assert_eq!(policy.clocks.total, Some(Duration::from_secs(90)));
        let hedging = Hedging {
            percentile: Some(95),
            after: None,
        };
        assert_eq!(policy.hedging, Some(hedging));
        assert_eq!(policy.heartbeat, Some(Duration::from_secs(2)));
        assert!(policy.skip_malformed_events);
    }

    #[test]
    fn nonsense_is_refused_by_its_column() {
        for (field, change) in [
            (
                "strategy",
                (|row| row.strategy = "fastest".into()) as fn(&mut routing_policy::Model),
            ),
            ("connect_timeout", |row| row.connect_timeout = Some(0.0)),
            ("response_timeout", |row| {
                row.response_timeout = Some(f64::NAN)
            }),
            ("total_timeout", |row| row.total_timeout = Some(1e9)),
            ("hedge_percentile", |row| row.hedge_percentile = Some(49)),
            ("hedge_percentile", |row| row.hedge_percentile = Some(100)),
            ("hedge_after_ms", |row| row.hedge_after_ms = Some(0)),
            ("hedge_after_ms", |row| row.hedge_after_ms = Some(i32::MAX)),
            ("heartbeat_after_ms", |row| {
                row.heartbeat_after_ms = Some(99)
            }),
            ("heartbeat_after_ms", |row| {
                row.heartbeat_after_ms = Some(-1)
            }),
        ] {
            let mut bad = row();
            change(&mut bad);
            assert_eq!(
                Policy::of_row(&bad, Duration::from_secs(1))
                    .unwrap_err()
                    .field,
                field
            );
        }
    }
}
