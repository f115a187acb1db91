//! The Gemini protocol: content, token counts, embeddings and models, as strictly as the real service.

mod embed;
mod error;
mod messages;
mod proto;
mod render;
mod request;
mod tools;
mod turns;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::ErrorKind;
use crate::answer::{Answer, Event, Framing};
use crate::dialect::Dialect;
use crate::exchange::{Exchange, header, parameter};
use error::ApiError;

/// Where its paths are: the SDKs use either version.
const ROOTS: [&str; 2] = ["/v1beta/models", "/v1/models"];

/// What can be asked of a model.
const VERBS: [&str; 5] = [
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
];

/// Listed when every name is served.
const ANY: [&str; 3] = ["gemini-2.5-flash", "gemini-3-pro", "sim-model"];

/// Content, token counts, embeddings and models.
#[derive(Debug)]
pub(crate) struct Gemini;

impl Gemini {
    /// Whether a request is in this dialect: by its path or verb, or by its key where the path is another's too.
    pub(crate) fn is_asked(path: &str, headers: &HeaderMap) -> bool {
        let is_shared = path == "/v1/models" || path.starts_with("/v1/models/");
        let has_verb =
            target(path).is_some_and(|(_, verb)| verb.is_some_and(|verb| VERBS.contains(&verb)));
        path.starts_with("/v1beta/")
            || (is_shared && (has_verb || headers.contains_key("x-goog-api-key")))
    }
}

/// The model and the verb of a path; no verb where the model is only named.
pub(crate) fn target(path: &str) -> Option<(&str, Option<&str>)> {
    let rest = ROOTS.iter().find_map(|root| path.strip_prefix(root))?;
    let rest = rest.strip_prefix('/')?;
    Some(match rest.rsplit_once(':') {
        Some((model, verb)) => (model, Some(verb)),
        None => (rest, None),
    })
}

impl Dialect for Gemini {
    fn key<'a>(&self, headers: &'a HeaderMap, query: &'a str) -> Option<&'a str> {
        header(headers, "x-goog-api-key").or_else(|| parameter(query, "key"))
    }

    fn model<'a>(&self, path: &'a str, _json: Option<&'a Value>) -> Option<&'a str> {
        Some(target(path)?.0)
    }

    fn is_stream(&self, path: &str, _json: Option<&Value>) -> bool {
        target(path).and_then(|(_, verb)| verb) == Some("streamGenerateContent")
    }

    fn answer(&self, exchange: &Exchange<'_>) -> Answer {
        route(exchange).unwrap_or_else(|error| error.answer())
    }

    fn refuse(
        &self,
        kind: ErrorKind,
        status: Option<StatusCode>,
        exchange: &Exchange<'_>,
    ) -> Answer {
        error::words_for(kind, Some(exchange))
            .with_status(status)
            .answer()
    }

    fn request_id(&self) -> &'static str {
        "x-request-id"
    }

    fn error_event(&self) -> Event {
        let error = error::words_for(ErrorKind::Overloaded, None);
        Event::now(error.json().to_string())
    }

    fn broken_event(&self) -> Event {
        Event::now(r#"{"candidates":[{"content":{"par"#.to_owned())
    }

    fn huge_body(&self) -> (&'static str, &'static str) {
        (
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""#,
            r#""}]},"finishReason":"STOP","index":0}]}"#,
        )
    }

    fn huge_event(&self) -> (&'static str, &'static str) {
        (
            r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""#,
            "\"}]},\"index\":0}]}\n\n",
        )
    }
}

fn route(exchange: &Exchange<'_>) -> Result<Answer, ApiError> {
    error::check_key(exchange)?;
    let json = |body: Value| Answer::json(StatusCode::OK, body.to_string());
    let model = match (target(exchange.path), exchange.method) {
        (None, &Method::GET) if ROOTS.contains(&exchange.path) => return Ok(json(list(exchange))),
        (Some((model, _)), _) if !exchange.serves(model) => return Err(ApiError::no_model(model)),
        (Some((name, None)), &Method::GET) => return Ok(json(self::model(name))),
        (Some((model, Some(_))), &Method::POST) => model,
        _ => return Err(ApiError::not_found()),
    };
    let verb = target(exchange.path).and_then(|(_, verb)| verb);
    match verb.unwrap_or_default() {
        "generateContent" => {
            let request = proto::read(&messages::GENERATE, exchange.json)?;
            Ok(render::serve(
                exchange,
                &request::read(&request, model)?,
                false,
            ))
        }
        "streamGenerateContent" => {
            let request = proto::read(&messages::GENERATE, exchange.json)?;
            let answer = render::serve(exchange, &request::read(&request, model)?, true);
            Ok(match parameter(exchange.query, "alt") {
                Some("sse") => answer,
                _ => answer.framed(Framing::JsonArray),
            })
        }
        "countTokens" => {
            let request = proto::read(&messages::COUNT, exchange.json)?;
            let counted = request.get("generateContentRequest").unwrap_or(&request);
            turns::read("CountTokensRequest", counted, model)?;
            let tokens = request::count(counted);
            let details = json!([{"modality": "TEXT", "tokenCount": tokens}]);
            Ok(json(
                json!({"totalTokens": tokens, "promptTokensDetails": details}),
            ))
        }
        "embedContent" => {
            let request = proto::read(&messages::EMBED, exchange.json)?;
            Ok(json(embed::one(&request)?))
        }
        "batchEmbedContents" => {
            let request = proto::read(&messages::EMBED_BATCH, exchange.json)?;
            Ok(json(embed::batch(&request, model)?))
        }
        _ => Err(ApiError::not_found()),
    }
}

fn list(exchange: &Exchange<'_>) -> Value {
    let models: Vec<Value> = if exchange.settings.models.is_empty() {
        ANY.iter().map(|name| model(name)).collect()
    } else {
        exchange
            .settings
            .models
            .iter()
            .map(|name| model(name))
            .collect()
    };
    json!({"models": models})
}

fn model(name: &str) -> Value {
    json!({
        "name": format!("models/{name}"), "version": "001", "displayName": name, "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
    })
}
