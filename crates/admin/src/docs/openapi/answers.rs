//! Errors that operations answer with. Each is told once in the document, and referred to.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{ObjectBuilder, Schema, Type},
    },
};

use crate::error::ErrorBody;

struct Answer {
    status: &'static str,
    name: &'static str,
    when: &'static str,
}

const fn answer(status: &'static str, name: &'static str, when: &'static str) -> Answer {
    Answer { status, name, when }
}

const ERRORS: [Answer; 12] = [
    answer(
        "400",
        "InvalidJson",
        "The body is not valid JSON, or broke off.",
    ),
    answer(
        "401",
        "Unauthorized",
        "The admin key is missing, or is none.",
    ),
    answer(
        "403",
        "Forbidden",
        "The admin key's role does not allow this, or the gateway has no admin key at all.",
    ),
    answer("404", "NotFound", "There is no such thing."),
    answer("408", "RequestTimeout", "The body did not arrive in time."),
    answer(
        "409",
        "Conflict",
        "It contradicts what there is; nothing was changed.",
    ),
    answer("413", "BodyTooLarge", "The body is too large."),
    answer(
        "415",
        "UnsupportedMediaType",
        "The body is not labelled as something that is taken here.",
    ),
    answer(
        "422",
        "InvalidValue",
        "A field or parameter is unknown, missing, or has a value that cannot be; `details` names it. Nothing was changed.",
    ),
    answer(
        "429",
        "TooManyAttempts",
        "Too many wrong admin keys came from this address.",
    ),
    answer(
        "502",
        "UpstreamError",
        "The provider was asked and did not help.",
    ),
    answer(
        "503",
        "Unavailable",
        "The database is away or too slow, or this process cannot do it now; it may be asked again.",
    ),
];

/// What an operation refers to that answers with this status; `None` where that is no error.
pub(super) fn reference(status: &str) -> Option<Ref> {
    let error = ERRORS.iter().find(|it| it.status == status)?;
    Some(Ref::from_response_name(error.name))
}

/// Puts what is referred to into the document.
pub(super) fn define(components: &mut Components) {
    let mut nested = Vec::new();
    ErrorBody::schemas(&mut nested);
    components.schemas.extend(nested);
    components
        .schemas
        .insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    for error in &ERRORS {
        let response = RefOr::T(response(error));
        components.responses.insert(error.name.to_owned(), response);
    }
}

fn response(error: &Answer) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorBody::name())))
        .build();
    let response = ResponseBuilder::new()
        .description(error.when)
        .content("application/json", content);
    if error.status != "429" {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
    let wait = HeaderBuilder::new()
        .schema(Some(Schema::Object(seconds)))
        .description(Some("Seconds after which it may be tried again."))
        .build();
    response.header("retry-after", wait).build()
}
