//! Where monotonic and wall-clock time meet.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// One moment on both clocks. Rules run on the monotonic one, so a clock step cannot open or close a breaker; only what
/// is stored or shown is wall-clock time, converted by the distance from a moment taken at that time.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The moment on the monotonic clock.
    pub instant: Instant,
    /// The same moment on the wall clock.
    pub utc: DateTime<Utc>,
}

impl Moment {
    /// Reads both clocks. The monotonic one is tokio's, which tests can pause.
    pub fn now() -> Self {
        Self {
            instant: tokio::time::Instant::now().into_std(),
            utc: Utc::now(),
        }
    }

    /// `instant`, past or future, on the wall clock.
    pub(crate) fn utc_of(&self, instant: Instant) -> DateTime<Utc> {
        let ahead = instant.saturating_duration_since(self.instant);
        let behind = self.instant.saturating_duration_since(instant);
        let delta = |it| TimeDelta::from_std(it).unwrap_or(TimeDelta::MAX);
        self.utc
            .checked_add_signed(delta(ahead) - delta(behind))
            .unwrap_or(self.utc)
    }

    /// A stored future moment on the monotonic clock; the present one if it has passed, and never more than `at_most`
    /// ahead: the clock may have been wrong when it was stored, or the settings more patient.
    pub(crate) fn instant_of_future(&self, utc: DateTime<Utc>, at_most: Duration) -> Instant {
        let ahead = (utc - self.utc).to_std().unwrap_or(Duration::ZERO);
        self.instant + ahead.min(at_most)
    }
}

/// When something last happened: seen by this process, or read back from an earlier one's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stamp {
    #[default]
    Never,
    Seen(Instant),
    Stored(DateTime<Utc>),
}

impl Stamp {
    pub(crate) fn utc(self, now: Moment) -> Option<DateTime<Utc>> {
        match self {
            Self::Never => None,
            Self::Seen(instant) => Some(now.utc_of(instant)),
            Self::Stored(utc) => Some(utc),
        }
    }
}

impl From<Option<DateTime<Utc>>> for Stamp {
    fn from(stored: Option<DateTime<Utc>>) -> Self {
        stored.map_or(Self::Never, Self::Stored)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::Moment;

    #[test]
    fn converts_both_ways() {
        let now = Moment::now();
        let hour = Duration::from_secs(3600);
        assert_eq!(now.utc_of(now.instant), now.utc);
        assert_eq!(
            now.utc_of(now.instant + hour),
            now.utc + TimeDelta::hours(1)
        );
        let later = Moment {
            instant: now.instant + hour,
            utc: now.utc + TimeDelta::hours(1),
        };
        assert_eq!(later.utc_of(now.instant), now.utc);
        let soon = now.utc + TimeDelta::seconds(7);
        assert_eq!(
            now.instant_of_future(soon, hour),
            now.instant + Duration::from_secs(7)
        );
    }

    #[test]
    fn a_stored_moment_is_neither_past_nor_too_far() {
        let now = Moment::now();
        let hour = Duration::from_secs(3600);
        assert_eq!(
            now.instant_of_future(now.utc - TimeDelta::days(9), hour),
            now.instant
        );
        assert_eq!(
            now.instant_of_future(now.utc + TimeDelta::days(9), hour),
            now.instant + hour
        );
    }
}
