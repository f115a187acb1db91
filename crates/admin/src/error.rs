//! Why a request is refused, and how the caller is told.

use std::borrow::Cow;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sea_orm::{DbErr, SqlErr};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Why a request to the admin API fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No admin key is configured.
    #[error("no admin key is set: start the gateway with GATEWAY_ADMIN_KEY to use the admin API")]
    AdminKeyNotSet,
    /// The admin key is missing.
    #[error("the admin key is missing: send 'Authorization: Bearer <admin key>'")]
    NoKey,
    /// Another key than the admin key.
    #[error("this is not the admin key")]
    WrongKey,
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// The path knows other methods.
    #[error("this path does not take {0} requests")]
    MethodNotAllowed(http::Method),
    /// The body is no JSON.
    #[error("the body is not valid JSON: {0}")]
    BadJson(#[source] serde_json::Error),
    /// The body broke off.
    #[error("the body could not be read")]
    BadBody,
    /// The body took too long.
    #[error("the body did not arrive in time")]
    SlowBody,
    /// The body is not labelled as JSON.
    #[error("the body must be sent with 'Content-Type: application/json'")]
    NotJson,
    /// The body is too large.
    #[error("the body must not be larger than {0} bytes")]
    TooLarge(usize),
    /// A field (or parameter) has a value that cannot be.
    #[error("{field}: {reason}")]
    Invalid {
        /// Its path, as in `config.base_url`.
        field: Cow<'static, str>,
        /// What is wrong with it.
        reason: String,
    },
    /// The request contradicts what there is.
    #[error("{message}")]
    Conflict {
        /// The field that contradicts, if it is one.
        field: Option<&'static str>,
        /// How.
        message: String,
    },
    /// A provider was asked and did not help.
    #[error("{message}")]
    Upstream {
        /// What happened, without address or secret.
        message: String,
        /// Its answer's status, if it answered.
        status: Option<u16>,
    },
    /// This process cannot do it now.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The change is stored; this process could not load it yet.
    #[error("the change is stored, but could not be loaded yet; it is tried again each second")]
    NotLive(#[source] catalog::Error),
    /// The database's.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// What cannot happen, did.
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn conflict(field: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            field: Some(field),
            message: message.into(),
        }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AdminKeyNotSet => (StatusCode::FORBIDDEN, "admin_key_not_set"),
            Self::NoKey | Self::WrongKey => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BadJson(_) | Self::BadBody => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
            Self::Upstream { .. } => (StatusCode::BAD_GATEWAY, "upstream_error"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::NotLive(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_live_yet"),
            Self::Database(error) if is_connection(error) => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::Database(_) | Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
            }
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Invalid { field, .. } => json!({ "field": field }),
            Self::Conflict {
                field: Some(field), ..
            } => json!({ "field": field }),
            Self::Upstream {
                status: Some(status),
                ..
            } => json!({ "status": status }),
            _ => json!({}),
        }
    }
}

fn is_connection(error: &DbErr) -> bool {
    matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        // Names are looked up before they are written; this is somebody who wrote past the admin API at that moment.
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Conflict {
                field: None,
                message: "something of that name exists already".to_owned(),
            },
            _ => Self::Database(error),
        }
    }
}

impl From<stats::Error> for Error {
    fn from(error: stats::Error) -> Self {
        match error {
            stats::Error::Database(error) => Self::Database(error),
            _ => Self::Internal("the statistics cannot be read"),
        }
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorObject,
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorObject {
    /// What kind of error it is; programs decide by it.
    #[schema(example = "invalid_value")]
    code: &'static str,
    /// What is wrong, for people.
    #[schema(example = "config.base_url: the scheme must be http or https, not 'ftp'")]
    message: String,
    /// `field` names the field or parameter at fault; `status` is what a provider answered.
    #[schema(value_type = Object)]
    details: serde_json::Value,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if status.is_server_error() && !matches!(self, Self::Upstream { .. } | Self::Unavailable(_))
        {
            tracing::error!(
                error = &self as &dyn std::error::Error,
                "an admin request failed"
            );
        }
        let body = ErrorBody {
            error: ErrorObject {
                code,
                message: self.to_string(),
                details: self.details(),
            },
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"admin\""),
            );
        }
        response
    }
}
