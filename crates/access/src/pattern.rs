//! Names of models with wildcards in them.

use std::cmp::Reverse;

/// A pattern: `*` stands for any characters or none, `?` for exactly one; everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Box<[char]>);

impl Pattern {
    /// Whether `text` has wildcards; without any it is a plain name.
    pub(crate) fn is_glob(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Sorts the more specific first: by the characters that stand for themselves, then the fewer `*`. The pattern itself
    /// makes the order total.
    pub(crate) fn rank(&self) -> (Reverse<usize>, usize, &[char]) {
        let count = |wanted: fn(char) -> bool| self.0.iter().filter(|c| wanted(**c)).count();
        let literals = count(|c| !matches!(c, '*' | '?'));
        (Reverse(literals), count(|c| c == '*'), &self.0)
    }

    /// Whether `name` is of this form. Takes at most as many steps as there are pairs of their characters: a `*` that was
    /// passed is never looked at again.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let (mut rest, mut of) = (name.chars(), 0);
        // What comes after the last `*`, and what of the name may begin there.
        let mut star = None;
        loop {
            let mut after = rest.clone();
            let Some(next) = after.next() else { break };
            match self.0.get(of) {
                Some('*') if of + 1 == self.0.len() => return true,
                Some('*') => {
                    of += 1;
                    star = Some((of, rest.clone()));
                }
                Some(wanted) if *wanted == '?' || *wanted == next => {
                    of += 1;
                    rest = after;
                }
                _ => {
                    let Some((behind, from)) = &mut star else {
                        return false;
                    };
                    from.next();
                    (of, rest) = (*behind, from.clone());
                }
            }
        }
        self.0[of..].iter().all(|rest| *rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn wildcards_stand_for_what_they_say() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("gpt-*", "gpt-5", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "GPT-5", false),
            ("gpt-*", "my-gpt-5", false),
            ("*-mini", "gpt-5-mini", true),
            ("*-mini", "gpt-5-mini-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab", "aab", true),
            ("*éa", "ééa", true),
            ("a*é*c", "aé-éc", true),
            ("a*é?", "aéé", true),
            ("a*é?", "aé", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("x-20??", "x-2025", true),
            ("x-20??", "x-20255", false),
            ("**", "x", true),
            ("a.c", "abc", false),
            ("a[bc]", "ab", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_does_not_take_forever() {
        let pattern = Pattern::new(&"*a".repeat(50));
        assert!(!pattern.matches(&"a".repeat(49)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(10_000))));
    }
}
