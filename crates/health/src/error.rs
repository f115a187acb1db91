//! What can go wrong outside the request path.

/// Errors of loading, saving and checking on demand. Watching requests cannot fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stored health could not be read or written.
    #[error("the database refused provider health")]
    Database(#[from] sea_orm::DbErr),
    /// The provider is not configured, or nothing of it can be probed.
    #[error("the provider is not known")]
    UnknownProvider,
    /// Too many checks are waiting already.
    #[error("too many provider checks are running")]
    Busy,
    /// The worker has ended, or the probe was cut off by the shutdown.
    #[error("health checks have stopped")]
    Stopped,
}
