//! What can stop the start.

use std::path::PathBuf;

/// Why accounting could not start, or a question to it got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spool folder cannot be made, read or locked.
    #[error("cannot use the spool folder {path}")]
    SpoolDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The spool's own file cannot be used.
    #[error("cannot use the spool")]
    Spool(#[source] sea_orm::DbErr),
    /// The database did not answer a question.
    #[error("cannot ask the database")]
    Database(#[source] sea_orm::DbErr),
}
