//! Why a request is refused, and how the caller is told.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx::Error as SqlxError};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::auth::Role;
use crate::document::Fault;

/// Why a request to the admin API fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No admin key is configured.
    #[error("no admin key is set: start the gateway with GATEWAY_ADMIN_KEY to use the admin API")]
    AdminKeyNotSet,
    /// The admin key is missing.
    #[error("the admin key is missing: send 'Authorization: Bearer <admin key>'")]
    NoKey,
    /// Another key than an admin key.
    #[error("this is not an admin key")]
    WrongKey,
    /// Too many wrong keys came from its address.
    #[error("too many wrong admin keys came from your address; try again in {} s", seconds(*.0))]
    TooManyAttempts(Duration),
    /// The admin key is of a lesser role.
    #[error("this takes an admin key of role '{needed}'; yours has role '{given}'")]
    Forbidden {
        /// The least that will do.
        needed: Role,
        /// What there is.
        given: Role,
    },
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
    /// The body is not labelled as a document.
    #[error(
        "the body must be sent with a 'Content-Type' of application/json, application/toml or \
        application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )]
    NoDocument,
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
    /// A document has faults.
    #[error("the document has {} fault{}; nothing was changed", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Document(Vec<Fault>),
    /// The request contradicts what there is.
    #[error("{message}")]
    Conflict {
        /// The field that contradicts, if it is one.
        field: Option<&'static str>,
        /// How.
        message: String,
    },
    /// Of many objects, this one is at fault.
    #[error("id {id}: {source}")]
    About {
        /// Which.
        id: i64,
        /// Why.
        source: Box<Error>,
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
    /// The database gave up a statement that took too long.
    #[error(
        "the database did not answer within GATEWAY_DATABASE_STATEMENT_TIMEOUT; ask for less, or again"
    )]
    TooSlow(#[source] DbErr),
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

    /// Says which of many objects it is about.
    pub(crate) fn about(self, id: i64) -> Self {
        Self::About {
            id,
            source: Box::new(self),
        }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AdminKeyNotSet => (StatusCode::FORBIDDEN, "admin_key_not_set"),
            Self::NoKey | Self::WrongKey => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TooManyAttempts(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BadJson(_) | Self::BadBody => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::NotJson | Self::NoDocument => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
            Self::Document(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_document"),
            Self::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
            Self::About { source, .. } => source.status_and_code(),
            Self::Upstream { .. } => (StatusCode::BAD_GATEWAY, "upstream_error"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::NotLive(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_live_yet"),
            Self::Database(error) if is_connection(error) => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::TooSlow(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_too_slow"),
            Self::Database(_) | Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
            }
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Invalid { field, .. } => json!({ "field": field }),
            Self::About { id, source } => {
                let mut details = source.details();
                details["id"] = json!(id);
                details
            }
            Self::Document(faults) => json!({ "faults": faults }),
            Self::Forbidden { needed, .. } => json!({ "needed_role": needed }),
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

/// Whether the database is away, or went away in the middle of a statement.
fn is_connection(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_));
    };
    match &**error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => true,
        // PostgreSQL: 08 connection exception, 53 insufficient resources, as when no connection is left, 57P operator
        // intervention, as when the server is shut down. SQLite: 10 the file cannot be read or written, 13 the disk is
        // full, 14 the file cannot be opened.
        SqlxError::Database(error) => error.code().is_some_and(|code| match of_sqlite(&code) {
            Some(code) => matches!(code, 10 | 13 | 14),
            None => ["08", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class)),
        }),
        _ => false,
    }
}

/// SQLite's primary result code; the codes of servers have five characters.
fn of_sqlite(code: &str) -> Option<u32> {
    let code: u32 = code.parse().ok().filter(|_| code.len() < 5)?;
    Some(code & 0xff)
}

/// Whether a statement was given up for the time it took: PostgreSQL's `query_canceled`, MariaDB's `ER_STATEMENT_TIMEOUT`,
/// and where SQLite's one writer was waited for in vain, `SQLITE_BUSY` and `SQLITE_LOCKED`.
fn is_timeout(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    match &**error {
        SqlxError::Database(error) => error.code().is_some_and(|code| {
            matches!(&*code, "57014" | "70100") || matches!(of_sqlite(&code), Some(5 | 6))
        }),
        _ => false,
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_timeout(&error) {
            return Self::TooSlow(error);
        }
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
            stats::Error::Database(error) => error.into(),
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
    /// `field` names the field or parameter at fault, `id` the one of many objects; `status` is what a provider answered.
    #[schema(value_type = Object)]
    details: serde_json::Value,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let retry_after = match &self {
            Self::TooManyAttempts(wait) => Some(seconds(*wait)),
            _ => None,
        };
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
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Whole seconds after which a pause is over.
fn seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    #[test]
    fn codes_of_sqlite_are_told_from_those_of_servers() {
        for (code, primary) in [
            ("5", Some(5)),
            ("517", Some(5)),
            ("778", Some(10)),
            ("08006", None),
            ("57014", None),
            ("HY000", None),
        ] {
            assert_eq!(of_sqlite(code), primary, "{code}");
        }
    }

    #[test]
    fn a_database_that_goes_away_in_a_statement_is_unavailable() {
        let met = |error| RuntimeErr::SqlxError(Arc::new(error));
        let broken = || SqlxError::Io(io::ErrorKind::ConnectionReset.into());
        for error in [
            DbErr::Query(met(broken())),
            DbErr::Exec(met(broken())),
            DbErr::Conn(met(SqlxError::PoolTimedOut)),
        ] {
            let told = Error::from(error).into_response();
            assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        let other = DbErr::Query(met(SqlxError::RowNotFound));
        let told = Error::from(other).into_response();
        assert_eq!(told.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
