//! Looking at text.

use std::{borrow::Cow, ops::Range, sync::Arc};

use crate::{Action, Rule, Window};

/// Bytes of the longest character: what may have to follow a match to tell that it ends at a boundary of words.
const LOOKAHEAD: usize = 4;

/// A rule forbids a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule '{rule}' denies it")]
pub struct Denial {
    /// Its name.
    pub rule: Arc<str>,
}

/// Rules that hold together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Screen {
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    deny: Vec<Arc<Rule>>,
    redact: Vec<Arc<Rule>>,
    /// Bytes that must follow a place until it is known whether a match begins there; the whole text where a match may
    /// have any length.
    reach: usize,
}

impl Screen {
    /// A screen of these rules; `None` where there are none.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Arc<Rule>>) -> Option<Self> {
        let (deny, redact): (Vec<_>, Vec<_>) = rules
            .into_iter()
            .cloned()
            .partition(|rule| rule.action == Action::Deny);
        let longest = deny
            .iter()
            .chain(&redact)
            .map(|rule| rule.longest.unwrap_or(usize::MAX))
            .max()?;
        let rules = Rules {
            deny,
            redact,
            reach: longest.saturating_add(LOOKAHEAD),
        };
        Some(Self {
            rules: Arc::new(rules),
        })
    }

    /// What may be said of a whole text.
    ///
    /// # Errors
    /// A rule denies it.
    pub fn whole<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Denial> {
        self.search_denials(text, 0, text.len())?;
        let mut out = String::new();
        let passed = self.redact(text, 0, text.len(), &mut out);
        if passed == 0 {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(&text[passed..]);
        Ok(Cow::Owned(out))
    }

    /// For a text that comes in pieces.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::of(self.clone())
    }

    pub(crate) fn reach(&self) -> usize {
        self.rules.reach
    }

    /// Looks for denials that begin from `from` on and before `limit`.
    pub(crate) fn search_denials(
        &self,
        text: &str,
        from: usize,
        limit: usize,
    ) -> Result<(), Denial> {
        let denies = |rule: &&Arc<Rule>| {
            let found = rule.regex.find_at(text, from);
            found.is_some_and(|found| found.start() < limit)
        };
        match self.rules.deny.iter().find(denies) {
            None => Ok(()),
            Some(rule) => Err(Denial {
                rule: rule.name.clone(),
            }),
        }
    }

    /// Writes the text after `from` with its matches replaced, up to the end of the last match that begins before `limit`,
    /// and answers where that is; `from` where there is none.
    pub(crate) fn redact(&self, text: &str, from: usize, limit: usize, out: &mut String) -> usize {
        let rules = &self.rules.redact;
        let find = |rule: &Rule, from| -> Option<Range<usize>> {
            rule.regex.find_at(text, from).map(|found| found.range())
        };
        let mut passed = from;
        // Each rule's next match, so that none is searched for twice.
        let mut next: Vec<_> = rules.iter().map(|rule| find(rule, from)).collect();
        loop {
            let first = next.iter().enumerate();
            let first = first.filter_map(|(index, found)| Some((index, found.clone()?)));
            let Some((index, found)) = first.min_by_key(|(_, found)| found.start) else {
                return passed;
            };
            if found.start >= limit {
                return passed;
            }
            out.push_str(&text[passed..found.start]);
            out.push_str(&rules[index].replacement);
            passed = found.end;
            for (rule, next) in rules.iter().zip(&mut next) {
                if next.as_ref().is_some_and(|next| next.start < passed) {
                    *next = find(rule, passed);
                }
            }
        }
    }
}
