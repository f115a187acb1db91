//! How far the work is: for whoever shows it, and for tests that end it at every step.

use crate::Error;

/// A step of the work, told before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The old rows are put aside.
    BackUp,
    /// The tables are created.
    Create,
    /// The rows of a table begin to move.
    Copy {
        /// The table.
        table: &'a str,
        /// How many rows it has, as far as is known.
        rows: u64,
    },
    /// So many further rows were moved.
    Moved(u64),
    /// What has arrived is counted.
    Verify,
    /// The new tables take the old ones' places.
    Replace,
    /// The work is made to last.
    Commit,
}

/// Follows the work.
pub trait Pace: Send {
    /// Told before each step.
    ///
    /// # Errors
    /// Any error ends the work, and takes back what was done.
    fn at(&mut self, step: Step<'_>) -> Result<(), Error>;
}

/// Follows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Pace for Silent {
    fn at(&mut self, _: Step<'_>) -> Result<(), Error> {
        Ok(())
    }
}
