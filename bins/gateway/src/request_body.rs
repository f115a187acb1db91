//! The body of a request, and what of it still comes after the answer.
//!
//! A refusal, as for a wrong key or a body too large, is given before the whole request has arrived. With the rest left
//! unread the connection would be reset, and the answer lost on its way: so it is read and thrown away, within bounds.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

/// How long the rest of a body may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most that is thrown away.
const MOST_BYTES: usize = 64 << 20;

/// A body that is read to its end even when nobody wants it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// Gone when it has ended.
    body: Option<Incoming>,
    /// On HTTP/2 a stream can be given up without the connection.
    shares_connection: bool,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, version: Version) -> Self {
        Self {
            body: Some(body),
            shares_connection: version >= Version::HTTP_2,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        let (Some(rest), false) = (rest, self.shares_connection) else {
            return;
        };
        // Without a runtime the program ends, and its connections with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(PATIENCE, discard(rest)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > MOST_BYTES {
            return;
        }
    }
}
