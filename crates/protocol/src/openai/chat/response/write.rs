//! Writing an answer for a client.

use serde::Serialize;

use crate::{
    Reply,
    canonical::{Choice, Finish, Part, Response, ToolCall},
    openai::{
        chat::{
            images::Image,
            logprobs::Logprobs,
            thinking::{Block, Pieces},
        },
        usage,
    },
};

#[derive(Serialize)]
struct Wire<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<WireChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct WireChoice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<Logprobs>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<Block>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes an answer for a client.
pub(crate) fn write(response: &Response, reply: &Reply) -> Vec<u8> {
    let wire = Wire {
        id: super::id(response.id.as_deref(), &reply.id),
        object: "chat.completion",
        created: response.created.unwrap_or(reply.created),
        model: response.model.as_deref().unwrap_or(&reply.model),
        choices: response.choices.iter().map(choice).collect(),
        usage: response.usage.as_ref().map(usage::Told::of),
        service_tier: response.service_tier.as_deref().and_then(service_tier),
    };
    serde_json::to_vec(&wire).expect("keys of our types are strings")
}

/// The class of service in OpenAI's words; those of others that mean nothing to its clients are not told.
fn service_tier(told: &str) -> Option<&'static str> {
    match told {
        "default" | "standard" => Some("default"),
        "flex" => Some("flex"),
        "scale" => Some("scale"),
        "priority" => Some("priority"),
        _ => None,
    }
}

fn choice(choice: &Choice) -> WireChoice<'_> {
    let mut message = message(&choice.parts);
    if let (Finish::Refused(Some(why)), None) = (&choice.finish, &message.refusal) {
        message.refusal = Some(why.clone());
    }
    WireChoice {
        index: choice.index,
        finish_reason: super::finish_reason(&choice.finish, message.refusal.is_some()),
        message,
        logprobs: Logprobs::of(&choice.logprobs),
    }
}

fn message(parts: &[Part]) -> Message<'_> {
    let mut message = Message {
        role: "assistant",
        content: None,
        refusal: None,
        reasoning_content: String::new(),
        thinking_blocks: Vec::new(),
        images: Vec::new(),
        tool_calls: Vec::new(),
    };
    let mut pieces = Pieces::default();
    let mut is_signed = false;
    for part in parts {
        pieces.note(part);
        match part {
            Part::Text { text, .. } => message.content.get_or_insert_default().push_str(text),
            Part::Refusal(text) => message.refusal.get_or_insert_default().push_str(text),
            Part::Thinking(thinking) => {
                is_signed |= thinking.signature.is_some();
                message.reasoning_content.push_str(&thinking.text);
                let block = Block::of(thinking, pieces.count());
                message.thinking_blocks.push(block);
            }
            Part::ToolCall(call) => message.tool_calls.push(Call::of(call)),
            Part::Image { media, .. } => message.images.extend(Image::of(media, None)),
            // No model answers with these.
            Part::File { .. } | Part::Audio(_) | Part::ToolResult(_) => {}
        }
    }
    if !is_signed {
        message.thinking_blocks.clear();
    }
    let says_otherwise =
        message.refusal.is_some() || !message.images.is_empty() || !message.tool_calls.is_empty();
    if message.content.is_none() && !says_otherwise {
        message.content = Some(String::new());
    }
    message
}

impl<'a> Call<'a> {
    fn of(call: &'a ToolCall) -> Self {
        Self {
            id: &call.id,
            r#type: "function",
            function: Function {
                name: &call.name,
                arguments: call.arguments.get(),
            },
        }
    }
}
