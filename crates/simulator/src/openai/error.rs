//! Errors in OpenAI's words.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::behaviour::ErrorKind;
use crate::exchange::Exchange;

/// One error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    /// 400 about one parameter.
    pub(crate) fn invalid(
        param: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            param: Some(param.into()),
            code: Some(code),
            ..Self::bad_request(message)
        }
    }

    /// 400 about the request as a whole.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            kind: "invalid_request_error",
            param: None,
            code: None,
        }
    }

    /// 400 about one parameter, without a code.
    pub(crate) fn about(param: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::bad_request(message)
        }
    }

    /// 404 for what was named and is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::about("input", message)
        }
    }

    /// 404 for a path that is none.
    pub(crate) fn unknown_url(method: &Method, path: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("unknown_url"),
            ..Self::bad_request(format!(
                "Unknown request URL: {method} {path}. Please check the URL for typos."
            ))
        }
    }

    /// 405.
    pub(crate) fn wrong_method(method: &Method, path: &str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: Some("method_not_supported"),
            ..Self::bad_request(format!("Not allowed to {method} on {path}."))
        }
    }

    /// 404 for a model that is not served.
    pub(crate) fn no_model(model: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("model_not_found"),
            ..Self::bad_request(format!(
                "The model `{model}` does not exist or you do not have access to it."
            ))
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
    pub(crate) fn json(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }

    /// As an answer.
    pub(crate) fn answer(&self) -> Answer {
        Answer::json(self.status, self.json().to_string())
    }
}

/// Refuses a missing key, and a wrong one where the settings name the right one.
pub(crate) fn check_key(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let unauthorized = StatusCode::UNAUTHORIZED;
    match (exchange.key, &exchange.settings.api_key) {
        (None, _) => Err(ApiError {
            status: unauthorized,
            ..ApiError::bad_request(
                "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                 Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        }),
        (Some(sent), Some(right)) if sent != right => Err(wrong_key(&masked(sent))),
        _ => Ok(()),
    }
}

fn wrong_key(shown: &str) -> ApiError {
    ApiError {
        status: StatusCode::UNAUTHORIZED,
        code: Some("invalid_api_key"),
        ..ApiError::bad_request(format!(
            "Incorrect API key provided: {shown}. You can find your API key at \
             https://platform.openai.com/account/api-keys."
        ))
    }
}

fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() < 12 {
        return "*".repeat(chars.len());
    }
    let (head, tail): (String, String) = (
        chars[..8].iter().collect(),
        chars[chars.len() - 4..].iter().collect(),
    );
    format!("{head}{}{tail}", "*".repeat(chars.len() - 12))
}

/// One of the errors a behaviour can ask for.
pub(crate) fn words(kind: ErrorKind, model: Option<&str>, key: Option<&str>) -> ApiError {
    let model = model.unwrap_or("unknown");
    let error = |status: StatusCode,
                 kind: &'static str,
                 code: Option<&'static str>,
                 message: String| ApiError {
        status,
        message,
        kind,
        param: None,
        code,
    };
    let invalid = "invalid_request_error";
    match kind {
        ErrorKind::ContextLengthExceeded => ApiError::invalid(
            "messages",
            "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. \
             Please reduce the length of the messages.",
        ),
        ErrorKind::ContentPolicy => error(
            StatusCode::BAD_REQUEST,
            invalid,
            Some("content_policy_violation"),
            "Your request was rejected as a result of our safety system.".to_owned(),
        ),
        ErrorKind::InvalidApiKey => wrong_key(&masked(key.unwrap_or("none"))),
        ErrorKind::EchoKey => wrong_key(key.unwrap_or("none")),
        ErrorKind::PermissionDenied => error(
            StatusCode::FORBIDDEN,
            invalid,
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported".to_owned(),
        ),
        ErrorKind::ModelNotFound => ApiError::no_model(model),
        ErrorKind::RateLimit => error(
            StatusCode::TOO_MANY_REQUESTS,
            "requests",
            Some("rate_limit_exceeded"),
            format!(
                "Rate limit reached for {model} in organization org-sim on requests per min (RPM): Limit 3."
            ),
        ),
        ErrorKind::InsufficientQuota => error(
            StatusCode::TOO_MANY_REQUESTS,
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details."
                .to_owned(),
        ),
        ErrorKind::Overloaded => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "server_error",
            None,
            "The engine is currently overloaded, please try again later.".to_owned(),
        ),
        ErrorKind::ServerError | ErrorKind::Html => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            None,
            "The server had an error while processing your request. Sorry about that!".to_owned(),
        ),
        ErrorKind::InvalidRequest => ApiError::bad_request("The request was refused."),
    }
}
