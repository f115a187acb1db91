//! A connection whose requests are read when their turn has come.
//!
//! A request that has been read and waits to begin takes room, and when its turn comes the processor's caches have lost it, the
//! sooner the more of them wait. What waits in the kernel takes no room, and is fetched once. So is the connection's own state,
//! which is let alone until then.

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
use sockets::{Handle, Socket};
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
    /// Whether nobody has tried to read it yet, though it may be read.
    is_untried: AtomicBool,
    /// Whether to look what has come, rather than wait to be told.
    looks: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            stage: AtomicU64::new(IDLE),
            is_untried: AtomicBool::new(false),
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
        self.may_be_read(micros.min(REFUSED - 1));
    }

    fn may_be_read(&self, stage: u64) {
        self.0.is_untried.store(true, Relaxed);
        self.set(stage);
    }

    /// Whether it has to wait before it is read.
    fn is_to_come(&self) -> bool {
        matches!(self.0.stage.load(Relaxed), IDLE | WAITING)
    }
}

/// Says when a connection's next request may be read.
pub(crate) struct Gate {
    socket: Handle,
    backlog: Arc<Backlog>,
    turn: Turn,
    /// There while something has come and may not be read.
    waiting: Option<Pin<Box<dyn Future<Output = Duration> + Send>>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gate")
            .field("socket", &self.socket)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// Has `stream` read when `backlog` says so, which `turn` tells, by what is polled [within](Self::within) the gate.
    pub(crate) fn of(stream: Socket, backlog: Arc<Backlog>, turn: Turn) -> (Self, Unread) {
        let gate = Self {
            socket: stream.handle(),
            backlog,
            turn: turn.clone(),
            waiting: None,
        };
        (gate, Unread { stream, turn })
    }

    /// What reads the connection.
    pub(crate) fn within<F>(self, inner: F) -> InTurn<F> {
        InTurn { gate: self, inner }
    }

    /// Waits for its turn where something has come, if it is to have one: who asks for nothing takes none.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            if !self.turn.is_to_come() {
                return Poll::Ready(());
            }
            if self.socket.as_ref().poll_read_ready(context).is_pending() {
                let looks = self.turn.0.looks.load(Relaxed);
                if looks && ioctl_fionread(self.socket.as_ref()).is_ok_and(|length| length > 0) {
                    self.turn.set(WAITING);
                }
                return Poll::Ready(());
            }
            if self.backlog.refuses() {
                self.turn.may_be_read(REFUSED);
                return Poll::Ready(());
            }
            if self.backlog.may_begin() {
                self.turn.has_come(Duration::ZERO);
                return Poll::Ready(());
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
        Poll::Ready(())
    }
}

/// What reads a connection, and is let alone while a request waits for its turn.
#[derive(Debug)]
pub(crate) struct InTurn<F> {
    gate: Gate,
    pub(crate) inner: F,
}

impl<F> InTurn<F> {
    /// The gate, for what reads the connection next.
    pub(crate) fn into_gate(self) -> Gate {
        self.gate
    }
}

impl<F: Future + Unpin> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        ready!(self.gate.poll(context));
        Pin::new(&mut self.inner).poll(context)
    }
}

/// A connection of which nothing is read before its gate lets it.
#[derive(Debug)]
pub(crate) struct Unread {
    stream: Socket,
    turn: Turn,
}

impl AsyncRead for Unread {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn.is_to_come() {
            ready!(self.stream.as_ref().poll_read_ready(context))?;
            // The gate has not seen it.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.turn.0.is_untried.load(Relaxed) {
            self.turn.0.is_untried.store(false, Relaxed);
            // A new connection is taken to be readable until it has been tried.
            if read.is_pending() {
                self.turn.end();
            }
        }
        read
    }
}

impl AsyncWrite for Unread {
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
    use std::{
        future::poll_fn,
        task::{Wake, Waker},
    };

    use sockets::Round;
    use tokio::{
        io::AsyncWriteExt,
        net::{TcpListener, TcpStream},
        task::yield_now,
        time::timeout,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Both ends of a connection, ours kept in turn by this backlog.
    async fn connection(backlog: &Arc<Backlog>) -> (Ours, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (ours, _) = listener.accept().await.unwrap();
        let ours = Socket::new(ours, Round::default());
        let (gate, stream) = Gate::of(ours, backlog.clone(), Turn::default());
        (Ours { gate, stream }, client.unwrap())
    }

    /// Our end, which is read by way of its gate.
    struct Ours {
        gate: Gate,
        stream: Unread,
    }

    impl Ours {
        fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
            let mut bytes = [0; 8];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(self.gate.poll(context));
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().to_vec()))
        }

        async fn read(&mut self) -> io::Result<Vec<u8>> {
            poll_fn(|context| self.poll_read(context)).await
        }

        /// Reads what there is, if it may be read.
        fn try_read(&mut self) -> Option<Vec<u8>> {
            let mut context = Context::from_waker(Waker::noop());
            match self.poll_read(&mut context) {
                Poll::Ready(read) => read.ok(),
                Poll::Pending => None,
            }
        }
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

    async fn arrives(ours: &Ours) {
        poll_fn(|context| ours.stream.stream.as_ref().poll_read_ready(context))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_has_come_is_read_in_its_turn() {
        let (backlog, _stop) = full().await;
        let (mut ours, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(ours.try_read(), None);
        assert_eq!(backlog.waiting(), 1);
        let bytes = ours.read().await.unwrap();
        assert_eq!(
            (bytes.as_slice(), backlog.waiting()),
            (b"one".as_slice(), 0)
        );
        assert!(matches!(ours.gate.turn.begin(), Said::Begin(waited) if waited > Duration::ZERO));
        // What belongs to the same request needs no other turn, and one that came with it has had none.
        client.write_all(b"body").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(ours.try_read(), Some(b"body".to_vec()));
        assert_eq!(ours.gate.turn.begin(), Said::Nothing);
        // The next does.
        ours.gate.turn.end();
        client.write_all(b"two").await.unwrap();
        arrives(&ours).await;
        while backlog.may_begin() {}
        assert_eq!(ours.try_read(), None);
        assert_eq!(backlog.waiting(), 1);
        drop(ours);
        assert_eq!(backlog.waiting(), 0);
    }

    #[tokio::test]
    async fn who_asks_for_nothing_takes_no_turn() {
        let (backlog, _stop) = full().await;
        let (mut ours, _client) = connection(&backlog).await;
        let read = timeout(Duration::from_millis(50), ours.read()).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(backlog.waiting(), 0);
        assert!(ours.gate.turn.is_to_come());
    }

    #[tokio::test]
    async fn where_nobody_waits_it_is_read_at_once() {
        let backlog = backlog();
        let (mut ours, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        arrives(&ours).await;
        assert_eq!(ours.try_read(), Some(b"one".to_vec()));
        assert_eq!(ours.gate.turn.begin(), Said::Begin(Duration::ZERO));
    }

    #[tokio::test]
    async fn who_has_left_is_heard_of() {
        let (backlog, _stop) = full().await;
        let (mut ours, client) = connection(&backlog).await;
        drop(client);
        arrives(&ours).await;
        assert_eq!(ours.read().await.unwrap(), b"");
    }

    /// Whatever wakes its task: the state of so many connections does not fit into the caches.
    #[tokio::test]
    async fn who_reads_is_let_alone_until_its_turn() {
        let (backlog, _stop) = full().await;
        let (Ours { gate, stream }, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        stream.stream.as_ref().readable().await.unwrap();
        while backlog.may_begin() {}
        let mut polls = 0;
        let mut reading = gate.within(poll_fn(|_| {
            polls += 1;
            Poll::Ready(())
        }));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(Pin::new(&mut reading).poll(&mut context).is_pending());
        }
        reading.await;
        assert_eq!(polls, 1);
    }

    #[tokio::test]
    async fn what_comes_behind_the_back_of_the_gate_is_told_to_it() {
        let backlog = backlog();
        let (mut ours, mut client) = connection(&backlog).await;
        client.write_all(b"one").await.unwrap();
        arrives(&ours).await;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut buffer = [0; 8];
        let mut buffer = ReadBuf::new(&mut buffer);
        let mut context = Context::from_waker(&waker);
        let read = Pin::new(&mut ours.stream).poll_read(&mut context, &mut buffer);
        assert!(read.is_pending() && woken.0.load(Relaxed));
        assert_eq!(ours.try_read(), Some(b"one".to_vec()));
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }
}
