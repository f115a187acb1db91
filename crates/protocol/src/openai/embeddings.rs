//! Embeddings, to and from the canonical form.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    object::{Object, texts},
    usage,
};
use crate::{
    ProviderError, RequestError, Unusable,
    canonical::{EmbedRequest, EmbedResponse},
    json::{self, Kind, Value},
};

/// Reads a client's request.
///
/// # Errors
/// It is not what the documents say, or holds what no other provider takes: tokens instead of texts, or fields that the
/// documents do not know.
pub fn read_request(body: &[u8]) -> Result<EmbedRequest, RequestError> {
    let mut body = Object::body(body)?;
    body.take("model")?;
    let input = body.take("input")?.ok_or(RequestError::Missing("input"))?;
    let request = EmbedRequest {
        inputs: inputs(&body, input)?,
        dimensions: body.natural("dimensions")?,
        user: body.text("user")?,
        base64: match body.text("encoding_format")?.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => {
                return Err(body.invalid("encoding_format", "it must be float or base64"));
            }
        },
        ..EmbedRequest::default()
    };
    if let Some(field) = body.rest().next() {
        return Err(RequestError::Invalid {
            field,
            reason: "its meaning is not known, and the provider speaks another protocol".into(),
        });
    }
    Ok(request)
}

fn inputs(body: &Object<'_>, input: Value<'_>) -> Result<Vec<String>, RequestError> {
    if let Some(text) = input.as_str() {
        return Ok(vec![text.into_owned()]);
    }
    let is_tokens = input.raw().strip_prefix('[').is_some_and(|rest| {
        let first = rest.trim_start().as_bytes().first();
        first.is_some_and(|byte| matches!(byte, b'[' | b'-' | b'0'..=b'9'))
    });
    if is_tokens {
        let reason = "tokens cannot be sent to a provider that speaks another protocol: send texts";
        return Err(body.invalid("input", reason));
    }
    if input.kind != Kind::Array {
        return Err(body.wrong_type("input", "a string or an array"));
    }
    let inputs = texts(input, "input")?;
    if inputs.is_empty() {
        return Err(body.invalid("input", "it is empty"));
    }
    Ok(inputs)
}

/// Writes a request for a provider that calls the model `model`. What it cannot hold is noted in `dropped`, in the words
/// of the other format.
#[must_use]
pub fn write_request(
    request: &EmbedRequest,
    model: &str,
    dropped: &mut Vec<&'static str>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a> {
        model: &'a str,
        input: &'a [String],
        /// The form that every compatible server knows.
        encoding_format: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
    }

    if request.task_type.is_some() {
        dropped.push("taskType");
    }
    if request.title.is_some() {
        dropped.push("title");
    }
    let wire = Wire {
        model,
        input: &request.inputs,
        encoding_format: "float",
        dimensions: request.dimensions,
        user: request.user.as_deref(),
    };
    serde_json::to_vec(&wire).expect("keys of our types are strings")
}

/// Reads a provider's answer.
///
/// # Errors
/// It is no answer.
pub fn read_response(body: &[u8]) -> Result<EmbedResponse, Unusable> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        data: Option<Vec<Item<'a>>>,
        model: Option<String>,
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }

    if json::validate(body)? != Kind::Object {
        return Err(Unusable::Shape("data"));
    }
    let wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    if let Some(error) = wire.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    let mut items = wire.data.ok_or(Unusable::Shape("data"))?;
    items.sort_by_key(|item| item.index.unwrap_or(0));
    let vectors = items.into_iter().map(|item| vector(item.embedding.get()));
    Ok(EmbedResponse {
        vectors: vectors.collect::<Result<_, _>>()?,
        model: wire.model,
        usage: wire.usage.and_then(|usage| usage::parse(usage.get())),
    })
}

#[derive(Deserialize)]
struct Item<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// A vector: numbers, or base64 of little-endian 32-bit floats.
fn vector(raw: &str) -> Result<Vec<f32>, Unusable> {
    let wire = |error: String| Unusable::Wire(format!("an embedding: {error}"));
    if !raw.starts_with('"') {
        return serde_json::from_str(raw).map_err(|error| wire(error.to_string()));
    }
    let text: String = serde_json::from_str(raw).map_err(|error| wire(error.to_string()))?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| wire(error.to_string()))?;
    let (floats, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(wire("no whole number of floats".to_owned()));
    }
    Ok(floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}

/// Writes an answer for a client that asked `request`; `model` is told where the provider told none.
#[must_use]
pub fn write_response(response: &EmbedResponse, request: &EmbedRequest, model: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a> {
        object: &'static str,
        data: Vec<Written<'a>>,
        model: &'a str,
        usage: Told,
    }

    #[derive(Serialize)]
    struct Written<'a> {
        object: &'static str,
        index: usize,
        embedding: Vector<'a>,
    }

    /// The SDKs want it; of a provider that tells none it is all zero, in the client's answer only.
    #[derive(Serialize)]
    struct Told {
        prompt_tokens: u64,
        total_tokens: u64,
    }

    let data = response.vectors.iter().enumerate();
    let wire = Wire {
        object: "list",
        data: data
            .map(|(index, vector)| Written {
                object: "embedding",
                index,
                embedding: if request.base64 {
                    Vector::Base64(vector)
                } else {
                    Vector::Floats(vector)
                },
            })
            .collect(),
        model: response.model.as_deref().unwrap_or(model),
        usage: Told {
            prompt_tokens: response.usage.map_or(0, |usage| usage.prompt),
            total_tokens: response.usage.map_or(0, |usage| usage.total),
        },
    };
    serde_json::to_vec(&wire).expect("keys of our types are strings")
}

enum Vector<'a> {
    Floats(&'a [f32]),
    Base64(&'a [f32]),
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Floats(floats) => floats.serialize(serializer),
            Self::Base64(floats) => {
                let bytes: Vec<u8> = floats
                    .iter()
                    .flat_map(|float| float.to_le_bytes())
                    .collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests;
