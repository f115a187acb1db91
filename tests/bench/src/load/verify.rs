//! Whether an answer is the right one, whole.

use serde_json::Value;

/// Compares answers with the reference's.
#[derive(Debug)]
pub(crate) struct Verifier {
    right: String,
    /// The bytes that were last found right: the rest are mostly equal to them, and need no second reading.
    known: Vec<u8>,
}

impl Verifier {
    /// Takes `body` as the right answer.
    pub(crate) fn new(body: Vec<u8>) -> Self {
        Self {
            right: told(&body).unwrap_or_default(),
            known: body,
        }
    }

    /// Whether `body` tells what the reference told. Fields that a gateway may add or leave out do not matter; text,
    /// finish reason and, in a stream, the end marker do.
    pub(crate) fn check(&mut self, body: &[u8]) -> Result<(), String> {
        if body == self.known {
            return Ok(());
        }
        let told = told(body)?;
        if told != self.right {
            return Err("another answer".to_owned());
        }
        self.known = body.to_vec();
        Ok(())
    }
}

/// The text and the end of an answer.
fn told(body: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(body).map_err(|_| "no UTF-8")?;
    if !text.starts_with("data:") {
        let json: Value = serde_json::from_str(text).map_err(|_| "no JSON")?;
        return Ok(format!(
            "{}",
            json.pointer("/choices/0").unwrap_or(&Value::Null)
        ));
    }
    let mut told = String::new();
    for data in text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
    {
        if data == "[DONE]" {
            told.push_str("[DONE]");
            continue;
        }
        let json: Value = serde_json::from_str(data).map_err(|_| "an event that is no JSON")?;
        for part in [
            "/choices/0/delta/content",
            "/choices/0/finish_reason",
            "/error",
        ] {
            told.extend(
                json.pointer(part)
                    .filter(|part| !part.is_null())
                    .map(Value::to_string),
            );
        }
    }
    Ok(told)
}
