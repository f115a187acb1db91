//! Parts: what a turn is made of, and how signatures stand on them.
//!
//! In the canonical form a signature ends the reasoning it belongs to; Gemini puts it on the part that follows. So on the
//! way in, a signed part gives the reasoning before it its signature (or stands after hidden reasoning), and on the way out
//! the next part takes it; where none follows, an empty text does. Anthropic's redacted reasoning, which only stands here
//! when it is carried for its maker, is a thought of its own without text.

mod read;
mod write;

pub(super) use read::{PartIn, Parts, media_part, read_signature};
pub(super) use write::{
    FunctionCall, FunctionResponse, PartOut, media_type_of, vouch, write_media, write_parts,
};

/// What Gemini 3 accepts where a call in the history was not made by it.
pub(super) const PLACEHOLDER: &str = "skip_thought_signature_validator";
