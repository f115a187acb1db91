//! Accepting connections, and letting them finish.

use std::{future::poll_fn, io, net::SocketAddr, pin::Pin, sync::Arc, task::Poll, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    head_timer::HeadTimer, in_turn::Turn, patient::Patient, service::Service, tls::Tls,
    turned_away::TurnedAway,
};

type Connection<I> = auto::Connection<'static, TokioIo<I>, Service, TokioExecutor>;

/// Connections that may wait to be accepted; the system has a bound of its own (Linux's `net.core.somaxconn`). One that finds no
/// room comes back after a second at the earliest, which is how long the requests of a burst of clients would take.
const WAITING_CONNECTIONS: u32 = 4096;
/// How long a client may take for the handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed for want of file descriptors; they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last event of a stream that is cut off may take to be sent.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a request whose first bytes were read may take to begin when the gateway ends.
const LAST_HEADS: Duration = Duration::from_secs(1);
/// Most that is read from a connection at once, in bytes, and the largest head of a request, which hyper bounds by one setting. A
/// prompt of 100 kB that is there comes in one piece, which need not be put together.
const READ_AT_ONCE: usize = 128 << 10;
/// HTTP/2 streams a client may have open on one connection.
const MAX_STREAMS: u32 = 256;

/// HTTP/2 streams of one connection that a client may open and reset before they are looked at; more end the connection.
const MAX_RESETS: usize = 64;

/// Binds the listener; says which setting to change when the address is taken.
pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("GATEWAY_LISTEN: {address} is in use by another program")
        }
        _ => anyhow::anyhow!("GATEWAY_LISTEN: cannot listen on {address}: {error}"),
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A gateway that starts again need not wait for what is left of its connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_CONNECTIONS)
}

/// What clients may do with their connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many there may be.
    pub(crate) connections: usize,
    /// How long one may be silent between two requests.
    pub(crate) keep_alive_timeout: Duration,
    /// How long one may take nothing of what is written to it.
    pub(crate) write_timeout: Duration,
}

/// How running requests are brought to an end.
#[derive(Debug)]
pub(crate) struct Drain {
    /// How long they may take to finish by themselves.
    pub(crate) timeout: Duration,
    /// Whether that is over already.
    pub(crate) hurry: CancellationToken,
    /// Cancelled after that, so that streams end with an error event.
    pub(crate) cut: CancellationToken,
}

/// Serves connections until `stop`, then lets running requests finish. What outlives the drain is cut off, which its
/// record says.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: Service,
    bounds: Bounds,
    stop: CancellationToken,
    drain: Drain,
) {
    let builder = builder(bounds.keep_alive_timeout);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut turned_away = TurnedAway::default();
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
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        if connections.len() >= bounds.connections {
            // Who waits for a handshake understands no answer.
            if tls.is_none() {
                turned_away.tell(stream);
            }
            continue;
        }
        // Without this a stream's first events wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let turn = Turn::default();
        let (stream, service) = service.of_connection(stream, peer.ip(), &turn);
        let stream = Patient::new(stream, bounds.write_timeout);
        let mut builder = builder.clone();
        builder.http1().timer(HeadTimer::default());
        let Some(tls) = &tls else {
            let connection = connection(&builder, stream, service);
            connections.spawn(run(connection, turn, stopped.clone()));
            continue;
        };
        let (acceptor, stop, stopped) = (tls.acceptor(), stop.clone(), stopped.clone());
        connections.spawn(async move {
            let handshake = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
            match stop.run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => {
                    run(connection(&builder, stream, service), turn, stopped).await;
                }
                Some(Ok(Err(error))) => tracing::debug!(%error, "a handshake failed"),
                Some(Err(_)) => tracing::debug!("a handshake took too long"),
                None => {}
            }
        });
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "draining");
    stopping.send_replace(true);
    let in_time = drain
        .hurry
        .run_until_cancelled(timeout(drain.timeout, all_ended(&mut connections)));
    if !matches!(in_time.await, Some(Ok(()))) {
        tracing::warn!("the time to drain is over; what still runs is cut off");
        drain.cut.cancel();
        // The error events have to reach their clients; those that do not read are not waited for.
        let told = timeout(LAST_WORDS, all_ended(&mut connections));
        if told.await.is_err() {
            tracing::debug!("some clients did not take the end of their streams");
        }
    }
    connections.shutdown().await;
}

/// In a place of its own, since a future that is given another keeps room for where it came from, too.
fn connection<I>(
    builder: &auto::Builder<TokioExecutor>,
    stream: I,
    service: Service,
) -> Pin<Box<Connection<I>>>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    Box::pin(connection.into_owned())
}

async fn all_ended(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Serves a connection to its end, which is soon once it has `stopped`: after the request that has begun, or that has come.
async fn run<I>(
    mut connection: Pin<Box<Connection<I>>>,
    turn: Turn,
    mut stopped: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let served = async {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
        }
        turn.look();
        let mut idle = poll_fn(|context| match connection.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if turn.is_awaited() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        });
        loop {
            match timeout(LAST_HEADS, &mut idle).await {
                Ok(Some(ended)) => return ended,
                // Its turn will come; it is the gateway that takes long, not the client.
                Err(_) if turn.is_waited_for() => {}
                Ok(None) | Err(_) => break,
            }
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = served.await {
        tracing::debug!(error, "a connection ended with an error");
    }
}

fn builder(keep_alive_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .header_read_timeout(keep_alive_timeout)
        // No `pipeline_flush` here: with it hyper writes into memory without end for a client that does not read.
        .max_buf_size(READ_AT_ONCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// The system's own bound, where it has one that can be read.
    fn most_waiting() -> usize {
        let bound = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        let bound = bound.ok().and_then(|text| text.trim().parse().ok());
        bound.unwrap_or(128)
    }

    #[tokio::test]
    async fn a_burst_of_connections_finds_room() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // Less than the second after which one that found none would try again.
        let patience = Duration::from_millis(900);
        let connections: Vec<_> = (0..most_waiting().min(500))
            .map(|_| TcpStream::connect_timeout(&address, patience).unwrap())
            .collect();
        assert!(!connections.is_empty());
    }

    #[tokio::test]
    async fn an_address_that_is_taken_names_the_setting() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(listener.local_addr().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("GATEWAY_LISTEN: "), "{error}");
        assert!(error.ends_with("is in use by another program"), "{error}");
    }
}
