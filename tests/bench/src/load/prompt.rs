//! The requests that are sent: the same meaning in each protocol.

use serde_json::{Value, json};

use super::{Protocol, Shape};

/// What a message of the long prompts adds to a request, what surrounds its text included.
const MESSAGE_BYTES: usize = 2_000;
const LARGE_MESSAGES: usize = 50;
const HUGE_MESSAGES: usize = 500;
/// Texts to embed.
const INPUTS: usize = 16;

const SYSTEM: &str = "You are brief.";
const SHORT: &str =
    "Explain in three sentences how a load balancer chooses among servers, and why.";
/// Messages must name a bound; no answer comes near it.
const MOST_TOKENS: u32 = 4096;

/// A request for text as the bytes of HTTP/1.1.
pub(crate) fn request(protocol: Protocol, shape: Shape, model: &str, key: &str) -> Vec<u8> {
    let body = body(protocol, shape, model).to_string();
    let path = path(protocol, shape, model);
    let credentials = match protocol {
        Protocol::Chat | Protocol::Responses => format!("authorization: Bearer {key}"),
        Protocol::Messages => format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01"),
        Protocol::Gemini => format!("x-goog-api-key: {key}"),
    };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\n{credentials}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}

/// Where a request goes.
pub(crate) fn path(protocol: Protocol, shape: Shape, model: &str) -> String {
    match protocol {
        Protocol::Chat if shape == Shape::Embeddings => "/v1/embeddings".to_owned(),
        Protocol::Chat => "/v1/chat/completions".to_owned(),
        Protocol::Responses => "/v1/responses".to_owned(),
        Protocol::Messages => "/v1/messages".to_owned(),
        Protocol::Gemini if shape == Shape::Stream => {
            format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
        }
        Protocol::Gemini => format!("/v1beta/models/{model}:generateContent"),
    }
}

/// Who says what, apart from the system's words.
fn turns(shape: Shape) -> Vec<(bool, String)> {
    let long = |messages| {
        let text: String = SHORT.chars().cycle().take(MESSAGE_BYTES - 40).collect();
        (0..messages)
            .map(|index| (index % 2 == 0, text.clone()))
            .collect()
    };
    match shape {
        Shape::Small | Shape::Stream | Shape::Embeddings => vec![(true, SHORT.to_owned())],
        Shape::Large => long(LARGE_MESSAGES),
        Shape::Huge => long(HUGE_MESSAGES),
    }
}

/// What a request is.
pub(crate) fn body(protocol: Protocol, shape: Shape, model: &str) -> Value {
    if shape == Shape::Embeddings {
        return json!({"model": model, "input": vec![SHORT; INPUTS]});
    }
    let role = |is_user: bool| if is_user { "user" } else { "assistant" };
    let message = |(is_user, text): (bool, String)| json!({"role": role(is_user), "content": text});
    let turns = turns(shape).into_iter();
    // The long prompts bring their own beginning.
    let is_long = matches!(shape, Shape::Large | Shape::Huge);
    let system = (!is_long).then_some(SYSTEM);
    let mut body = match protocol {
        Protocol::Chat => {
            let system = system.map(|text| json!({"role": "system", "content": text}));
            let messages: Vec<Value> = system.into_iter().chain(turns.map(message)).collect();
            json!({"model": model, "messages": messages, "temperature": 0.5})
        }
        Protocol::Responses => {
            let input: Vec<Value> = turns.map(message).collect();
            json!({"model": model, "instructions": system, "input": input, "temperature": 0.5})
        }
        Protocol::Messages => {
            let messages: Vec<Value> = turns.map(message).collect();
            let system = system.unwrap_or_default();
            json!({
                "model": model, "system": system, "messages": messages, "max_tokens": MOST_TOKENS, "temperature": 0.5,
            })
        }
        Protocol::Gemini => {
            let role = |is_user: bool| if is_user { "user" } else { "model" };
            let content =
                |(is_user, text)| json!({"role": role(is_user), "parts": [{"text": text}]});
            let contents: Vec<Value> = turns.map(content).collect();
            let mut body = json!({"contents": contents, "generationConfig": {"temperature": 0.5}});
            if let Some(system) = system {
                body["systemInstruction"] = json!({"parts": [{"text": system}]});
            }
            body
        }
    };
    if shape == Shape::Stream && protocol != Protocol::Gemini {
        body["stream"] = json!(true);
    }
    body
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn bodies_are_as_long_as_they_say() {
        for protocol in Protocol::value_variants() {
            for (shape, expected) in [
                (Shape::Small, 150..260),
                (Shape::Large, 95_000..105_000),
                (Shape::Huge, 950_000..1_050_000),
                (Shape::Stream, 150..260),
            ] {
                let length = body(*protocol, shape, "bench-model").to_string().len();
                assert!(
                    expected.contains(&length),
                    "{protocol:?} {shape:?}: {length}"
                );
            }
        }
    }
}
