//! The spans of time that a budget is for.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};

/// What a budget is for. Days and months are those of UTC's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day.
    Day,
    /// A month.
    Month,
    /// All the time there is.
    Total,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// As fields and labels have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The first day of the one that `today` is in; none if it has no beginning.
    #[must_use]
    pub fn first_day(self, today: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => Some(today),
            Self::Month => today.with_day(1),
            Self::Total => None,
        }
    }

    /// When the one that `today` is in ends, and the next begins; none if it never does.
    #[must_use]
    pub fn ends_at(self, today: NaiveDate) -> Option<DateTime<Utc>> {
        let next = match self {
            Self::Day => today.checked_add_days(Days::new(1)),
            Self::Month => today.with_day(1)?.checked_add_months(Months::new(1)),
            Self::Total => None,
        };
        Some(next?.and_time(NaiveTime::MIN).and_utc())
    }
}

/// Something for each period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByPeriod<T> {
    /// Of the day.
    pub day: T,
    /// Of the month.
    pub month: T,
    /// Of all the time.
    pub total: T,
}

impl<T: Copy> ByPeriod<T> {
    /// That of one period.
    #[must_use]
    pub fn of(&self, period: Period) -> T {
        match period {
            Period::Day => self.day,
            Period::Month => self.month,
            Period::Total => self.total,
        }
    }

    /// That of one period, to be changed.
    pub fn of_mut(&mut self, period: Period) -> &mut T {
        match period {
            Period::Day => &mut self.day,
            Period::Month => &mut self.month,
            Period::Total => &mut self.total,
        }
    }
}
