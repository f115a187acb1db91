//! What a client gets.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    heartbeat::{Sign, Waiting},
    relay::Relay,
};

/// A response body: whole, or a stream that is relayed as it comes.
#[derive(Debug)]
pub struct Body(Inner);

/// Why a body ends without being whole: the answer broke off, and its format has no way to say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider's answer broke off")]
pub struct BrokenOff;

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Relay>),
    /// A stream that has no content yet.
    Waiting(Box<Waiting>),
}

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Whole(
            Some(bytes.into()).filter(|bytes| !bytes.is_empty()),
        ))
    }

    pub(crate) fn stream(relay: Relay) -> Self {
        Self(Inner::Stream(Box::new(relay)))
    }

    pub(crate) fn waiting(waiting: Waiting) -> Self {
        Self(Inner::Waiting(Box::new(waiting)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.0 {
            Inner::Waiting(waiting) => match ready!(waiting.poll_next(context)) {
                Sign::Beat(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Sign::Body(body) => {
                    *self = body;
                    self.poll_frame(context)
                }
            },
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Stream(relay) => {
                // A panic in here would end every other stream of the connection too.
                let polled = catch_unwind(AssertUnwindSafe(|| relay.poll_next(context)));
                let next = polled.unwrap_or_else(|_| {
                    relay.broke();
                    Poll::Ready(Some(Err(BrokenOff)))
                });
                next.map(|next| next.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Stream(_) | Inner::Waiting(_) => SizeHint::default(),
        }
    }
}
