//! Which operation a client's request line names.

use http::Method;
use protocol::{ClientError, Endpoint, ErrorKind};

use crate::error::Error;

/// An operation of the client surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Routed to a provider.
    Routed(Endpoint),
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`
    Model(&'a str),
    /// Nothing that is served.
    Unknown,
}

impl<'a> Operation<'a> {
    /// The operation at `path`, whatever the method.
    pub(crate) fn at(path: &'a str) -> Self {
        let path = unprefixed(path);
        if let Some(endpoint) = Endpoint::of(path) {
            return Self::Routed(endpoint);
        }
        match path.strip_prefix("/v1/models") {
            Some("" | "/") => Self::Models,
            Some(rest) => rest.strip_prefix('/').map_or(Self::Unknown, Self::Model),
            None => Self::Unknown,
        }
    }

    /// What request logs call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Routed(endpoint) => endpoint.path(),
            Self::Models => "/v1/models",
            Self::Model(_) => "/v1/models/{id}",
            Self::Unknown => "unknown",
        }
    }

    /// Checks that it is served, and by this method.
    pub(crate) fn check(self, method: &Method, path: &str) -> Result<(), Error> {
        let expected = match self {
            Self::Routed(_) => Method::POST,
            Self::Models | Self::Model(_) => Method::GET,
            Self::Unknown => {
                let message = format!("unknown request URL: {method} {path}");
                return Err(ClientError::new(ErrorKind::NotFound, message).into());
            }
        };
        if *method == expected {
            return Ok(());
        }
        let message = format!("method {method} is not allowed for {path}, only {expected}");
        Err(ClientError::new(ErrorKind::MethodNotAllowed, message).into())
    }
}

/// Whether `path` belongs to the client surface, so that its errors are told in the client's protocol.
#[must_use]
pub fn is_client_path(path: &str) -> bool {
    unprefixed(path).starts_with("/v1/")
}

/// The same surface also stands below a prefix named after the protocol.
fn unprefixed(path: &str) -> &str {
    path.strip_prefix("/openai")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

/// A method as it is logged.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_operations_with_and_without_prefix() {
        for prefix in ["", "/openai"] {
            let at = |path: &str, expected: Operation<'_>| {
                assert_eq!(Operation::at(&format!("{prefix}{path}")), expected);
            };
            at(
                "/v1/chat/completions",
                Operation::Routed(Endpoint::ChatCompletions),
            );
            at("/v1/embeddings", Operation::Routed(Endpoint::Embeddings));
            at("/v1/models", Operation::Models);
            at("/v1/models/org/name:tag", Operation::Model("org/name:tag"));
            at("/v1/modelsx", Operation::Unknown);
            at("/v1/files", Operation::Unknown);
        }
        assert_eq!(Operation::at("/openaiv1/models"), Operation::Unknown);
        assert!(
            is_client_path("/v1/files")
                && is_client_path("/openai/v1/x")
                && !is_client_path("/api/models")
        );
    }
}
