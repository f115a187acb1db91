//! A tool call in a stream.

use bytes::BytesMut;

use super::frame::{CallAt, Frames, Said};
use crate::openai::responses::item::{IN_PROGRESS, Item};

/// A tool call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    place: usize,
    id: String,
    call_id: String,
    name: String,
    arguments: String,
    braces: Braces,
    is_open: bool,
}

impl Call {
    /// Begins a call.
    pub(super) fn open(
        id: String,
        place: usize,
        (call_id, name): (&str, &str),
        frames: &mut Frames,
        out: &mut BytesMut,
    ) -> Self {
        let call = Self {
            place,
            id,
            call_id: call_id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            braces: Braces::default(),
            is_open: true,
        };
        frames.added(place, &call.item(IN_PROGRESS), out);
        call
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id
    }

    pub(super) fn rename(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether its arguments are a whole object, after which nothing can follow.
    pub(super) fn is_whole(&self) -> bool {
        self.braces == Braces::Closed
    }

    /// Writes more of its arguments, unless they are whole or it has ended. Whether they are whole by this.
    pub(super) fn arguments(
        &mut self,
        json: &str,
        frames: &mut Frames,
        out: &mut BytesMut,
    ) -> bool {
        if !self.is_open || self.is_whole() || json.is_empty() {
            return false;
        }
        self.arguments.push_str(json);
        json.bytes().for_each(|byte| self.braces.pass(byte));
        let body = Said::delta(self.at(), json);
        frames.event("response.function_call_arguments.delta", &body, out);
        self.is_whole()
    }

    /// Ends it: its place and the item. A call without arguments has the empty object.
    pub(super) fn close(
        &mut self,
        status: &'static str,
        frames: &mut Frames,
        out: &mut BytesMut,
    ) -> (usize, Item) {
        if self.arguments.trim().is_empty() {
            self.arguments("{}", frames, out);
        }
        self.is_open = false;
        let body = Said {
            arguments: Some(&self.arguments),
            ..Said::at(self.at())
        };
        frames.event("response.function_call_arguments.done", &body, out);
        (self.place, self.item(status))
    }

    fn at(&self) -> CallAt<'_> {
        CallAt {
            item_id: &self.id,
            output_index: self.place,
        }
    }

    fn item(&self, status: &'static str) -> Item {
        Item::FunctionCall {
            id: self.id.clone(),
            status,
            call_id: self.call_id.clone(),
            name: self.name.clone(),
            arguments: self.arguments.clone(),
        }
    }
}

/// How far an object has come, seen from its braces: each byte is looked at once, however many pieces it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Braces {
    /// Nothing but space.
    #[default]
    Before,
    /// So many are open; whether in a text, and there after a backslash.
    Open {
        depth: usize,
        in_text: bool,
        is_escaped: bool,
    },
    /// As many were closed as were opened.
    Closed,
    /// It began as something else.
    NoObject,
}

impl Braces {
    fn pass(&mut self, byte: u8) {
        *self = match (*self, byte) {
            (Self::Before, b' ' | b'\n' | b'\r' | b'\t') => Self::Before,
            (Self::Before, b'{') => Self::Open {
                depth: 1,
                in_text: false,
                is_escaped: false,
            },
            (Self::Before, _) => Self::NoObject,
            (
                Self::Open {
                    depth,
                    in_text,
                    is_escaped,
                },
                byte,
            ) => Self::inside(depth, in_text, is_escaped, byte),
            (ended, _) => ended,
        };
    }

    fn inside(depth: usize, in_text: bool, is_escaped: bool, byte: u8) -> Self {
        let depth = match byte {
            b'{' if !in_text => depth + 1,
            b'}' if !in_text => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            return Self::Closed;
        }
        Self::Open {
            depth,
            in_text: in_text ^ (byte == b'"' && !is_escaped),
            is_escaped: in_text && byte == b'\\' && !is_escaped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Braces {
        let mut braces = Braces::default();
        text.bytes().for_each(|byte| braces.pass(byte));
        braces
    }

    #[test]
    fn an_object_is_whole_at_its_last_brace() {
        for whole in ["{}", " {\"a\":{\"b\":\"}\\\"}\\\\\"}}", "{} "] {
            assert_eq!(after(whole), Braces::Closed, "{whole}");
        }
        for open in ["", " ", "{", "{\"}", "{\"a\":{}", "{\"\\\"}"] {
            assert_ne!(after(open), Braces::Closed, "{open}");
        }
        assert_eq!(after("[{}]"), Braces::NoObject);
    }
}
