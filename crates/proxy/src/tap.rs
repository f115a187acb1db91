//! Looking at a stream as it passes: usage, content, and how it ends.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::{
    Usage,
    openai::{Chunk, ProviderError},
    sse,
};

/// Longest event accepted.
const LONGEST_EVENT: usize = 16 << 20;

/// What the stream is expected to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Whether the client asked for the usage chunk; else it is kept from it.
    pub(crate) passes_usage: bool,
    /// Whether an event that no client could read is left out, instead of being an error.
    pub(crate) skips_malformed: bool,
    /// Answers asked for in one request (`n`); each ends with its own finish reason.
    pub(crate) choices: usize,
    /// Bytes of the prompt's text, for an estimate of tokens.
    pub(crate) prompt_bytes: usize,
}

/// What passes next.
#[derive(Debug)]
pub(crate) enum Passing {
    /// Bytes for the client, and whether they hold content.
    Forward(Bytes, bool),
    /// Nothing for the client.
    Nothing,
    /// The provider reports an error.
    Error(ProviderError),
    /// An event that cannot be read, or not be held.
    Malformed(String),
}

/// Taps one stream.
#[derive(Debug)]
pub(crate) struct Tap {
    decoder: sse::Decoder,
    expected: Expected,
    usage: Option<Usage>,
    text_bytes: usize,
    /// Indices of the answers that came to their finish reason.
    finished: BTreeSet<u64>,
    done: bool,
    events: usize,
}

impl Tap {
    pub(crate) fn new(expected: Expected) -> Self {
        Self {
            decoder: sse::Decoder::new(LONGEST_EVENT),
            expected,
            usage: None,
            text_bytes: 0,
            finished: BTreeSet::new(),
            done: false,
            events: 0,
        }
    }

    /// Takes what the network brought; [`Self::next`] must have answered `None` before.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !self.done {
            self.decoder.push(chunk);
        }
    }

    /// The next whole event, or `None` when more must come from the network. After the end marker there is none.
    pub(crate) fn next(&mut self) -> Option<Passing> {
        if self.done {
            return None;
        }
        match self.decoder.next_event() {
            Ok(event) => event.map(|event| self.look(event)),
            Err(error) => Some(Passing::Malformed(error.to_string())),
        }
    }

    fn look(&mut self, event: sse::Event) -> Passing {
        let Some(data) = event.data() else {
            return Passing::Forward(event.raw, false);
        };
        // By the rules of event streams this is no event; clients that are less strict fail at it.
        if data.is_empty() {
            return Passing::Nothing;
        }
        self.events += 1;
        let chunk = match Chunk::inspect(&data) {
            Ok(chunk) => chunk,
            Err(_) if self.expected.skips_malformed => return Passing::Nothing,
            Err(error) => return Passing::Malformed(error.to_string()),
        };
        drop(data);
        if let Some(error) = chunk.error {
            return Passing::Error(error);
        }
        self.done |= chunk.done;
        self.finished.extend(chunk.finished);
        self.text_bytes += chunk.text_bytes;
        self.usage = chunk.usage.or(self.usage);
        if chunk.usage_only && !self.expected.passes_usage {
            return Passing::Nothing;
        }
        Passing::Forward(event.raw, chunk.content)
    }

    /// Whether the end marker came.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether every answer has come to its finish reason, so that only the end marker can be missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.done || self.finished.len() >= self.expected.choices
    }

    /// Whether anything came at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// What was used so far: as the provider says, else an estimate from what passed.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
            .unwrap_or_else(|| Usage::estimated(self.expected.prompt_bytes, self.text_bytes))
    }
}

#[cfg(test)]
mod tests {
    use protocol::UsageSource;

    use super::*;

    fn tap(choices: usize, passes_usage: bool) -> Tap {
        Tap::new(Expected {
            passes_usage,
            skips_malformed: false,
            choices,
            prompt_bytes: 40,
        })
    }

    fn run(tap: &mut Tap, text: &'static str) -> String {
        tap.push(Bytes::from_static(text.as_bytes()));
        let mut forwarded = String::new();
        while let Some(passing) = tap.next() {
            match passing {
                Passing::Forward(bytes, _) => forwarded.push_str(str::from_utf8(&bytes).unwrap()),
                Passing::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        forwarded
    }

    const CONTENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"0123456789ab\"},\"finish_reason\":null}]}\n\n";
    const FINISH: &str =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const OTHER_FINISH: &str =
        "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";

    #[test]
    fn usage_is_kept_from_a_client_that_did_not_ask() {
        let mut quiet = tap(1, false);
        assert_eq!(run(&mut quiet, CONTENT), CONTENT);
        assert_eq!(run(&mut quiet, USAGE), "");
        assert_eq!(quiet.usage().total, 3);
        let mut asked = tap(1, true);
        assert_eq!(run(&mut asked, USAGE), USAGE);
    }

    #[test]
    fn without_usage_an_estimate_is_made_of_what_passed() {
        let mut tap = tap(1, false);
        run(&mut tap, CONTENT);
        let usage = tap.usage();
        assert_eq!(
            (usage.prompt, usage.completion, usage.source),
            (10, 3, UsageSource::Estimated)
        );
    }

    #[test]
    fn a_stream_is_complete_when_every_choice_has_finished() {
        let mut two = tap(2, false);
        run(&mut two, FINISH);
        run(&mut two, FINISH);
        assert!(!two.is_complete());
        run(&mut two, OTHER_FINISH);
        assert!(two.is_complete() && !two.is_done());
        let mut marked = tap(2, false);
        assert!(marked.is_empty());
        run(&mut marked, "data: [DONE]\n\n");
        assert!(marked.is_complete() && marked.is_done() && !marked.is_empty());
    }
}
