//! What can go wrong with the simulator itself, as opposed to what it simulates.

use std::io;
use std::net::SocketAddr;

/// Why a simulator could not start, or could not listen again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A setting is out of its range; the text names it.
    #[error("setting {0}")]
    Setting(&'static str),
}
