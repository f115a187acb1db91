//! The content of an answer: text, for which some servers write a list of parts.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// The text; borrowed where it holds no escapes.
#[derive(Debug, Default)]
pub(super) struct Content<'a>(pub(super) Cow<'a, str>);

/// A part; any but text is skipped.
#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Content<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut whole = String::new();
                while let Some(part) = parts.next_element::<Part>()? {
                    whole.push_str(&part.text.unwrap_or_default());
                }
                Ok(Content(Cow::Owned(whole)))
            }
        }

        deserializer.deserialize_any(Text)
    }
}
