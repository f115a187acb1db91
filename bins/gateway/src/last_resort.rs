//! The answer to a request whose answering has panicked.
//!
//! Without it the panic would end the connection, and with it every other request on it.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

/// In the words that OpenAI's and Anthropic's SDKs read; Google's go by the status.
const ANSWER: &str = r#"{"type":"error","error":{"type":"api_error","code":"internal_error","message":"the gateway met an internal error"}}"#;

/// The answer.
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
    async fn the_answer_tells_an_id() {
        let response = internal();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key("x-request-id"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
    }
}
