//! Every pair of formats: what a provider of one says, a client of the other hears.

mod answers;
mod recorded;
mod streams;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{stream::Reader, *};
use crate::{
    ClientError, Usage,
    canonical::{Event, Family, Signature},
};

/// What an answer says, as far as every format can say it.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Text, and what is said in declining: formats without a place for refusals have it as text.
    said: String,
    thinking: String,
    signatures: Vec<(Family, String)>,
    /// Id, name and arguments.
    calls: Vec<(String, String, Value)>,
    finish: Option<&'static str>,
    usage: Option<Usage>,
}

impl Told {
    fn sign(&mut self, signature: &Signature) {
        let Signature { family, value } = signature;
        self.signatures.push((*family, value.clone()));
    }

    fn finish(&mut self, finish: &Finish) {
        assert_eq!(self.finish, None, "an answer ends once");
        self.finish = Some(match finish {
            Finish::Stop | Finish::StopSequence(_) | Finish::Paused => "stop",
            Finish::Length | Finish::ContextLength => "length",
            Finish::ToolCalls => "tool calls",
            Finish::Filtered(_) | Finish::Refused(_) => "declined",
            Finish::Broken(reason) => panic!("broken: {reason}"),
        });
    }
}

impl From<&Response> for Told {
    fn from(response: &Response) -> Self {
        let mut told = Self::default();
        let [choice] = &response.choices[..] else {
            panic!("one answer: {response:?}");
        };
        for part in &choice.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) => told.said.push_str(text),
                Part::Thinking(thinking) => {
                    told.thinking.push_str(&thinking.text);
                    if let Some(signature) = &thinking.signature {
                        told.sign(signature);
                    }
                }
                Part::ToolCall(call) => told.calls.push((
                    call.id.clone(),
                    call.name.clone(),
                    serde_json::from_str(call.arguments.get()).unwrap(),
                )),
                other => panic!("{other:?}"),
            }
        }
        told.finish(&choice.finish);
        told.usage = response.usage;
        told
    }
}

/// The same, of a stream.
#[derive(Debug, Default)]
struct Listener {
    told: Told,
    calls: BTreeMap<u32, (String, String, String)>,
    ended: bool,
}

impl Listener {
    fn hear(&mut self, event: Event<'_>) {
        assert!(!self.ended, "after the end: {event:?}");
        match event {
            Event::Start { .. } => {}
            Event::Usage(usage) => self.told.usage = Some(usage),
            Event::Text { text, .. } | Event::Refusal { text, .. } => {
                self.told.said.push_str(&text);
            }
            Event::Thinking { text, .. } => self.told.thinking.push_str(&text),
            Event::Signature { signature, .. } => self.told.sign(&signature),
            Event::ToolCall {
                index, id, name, ..
            } => {
                let call = (id.into_owned(), name.into_owned(), String::new());
                assert!(self.calls.insert(index, call).is_none(), "begun twice");
            }
            Event::Arguments { index, json, .. } => {
                self.calls.get_mut(&index).unwrap().2.push_str(&json);
            }
            Event::Finish { reason, .. } => self.told.finish(&reason),
            Event::End => self.ended = true,
            Event::Image { .. } | Event::Error(_) => panic!("{event:?}"),
        }
    }

    fn told(mut self) -> Told {
        self.told.calls = self
            .calls
            .into_values()
            .map(|(id, name, json)| {
                let json = if json.is_empty() { "{}" } else { &json };
                (id, name, serde_json::from_str(json).unwrap())
            })
            .collect();
        self.told
    }
}

fn reply(as_array: bool) -> Reply {
    Reply {
        request: Arc::new(Request::default()),
        id: "00112233445566778899aabbccddeeff".to_owned(),
        created: 1_700_000_000,
        model: "up".to_owned(),
        include_usage: true,
        prompt_tokens: 1,
        as_array,
    }
}
