//! Who is told of what has come into the books.

use std::fmt::Debug;

use uuid::Uuid;

use crate::row::Row;

/// Told of what was charged to budgets, once it stands in the books or never will.
pub trait Bookings: Debug + Send + Sync {
    /// A request of this key, charged in the name of `holder`, cost so many nano-USD, and its key's day has them now. It
    /// may be a request of another process whose spool was taken over.
    fn booked(&self, holder: Uuid, key_name: &str, cost: i64);
}

/// Tells of those rows that were charged to a budget.
pub(crate) fn tell<'a>(bookings: &dyn Bookings, rows: impl IntoIterator<Item = &'a Row>) {
    for row in rows {
        if let (Some(holder), Some(cost)) = (row.charged_to, row.cost) {
            bookings.booked(holder, &row.user_id, cost);
        }
    }
}
