//! Why what is shared cannot be.

/// Settings that no connection can be made by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be read; it is not repeated, since it may hold a password.
    #[error(
        "is no address such as redis://host:6379/0, rediss://:password@host:6379, redis+sentinel://host,host/master or \
         redis+cluster://host,host"
    )]
    Url,
    /// The certificates cannot be used.
    #[error("the certificates cannot be used: {0}")]
    Certificates(String),
}
