//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::http1::Http1;

/// The body of an answer, as it comes. Over HTTP/1.1 it comes while it is asked for; what is dropped before its end closes the
/// connection.
#[derive(Debug)]
pub struct Body {
    /// None only while it is dropped.
    incoming: Option<Incoming>,
    /// The connection that it comes over, unless a task drives that, or it has come to its end.
    connection: Option<Box<Http1>>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, connection: Option<Box<Http1>>) -> Self {
        let mut body = Self {
            incoming: Some(incoming),
            connection,
        };
        body.release_at_end();
        body
    }

    /// Gives the connection back as soon as all has come, which may be long before somebody asks whether there is more.
    fn release_at_end(&mut self) {
        if self.is_ended() {
            self.release();
        }
    }

    fn is_ended(&self) -> bool {
        self.incoming
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.release();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let Some(connection) = &mut this.connection else {
            return Pin::new(incoming).poll_frame(context);
        };
        let polled = connection.poll_until(context, |context| {
            Pin::new(&mut *incoming).poll_frame(context)
        });
        let frame = ready!(polled);
        match &frame {
            Some(Ok(_)) => this.release_at_end(),
            Some(Err(_)) => this.connection = None,
            None => this.release(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map(http_body::Body::size_hint)
            .unwrap_or_default()
    }
}

impl Drop for Body {
    /// What nobody wants any more may be all there already, or the end of it; then the connection can serve others.
    fn drop(&mut self) {
        self.incoming = None;
        self.release();
    }
}
