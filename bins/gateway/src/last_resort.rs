//! The answer to a request whose answering has panicked.
//!
//! Without it the panic would end the connection, and with it every other request on it.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

/// In the words that OpenAI's and Anthropic's SDKs read; Google's go by the status.
const ANSWER: &str = r#"{"type":"error","error":{"type":"api_error","code":"internal_error","message":"the gateway met an internal error"}}"#;

/// What `answering` comes to; none when it has panicked. Nothing of it is looked at again then.
///
/// Not an async function, which would hold `answering` twice: as what it was given, and as what it waits for.
pub(crate) fn catch<F: Future>(answering: F) -> impl Future<Output = Option<F::Output>> {
    let answering = AssertUnwindSafe(answering).catch_unwind();
    answering.map(Result::ok)
}

/// The answer in that case.
pub(crate) fn internal() -> Response<Body> {
    // It may be the clock that failed, of which other ids are made.
    let id = Uuid::new_v4().to_string();
    tracing::error!(request.id = id, "answering a request has panicked");
    let mut response = Response::new(Body::from(ANSWER));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        assert_eq!(catch(async { 7 }).await, Some(7));
        assert_eq!(catch(async { panic!("on purpose") }).await, None::<()>);
        let response = internal();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key("x-request-id"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
    }
}
