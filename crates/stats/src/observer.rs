//! Who looks at every request that has ended.

use std::fmt;

use crate::RequestRecord;

/// Is told of every request that has ended, by the writer of records, one after the other; of a record that found no room,
/// where it was lost. What it does must not take long, since records wait meanwhile.
pub trait Observer: Send + Sync + fmt::Debug {
    /// The request of this record has ended.
    fn ended(&self, record: &RequestRecord);
}
