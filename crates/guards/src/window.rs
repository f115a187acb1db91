//! Text that comes in pieces: what may yet become a match is held back.

use crate::{Denial, Screen};

/// Lets one text pass.
///
/// A place of the text is *decided* when so much has come after it that no later piece can change whether a match begins
/// there. What is decided passes; the rest waits. Of what passed one character is kept, by which the next one is seen to
/// begin a word or not.
#[derive(Debug)]
pub struct Window {
    screen: Screen,
    held: String,
    /// Places before it are decided.
    decided: usize,
    /// What stands before it has passed; beyond `decided` where a match reaches there.
    passed: usize,
}

impl Window {
    pub(crate) fn of(screen: Screen) -> Self {
        Self {
            screen,
            held: String::new(),
            decided: 0,
            passed: 0,
        }
    }

    /// Takes the next piece, and adds to `out` what may pass.
    ///
    /// # Errors
    /// A rule denies the text. Nothing more may pass.
    pub fn push(&mut self, piece: &str, out: &mut String) -> Result<(), Denial> {
        self.held.push_str(piece);
        let limit = self.held.len().saturating_sub(self.screen.reach());
        let limit = self.held.floor_char_boundary(limit);
        if limit <= self.decided {
            return Ok(());
        }
        self.decide(limit, out)?;
        self.forget();
        Ok(())
    }

    /// The text has ended: adds to `out` what is left of it.
    ///
    /// # Errors
    /// A rule denies the text.
    pub fn finish(&mut self, out: &mut String) -> Result<(), Denial> {
        self.decide(self.held.len(), out)?;
        self.held.clear();
        (self.decided, self.passed) = (0, 0);
        Ok(())
    }

    fn decide(&mut self, limit: usize, out: &mut String) -> Result<(), Denial> {
        let Self {
            screen,
            held,
            decided,
            passed,
        } = self;
        screen.search_denials(held, *decided, limit)?;
        *decided = limit;
        *passed = screen.redact(held, *passed, limit, out);
        if *passed < limit {
            out.push_str(&held[*passed..limit]);
            *passed = limit;
        }
        Ok(())
    }

    /// Drops what nobody looks at any more.
    fn forget(&mut self) {
        let done = self.decided.min(self.passed);
        let last = self.held[..done].chars().next_back();
        let gone = done - last.map_or(0, char::len_utf8);
        self.held.drain(..gone);
        self.decided -= gone;
        self.passed -= gone;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Guards, GuardsFields};

    fn screen(rules: &[(&str, &str)]) -> Screen {
        let rules: Vec<_> = rules
            .iter()
            .map(|(pattern, action)| {
                let name = format!("{action} {pattern}");
                json!({"name": name, "pattern": pattern, "action": action})
            })
            .collect();
        let fields: GuardsFields = serde_json::from_value(json!({"rules": rules})).unwrap();
        let guards = Guards::of(&fields, |_| unreachable!(), |_| unreachable!())
            .unwrap()
            .unwrap();
        Screen::new(guards.of_responses()).unwrap()
    }

    fn in_pieces<'p>(
        screen: &Screen,
        pieces: impl IntoIterator<Item = &'p str>,
    ) -> Result<String, Denial> {
        let (mut window, mut out) = (screen.window(), String::new());
        for piece in pieces {
            window.push(piece, &mut out)?;
        }
        window.finish(&mut out)?;
        Ok(out)
    }

    /// `text`, cut into characters.
    fn letters(text: &str) -> impl Iterator<Item = &str> {
        text.char_indices()
            .map(|(at, letter)| &text[at..at + letter.len_utf8()])
    }

    #[track_caller]
    fn check(rules: &[(&str, &str)], text: &str, expected: &str) {
        let screen = screen(rules);
        assert_eq!(screen.whole(text).unwrap(), expected);
        assert_eq!(in_pieces(&screen, letters(text)).unwrap(), expected);
        assert_eq!(in_pieces(&screen, [text]).unwrap(), expected);
    }

    #[test]
    fn matches_are_replaced_however_they_are_cut() {
        let redact = |pattern| [(pattern, "redact")];
        check(
            &redact("secret"),
            "a secret, secret",
            "a [redacted], [redacted]",
        );
        check(&redact("secret"), "no secre", "no secre");
        // The longest alternative is the first one that matches, also when the other one comes first.
        check(&redact("foobar|foo"), "foobar", "[redacted]");
        check(&redact("foo|foobar"), "foobar", "[redacted]bar");
        check(
            &redact(r"\bcat\b"),
            "cat concat cats cat",
            "[redacted] concat cats [redacted]",
        );
        check(&redact(r"\bcat\b"), "catß écat", "catß écat");
        check(&redact("^a"), "aaa", "[redacted]aa");
        check(&redact("a$"), "aaa", "aa[redacted]");
        check(&redact("(?m)^a$"), "a\na\nab", "[redacted]\n[redacted]\nab");
        check(&redact("é{2,3}"), "éééé é éé", "[redacted]é é [redacted]");
        let two = [("ab", "redact"), ("bc", "redact")];
        check(&two, "abc bc", "[redacted]c [redacted]");
    }

    #[test]
    fn a_denial_is_found_also_in_what_a_redaction_takes() {
        let screen = screen(&[("abcdefgh", "redact"), ("fg", "deny")]);
        let denied = screen.whole("xx abcdefgh").unwrap_err();
        assert_eq!(&*denied.rule, "deny fg");
        assert!(in_pieces(&screen, letters("xx abcdefgh")).is_err());
        assert_eq!(screen.whole("xx abcdef").unwrap(), "xx abcdef");
    }

    #[test]
    fn nothing_of_a_denied_match_passes() {
        let screen = screen(&[("secret", "deny")]);
        let (mut window, mut out) = (screen.window(), String::new());
        let mut pushed = letters("the secret word").map(|letter| window.push(letter, &mut out));
        assert!(pushed.any(|result| result.is_err()));
        assert_eq!(out, "the ");
    }

    #[test]
    fn no_more_is_held_back_than_a_match_can_be_long() {
        let screen = screen(&[("secret", "redact")]);
        let (mut window, mut out) = (screen.window(), String::new());
        let text = "word ".repeat(100);
        for letter in letters(&text) {
            window.push(letter, &mut out).unwrap();
            assert!(window.held.len() <= "secret".len() + 4 + 1);
        }
        assert_eq!(out, text[..text.len() - 10]);
    }

    /// Patterns of letters that texts are made of, and no replacement is.
    fn pattern() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[xy]{1,3}",
            Just("é".to_owned()),
            Just(r"\b".to_owned()),
            Just("(?:xy|x|yx)".to_owned()),
            Just("[xy]{1,4}".to_owned()),
            Just("y?".to_owned()),
        ];
        prop::collection::vec(piece, 1..4).prop_map(|pieces| format!("(?:xy|{})x", pieces.concat()))
    }

    /// A text cut into pieces, some of them empty.
    fn pieces() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[xyé -]{0,6}", 0..20)
    }

    proptest! {
        #[test]
        fn what_passes_does_not_depend_on_how_a_text_is_cut(
            patterns in prop::collection::vec((pattern(), prop_oneof![4 => Just("redact"), 1 => Just("deny")]), 1..4),
            pieces in pieces(),
        ) {
            let mut rules: Vec<_> = patterns.iter().map(|(pattern, action)| (&**pattern, *action)).collect();
            rules.sort_unstable();
            rules.dedup();
            let screen = screen(&rules);
            let text = pieces.concat();
            let whole = screen.whole(&text);
            let cut = in_pieces(&screen, pieces.iter().map(|piece| &**piece));
            prop_assert_eq!(whole.as_ref().ok().map(|text| &**text), cut.as_deref().ok());
        }

        #[test]
        fn what_passes_holds_no_match_and_else_is_the_text(pattern in "[xy]{1,2}[xyé]{1,3}", pieces in pieces()) {
            let screen = screen(&[(&pattern, "redact")]);
            let text = pieces.concat();
            let out = in_pieces(&screen, pieces.iter().map(|piece| &**piece)).unwrap();
            prop_assert!(!out.contains(&pattern));
            prop_assert_eq!(out, text.replace(&pattern, "[redacted]"));
        }
    }
}
