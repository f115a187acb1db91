//! What an operator may set.

use std::time::Duration;

use secrecy::SecretString;

/// How Redis is reached, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `redis://` or `rediss://`; it may hold a password.
    pub url: SecretString,
    /// Certificates, as PEM, that a server is trusted by in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// Longest that a request waits for an answer.
    pub timeout: Duration,
    /// Tells this gateway from all others, also from the same before it was started anew.
    pub gateway: String,
}
