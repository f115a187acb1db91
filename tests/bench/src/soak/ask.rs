//! What is asked: requests of every protocol, good and bad, and how their clients behave.

use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum as _;
use http::Request;
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

use crate::load::{Protocol, Shape, prompt};

/// What becomes of the answer on the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads it as it comes.
    Reads,
    /// Pauses so long before each piece.
    ReadsSlowly(Duration),
    /// Closes the connection so long after the request was sent.
    HangsUp(Duration),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Whole,
    Stream,
    Large,
    Tools,
    Embeddings,
    /// No JSON, no messages, or no such model.
    Invalid,
    /// A key that is none.
    Stranger,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) protocol: Protocol,
    pub(crate) kind: Kind,
    pub(crate) manner: Manner,
    pub(crate) request: Request<Full<Bytes>>,
}

impl Ask {
    /// Draws one, for one of the models and with one of the keys.
    pub(crate) fn draw(
        dice: &mut fastrand::Rng,
        models: &[String],
        keys: &[String],
    ) -> anyhow::Result<Self> {
        let protocol = *dice
            .choice(Protocol::value_variants())
            .unwrap_or(&Protocol::Chat);
        let kind = match dice.u32(0..100) {
            0..38 => Kind::Stream,
            38..70 => Kind::Whole,
            70..75 => Kind::Large,
            75..87 => Kind::Tools,
            87..92 => Kind::Embeddings,
            92..97 => Kind::Invalid,
            _ => Kind::Stranger,
        };
        let manner = match dice.u32(0..100) {
            _ if kind == Kind::Stranger => Manner::Reads,
            0..12 => Manner::HangsUp(Duration::from_millis(dice.u64(20..400))),
            12..17 => Manner::ReadsSlowly(Duration::from_millis(dice.u64(5..60))),
            _ => Manner::Reads,
        };
        let nobody = String::new();
        let model = dice.choice(models).unwrap_or(&nobody);
        let key = match kind {
            Kind::Stranger => "sk-nobody",
            // Whether one that is revoked just now was still known would not be told to whom hangs up.
            _ if matches!(manner, Manner::HangsUp(_)) => keys.first().unwrap_or(&nobody),
            _ => dice.choice(keys).unwrap_or(&nobody),
        };
        let streams = kind == Kind::Stream || (kind == Kind::Tools && dice.bool());
        let request = match kind {
            Kind::Embeddings => embeddings(protocol, model, key),
            Kind::Invalid => invalid(dice.usize(0..3), protocol, model, key),
            _ => {
                let shape = match kind {
                    Kind::Large => Shape::Large,
                    _ if streams => Shape::Stream,
                    _ => Shape::Small,
                };
                let mut body = prompt::body(protocol, shape, model);
                if kind == Kind::Tools {
                    body["tools"] = tools(protocol);
                }
                post(
                    &prompt::path(protocol, shape, model),
                    protocol,
                    key,
                    body.to_string(),
                )
            }
        }?;
        Ok(Self {
            protocol,
            kind,
            manner,
            request,
        })
    }
}

/// One tool, in each protocol's words.
fn tools(protocol: Protocol) -> Value {
    let schema = json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
    });
    let (name, description) = ("weather", "Tells the weather of a city.");
    match protocol {
        Protocol::Chat => json!([{"type": "function", "function": {
            "name": name, "description": description, "parameters": schema,
        }}]),
        Protocol::Responses => json!([{
            "type": "function", "name": name, "description": description, "parameters": schema,
        }]),
        Protocol::Messages => {
            json!([{"name": name, "description": description, "input_schema": schema}])
        }
        Protocol::Gemini => json!([{"functionDeclarations": [{
            "name": name, "description": description, "parameters": schema,
        }]}]),
    }
}

fn embeddings(protocol: Protocol, model: &str, key: &str) -> http::Result<Request<Full<Bytes>>> {
    let text = "what a soak is";
    if protocol == Protocol::Gemini {
        let path = format!("/v1beta/models/{model}:embedContent");
        let body = json!({"content": {"parts": [{"text": text}]}});
        return post(&path, protocol, key, body.to_string());
    }
    let body = json!({"model": model, "input": [text, "and why"]});
    post("/v1/embeddings", Protocol::Chat, key, body.to_string())
}

fn invalid(
    what: usize,
    protocol: Protocol,
    model: &str,
    key: &str,
) -> http::Result<Request<Full<Bytes>>> {
    let body = |model: &str| prompt::body(protocol, Shape::Small, model).to_string();
    let (model, body) = match what {
        0 => (model, "{\"model\":".to_owned()),
        1 => (model, json!({"model": model}).to_string()),
        _ => ("no-such-model", body("no-such-model")),
    };
    post(
        &prompt::path(protocol, Shape::Small, model),
        protocol,
        key,
        body,
    )
}

fn post(
    path: &str,
    protocol: Protocol,
    key: &str,
    body: String,
) -> http::Result<Request<Full<Bytes>>> {
    let request = Request::post(path).header("content-type", "application/json");
    let request = match protocol {
        Protocol::Chat | Protocol::Responses => {
            request.header("authorization", format!("Bearer {key}"))
        }
        Protocol::Messages => request
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01"),
        Protocol::Gemini => request.header("x-goog-api-key", key),
    };
    request.body(Full::from(body))
}
