//! Audio, images, moderations and reranking: just enough of each to see what arrived.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::{checked, missing};
use super::multipart;
use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::shape::Kind;

/// The smallest PNG there is: one transparent pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

const SPEECH: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("input", Kind::Text),
    ("voice", Kind::TextOrObject),
    ("instructions", Kind::Text),
    ("response_format", Kind::Text),
    ("speed", Kind::Number(0.25, 4.0)),
    ("stream_format", Kind::Text),
];

/// `POST /v1/audio/speech`: bytes that begin as MP3 does and repeat the input.
pub(crate) fn speech(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, SPEECH, &["model", "input", "voice"])?;
    let input = exchange.field("input").and_then(Value::as_str);
    let mut audio = b"ID3\x04\0\0\0\0\0\0".to_vec();
    audio.extend_from_slice(input.unwrap_or_default().as_bytes());
    let mut answer = Answer::json_after(exchange.pace().whole(1), StatusCode::OK, audio);
    answer
        .headers
        .insert(CONTENT_TYPE, http::HeaderValue::from_static("audio/mpeg"));
    Ok(answer)
}

/// Of sound, for what is not listened to.
const BYTES_PER_SECOND: usize = 16_000;

/// `POST /v1/audio/transcriptions`: a text that tells the size of the file and the model.
pub(crate) fn transcription(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    let (model, file) = form(exchange, "file")?;
    let text = format!("{} bytes heard by {model}", file.len());
    // Whisper is charged by the second, what came after it by tokens.
    let usage = match model.contains("whisper") {
        true => json!({"type": "duration", "seconds": file.len().div_ceil(BYTES_PER_SECOND)}),
        false => {
            json!({"type": "tokens", "input_tokens": 1, "output_tokens": 1, "total_tokens": 2})
        }
    };
    Ok(told(exchange, &json!({"text": text, "usage": usage})))
}

const IMAGES: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("prompt", Kind::Text),
    ("background", Kind::Text),
    ("moderation", Kind::Text),
    ("n", Kind::Integer(1, 10)),
    ("output_compression", Kind::Integer(0, 100)),
    ("output_format", Kind::Text),
    ("partial_images", Kind::Integer(0, 3)),
    ("quality", Kind::Text),
    ("response_format", Kind::Text),
    ("size", Kind::Text),
    ("stream", Kind::Bool),
    ("style", Kind::Text),
    ("user", Kind::Text),
];

/// `POST /v1/images/generations`: one pixel, as often as asked for.
pub(crate) fn image(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, IMAGES, &["prompt"])?;
    let count = exchange.number_field("n").unwrap_or(1) as usize;
    let data = vec![json!({"b64_json": PIXEL}); count];
    Ok(told(
        exchange,
        &json!({"created": exchange.created, "data": data}),
    ))
}

/// `POST /v1/images/edits`: the image that was sent.
pub(crate) fn edit(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    let (_, image) = form(exchange, "image")?;
    let data = json!([{"b64_json": BASE64_STANDARD.encode(image)}]);
    Ok(told(
        exchange,
        &json!({"created": exchange.created, "data": data}),
    ))
}

/// The model and one file of a form.
fn form(exchange: &Exchange<'_>, file: &str) -> Result<(String, Bytes), ApiError> {
    let parts = multipart::read(exchange.headers, exchange.body).ok_or_else(|| {
        ApiError::bad_request("Could not parse multipart form. Expected multipart/form-data.")
    })?;
    let field = |name: &str| {
        let part = parts.iter().find(|(found, _)| found == name);
        part.map(|(_, bytes)| bytes.clone())
            .ok_or_else(|| missing(name))
    };
    let model = field("model")?;
    let model = String::from_utf8_lossy(&model).into_owned();
    if !exchange.serves(&model) {
        return Err(ApiError::no_model(&model));
    }
    Ok((model, field(file)?))
}

/// `POST /v1/moderations`: flags what holds the word "violence".
pub(crate) fn moderation(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(
        exchange,
        &[("input", Kind::TextOrArray), ("model", Kind::Text)],
        &["input"],
    )?;
    let input = exchange.field("input").unwrap_or(&Value::Null);
    let single = std::slice::from_ref(input);
    let inputs = input.as_array().map_or(single, Vec::as_slice);
    let judged = |input: &Value| {
        let flagged = input.to_string().contains("violence");
        let score = if flagged { 0.9 } else { 0.01 };
        json!({"flagged": flagged, "categories": {"violence": flagged}, "category_scores": {"violence": score}})
    };
    let results: Vec<Value> = inputs.iter().map(judged).collect();
    let model = exchange.model.unwrap_or("omni-moderation-latest");
    Ok(told(
        exchange,
        &json!({"id": exchange.id("modr"), "model": model, "results": results}),
    ))
}

const RERANK: &[(&str, Kind)] = &[
    ("model", Kind::Text),
    ("query", Kind::Text),
    ("documents", Kind::Array),
    ("top_n", Kind::Integer(1, i64::MAX)),
    ("return_documents", Kind::Bool),
    ("max_tokens_per_doc", Kind::Integer(1, i64::MAX)),
];

/// `POST /v1/rerank`, as Cohere and Jina serve it: the more words of the query, the higher.
pub(crate) fn rerank(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    checked(exchange, RERANK, &["model", "query", "documents"])?;
    let query = exchange.field("query").and_then(Value::as_str);
    let words: Vec<&str> = query.unwrap_or_default().split_whitespace().collect();
    let documents = exchange.field("documents").and_then(Value::as_array);
    let mut scored: Vec<(usize, f64)> = documents
        .into_iter()
        .flatten()
        .map(|document| {
            let text = document.to_string();
            let found = words.iter().filter(|word| text.contains(**word)).count();
            found as f64 / words.len().max(1) as f64
        })
        .enumerate()
        .collect();
    scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let most = exchange.number_field("top_n").unwrap_or(u64::MAX);
    let results: Vec<Value> = scored
        .iter()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .map(|(index, score)| json!({"index": index, "relevance_score": score}))
        .collect();
    Ok(told(
        exchange,
        &json!({"id": exchange.id("rerank"), "model": exchange.model, "results": results}),
    ))
}

fn told(exchange: &Exchange<'_>, body: &Value) -> Answer {
    Answer::json_after(exchange.pace().whole(1), StatusCode::OK, body.to_string())
}
