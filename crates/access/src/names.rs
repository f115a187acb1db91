//! Which models a key may ask for.

use std::collections::HashSet;

use crate::pattern::Pattern;

/// Names, and patterns of names: `*` stands for any characters or none, `?` for exactly one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    exact: HashSet<String>,
    patterns: Vec<Pattern>,
}

impl Names {
    /// Those of a list.
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = String>) -> Self {
        let mut names = Self::default();
        for name in list {
            if Pattern::is_glob(&name) {
                names.patterns.push(Pattern::new(&name));
            } else {
                names.exact.insert(name);
            }
        }
        names
    }

    /// Whether `name` is one of them, or of the form of one.
    #[must_use]
    pub fn include(&self, name: &str) -> bool {
        self.exact.contains(name) || self.patterns.iter().any(|it| it.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &[&str], name: &str, expected: bool) {
        let names = Names::new(list.iter().map(ToString::to_string));
        assert_eq!(names.include(name), expected, "{list:?}: {name}");
    }

    #[test]
    fn a_name_is_itself_and_a_pattern_all_of_its_form() {
        check(&[], "gpt-5", false);
        check(&["gpt-5"], "gpt-5", true);
        check(&["gpt-5"], "gpt-5-mini", false);
        check(&["small", "gpt-*"], "gpt-5-mini", true);
        check(&["gpt-?"], "gpt-5-mini", false);
        check(&["*"], "", true);
        check(&["GPT-*"], "gpt-5", false);
    }
}
