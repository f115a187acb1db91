//! The requests that are sent.

use serde_json::{Value, json};

use super::Shape;

/// What the requests of the large shape add up to.
const LARGE_BYTES: usize = 100_000;
const LARGE_MESSAGES: usize = 50;

/// A chat request as the bytes of HTTP/1.1.
pub(crate) fn request(shape: Shape, key: &str) -> Vec<u8> {
    let body = body(shape).to_string();
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}

fn body(shape: Shape) -> Value {
    let short = "Explain in three sentences how a load balancer chooses among servers, and why.";
    let system = json!({"role": "system", "content": "You are brief."});
    let messages = match shape {
        Shape::Small | Shape::Stream => vec![system, json!({"role": "user", "content": short})],
        Shape::Large => (0..LARGE_MESSAGES)
            .map(|index| {
                let role = if index % 2 == 0 { "user" } else { "assistant" };
                let text: String = short
                    .chars()
                    .cycle()
                    .take(LARGE_BYTES / LARGE_MESSAGES - 40)
                    .collect();
                json!({"role": role, "content": text})
            })
            .collect(),
    };
    let mut body = json!({"model": "bench-model", "messages": messages, "temperature": 0.5});
    if shape == Shape::Stream {
        body["stream"] = json!(true);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_they_say() {
        for (shape, expected) in [
            (Shape::Small, 150..250),
            (Shape::Large, 95_000..105_000),
            (Shape::Stream, 150..250),
        ] {
            let length = body(shape).to_string().len();
            assert!(expected.contains(&length), "{shape:?}: {length}");
        }
    }
}
