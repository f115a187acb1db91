use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Format, Traits,
    canonical::{
        Effort, Extra, Family, Json, JsonSchema, Media, Message, Output, Part, Reasoning,
        ReasoningMode, Request, Role, Signature, Source, Thinking, Tool, ToolCall, ToolChoice,
        ToolResult, arbitrary,
    },
    feature::Feature,
    translate::Target,
};

mod reading;
mod writing;

fn target() -> Target<'static> {
    Target {
        model: "up",
        traits: Traits::of(Format::Chat, "up"),
    }
}

fn written(request: &Request) -> Value {
    let body = write(request, &target(), &mut Vec::new()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

proptest! {
    #[test]
    fn what_chat_can_say_comes_back_as_it_was(
        messages in arbitrary::conversation(),
        tools in prop::collection::vec(arbitrary::tool(), 0..3),
        max_tokens in prop::option::of(1_u64..100_000),
        stop in prop::collection::vec(arbitrary::text(), 0..=4),
        seed: Option<i64>,
        stream: bool,
        user in prop::option::of(arbitrary::text()),
    ) {
        let tool_choice = (!tools.is_empty()).then_some(ToolChoice::Required);
        let request = Request { messages, tool_choice, tools, max_tokens, stop, seed, stream, user, ..Request::default() };
        let body = write(&request, &target(), &mut Vec::new()).unwrap();
        prop_assert_eq!(read(&body).unwrap(), request);
    }

    #[test]
    fn no_body_makes_the_reader_panic(body in any::<Vec<u8>>()) {
        let _ = read(&body);
    }

    #[test]
    fn no_value_in_any_place_makes_the_reader_panic(place in 0..PLACES.len(), value in 0..ODD.len()) {
        let body = PLACES[place].replace('@', ODD[value]);
        let _ = read(body.as_bytes());
    }
}

const ODD: [&str; 12] = [
    "null",
    "true",
    "-1",
    "1e400",
    "18446744073709551616",
    r#""""#,
    r#""\ud800""#,
    "[]",
    "{}",
    "[[[]]]",
    r#"[{"type":"text"}]"#,
    r#"{"":{"":1}}"#,
];

const PLACES: [&str; 16] = [
    "@",
    r#"{"messages":@}"#,
    r#"{"messages":[@]}"#,
    r#"{"messages":[{"role":@}]}"#,
    r#"{"messages":[{"role":"user","content":@}]}"#,
    r#"{"messages":[{"role":"user","content":[@]}]}"#,
    r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":@}]}]}"#,
    r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":@}}]}]}"#,
    r#"{"messages":[{"role":"assistant","tool_calls":@}]}"#,
    r#"{"messages":[{"role":"assistant","tool_calls":[{"id":@,"function":@}]}]}"#,
    r#"{"messages":[{"role":"assistant","thinking_blocks":[{"type":"thinking","position":@}]}]}"#,
    r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":@}}]}"#,
    r#"{"messages":[],"tool_choice":@}"#,
    r#"{"messages":[],"response_format":{"type":"json_schema","json_schema":@}}"#,
    r#"{"messages":[],"stop":@}"#,
    r#"{"messages":[],"metadata":@}"#,
];
