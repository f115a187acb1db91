//! Amazon Bedrock: `InvokeModel` of Anthropic's models, signed, and streamed in Amazon's framing.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, request};
use serde_json::{Value, json};

use super::{Refused, decoded, inner, members, sigv4, token};
use crate::answer::{Answer, Event, Framing};

/// The only version of the body.
const VERSION: &str = "bedrock-2023-05-31";

pub(super) fn enter(parts: &request::Parts, body: &Bytes) -> Result<Request<Bytes>, Refused> {
    if token(&parts.headers).is_none() {
        sigv4::verify(parts, body, "bedrock")
            .map_err(|message| refusal(StatusCode::FORBIDDEN, "AccessDeniedException", message))?;
    }
    let not_found = || {
        refusal(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            "no such operation",
        )
    };
    let path = parts
        .uri
        .path()
        .strip_prefix("/model/")
        .ok_or_else(not_found)?;
    let (model, operation) = path.rsplit_once('/').ok_or_else(not_found)?;
    let stream = match operation {
        "invoke" => false,
        "invoke-with-response-stream" => true,
        _ => return Err(not_found()),
    };
    let invalid = |message: &str| refusal(StatusCode::BAD_REQUEST, "ValidationException", message);
    let mut body = members(body).ok_or_else(|| invalid("Malformed input request"))?;
    if body.remove("anthropic_version") != Some(Value::from(VERSION)) {
        return Err(invalid("anthropic_version: Invalid API version"));
    }
    if body
        .remove("anthropic_beta")
        .is_some_and(|betas| !betas.is_array())
    {
        return Err(invalid("anthropic_beta: Input should be a valid list"));
    }
    for extra in ["model", "stream"] {
        if body.contains_key(extra) {
            return Err(invalid(&format!("{extra}: Extra inputs are not permitted")));
        }
    }
    body.insert("model".to_owned(), decoded(model).into());
    body.insert("stream".to_owned(), stream.into());
    let mut request = inner(
        parts,
        "/v1/messages",
        ("x-api-key", "aws"),
        &Value::Object(body),
    )?;
    let version = http::HeaderValue::from_static("2023-06-01");
    request.headers_mut().insert("anthropic-version", version);
    Ok(request)
}

fn refusal(status: StatusCode, kind: &'static str, message: &str) -> Refused {
    let mut answer = Answer::json(status, json!({"message": message}).to_string());
    let kind = http::HeaderValue::from_static(kind);
    answer.headers.insert("x-amzn-errortype", kind);
    Box::new(answer)
}

pub(super) fn dress(answer: &mut Answer) {
    answer.headers.remove("request-id");
    if !answer.status.is_success() {
        super::rewrite(answer, |json| json!({"message": json["error"]["message"]}));
    }
    let payload = std::mem::take(&mut answer.payload);
    answer.payload = match payload {
        crate::answer::Payload::Events(events, _) => {
            crate::answer::Payload::Events(events, Framing::Amazon)
        }
        whole => whole,
    };
}

/// A stream's event as a message: an error as an exception, anything else as a chunk.
pub(crate) fn frame(event: &Event) -> Bytes {
    let text = |name: &'static str, value: &'static str| {
        Header::new(name, HeaderValue::String(value.into()))
    };
    let (message, payload) = if event.name == Some("error") {
        let told: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let payload = json!({"message": told["error"]["message"]});
        (text(":exception-type", "throttlingException"), payload)
    } else {
        let payload = json!({"bytes": STANDARD.encode(&event.data), "p": "abcdefghijklmnop"});
        (text(":event-type", "chunk"), payload)
    };
    let kind = if event.name == Some("error") {
        "exception"
    } else {
        "event"
    };
    let message = Message::new(payload.to_string())
        .add_header(message)
        .add_header(text(":content-type", "application/json"))
        .add_header(text(":message-type", kind));
    let mut frame = BytesMut::new();
    write_message_to(&message, &mut frame).expect("headers of a few bytes fit");
    frame.freeze()
}
