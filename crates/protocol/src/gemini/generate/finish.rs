//! Why an answer ended, in Gemini's words.

use crate::canonical::Finish;

/// What the reason `word` means of an answer that does or does not call tools: calls have no reason of their own.
pub(super) fn read(word: &str, has_calls: bool) -> Finish {
    match word {
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        word if is_broken(word) => Finish::Broken(word.to_owned()),
        word if is_filter(word) => Finish::Filtered(Some(word.to_owned())),
        _ if has_calls => Finish::ToolCalls,
        // `STOP`, and words that say no more than that it ended (`OTHER`).
        _ => Finish::Stop,
    }
}

/// The word for `finish`, and a sentence where one is known.
pub(super) fn write(finish: &Finish) -> (&'static str, Option<&str>) {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Paused => {
            ("STOP", None)
        }
        Finish::Length | Finish::ContextLength => ("MAX_TOKENS", None),
        Finish::Filtered(word) => {
            let own = word
                .as_deref()
                .and_then(|word| FILTERS.into_iter().find(|own| *own == word));
            own.map_or(("SAFETY", word.as_deref()), |own| (own, None))
        }
        Finish::Refused(why) => ("SAFETY", why.as_deref()),
        Finish::Broken(_) => (MALFORMED, None),
    }
}

/// Of a tool call that is no JSON object.
pub(super) const MALFORMED: &str = "MALFORMED_FUNCTION_CALL";

/// Whether an answer that ended so is none, so that another provider should be asked.
pub(crate) fn is_broken(word: &str) -> bool {
    matches!(
        word,
        MALFORMED
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
            | "MALFORMED_RESPONSE"
    )
}

const FILTERS: [&str; 13] = [
    "SAFETY",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "RECITATION",
    "LANGUAGE",
    "MODEL_ARMOR",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
];

fn is_filter(word: &str) -> bool {
    FILTERS.contains(&word) || word.starts_with("IMAGE_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_meaning() {
        let filtered = |word: &str| Finish::Filtered(Some(word.to_owned()));
        for word in FILTERS.into_iter().chain(["IMAGE_NEW"]) {
            assert_eq!(read(word, false), filtered(word));
            assert_eq!(read(word, true), filtered(word));
        }
        for word in [
            MALFORMED,
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
        ] {
            assert_eq!(read(word, true), Finish::Broken(word.to_owned()));
        }
        for word in [
            "STOP",
            "OTHER",
            "FINISH_REASON_UNSPECIFIED",
            "SOMETHING_NEW",
            "",
        ] {
            assert_eq!(read(word, false), Finish::Stop);
            assert_eq!(read(word, true), Finish::ToolCalls);
        }
        assert_eq!(read("MAX_TOKENS", true), Finish::Length);
        assert_eq!(read("CONTINUATION", false), Finish::Length);
    }

    #[test]
    fn every_meaning_has_its_reason() {
        let word = |finish: &Finish| write(finish).0;
        for finish in [
            Finish::Stop,
            Finish::StopSequence(Some("x".into())),
            Finish::ToolCalls,
            Finish::Paused,
        ] {
            assert_eq!(write(&finish), ("STOP", None));
        }
        assert_eq!(word(&Finish::Length), "MAX_TOKENS");
        assert_eq!(word(&Finish::ContextLength), "MAX_TOKENS");
        assert_eq!(word(&Finish::Broken("x".into())), MALFORMED);
        assert_eq!(
            write(&Finish::Refused(Some("why".into()))),
            ("SAFETY", Some("why"))
        );
        assert_eq!(write(&Finish::Filtered(None)), ("SAFETY", None));
        assert_eq!(
            write(&Finish::Filtered(Some("SPII".into()))),
            ("SPII", None)
        );
        assert_eq!(
            write(&Finish::Filtered(Some("content_filter".into()))),
            ("SAFETY", Some("content_filter"))
        );
    }
}
