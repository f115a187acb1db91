//! Ids of tool calls, which here are at most 64 letters, digits, `_` and `-`.

use std::collections::{HashMap, HashSet};

use crate::canonical::{Message, Part};

/// Longest id.
const LONGEST: usize = 64;

/// New ids for those that do not fit, the same for a call and its result. They are numbered in the order of the
/// conversation, so that one which goes on has the same beginning and finds the provider's cache.
#[derive(Debug, Default)]
pub(super) struct CallIds<'a> {
    new: HashMap<&'a str, String>,
}

impl<'a> CallIds<'a> {
    /// Of every call and result in `messages`.
    pub(super) fn of(messages: &'a [Message]) -> Self {
        let ids: Vec<&str> = messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                Part::ToolCall(call) => Some(call.id.as_str()),
                Part::ToolResult(result) => Some(result.call_id.as_str()),
                _ => None,
            })
            .collect();
        let taken: HashSet<&str> = ids.iter().copied().filter(|id| fits(id)).collect();
        let mut free = (1_usize..)
            .map(|number| format!("call_{number}"))
            .filter(|id| !taken.contains(id.as_str()));
        let mut new = HashMap::new();
        for id in ids.into_iter().filter(|id| !fits(id)) {
            new.entry(id)
                .or_insert_with(|| free.next().unwrap_or_default());
        }
        Self { new }
    }

    /// What `id` is called here.
    pub(super) fn get<'s>(&'s self, id: &'s str) -> &'s str {
        self.new.get(id).map_or(id, String::as_str)
    }
}

fn fits(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(is_allowed)
}
