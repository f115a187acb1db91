//! A body of three pieces: what was before the model, the model, what was after.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The pieces left to send; an empty one is passed over.
#[derive(Debug)]
pub(crate) struct Spliced {
    pieces: [Bytes; 3],
    next: usize,
}

impl Spliced {
    /// Replaces `range` of `body` by `with`, without copying what stays.
    pub(crate) fn new(body: &Bytes, range: std::ops::Range<usize>, with: Bytes) -> Self {
        Self {
            pieces: [body.slice(..range.start), with, body.slice(range.end..)],
            next: 0,
        }
    }

    fn left(&self) -> u64 {
        self.pieces[self.next.min(3)..]
            .iter()
            .map(|piece| piece.len() as u64)
            .sum()
    }
}

impl Body for Spliced {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        while self.next < self.pieces.len() {
            let next = self.next;
            self.next += 1;
            let piece = std::mem::take(&mut self.pieces[next]);
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
