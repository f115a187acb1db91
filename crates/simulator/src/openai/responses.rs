//! OpenAI's other form: `POST /v1/responses` and `POST /v1/responses/input_tokens`.

mod items;
mod render;
mod request;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::OpenAi;
use super::error::{self, ApiError};
use crate::ErrorKind;
use crate::answer::{Answer, Event};
use crate::dialect::Dialect;
use crate::exchange::Exchange;

/// Responses and their token counts.
#[derive(Debug)]
pub(crate) struct Responses;

impl Responses {
    /// Whether a request is in this dialect.
    pub(crate) fn is_asked(path: &str) -> bool {
        path == "/v1/responses" || path.starts_with("/v1/responses/")
    }
}

impl Dialect for Responses {
    fn key<'a>(&self, headers: &'a HeaderMap, query: &'a str) -> Option<&'a str> {
        OpenAi.key(headers, query)
    }

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
        OpenAi.refuse(kind, status, exchange)
    }

    fn request_id(&self) -> &'static str {
        OpenAi.request_id()
    }

    fn error_event(&self) -> Event {
        let error = json!({
            "type": "error", "code": "server_error", "param": null, "sequence_number": 1_000_000,
            "message": "The server had an error while processing your request. Sorry about that!",
        });
        Event::now(error.to_string()).named("error")
    }

    fn broken_event(&self) -> Event {
        let broken = r#"{"type":"response.output_text.delta","del"#;
        Event::now(broken.to_owned()).named("response.output_text.delta")
    }

    fn huge_body(&self) -> (&'static str, &'static str) {
        (
            r#"{"id":"resp_huge","object":"response","created_at":0,"status":"completed","model":"huge","output":[{"id":"msg_huge","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","annotations":[],"text":""#,
            r#""}]}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[]}"#,
        )
    }

    fn huge_event(&self) -> (&'static str, &'static str) {
        (
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":0,\"item_id\":\"msg_huge\",\"output_index\":0,\"content_index\":0,\"logprobs\":[],\"delta\":\"",
            "\"}\n\n",
        )
    }
}

fn route(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    let path = exchange.path;
    let generates = match path {
        "/v1/responses" => true,
        "/v1/responses/input_tokens" => false,
        _ => return Err(ApiError::unknown_url(exchange.method, path)),
    };
    if exchange.method != Method::POST {
        return Err(ApiError::wrong_method(exchange.method, path));
    }
    error::check_key(exchange)?;
    let read = request::read(exchange, generates)?;
    if generates {
        return Ok(render::serve(exchange, &read));
    }
    let body = json!({"object": "response.input_tokens", "input_tokens": read.ask.prompt_tokens});
    Ok(Answer::json(StatusCode::OK, body.to_string()))
}
