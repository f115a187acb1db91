//! Paths of the gateway itself, which need no key. They are answered by the program, not by this crate.

use utoipa::openapi::{
    ContentBuilder, HttpMethod, Paths, PathsBuilder, RefOr, ResponseBuilder, SecurityRequirement,
    path::{Operation, OperationBuilder, PathItem},
    schema::{Object, ObjectBuilder, Schema, Type},
};

use super::answers;

/// What a path answers with.
enum Answer {
    /// JSON, an object of these fields that are always there and these that may be, with the words they may have.
    Json(&'static [Field], &'static [Field]),
    /// Text, labelled as one of these.
    Text(&'static [&'static str]),
}

type Field = (&'static str, &'static [&'static str]);

const ALIVE: &[Field] = &[("status", &["ok"])];
const UP: &[&str] = &["up", "down"];

const PATHS: [(&str, &str, Answer); 7] = [
    (
        "/health",
        "Whether the process is alive.",
        Answer::Json(ALIVE, &[]),
    ),
    (
        "/healthz",
        "Whether the process is alive.",
        Answer::Json(ALIVE, &[]),
    ),
    (
        "/readyz",
        "Whether it takes requests: 503 before the first configuration is loaded and while it shuts down.",
        Answer::Json(
            &[
                ("status", &["ready", "degraded", "draining"]),
                ("database", UP),
            ],
            &[("redis", UP)],
        ),
    ),
    (
        "/version",
        "The version of the gateway.",
        Answer::Json(&[("name", &[]), ("version", &[])], &[]),
    ),
    (
        "/metrics",
        "Metrics for Prometheus; may be put behind the admin key.",
        Answer::Text(&["application/openmetrics-text", "text/plain"]),
    ),
    ("/openapi.json", "This document.", Answer::Json(&[], &[])),
    (
        "/docs",
        "This document as a page.",
        Answer::Text(&["text/html"]),
    ),
];

/// The paths; that of the metrics may be guarded by this scheme.
pub(super) fn paths(scheme: &str) -> Paths {
    let mut paths = PathsBuilder::new();
    for (path, summary, answer) in &PATHS {
        let mut operation = operation(path, summary, answer);
        match *path {
            "/readyz" => also(
                &mut operation,
                "503",
                response(answer, "It takes none now."),
            ),
            "/metrics" => guard(&mut operation, scheme),
            _ => {}
        }
        paths = paths.path(*path, PathItem::new(HttpMethod::Get, operation));
    }
    paths.build()
}

fn operation(path: &str, summary: &str, answer: &Answer) -> Operation {
    let name = path.trim_start_matches('/').replace('.', "_");
    OperationBuilder::new()
        .tag("gateway")
        .summary(Some(summary))
        .operation_id(Some(format!("get_open_{name}")))
        .securities(Some([]))
        .response("200", response(answer, "As asked for."))
        .build()
}

fn also(operation: &mut Operation, status: &str, response: utoipa::openapi::Response) {
    let responses = &mut operation.responses.responses;
    responses.insert(status.to_owned(), RefOr::T(response));
}

/// Says that it needs a key in some places, and in others none.
fn guard(operation: &mut Operation, scheme: &str) {
    let none: [String; 0] = [];
    let key = SecurityRequirement::new(scheme, none);
    operation.security = Some(vec![SecurityRequirement::default(), key]);
    for status in ["401", "403", "429", "503"] {
        if let Some(error) = answers::reference(status) {
            let responses = &mut operation.responses.responses;
            responses.insert(status.to_owned(), RefOr::Ref(error));
        }
    }
}

fn response(answer: &Answer, description: &str) -> utoipa::openapi::Response {
    let (kinds, schema) = match answer {
        Answer::Json(always, sometimes) => (&["application/json"][..], object(always, sometimes)),
        Answer::Text(kinds) => (*kinds, text(&[])),
    };
    let mut response = ResponseBuilder::new().description(description);
    for kind in kinds {
        let schema = Some(Schema::Object(schema.clone()));
        response = response.content(*kind, ContentBuilder::new().schema(schema).build());
    }
    response.build()
}

fn object(always: &[Field], sometimes: &[Field]) -> Object {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for (name, words) in always.iter().chain(sometimes) {
        object = object.property(*name, Schema::Object(text(words)));
    }
    for (name, _) in always {
        object = object.required(*name);
    }
    object.build()
}

fn text(words: &[&str]) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String);
    if words.is_empty() {
        text.build()
    } else {
        text.enum_values(Some(words.iter().copied())).build()
    }
}
