//! Reasoning that only another family of models can read, and what a pass-through makes of it.
//!
//! A conversation may have been answered by models of several families. What a translation carried in a format of another
//! family ([`CARRIED`]) means nothing to that format's own models: it is left out, or put back where it is their own after
//! all.

use std::{borrow::Cow, ops::Range};

use super::place::Place;
use crate::{
    Endpoint, Format, Operation, Splice,
    canonical::{CARRIED, Family, Signature},
    json::{Kind, Scanner, SyntaxError, Value, quoted},
};

/// Base64 of [`CARRIED`], as far as what follows does not change it: Gemini's signatures are bytes.
pub(super) const CARRIED_BASE64: &str = "bG8xL";

/// Base64 of `skip_thought_signature_validator`, which Gemini takes for the signature of a call that another model made.
/// Without any, Gemini 3 refuses calls in the history.
const UNCHECKED: &str = r#""c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=""#;

type Walk<T> = Result<T, SyntaxError>;

/// What becomes of a member, or of an element.
enum Fate {
    Kept,
    Removed,
}

/// Takes foreign reasoning out of `body`, which was scanned before.
pub(super) fn remove(endpoint: Endpoint, body: &[u8], splice: &mut Splice) {
    let (Operation::Generate(format) | Operation::Count(format)) = endpoint.operation() else {
        return;
    };
    let mut walker = Walker {
        format,
        body,
        edits: Vec::new(),
    };
    let walked = Scanner::new(body).and_then(|mut scanner| walker.request(&mut scanner));
    debug_assert!(walked.is_ok(), "the body was scanned before");
    // In order, so that each is added at the end: a hostile body may need very many.
    walker.edits.sort_unstable_by_key(|(range, _)| range.start);
    for (range, replacement) in walker.edits {
        match replacement {
            Cow::Borrowed(text) => splice.replace(range, text),
            Cow::Owned(text) => splice.replace(range, text),
        }
    }
}

struct Walker<'a> {
    format: Format,
    body: &'a [u8],
    edits: Vec<(Range<usize>, Cow<'static, str>)>,
}

impl<'a> Walker<'a> {
    fn request(&mut self, scanner: &mut Scanner<'a>) -> Walk<()> {
        let list = match self.format {
            Format::Chat | Format::Messages => "messages",
            Format::Responses => "input",
            Format::Gemini => "contents",
        };
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let name = key.as_str().unwrap_or_default();
            let kind = scanner.peek()?;
            if name == list && kind == Kind::Array {
                let (removed, _) = self.removed(scanner, Self::turn)?;
                self.cut(&removed);
            } else if kind == Kind::Object
                && matches!(
                    name.as_ref(),
                    "generateContentRequest" | "generate_content_request"
                )
            {
                self.request(scanner)?;
            } else {
                scanner.value()?;
            }
        }
        Ok(())
    }

    /// Walks an array of objects, and cuts out those that are to be removed. Where those are all, none is cut: the answer is
    /// that what holds the array goes as a whole.
    fn elements(
        &mut self,
        scanner: &mut Scanner<'a>,
        walk: fn(&mut Self, &mut Scanner<'a>) -> Walk<Fate>,
    ) -> Walk<Fate> {
        let (removed, count) = self.removed(scanner, walk)?;
        if count > 0 && removed.len() == count {
            return Ok(Fate::Removed);
        }
        self.cut(&removed);
        Ok(Fate::Kept)
    }

    /// The objects in an array that are to be removed, and how many elements it has.
    fn removed(
        &mut self,
        scanner: &mut Scanner<'a>,
        walk: fn(&mut Self, &mut Scanner<'a>) -> Walk<Fate>,
    ) -> Walk<(Vec<Place>, usize)> {
        let mut elements = scanner.enter_array()?;
        let mut removed = Vec::new();
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            let kind = scanner.peek()?;
            let start = scanner.offset();
            if kind == Kind::Object {
                if let Fate::Removed = walk(self, scanner)? {
                    let span = start..scanner.offset();
                    removed.push(Place { index, span });
                }
            } else {
                scanner.value()?;
            }
            index += 1;
        }
        Ok((removed, index))
    }

    fn cut(&mut self, removed: &[Place]) {
        for (before, place) in removed.iter().enumerate() {
            self.edits.push((place.cut(self.body, before), "".into()));
        }
    }

    /// A message, an item or a content.
    fn turn(&mut self, scanner: &mut Scanner<'a>) -> Walk<Fate> {
        let mut members = scanner.enter_object()?;
        let mut fate = Fate::Kept;
        let mut index = 0;
        let mut reasoning = Vec::new();
        let mut is_translated = false;
        while let Some(key) = scanner.next_member(&mut members)? {
            let name = key.as_str().unwrap_or_default();
            let is_array = scanner.peek()? == Kind::Array;
            match (self.format, name.as_ref()) {
                (Format::Chat, "thinking_blocks" | "reasoning_content") => {
                    scanner.value()?;
                    let span = key.start..scanner.offset();
                    reasoning.push(Place { index, span });
                    is_translated |= name == "thinking_blocks";
                }
                (Format::Messages, "content") if is_array => {
                    fate = self.elements(scanner, Self::block)?;
                }
                (Format::Gemini, "parts") if is_array => {
                    fate = self.elements(scanner, Self::part)?;
                }
                (Format::Responses, "encrypted_content") => {
                    let text = scanner.value()?.as_str();
                    if text.is_some_and(|text| text.starts_with(CARRIED)) {
                        fate = Fate::Removed;
                    }
                }
                _ => {
                    scanner.value()?;
                }
            }
            index += 1;
        }
        // Beside blocks the text is a translation too; alone it is the provider's own way to tell its reasoning.
        if is_translated {
            self.cut(&reasoning);
        }
        Ok(fate)
    }

    /// A block of a Messages body.
    fn block(&mut self, scanner: &mut Scanner<'a>) -> Walk<Fate> {
        let mut members = scanner.enter_object()?;
        let mut is_thinking = false;
        let mut proof: Option<Value<'a>> = None;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => {
                    is_thinking = value
                        .as_str()
                        .is_some_and(|kind| kind == "thinking" || kind == "redacted_thinking");
                }
                "signature" | "data" => proof = Some(value),
                _ => {}
            }
        }
        let carried = proof
            .filter(|_| is_thinking)
            .and_then(|proof| Some((proof.span(), carried(proof.as_str()?.as_ref())?)));
        match carried {
            Some((span, signature)) if signature.family == Family::Anthropic => {
                self.edits.push((span, quoted(&signature.value).into()));
                Ok(Fate::Kept)
            }
            Some(_) => Ok(Fate::Removed),
            None => Ok(Fate::Kept),
        }
    }

    /// A part of a Gemini body.
    fn part(&mut self, scanner: &mut Scanner<'a>) -> Walk<Fate> {
        let mut members = scanner.enter_object()?;
        let mut index = 0;
        let mut is_call = false;
        let mut carried: Vec<(Place, Range<usize>)> = Vec::new();
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "functionCall" | "function_call" => is_call |= !value.is_null(),
                "thoughtSignature" | "thought_signature" => {
                    let text = value.as_str();
                    if text.is_some_and(|text| text.starts_with(CARRIED_BASE64)) {
                        let span = key.start..scanner.offset();
                        carried.push((Place { index, span }, value.span()));
                    }
                }
                _ => {}
            }
            index += 1;
        }
        if index > 0 && carried.len() == index {
            return Ok(Fate::Removed);
        }
        for (before, (place, value)) in carried.into_iter().enumerate() {
            if is_call {
                self.edits.push((value, UNCHECKED.into()));
            } else {
                self.edits.push((place.cut(self.body, before), "".into()));
            }
        }
        Ok(Fate::Kept)
    }
}

/// The signature that `text` carries, if it is one that another format carries.
fn carried(text: &str) -> Option<Signature> {
    if !text.starts_with(CARRIED) {
        return None;
    }
    let signature = Signature::read(text.into(), Family::Anthropic);
    (signature.value != text).then_some(signature)
}
