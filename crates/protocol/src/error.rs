//! What went wrong with a request, in words that each client protocol can tell.

use std::borrow::Cow;

/// Kind of an error towards a client; each protocol has its own name and status for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong.
    InvalidRequest,
    /// No key, or none that is known.
    Authentication,
    /// The key may not do this.
    Permission,
    /// No such path or object.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// No such model.
    ModelNotFound,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The body is larger than allowed.
    TooLarge,
    /// Too many requests.
    RateLimited,
    /// The money that the caller may spend is spent.
    QuotaExceeded,
    /// Overloaded, here or at every provider.
    Overloaded,
    /// Nothing can serve this at the moment.
    Unavailable,
    /// Every provider failed.
    BadGateway,
    /// Every provider was too slow.
    GatewayTimeout,
    /// A fault of the gateway.
    Internal,
}

/// An error to tell a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// Its kind.
    pub kind: ErrorKind,
    /// A sentence for people; names no host and no secret.
    pub message: String,
    /// The field at fault, where there is one.
    pub param: Option<String>,
}

impl ClientError {
    /// An error without a field.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
        }
    }
}

/// Why a request body cannot be routed. Always the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not UTF-8, or not JSON.
    #[error("the body is not valid JSON: {0}")]
    Syntax(#[from] crate::json::SyntaxError),
    /// JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("missing required field: '{0}'")]
    Missing(&'static str),
    /// A field of the wrong type.
    #[error("invalid type for '{field}': expected {expected}")]
    Type {
        /// Its name, with its place where nested.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that stands twice; the one checked and the one obeyed must not differ.
    #[error("duplicate field: '{0}'")]
    Duplicate(String),
    /// Not a form of several parts.
    #[error("the body is not valid multipart/form-data: {0}")]
    Form(&'static str),
    /// A field whose value is not allowed.
    #[error("invalid value for '{field}': {reason}")]
    Invalid {
        /// Its name, with its place where nested.
        field: String,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
}

impl RequestError {
    /// The field at fault.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Syntax(_) | Self::NotAnObject | Self::Form(_) => None,
            Self::Missing(field) => Some(field),
            Self::Type { field, .. } | Self::Invalid { field, .. } | Self::Duplicate(field) => {
                Some(field)
            }
        }
    }
}

impl From<RequestError> for ClientError {
    fn from(error: RequestError) -> Self {
        Self {
            kind: ErrorKind::InvalidRequest,
            param: error.param().map(str::to_owned),
            message: error.to_string(),
        }
    }
}

/// Why a 200 is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is not JSON.
    #[error("the answer is not valid JSON: {0}")]
    Syntax(#[from] crate::json::SyntaxError),
    /// It is JSON of another shape.
    #[error("the answer has no '{0}'")]
    Shape(&'static str),
    /// It is JSON that the format's documents do not allow.
    #[error("the answer cannot be read: {0}")]
    Wire(String),
    /// It is an error in disguise.
    #[error("the answer is an error: {}", .0.message)]
    Error(crate::ProviderError),
    /// The model ended in a way that is no answer, such as a tool call that cannot be read.
    #[error("the answer is broken: {0}")]
    Broken(String),
}

/// An event that no client could read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed event: {0}")]
pub struct Malformed(pub String);

impl From<crate::json::SyntaxError> for Malformed {
    fn from(error: crate::json::SyntaxError) -> Self {
        Self(error.to_string())
    }
}
