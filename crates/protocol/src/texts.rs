//! Where people and models speak in a JSON body: finding the texts, and changing them where they stand.
//!
//! Requests and answers of every format are walked alike. What is known to be no text (ids, types, media, signatures) is
//! passed over by the name of its member; every other string below a member in which a conversation stands is a text, so
//! that a field which is new to the gateway is looked at rather than missed. The arguments and results of tools are
//! looked at whole, also where they are JSON in a string. A text that comes in parts is looked at part by part and joined,
//! as models read it.

mod names;
mod parts;

use std::{borrow::Cow, convert::Infallible};

use bytes::Bytes;

use self::{
    names::{
        NO_TEXT, OF_ANSWERS, OF_MEDIA, OF_PARTS, OF_REQUESTS, OF_SCHEMAS, OF_SETTINGS, OF_TOKENS,
        OF_TOOLS,
    },
    parts::Parts,
};
use crate::{
    Splice,
    json::{Kind, Scanner, SyntaxError, Value, quoted},
};

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// A request.
    Client,
    /// An answer. Its tokens' probabilities are taken out, as they repeat the text.
    Model,
}

/// Shows every text of `body` to `see`, which answers with another one where it is to be changed; the changed body, if
/// anything is. What is not JSON has no texts.
///
/// # Errors
/// Those of `see`.
pub fn rewrite_texts<E>(
    body: &Bytes,
    speaker: Speaker,
    mut see: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<Bytes>, E> {
    Walk::new(speaker, &mut see).body(body)
}

/// Shows every text of `body` to `see`, each once: one that comes in parts is shown joined.
pub fn read_texts(body: &Bytes, speaker: Speaker, mut see: impl FnMut(&str)) {
    let mut see = |text: &str| {
        see(text);
        Ok::<_, Infallible>(None)
    };
    let mut walk = Walk::new(speaker, &mut see);
    walk.looks_alone = false;
    let Ok(_) = walk.body(body);
}

/// The same as [`rewrite_texts`] of a tool's arguments, which are JSON of any shape; what is no JSON is one text.
///
/// # Errors
/// Those of `see`.
pub(crate) fn rewrite_arguments<E>(
    json: &str,
    see: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    let mut walk = Walk::new(Speaker::Client, see);
    match walk.whole(json.as_bytes(), Walk::everything) {
        Ok(()) => {
            let changed = walk.changed(&Bytes::copy_from_slice(json.as_bytes()));
            // Texts in place of texts leave it UTF-8.
            Ok(changed.and_then(|bytes| String::from_utf8(bytes.into()).ok()))
        }
        Err(Stop::Syntax) => see(json),
        Err(Stop::Seen(error)) => Err(error),
    }
}

/// Why a walk ends early.
enum Stop<E> {
    Syntax,
    Seen(E),
}

impl<E> From<SyntaxError> for Stop<E> {
    fn from(_: SyntaxError) -> Self {
        Self::Syntax
    }
}

type Walked<E> = Result<(), Stop<E>>;

struct Walk<'s, E> {
    see: &'s mut dyn FnMut(&str) -> Result<Option<String>, E>,
    speaker: Speaker,
    splice: Splice,
    is_changed: bool,
    /// Whether the parts of a text are looked at alone too, and not only joined.
    looks_alone: bool,
}

impl<'s, E> Walk<'s, E> {
    fn new(speaker: Speaker, see: &'s mut dyn FnMut(&str) -> Result<Option<String>, E>) -> Self {
        Self {
            see,
            speaker,
            splice: Splice::default(),
            is_changed: false,
            looks_alone: true,
        }
    }

    fn body(mut self, body: &Bytes) -> Result<Option<Bytes>, E> {
        let members: &[&str] = match self.speaker {
            Speaker::Client => &OF_REQUESTS,
            Speaker::Model => &OF_ANSWERS,
        };
        let walked = self.whole(body, |walk, scanner| {
            walk.object(scanner, |walk, name, scanner| {
                if members.contains(&name) {
                    walk.said_as(name, scanner)
                } else if walk.speaker == Speaker::Client && OF_SETTINGS.contains(&name) {
                    walk.settings(scanner)
                } else {
                    walk.nothing(name, scanner)
                }
            })
        });
        match walked {
            Ok(()) | Err(Stop::Syntax) => Ok(self.changed(body)),
            Err(Stop::Seen(error)) => Err(error),
        }
    }

    fn changed(&self, body: &Bytes) -> Option<Bytes> {
        self.is_changed
            .then(|| self.splice.pieces(body).concat().into())
    }

    fn replace(&mut self, place: &Value<'_>, json: String) {
        self.splice.replace(place.span(), json);
        self.is_changed = true;
    }

    fn whole<'a>(
        &mut self,
        body: &'a [u8],
        walk: impl FnOnce(&mut Self, &mut Scanner<'a>) -> Walked<E>,
    ) -> Walked<E> {
        let mut scanner = Scanner::new(body)?;
        walk(self, &mut scanner)?;
        Ok(scanner.end()?)
    }

    /// Gives each member of the object that comes next to `member`; what is no object is passed over.
    fn object<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut member: impl FnMut(&mut Self, &str, &mut Scanner<'a>) -> Walked<E>,
    ) -> Walked<E> {
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            return Ok(());
        }
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            member(self, &key.as_str().unwrap_or_default(), scanner)?;
        }
        Ok(())
    }

    /// An object of which only schemas say something.
    fn settings(&mut self, scanner: &mut Scanner<'_>) -> Walked<E> {
        self.object(scanner, |walk, name, scanner| {
            if OF_SCHEMAS.contains(&name) {
                walk.said(scanner)
            } else {
                walk.nothing(name, scanner)
            }
        })
    }

    /// A value in which something is said.
    fn said(&mut self, scanner: &mut Scanner<'_>) -> Walked<E> {
        match scanner.peek()? {
            Kind::String => self.text(scanner),
            Kind::Array => {
                let mut elements = scanner.enter_array()?;
                while scanner.next_element(&mut elements)? {
                    self.said(scanner)?;
                }
                Ok(())
            }
            Kind::Object => self.object(scanner, Self::member),
            Kind::Null | Kind::Bool | Kind::Number => Ok(scanner.value().map(|_| ())?),
        }
    }

    /// The same of the member of this name, which may hold a text in parts.
    fn said_as(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walked<E> {
        if !OF_PARTS.contains(&name) || scanner.peek()? != Kind::Array {
            return self.said(scanner);
        }
        let mut parts = Parts::default();
        let mut elements = scanner.enter_array()?;
        while scanner.next_element(&mut elements)? {
            match scanner.peek()? {
                Kind::String => self.part(scanner, &mut parts)?,
                Kind::Object => self.object(scanner, |walk, name, scanner| {
                    if name == "text" && scanner.peek()? == Kind::String {
                        walk.part(scanner, &mut parts)
                    } else {
                        walk.member(name, scanner)
                    }
                })?,
                _ => self.said(scanner)?,
            }
        }
        let changed = parts.look(self.looks_alone, self.see);
        for (place, text) in changed.map_err(Stop::Seen)? {
            self.splice.replace(place, quoted(&text));
            self.is_changed = true;
        }
        Ok(())
    }

    fn part(&mut self, scanner: &mut Scanner<'_>, parts: &mut Parts) -> Walked<E> {
        let value = scanner.value()?;
        let text = value
            .as_str()
            .unwrap_or_else(|| Cow::Owned(lossy(value.raw())));
        if !is_media(&text) {
            parts.push(value.span(), text.into_owned());
        }
        Ok(())
    }

    fn member(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walked<E> {
        let kind = scanner.peek()?;
        // A schema may describe a property of any name, and then it is an object.
        let is_said = kind == Kind::Object || !NO_TEXT.contains(&name);
        if !is_said || OF_MEDIA.contains(&name) || OF_TOKENS.contains(&name) {
            return self.nothing(name, scanner);
        }
        match kind {
            Kind::Object if OF_TOOLS.contains(&name) => self.everything(scanner),
            Kind::String if name == "arguments" => self.json(scanner),
            _ => self.said_as(name, scanner),
        }
    }

    /// A value in which nothing is said; of an answer the tokens are taken out, which say it again.
    fn nothing(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Walked<E> {
        let value = scanner.value()?;
        if self.speaker == Speaker::Model && OF_TOKENS.contains(&name) {
            match value.kind {
                Kind::Array if value.raw() != "[]" => self.replace(&value, "[]".to_owned()),
                Kind::Object => self.replace(&value, "null".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Every string of the value that comes next.
    fn everything(&mut self, scanner: &mut Scanner<'_>) -> Walked<E> {
        match scanner.peek()? {
            Kind::String => self.text(scanner),
            Kind::Array => {
                let mut elements = scanner.enter_array()?;
                while scanner.next_element(&mut elements)? {
                    self.everything(scanner)?;
                }
                Ok(())
            }
            Kind::Object => self.object(scanner, |walk, _, scanner| walk.everything(scanner)),
            // A number may be what is looked for, as that of a card; it can only be denied or become a text.
            Kind::Number => {
                let number = scanner.value()?;
                if let Some(text) = (self.see)(number.raw()).map_err(Stop::Seen)? {
                    self.replace(&number, quoted(&text));
                }
                Ok(())
            }
            Kind::Null | Kind::Bool => Ok(scanner.value().map(|_| ())?),
        }
    }

    fn text(&mut self, scanner: &mut Scanner<'_>) -> Walked<E> {
        let value = scanner.value()?;
        let text = value
            .as_str()
            .unwrap_or_else(|| Cow::Owned(lossy(value.raw())));
        if is_media(&text) {
            return Ok(());
        }
        if let Some(text) = (self.see)(&text).map_err(Stop::Seen)? {
            self.replace(&value, quoted(&text));
        }
        Ok(())
    }

    /// A string that holds JSON.
    fn json(&mut self, scanner: &mut Scanner<'_>) -> Walked<E> {
        let value = scanner.value()?;
        let json = value
            .as_str()
            .unwrap_or_else(|| Cow::Owned(lossy(value.raw())));
        if let Some(json) = rewrite_arguments(&json, self.see).map_err(Stop::Seen)? {
            self.replace(&value, quoted(&json));
        }
        Ok(())
    }
}

/// Whether a text is bytes in base64: an image, a sound or a file, in whose letters anything can be found.
pub(crate) fn is_media(text: &str) -> bool {
    /// Shorter ones may be words.
    const SHORTEST: usize = 256;
    let is_base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let bytes = text.strip_prefix("data:").map_or(text, |url| {
        url.split_once(";base64,").map_or(text, |(_, bytes)| bytes)
    });
    bytes.len() >= SHORTEST && bytes.bytes().all(is_base64)
}

/// The text of a quoted string some of whose escapes name no character: each of these becomes U+FFFD.
fn lossy(quoted: &str) -> String {
    let mut fixed = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        fixed.push_str(&rest[..at]);
        // The scanner has seen that an escape is whole.
        let long = if rest[at..].starts_with("\\u") { 6 } else { 2 };
        let (mut escape, mut after) = rest[at..].split_at(long);
        let is_text = |json: &str| serde_json::from_str::<String>(&format!("\"{json}\"")).is_ok();
        if !is_text(escape) && after.starts_with("\\u") && is_text(&rest[at..at + 12]) {
            (escape, after) = rest[at..].split_at(12);
        }
        fixed.push_str(if is_text(escape) { escape } else { "\u{fffd}" });
        rest = after;
    }
    fixed.push_str(rest);
    serde_json::from_str(&fixed).unwrap_or(fixed)
}

#[cfg(test)]
mod tests;
