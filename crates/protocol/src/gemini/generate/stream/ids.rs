//! Ids of calls in answers that have none.

use std::borrow::Cow;

/// Makes ids that are unique to an answer: clients send them back in conversations of many answers, and formats with ids
/// match by them alone.
#[derive(Debug)]
pub(in crate::gemini::generate) struct Ids {
    answer: u64,
    made: usize,
}

impl Ids {
    /// For the answer `id`, or the one that begins with `body`.
    pub(in crate::gemini::generate) fn new(id: Option<&str>, body: &[u8]) -> Self {
        Self {
            answer: fnv1a(id.map_or(body, str::as_bytes)),
            made: 0,
        }
    }

    /// The next one: letters, digits and `_`, short enough for every format.
    pub(in crate::gemini::generate) fn next(&mut self) -> String {
        let id = format!("call_{}_{:016x}", self.made, self.answer);
        self.made += 1;
        id
    }

    /// `own`, if there is one, else the next.
    pub(in crate::gemini::generate) fn or_next<'a>(
        &mut self,
        own: Option<Cow<'a, str>>,
    ) -> Cow<'a, str> {
        own.filter(|own| !own.is_empty())
            .unwrap_or_else(|| Cow::Owned(self.next()))
    }
}

/// FNV-1a, 64 bits: no secret depends on it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
