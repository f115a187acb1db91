//! An HTTP/2 connection, which many requests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::client::conn::{
    TrySendError,
    http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::{Body, Pieces, http1::Io};

/// How often a connection with requests under way is asked whether its other end is there, and how long that may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// A share in a connection, which is driven by a task of its own and ends with its last share and answer.
#[derive(Debug, Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Pieces>,
    /// Whether it has answered before.
    is_reused: Arc<AtomicBool>,
}

impl Http2 {
    /// Speaks HTTP/2 over `io`.
    pub(crate) async fn new(io: Io) -> hyper::Result<Self> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1);
        let (sender, connection) = builder.handshake(io).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a provider ended with an error");
            }
        });
        Ok(Self {
            sender,
            is_reused: Arc::default(),
        })
    }

    /// Whether it can take a request.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused.load(Relaxed)
    }

    /// Sends `request` and waits for the head of the answer. Dropping the future cancels the request.
    pub(crate) async fn send(
        mut self,
        request: Request<Pieces>,
    ) -> Result<Response<Body>, TrySendError<Request<Pieces>>> {
        let response = self.sender.try_send_request(request).await?;
        // It serves many at a time, and is marked once.
        if !self.is_reused() {
            self.is_reused.store(true, Relaxed);
        }
        Ok(response.map(|incoming| Body::new(incoming, None)))
    }
}
