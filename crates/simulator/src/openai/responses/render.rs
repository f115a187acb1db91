//! A response as OpenAI writes it, whole and as events.

use http::StatusCode;
use serde_json::{Value, json};

use super::items::SEALED;
use super::request::Read;
use crate::answer::{Answer, Event};
use crate::exchange::{Exchange, Pace};
use crate::reply::{self, End, Reply};
use crate::{seal, text};

/// Answers a request that was read.
pub(crate) fn serve(exchange: &Exchange<'_>, read: &Read) -> Answer {
    let reply = reply::write(exchange, &read.ask);
    let items = items(exchange, read, &reply);
    if exchange.streams() {
        return Answer::events(Stream::new(exchange).play(&reply, &items));
    }
    let body = ended(exchange, &reply, &items);
    Answer::json_after(
        exchange.pace().whole(reply.length()),
        StatusCode::OK,
        body.to_string(),
    )
}

/// One item of the output, and the pieces it is streamed in.
struct Item {
    whole: Value,
    pieces: Vec<String>,
}

fn items(exchange: &Exchange<'_>, read: &Read, reply: &Reply) -> Vec<Item> {
    let mut items = Vec::new();
    let reasons =
        !reply.blocked && (read.summarizes || (read.seals && read.ask.hidden_thinking > 0));
    if reasons {
        let thought = reply.thought();
        let shown = read.summarizes && !thought.is_empty();
        let summary = if shown {
            json!([{"type": "summary_text", "text": thought}])
        } else {
            json!([])
        };
        let mut whole =
            json!({"id": exchange.plain_id("rs", 0), "type": "reasoning", "summary": summary});
        if read.seals {
            whole["encrypted_content"] = json!(seal::seal(SEALED, &thought));
        }
        let pieces = if shown {
            reply.reasoning.clone()
        } else {
            Vec::new()
        };
        items.push(Item { whole, pieces });
    }
    let message = |part: Value| json!({"id": exchange.plain_id("msg", 0), "type": "message", "role": "assistant", "status": "completed", "content": [part]});
    if let Some(refusal) = &reply.refusal {
        let whole = message(json!({"type": "refusal", "refusal": refusal}));
        items.push(Item {
            whole,
            pieces: text::pieces(refusal),
        });
    } else if !reply.blocked && (reply.calls.is_empty() || !reply.pieces.is_empty()) {
        let part =
            json!({"type": "output_text", "text": reply.text(), "annotations": [], "logprobs": []});
        items.push(Item {
            whole: message(part),
            pieces: reply.pieces.clone(),
        });
    }
    items.extend(reply.calls.iter().enumerate().map(|(index, call)| {
        let arguments = Value::Object(call.arguments.clone()).to_string();
        let whole = json!({
            "id": exchange.plain_id("fc", index), "type": "function_call", "status": "completed",
            "call_id": exchange.plain_id("call", index), "name": call.name, "arguments": arguments,
        });
        Item {
            whole,
            pieces: text::pieces(&arguments),
        }
    }));
    items
}

/// The response before anything was said.
fn begun(exchange: &Exchange<'_>) -> Value {
    let asked = |name: &str, usual: Value| exchange.field(name).cloned().unwrap_or(usual);
    json!({
        "id": exchange.plain_id("resp", 0), "object": "response", "created_at": exchange.created, "status": "in_progress",
        "background": false, "error": null, "incomplete_details": null, "instructions": asked("instructions", Value::Null),
        "max_output_tokens": asked("max_output_tokens", Value::Null), "model": exchange.model, "output": [],
        "parallel_tool_calls": asked("parallel_tool_calls", json!(true)), "previous_response_id": null,
        "reasoning": asked("reasoning", json!({"effort": null, "summary": null})), "service_tier": "default",
        "store": asked("store", json!(true)), "temperature": asked("temperature", json!(1.0)),
        "text": asked("text", json!({"format": {"type": "text"}})), "tool_choice": asked("tool_choice", json!("auto")),
        "tools": asked("tools", json!([])), "top_p": asked("top_p", json!(1.0)), "truncation": "disabled",
        "usage": null, "user": null, "metadata": asked("metadata", json!({})),
    })
}

fn ended(exchange: &Exchange<'_>, reply: &Reply, items: &[Item]) -> Value {
    let mut response = begun(exchange);
    let reason = match reply.end {
        End::Length => Some("max_output_tokens"),
        End::Filtered => Some("content_filter"),
        _ => None,
    };
    response["status"] = json!(if reason.is_some() {
        "incomplete"
    } else {
        "completed"
    });
    response["incomplete_details"] = reason.map_or(
        Value::Null,
        |reason| json!({"reason": reply.finish_reason.as_deref().unwrap_or(reason)}),
    );
    response["output"] = items.iter().map(|item| item.whole.clone()).collect();
    if reason.is_some()
        && let Some(last) = response["output"]
            .as_array_mut()
            .and_then(|output| output.last_mut())
    {
        last["status"] = json!("incomplete");
    }
    if let Some(usage) = reply.usage {
        response["usage"] = json!({
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        });
    }
    response
}

/// Numbers the events of one stream.
struct Stream<'a> {
    exchange: &'a Exchange<'a>,
    pace: Pace,
    events: Vec<Event>,
}

impl<'a> Stream<'a> {
    fn new(exchange: &'a Exchange<'a>) -> Self {
        Self {
            exchange,
            pace: exchange.pace(),
            events: Vec::new(),
        }
    }

    fn push(&mut self, name: &'static str, mut data: Value) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.events.len());
        self.events.push(Event::now(data.to_string()).named(name));
    }

    fn play(mut self, reply: &Reply, items: &[Item]) -> Vec<Event> {
        let begun = begun(self.exchange);
        self.push("response.created", json!({"response": begun}));
        self.push("response.in_progress", json!({"response": begun}));
        for (index, item) in items.iter().enumerate() {
            self.item(index, item);
        }
        let ended = ended(self.exchange, reply, items);
        let name = if ended["status"] == "incomplete" {
            "response.incomplete"
        } else {
            "response.completed"
        };
        self.push(name, json!({"response": ended}));
        if let Some(last) = self.events.last_mut() {
            last.is_last = true;
        }
        self.events
    }

    fn item(&mut self, index: usize, item: &Item) {
        let mut added = item.whole.clone();
        match added["type"].as_str() {
            Some("message") => {
                added["content"] = json!([]);
                added["status"] = json!("in_progress");
            }
            Some("function_call") => {
                added["arguments"] = json!("");
                added["status"] = json!("in_progress");
            }
            _ => {
                added["summary"] = json!([]);
                if let Some(members) = added.as_object_mut() {
                    members.remove("encrypted_content");
                }
            }
        }
        self.push(
            "response.output_item.added",
            json!({"output_index": index, "item": added}),
        );
        match item.whole["type"].as_str() {
            Some("message") => self.message(index, item),
            Some("function_call") => {
                let at = json!({"item_id": item.whole["id"], "output_index": index});
                self.deltas("response.function_call_arguments.delta", &at, &item.pieces);
                let mut done = at;
                done["arguments"] = item.whole["arguments"].clone();
                self.push("response.function_call_arguments.done", done);
            }
            _ if !item.pieces.is_empty() => self.summary(index, item),
            _ => {}
        }
        self.push(
            "response.output_item.done",
            json!({"output_index": index, "item": item.whole}),
        );
    }

    fn deltas(&mut self, name: &'static str, at: &Value, pieces: &[String]) {
        for piece in pieces {
            let wait = self.pace.next();
            let mut data = at.clone();
            data["delta"] = json!(piece);
            self.push(name, data);
            if let Some(event) = self.events.last_mut() {
                event.wait = wait;
            }
        }
    }

    fn message(&mut self, index: usize, item: &Item) {
        let part = &item.whole["content"][0];
        let is_refusal = part["type"] == "refusal";
        let (field, delta, done) = if is_refusal {
            ("refusal", "response.refusal.delta", "response.refusal.done")
        } else {
            (
                "text",
                "response.output_text.delta",
                "response.output_text.done",
            )
        };
        let mut at =
            json!({"item_id": item.whole["id"], "output_index": index, "content_index": 0});
        let with = |name: &str, value: Value| {
            let mut data = at.clone();
            data[name] = value;
            data
        };
        let mut empty = part.clone();
        empty[field] = json!("");
        let (added, ended) = (with("part", empty), with("part", part.clone()));
        self.push("response.content_part.added", added);
        if !is_refusal {
            at["logprobs"] = json!([]);
        }
        self.deltas(delta, &at, &item.pieces);
        at[field] = part[field].clone();
        self.push(done, at);
        self.push("response.content_part.done", ended);
    }

    fn summary(&mut self, index: usize, item: &Item) {
        let at = json!({"item_id": item.whole["id"], "output_index": index, "summary_index": 0});
        let with = |name: &str, value: Value| {
            let mut data = at.clone();
            data[name] = value;
            data
        };
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        let thought = item.pieces.concat();
        self.push(
            "response.reasoning_summary_part.added",
            with("part", part("")),
        );
        self.deltas("response.reasoning_summary_text.delta", &at, &item.pieces);
        self.push(
            "response.reasoning_summary_text.done",
            with("text", json!(thought)),
        );
        self.push(
            "response.reasoning_summary_part.done",
            with("part", part(&thought)),
        );
    }
}
