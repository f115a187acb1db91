//! A protocol's answer before it meets the wire.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Status, headers and what follows them.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
}

/// The body, whole or as events.
#[derive(Debug)]
pub(crate) enum Payload {
    /// One body that is ready after `wait`.
    Whole { wait: Duration, body: Bytes },
    /// A stream of events.
    Events(Vec<Event>, Framing),
}

/// What stands around the events of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// One JSON array, an event an element.
    JsonArray,
    /// Amazon's event stream, an event a chunk.
    Amazon,
}

impl Default for Payload {
    fn default() -> Self {
        Self::Events(Vec::new(), Framing::Sse)
    }
}

/// One event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    /// The wait before it.
    pub(crate) wait: Duration,
    /// What its `event:` line says; none without such a line.
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// Whether the stream is only complete with it.
    pub(crate) is_last: bool,
}

impl Event {
    /// An event that comes at once.
    pub(crate) fn now(data: String) -> Self {
        Self::after(Duration::ZERO, data)
    }

    /// An event that comes after a while.
    pub(crate) fn after(wait: Duration, data: String) -> Self {
        Self {
            wait,
            name: None,
            data,
            is_last: false,
        }
    }

    /// The same with an `event:` line.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// The same as the end of its stream.
    pub(crate) fn last(self) -> Self {
        Self {
            is_last: true,
            ..self
        }
    }
}

impl Answer {
    /// A JSON body that is ready at once.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::json_after(Duration::ZERO, status, body)
    }

    /// A JSON body that takes `wait` to make.
    pub(crate) fn json_after(wait: Duration, status: StatusCode, body: impl Into<Bytes>) -> Self {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self {
            status,
            headers,
            payload: Payload::Whole {
                wait,
                body: body.into(),
            },
        }
    }

    /// A stream of events.
    pub(crate) fn events(events: Vec<Event>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            payload: Payload::Events(events, Framing::Sse),
        }
    }

    /// The same with another framing, where it is a stream.
    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        if let Payload::Events(_, current) = &mut self.payload {
            *current = framing;
        }
        self
    }
}
