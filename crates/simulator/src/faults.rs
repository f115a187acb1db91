//! What goes wrong on the way, and how an answer and its fault become steps on the wire.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::SseShape;
use crate::answer::{Answer, Event, Framing, Payload};
use crate::body::Step;
use crate::cloud;
use crate::dialect::Dialect;
use crate::text;

/// One thing that goes wrong with an otherwise good answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing more comes, and the connection stays open.
    Hang {
        /// Where it stops.
        at: Point,
    },
    /// The connection is reset (RST).
    Reset {
        /// Where it breaks.
        at: Point,
    },
    /// The connection is closed (FIN) although more was promised.
    Close {
        /// Where it ends.
        at: Point,
    },
    /// The body comes in small pieces.
    Trickle {
        /// Size of a piece.
        bytes: usize,
        /// Milliseconds between two.
        every_ms: u64,
    },
    /// Only the head comes in small pieces; HTTP/1.1 only.
    SlowHeaders {
        /// Size of a piece.
        bytes: usize,
        /// Milliseconds between two.
        every_ms: u64,
    },
    /// JSON that ends too early; in a stream one such event after so many good ones, the rest follows.
    Malformed {
        /// Good events before it.
        #[serde(default)]
        after_events: usize,
    },
    /// An error inside a 200: in a stream an error event after so many good ones, then the end.
    ErrorEvent {
        /// Good events before it; the first event of a chat stream has the role only.
        #[serde(default)]
        after_events: usize,
    },
    /// 200 and nothing in it.
    Empty,
    /// A stream without what ends it: `[DONE]`, or the dialect's last event.
    NoDone,
    /// A whole JSON answer although a stream was asked for.
    JsonForStream,
    /// A compressed body whatever the caller accepts; a stream is flushed after each event.
    Gzip,
    /// A body, or in a stream one line, of at least this many bytes.
    Huge {
        /// Size of the text in it.
        bytes: u64,
    },
}

/// Where on the way an answer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Before the first byte of the answer.
    BeforeHeaders,
    /// Within the status line or the headers.
    InHeaders,
    /// After the complete head, before the body.
    AfterHeaders,
    /// In the middle of the body; of a stream, in the middle of its middle event.
    MidBody,
    /// After so many events of a stream; in a body that is no stream as `MidBody`.
    AfterEvents(usize),
    /// Within the event that follows so many of a stream; in a body that is no stream as `MidBody`.
    Within {
        /// Whole events before it.
        after_events: usize,
        /// Where in it.
        place: Place,
    },
}

/// Where within an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Right behind the name of the field, `data:`.
    Field,
    /// In the middle of its JSON.
    Json,
    /// In the middle of a character of several bytes, of this event or the first later one that has such; where none has,
    /// behind the last event.
    Character,
    /// Behind its JSON, before the end of the line.
    LineEnd,
}

impl Place {
    /// How many bytes of a frame come before it.
    fn offset(self, frame: &[u8]) -> usize {
        const FIELD: &[u8] = b"data:";
        let field = memchr::memmem::find(frame, FIELD).map(|at| at + FIELD.len());
        let end = frame.trim_ascii_end().len();
        let offset = match self {
            Self::Field => field,
            Self::Json => field.map(|start| start.midpoint(end)),
            Self::Character => frame
                .iter()
                .position(|byte| !byte.is_ascii())
                .map(|at| at + 1),
            Self::LineEnd => Some(end),
        };
        // Other framings have no such places.
        offset.unwrap_or(frame.len() / 2)
    }
}

impl Point {
    /// Whether it lies before the body.
    pub(crate) fn is_in_head(self) -> bool {
        matches!(self, Self::BeforeHeaders | Self::InHeaders)
    }

    /// How many of a stream's events come whole before it.
    fn whole_events(self, events: &[Event]) -> usize {
        match self {
            Self::AfterEvents(count) => count.min(events.len()),
            Self::MidBody => events.len() / 2,
            Self::Within {
                after_events,
                place: Place::Character,
            } => (after_events..events.len())
                .find(|index| !events[*index].data.is_ascii())
                .unwrap_or(events.len()),
            Self::Within { after_events, .. } => after_events.min(events.len()),
            _ => 0,
        }
    }

    /// How many bytes of the event that does not come whole come before it.
    fn within(self, frame: &[u8]) -> usize {
        match self {
            Self::MidBody => frame.len() / 2,
            Self::Within { place, .. } => place.offset(frame),
            _ => 0,
        }
    }
}

/// Bytes of a head that are still sent when it breaks [`Point::InHeaders`].
pub(crate) const HEAD_BYTES: usize = 24;

/// Between the last bytes and a cut, so that the peer reads the bytes before it learns of the cut.
const SETTLE: Duration = Duration::from_millis(10);

/// A body as steps, with its length where that is told in advance.
pub(crate) struct Staged {
    pub(crate) steps: Vec<Step>,
    pub(crate) content_length: Option<u64>,
}

/// Turns an answer into steps, with `fault` in them.
pub(crate) fn stage(
    dialect: &dyn Dialect,
    answer: &mut Answer,
    shape: SseShape,
    fault: Option<&Fault>,
) -> Staged {
    let mut staged = match std::mem::take(&mut answer.payload) {
        Payload::Whole { wait, body } => {
            stage_whole(dialect, wait, body, fault, &mut answer.headers)
        }
        Payload::Events(events, framing) => Staged {
            steps: stage_events(dialect, events, framing, shape, fault, &mut answer.headers),
            content_length: None,
        },
    };
    if let Some(Fault::Trickle { bytes, every_ms }) = fault {
        staged.steps = trickle(
            &staged.steps,
            (*bytes).max(1),
            Duration::from_millis(*every_ms),
        );
    }
    staged
}

fn trickle(steps: &[Step], size_bytes: usize, every: Duration) -> Vec<Step> {
    let mut slow = Vec::new();
    for step in steps {
        match step {
            Step::Data(bytes) => {
                for start in (0..bytes.len()).step_by(size_bytes) {
                    let piece = bytes.slice(start..(start + size_bytes).min(bytes.len()));
                    slow.extend([Step::Data(piece), Step::Flush, Step::Wait(every)]);
                }
            }
            other => slow.push(other.clone()),
        }
    }
    slow
}

fn stage_whole(
    dialect: &dyn Dialect,
    wait: Duration,
    body: Bytes,
    fault: Option<&Fault>,
    headers: &mut HeaderMap,
) -> Staged {
    let mut body = body;
    match fault {
        Some(Fault::Malformed { .. }) => body.truncate(body.len() / 2),
        Some(Fault::Empty) => body.clear(),
        Some(Fault::ErrorEvent { .. }) => body = dialect.error_event().data.into(),
        Some(Fault::Gzip) => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            body = encoder
                .write_all(&body)
                .and_then(|()| encoder.finish())
                .expect("a Vec takes every byte")
                .into();
        }
        Some(Fault::Huge { bytes }) => {
            let mut steps = vec![Step::Wait(wait)];
            let (head, tail) = dialect.huge_body();
            push_huge(&mut steps, head, tail, *bytes);
            return Staged {
                steps,
                content_length: None,
            };
        }
        _ => {}
    }
    let content_length = Some(body.len() as u64);
    let mut steps = vec![Step::Wait(wait)];
    match fault.and_then(Fault::stop) {
        None => steps.push(Step::Data(body)),
        Some((at, stop)) => {
            if at != Point::AfterHeaders {
                steps.push(Step::Data(body.slice(..body.len() / 2)));
            }
            push_stop(&mut steps, stop);
        }
    }
    Staged {
        steps,
        content_length,
    }
}

fn stage_events(
    dialect: &dyn Dialect,
    mut events: Vec<Event>,
    framing: Framing,
    shape: SseShape,
    fault: Option<&Fault>,
    headers: &mut HeaderMap,
) -> Vec<Step> {
    match fault {
        Some(Fault::Empty) => events.clear(),
        Some(Fault::NoDone) => events.retain(|event| !event.is_last),
        Some(Fault::ErrorEvent { after_events }) => {
            events.truncate(*after_events);
            events.push(dialect.error_event());
        }
        Some(Fault::Malformed { after_events }) => {
            events.insert((*after_events).min(events.len()), dialect.broken_event());
        }
        _ => {}
    }
    let mut steps = Vec::with_capacity(events.len() * 3);
    if let Some(Fault::Huge { bytes }) = fault {
        let (head, tail) = dialect.huge_event();
        push_huge(&mut steps, head, tail, *bytes);
    }
    if shape.coalesce {
        steps.push(Step::Wait(events.iter().map(|event| event.wait).sum()));
        events
            .iter_mut()
            .for_each(|event| event.wait = Duration::ZERO);
    }
    let stop = fault.and_then(Fault::stop);
    let at = stop.map(|(at, _)| at);
    let stop_after = at.map(|at| at.whole_events(&events));
    let mut writer = EventWriter::new(framing, shape, matches!(fault, Some(Fault::Gzip)), headers);
    for (index, event) in events.iter().enumerate() {
        if stop_after == Some(index) {
            let frame = writer.frame(event);
            let beginning = at.map_or(0, |at| at.within(&frame));
            writer.push(&mut steps, frame.slice(..beginning));
            break;
        }
        steps.push(Step::Wait(event.wait));
        let frame = writer.frame(event);
        writer.push(&mut steps, frame);
    }
    match stop {
        Some((_, how)) => push_stop(&mut steps, how),
        None if writer.framed > 0 => {
            if let Some(end) = writer.end() {
                writer.push(&mut steps, end);
            }
        }
        None => {}
    }
    steps
}

impl Fault {
    /// Where the body stops and how, for the faults that stop it.
    fn stop(&self) -> Option<(Point, Stop)> {
        match self {
            Self::Hang { at } => Some((*at, Stop::Hang)),
            Self::Reset { at } => Some((*at, Stop::Break { reset: true })),
            Self::Close { at } => Some((*at, Stop::Break { reset: false })),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Stop {
    Hang,
    Break { reset: bool },
}

fn push_stop(steps: &mut Vec<Step>, stop: Stop) {
    steps.push(Step::Flush);
    match stop {
        Stop::Hang => steps.push(Step::Hang),
        Stop::Break { reset } => steps.extend([Step::Wait(SETTLE), Step::Break { reset }]),
    }
}

/// Text of any size from one small block.
fn push_huge(steps: &mut Vec<Step>, head: &'static str, tail: &'static str, size_bytes: u64) {
    static BLOCK: [u8; 64 * 1024] = [b'a'; 64 * 1024];
    steps.push(Step::Data(Bytes::from_static(head.as_bytes())));
    for _ in 0..size_bytes.div_ceil(BLOCK.len() as u64) {
        steps.push(Step::Data(Bytes::from_static(&BLOCK)));
    }
    steps.extend([Step::Data(Bytes::from_static(tail.as_bytes())), Step::Flush]);
}

/// Frames events, compresses them where asked, and cuts them into writes.
struct EventWriter {
    framing: Framing,
    /// Events framed so far.
    framed: usize,
    shape: SseShape,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl EventWriter {
    fn new(framing: Framing, shape: SseShape, gzip: bool, headers: &mut HeaderMap) -> Self {
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(match framing {
                Framing::Sse => "text/event-stream; charset=utf-8",
                Framing::JsonArray => "application/json; charset=UTF-8",
                Framing::Amazon => "application/vnd.amazon.eventstream",
            }));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Self {
            framing,
            framed: 0,
            shape,
            gzip: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    fn frame(&mut self, event: &Event) -> Bytes {
        if self.framing == Framing::Amazon {
            return cloud::frame(event);
        }
        let end = self.shape.line_end.text();
        let comment = if self.shape.comments {
            format!(": keep-alive{end}{end}")
        } else {
            String::new()
        };
        let space = if self.shape.tight { "" } else { " " };
        let name = event
            .name
            .map_or_else(String::new, |name| format!("event:{space}{name}{end}"));
        let data = if self.shape.ascii {
            Cow::Owned(text::ascii(&event.data))
        } else {
            Cow::Borrowed(&event.data)
        };
        let frame = match (self.framing, self.framed) {
            (Framing::Sse, _) => format!("{comment}{name}data:{space}{data}{end}{end}"),
            (_, 0) => format!("[{data}"),
            (_, _) => format!(",\r\n{data}"),
        };
        self.framed += 1;
        self.encode(frame)
    }

    /// What ends the stream, if anything does.
    fn end(&mut self) -> Option<Bytes> {
        (self.framing == Framing::JsonArray).then(|| self.encode("]".to_owned()))
    }

    fn encode(&mut self, frame: String) -> Bytes {
        let Some(encoder) = &mut self.gzip else {
            return frame.into();
        };
        encoder
            .write_all(frame.as_bytes())
            .and_then(|()| encoder.flush())
            .expect("a Vec takes every byte");
        std::mem::take(encoder.get_mut()).into()
    }

    fn push(&self, steps: &mut Vec<Step>, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        if self.shape.coalesce {
            steps.push(Step::Data(frame));
            return;
        }
        let size = if self.shape.split_bytes == 0 {
            frame.len()
        } else {
            self.shape.split_bytes
        };
        for start in (0..frame.len()).step_by(size) {
            let piece = frame.slice(start..(start + size).min(frame.len()));
            steps.extend([Step::Data(piece), Step::Flush]);
        }
    }
}
