//! Connections inside the process: no socket, and no time but the runtime's, so that tests can pause it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::wire::Carrier;

/// Bytes that may be on their way, in each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// One end of a connection. Dropped, the other end reads its end, or a reset where a fault was to look like that.
#[derive(Debug)]
pub struct MemoryStream {
    stream: DuplexStream,
    is_reset: Arc<AtomicBool>,
}

impl MemoryStream {
    /// Both ends of a new connection.
    pub(crate) fn pair() -> (Self, Self) {
        let (here, there) = tokio::io::duplex(BUFFER_BYTES);
        let is_reset = Arc::new(AtomicBool::new(false));
        let end = |stream| Self {
            stream,
            is_reset: Arc::clone(&is_reset),
        };
        (end(here), end(there))
    }
}

impl Carrier for MemoryStream {
    fn reset_on_close(&self) {
        self.is_reset.store(true, Ordering::Release);
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before && buf.remaining() > 0;
        if is_end && self.is_reset.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
