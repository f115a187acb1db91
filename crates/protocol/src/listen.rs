//! What a stream says, heard as the client hears it.

use bytes::Bytes;

use crate::{Endpoint, Format, Operation, canonical::Event, sse, translate::Reader};

/// Longest event that is listened to.
const LONGEST_EVENT: usize = 16 << 20;

/// Puts together what is said in a stream: text, refusals and reasoning as they come, a call as its tool's name and its
/// arguments. What cannot be read is not heard.
#[derive(Debug)]
pub struct Listener {
    decoder: sse::Decoder,
    reader: Option<Reader>,
    /// Whether the stream is a JSON array, one element in each piece.
    is_array: bool,
    heard: String,
    limit: usize,
}

impl Listener {
    /// For the stream that answers a request to `endpoint`; hears about `limit` bytes. `is_array` says whether a Gemini
    /// client reads it as a JSON array.
    #[must_use]
    pub fn new(endpoint: Endpoint, is_array: bool, limit: usize) -> Self {
        let reader = match endpoint.operation() {
            Operation::Generate(format) => Some(Reader::new(format)),
            _ => None,
        };
        Self {
            decoder: sse::Decoder::new(LONGEST_EVENT),
            is_array: is_array && endpoint.operation() == Operation::Generate(Format::Gemini),
            reader,
            heard: String::new(),
            limit,
        }
    }

    /// Takes the next bytes that the client gets.
    pub fn push(&mut self, bytes: &Bytes) {
        if self.heard.len() >= self.limit {
            return;
        }
        if self.is_array {
            let element = bytes.trim_ascii();
            let element = element.strip_prefix(b"[").unwrap_or(element);
            let element = element.strip_prefix(b",").unwrap_or(element);
            let element = element.strip_suffix(b"]").unwrap_or(element);
            return self.read(element.trim_ascii());
        }
        self.decoder.push(bytes.clone());
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    if let Some(data) = event.data() {
                        self.read(&data);
                    }
                }
                Ok(None) => return,
                // Nothing can be heard after an event without end.
                Err(_) => {
                    self.limit = 0;
                    return;
                }
            }
        }
    }

    /// What was heard so far.
    #[must_use]
    pub fn heard(self) -> String {
        self.heard
    }

    fn read(&mut self, data: &[u8]) {
        let heard = &mut self.heard;
        let Some(reader) = &mut self.reader else {
            return hear_completion(data, heard);
        };
        // What follows an unreadable event may be readable.
        let _ = reader.read(data, &mut |event| match event {
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Thinking { text, .. } => heard.push_str(&text),
            Event::ToolCall { name, .. } => {
                heard.push_str(&name);
                heard.push(' ');
            }
            Event::Arguments { json, .. } => heard.push_str(&json),
            _ => {}
        });
    }
}

/// A piece of legacy Completions, which no reader reads.
fn hear_completion(data: &[u8], heard: &mut String) {
    let piece: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    for choice in piece["choices"].as_array().into_iter().flatten() {
        heard.push_str(choice["text"].as_str().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(endpoint: Endpoint, is_array: bool, pieces: &[&str]) -> String {
        let mut listener = Listener::new(endpoint, is_array, 100);
        for piece in pieces {
            listener.push(&Bytes::copy_from_slice(piece.as_bytes()));
        }
        listener.heard()
    }

    #[test]
    fn what_is_said_is_put_together_however_it_is_cut() {
        let pieces = [
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"sk-\"}}]}\n\ndata: {\"choi",
            "ces\":[{\"index\":0,\"delta\":{\"content\":\"123\"}}]}\n\n",
            ": a comment\n\ndata: no json\n\ndata: [DONE]\n\n",
        ];
        assert_eq!(heard(Endpoint::ChatCompletions, false, &pieces), "sk-123");
        let pieces = [
            "data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
            "data: {\"choices\":[{\"text\":\"b\"}]}\n\n",
        ];
        assert_eq!(heard(Endpoint::Completions, false, &pieces), "ab");
        let pieces = [
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}",
            ",\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}}}]}}]}",
            "]",
        ];
        let all = heard(Endpoint::StreamGenerateContent, true, &pieces);
        assert_eq!(all, "af {\"x\":1}");
    }

    #[test]
    fn no_more_is_heard_than_was_asked_for() {
        let piece = format!(
            "data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n\n",
            "x".repeat(60)
        );
        let pieces = vec![&*piece; 10];
        assert_eq!(heard(Endpoint::Completions, false, &pieces).len(), 120);
    }
}
