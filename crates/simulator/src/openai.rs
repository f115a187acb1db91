//! The OpenAI protocol: who is served what, as strictly as the real service.

mod chat;
mod completions;
mod embeddings;
mod error;
mod fields;
mod media;
mod messages;
mod models;
mod multipart;
mod reply;
mod responses;
mod tools;

use http::{HeaderValue, Method, StatusCode};

use crate::ErrorKind;
use crate::answer::{Answer, Event};
use crate::dialect::Dialect;
use crate::exchange::Exchange;

pub(crate) use responses::Responses;

/// Data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// Chat completions, completions, embeddings, models, and the media that go with them.
#[derive(Debug)]
pub(crate) struct OpenAi;

impl Dialect for OpenAi {
    fn answer(&self, exchange: &Exchange<'_>) -> Answer {
        let mut answer = route(exchange).unwrap_or_else(|error| error.answer());
        let headers = &mut answer.headers;
        headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
        headers.insert("openai-processing-ms", HeaderValue::from_static("5"));
        answer
    }

    fn refuse(
        &self,
        kind: ErrorKind,
        status: Option<StatusCode>,
        exchange: &Exchange<'_>,
    ) -> Answer {
        error::words(kind, exchange.model, exchange.key)
            .with_status(status)
            .answer()
    }

    fn request_id(&self) -> &'static str {
        "x-request-id"
    }

    fn error_event(&self) -> Event {
        Event::now(
            error::words(ErrorKind::ServerError, None, None)
                .json()
                .to_string(),
        )
    }

    fn broken_event(&self) -> Event {
        Event::now(r#"{"id":"chatcmpl-broken","choices":[{"ind"#.to_owned())
    }

    fn huge_body(&self) -> (&'static str, &'static str) {
        (
            r#"{"id":"chatcmpl-huge","object":"chat.completion","created":0,"model":"huge","choices":[{"index":0,"message":{"role":"assistant","content":""#,
            r#""},"finish_reason":"stop"}]}"#,
        )
    }

    fn huge_event(&self) -> (&'static str, &'static str) {
        (
            r#"data: {"id":"chatcmpl-huge","object":"chat.completion.chunk","created":0,"model":"huge","choices":[{"index":0,"delta":{"content":""#,
            "\"},\"finish_reason\":null}]}\n\n",
        )
    }
}

fn route(exchange: &Exchange<'_>) -> Result<Answer, error::ApiError> {
    let path = exchange.path.strip_prefix("/v1").unwrap_or(exchange.path);
    let wanted = match path {
        "/chat/completions"
        | "/completions"
        | "/embeddings"
        | "/audio/speech"
        | "/audio/transcriptions"
        | "/images/generations"
        | "/images/edits"
        | "/moderations"
        | "/rerank" => Method::POST,
        _ if path == "/models" || path.starts_with("/models/") => Method::GET,
        _ => return Err(error::ApiError::unknown_url(exchange.method, exchange.path)),
    };
    if exchange.method != wanted {
        return Err(error::ApiError::wrong_method(
            exchange.method,
            exchange.path,
        ));
    }
    error::check_key(exchange)?;
    match path {
        "/chat/completions" => chat::serve(exchange),
        "/completions" => completions::serve(exchange),
        "/embeddings" => embeddings::serve(exchange),
        "/audio/speech" => media::speech(exchange),
        "/audio/transcriptions" => media::transcription(exchange),
        "/images/generations" => media::image(exchange),
        "/images/edits" => media::edit(exchange),
        "/moderations" => media::moderation(exchange),
        "/rerank" => media::rerank(exchange),
        _ => models::serve(exchange.settings, path),
    }
}
