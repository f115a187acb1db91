//! A connection, and what it has to send.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use rustix::net::{Shutdown, shutdown};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::Round;

/// Most that is kept of what a connection writes in a round, in bytes; what is longer is sent from where it lies.
const KEPT: usize = 8 << 10;

/// A TCP connection that sends what is written at the end of the runtime's [`Round`], if it is short, and in its order.
#[derive(Debug)]
pub struct Socket {
    incoming: OwnedReadHalf,
    outgoing: Arc<Outgoing>,
    round: Round,
}

/// What a connection has to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    half: OwnedWriteHalf,
    /// Whether what it keeps did not all go, for want of room or of a peer.
    is_stuck: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Whether the end of this round sends it.
    is_due: bool,
    error: Option<io::Error>,
    /// Whom to tell that it is stuck.
    writer: Option<Waker>,
}

impl Socket {
    /// `stream`, with what it sends at the end of a `round`.
    #[must_use]
    pub fn new(stream: TcpStream, round: Round) -> Self {
        let (incoming, half) = stream.into_split();
        let outgoing = Arc::new(Outgoing {
            half,
            is_stuck: AtomicBool::new(false),
            kept: Mutex::default(),
        });
        Self {
            incoming,
            outgoing,
            round,
        }
    }

    /// Keeps `pieces` for the end of the round, or sends them where they are not to be kept.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outgoing = &self.outgoing;
        if !self.round.keeps() {
            return outgoing.poll_write(context, pieces);
        }
        let mut kept = outgoing.kept();
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if kept.bytes.len() + length > KEPT || outgoing.is_stuck() {
            ready!(outgoing.poll_drain(&mut kept, context))?;
        }
        if length <= KEPT && self.keep(&mut kept, context, pieces) {
            return Poll::Ready(Ok(length));
        }
        outgoing.poll_write(context, pieces)
    }

    /// Whether `pieces` are kept, behind what is.
    fn keep(&self, kept: &mut Kept, context: &Context<'_>, pieces: &[io::IoSlice<'_>]) -> bool {
        if !kept.is_due {
            let Some(buffer) = self.round.ends_with(&self.outgoing) else {
                return false;
            };
            kept.bytes = buffer;
            kept.is_due = true;
        }
        for piece in pieces {
            kept.bytes.extend_from_slice(piece);
        }
        match &mut kept.writer {
            Some(writer) => writer.clone_from(context.waker()),
            writer => *writer = Some(context.waker().clone()),
        }
        true
    }
}

impl AsRef<TcpStream> for Socket {
    fn as_ref(&self) -> &TcpStream {
        self.incoming.as_ref()
    }
}

impl Drop for Socket {
    /// What is kept is sent nevertheless, and nobody is to be told of it any more.
    fn drop(&mut self) {
        self.outgoing.kept().writer = None;
    }
}

impl Outgoing {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stuck(&self) -> bool {
        self.is_stuck.load(Relaxed)
    }

    /// Sends what is kept, or tells who wrote it that it does not go. An empty buffer is left over where it went.
    pub(crate) fn send(&self) -> Option<Vec<u8>> {
        let mut kept = self.kept();
        kept.is_due = false;
        if kept.bytes.is_empty() || self.is_stuck() {
            return None;
        }
        let tcp: &TcpStream = self.half.as_ref();
        match tcp.try_write(&kept.bytes) {
            Ok(sent) if sent == kept.bytes.len() => {
                kept.bytes.clear();
                return Some(std::mem::take(&mut kept.bytes));
            }
            Ok(sent) => {
                kept.bytes.drain(..sent);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                kept.bytes.clear();
                kept.error = Some(error);
            }
        }
        self.is_stuck.store(true, Relaxed);
        if let Some(writer) = &kept.writer {
            writer.wake_by_ref();
        }
        None
    }

    /// Waits until all that is kept is sent.
    fn poll_drain(&self, kept: &mut Kept, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = kept.error.take() {
            return Poll::Ready(Err(error));
        }
        while !kept.bytes.is_empty() {
            let sent = ready!(self.poll_write(context, &[io::IoSlice::new(&kept.bytes)]))?;
            kept.bytes.drain(..sent);
        }
        self.is_stuck.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tcp: &TcpStream = self.half.as_ref();
        loop {
            ready!(tcp.poll_write_ready(context))?;
            match tcp.try_write_vectored(pieces) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is kept is on its way; only what is stuck is waited for.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outgoing.is_stuck() {
            return Poll::Ready(Ok(()));
        }
        self.outgoing.poll_drain(&mut self.outgoing.kept(), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outgoing.poll_drain(&mut self.outgoing.kept(), context))?;
        let tcp: &TcpStream = self.incoming.as_ref();
        Poll::Ready(shutdown(tcp, Shutdown::Write).map_err(Into::into))
    }
}
