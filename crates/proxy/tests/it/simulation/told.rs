//! What a client was told, read as its protocol's SDK would.

use serde_json::Value;

use crate::protocols::Client;

/// An answer, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) text: String,
    /// Whether it says that it is complete.
    pub(super) is_complete: bool,
    /// Whether it says that it failed.
    pub(super) is_error: bool,
    /// What must not be.
    pub(super) wrong: Option<String>,
}

impl Told {
    /// A whole body, of an answer or of an error.
    pub(super) fn whole(client: Client, is_error: bool, body: &[u8]) -> Self {
        let mut told = Self::default();
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            told.wrong = Some("no JSON".to_owned());
            return told;
        };
        told.is_complete = !is_error;
        told.is_error = body.get("error").is_some_and(|error| !error.is_null());
        if told.is_error != is_error {
            told.wrong = Some("status and body disagree".to_owned());
        }
        let (list, pointer) = match client {
            Client::Chat => ("/choices", "/message/content"),
            Client::Responses => ("/output", "/content/0/text"),
            Client::Messages => ("/content", "/text"),
            Client::Gemini => ("/candidates/0/content/parts", "/text"),
        };
        let items = body.pointer(list).and_then(Value::as_array);
        told.text = items
            .into_iter()
            .flatten()
            .filter_map(|item| item.pointer(pointer)?.as_str())
            .collect();
        told
    }

    /// The events of a stream.
    pub(super) fn stream(client: Client, body: &[u8]) -> Self {
        let mut told = Self::default();
        let Ok(body) = str::from_utf8(body) else {
            told.wrong = Some("no UTF-8".to_owned());
            return told;
        };
        let body = body.replace("\r\n", "\n").replace('\r', "\n");
        let mut events: Vec<&str> = body.split("\n\n").collect();
        // What has no blank line after it is no event, to clients.
        let unfinished = events.pop().unwrap_or_default();
        for event in events {
            let data: Vec<_> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim_start)
                .collect();
            if !data.is_empty() {
                told.event(client, &data.join("\n"));
            }
        }
        if !unfinished.trim().is_empty() && told.wrong.is_none() {
            told.wrong = Some("an event is cut off".to_owned());
        }
        told
    }

    fn event(&mut self, client: Client, data: &str) {
        if client == Client::Chat && data == "[DONE]" && !self.is_complete && !self.is_error {
            self.is_complete = true;
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            self.wrong = Some(format!("malformed: {data}"));
            return;
        };
        let kind = event["type"].as_str().unwrap_or_default();
        // Gemini tells the usage with or after the finish reason, as it likes; a failed response is told after its error.
        let may_follow = match client {
            Client::Gemini => !self.is_error,
            _ => self.is_error && kind == "response.failed",
        };
        if (self.is_error || self.is_complete) && !may_follow {
            self.wrong = Some(format!("after the end: {data}"));
            return;
        }
        let (text, is_end) = match client {
            Client::Chat => (event.pointer("/choices/0/delta/content"), false),
            Client::Responses => (
                event
                    .get("delta")
                    .filter(|_| kind == "response.output_text.delta"),
                matches!(kind, "response.completed" | "response.incomplete"),
            ),
            Client::Messages => (event.pointer("/delta/text"), kind == "message_stop"),
            Client::Gemini => (
                event.pointer("/candidates/0/content/parts/0/text"),
                event.pointer("/candidates/0/finishReason").is_some(),
            ),
        };
        self.text
            .push_str(text.and_then(Value::as_str).unwrap_or_default());
        self.is_complete |= is_end;
        self.is_error |= kind == "error"
            || kind == "response.failed"
            || (kind.is_empty() && event.get("error").is_some());
        if self.is_error && self.is_complete {
            self.wrong = Some(format!("an error after the end: {data}"));
        }
    }
}
