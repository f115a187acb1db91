//! Looking at a stream as it passes: usage, content, and how it ends.

use bytes::Bytes;
use catalog::Framing;
use http::StatusCode;
use protocol::{
    ClientError, Denied, ProviderError, Resumption, Step, Stream, Usage,
    bedrock::{
        self, ChunkError,
        event_stream::{self, Message},
    },
    sse,
};

use crate::withheld::Piece;

/// Longest event accepted.
const LONGEST_EVENT: usize = 16 << 20;

/// What passes next.
#[derive(Debug)]
pub(crate) enum Passing {
    /// For the client, and whether it holds content.
    Forward(Piece, bool),
    /// Nothing for the client.
    Nothing,
    /// The provider reports an error, and maybe the status that the same error has as a whole answer.
    Error(ProviderError, Option<StatusCode>),
    /// An event that cannot be read, or not be held.
    Malformed(String),
    /// The provider says something else than the client has of the one before.
    Differs,
    /// A guard denies what the provider says. Nothing else follows.
    Denied(Denied),
}

/// Taps one stream.
#[derive(Debug)]
pub(crate) struct Tap(Kind);

#[derive(Debug)]
enum Kind {
    Events(Box<Events>),
    Raw(Raw),
}

/// Events of generated text.
#[derive(Debug)]
struct Events {
    decoder: Decoder,
    stream: Stream,
    /// Whether an event that no client could read is left out, instead of being an error.
    skips_malformed: bool,
    denied: Option<Denied>,
}

/// Cuts events out of what the network brings.
#[derive(Debug)]
enum Decoder {
    Sse(sse::Decoder),
    Amazon(event_stream::Decoder),
}

/// Bytes of any kind, which end where the body does.
#[derive(Debug, Default)]
struct Raw {
    next: Option<Bytes>,
    has_begun: bool,
    has_ended: bool,
}

impl Tap {
    /// Of a stream of events.
    pub(crate) fn events(stream: Stream, framing: Framing, skips_malformed: bool) -> Self {
        let decoder = match framing {
            Framing::AmazonEvents => Decoder::Amazon(event_stream::Decoder::new(LONGEST_EVENT)),
            Framing::Sse => Decoder::Sse(sse::Decoder::new(LONGEST_EVENT)),
        };
        Self(Kind::Events(Box::new(Events {
            decoder,
            stream,
            skips_malformed,
            denied: None,
        })))
    }

    /// Of bytes that are not interpreted.
    pub(crate) fn raw() -> Self {
        Self(Kind::Raw(Raw::default()))
    }

    /// Takes what the network brought; [`Self::next`] must have answered `None` before.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        match &mut self.0 {
            Kind::Events(events) if events.stream.is_done() => {}
            Kind::Events(events) => match &mut events.decoder {
                Decoder::Sse(decoder) => decoder.push(chunk),
                Decoder::Amazon(decoder) => decoder.push(chunk),
            },
            Kind::Raw(raw) => raw.next = Some(chunk).filter(|chunk| !chunk.is_empty()),
        }
    }

    /// What passes next, or `None` when more must come from the network. After the end marker there is nothing.
    pub(crate) fn next(&mut self) -> Option<Passing> {
        match &mut self.0 {
            Kind::Events(events) => events.next(),
            Kind::Raw(raw) => {
                let chunk = raw.next.take()?;
                raw.has_begun = true;
                let piece = Piece {
                    bytes: chunk,
                    said: Vec::new(),
                };
                Some(Passing::Forward(piece, true))
            }
        }
    }

    /// The body has ended as it should.
    pub(crate) fn at_end(&mut self) {
        if let Kind::Raw(raw) = &mut self.0 {
            raw.has_ended = true;
        }
    }

    /// Whether the end marker came.
    pub(crate) fn is_done(&self) -> bool {
        match &self.0 {
            Kind::Events(events) => events.stream.is_done(),
            Kind::Raw(raw) => raw.has_ended,
        }
    }

    /// Whether every answer has come to its finish reason, so that only the end marker can be missing.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.0 {
            Kind::Events(events) => events.stream.is_complete(),
            Kind::Raw(raw) => raw.has_ended,
        }
    }

    /// Whether the client has a complete answer, as its format has no end marker that could still be missing.
    pub(crate) fn is_said(&self) -> bool {
        match &self.0 {
            Kind::Events(events) => events.stream.is_said(),
            Kind::Raw(_) => false,
        }
    }

    /// Whether nothing came at all.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.0 {
            Kind::Events(events) => events.stream.is_empty(),
            Kind::Raw(raw) => !raw.has_begun,
        }
    }

    /// What was used so far: as the provider says, else an estimate from what passed. Nothing is known of bytes.
    pub(crate) fn usage(&self) -> Option<Usage> {
        match &self.0 {
            Kind::Events(events) => Some(events.stream.usage()),
            Kind::Raw(_) => None,
        }
    }

    /// What the client has, if another provider may go on with it.
    pub(crate) fn resumption(&self) -> Option<Resumption> {
        match &self.0 {
            Kind::Events(events) => events.stream.resumption(),
            Kind::Raw(_) => None,
        }
    }

    /// What a complete stream whose end marker is missing still needs.
    pub(crate) fn finish(&mut self) -> Bytes {
        match &mut self.0 {
            Kind::Events(events) => events.stream.finish(),
            Kind::Raw(_) => Bytes::new(),
        }
    }

    /// The client gets nothing more of what passed, of which it has something (`is_begun`) or nothing.
    pub(crate) fn retract(&mut self, is_begun: bool) {
        match &mut self.0 {
            Kind::Events(events) => events.stream.retract(is_begun),
            Kind::Raw(_) => {}
        }
    }

    /// The event that tells the client of an error. Bytes have none: only a broken connection tells that they are not
    /// all.
    pub(crate) fn fail(&mut self, error: &ClientError) -> Option<Bytes> {
        match &mut self.0 {
            Kind::Events(events) => Some(events.stream.fail(error)),
            Kind::Raw(_) => None,
        }
    }
}

impl Events {
    fn next(&mut self) -> Option<Passing> {
        if let Some(denied) = &self.denied {
            return Some(Passing::Denied(denied.clone()));
        }
        if self.stream.is_done() {
            return None;
        }
        let message = match &mut self.decoder {
            Decoder::Sse(decoder) => {
                return match decoder.next_event() {
                    Ok(event) => event.map(|event| self.look(event)),
                    Err(error) => Some(Passing::Malformed(error.to_string())),
                };
            }
            Decoder::Amazon(decoder) => decoder.next_message(),
        };
        match message {
            Ok(message) => message.map(|message| self.unwrap(&message)),
            Err(error) => Some(Passing::Malformed(error.to_string())),
        }
    }

    /// Takes the event out of a message of Amazon's.
    fn unwrap(&mut self, message: &Message) -> Passing {
        match bedrock::unwrap_message(message) {
            Ok(Some(event)) => self.look(event),
            Ok(None) => Passing::Nothing,
            Err(ChunkError::Exception { status, error }) => {
                Passing::Error(error, StatusCode::from_u16(status).ok())
            }
            Err(_) if self.skips_malformed => Passing::Nothing,
            Err(error) => Passing::Malformed(error.to_string()),
        }
    }

    fn look(&mut self, event: sse::Event) -> Passing {
        match self.stream.look(event) {
            Ok(step) if step.differs => Passing::Differs,
            Ok(Step {
                denied: Some(denied),
                ..
            }) => {
                self.denied = Some(denied.clone());
                Passing::Denied(denied)
            }
            Ok(step) => match step.error {
                Some(error) => Passing::Error(error, None),
                None if step.bytes.is_empty() && !step.content => Passing::Nothing,
                None => {
                    let Step {
                        bytes,
                        said,
                        content,
                        ..
                    } = step;
                    Passing::Forward(Piece { bytes, said }, content)
                }
            },
            Err(_) if self.skips_malformed => Passing::Nothing,
            Err(error) => Passing::Malformed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Endpoint, Inspected, UsageSource};

    use super::*;

    fn tap(choices: usize, passes_usage: bool) -> Tap {
        let expected = Inspected {
            endpoint: Endpoint::ChatCompletions,
            passes_usage,
            choices,
            as_array: false,
        };
        Tap::events(Stream::pass(expected, 40), Framing::Sse, false)
    }

    fn run(tap: &mut Tap, text: &'static str) -> String {
        tap.push(Bytes::from_static(text.as_bytes()));
        let mut forwarded = String::new();
        while let Some(passing) = tap.next() {
            match passing {
                Passing::Forward(piece, _) => {
                    forwarded.push_str(str::from_utf8(&piece.bytes).unwrap());
                }
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
        assert_eq!(quiet.usage().unwrap().total, 3);
        let mut asked = tap(1, true);
        assert_eq!(run(&mut asked, USAGE), USAGE);
    }

    #[test]
    fn without_usage_an_estimate_is_made_of_what_passed() {
        let mut tap = tap(1, false);
        run(&mut tap, CONTENT);
        let usage = tap.usage().unwrap();
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

    #[test]
    fn bytes_pass_as_they_are_and_end_with_the_body() {
        let mut raw = Tap::raw();
        assert!(raw.is_empty());
        assert_eq!(run(&mut raw, ""), "");
        assert!(raw.is_empty());
        assert_eq!(run(&mut raw, "data: {broken\n"), "data: {broken\n");
        assert!(!raw.is_empty() && !raw.is_complete());
        raw.at_end();
        assert!(raw.is_complete() && raw.is_done());
        assert_eq!(raw.usage(), None);
    }
}
