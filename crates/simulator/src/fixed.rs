//! Answers made once and given to everyone: the upstream of a load benchmark.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use memchr::memmem::Finder;
use serde_json::{Value, json};

use crate::anthropic::Anthropic;
use crate::body::{Player, SimBody, Step};
use crate::dialect::Dialect;
use crate::exchange::{Exchange, parameter};
use crate::gemini::{self, Gemini};
use crate::openai::{OpenAi, Responses};
use crate::wire::Wire;
use crate::{Behaviour, SimulatorSettings, SseShape, faults};

/// The answers, and what to look for in a request to choose one.
#[derive(Debug)]
pub(crate) struct Fixed {
    chat: Canned,
    /// Of Chat Completions, for those who ask for the usage.
    stream_with_usage: Arc<[Step]>,
    responses: Canned,
    messages: Canned,
    gemini: Canned,
    /// As many vectors as a client asks for that has much to embed; there is no stream of them.
    embeddings: Canned,
    find_stream: Finder<'static>,
    find_usage: Finder<'static>,
}

/// What one protocol answers: the same text in each of them.
#[derive(Debug)]
struct Canned {
    dialect: &'static dyn Dialect,
    whole: Arc<[Step]>,
    whole_length: HeaderValue,
    stream: Arc<[Step]>,
}

impl Canned {
    fn new(
        settings: &SimulatorSettings,
        dialect: &'static dyn Dialect,
        [whole, stream]: [Asked<'_>; 2],
    ) -> Self {
        let whole = whole.staged(settings, dialect);
        Self {
            dialect,
            whole_length: whole.content_length.unwrap_or(0).into(),
            whole: whole.steps.into(),
            stream: stream.staged(settings, dialect).steps.into(),
        }
    }
}

impl Fixed {
    /// Makes the answers from the settings, their pace included.
    pub(crate) fn new(settings: &SimulatorSettings) -> Self {
        let says = json!([{"role": "user", "content": "Say something."}]);
        let chat = |extra: Value| {
            let body = json!({"model": MODEL, "messages": says});
            Asked::new("/v1/chat/completions", merged(body, extra))
        };
        let responses = |extra: Value| {
            let body = json!({"model": MODEL, "input": "Say something."});
            Asked::new("/v1/responses", merged(body, extra))
        };
        let messages = |extra: Value| {
            let body = json!({"model": MODEL, "messages": says, "max_tokens": MOST_TOKENS});
            Asked::new("/v1/messages", merged(body, extra))
        };
        let gemini = |path: &'static str, query: &'static str| {
            let parts = json!([{"text": "Say something."}]);
            let body = json!({"contents": [{"role": "user", "parts": parts}]});
            Asked {
                query,
                ..Asked::new(path, body)
            }
        };
        let embeddings = || {
            let inputs: Vec<String> = (0..VECTORS).map(|index| format!("Text {index}.")).collect();
            Asked::new("/v1/embeddings", json!({"model": MODEL, "input": inputs}))
        };
        let streams = || json!({"stream": true});
        let with_usage = json!({"stream": true, "stream_options": {"include_usage": true}});
        Self {
            chat: Canned::new(settings, &OpenAi, [chat(json!({})), chat(streams())]),
            stream_with_usage: chat(with_usage).staged(settings, &OpenAi).steps.into(),
            responses: Canned::new(
                settings,
                &Responses,
                [responses(json!({})), responses(streams())],
            ),
            messages: Canned::new(
                settings,
                &Anthropic,
                [messages(json!({})), messages(streams())],
            ),
            gemini: Canned::new(
                settings,
                &Gemini,
                [
                    gemini("/v1beta/models/bench-model:generateContent", ""),
                    gemini(
                        "/v1beta/models/bench-model:streamGenerateContent",
                        "alt=sse",
                    ),
                ],
            ),
            embeddings: Canned::new(settings, &OpenAi, [embeddings(), embeddings()]),
            find_stream: Finder::new(br#""stream":"#),
            find_usage: Finder::new(br#""include_usage":"#),
        }
    }

    /// The answer to a request for text or embeddings with the right key; what is not one is answered in the ordinary way.
    pub(crate) fn answer(
        &self,
        settings: &SimulatorSettings,
        parts: &http::request::Parts,
        body: &Bytes,
        wire: &Arc<Wire>,
    ) -> Option<Response<SimBody>> {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let (canned, streams) = self.asked(path, query, body)?;
        let key = canned.dialect.key(&parts.headers, query)?;
        if parts.method != Method::POST
            || settings
                .api_key
                .as_deref()
                .is_some_and(|right| right != key)
        {
            return None;
        }
        let steps = if !streams {
            &canned.whole
        } else if std::ptr::eq(canned, &self.chat) && is_true(&self.find_usage, body) {
            &self.stream_with_usage
        } else {
            &canned.stream
        };
        let body = match &steps[..] {
            [Step::Wait(wait), Step::Data(bytes)] if wait.is_zero() => {
                SimBody::whole(bytes.clone())
            }
            _ => SimBody::Played(Box::new(Player::new(
                Arc::clone(steps),
                None,
                Arc::clone(wire),
            ))),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(
            canned.dialect.request_id(),
            HeaderValue::from_static("req_fixed"),
        );
        if streams {
            let content = HeaderValue::from_static("text/event-stream; charset=utf-8");
            headers.insert(CONTENT_TYPE, content);
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, canned.whole_length.clone());
        }
        Some(response)
    }

    /// The protocol that is asked, and whether for a stream of events. Gemini's other streams, JSON arrays, are none.
    fn asked(&self, path: &str, query: &str, body: &[u8]) -> Option<(&Canned, bool)> {
        let canned = match path {
            "/v1/chat/completions" => &self.chat,
            "/v1/responses" => &self.responses,
            "/v1/messages" => &self.messages,
            "/v1/embeddings" => return Some((&self.embeddings, false)),
            _ => {
                let streams = match gemini::target(path)?.1? {
                    "generateContent" => false,
                    "streamGenerateContent" if parameter(query, "alt") == Some("sse") => true,
                    _ => return None,
                };
                return Some((&self.gemini, streams));
            }
        };
        Some((canned, is_true(&self.find_stream, body)))
    }
}

/// Whether a field is there and true. Within a JSON string its quotes would be escaped, so no prompt can fake it.
fn is_true(finder: &Finder<'_>, body: &[u8]) -> bool {
    finder.find(body).is_some_and(|at| {
        body[at + finder.needle().len()..]
            .trim_ascii_start()
            .starts_with(b"true")
    })
}

const MODEL: &str = "bench-model";
/// Vectors of an answer: of 1,536 numbers each, about 300 kB.
const VECTORS: usize = 16;
/// More than any answer has.
const MOST_TOKENS: u32 = 1_000_000;

/// A request that stands for all.
struct Asked<'a> {
    path: &'a str,
    query: &'a str,
    body: Value,
}

impl<'a> Asked<'a> {
    fn new(path: &'a str, body: Value) -> Self {
        Self {
            path,
            query: "",
            body,
        }
    }

    fn staged(&self, settings: &SimulatorSettings, dialect: &dyn Dialect) -> faults::Staged {
        let settings = SimulatorSettings {
            api_key: None,
            models: Vec::new(),
            ..settings.clone()
        };
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static("2023-06-01"),
        )]);
        let json = Some(&self.body);
        let mut answer = dialect.answer(&Exchange {
            method: &Method::POST,
            path: self.path,
            headers: &headers,
            query: self.query,
            body: &Bytes::new(),
            json,
            model: dialect.model(self.path, json),
            key: Some("fixed"),
            settings: &settings,
            behaviour: &Behaviour::default(),
            number: 0,
            created: 1_735_689_600,
            never_stream: false,
        });
        debug_assert_eq!(answer.status, StatusCode::OK);
        faults::stage(dialect, &mut answer, SseShape::default(), None)
    }
}

fn merged(mut body: Value, extra: Value) -> Value {
    if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
        body.extend(extra);
    }
    body
}
