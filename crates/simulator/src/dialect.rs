//! A provider's dialect: its paths, its rules, its errors, and the shape of what goes wrong in it.

use std::fmt::Debug;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::ErrorKind;
use crate::answer::{Answer, Event};
use crate::anthropic::Anthropic;
use crate::exchange::{Exchange, bearer};
use crate::gemini::Gemini;
use crate::openai::{OpenAi, Responses};

/// What differs between the services; everything else is shared.
pub(crate) trait Dialect: Debug + Sync {
    /// The key sent, in any of the places the service looks for one.
    fn key<'a>(&self, headers: &'a HeaderMap, _query: &'a str) -> Option<&'a str> {
        bearer(headers)
    }

    /// The model asked for.
    fn model<'a>(&self, _path: &'a str, json: Option<&'a Value>) -> Option<&'a str> {
        json?.get("model")?.as_str()
    }

    /// Whether a stream is asked for.
    fn is_stream(&self, _path: &str, json: Option<&Value>) -> bool {
        json.and_then(|json| json.get("stream")?.as_bool())
            .unwrap_or(false)
    }

    /// Checks a request and answers it.
    fn answer(&self, exchange: &Exchange<'_>) -> Answer;

    /// An error in the service's words; its own status unless another is wanted.
    fn refuse(
        &self,
        kind: ErrorKind,
        status: Option<StatusCode>,
        exchange: &Exchange<'_>,
    ) -> Answer;

    /// The header that names the request.
    fn request_id(&self) -> &'static str;

    /// The error that a stream ends with when the service fails within it.
    fn error_event(&self) -> Event;

    /// An event whose JSON ends too early.
    fn broken_event(&self) -> Event;

    /// Start and end of an answer around a text of any length.
    fn huge_body(&self) -> (&'static str, &'static str);

    /// Start and end of a stream's event, framing included, around a text of any length.
    fn huge_event(&self) -> (&'static str, &'static str);
}

/// The dialect a request is in.
pub(crate) fn of(path: &str, headers: &HeaderMap) -> &'static dyn Dialect {
    if Anthropic::is_asked(path, headers) {
        &Anthropic
    } else if Gemini::is_asked(path, headers) {
        &Gemini
    } else if Responses::is_asked(path) {
        &Responses
    } else {
        &OpenAi
    }
}

const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                    Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// The error answer a behaviour asks for: its kind, else the one that goes with the status.
pub(crate) fn failure(dialect: &dyn Dialect, exchange: &Exchange<'_>) -> Option<Answer> {
    let behaviour = exchange.behaviour;
    let status = behaviour
        .status
        .and_then(|status| StatusCode::from_u16(status).ok());
    let kind = match (behaviour.error, status) {
        (Some(kind), _) => kind,
        (None, Some(status)) if status.is_client_error() || status.is_server_error() => {
            usual(status)
        }
        (None, Some(status)) => return Some(Answer::json(status, "")),
        (None, None) if behaviour.body.is_some() => return Some(Answer::json(StatusCode::OK, "")),
        (None, None) => return None,
    };
    if kind == ErrorKind::Html {
        let mut answer = Answer::json(status.unwrap_or(StatusCode::OK), HTML);
        answer.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        return Some(answer);
    }
    Some(dialect.refuse(kind, status, exchange))
}

fn usual(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::InvalidApiKey,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::ModelNotFound,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Overloaded,
        500.. => ErrorKind::ServerError,
        _ => ErrorKind::InvalidRequest,
    }
}
