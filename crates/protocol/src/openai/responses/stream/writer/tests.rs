use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    ErrorKind, UsageSource,
    canonical::{Family, Json, Media, Request, Source, TokenLogprob, Tool},
};

fn reply() -> Reply {
    Reply {
        request: Arc::new(Request {
            tools: vec![Tool {
                name: "look".to_owned(),
                description: None,
                parameters: Some(Json::empty_object()),
                strict: None,
                cache: None,
            }],
            ..Request::default()
        }),
        id: "0123".to_owned(),
        created: 1_700_000_000,
        model: "some-model".to_owned(),
        include_usage: false,
        prompt_tokens: 3,
        as_array: false,
    }
}

fn begin() -> Event<'static> {
    Event::Start {
        id: Some("upstream".into()),
        model: Some("model-1".into()),
    }
}

fn text(text: &str) -> Event<'_> {
    Event::Text {
        choice: 0,
        text: text.into(),
        logprobs: Vec::new(),
    }
}

fn thinking(text: &str) -> Event<'_> {
    Event::Thinking {
        choice: 0,
        text: text.into(),
    }
}

fn signature() -> Event<'static> {
    Event::Signature {
        choice: 0,
        signature: Signature {
            family: Family::Anthropic,
            value: "sig==".to_owned(),
        },
        redacted: false,
    }
}

fn call(index: u32) -> Event<'static> {
    Event::ToolCall {
        choice: 0,
        index,
        id: format!("call_{index}").into(),
        name: "look".into(),
    }
}

fn arguments(index: u32, json: &str) -> Event<'_> {
    Event::Arguments {
        choice: 0,
        index,
        json: json.into(),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

fn used() -> Event<'static> {
    Event::Usage(Usage {
        prompt: 5,
        completion: 4,
        total: 9,
        cached: 2,
        cache_write: 1,
        reasoning: 3,
        source: UsageSource::Provider,
    })
}

fn stream(events: &[Event<'_>], error: Option<&ClientError>) -> String {
    let mut writer = Writer::new(reply());
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    match error {
        Some(error) => writer.fail(error, &mut out),
        None => writer.finish(&mut out),
    }
    let end = out.len();
    writer.finish(&mut out);
    writer.write(&text("late"), &mut out);
    assert_eq!(out.len(), end, "nothing follows the last event");
    String::from_utf8(out.to_vec()).unwrap()
}

/// The data of each event; each is framed as it should be.
fn events(stream: &str) -> Vec<Value> {
    let frames: Vec<&str> = stream.split_terminator("\n\n").collect();
    let event = |frame: &&str| {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    frames.iter().map(event).collect()
}

/// Replays events as the SDKs do, and answers with the last.
fn replay(stream: &str) -> Value {
    let events = events(stream);
    let mut items: BTreeMap<u64, Value> = BTreeMap::new();
    let mut done: BTreeMap<u64, Value> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
        if let Some(response) = event.get("response") {
            assert_eq!(response["id"], "resp_0123");
        }
        let kind = event["type"].as_str().unwrap();
        let place = event["output_index"].as_u64();
        match kind {
            "response.output_item.added" => {
                let place = place.unwrap();
                assert_eq!(place, items.len() as u64);
                assert_eq!(event["item"]["status"], "in_progress");
                items.insert(place, event["item"].clone());
                continue;
            }
            "response.output_item.done" => {
                let place = place.unwrap();
                let item = &event["item"];
                // What was added up is what the whole item says.
                for field in ["id", "type", "content", "arguments", "summary", "call_id"] {
                    assert_eq!(items[&place][field], item[field], "{field}");
                }
                assert!(done.insert(place, item.clone()).is_none());
                continue;
            }
            _ => {}
        }
        if let Some(place) = place {
            assert!(!done.contains_key(&place), "{kind} after its item's end");
            let item = items.get_mut(&place).expect("an item that was added");
            assert_eq!(event["item_id"], item["id"]);
            apply(kind, event, item);
        }
    }
    let last = events.last().unwrap().clone();
    if last["type"] != "error" {
        let output = last["response"]["output"].as_array().unwrap();
        let whole: Vec<&Value> = done.values().collect();
        assert_eq!(output.iter().collect::<Vec<_>>(), whole);
        if last["type"] != "response.failed" {
            assert_eq!(items.len(), done.len(), "every item ends");
        }
    }
    last
}

fn apply(kind: &str, event: &Value, item: &mut Value) {
    let append = |text: &mut Value| {
        let whole = format!(
            "{}{}",
            text.as_str().unwrap(),
            event["delta"].as_str().unwrap()
        );
        *text = whole.into();
    };
    let content = event["content_index"].as_u64().unwrap_or(0) as usize;
    match kind {
        "response.content_part.added" => {
            let parts = item["content"].as_array_mut().unwrap();
            assert_eq!(parts.len(), content);
            parts.push(event["part"].clone());
        }
        "response.output_text.delta" => {
            append(&mut item["content"][content]["text"]);
            let logprobs = item["content"][content]["logprobs"].as_array_mut().unwrap();
            logprobs.extend_from_slice(event["logprobs"].as_array().unwrap());
        }
        "response.output_text.done" => {
            assert_eq!(item["content"][content]["text"], event["text"]);
            assert_eq!(item["content"][content]["logprobs"], event["logprobs"]);
        }
        "response.refusal.delta" => append(&mut item["content"][content]["refusal"]),
        "response.refusal.done" => {
            assert_eq!(item["content"][content]["refusal"], event["refusal"]);
        }
        "response.content_part.done" => assert_eq!(item["content"][content], event["part"]),
        "response.reasoning_summary_part.added" => {
            let parts = item["summary"].as_array_mut().unwrap();
            assert_eq!(event["summary_index"], parts.len());
            parts.push(event["part"].clone());
        }
        "response.reasoning_summary_text.delta" => append(&mut item["summary"][0]["text"]),
        "response.reasoning_summary_text.done" => {
            assert_eq!(item["summary"][0]["text"], event["text"]);
        }
        "response.reasoning_summary_part.done" => assert_eq!(item["summary"][0], event["part"]),
        "response.function_call_arguments.delta" => append(&mut item["arguments"]),
        "response.function_call_arguments.done" => {
            assert_eq!(item["arguments"], event["arguments"]);
        }
        other => panic!("an event of its own: {other}"),
    }
}

/// A stream whose states hold only what changes in them; that they repeat the request is seen in one.
fn short(stream: &str) -> String {
    let mut lines = String::new();
    for mut event in events(stream) {
        if let Some(response) = event.get_mut("response").and_then(Value::as_object_mut) {
            let kept = [
                "id",
                "status",
                "output",
                "usage",
                "error",
                "incomplete_details",
            ];
            response.retain(|name, _| kept.contains(&name.as_str()));
        }
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    lines
}

#[test]
fn a_text_is_streamed_as_one_message() {
    let logprobs = vec![TokenLogprob {
        token: "lo".to_owned(),
        logprob: -0.5,
        bytes: None,
        top: vec![],
    }];
    let more = Event::Text {
        choice: 0,
        text: "lo\n".into(),
        logprobs,
    };
    let stream = stream(
        &[begin(), text("Hel"), more, finish(Finish::Stop), used()],
        None,
    );
    replay(&stream);
    insta::assert_snapshot!("text", stream);
}

#[test]
fn reasoning_and_calls_side_by_side_are_items_of_their_own() {
    let stream = stream(
        &[
            begin(),
            thinking("Let me "),
            thinking("look."),
            signature(),
            text("I look."),
            call(0),
            call(1),
            arguments(0, "{\"a\":"),
            arguments(1, "{}"),
            arguments(0, "1}"),
            call(2),
            finish(Finish::ToolCalls),
            used(),
        ],
        None,
    );
    replay(&stream);
    insta::assert_snapshot!("reasoning_and_parallel_calls", short(&stream));
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let refusal = Event::Refusal {
        choice: 0,
        text: "I won't.".into(),
    };
    let stream = stream(
        &[
            begin(),
            text("Hm. "),
            refusal,
            finish(Finish::Refused(None)),
        ],
        None,
    );
    assert_eq!(replay(&stream)["type"], "response.completed");
    insta::assert_snapshot!("refusal", short(&stream));
}

#[test]
fn an_answer_that_was_cut_off_is_incomplete() {
    let stream = stream(
        &[
            begin(),
            call(0),
            arguments(0, "{\"a"),
            finish(Finish::Length),
            text("late"),
            used(),
        ],
        None,
    );
    assert_eq!(replay(&stream)["type"], "response.incomplete");
    insta::assert_snapshot!("incomplete", short(&stream));
}

#[test]
fn a_failure_is_an_error_that_sdks_raise_and_the_state_that_is_left() {
    let error = ClientError::new(ErrorKind::BadGateway, "the provider broke off");
    let begun = stream(&[begin(), thinking("Hm."), text("Hel")], Some(&error));
    assert_eq!(replay(&begun)["type"], "response.failed");
    insta::assert_snapshot!("failure", short(&begun));
    let unbegun = events(&stream(&[], Some(&error)));
    assert_eq!(unbegun.len(), 1);
    assert_eq!(
        (&unbegun[0]["type"], &unbegun[0]["sequence_number"]),
        (&Value::from("error"), &Value::from(0))
    );
}

#[track_caller]
fn ends(finish_reason: Finish, kind: &str, reason: Option<&str>, output: &str) {
    let last = replay(&stream(&[begin(), finish(finish_reason)], None));
    assert_eq!(last["type"], kind);
    let response = &last["response"];
    assert_eq!(response["incomplete_details"]["reason"].as_str(), reason);
    assert_eq!(
        response["output"][0]["content"][0]["refusal"]
            .as_str()
            .unwrap_or_default(),
        output
    );
}

#[test]
fn each_finish_has_its_last_event() {
    let (done, cut) = ("response.completed", "response.incomplete");
    let (limit, filter) = (Some("max_output_tokens"), Some("content_filter"));
    ends(Finish::Stop, done, None, "");
    ends(Finish::StopSequence(None), done, None, "");
    ends(Finish::ToolCalls, done, None, "");
    ends(Finish::Length, cut, limit, "");
    ends(Finish::ContextLength, cut, limit, "");
    ends(Finish::Paused, cut, limit, "");
    ends(Finish::Filtered(None), cut, filter, "");
    ends(Finish::Refused(None), cut, filter, "");
    ends(Finish::Refused(Some("cyber".into())), done, None, "cyber");
}

#[test]
fn what_comes_late_or_for_another_answer_is_ignored() {
    let other = Event::Text {
        choice: 1,
        text: "other".into(),
        logprobs: Vec::new(),
    };
    let last = replay(&stream(
        &[
            arguments(7, "{}"),
            other,
            call(0),
            arguments(0, "{}"),
            text("a"),
            arguments(0, "{}"),
            call(0),
            finish(Finish::Stop),
            text("b"),
            begin(),
        ],
        None,
    ));
    let output = last["response"]["output"].as_array().unwrap();
    assert_eq!(output.len(), 2);
    assert_eq!(output[0]["arguments"], "{}");
    assert_eq!(output[1]["content"][0]["text"], "a");
    assert_eq!(last["response"]["model"], "some-model");
}

#[test]
fn hidden_reasoning_and_pictures_have_items() {
    let redacted = Event::Signature {
        choice: 0,
        signature: Signature {
            family: Family::Anthropic,
            value: "xyz".to_owned(),
        },
        redacted: true,
    };
    let picture = |source| Event::Image {
        choice: 0,
        media: Media {
            media_type: None,
            source,
        },
    };
    let last = replay(&stream(
        &[
            redacted,
            picture(Source::Inline("AAAA".to_owned())),
            picture(Source::Url("https://x.test/".to_owned())),
        ],
        None,
    ));
    let output = &last["response"]["output"];
    assert_eq!(output[0]["encrypted_content"], "lo1.anthropic.redacted:xyz");
    assert_eq!(
        (&output[1]["type"], &output[1]["result"]),
        (&Value::from("image_generation_call"), &Value::from("AAAA"))
    );
    assert_eq!(output[2]["content"][0]["text"], "![image](https://x.test/)");
    assert_eq!(output.as_array().unwrap().len(), 3);
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let choice = prop_oneof![9 => Just(0_u32), 1 => Just(1)];
    let piece = "[{}\"a\n😀]{0,4}";
    (0_u8..11, choice, 0_u32..4, piece).prop_map(|(kind, choice, index, piece)| match kind {
        0 => begin(),
        1 => used(),
        2 => Event::Refusal {
            choice,
            text: piece.into(),
        },
        3 => Event::Thinking {
            choice,
            text: piece.into(),
        },
        4 => signature(),
        5 | 6 => Event::ToolCall {
            choice,
            index,
            id: format!("call_{index}").into(),
            name: "look".into(),
        },
        7 => Event::Arguments {
            choice,
            index,
            json: "{}".into(),
        },
        8 => Event::Arguments {
            choice,
            index,
            json: piece.into(),
        },
        9 => Event::Image {
            choice,
            media: Media {
                media_type: None,
                source: Source::Inline(piece),
            },
        },
        _ => Event::Text {
            choice,
            text: piece.into(),
            logprobs: Vec::new(),
        },
    })
}

proptest! {
    #[test]
    fn whatever_happens_the_events_fit_together(
        mut events in prop::collection::vec(any_event(), 0..24),
        end in prop::option::of(0_usize..24),
        fails in any::<bool>(),
    ) {
        if let Some(end) = end {
            events.insert(end.min(events.len()), finish(Finish::Length));
        }
        let error = ClientError::new(ErrorKind::Internal, "x");
        replay(&stream(&events, fails.then_some(&error)));
    }
}
