//! Reasoning items as carriers of signatures.
//!
//! An own signature is an item's id, a colon and its `encrypted_content`; it goes back as the item it came in. A foreign one
//! stands in `encrypted_content` in its carried form. Anthropic's redacted thinking has no mark of its own here, so its
//! value begins with `redacted:` there, which base64 never does.

use std::borrow::Cow;

use crate::canonical::{CARRIED, Family, Signature};

const REDACTED: &str = "redacted:";

/// Joins the parts of one item's summary, which stand in one text elsewhere.
pub(super) const BETWEEN_PARTS: &str = "\n\n";

/// The `encrypted_content` that carries `signature` to a client.
pub(super) fn carried(signature: &Signature, redacted: bool) -> String {
    if redacted {
        let value = format!("{REDACTED}{}", signature.value);
        return Signature {
            family: signature.family,
            value,
        }
        .carried();
    }
    signature.carried()
}

/// Reads `encrypted_content` of the item `id`; whether it is redacted thinking besides.
pub(super) fn read(id: &str, encrypted: Cow<'_, str>) -> (Signature, bool) {
    let is_carried = encrypted.starts_with(CARRIED);
    let mut signature = Signature::read(encrypted, Family::OpenAi);
    if signature.family == Family::OpenAi {
        if !is_carried || signature.value.starts_with(CARRIED) {
            signature.value = format!("{id}:{}", signature.value);
        }
        return (signature, false);
    }
    let redacted = signature.value.strip_prefix(REDACTED).map(str::to_owned);
    let is_redacted = redacted.is_some();
    if let Some(value) = redacted {
        signature.value = value;
    }
    (signature, is_redacted)
}

/// The id and the `encrypted_content` of the item that an own signature came in.
pub(super) fn own(signature: &Signature) -> Option<(&str, &str)> {
    (signature.family == Family::OpenAi)
        .then(|| signature.value.split_once(':'))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_any_family_comes_back() {
        for (family, redacted) in [
            (Family::Anthropic, false),
            (Family::Anthropic, true),
            (Family::Gemini, false),
            (Family::OpenAi, false),
        ] {
            let signature = Signature {
                family,
                value: "rs_1:ab/+=".to_owned(),
            };
            let text = carried(&signature, redacted);
            assert_eq!(read("rs_2", text.into()), (signature, redacted));
        }
    }

    #[test]
    fn an_own_signature_keeps_its_items_id() {
        let (signature, _) = read("rs_1", "gAAA:b".into());
        assert_eq!(signature.value, "rs_1:gAAA:b");
        assert_eq!(own(&signature), Some(("rs_1", "gAAA:b")));
        let (odd, _) = read("rs_1", "lo1.nobody.x".into());
        assert_eq!(own(&odd), Some(("rs_1", "lo1.nobody.x")));
    }
}
