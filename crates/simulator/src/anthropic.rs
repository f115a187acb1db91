//! The Anthropic protocol: messages, token counts and models, as strictly as the real service.

mod content;
mod error;
mod models;
mod render;
mod request;
mod schema;
mod tools;
mod turns;

use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use crate::ErrorKind;
use crate::answer::{Answer, Event};
use crate::dialect::Dialect;
use crate::exchange::{Exchange, bearer, header};
use error::ApiError;

/// Messages, token counts and models.
#[derive(Debug)]
pub(crate) struct Anthropic;

impl Anthropic {
    /// Whether a request is in this dialect: by its path, or by its version where the path is another's too.
    pub(crate) fn is_asked(path: &str, headers: &HeaderMap) -> bool {
        let is_models = path == "/v1/models" || path.starts_with("/v1/models/");
        path == "/v1/messages"
            || path.starts_with("/v1/messages/")
            || (is_models && headers.contains_key("anthropic-version"))
    }
}

impl Dialect for Anthropic {
    fn key<'a>(&self, headers: &'a HeaderMap, _query: &'a str) -> Option<&'a str> {
        header(headers, "x-api-key").or_else(|| bearer(headers))
    }

    fn answer(&self, exchange: &Exchange<'_>) -> Answer {
        route(exchange).unwrap_or_else(|error| error.answer(exchange))
    }

    fn refuse(
        &self,
        kind: ErrorKind,
        status: Option<StatusCode>,
        exchange: &Exchange<'_>,
    ) -> Answer {
        error::words_for(kind, exchange.model, exchange.key)
            .with_status(status)
            .answer(exchange)
    }

    fn request_id(&self) -> &'static str {
        "request-id"
    }

    fn error_event(&self) -> Event {
        let error = error::words_for(ErrorKind::Overloaded, None, None);
        Event::now(error.json(None).to_string()).named("error")
    }

    fn broken_event(&self) -> Event {
        let broken = r#"{"type":"content_block_delta","index":0,"del"#;
        Event::now(broken.to_owned()).named("content_block_delta")
    }

    fn huge_body(&self) -> (&'static str, &'static str) {
        (
            r#"{"id":"msg_huge","type":"message","role":"assistant","model":"huge","content":[{"type":"text","text":""#,
            r#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#,
        )
    }

    fn huge_event(&self) -> (&'static str, &'static str) {
        (
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"",
            "\"}}\n\n",
        )
    }
}

fn route(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    let path = exchange.path.strip_prefix("/v1").unwrap_or(exchange.path);
    let wanted = match path {
        "/messages" | "/messages/count_tokens" => Method::POST,
        _ if path == "/models" || path.starts_with("/models/") => Method::GET,
        _ => return Err(ApiError::not_found("Not Found")),
    };
    if exchange.method != wanted {
        return Err(ApiError::not_found("Not Found"));
    }
    error::check_key(exchange)?;
    match path {
        "/messages" => Ok(render::serve(exchange, &request::read(exchange, true)?)),
        "/messages/count_tokens" => {
            let read = request::read(exchange, false)?;
            let body = json!({"input_tokens": read.ask.prompt_tokens});
            Ok(Answer::json(StatusCode::OK, body.to_string()))
        }
        _ => models::serve(exchange, path),
    }
}
