//! Accepting connections, and letting them finish.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::service::Service;

/// How long a client may take for the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after an accept that failed for want of file descriptors; they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last event of a stream that is cut off may take to be sent.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// HTTP/2 streams a client may have open on one connection.
const MAX_STREAMS: u32 = 256;

/// Binds the listener; says which setting to change when the address is taken.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow::anyhow!("GATEWAY_LISTEN: {address} is in use by another program")
            }
            _ => anyhow::anyhow!("GATEWAY_LISTEN: cannot listen on {address}: {error}"),
        })
}

/// How running requests are brought to an end.
#[derive(Debug)]
pub(crate) struct Drain {
    /// How long they may take to finish by themselves.
    pub(crate) timeout: Duration,
    /// Cancelled after that, so that streams end with an error event.
    pub(crate) cut: CancellationToken,
}

/// Serves connections until `stop`, then lets running requests finish. What outlives the drain is cut off, which its
/// record says.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Service,
    stop: CancellationToken,
    drain: Drain,
) {
    let builder = Arc::new(builder());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without this a stream's first events wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let service = service.of_peer(peer.ip());
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let watched = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(error, "a connection ended with an error");
            }
        });
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "draining");
    let mut ending = pin!(graceful.shutdown());
    if tokio::time::timeout(drain.timeout, &mut ending)
        .await
        .is_err()
    {
        tracing::warn!("the drain timeout is over; what still runs is cut off");
        drain.cut.cancel();
        // The error events have to reach their clients; those that do not read are not waited for.
        if tokio::time::timeout(LAST_WORDS, ending).await.is_err() {
            tracing::debug!("some clients did not take the end of their streams");
        }
    }
    connections.shutdown().await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
