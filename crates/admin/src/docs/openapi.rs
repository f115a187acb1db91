//! The document that is checked in, as the code has it.

mod answers;
mod complete;
mod open;

use std::fs;

use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::{Tag, TagBuilder},
};

use crate::operations::documented;

const SCHEME: &str = "admin_key";

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
        .description(Some(include_str!("openapi/description.md")))
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

/// Set `UPDATE_OPENAPI=1` to write the document anew when it is meant to change.
#[test]
fn the_document_is_the_one_checked_in() {
    const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let json = document(documented()).to_pretty_json().unwrap();
    let made = format!("{json}\n");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(CHECKED_IN, &made).unwrap();
    }
    assert!(
        made == fs::read_to_string(CHECKED_IN).unwrap_or_default(),
        "the API has changed; if it was meant to: UPDATE_OPENAPI=1 cargo test -p admin --lib"
    );
}
