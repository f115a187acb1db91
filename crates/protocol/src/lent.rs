//! Text that is borrowed from the JSON it stands in.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// Borrowed where it holds no escapes. serde copies an `Option<Cow<str>>` always; an `Option<Lent>` it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lent<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Lent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Lent<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Lent(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Lent(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed() {
        let read = |json| serde_json::from_str::<Option<Lent<'static>>>(json).unwrap();
        assert!(matches!(
            read(r#""plain ü""#),
            Some(Lent(Cow::Borrowed("plain ü")))
        ));
        assert!(matches!(read(r#""a\nb""#), Some(Lent(Cow::Owned(text))) if text == "a\nb"));
        assert_eq!(read("null"), None);
        assert!(serde_json::from_str::<Lent<'_>>("7").is_err());
    }
}
