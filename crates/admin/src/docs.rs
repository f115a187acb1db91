//! The OpenAPI document, and the page that shows it. Nothing of it comes from elsewhere.

#[cfg(test)]
mod openapi;

use axum::{Router, body::Body, routing::get};
use http::HeaderMap;

// A test makes the document of what documents the operations, so that the program need not be able to.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'";

/// `/openapi.json`, and `/docs` with what the page loads.
pub(crate) fn router() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let path = match asset.name.strip_prefix("src/docs/") {
            None => format!("/{}", asset.name),
            Some("page.html") => "/docs".to_owned(),
            Some(loaded) => format!("/docs/{loaded}"),
        };
        let answer = async move |headers: HeaderMap| asset.answer(&headers, POLICY).map(Body::from);
        router.route(&path, get(answer))
    })
}
