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
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// On every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    // A new version of the program is a new version of every file, all at once.
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept-encoding"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// One file.
#[derive(Debug)]
struct Asset {
    /// Its path below `web`.
    name: &'static str,
    media_type: &'static str,
    /// Changes with the content.
    tag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

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
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let mut response = Response::new(Body::empty());
    let told = response.headers_mut();
    for (name, value) in HEADERS {
        told.insert(name, HeaderValue::from_static(value));
    }
    told.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    let list = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if list(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(asset.tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    told.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.media_type),
    );
    let takes_gzip = list(header::ACCEPT_ENCODING).is_some_and(takes_gzip);
    if takes_gzip {
        told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = Body::from(if takes_gzip { asset.gzip } else { asset.plain });
    response
}

/// Whether gzip is named in an `Accept-Encoding` and not ruled out by its weight (RFC 9110, section 12.5.3).
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
        let weight = parameters.trim().strip_prefix("q=");
        name.trim().eq_ignore_ascii_case("gzip")
            && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

#[cfg(test)]
mod tests;
