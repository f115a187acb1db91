//! The connection below HTTP: resets, cuts, slow pieces and bytes out of turn.
//!
//! hyper writes correct HTTP only, so what must be wrong is done under it: [`Wire`] holds a connection's orders, the
//! server gives them, and [`WireIo`] obeys when hyper writes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The orders for one connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Whether `orders` has to be looked at: keeps the lock off the ordinary write.
    armed: AtomicBool,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    first: Bytes,
    cut_after: Option<(usize, Cut)>,
    slow_head: Option<Pieces>,
    reset_on_close: bool,
    close_after_answer: bool,
    answered: bool,
    stale: bool,
}

/// What happens to a connection that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// RST.
    Reset,
    /// FIN.
    Close,
    /// Nothing: it stays open and silent.
    Stall,
}

/// A head in small pieces.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    size_bytes: usize,
    every: Duration,
}

impl Wire {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders());
        self.armed.store(true, Ordering::Release);
    }

    /// Forgets the orders for the answer before, as a new request arrives.
    pub(crate) fn begin(&self) {
        if self.armed.load(Ordering::Acquire) {
            let mut orders = self.orders();
            *orders = Orders {
                stale: orders.stale,
                ..Orders::default()
            };
        }
    }

    /// Lets so many more bytes pass and then cuts the connection.
    pub(crate) fn cut_after(&self, bytes: usize, how: Cut) {
        self.order(|orders| {
            orders.cut_after = Some((bytes, how));
            orders.reset_on_close = how == Cut::Reset;
        });
    }

    /// Makes the close of this connection, whenever it comes, a reset.
    pub(crate) fn reset_on_close(&self) {
        self.order(|orders| orders.reset_on_close = true);
    }

    /// Writes these bytes before the next ones of hyper.
    pub(crate) fn write_first(&self, bytes: Bytes) {
        self.order(|orders| orders.first = bytes);
    }

    /// Writes the head of the next answer in pieces.
    pub(crate) fn slow_head(&self, size_bytes: usize, every: Duration) {
        self.order(|orders| {
            orders.slow_head = Some(Pieces {
                size_bytes: size_bytes.max(1),
                every,
            })
        });
    }

    /// Closes the connection once the answer of now is written.
    pub(crate) fn close_after_answer(&self) {
        self.order(|orders| orders.close_after_answer = true);
    }

    /// Marks the connection as one that will not survive its next request.
    pub(crate) fn go_stale(&self) {
        self.order(|orders| orders.stale = true);
    }

    /// Whether [`Wire::go_stale`] was called.
    pub(crate) fn is_stale(&self) -> bool {
        self.armed.load(Ordering::Acquire) && self.orders().stale
    }

    /// Told when an answer's body has ended; what is left of it may still wait in hyper's buffer.
    pub(crate) fn answered(&self) {
        if self.armed.load(Ordering::Acquire) {
            self.orders().answered = true;
        }
    }
}

/// What carries the bytes of a connection.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Makes its close look like a reset to the other end.
    fn reset_on_close(&self);
}

impl Carrier for TcpStream {
    fn reset_on_close(&self) {
        // Fails only on a socket that is gone already, which is what is wanted.
        let _ = self.set_zero_linger();
    }
}

/// A connection that obeys its [`Wire`].
#[derive(Debug)]
pub(crate) struct WireIo<C: Carrier> {
    stream: C,
    wire: Arc<Wire>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<C: Carrier> WireIo<C> {
    /// Wraps an accepted connection.
    pub(crate) fn new(stream: C, wire: Arc<Wire>) -> Self {
        Self {
            stream,
            wire,
            pause: None,
        }
    }

    fn poll_write_ordered(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let wire = Arc::clone(&self.wire);
        let mut orders = wire.orders();
        while !orders.first.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &orders.first))?;
            orders.first.advance(written);
        }
        match orders.cut_after {
            // The reading half still wakes hyper when the caller leaves.
            Some((0, Cut::Stall)) => return Poll::Pending,
            Some((0, _)) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            _ => {}
        }
        let mut limit = buf
            .len()
            .min(orders.cut_after.map_or(usize::MAX, |(left, _)| left));
        let slow_head = orders.slow_head;
        let head = head_len(buf);
        if let Some(pieces) = slow_head {
            // The blank line stays in one piece, or the next call would not find the head's end.
            limit = if head <= pieces.size_bytes + 4 {
                head
            } else {
                pieces.size_bytes
            };
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..limit]))?;
        if let Some((left, _)) = &mut orders.cut_after {
            *left -= written;
        }
        if let Some(pieces) = slow_head {
            if written == head {
                orders.slow_head = None;
            } else {
                self.pause = Some(Box::pin(sleep(pieces.every)));
            }
        }
        Poll::Ready(Ok(written))
    }
}

/// Length of what is left of a head at the start of `buf`, its blank line included; all of `buf` without one.
fn head_len(buf: &[u8]) -> usize {
    memchr::memmem::find(buf, b"\r\n\r\n").map_or(buf.len(), |at| at + 4)
}

impl<C: Carrier> Drop for WireIo<C> {
    fn drop(&mut self) {
        if self.wire.orders().reset_on_close {
            self.stream.reset_on_close();
        }
    }
}

impl<C: Carrier> AsyncRead for WireIo<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<C: Carrier> AsyncWrite for WireIo<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.wire.armed.load(Ordering::Acquire) {
            return self.poll_write_ordered(cx, buf);
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.wire.armed.load(Ordering::Acquire) {
            let first = bufs
                .iter()
                .find(|buf| !buf.is_empty())
                .map_or(&[][..], |buf| buf);
            return self.poll_write_ordered(cx, first);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.wire.armed.load(Ordering::Acquire) {
            let close = {
                let orders = self.wire.orders();
                orders.close_after_answer && orders.answered
            };
            if close {
                // hyper calls this when its buffer is empty, so the whole answer is out: now break the promise.
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
