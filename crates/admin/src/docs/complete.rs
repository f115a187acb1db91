//! What the document says of every operation below `/api`, which the handlers need not repeat.

use utoipa::{
    ToSchema,
    openapi::{
        Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement,
        path::{Operation, PathItem},
        schema::Schema,
    },
};

use crate::error::ErrorBody;

/// Says that operations need the key, what their errors look like, and that a PATCH needs no field.
pub(super) fn complete(document: &mut OpenApi, scheme: &str) {
    let components = document.components.get_or_insert_with(Components::new);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            name(operation, method, path);
            let none: [String; 0] = [];
            operation.security = Some(vec![SecurityRequirement::new(scheme, none)]);
            describe_answers(operation);
            if method == "patch" {
                require_nothing(operation, components);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Names an operation, as `get_providers_id`: handlers of different resources are called alike.
fn name(operation: &mut Operation, method: &str, path: &str) {
    let path = path.trim_start_matches("/api/");
    let words: Vec<_> = path
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    operation.operation_id = Some(format!("{method}_{}", words.join("_")));
}

fn describe_answers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            let description = match status.as_str() {
                "201" => "Created.",
                "204" => "Done.",
                _ => "As asked for.",
            };
            response.description = description.to_owned();
        }
    }
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorBody::name())))
        .build();
    let error = ResponseBuilder::new()
        .description("An error: see `code` and `message`.")
        .content("application/json", content)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), RefOr::T(error));
}

/// Gives a merge patch a schema of its own: that of its input, of which nothing is required.
fn require_nothing(operation: &mut Operation, components: &mut Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        let Some(RefOr::Ref(reference)) = &mut content.schema else {
            continue;
        };
        let input = reference
            .ref_location
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let patch = input.replace("Input", "Patch");
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get(input) {
            let mut object = object.clone();
            object.required.clear();
            object.description = Some("What to change.".to_owned());
            let schema = RefOr::T(Schema::Object(object));
            components.schemas.insert(patch.clone(), schema);
            *reference = Ref::from_schema_name(patch);
        }
    }
}
