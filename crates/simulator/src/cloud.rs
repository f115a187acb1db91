//! The services of cloud vendors: each checks who asks and how in its own way, and has the models of another behind it.
//!
//! A request is turned into one of that other dialect, and its answer into one of the vendor's.

mod azure;
mod bedrock;
mod sigv4;
mod vertex;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, request};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Payload};
use crate::exchange::bearer;

pub(crate) use bedrock::frame;
pub use sigv4::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY};

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Azure,
    Bedrock,
    Vertex,
}

/// What becomes of a request at the door.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// It is none of a cloud vendor's.
    None,
    /// It goes on as a request of the dialect behind.
    Through(Vendor, Request<Bytes>),
    /// It is answered here.
    Closed(Answer),
}

/// A request that is not let in.
type Refused = Box<Answer>;

/// Looks at a request.
pub(crate) fn enter(parts: &request::Parts, body: &Bytes) -> Entrance {
    let path = parts.uri.path();
    let (vendor, entered) = if path == "/token" {
        return Entrance::Closed(vertex::token(parts, body));
    } else if path.starts_with("/openai/") {
        (Vendor::Azure, azure::enter(parts, body))
    } else if path.starts_with("/model/") {
        (Vendor::Bedrock, bedrock::enter(parts, body))
    } else if path.starts_with("/v1/projects/") {
        (Vendor::Vertex, vertex::enter(parts, body))
    } else {
        return Entrance::None;
    };
    match entered {
        Ok(inner) => Entrance::Through(vendor, inner),
        Err(answer) => Entrance::Closed(*answer),
    }
}

impl Vendor {
    /// Makes the dialect's answer the vendor's.
    pub(crate) fn dress(self, answer: &mut Answer) {
        match self {
            Self::Azure => azure::dress(answer),
            Self::Bedrock => bedrock::dress(answer),
            Self::Vertex => {}
        }
    }
}

/// A request to the dialect behind: POST of `json` with the header that carries `key` there.
fn inner(
    parts: &request::Parts,
    uri: &str,
    key: (&'static str, &str),
    json: &Value,
) -> Result<Request<Bytes>, Refused> {
    let unfit = || refusal(StatusCode::BAD_REQUEST, "the request cannot be passed on");
    let mut request = Request::new(Bytes::from(json.to_string()));
    *request.method_mut() = parts.method.clone();
    *request.version_mut() = parts.version;
    *request.uri_mut() = uri.parse().map_err(|_| unfit())?;
    let headers = request.headers_mut();
    *headers = parts.headers.clone();
    headers.remove(AUTHORIZATION);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let value = HeaderValue::try_from(key.1).map_err(|_| unfit())?;
    headers.insert(HeaderName::from_static(key.0), value);
    Ok(request)
}

/// An error in the shape that a vendor's front has in common with others: `{"error": {...}}`.
fn refusal(status: StatusCode, message: &str) -> Refused {
    let error =
        json!({"error": {"code": status.as_u16(), "message": message, "status": "REFUSED"}});
    Box::new(Answer::json(status, error.to_string()))
}

/// The body's members.
fn members(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

/// A segment of a path as it was before it was encoded.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8_lossy()
        .into_owned()
}

/// Changes a whole answer's JSON.
fn rewrite(answer: &mut Answer, change: impl FnOnce(Value) -> Value) {
    if let Payload::Whole { body, .. } = &mut answer.payload
        && let Ok(json) = serde_json::from_slice(body)
    {
        *body = change(json).to_string().into();
    }
}

/// The bearer token, unless there is none.
fn token(headers: &HeaderMap) -> Option<&str> {
    bearer(headers)
}
