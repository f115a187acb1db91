//! The turns of the conversation, as the format wants them: instructions apart, user first, no neighbours of one role.

use std::borrow::Cow;

use super::{Turn, block::Block};
use crate::{
    canonical::{Message, Part, Role},
    feature::Feature,
    translate::Unsayable,
};

/// Stands for the user's first turn where the assistant begins.
const FILLER: &str = ".";

/// The instructions and the turns.
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

/// Sorts `messages` into instructions and turns.
pub(super) fn of(messages: &[Message]) -> Result<Conversation<'_>, Unsayable> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System | Role::Developer => {
                instructions(message, &mut system)?;
                continue;
            }
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let mut content = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            if message.role == Role::Assistant && !is_said(part) {
                return Err(Unsayable {
                    feature: Feature::OtherContent,
                    why: "turns of the assistant's hold no images and no documents there".into(),
                });
            }
            content.extend(Block::of(part)?);
        }
        if content.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.append(&mut content),
            _ => turns.push(Turn { role, content }),
        }
    }
    if turns.first().is_none_or(|turn| turn.role == "assistant") {
        let content = vec![Block::text(FILLER)];
        turns.insert(
            0,
            Turn {
                role: "user",
                content,
            },
        );
    }
    for turn in &mut turns {
        // Stable: results stay in their order, and so does the rest.
        turn.content
            .sort_by_key(|block| turn.role == "user" && !block.is_result());
    }
    end_in_print(&mut turns);
    Ok(Conversation { system, turns })
}

/// Whether it is something that a model can have said there.
fn is_said(part: &Part) -> bool {
    matches!(
        part,
        Part::Text { .. } | Part::Refusal(_) | Part::Thinking(_) | Part::ToolCall(_)
    )
}

fn instructions<'a>(message: &'a Message, system: &mut Vec<Block<'a>>) -> Result<(), Unsayable> {
    for part in &message.parts {
        if !matches!(part, Part::Text { .. } | Part::Refusal(_)) {
            return Err(Unsayable {
                feature: Feature::OtherContent,
                why: "system messages hold text only there".into(),
            });
        }
        system.extend(Block::of(part)?);
    }
    Ok(())
}

/// A last turn of the assistant's must not end in white space.
fn end_in_print(turns: &mut [Turn<'_>]) {
    if let Some(Turn {
        role: "assistant",
        content,
    }) = turns.last_mut()
        && let Some(Block::Text { text, .. }) = content.last_mut()
        && text.ends_with(char::is_whitespace)
    {
        *text = Cow::Owned(text.trim_end().to_owned());
    }
}
