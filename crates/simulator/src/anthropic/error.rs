//! Errors in Anthropic's words.

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::behaviour::ErrorKind;
use crate::exchange::Exchange;
use crate::shape::{Flaw, Kind};

/// One error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl ApiError {
    /// 400.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 404.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", message)
    }

    /// 400 about what is wrong with the object `at` a path, as `messages.0`; the body itself has none.
    pub(crate) fn flaw(at: &str, flaw: Flaw) -> Self {
        let of = |name: &str| {
            if at.is_empty() {
                name.to_owned()
            } else {
                format!("{at}.{name}")
            }
        };
        Self::invalid(match flaw {
            Flaw::NotObject if at.is_empty() => {
                "The request body is not valid JSON: expected an object".to_owned()
            }
            Flaw::NotObject => format!("{at}: Input should be an object"),
            Flaw::Unknown(name) => format!("{}: Extra inputs are not permitted", of(&name)),
            Flaw::Missing(name) => format!("{}: Field required", of(name)),
            Flaw::WrongType(name, kind) => {
                format!("{}: Input should be a valid {}", of(name), words(kind))
            }
            Flaw::OutOfRange(name, kind, below) => {
                let (low, high) = kind.range().unwrap_or_default();
                if below {
                    format!(
                        "{}: Input should be greater than or equal to {low}",
                        of(name)
                    )
                } else {
                    format!("{}: Input should be less than or equal to {high}", of(name))
                }
            }
        })
    }

    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("three digits are a status"),
            kind,
            message: message.into(),
        }
    }

    /// The same with another status, where one is wanted.
    pub(crate) fn with_status(self, status: Option<StatusCode>) -> Self {
        Self {
            status: status.unwrap_or(self.status),
            ..self
        }
    }

    /// As the body of an answer.
    pub(crate) fn json(&self, request_id: Option<&str>) -> Value {
        let mut body =
            json!({"type": "error", "error": {"type": self.kind, "message": self.message}});
        if let Some(id) = request_id {
            body["request_id"] = json!(id);
        }
        body
    }

    /// As an answer.
    pub(crate) fn answer(&self, exchange: &Exchange<'_>) -> Answer {
        let id = format!("req_{}_{:08}", exchange.settings.name, exchange.number);
        Answer::json(self.status, self.json(Some(&id)).to_string())
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "value",
        Kind::Bool => "boolean",
        Kind::Number(..) => "number",
        Kind::Integer(..) => "integer",
        Kind::Text => "string",
        Kind::Object => "dictionary",
        Kind::Array => "list",
        Kind::TextOrArray => "string or list",
        Kind::TextOrObject => "string or dictionary",
    }
}

/// Refuses a missing key, and a wrong one where the settings name the right one.
pub(crate) fn check_key(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let refused = |message: &str| Err(ApiError::new(401, "authentication_error", message));
    match (exchange.key, &exchange.settings.api_key) {
        (None, _) => refused(
            "Could not resolve authentication method. Expected an x-api-key or Authorization header.",
        ),
        (Some(sent), Some(right)) if sent != right => refused("invalid x-api-key"),
        _ => Ok(()),
    }
}

/// One of the errors a behaviour can ask for.
pub(crate) fn words_for(kind: ErrorKind, model: Option<&str>, key: Option<&str>) -> ApiError {
    let model = model.unwrap_or("unknown");
    match kind {
        ErrorKind::ContextLengthExceeded => {
            ApiError::invalid("prompt is too long: 209000 tokens > 200000 maximum")
        }
        ErrorKind::ContentPolicy => ApiError::invalid("Output blocked by content filtering policy"),
        ErrorKind::InvalidRequest => ApiError::invalid("The request was refused."),
        ErrorKind::InvalidApiKey => ApiError::new(401, "authentication_error", "invalid x-api-key"),
        ErrorKind::EchoKey => ApiError::new(
            401,
            "authentication_error",
            format!("invalid x-api-key: {}", key.unwrap_or("none")),
        ),
        ErrorKind::PermissionDenied => ApiError::new(
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        ErrorKind::ModelNotFound => ApiError::not_found(format!("model: {model}")),
        ErrorKind::RateLimit => ApiError::new(
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 50 requests per minute.",
        ),
        ErrorKind::InsufficientQuota => ApiError::invalid(
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
             purchase credits.",
        ),
        ErrorKind::Overloaded => ApiError::new(529, "overloaded_error", "Overloaded"),
        ErrorKind::ServerError | ErrorKind::Html => {
            ApiError::new(500, "api_error", "Internal server error")
        }
    }
}
