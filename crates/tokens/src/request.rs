//! A whole request.

use protocol::canonical::{
    Detail, Message, Output, Part, Request, Source, Thinking, Tool, ToolCall, ToolResult,
};

use crate::count;

/// Tokens by which a message is framed, as OpenAI's cookbook has it.
const PER_MESSAGE: u64 = 3;
/// Tokens that begin the answer.
const PER_ANSWER: u64 = 3;
/// Tokens around a tool's declaration, and around a call or result.
const PER_TOOL: u64 = 8;
/// Of a picture of 1024 x 1024 in detail, and of any picture without (OpenAI, "Images and vision").
const IMAGE: u64 = 765;
const IMAGE_WITHOUT_DETAIL: u64 = 85;
/// Bytes of a document or sound, as base64, for each token: a page of a PDF is some 1,500 tokens and 60 kB.
const BASE64_BYTES_PER_TOKEN: usize = 40;
/// Of media that is somewhere else, whose size is not known.
const REMOTE: u64 = 1500;

/// Tokens of input that `request` would take; an estimate. Takes time in proportion to the request: about 10 ms for
/// 100 kB of text.
#[must_use]
pub fn count_request(request: &Request) -> u64 {
    let messages: u64 = request.messages.iter().map(message).sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    let output = match &request.output {
        Output::JsonSchema(schema) => count(schema.schema.get()),
        Output::Text | Output::JsonObject => 0,
    };
    messages + tools + output + PER_ANSWER
}

fn message(message: &Message) -> u64 {
    let parts: u64 = message.parts.iter().map(part).sum();
    PER_MESSAGE + parts + message.name.as_deref().map_or(0, count)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => count(text),
        Part::Image {
            detail: Some(Detail::Low),
            ..
        } => IMAGE_WITHOUT_DETAIL,
        Part::Image { .. } => IMAGE,
        Part::File { media, .. } | Part::Audio(media) => match &media.source {
            Source::Inline(base64) => (base64.len() / BASE64_BYTES_PER_TOKEN) as u64,
            Source::Text(text) => count(text),
            Source::Url(_) | Source::FileId(_) => REMOTE,
        },
        Part::ToolCall(ToolCall {
            name, arguments, ..
        }) => PER_TOOL + count(name) + count(arguments.get()),
        Part::ToolResult(result) => tool_result(result),
        Part::Thinking(Thinking { text, .. }) => count(text),
    }
}

fn tool_result(result: &ToolResult) -> u64 {
    PER_TOOL + result.content.iter().map(part).sum::<u64>()
}

fn tool(tool: &Tool) -> u64 {
    let text = |text: Option<&str>| text.map_or(0, count);
    PER_TOOL
        + count(&tool.name)
        + text(tool.description.as_deref())
        + text(tool.parameters.as_ref().map(protocol::canonical::Json::get))
}

#[cfg(test)]
mod tests {
    use protocol::canonical::{Json, Media, Role};

    use super::*;

    fn request(parts: Vec<Part>) -> Request {
        Request {
            messages: vec![Message::new(Role::User, parts)],
            ..Request::default()
        }
    }

    #[test]
    fn a_message_is_its_text_and_its_frame() {
        // The cookbook's count of one user message "hello world", which it gives as 3 + 1 (role) + 2 + 3: the role's token is
        // part of the frame here.
        assert_eq!(count_request(&request(vec![Part::text("hello world")])), 8);
    }

    #[test]
    fn whatever_a_request_holds_counts() {
        let plain = count_request(&request(vec![Part::text("hello")]));
        let media = |source| Media {
            media_type: Some("application/pdf".into()),
            source,
        };
        let call = ToolCall {
            id: "a".into(),
            name: "look".into(),
            arguments: Json::parse(r#"{"at":"sky"}"#).unwrap(),
            cache: None,
        };
        for more in [
            Part::Image {
                media: media(Source::Inline("aaaa".into())),
                detail: None,
                cache: None,
            },
            Part::File {
                media: media(Source::Inline("a".repeat(4000))),
                name: None,
                cache: None,
            },
            Part::File {
                media: media(Source::Url("https://example.com/a.pdf".into())),
                name: None,
                cache: None,
            },
            Part::ToolCall(call),
            Part::Thinking(Thinking {
                text: "let me see".into(),
                ..Thinking::default()
            }),
        ] {
            let name = format!("{more:?}");
            assert!(
                count_request(&request(vec![Part::text("hello"), more])) > plain,
                "{name}"
            );
        }
        let tool = Tool {
            name: "look".into(),
            description: Some("looks".into()),
            parameters: None,
            strict: None,
            cache: None,
        };
        let with_tool = Request {
            tools: vec![tool],
            ..request(vec![Part::text("hello")])
        };
        assert!(count_request(&with_tool) > plain);
    }
}
