//! What the document says of every operation below `/api`, which the handlers need not repeat.

use utoipa::openapi::{
    Components, OpenApi, Ref, RefOr, SecurityRequirement,
    path::{Operation, ParameterIn, PathItem},
    schema::{ArrayItems, Schema},
};

use super::answers;

/// Says that operations need the key, which errors they answer with, and that a PATCH needs no field.
pub(super) fn complete(document: &mut OpenApi, scheme: &str) {
    let components = document.components.get_or_insert_with(Components::new);
    refer_to_entries(components);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            name(operation, method, path);
            let none: [String; 0] = [];
            operation.security = Some(vec![SecurityRequirement::new(scheme, none)]);
            describe_answers(operation);
            name_errors(operation, method);
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
}

/// Lists the errors that follow from what an operation takes, beside those that its handler names.
fn name_errors(operation: &mut Operation, method: &str) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let takes = |place: ParameterIn| {
        let mut parameters = parameters.iter();
        parameters.any(|it| matches!(it, RefOr::T(it) if it.parameter_in == place))
    };
    let has_body = operation.request_body.is_some();
    let by_cause: [(bool, &[&str]); 5] = [
        (true, &["401", "403", "429", "503"]),
        (has_body, &["400", "408", "413", "415", "422"]),
        (takes(ParameterIn::Query), &["422"]),
        (takes(ParameterIn::Path), &["404"]),
        (method != "get", &["409"]),
    ];
    let answers = &mut operation.responses.responses;
    let own: Vec<_> = answers.keys().cloned().collect();
    let causes = by_cause.iter().filter(|(is_one, _)| *is_one);
    let errors = causes.flat_map(|(_, statuses)| statuses.iter().copied());
    for status in errors.chain(own.iter().map(String::as_str)) {
        if let Some(error) = answers::reference(status) {
            answers.insert(status.to_owned(), RefOr::Ref(error));
        }
    }
}

/// Has pages refer to what they are lists of, instead of saying it again.
fn refer_to_entries(components: &mut Components) {
    let names: Vec<_> = components.schemas.keys().cloned().collect();
    for entry in names {
        let page = components.schemas.get_mut(&format!("Page_{entry}"));
        if let Some(RefOr::T(Schema::Object(page))) = page
            && let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data")
        {
            let items = Ref::from_schema_name(entry);
            data.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(items)));
        }
    }
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
