//! Errors in Gemini's words.

use http::StatusCode;
use serde_json::{Value, json};

use crate::RetryAfter;
use crate::answer::Answer;
use crate::behaviour::ErrorKind;
use crate::exchange::Exchange;

/// One error answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    code: StatusCode,
    message: String,
    details: Vec<Value>,
}

impl ApiError {
    /// 400.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 about one field of the message called `of`.
    pub(crate) fn field(of: &str, field: &str, message: &str) -> Self {
        Self::invalid(format!("* {of}.{field}: {message}\n"))
    }

    /// 404 for a model that is not served.
    pub(crate) fn no_model(model: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!(
                "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call \
                 ListModels to see the list of available models and their supported methods."
            ),
        )
    }

    /// 404 for a path that is none.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Requested entity was not found.")
    }

    fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// The same with another status, where one is wanted.
    pub(crate) fn with_status(self, code: Option<StatusCode>) -> Self {
        Self {
            code: code.unwrap_or(self.code),
            ..self
        }
    }

    /// As the body of an answer.
    pub(crate) fn json(&self) -> Value {
        let status = match self.code.as_u16() {
            400 if self.message.contains("billing") => "FAILED_PRECONDITION",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            408 | 504 => "DEADLINE_EXCEEDED",
            409 => "ABORTED",
            429 => "RESOURCE_EXHAUSTED",
            499 => "CANCELLED",
            501 => "UNIMPLEMENTED",
            503 | 529 => "UNAVAILABLE",
            500.. => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        };
        let mut error =
            json!({"code": self.code.as_u16(), "message": self.message, "status": status});
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        json!({"error": error})
    }

    /// As an answer.
    pub(crate) fn answer(&self) -> Answer {
        Answer::json(self.code, self.json().to_string())
    }
}

/// Refuses a missing key, and a wrong one where the settings name the right one.
pub(crate) fn check_key(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    match (exchange.key, &exchange.settings.api_key) {
        (None, _) => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or \
             other form of API consumer identity to call this API.",
        )),
        (Some(sent), Some(right)) if sent != right => Err(wrong_key("")),
        _ => Ok(()),
    }
}

fn wrong_key(shown: &str) -> ApiError {
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    });
    ApiError {
        details: vec![info],
        ..ApiError::invalid(format!(
            "API key not valid. Please pass a valid API key.{shown}"
        ))
    }
}

/// One of the errors a behaviour can ask for.
pub(crate) fn words_for(kind: ErrorKind, exchange: Option<&Exchange<'_>>) -> ApiError {
    let key = exchange.and_then(|exchange| exchange.key);
    let model = exchange.and_then(|exchange| exchange.model);
    match kind {
        ErrorKind::ContextLengthExceeded => ApiError::invalid(
            "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        ErrorKind::ContentPolicy => {
            ApiError::invalid("The prompt was blocked by the safety filter.")
        }
        ErrorKind::InvalidRequest => ApiError::invalid("Request contains an invalid argument."),
        ErrorKind::InvalidApiKey => wrong_key(""),
        ErrorKind::EchoKey => wrong_key(&format!(" Key: {}", key.unwrap_or("none"))),
        ErrorKind::PermissionDenied => {
            ApiError::new(StatusCode::FORBIDDEN, "The caller does not have permission")
        }
        ErrorKind::ModelNotFound => ApiError::no_model(model.unwrap_or("unknown")),
        ErrorKind::RateLimit => {
            exhausted(exchange, "Resource has been exhausted (e.g. check quota).")
        }
        ErrorKind::InsufficientQuota => exhausted(
            exchange,
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        ErrorKind::Overloaded => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The model is overloaded. Please try again later.",
        ),
        ErrorKind::ServerError | ErrorKind::Html => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
        ),
    }
}

fn exhausted(exchange: Option<&Exchange<'_>>, message: &str) -> ApiError {
    let delay = match exchange.and_then(|exchange| exchange.behaviour.retry_after) {
        Some(
            RetryAfter::Seconds(seconds)
            | RetryAfter::DateIn(seconds)
            | RetryAfter::RateLimitReset(seconds),
        ) => {
            format!("{seconds}s")
        }
        Some(RetryAfter::Ms(ms)) => format!("{}.{:03}s", ms / 1000, ms % 1000),
        None => "1s".to_owned(),
    };
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
    ApiError {
        details: vec![retry],
        ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
    }
}
