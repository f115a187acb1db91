//! A connection whose requests are read when their turn has come.
//!
//! A request that has been read and waits to begin takes room, and when its turn comes the processor's caches have lost it, the
//! sooner the more of them wait. What waits in the kernel takes no room, and is fetched once.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use proxy::Backlog;
use rustix::io::ioctl_fionread;
use sockets::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Nothing has come.
const IDLE: u64 = u64::MAX;
/// A request has come and waits for its turn.
const WAITING: u64 = u64::MAX - 1;
/// A request has begun, and what comes is read.
const BEGUN: u64 = u64::MAX - 2;
/// A request has come that is to be refused, and may be read for that.
const REFUSED: u64 = u64::MAX - 3;

/// How far a connection's next request is, told between who reads it and who serves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<State>);

#[derive(Debug)]
struct State {
    /// [`IDLE`], [`WAITING`], [`BEGUN`], [`REFUSED`], or how many microseconds the request has waited that may be read now.
    stage: AtomicU64,
    /// Whether to look what has come, rather than wait to be told.
    looks: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            stage: AtomicU64::new(IDLE),
            looks: AtomicBool::new(false),
        }
    }
}

/// What was said of a request before it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It may begin, after it waited for so long.
    Begin(Duration),
    Refuse,
    /// It came with another, so that nobody was asked.
    Nothing,
}

impl Turn {
    /// Begins a request.
    pub(crate) fn begin(&self) -> Said {
        match self.0.stage.swap(BEGUN, Relaxed) {
            IDLE | WAITING | BEGUN => Said::Nothing,
            REFUSED => Said::Refuse,
            waited => Said::Begin(Duration::from_micros(waited)),
        }
    }

    /// Has the next request wait for a turn of its own.
    pub(crate) fn end(&self) {
        self.set(IDLE);
    }

    fn set(&self, stage: u64) {
        self.0.stage.store(stage, Relaxed);
    }

    /// Has the next read look what has come: the runtime tells of it when it finds the time.
    pub(crate) fn look(&self) {
        self.0.looks.store(true, Relaxed);
    }

    /// Whether a request has come that has not begun.
    pub(crate) fn is_awaited(&self) -> bool {
        !matches!(self.0.stage.load(Relaxed), IDLE | BEGUN)
    }

    /// Whether it waits for its turn.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.0.stage.load(Relaxed) == WAITING
    }

    fn has_come(&self, waited: Duration) {
        let micros = waited.as_micros().try_into().unwrap_or(u64::MAX);
        self.set(micros.min(REFUSED - 1));
    }

    /// Whether it has to wait before it is read.
    fn is_to_come(&self) -> bool {
        matches!(self.0.stage.load(Relaxed), IDLE | WAITING)
    }
}

/// Wraps a connection.
pub(crate) struct InTurn {
    stream: Socket,
    backlog: Arc<Backlog>,
    turn: Turn,
    /// There while something has come and may not be read.
    waiting: Option<Pin<Box<dyn Future<Output = Duration> + Send>>>,
}

impl fmt::Debug for InTurn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InTurn")
            .field("stream", &self.stream)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

impl InTurn {
    /// One whose turn `backlog` says, and `turn` tells.
    pub(crate) fn new(stream: Socket, backlog: Arc<Backlog>, turn: Turn) -> Self {
        Self {
            stream,
            backlog,
            turn,
            waiting: None,
        }
    }

    /// Waits until something has come, and then for its turn, if it is to have one: who asks for nothing takes none.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_none() {
            let arrived = self.stream.as_ref().poll_read_ready(context)?;
            if arrived.is_pending() {
                if self.turn.0.looks.load(Relaxed) && ioctl_fionread(self.stream.as_ref())? > 0 {
                    self.turn.set(WAITING);
                }
                return Poll::Pending;
            }
            if self.backlog.refuses() {
                self.turn.set(REFUSED);
                return Poll::Ready(Ok(()));
            }
            if self.backlog.may_begin() {
                self.turn.has_come(Duration::ZERO);
                return Poll::Ready(Ok(()));
            }
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            self.turn.set(WAITING);
            let backlog = self.backlog.clone();
            Box::pin(async move { backlog.turn().await })
        });
        let waited = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        self.turn.has_come(waited);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for InTurn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.turn.is_to_come() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        ready!(self.poll_turn(context))?;
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        // A new connection is taken to be readable until it has been tried.
        if read.is_pending() {
            self.turn.end();
        }
        read
    }
}

impl AsyncWrite for InTurn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use sockets::Round;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::yield_now,
        time::timeout,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Both ends of a connection, ours kept in turn by this backlog.
    async fn connection(backlog: &Arc<Backlog>) -> (InTurn, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (ours, _) = listener.accept().await.unwrap();
        let ours = Socket::new(ours, Round::default());
        let in_turn = InTurn::new(ours, backlog.clone(), Turn::default());
        (in_turn, client.unwrap())
    }

    fn backlog() -> Arc<Backlog> {
        Arc::new(Backlog::new(Arc::default()))
    }

    /// A backlog that somebody watches, of which all turns are taken that it gives at once.
    async fn full() -> (Arc<Backlog>, CancellationToken) {
        let (backlog, stop) = (backlog(), CancellationToken::new());
        tokio::spawn({
            let (backlog, stop) = (backlog.clone(), stop.clone());
            async move { backlog.watch(None, &stop).await }
        });
        yield_now().await;
        while backlog.may_begin() {}
        (backlog, stop)
    }

    async fn arrives(ours: &InTurn) {
        poll_fn(|context| ours.stream.as_ref().poll_read_ready(context))
            .await
            .unwrap();
    }

    /// Reads what there is, if it may be read.
    fn try_read(ours: &mut InTurn) -> Option<Vec<u8>> {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let read = Pin::new(ours).poll_read(&mut context, &mut buffer);
        let is_read = matches!(read, Poll::Ready(Ok(())));
        is_read.then(|| buffer.filled().to_vec())
    }

    #[tokio::test]
    async fn what_has_come_is_read_in_its_turn() {
        let (backlog, _stop) = full().await;
        let (mut ours, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(try_read(&mut ours), None);
        assert_eq!(backlog.waiting(), 1);
        let mut bytes = [0; 3];
        ours.read_exact(&mut bytes).await.unwrap();
        assert_eq!((&bytes, backlog.waiting()), (b"one", 0));
        assert!(matches!(ours.turn.begin(), Said::Begin(waited) if waited > Duration::ZERO));
        // What belongs to the same request needs no other turn, and one that came with it has had none.
        client.write_all(b"body").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(try_read(&mut ours), Some(b"body".to_vec()));
        assert_eq!(ours.turn.begin(), Said::Nothing);
        // The next does.
        ours.turn.end();
        client.write_all(b"two").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(try_read(&mut ours), None);
        assert_eq!(backlog.waiting(), 1);
        drop(ours);
        assert_eq!(backlog.waiting(), 0);
    }

    #[tokio::test]
    async fn who_asks_for_nothing_takes_no_turn() {
        let (backlog, _stop) = full().await;
        let (mut ours, _client) = connection(&backlog).await;
        let read = timeout(Duration::from_millis(50), ours.read_u8()).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(backlog.waiting(), 0);
        assert!(ours.turn.is_to_come());
    }

    #[tokio::test]
    async fn where_nobody_waits_it_is_read_at_once() {
        let backlog = backlog();
        let (mut ours, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        arrives(&ours).await;
        assert_eq!(try_read(&mut ours), Some(b"one".to_vec()));
        assert_eq!(ours.turn.begin(), Said::Begin(Duration::ZERO));
    }

    #[tokio::test]
    async fn who_has_left_is_heard_of() {
        let (backlog, _stop) = full().await;
        let (mut ours, client) = connection(&backlog).await;
        drop(client);
        arrives(&ours).await;
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
