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
    /// A stream of server-sent events.
    Events(Vec<Event>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Events(Vec::new())
    }
}

/// The data of one event, and the wait before it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) wait: Duration,
    pub(crate) data: String,
}

impl Event {
    /// An event that comes at once.
    pub(crate) fn now(data: String) -> Self {
        Self {
            wait: Duration::ZERO,
            data,
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
            payload: Payload::Events(events),
        }
    }
}
