//! The OpenAPI document, and the page that shows it. Nothing of it comes from elsewhere.

#[cfg(test)]
mod openapi;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, header};

/// A test makes it of what documents the operations, so that the program need not be able to.
const DOCUMENT: &str = include_str!("../openapi.json");
const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// `/openapi.json`, and `/docs` with what the page loads.
pub(crate) fn router() -> Router {
    let asset = |kind: &'static str, text: &'static str| get(async move || file(kind, text));
    Router::new()
        .route("/openapi.json", asset("application/json", DOCUMENT))
        .route("/docs", asset("text/html; charset=utf-8", PAGE))
        .route(
            "/docs/page.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/docs/page.css", asset("text/css; charset=utf-8", STYLE))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 3] = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'",
            ),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    ([(header::CONTENT_TYPE, kind)], HEADERS, text).into_response()
}
