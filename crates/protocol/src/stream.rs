//! One stream on its way to the client: passed on as it is, or translated; watched in either case.

use bytes::Bytes;

use crate::{
    ClientError, Format, Malformed, ProviderError, Usage,
    inspect::{Inspected, Inspection},
    resume::Resumption,
    screen::{Denied, Screen},
    sse,
    translate::{Progress, Reply, Translation},
};

/// What becomes of one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// For the client; may be empty.
    pub bytes: Bytes,
    /// Whether they hold something a client would keep: text, a tool call, reasoning, a refusal, or a finish reason.
    pub content: bool,
    /// The event is an error; nothing of it is for the client as it came.
    pub error: Option<ProviderError>,
    /// The provider says something else than the client has, which another began: nothing of this is for the client.
    pub differs: bool,
    /// A screen denies what the provider says: what was said before is all that the client gets.
    pub denied: Option<Denied>,
    /// What the bytes say, where somebody hears it ([`Stream::overheard`]).
    pub said: Vec<Said>,
}

/// A piece of what one answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which of the answers.
    pub choice: u32,
    /// Text, reasoning, a refusal, or the texts in a call's arguments, a line for each.
    pub text: String,
}

/// Watches one stream, and translates it where the client speaks another format than the provider.
#[derive(Debug)]
pub struct Stream {
    way: Way,
    /// Bytes of the prompt's text, for an estimate of tokens.
    prompt_bytes: usize,
    events: usize,
}

#[derive(Debug)]
enum Way {
    Pass(Box<Inspection>),
    Translate(Box<Translation>),
}

impl Stream {
    /// A stream that is passed on.
    #[must_use]
    pub fn pass(expected: Inspected, prompt_bytes: usize) -> Self {
        Self {
            way: Way::Pass(Box::new(Inspection::new(expected))),
            prompt_bytes,
            events: 0,
        }
    }

    /// A stream of a provider that speaks `from`, for a client that speaks `to`.
    #[must_use]
    pub fn translate(from: Format, to: Format, reply: Reply, prompt_bytes: usize) -> Self {
        Self {
            way: Way::Translate(Box::new(Translation::new(from, to, reply))),
            prompt_bytes,
            events: 0,
        }
    }

    /// A stream of a provider that speaks `from`, for a client of legacy Completions.
    #[must_use]
    pub fn complete(from: Format, reply: Reply, prompt_bytes: usize) -> Self {
        Self {
            way: Way::Translate(Box::new(Translation::completion(from, reply))),
            prompt_bytes,
            events: 0,
        }
    }

    /// A stream of a provider that speaks `from`, which goes on with an answer that another began: nothing is written until
    /// all that the client has was repeated, and what follows goes on from there.
    #[must_use]
    pub fn resume(from: Format, resumption: &Resumption, prompt_bytes: usize) -> Self {
        Self {
            way: Way::Translate(Box::new(Translation::resumed(from, resumption))),
            prompt_bytes,
            events: 0,
        }
    }

    /// Has what is said screened before it is written. A stream that is passed on is not written here, so it has to be
    /// translated also where both speak alike.
    #[must_use]
    pub fn screened(mut self, screen: Box<dyn Screen>) -> Self {
        match &mut self.way {
            Way::Pass(_) => debug_assert!(false, "a stream that is passed on cannot be screened"),
            Way::Translate(translation) => translation.screen(screen),
        }
        self
    }

    /// Has told, beside the bytes of a stream that is screened, what they say: for somebody who judges it before they go to the
    /// client.
    #[must_use]
    pub fn overheard(mut self) -> Self {
        match &mut self.way {
            Way::Pass(_) => debug_assert!(false, "a stream that is passed on is not heard"),
            Way::Translate(translation) => translation.overhear(),
        }
        self
    }

    /// Keeps what goes to the client, so that another provider may go on with it. Called before the first event; `reply` is
    /// what a translated answer would tell.
    pub fn remember(&mut self, reply: Reply) {
        match &mut self.way {
            Way::Pass(inspection) => inspection.remember(reply),
            Way::Translate(translation) => translation.remember(),
        }
    }

    /// The answer so far, if it was remembered and another provider can go on with it: it holds nothing but text,
    /// refusals, reasoning and calls of one choice, unsigned, at most a mebibyte of them, and has not come to its end.
    #[must_use]
    pub fn resumption(&self) -> Option<Resumption> {
        match &self.way {
            Way::Pass(inspection) => inspection.resumption(),
            Way::Translate(translation) => translation.resumption(),
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// No client could read it.
    pub fn look(&mut self, event: sse::Event) -> Result<Step, Malformed> {
        let Some(data) = event.data() else {
            // A comment or a lone `retry`; Gemini's clients fail at them, and a translation has its own pace.
            return Ok(match &self.way {
                Way::Pass(inspection) => inspection.aside(event.raw),
                Way::Translate(_) => Step::default(),
            });
        };
        // By the rules of event streams this is no event; clients that are less strict fail at it.
        if data.is_empty() {
            return Ok(Step::default());
        }
        self.events += 1;
        match &mut self.way {
            Way::Pass(inspection) => inspection.look(&event, &data),
            Way::Translate(translation) => translation.look(&data),
        }
    }

    /// The client gets nothing more of what was told here, of which it has something (`is_begun`) or nothing: an error that
    /// follows repeats none of it, even where all of it was told.
    pub fn retract(&mut self, is_begun: bool) {
        match &mut self.way {
            Way::Pass(_) => debug_assert!(false, "what is passed on is not held back"),
            Way::Translate(translation) => translation.retract(is_begun),
        }
    }

    /// Whether the end marker came.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.progress().done
    }

    /// Whether every answer has come to its finish reason, so that only the end marker can be missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.progress().is_complete()
    }

    /// Whether the client has a complete answer, as its format has no end marker that could still be missing.
    #[must_use]
    pub fn is_said(&self) -> bool {
        let has_no_marker = match &self.way {
            Way::Pass(inspection) => inspection.has_no_marker(),
            Way::Translate(translation) => translation.has_no_marker(),
        };
        has_no_marker && self.is_complete()
    }

    /// Whether nothing came at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// What was used so far: as the provider says, else an estimate from what passed.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let progress = self.progress();
        progress
            .usage()
            .unwrap_or_else(|| Usage::estimated(self.prompt_bytes, progress.text_bytes))
    }

    /// What a complete stream whose end marker is missing still needs, in the client's format.
    pub fn finish(&mut self) -> Bytes {
        match &mut self.way {
            Way::Pass(inspection) => inspection.finish(),
            Way::Translate(translation) => translation.finish(),
        }
    }

    /// The event that tells the client of an error, after which nothing follows.
    pub fn fail(&mut self, error: &ClientError) -> Bytes {
        match &mut self.way {
            Way::Pass(inspection) => inspection.fail(error),
            Way::Translate(translation) => translation.fail(error),
        }
    }

    fn progress(&self) -> &Progress {
        match &self.way {
            Way::Pass(inspection) => inspection.progress(),
            Way::Translate(translation) => translation.progress(),
        }
    }
}
