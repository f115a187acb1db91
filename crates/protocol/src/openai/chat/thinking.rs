//! Signed reasoning in Chat Completions: `thinking_blocks`, as other gateways write it.
//!
//! A block is `{"type": "thinking", "thinking", "signature"}` or `{"type": "redacted_thinking", "data"}`. Signatures are
//! always in their carried form, since no provider of this format makes any; a bare one comes from a history that another
//! gateway wrote, and is Anthropic's. Chat Completions tells reasoning, text and calls apart but not their order, which
//! signed reasoning depends on: `position` says how many pieces of the message (its text, its refusal, each picture and each
//! call) stand before the block; absent means none.

use serde::{Deserialize, Serialize};

use crate::canonical::{Family, Part, Signature, Thinking};

/// A block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Block {
    /// Which of them, in a stream: the SDKs' accumulators want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<usize>,
    /// `thinking` or `redacted_thinking`.
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<String>,
    /// Its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
    /// All of it, where it is redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
    /// How many pieces stand before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<usize>,
}

impl Block {
    /// How reasoning is written that stands after `position` pieces.
    pub(super) fn of(thinking: &Thinking, position: usize) -> Self {
        let signature = thinking.signature.as_ref().map(Signature::carried);
        let (signature, data) = if thinking.redacted {
            (None, signature)
        } else {
            (signature, None)
        };
        Self {
            index: None,
            kind: if thinking.redacted {
                "redacted_thinking"
            } else {
                "thinking"
            }
            .to_owned(),
            thinking: (!thinking.redacted).then(|| thinking.text.clone()),
            signature,
            data,
            position: (position > 0).then_some(position),
        }
    }

    /// The reasoning it is, if it is a block of either kind, and how many pieces stand before it.
    pub(super) fn read(self) -> Option<(usize, Thinking)> {
        let redacted = match self.kind.as_str() {
            "thinking" => false,
            "redacted_thinking" => true,
            _ => return None,
        };
        let proof = if redacted { self.data } else { self.signature };
        let thinking = Thinking {
            text: self.thinking.unwrap_or_default(),
            signature: proof
                .filter(|proof| !proof.is_empty())
                .map(|proof| Signature::read(proof.into(), Family::Anthropic)),
            redacted,
        };
        Some((self.position.unwrap_or(0), thinking))
    }
}

/// Counts the pieces of a message: the texts of one message are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    count: usize,
    has_text: bool,
    has_refusal: bool,
}

impl Pieces {
    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Text came.
    pub(super) fn text(&mut self) {
        self.count += usize::from(!self.has_text);
        self.has_text = true;
    }

    /// A piece of the refusal came.
    pub(super) fn refusal(&mut self) {
        self.count += usize::from(!self.has_refusal);
        self.has_refusal = true;
    }

    /// A picture or a call came.
    pub(super) fn other(&mut self) {
        self.count += 1;
    }

    /// Counts a part.
    pub(super) fn note(&mut self, part: &Part) {
        match part {
            Part::Text { .. } => self.text(),
            Part::Refusal(_) => self.refusal(),
            Part::Thinking(_) => {}
            _ => self.other(),
        }
    }
}

/// The parts of a message with its reasoning put where it stood. One whose place is past the end stands last.
pub(super) fn place(parts: Vec<Part>, blocks: Vec<(usize, Thinking)>) -> Vec<Part> {
    let mut placed = Vec::with_capacity(parts.len() + blocks.len());
    let mut pieces = Pieces::default();
    let mut blocks = blocks.into_iter().peekable();
    for part in parts {
        while let Some((_, thinking)) = blocks.next_if(|(position, _)| *position <= pieces.count())
        {
            placed.push(Part::Thinking(thinking));
        }
        pieces.note(&part);
        placed.push(part);
    }
    placed.extend(blocks.map(|(_, thinking)| Part::Thinking(thinking)));
    placed
}
