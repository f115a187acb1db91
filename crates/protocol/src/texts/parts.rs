//! One text in several parts. A model reads them joined, so that what is looked for may begin in one and end in another.

use std::ops::Range;

/// Whether a text is to be changed, and to what.
type See<'a, E> = dyn FnMut(&str) -> Result<Option<String>, E> + 'a;

/// More parts than this are changed all at once, as each costs a look at all that are before it.
const ONE_BY_ONE: usize = 64;

/// The parts of a text, each with its place in the body.
#[derive(Debug, Default)]
pub(super) struct Parts {
    places: Vec<Range<usize>>,
    texts: Vec<String>,
}

impl Parts {
    pub(super) fn push(&mut self, place: Range<usize>, text: String) {
        self.places.push(place);
        self.texts.push(text);
    }

    /// Shows them joined, and `alone` each before; the parts that are to be changed, with their places.
    pub(super) fn look<E>(
        self,
        alone: bool,
        see: &mut See<'_, E>,
    ) -> Result<Vec<(Range<usize>, String)>, E> {
        let mut texts = self.texts.clone();
        if alone || texts.len() == 1 {
            for text in &mut texts {
                if let Some(changed) = see(text)? {
                    *text = changed;
                }
            }
        }
        if texts.len() > 1
            && let Some(changed) = see(&texts.concat())?
        {
            if texts.len() > ONE_BY_ONE {
                spread(&changed, &mut texts);
            } else {
                // What spans two parts changes when the second joins the first.
                for count in 2..=texts.len() {
                    if let Some(changed) = see(&texts[..count].concat())? {
                        spread(&changed, &mut texts[..count]);
                    }
                }
            }
        }
        let places = self.places.into_iter().zip(self.texts.iter().zip(texts));
        let changed = places.filter(|(_, (before, after))| *before != after);
        Ok(changed.map(|(place, (_, after))| (place, after)).collect())
    }
}

/// Makes parts those of a text that differs from them in one range: each that has a piece of the range gets what stands there
/// now, so that none is left empty, which some providers refuse.
fn spread(changed: &str, parts: &mut [String]) {
    let joined = parts.concat();
    let common = |a: &mut dyn Iterator<Item = (char, char)>| -> usize {
        a.take_while(|(one, other)| one == other)
            .map(|(one, _)| one.len_utf8())
            .sum()
    };
    let begin = common(&mut joined.chars().zip(changed.chars()));
    let (rest, changed) = (&joined[begin..], &changed[begin..]);
    let tail = common(&mut rest.chars().rev().zip(changed.chars().rev()));
    let (end, put) = (joined.len() - tail, &changed[..changed.len() - tail]);
    let mut from = 0;
    for part in parts {
        let (start, length) = (from, part.len());
        from += length;
        let (first, last) = (begin.max(start), end.min(from));
        if first < last {
            part.replace_range(first - start..last - start, put);
        } else if begin == end && (start..=from).contains(&begin) {
            part.insert_str(begin - start, put);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn redacted(texts: &[&str]) -> Vec<(usize, String)> {
        let mut parts = Parts::default();
        for (index, text) in texts.iter().enumerate() {
            parts.push(index..index, (*text).to_owned());
        }
        let Ok(changed) = parts.look(true, &mut |text| {
            let is_there = text.contains("bäd");
            Ok::<_, Infallible>(is_there.then(|| text.replace("bäd", "*")))
        });
        let changed = changed.into_iter();
        changed.map(|(place, text)| (place.start, text)).collect()
    }

    #[test]
    fn what_spans_parts_is_taken_out_of_each() {
        for (texts, expected) in [
            (&["a", "b"][..], vec![]),
            (&["a bäd", "b"], vec![(0, "a *")]),
            (&["a b", "äd c"], vec![(0, "a *"), (1, "* c")]),
            (&["b", "ä", "d"], vec![(0, "*"), (1, "*"), (2, "*")]),
            (
                &["a b", "äd c", "bä", "d d"],
                vec![(0, "a *"), (1, "* c"), (2, "*"), (3, "* d")],
            ),
            (&["a bäd b", "äd", "c"], vec![(0, "a * *"), (1, "*")]),
            (&["b", "", "äd"], vec![(0, "*"), (2, "*")]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(index, text)| (index, text.to_owned()))
                .collect();
            assert_eq!(redacted(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn of_very_many_parts_nothing_is_left_either() {
        let texts: Vec<_> = "bäd".repeat(40).chars().map(String::from).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let after: String = redacted(&texts).into_iter().map(|(_, text)| text).collect();
        assert!(!after.contains("bäd"), "{after}");
    }
}
