//! Answers made once and given to everyone: the upstream of a load benchmark.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use memchr::memmem::Finder;
use serde_json::{Value, json};

use crate::body::{Player, SimBody, Step};
use crate::openai::{self, Exchange};
use crate::wire::Wire;
use crate::{Behaviour, SimulatorSettings, SseShape, faults};

/// The answers, and what to look for in a request to choose one.
#[derive(Debug)]
pub(crate) struct Fixed {
    whole: Arc<[Step]>,
    whole_length: HeaderValue,
    stream: Arc<[Step]>,
    stream_with_usage: Arc<[Step]>,
    find_stream: Finder<'static>,
    find_usage: Finder<'static>,
}

impl Fixed {
    /// Makes the answers from the settings, their pace included.
    pub(crate) fn new(settings: &SimulatorSettings) -> Self {
        let ask = |extra: Value| {
            let mut body = json!({"model": "bench-model", "messages": [{"role": "user", "content": "Say something."}]});
            if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
                body.extend(extra);
            }
            staged(settings, &body)
        };
        let whole = ask(json!({}));
        Self {
            whole_length: whole.content_length.unwrap_or(0).into(),
            whole: whole.steps.into(),
            stream: ask(json!({"stream": true})).steps.into(),
            stream_with_usage: ask(
                json!({"stream": true, "stream_options": {"include_usage": true}}),
            )
            .steps
            .into(),
            find_stream: Finder::new(br#""stream":"#),
            find_usage: Finder::new(br#""include_usage":"#),
        }
    }

    /// The answer to a chat completion with the right key; what is not one is answered in the ordinary way.
    pub(crate) fn answer(
        &self,
        settings: &SimulatorSettings,
        parts: &http::request::Parts,
        body: &Bytes,
        wire: &Arc<Wire>,
    ) -> Option<Response<SimBody>> {
        let key = openai::bearer(&parts.headers)?;
        let served = parts.uri.path() == "/v1/chat/completions" && parts.method == Method::POST;
        if !served
            || settings
                .api_key
                .as_deref()
                .is_some_and(|right| right != key)
        {
            return None;
        }
        let steps = if !is_true(&self.find_stream, body) {
            &self.whole
        } else if is_true(&self.find_usage, body) {
            &self.stream_with_usage
        } else {
            &self.stream
        };
        let is_whole = Arc::ptr_eq(steps, &self.whole);
        let content = if is_whole {
            "application/json"
        } else {
            "text/event-stream; charset=utf-8"
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
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content));
        response
            .headers_mut()
            .insert("x-request-id", HeaderValue::from_static("req_fixed"));
        if is_whole {
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, self.whole_length.clone());
        }
        Some(response)
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

fn staged(settings: &SimulatorSettings, body: &Value) -> faults::Staged {
    let settings = SimulatorSettings {
        api_key: None,
        models: Vec::new(),
        ..settings.clone()
    };
    let headers = HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        HeaderValue::from_static("Bearer fixed"),
    )]);
    let mut answer = openai::answer(&Exchange {
        method: &Method::POST,
        path: "/v1/chat/completions",
        headers: &headers,
        json: Some(body),
        settings: &settings,
        behaviour: &Behaviour::default(),
        number: 0,
        created: 1_735_689_600,
        never_stream: false,
    });
    debug_assert_eq!(answer.status, StatusCode::OK);
    faults::stage(&mut answer, SseShape::default(), None)
}
