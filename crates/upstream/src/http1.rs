//! An HTTP/1.1 connection that whoever uses it drives.
//!
//! The usual way is a task for each connection, which takes requests from a queue and puts answers into others; each request then
//! wakes two tasks, and each chunk of a stream too. Here the task that sends a request polls the connection for as long as it has
//! it, and reads the answer as it comes.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, Connection, SendRequest},
    },
};
use hyper_rustls::MaybeHttpsStream;
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;
use tokio::sync::Notify;

use crate::{Body, Pieces, bell::Bell, connector::Stream, pool::Origin};

/// Most of an answer that is read before somebody takes it, which is what a stream costs whose client does not read; and
/// the largest head of an answer.
const READ_AHEAD: usize = 64 << 10;
/// How often a connection is polled at once that has more to do each time. One that yields to others says so in the same way, and
/// must not be asked for ever.
const ROUNDS: usize = 3;

/// What connections to providers run over.
pub(crate) type Io = MaybeHttpsStream<Stream>;

pin_project! {
    /// A request that is sent. Written out, since an `async` block has room for what it awaits twice.
    struct Sending<F> {
        #[pin]
        answering: F,
        // None once there is an answer.
        connection: Option<Box<Http1>>,
    }
}

impl<F, E> Future for Sending<F>
where
    F: Future<Output = Result<Response<Incoming>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(connection) = this.connection else {
            return Poll::Pending;
        };
        let answer =
            ready!(connection.poll_until(context, |context| this.answering.as_mut().poll(context)));
        connection.is_reused = true;
        let connection = this.connection.take();
        Poll::Ready(answer.map(|response| response.map(|incoming| Body::new(incoming, connection))))
    }
}

/// A connection. Dropped, it is closed.
pub(crate) struct Http1 {
    sender: SendRequest<Pieces>,
    /// None once it has ended. What it runs over may not be for two threads to look at, which nobody does.
    connection: SyncWrapper<Option<Connection<Io, Pieces>>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether it has answered before.
    is_reused: bool,
    /// Where it belongs while it is in use.
    pub(crate) home: Option<Arc<Origin>>,
}

impl fmt::Debug for Http1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Http1")
            .field("is_reused", &self.is_reused)
            .finish_non_exhaustive()
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 over `io`; used, it goes to `home`, if that is given. `sweep` is called when it ends, or something comes,
    /// while nobody uses it.
    pub(crate) async fn new(
        io: Io,
        home: Option<Arc<Origin>>,
        sweep: Arc<Notify>,
    ) -> hyper::Result<Self> {
        let mut builder = Builder::new();
        builder.max_buf_size(READ_AHEAD);
        let (sender, connection) = builder.handshake(io).await?;
        let bell = Arc::new(Bell::new(sweep));
        Ok(Self {
            sender,
            connection: SyncWrapper::new(Some(connection)),
            waker: bell.clone().into(),
            bell,
            is_reused: false,
            home,
        })
    }

    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Sends `request`, whose address is a path, and waits for the head of the answer. Dropping the future closes the connection.
    pub(crate) fn send(
        mut self: Box<Self>,
        request: Request<Pieces>,
    ) -> impl Future<Output = Result<Response<Body>, TrySendError<Request<Pieces>>>> {
        Sending {
            answering: self.sender.try_send_request(request),
            connection: Some(self),
        }
    }

    /// Polls the connection until `poll` has what it waits for, which comes over it. `poll` is asked again whenever the connection
    /// has been polled, so that its own waker need not be heard.
    pub(crate) fn poll_until<T>(
        &mut self,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut unheard = Context::from_waker(Waker::noop());
        if let Poll::Ready(ready) = poll(&mut unheard) {
            return Poll::Ready(ready);
        }
        for _ in 0..ROUNDS {
            self.drive();
            if let Poll::Ready(ready) = poll(&mut unheard) {
                return Poll::Ready(ready);
            }
            if self.bell.sleep(context.waker()) {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives it back to where it belongs.
    pub(crate) fn release(mut self: Box<Self>) {
        if let Some(home) = self.home.take() {
            home.put(self);
        }
    }

    /// Whether it can take a request, now that an answer has come.
    pub(crate) fn is_free(&mut self) -> bool {
        if !self.sender.is_ready() {
            self.drive();
        }
        self.sender.is_ready()
    }

    /// Whether it can wait for a request, or go on to. It is swept then when it ends.
    pub(crate) fn rests(&mut self) -> bool {
        for _ in 0..ROUNDS {
            if self.sender.is_ready() && self.bell.rest() {
                return true;
            }
            self.drive();
        }
        false
    }

    /// Whether it can take a request after it has rested.
    pub(crate) fn wakes(&mut self) -> bool {
        if self.bell.begin() {
            self.drive();
        }
        self.sender.is_ready()
    }

    fn drive(&mut self) {
        self.bell.begin();
        let connection = self.connection.get_mut();
        if let Some(running) = connection {
            let mut context = Context::from_waker(&self.waker);
            // What went wrong is told to who waits for an answer.
            if Pin::new(running).poll(&mut context).is_ready() {
                *connection = None;
            }
        }
    }
}
