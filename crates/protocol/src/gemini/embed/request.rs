//! Requests.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    RequestError,
    canonical::EmbedRequest,
    gemini::{
        fields::{Fields, invalid, missing},
        generate::json_text,
    },
};

/// Reads a client's request in either form: one `content`, or a list of `requests`.
///
/// # Errors
/// It is not what the documents say, or holds what no other provider takes: parts that are not text, fields of vendors'
/// own, or texts of one list that ask for different things.
pub fn read_request(body: &[u8]) -> Result<EmbedRequest, RequestError> {
    let mut fields = Fields::of_body(body)?;
    let Some(list) = fields.list("requests")? else {
        return Ok(EmbedRequest {
            single: true,
            ..one(fields, "content")?
        });
    };
    nothing_left(fields)?;
    let mut all: Option<EmbedRequest> = None;
    for (raw, path) in list {
        let mut next = one(Fields::read(raw, path.as_str())?, "requests.content")?;
        match &mut all {
            None => all = Some(next),
            Some(all) => {
                let differs = (&all.dimensions, &all.task_type, &all.title)
                    != (&next.dimensions, &next.task_type, &next.title);
                if differs {
                    return Err(invalid(
                        path,
                        "it asks for something else than the requests before it",
                    ));
                }
                all.inputs.append(&mut next.inputs);
            }
        }
    }
    all.ok_or(RequestError::Missing("requests"))
}

/// Reads one text, and what is asked of it.
fn one(mut fields: Fields<'_>, content: &'static str) -> Result<EmbedRequest, RequestError> {
    // In the path already.
    fields.take("model");
    let text = match fields.take("content") {
        None => return Err(RequestError::Missing(content)),
        Some(raw) if raw.get().starts_with('"') => {
            let text: Result<String, _> = serde_json::from_str(raw.get());
            text.map_err(|_| invalid(fields.path_of("content"), "it is no text"))?
        }
        Some(raw) => text_of(Fields::read(raw, fields.path_of("content"))?)?,
    };
    // The SDK's own models put what is asked into an object.
    let mut config = fields.object("embedContentConfig")?;
    let source = config.as_mut().unwrap_or(&mut fields);
    let request = EmbedRequest {
        inputs: vec![text],
        dimensions: source.count("outputDimensionality")?,
        task_type: source
            .string("taskType")?
            .filter(|task| task != "TASK_TYPE_UNSPECIFIED")
            .map(Cow::into_owned),
        title: source.string("title")?.map(Cow::into_owned),
        ..EmbedRequest::default()
    };
    if let Some(config) = config {
        nothing_left(config)?;
    }
    nothing_left(fields)?;
    Ok(request)
}

fn text_of(mut content: Fields<'_>) -> Result<String, RequestError> {
    content.take("role");
    let mut text = String::new();
    for (raw, path) in content.list("parts")?.unwrap_or_default() {
        let mut part = Fields::read(raw, path)?;
        let more = part
            .string("text")?
            .ok_or_else(|| missing(part.path_of("text")))?;
        text.push_str(&more);
        nothing_left(part)?;
    }
    nothing_left(content)?;
    Ok(text)
}

fn nothing_left(fields: Fields<'_>) -> Result<(), RequestError> {
    let left = fields.unknown().next();
    left.map_or(Ok(()), |extra| {
        Err(invalid(
            extra.param,
            "no other provider has anything like it",
        ))
    })
}

/// Writes a `batchEmbedContents` request for a provider that calls the model `model`. What it cannot hold is noted in
/// `dropped`, in the words of the other format.
#[must_use]
pub fn write_request(
    request: &EmbedRequest,
    model: &str,
    dropped: &mut Vec<&'static str>,
) -> Vec<u8> {
    if request.user.is_some() {
        dropped.push("user");
    }
    let model = format!("models/{}", model.strip_prefix("models/").unwrap_or(model));
    let requests = request.inputs.iter().map(|text| One {
        model: &model,
        content: Content {
            parts: [Text { text }],
        },
        task_type: request.task_type.as_deref(),
        title: request.title.as_deref(),
        output_dimensionality: request.dimensions,
    });
    let batch = Batch {
        requests: requests.collect(),
    };
    json_text(&batch).into_bytes()
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}
