//! The web console: pages that talk to the admin API, as files within the program.
//!
//! Nothing of it comes from elsewhere and nothing of it goes elsewhere, which its content security policy enforces: scripts and
//! styles are files of this origin, and only this origin is talked to. The pages know no more than the admin API tells
//! whoever has signed in; the files themselves hold no secret and are open.
//!
//! The files are in `web`, as the browser gets them: ES modules on Preact, written with htm instead of JSX so that no build
//! step stands between source and browser. `web/vendor` has the libraries with their licences; `vendor.toml` says which.

use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/console/` and the files below it.
pub fn router() -> Router {
    Router::new()
        .route("/console", get(async || Redirect::permanent("/console/")))
        .route("/console/", get(async |headers| file(INDEX, &headers)))
        .route(
            "/console/{*name}",
            get(async |Path(name): Path<String>, headers| file(&name, &headers)),
        )
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.answer(headers, POLICY).map(Body::from),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

#[cfg(test)]
mod tests;
