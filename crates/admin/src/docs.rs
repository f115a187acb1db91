//! The OpenAPI document, and the page that shows it. Nothing of it comes from elsewhere.

mod answers;
mod complete;
mod open;

use std::sync::OnceLock;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::{Tag, TagBuilder},
};

use crate::operations::documented;

const SCHEME: &str = "admin_key";

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

const TAGS: [(&str, &str); 13] = [
    ("providers", "Upstream accounts and servers."),
    ("models", "The names clients ask for."),
    (
        "model-providers",
        "Which provider serves a model, under which name, with which capabilities.",
    ),
    ("policies", "Strategy and clocks of a model."),
    ("routing", "Who would be chosen, and why."),
    ("keys", "Keys that clients call with."),
    (
        "admin-keys",
        "Keys of this API: `read-only`, `operator` or `admin`.",
    ),
    ("audit", "Who changed what."),
    ("prices", "What providers charge."),
    ("documents", "The configuration as a whole."),
    ("health", "How providers fare."),
    ("statistics", "Figures and logs of requests."),
    ("gateway", "The process itself; no key needed."),
];

/// The document of the API whose operations are `paths`, served below `/api`.
fn document(paths: OpenApi) -> OpenApi {
    let license = LicenseBuilder::new()
        .name(env!("CARGO_PKG_LICENSE"))
        .identifier(Some(env!("CARGO_PKG_LICENSE")))
        .build();
    let info = InfoBuilder::new()
        .title("LLM Orchestrator admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("docs/description.md")))
        .license(Some(license))
        .build();
    let server = ServerBuilder::new()
        .url("/")
        .description(Some("The gateway that serves this document."))
        .build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([server]))
        .build()
        .nest("/api", paths);
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    answers::define(components);
    complete::complete(&mut document, SCHEME);
    document.paths.paths.extend(open::paths(SCHEME).paths);
    document.tags = Some(TAGS.map(tag).into());
    document
}

fn tag((name, description): (&str, &str)) -> Tag {
    TagBuilder::new()
        .name(name)
        .description(Some(description))
        .build()
}

/// The document as JSON. It is made when it is first asked for: most gateways are never asked, and need neither the time for it
/// when they start nor the memory while they run.
fn json() -> Bytes {
    static JSON: OnceLock<Bytes> = OnceLock::new();
    let json = JSON.get_or_init(|| {
        // It cannot fail: the document is made of strings, lists and maps with string keys.
        document(documented())
            .to_pretty_json()
            .unwrap_or_default()
            .into()
    });
    json.clone()
}

/// `/openapi.json`, and `/docs` with what the page loads.
pub(crate) fn router() -> Router {
    let asset = |kind: &'static str, text: &'static str| {
        get(async move || file(kind, Bytes::from_static(text.as_bytes())))
    };
    Router::new()
        .route(
            "/openapi.json",
            get(async || file("application/json", json())),
        )
        .route("/docs", asset("text/html; charset=utf-8", PAGE))
        .route(
            "/docs/page.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/docs/page.css", asset("text/css; charset=utf-8", STYLE))
}

fn file(kind: &'static str, bytes: Bytes) -> Response {
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
    ([(header::CONTENT_TYPE, kind)], HEADERS, bytes).into_response()
}
