//! Writing the items of `input`.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    canonical::{Detail, Media, Message, Part, Role, Source, ToolCall, ToolResult},
    feature::Feature,
    openai::responses::{reasoning::own, request::call_ids::CallIds},
    translate::Unsayable,
};

/// An item of `input`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        role: &'static str,
        content: Content<'a>,
    },
    FunctionCall {
        call_id: String,
        name: &'a str,
        arguments: &'a str,
    },
    FunctionCallOutput {
        call_id: String,
        output: Content<'a>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<Piece<'a>>,
        encrypted_content: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Pieces(Vec<Piece<'a>>),
}

/// A part of an item.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    InputText {
        text: Cow<'a, str>,
    },
    OutputText {
        text: &'a str,
        annotations: [(); 0],
    },
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
    InputImage {
        image_url: Cow<'a, str>,
        detail: &'static str,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
    },
}

/// Writes the items of one message.
pub(super) fn items<'a>(
    message: &'a Message,
    ids: &CallIds<'a>,
    input: &mut Vec<Item<'a>>,
) -> Result<(), Unsayable> {
    match message.role {
        Role::Assistant => assistant(&message.parts, ids, input),
        Role::Tool => {
            for part in &message.parts {
                if let Part::ToolResult(result) = part {
                    input.push(output(result, ids)?);
                }
            }
            Ok(())
        }
        Role::System => said("system", &message.parts, input),
        Role::Developer => said("developer", &message.parts, input),
        Role::User => said("user", &message.parts, input),
    }
}

fn said<'a>(
    role: &'static str,
    parts: &'a [Part],
    input: &mut Vec<Item<'a>>,
) -> Result<(), Unsayable> {
    let content = content(parts)?;
    input.push(Item::Message { role, content });
    Ok(())
}

fn content(parts: &[Part]) -> Result<Content<'_>, Unsayable> {
    Ok(match parts {
        [] => Content::Text("".into()),
        [Part::Text { text, .. }] => Content::Text(text.into()),
        _ => Content::Pieces(parts.iter().map(piece).collect::<Result<_, _>>()?),
    })
}

fn piece(part: &Part) -> Result<Piece<'_>, Unsayable> {
    match part {
        Part::Text { text, .. } => Ok(Piece::InputText { text: text.into() }),
        Part::Image { media, detail, .. } => image(media, *detail),
        Part::File { media, name, .. } => file(media, name.as_deref()),
        Part::Audio(_) => Err(unsayable(Feature::Audio)),
        Part::Refusal(_) | Part::Thinking(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
            Err(unsayable(Feature::OtherContent))
        }
    }
}

fn unsayable(feature: Feature) -> Unsayable {
    Unsayable {
        feature,
        why: "the Responses API has no place for it in this turn".into(),
    }
}

fn image(media: &Media, detail: Option<Detail>) -> Result<Piece<'_>, Unsayable> {
    let image_url = match &media.source {
        Source::Inline(data) => {
            let media_type = media.media_type.as_deref().unwrap_or("image/png");
            format!("data:{media_type};base64,{data}").into()
        }
        Source::Url(url) => url.into(),
        Source::FileId(_) => return Err(unsayable(Feature::FileId)),
        Source::Text(_) => return Err(unsayable(Feature::ImageInline)),
    };
    let detail = match detail.unwrap_or(Detail::Auto) {
        Detail::Auto => "auto",
        Detail::Low => "low",
        Detail::High => "high",
        Detail::Original => "original",
    };
    Ok(Piece::InputImage { image_url, detail })
}

/// A file needs a name where it is inline. A text has no type of part for itself and is told as such, under its name.
fn file<'a>(media: &'a Media, name: Option<&'a str>) -> Result<Piece<'a>, Unsayable> {
    match &media.source {
        Source::Inline(data) => {
            let media_type = media.media_type.as_deref().unwrap_or("application/pdf");
            let unnamed = if media_type == "application/pdf" {
                "document.pdf"
            } else {
                "document"
            };
            Ok(Piece::InputFile {
                filename: Some(name.unwrap_or(unnamed).into()),
                file_data: Some(format!("data:{media_type};base64,{data}")),
                file_url: None,
            })
        }
        Source::Url(url) => Ok(Piece::InputFile {
            filename: name.map(Into::into),
            file_data: None,
            file_url: Some(url),
        }),
        Source::FileId(_) => Err(unsayable(Feature::FileId)),
        Source::Text(text) => Ok(Piece::InputText {
            text: match name {
                Some(name) => format!("{name}:\n\n{text}").into(),
                None => text.into(),
            },
        }),
    }
}

/// A result says in its text that it is an error, since it has no mark for that.
fn output<'a>(result: &'a ToolResult, ids: &CallIds<'a>) -> Result<Item<'a>, Unsayable> {
    let mut output = content(&result.content)?;
    if result.is_error {
        const MARK: &str = "Error: ";
        match &mut output {
            Content::Text(text) => *text = format!("{MARK}{text}").into(),
            Content::Pieces(pieces) => pieces.insert(0, Piece::InputText { text: MARK.into() }),
        }
    }
    Ok(Item::FunctionCallOutput {
        call_id: ids.get(&result.call_id).to_owned(),
        output,
    })
}

/// A turn of the assistant's. Reasoning goes back only where it is this family's own, and only before something else: the API
/// refuses reasoning that nothing follows.
fn assistant<'a>(
    parts: &'a [Part],
    ids: &CallIds<'a>,
    input: &mut Vec<Item<'a>>,
) -> Result<(), Unsayable> {
    let begin = input.len();
    for part in parts {
        let piece = match part {
            Part::Text { text, .. } => Piece::OutputText {
                text,
                annotations: [],
            },
            Part::Refusal(refusal) => Piece::Refusal { refusal },
            Part::ToolCall(call) => {
                input.push(call_item(call, ids));
                continue;
            }
            Part::Thinking(thinking) => {
                if let Some((id, encrypted_content)) = thinking.signature.as_ref().and_then(own) {
                    input.push(Item::Reasoning {
                        id,
                        summary: (!thinking.text.is_empty())
                            .then_some(Piece::SummaryText {
                                text: &thinking.text,
                            })
                            .into_iter()
                            .collect(),
                        encrypted_content,
                    });
                }
                continue;
            }
            Part::Image { .. } | Part::File { .. } | Part::Audio(_) | Part::ToolResult(_) => {
                return Err(unsayable(Feature::OtherContent));
            }
        };
        match input.get_mut(begin..).and_then(<[_]>::last_mut) {
            Some(Item::Message {
                content: Content::Pieces(pieces),
                ..
            }) => pieces.push(piece),
            _ => input.push(Item::Message {
                role: "assistant",
                content: Content::Pieces(vec![piece]),
            }),
        }
    }
    while input.len() > begin && matches!(input.last(), Some(Item::Reasoning { .. })) {
        input.pop();
    }
    for item in input.iter_mut().skip(begin) {
        shorten(item);
    }
    Ok(())
}

/// A message of one text is that text. The API's own schema has parts of output only in messages with the id that they came
/// with, which nobody has kept; the API itself takes them without.
fn shorten(item: &mut Item<'_>) {
    if let Item::Message { content, .. } = item
        && let Content::Pieces(pieces) = content
        && let [Piece::OutputText { text, .. }] = pieces[..]
    {
        *content = Content::Text(text.into());
    }
}

fn call_item<'a>(call: &'a ToolCall, ids: &CallIds<'a>) -> Item<'a> {
    Item::FunctionCall {
        call_id: ids.get(&call.id).to_owned(),
        name: &call.name,
        arguments: call.arguments.get(),
    }
}
