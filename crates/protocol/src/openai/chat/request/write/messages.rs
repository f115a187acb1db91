//! The conversation.

use std::borrow::Cow;

use serde::Serialize;

use super::call_id;
use crate::{
    canonical::{
        Detail, Media, Message as Canonical, Part as CanonicalPart, Role, Source, ToolResult,
    },
    feature::Feature,
    openai::media,
    translate::Unsayable,
};

/// A message.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

/// One text as such, which every compatible server reads; anything else as a list of parts.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: Cow<'a, str> },
    Refusal { refusal: &'a str },
    ImageUrl { image_url: Image },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct Image {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Serialize)]
struct Audio<'a> {
    data: &'a str,
    format: &'static str,
}

#[derive(Serialize)]
struct File<'a> {
    file_data: String,
    filename: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Writes the conversation.
pub(super) fn write(messages: &[Canonical]) -> Result<Vec<Message<'_>>, Unsayable> {
    let mut written = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => written.push(said("system", message)?),
            Role::Developer => written.push(said("developer", message)?),
            Role::User => written.push(said("user", message)?),
            Role::Assistant => written.push(said("assistant", message)?),
            Role::Tool => results(&message.parts, &mut written)?,
        }
    }
    Ok(written)
}

fn said<'a>(role: &'static str, message: &'a Canonical) -> Result<Message<'a>, Unsayable> {
    let mut parts = Vec::with_capacity(message.parts.len());
    let mut tool_calls = Vec::new();
    for part in &message.parts {
        if let CanonicalPart::ToolCall(call) = part {
            tool_calls.push(Call {
                id: call_id::write(&call.id),
                r#type: "function",
                function: Function {
                    name: &call.name,
                    arguments: call.arguments.get(),
                },
            });
            continue;
        }
        let Some(part) = content(part)? else { continue };
        let is_text = matches!(part, Part::Text { .. } | Part::Refusal { .. });
        if role != "user" && !is_text {
            return Err(Unsayable {
                feature: Feature::OtherContent,
                why: "Chat Completions takes media from the user only".into(),
            });
        }
        parts.push(part);
    }
    let is_mute = parts.is_empty() && !tool_calls.is_empty();
    Ok(Message {
        role,
        content: (!is_mute).then(|| Content::of(parts)),
        name: message.name.as_deref(),
        tool_call_id: None,
        tool_calls,
    })
}

impl<'a> Content<'a> {
    fn of(mut parts: Vec<Part<'a>>) -> Self {
        if parts.is_empty() {
            return Self::Text(Cow::Borrowed(""));
        }
        match parts.as_mut_slice() {
            [Part::Text { text }] => Self::Text(std::mem::take(text)),
            _ => Self::Parts(parts),
        }
    }
}

/// A part of a message's content. Calls and results do not stand there, and reasoning nowhere in a request.
fn content(part: &CanonicalPart) -> Result<Option<Part<'_>>, Unsayable> {
    Ok(Some(match part {
        CanonicalPart::Text { text, .. } => Part::Text { text: text.into() },
        CanonicalPart::Refusal(refusal) => Part::Refusal { refusal },
        CanonicalPart::Image { media, detail, .. } => Part::ImageUrl {
            image_url: Image {
                url: media::url(media).ok_or(Unsayable {
                    feature: Feature::FileId,
                    why: "Chat Completions takes pictures by URL or inline only".into(),
                })?,
                detail: detail.map(word),
            },
        },
        CanonicalPart::Audio(media) => Part::InputAudio {
            input_audio: audio(media)?,
        },
        CanonicalPart::File { media, name, .. } => file(media, name.as_deref())?,
        CanonicalPart::ToolCall(_) | CanonicalPart::ToolResult(_) | CanonicalPart::Thinking(_) => {
            return Ok(None);
        }
    }))
}

fn word(detail: Detail) -> &'static str {
    match detail {
        Detail::Auto => "auto",
        Detail::Low => "low",
        Detail::High => "high",
        Detail::Original => "original",
    }
}

fn audio(media: &Media) -> Result<Audio<'_>, Unsayable> {
    let format = match media.media_type.as_deref() {
        Some("audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave") => "wav",
        Some("audio/mpeg" | "audio/mp3") => "mp3",
        _ => "",
    };
    match &media.source {
        Source::Inline(data) if !format.is_empty() => Ok(Audio { data, format }),
        _ => Err(Unsayable {
            feature: Feature::Audio,
            why: "Chat Completions takes sound as inline WAV or MP3 only".into(),
        }),
    }
}

fn file<'a>(media: &'a Media, name: Option<&'a str>) -> Result<Part<'a>, Unsayable> {
    match &media.source {
        Source::Text(text) => Ok(Part::Text { text: text.into() }),
        Source::Inline(data) => {
            let media_type = media.media_type.as_deref();
            let media_type = media_type.unwrap_or("application/octet-stream");
            let unnamed = match media_type {
                "application/pdf" => "document.pdf",
                "text/plain" => "document.txt",
                _ => "document",
            };
            Ok(Part::File {
                file: File {
                    file_data: format!("data:{media_type};base64,{data}"),
                    filename: name.unwrap_or(unnamed),
                },
            })
        }
        Source::Url(_) | Source::FileId(_) => Err(Unsayable {
            feature: Feature::FileUrl,
            why: "Chat Completions takes files inline only".into(),
        }),
    }
}

/// One message for each result. What of them is no text follows in a message of the user's, since a tool's may not hold it.
fn results<'a>(
    parts: &'a [CanonicalPart],
    written: &mut Vec<Message<'a>>,
) -> Result<(), Unsayable> {
    let mut media = Vec::new();
    for part in parts {
        let CanonicalPart::ToolResult(result) = part else {
            continue;
        };
        let texts = result_text(result, &mut media)?;
        written.push(Message {
            role: "tool",
            content: Some(Content::of(texts)),
            name: None,
            tool_call_id: Some(call_id::write(&result.call_id)),
            tool_calls: Vec::new(),
        });
    }
    if !media.is_empty() {
        written.push(Message {
            role: "user",
            content: Some(Content::Parts(media)),
            name: None,
            tool_call_id: None,
            tool_calls: Vec::new(),
        });
    }
    Ok(())
}

/// The texts of a result; what else it holds goes to `media`, after a line that says whose it is.
fn result_text<'a>(
    result: &'a ToolResult,
    media: &mut Vec<Part<'a>>,
) -> Result<Vec<Part<'a>>, Unsayable> {
    let mut texts = Vec::new();
    let mut others = Vec::new();
    for part in &result.content {
        match content(part)? {
            Some(part @ Part::Text { .. }) => texts.push(part),
            Some(part) => others.push(part),
            None => {}
        }
    }
    if !others.is_empty() {
        let name = &result.name;
        let id = call_id::write(&result.call_id);
        media.push(Part::Text {
            text: format!("Result of the call {id} of {name}:").into(),
        });
        media.append(&mut others);
        if texts.is_empty() {
            texts.push(Part::Text {
                text: "The result is in the next message of the user.".into(),
            });
        }
    }
    if result.is_error {
        match texts.first_mut() {
            Some(Part::Text { text }) => text.to_mut().insert_str(0, "Error: "),
            _ => texts.push(Part::Text {
                text: "Error".into(),
            }),
        }
    }
    Ok(texts)
}
