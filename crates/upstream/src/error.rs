//! How a request failed before its response head.

use std::{error::Error as StdError, io, path::PathBuf};

use crate::Refused;

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// No connection: refused, unreachable, no such name, TLS.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// No response head in time, whether or not there was a connection.
    HeadTimeout,
    /// The address is one that may not be connected to.
    AddressRefused,
    /// This process may open no more files or sockets; nothing is known of the provider.
    LocalLimit,
    /// The connection ended, was reset or spoke no HTTP, before the response head.
    Connection,
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
#[error("{}", Self::text(*.kind))]
pub struct SendError {
    /// How far it got.
    pub kind: SendErrorKind,
    /// Whether an earlier request had used the connection: it may have been stale, and the provider is not to blame.
    pub on_reused_connection: bool,
    /// Whether the provider said that it did not look at the request (HTTP/2: REFUSED_STREAM, or GOAWAY with no error).
    pub was_refused: bool,
    /// What the client library says.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl SendError {
    fn text(kind: SendErrorKind) -> &'static str {
        match kind {
            SendErrorKind::Connect => "could not connect",
            SendErrorKind::ConnectTimeout => "no connection within the connect timeout",
            SendErrorKind::HeadTimeout => "no response head in time",
            SendErrorKind::AddressRefused => "the address may not be connected to",
            SendErrorKind::LocalLimit => "too many open files in this process",
            SendErrorKind::Connection => "the connection failed before the response",
        }
    }

    /// No response by a time that was set.
    pub(crate) fn late(kind: SendErrorKind) -> Self {
        Self {
            kind,
            on_reused_connection: false,
            was_refused: false,
            source: None,
        }
    }

    /// An address that names no host.
    pub(crate) fn nowhere() -> Self {
        Self {
            source: Some("the address names no host".into()),
            ..Self::late(SendErrorKind::Connect)
        }
    }

    pub(crate) fn of_connecting(error: Box<dyn StdError + Send + Sync>) -> Self {
        let kind = if find::<Refused>(&*error).is_some() {
            SendErrorKind::AddressRefused
        } else if find::<io::Error>(&*error).is_some_and(is_local_limit) {
            SendErrorKind::LocalLimit
        } else {
            SendErrorKind::Connect
        };
        Self {
            source: Some(error),
            ..Self::late(kind)
        }
    }

    pub(crate) fn of(error: hyper::Error, on_reused_connection: bool) -> Self {
        Self {
            kind: SendErrorKind::Connection,
            on_reused_connection,
            was_refused: find::<h2::Error>(&error).is_some_and(is_refusal),
            source: Some(error.into()),
        }
    }

    /// Whether the request may be sent again as if nothing had happened: the fault says nothing of the provider.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.on_reused_connection || self.was_refused
    }
}

/// RFC 9113, section 8.7: what a request that was not processed is answered with.
fn is_refusal(error: &h2::Error) -> bool {
    let reason = error.reason();
    reason == Some(h2::Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR))
}

/// EMFILE or ENFILE, which have no `io::ErrorKind` of their own; the numbers are the same on Linux, macOS and the BSDs.
fn is_local_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An io::Error hides the error it was made of from `source()`, which skips to that one's own source.
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(found) = find(inner as &(dyn StdError + 'static))
        {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// Why no client could be made for a provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The file of certificate authorities cannot be used.
    #[error("cannot read certificate authorities from {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The egress proxy's address cannot be used.
    #[error("'{0}' is no proxy address: it must be http://host:port")]
    Proxy(String),
}
