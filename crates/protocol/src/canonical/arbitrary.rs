//! Pieces of the canonical form, for properties: whatever they hold, every format can say it.

use proptest::prelude::*;

use super::{Json, Media, Message, Part, Role, Source, Tool, ToolCall, ToolResult};
use crate::{Usage, UsageSource};

/// Text of any characters; never empty.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{1,24}",
        1 => "\\PC{1,12}",
        1 => "[\"\\\\\n\r\t\u{2028}é😀{}]{1,8}",
    ]
}

/// A name that every format takes for tools and calls.
pub(crate) fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9_]{0,20}"
}

/// An object of JSON, as serde writes it.
pub(crate) fn object() -> impl Strategy<Value = Json> {
    prop::collection::btree_map(text(), text(), 0..3).prop_map(|members| Json::of(&members))
}

/// A picture, as base64.
pub(crate) fn picture() -> impl Strategy<Value = Media> {
    let kinds = prop::sample::select(vec!["image/png", "image/jpeg", "image/gif", "image/webp"]);
    (kinds, "([A-Za-z0-9+/]{4}){1,4}").prop_map(|(kind, data)| Media {
        media_type: Some(kind.to_owned()),
        source: Source::Inline(data),
    })
}

/// A tool; its schema is closed.
pub(crate) fn tool() -> impl Strategy<Value = Tool> {
    let schema = name().prop_map(|property| {
        let schema = serde_json::json!({
            "type": "object",
            "properties": {property.clone(): {"type": "string"}},
            "required": [property],
            "additionalProperties": false,
        });
        Json::of(&schema)
    });
    (name(), prop::option::of(text()), prop::option::of(schema)).prop_map(
        |(name, description, parameters)| Tool {
            name,
            description,
            parameters,
            strict: None,
            cache: None,
        },
    )
}

/// What a person says: texts and pictures.
pub(crate) fn user() -> impl Strategy<Value = Message> {
    let picture = picture().prop_map(|media| Part::Image {
        media,
        detail: None,
        cache: None,
    });
    let part = prop_oneof![3 => text().prop_map(Part::text), 1 => picture];
    prop::collection::vec(part, 1..4).prop_map(|parts| Message::new(Role::User, parts))
}

/// A turn of the assistant's with one text, and the results of the calls it makes, if any. Ids hold `turn`, so that they are
/// unique in a conversation.
pub(crate) fn turn(turn: usize) -> impl Strategy<Value = Vec<Message>> {
    let calls = prop::collection::vec((name(), object(), text()), 0..3);
    (text(), calls).prop_map(move |(text, calls)| {
        let mut said = vec![Part::text(text)];
        let mut results = Vec::new();
        for (index, (name, arguments, answer)) in calls.into_iter().enumerate() {
            let id = format!("call_{turn}_{index}");
            said.push(Part::ToolCall(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments,
                cache: None,
            }));
            results.push(Part::ToolResult(ToolResult {
                call_id: id,
                name,
                content: vec![Part::text(answer)],
                object: None,
                is_error: false,
                cache: None,
            }));
        }
        let mut messages = vec![Message::new(Role::Assistant, said)];
        if !results.is_empty() {
            messages.push(Message::new(Role::Tool, results));
        }
        messages
    })
}

/// A conversation that begins with a system prompt and ends with the person.
pub(crate) fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let rounds = (user(), turn(0), user(), turn(1), user(), 0_usize..3);
    (text(), rounds).prop_map(|(system, (first, one, second, two, third, rounds))| {
        let mut messages = vec![Message::new(Role::System, vec![Part::text(system)]), first];
        if rounds > 0 {
            messages.extend(one);
            messages.push(second);
        }
        if rounds > 1 {
            messages.extend(two);
            messages.push(third);
        }
        messages
    })
}

/// What a provider says it used; the details are parts of the totals.
pub(crate) fn usage() -> impl Strategy<Value = Usage> {
    let count = 0_u64..100_000;
    (
        count.clone(),
        count.clone(),
        count.clone(),
        count.clone(),
        count,
    )
        .prop_map(|(fresh, cached, cache_write, reasoning, visible)| {
            let (prompt, completion) = (fresh + cached + cache_write, reasoning + visible);
            Usage {
                prompt,
                completion,
                total: prompt + completion,
                cached,
                cache_write,
                reasoning,
                source: UsageSource::Provider,
            }
        })
}
