//! Proof that a model wrote its own reasoning.

use std::borrow::Cow;

/// Makers of signatures; each reads only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `encrypted_content` of a reasoning item, preceded by the item's id and a colon.
    OpenAi,
    /// `signature` of a thinking block, or `data` of a redacted one.
    Anthropic,
    /// `thoughtSignature` of a part.
    Gemini,
}

impl Family {
    fn tag(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// A signature with its maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is.
    pub family: Family,
    /// As its maker wrote it; standard base64 for Gemini.
    pub value: String,
}

/// Begins every signature that stands in another format than its maker's.
pub const CARRIED: &str = "lo1.";

impl Signature {
    /// Stands where a format's history needs a signature and the model that answered made none: no family reads it, so that
    /// it is left out wherever it is sent.
    pub(crate) const NONE: Self = Self {
        family: Family::OpenAi,
        value: String::new(),
    };

    /// The text by which another format carries it: `lo1.<family>.<value>`.
    #[must_use]
    pub fn carried(&self) -> String {
        format!("{CARRIED}{}.{}", self.family.tag(), self.value)
    }

    /// Reads a field of a format whose own signatures are `native`'s: one that is carried there, or its own.
    #[must_use]
    pub fn read(text: Cow<'_, str>, native: Family) -> Self {
        let carried = text.strip_prefix(CARRIED).and_then(|rest| {
            let (tag, value) = rest.split_once('.')?;
            let family = [Family::OpenAi, Family::Anthropic, Family::Gemini]
                .into_iter()
                .find(|family| family.tag() == tag)?;
            Some(Self {
                family,
                value: value.to_owned(),
            })
        });
        carried.unwrap_or_else(|| Self {
            family: native,
            value: text.into_owned(),
        })
    }

    /// The text for a field of a format whose own signatures are `native`'s.
    #[must_use]
    pub fn write(&self, native: Family) -> Cow<'_, str> {
        if self.family == native {
            Cow::Borrowed(&self.value)
        } else {
            Cow::Owned(self.carried())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_home_from_a_foreign_format() {
        for family in [Family::OpenAi, Family::Anthropic, Family::Gemini] {
            let signature = Signature {
                family,
                value: "a.b+/=:".to_owned(),
            };
            for native in [Family::OpenAi, Family::Anthropic, Family::Gemini] {
                let written = signature.write(native).into_owned();
                assert_eq!(written.starts_with(CARRIED), native != family);
                assert_eq!(Signature::read(written.into(), native), signature);
            }
        }
        let odd = Signature::read("lo1.nobody.x".into(), Family::Gemini);
        assert_eq!(
            (odd.family, odd.value.as_str()),
            (Family::Gemini, "lo1.nobody.x")
        );
    }
}
