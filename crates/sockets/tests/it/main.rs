//! Sockets over the loopback, and the rounds at whose ends they send.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{
    future::poll_fn,
    io::ErrorKind,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use sockets::{Round, Socket};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::yield_now,
    time::{sleep, timeout},
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);

/// A socket, and its peer.
async fn pair(round: &Round) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (ours, _) = listener.accept().await.unwrap();
    (Socket::new(ours, round.clone()), peer.unwrap())
}

/// Writes without waiting; what the socket took.
fn write(socket: &mut Socket, bytes: &[u8]) -> Poll<usize> {
    let mut context = Context::from_waker(Waker::noop());
    let written = Pin::new(socket).poll_write(&mut context, bytes);
    written.map(Result::unwrap)
}

/// What has come, however late the runtime hears of it.
fn arrived(peer: &TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    match rustix::net::recv(peer, &mut bytes[..], rustix::net::RecvFlags::DONTWAIT) {
        Ok((length, _)) => bytes.truncate(length),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            bytes.clear();
        }
    }
    bytes
}

async fn read(peer: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let reading = timeout(LONG, peer.read_exact(&mut bytes));
    reading.await.expect("it comes").unwrap();
    bytes
}

/// Bytes of which no two pieces are alike.
fn numbered(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(length).collect()
}

#[tokio::test]
async fn what_a_round_has_written_is_sent_at_its_end() {
    let round = Round::of_runtime();
    yield_now().await;
    let (mut one, first) = pair(&round).await;
    let (mut other, second) = pair(&round).await;
    assert_eq!(write(&mut one, b"a"), Poll::Ready(1));
    assert_eq!(write(&mut other, b"b"), Poll::Ready(1));
    assert_eq!(write(&mut one, b"c"), Poll::Ready(1));
    assert_eq!((arrived(&first), arrived(&second)), (vec![], vec![]));
    yield_now().await;
    assert_eq!(
        (arrived(&first), arrived(&second)),
        (b"ac".into(), b"b".into())
    );
    // The next round ends, too.
    assert_eq!(write(&mut one, b"d"), Poll::Ready(1));
    assert_eq!(arrived(&first), []);
    yield_now().await;
    assert_eq!(arrived(&first), b"d");
}

#[tokio::test]
async fn tasks_that_are_ready_belong_to_one_round() {
    let round = Round::of_runtime();
    yield_now().await;
    let (mut one, first) = pair(&round).await;
    let (mut other, mut second) = pair(&round).await;
    let early = tokio::spawn(async move {
        assert_eq!(write(&mut one, b"a"), Poll::Ready(1));
        one
    });
    let late = tokio::spawn(async move {
        assert_eq!(write(&mut other, b"b"), Poll::Ready(1));
        assert_eq!(arrived(&first), []);
        (other, first)
    });
    let (_one, (_other, mut first)) = (early.await.unwrap(), late.await.unwrap());
    assert_eq!(read(&mut first, 1).await, b"a");
    assert_eq!(read(&mut second, 1).await, b"b");
}

#[tokio::test]
async fn a_crowd_does_not_wait_for_the_end() {
    let round = Round::of_runtime();
    yield_now().await;
    let mut pairs = Vec::new();
    for _ in 0..33 {
        pairs.push(pair(&round).await);
    }
    for (socket, _) in &mut pairs[..32] {
        assert_eq!(write(socket, b"a"), Poll::Ready(1));
    }
    assert!(pairs.iter().all(|(_, peer)| arrived(peer).is_empty()));
    assert_eq!(write(&mut pairs[32].0, b"a"), Poll::Ready(1));
    let (last, others) = pairs.split_last().unwrap();
    assert!(others.iter().all(|(_, peer)| arrived(peer) == b"a"));
    assert_eq!(arrived(&last.1), []);
    yield_now().await;
    assert_eq!(arrived(&last.1), b"a");
}

#[tokio::test]
async fn short_and_long_keep_their_order() {
    let round = Round::of_runtime();
    let (mut socket, mut peer) = pair(&round).await;
    let all = numbered(200_000);
    let (mut rest, mut length) = (&all[..], 1);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        socket.write_all(piece).await.unwrap();
        rest = after;
        length = if length > 30_000 { 1 } else { length * 3 };
    }
    assert_eq!(read(&mut peer, all.len()).await, all);
}

#[tokio::test]
async fn a_peer_that_reads_late_gets_all() {
    let round = Round::of_runtime();
    let (mut socket, mut peer) = pair(&round).await;
    let all = numbered(32 << 20);
    let mut sent = 0;
    // More than the system has room for, in short pieces that are told to be written.
    while let Poll::Ready(length) = write(&mut socket, &all[sent..][..4_000]) {
        sent += length;
        yield_now().await;
        assert!(sent < all.len() - 4_000, "nothing is ever stuck");
    }
    let mut flush = pin!(poll_fn(|context| Pin::new(&mut socket).poll_flush(context)));
    assert!(
        timeout(Duration::from_millis(20), &mut flush)
            .await
            .is_err()
    );
    let (flushed, came) = tokio::join!(timeout(LONG, &mut flush), read(&mut peer, sent));
    flushed.expect("there is room again").unwrap();
    assert!(came == all[..sent]);
    // And it goes on.
    socket.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut peer, 4).await, b"more");
}

#[tokio::test]
async fn who_wrote_is_woken_when_it_does_not_go() {
    let round = Round::of_runtime();
    let (mut socket, mut peer) = pair(&round).await;
    let mut full = 0;
    while let Ok(length) = socket.as_ref().try_write(&[0; 4_000]) {
        full += length;
        // So that the peer's side takes what it has room for.
        sleep(Duration::from_micros(10)).await;
    }
    let mut polls = 0;
    let writing = tokio::spawn(poll_fn(move |context| {
        polls += 1;
        let socket = Pin::new(&mut socket);
        if polls == 1 {
            assert!(socket.poll_write(context, b"last").is_ready());
            return Poll::Pending;
        }
        socket.poll_flush(context)
    }));
    sleep(Duration::from_millis(20)).await;
    assert!(!writing.is_finished());
    read(&mut peer, full).await;
    let written = timeout(LONG, writing).await;
    written
        .expect("it hears that it may go on")
        .unwrap()
        .unwrap();
    assert_eq!(read(&mut peer, 4).await, b"last");
}

#[tokio::test]
async fn who_closes_or_leaves_has_sent_all() {
    let round = Round::of_runtime();
    let (mut socket, mut peer) = pair(&round).await;
    assert_eq!(write(&mut socket, b"last"), Poll::Ready(4));
    socket.shutdown().await.unwrap();
    assert_eq!(read(&mut peer, 4).await, b"last");
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    peer.write_all(b"heard").await.unwrap();
    let mut heard = [0; 5];
    socket.read_exact(&mut heard).await.unwrap();

    let (mut socket, mut peer) = pair(&round).await;
    assert_eq!(write(&mut socket, b"last"), Poll::Ready(4));
    drop(socket);
    assert_eq!(read(&mut peer, 4).await, b"last");
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_peer_that_has_left_is_told_of() {
    let round = Round::of_runtime();
    let (mut socket, peer) = pair(&round).await;
    // What it has not read resets the connection.
    assert_eq!(write(&mut socket, b"unread"), Poll::Ready(6));
    yield_now().await;
    drop(peer);
    assert_eq!(write(&mut socket, b"lost"), Poll::Ready(4));
    yield_now().await;
    let error = socket.flush().await.unwrap_err();
    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

#[test]
fn where_no_round_ends_all_is_sent_at_once() {
    let one = || Builder::new_current_thread().enable_all().build().unwrap();
    let many = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let ended = one().block_on(async { Round::of_runtime() });
    let shared = many.unwrap().block_on(async { Round::of_runtime() });
    for round in [ended, shared, Round::default()] {
        one().block_on(async {
            let (mut socket, peer) = pair(&round).await;
            yield_now().await;
            poll_fn(|context| socket.as_ref().poll_write_ready(context))
                .await
                .unwrap();
            assert_eq!(write(&mut socket, b"a"), Poll::Ready(1));
            assert_eq!(arrived(&peer), b"a");
        });
    }
}
