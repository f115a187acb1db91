//! Rows as SQLite's driver binds them, without a form between.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use entities::Attempt;
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{Arguments as _, Encode, Sqlite, Type};

use crate::row::{Columns, Row, write_attempts};

/// Values of rows for the driver. What a column has in row after row, as most do, is there once.
#[derive(Default)]
pub(crate) struct Arguments {
    values: SqliteArguments,
    /// The last text of each column.
    last: [Option<Arc<str>>; Row::COLUMNS.len()],
    /// The last address, as it is written.
    address: Option<(IpAddr, Arc<str>)>,
    moments: Moments,
    /// Where JSON is written before it is known how long it is.
    json: Vec<u8>,
    refused: Option<BoxDynError>,
}

impl Arguments {
    /// The values of so many rows, one after the other.
    ///
    /// # Errors
    /// When the driver does not take a value, which it has no reason for.
    pub(crate) fn of<'a>(
        rows: impl ExactSizeIterator<Item = &'a Row>,
    ) -> Result<SqliteArguments, BoxDynError> {
        let mut arguments = Self::default();
        let count = rows.len() * Row::COLUMNS.len();
        arguments.values.reserve(count, 0);
        rows.for_each(|row| row.columns(&mut arguments));
        match arguments.refused {
            None => Ok(arguments.values),
            Some(error) => Err(error),
        }
    }

    fn add<'v>(&mut self, value: impl Encode<'v, Sqlite> + Type<Sqlite>) {
        if let Err(error) = self.values.add(value) {
            self.refused.get_or_insert(error);
        }
    }
}

impl Columns for Arguments {
    fn shared(&mut self, text: Option<&Arc<str>>) {
        self.add(text.cloned());
    }

    fn text(&mut self, text: Option<&str>) {
        let column = self.values.len() % Row::COLUMNS.len();
        let value = text.map(|text| {
            let last = &mut self.last[column];
            match last {
                Some(last) if **last == *text => last.clone(),
                _ => last.insert(Arc::from(text)).clone(),
            }
        });
        self.add(value);
    }

    fn long(&mut self, number: Option<i64>) {
        self.add(number);
    }

    fn int(&mut self, number: i32) {
        self.add(number);
    }

    fn flag(&mut self, flag: bool) {
        self.add(flag);
    }

    fn address(&mut self, address: Option<IpAddr>) {
        let written = address.map(|address| match &mut self.address {
            Some((last, written)) if *last == address => written.clone(),
            last => last.insert((address, address.to_string().into())).1.clone(),
        });
        self.add(written);
    }

    fn attempts(&mut self, attempts: &[Attempt]) {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        write_attempts(attempts, &mut json);
        self.text(str::from_utf8(&json).ok());
        self.json = json;
    }

    fn moment(&mut self, moment: DateTime<Utc>) {
        match self.moments.written(moment) {
            Some(written) => self.add(written),
            None => self.add(moment),
        }
    }
}

/// Moments as the driver writes them. The rows of a batch are of few seconds, so all but the fraction is there already.
#[derive(Default)]
struct Moments {
    /// The last second.
    second: Option<i64>,
    /// As it is written, and after it the fraction of the last moment and [`Self::UTC`].
    text: String,
    /// Length of the former.
    length: usize,
}

impl Moments {
    const UTC: &str = "+00:00";

    /// What the driver would write; `None` where it has to.
    fn written(&mut self, moment: DateTime<Utc>) -> Option<Arc<str>> {
        let nanos = moment.timestamp_subsec_nanos();
        // A leap second has the number of the one before it.
        if nanos >= 1_000_000_000 {
            return None;
        }
        if self.second != Some(moment.timestamp()) {
            self.second = Some(moment.timestamp());
            self.text = moment.to_rfc3339_opts(SecondsFormat::Secs, false);
            self.length = self.text.len() - Self::UTC.len();
        }
        self.text.truncate(self.length);
        let (mut fraction, digits) = match nanos {
            0 => (0, 0),
            _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
            _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
            _ => (nanos, 9),
        };
        if digits > 0 {
            self.text.push('.');
            let mut written = [b'0'; 9];
            for digit in written[..digits].iter_mut().rev() {
                *digit += (fraction % 10) as u8;
                fraction /= 10;
            }
            self.text
                .extend(written[..digits].iter().map(|digit| char::from(*digit)));
        }
        self.text.push_str(Self::UTC);
        Some(self.text.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    /// Both ways of writing a moment, as the driver's values show themselves.
    fn written(moments: &mut Moments, moment: DateTime<Utc>) -> (String, String) {
        let (mut ours, mut drivers) = (SqliteArguments::default(), SqliteArguments::default());
        match moments.written(moment) {
            Some(text) => ours.add(text.to_string()).unwrap(),
            None => ours.add(moment).unwrap(),
        }
        drivers.add(moment).unwrap();
        (format!("{ours:?}"), format!("{drivers:?}"))
    }

    proptest! {
        #[test]
        fn moments_are_written_as_the_driver_does(
            // From before the first year to after the last of four digits, and around one second.
            seconds in prop::collection::vec(prop_oneof![-70_000_000_000..260_000_000_000_i64, 1_800_000_000..1_800_000_002_i64], 1..9),
            nanos in prop::collection::vec(prop_oneof![
                Just(0), (0..1_000_u32).prop_map(|it| it * 1_000_000), (0..1_000_000_u32).prop_map(|it| it * 1_000),
                0..1_000_000_000_u32,
            ], 9),
        ) {
            let mut moments = Moments::default();
            for (second, nanos) in seconds.into_iter().zip(nanos) {
                let moment = Utc.timestamp_opt(second, nanos).unwrap();
                let (ours, drivers) = written(&mut moments, moment);
                prop_assert_eq!(ours, drivers);
            }
        }
    }

    #[test]
    fn a_leap_second_is_left_to_the_driver() {
        let mut moments = Moments::default();
        for nanos in [999_999_000, 1_000_001_000] {
            let moment = Utc.timestamp_opt(1_483_228_799, nanos).unwrap();
            let (ours, drivers) = written(&mut moments, moment);
            assert_eq!(ours, drivers);
        }
    }

    #[test]
    fn each_address_is_the_rows_own() {
        let mut arguments = Arguments::default();
        let addresses =
            ["10.0.0.1", "10.0.0.1", "::1", "10.0.0.1"].map(|it| it.parse::<IpAddr>().unwrap());
        for address in addresses {
            arguments.address(Some(address));
            arguments.address(None);
        }
        let mut expected = SqliteArguments::default();
        for address in addresses {
            expected.add(Arc::<str>::from(address.to_string())).unwrap();
            expected.add(None::<Arc<str>>).unwrap();
        }
        assert_eq!(format!("{:?}", arguments.values), format!("{expected:?}"));
    }
}
