//! The control calls under `/_sim/`: what a test that is another process uses.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode, Version};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::journal::Recorded;
use crate::script::Rule;
use crate::server::Inner;

/// One rule, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rules {
    Several { rules: Vec<Value> },
    One(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    ms: u64,
}

/// Serves one control call.
pub(crate) fn serve(
    inner: &Arc<Inner>,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Response<SimBody> {
    let done = |result: Result<Value, String>| match result {
        Ok(value) => respond(StatusCode::OK, &value),
        Err(message) => respond(StatusCode::BAD_REQUEST, &json!({"error": message})),
    };
    match (method.as_str(), path) {
        ("GET", "/_sim/requests") => {
            let requests: Vec<Value> = inner.journal.requests().iter().map(told).collect();
            done(Ok(
                json!({"counts": inner.journal.counts(), "requests": requests}),
            ))
        }
        ("GET", "/_sim/script") => done(Ok(json!({"rules": inner.script.rules()}))),
        ("POST", "/_sim/script") => done(rules(body).map(|rules| {
            let count = rules.len();
            inner.script.set(rules);
            json!({"rules": count})
        })),
        ("POST", "/_sim/reset") => {
            inner.script.reset(&inner.settings);
            inner.journal.clear();
            done(Ok(json!({})))
        }
        ("POST", "/_sim/refuse") => {
            let refusal =
                serde_json::from_slice::<Refusal>(body).map_err(|error| error.to_string());
            done(refusal.map(|Refusal { ms }| {
                inner.refuse_for(Duration::from_millis(ms));
                json!({"ms": ms})
            }))
        }
        _ => respond(
            StatusCode::NOT_FOUND,
            &json!({"error": "no such control call"}),
        ),
    }
}

fn rules(body: &[u8]) -> Result<Vec<Rule>, String> {
    let values = match serde_json::from_slice(body).map_err(|error| error.to_string())? {
        Rules::Several { rules } => rules,
        Rules::One(rule) => vec![rule],
    };
    values
        .into_iter()
        .map(|value| serde_json::from_value(value).map_err(|error| error.to_string()))
        .collect()
}

fn told(request: &Recorded) -> Value {
    let headers: Value = request
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                json!(String::from_utf8_lossy(value.as_bytes())),
            )
        })
        .collect();
    let body = match request.json() {
        Value::Null => json!(String::from_utf8_lossy(&request.body)),
        json => json,
    };
    json!({
        "number": request.number,
        "connection": request.connection,
        "version": if request.version == Version::HTTP_2 { "2" } else { "1.1" },
        "method": request.method.as_str(),
        "path": request.path,
        "headers": headers,
        "body": body,
        "status": request.status.map(|status| status.as_u16()),
        "outcome": request.outcome,
    })
}

fn respond(status: StatusCode, value: &Value) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(value.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
