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
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut of) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.0.get(of) {
                Some('*') => {
                    star = Some((of, at));
                    of += 1;
                }
                Some(wanted) if *wanted == '?' || *wanted == name[at] => {
                    at += 1;
                    of += 1;
                }
                _ => {
                    let Some((star_of, star_at)) = star else {
                        return false;
                    };
                    star = Some((star_of, star_at + 1));
                    (of, at) = (star_of + 1, star_at + 1);
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
