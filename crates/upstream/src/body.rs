//! A request body in pieces.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes that are sent one after the other without being joined; they can be written in one vectored call.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
    /// Where it is noted that a connection has it.
    taken: Option<Taken>,
}

/// Whether a connection has taken a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken(Arc<AtomicBool>);

impl Taken {
    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl From<Vec<Bytes>> for Pieces {
    fn from(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            pieces: pieces.into(),
            left,
            taken: None,
        }
    }
}

impl Pieces {
    /// Tells from now on whether a connection has taken it. While there is none, nobody asks a body for anything.
    pub(crate) fn watch(&mut self) -> Taken {
        self.taken.get_or_insert_default().clone()
    }

    /// What is still to be sent, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    /// Also of a request without a body this is the first that a connection asks.
    fn is_end_stream(&self) -> bool {
        if let Some(Taken(taken)) = &self.taken {
            taken.store(true, Relaxed);
        }
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
