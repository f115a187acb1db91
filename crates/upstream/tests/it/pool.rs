//! Which connections are used again, and which are closed when. The test is the network and the server.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use upstream::{
    Body, Client, Clients, Dial, Link, NetworkPolicy, Pieces, SendError, TransportSettings,
};

use crate::server::{PATIENCE, post, read};

const URL: &str = "http://provider.example/v1";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";

/// A network of one's own.
#[derive(Debug)]
struct Network {
    /// How many connections may be made.
    allowed: Arc<Semaphore>,
    servers: mpsc::UnboundedSender<Server>,
}

/// The server's end of a connection.
#[derive(Debug)]
struct Server(DuplexStream);

impl Dial for Network {
    fn dial(&self, _: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<Link>> + Send>> {
        let (ours, theirs) = duplex(64 << 10);
        let (allowed, servers) = (self.allowed.clone(), self.servers.clone());
        Box::pin(async move {
            allowed.acquire().await.unwrap().forget();
            servers.send(Server(theirs)).unwrap();
            Ok(Box::new(ours) as Link)
        })
    }
}

impl Server {
    /// Waits for a whole request.
    async fn asked(&mut self) {
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let reading = timeout(PATIENCE, self.0.read_buf(&mut request));
            assert_ne!(reading.await.unwrap().unwrap(), 0);
        }
    }

    async fn say(&mut self, answer: &[u8]) {
        self.0.write_all(answer).await.unwrap();
    }

    async fn serve(&mut self) {
        self.asked().await;
        self.say(ANSWER).await;
    }

    /// Waits until the other end is closed.
    async fn ended(mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
    }
}

struct World {
    clients: Clients,
    client: Arc<Client>,
    allowed: Arc<Semaphore>,
    servers: mpsc::UnboundedReceiver<Server>,
}

impl World {
    fn of(connections: usize) -> Self {
        let (sender, servers) = mpsc::unbounded_channel();
        let allowed = Arc::new(Semaphore::new(connections));
        let network = Network {
            allowed: allowed.clone(),
            servers: sender,
        };
        let clients = Clients::dialling(NetworkPolicy::Any, Arc::new(network));
        let client = clients.get(&TransportSettings::default()).unwrap();
        Self {
            clients,
            client,
            allowed,
            servers,
        }
    }

    fn send(&self) -> JoinHandle<Result<Response<Body>, SendError>> {
        let client = self.client.clone();
        tokio::spawn(async move { client.send(request(), PATIENCE).await })
    }

    async fn server(&mut self) -> Server {
        let connecting = timeout(PATIENCE, self.servers.recv());
        connecting.await.unwrap().unwrap()
    }

    /// A connection that has served a request.
    async fn used(&mut self) -> Server {
        let sent = self.send();
        let mut server = self.server().await;
        server.serve().await;
        read(sent.await.unwrap()).await;
        server
    }

    /// Waits until so many connections are open.
    async fn until_open(&self, count: u64) {
        let waiting = async {
            while self.clients.connections().open() != count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap();
    }
}

fn request() -> Request<Pieces> {
    let mut request = post(URL);
    *request.uri_mut() = URL.replace("provider.example", "10.0.0.1").parse().unwrap();
    request
}

#[tokio::test]
async fn a_connection_that_ends_while_nobody_uses_it_is_closed_at_once() {
    let mut world = World::of(1);
    let server = world.used().await;
    assert_eq!(world.clients.connections().open(), 1);
    drop(server);
    world.until_open(0).await;
}

#[tokio::test]
async fn what_comes_unasked_ends_a_connection() {
    let mut world = World::of(1);
    let mut server = world.used().await;
    server.say(ANSWER).await;
    world.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_fifty_seconds() {
    let mut world = World::of(2);
    let mut server = world.used().await;
    sleep(Duration::from_secs(49)).await;
    let sent = world.send();
    server.serve().await;
    read(sent.await.unwrap()).await;

    let begun = Instant::now();
    server.ended().await;
    let kept = begun.elapsed().as_secs();
    assert!((50..=75).contains(&kept), "{kept} s");
    world.used().await;
}

/// Also where the sweep, which comes every 25 seconds, has not closed it yet.
#[tokio::test(start_paused = true)]
async fn a_connection_that_has_waited_for_too_long_is_not_used() {
    let mut world = World::of(2);
    let mut server = world.used().await;
    sleep(Duration::from_secs(10)).await;
    let sent = world.send();
    server.serve().await;
    read(sent.await.unwrap()).await;
    sleep(Duration::from_secs(52)).await;
    assert_eq!(world.clients.connections().open(), 1);
    world.used().await;
}

#[tokio::test]
async fn an_answer_that_nobody_wants_closes_its_connection_unless_all_of_it_is_there() {
    let mut world = World::of(2);
    let sent = world.send();
    let mut server = world.server().await;
    server.serve().await;
    drop(sent.await.unwrap().unwrap());

    let sent = world.send();
    server.asked().await;
    server.say(STREAM).await;
    let mut response = sent.await.unwrap().unwrap();
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "first");
    drop(response);
    server.ended().await;
    world.used().await;
}

#[tokio::test]
async fn a_request_that_is_given_up_closes_its_connection() {
    let mut world = World::of(2);
    let sent = world.send();
    let mut server = world.server().await;
    server.asked().await;
    sent.abort();
    server.ended().await;
    world.used().await;
}

#[tokio::test]
async fn a_connection_that_is_given_back_is_as_good_as_a_new_one() {
    let mut world = World::of(1);
    let one = world.send();
    let mut server = world.server().await;
    server.asked().await;
    let other = world.send();
    sleep(Duration::from_millis(50)).await; // it waits for a connection
    server.say(ANSWER).await;
    read(one.await.unwrap()).await;
    server.serve().await;
    read(other.await.unwrap()).await;

    // The one that was begun for it serves the next.
    world.allowed.add_permits(1);
    let mut second = world.server().await;
    world.until_open(2).await;
    let (one, other) = (world.send(), world.send());
    tokio::join!(server.serve(), second.serve());
    read(one.await.unwrap()).await;
    read(other.await.unwrap()).await;
}

/// It is the task that reads which the connection wakes, not the one that sent or read before.
#[tokio::test]
async fn an_answer_may_pass_from_task_to_task() {
    let mut world = World::of(1);
    let sent = world.send();
    let mut server = world.server().await;
    server.asked().await;
    server.say(STREAM).await;
    let body = Arc::new(Mutex::new(sent.await.unwrap().unwrap().into_body()));
    let next = |body: Arc<Mutex<Body>>| async move {
        std::future::poll_fn(|context| {
            let mut body = body.lock().unwrap();
            http_body::Body::poll_frame(Pin::new(&mut *body), context)
        })
        .await
    };
    next(body.clone()).await.unwrap().unwrap();
    let before = tokio::spawn(next(body.clone()));
    sleep(Duration::from_millis(10)).await; // it waits
    before.abort();
    let after = tokio::spawn(next(body.clone()));
    sleep(Duration::from_millis(10)).await;
    server.say(b"6\r\nsecond\r\n").await;
    let frame = after.await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "second");
    server.say(b"0\r\n\r\n").await;
    assert!(next(body).await.is_none());
    let sent = world.send();
    server.serve().await;
    read(sent.await.unwrap()).await;
}

/// A task that has had its share finds nothing ready that it polls, also while it gives a connection back.
#[tokio::test]
async fn a_task_that_has_to_yield_gives_its_connection_back() {
    let mut world = World::of(1);
    let sent = world.send();
    let mut server = world.server().await;
    server.serve().await;
    let response = sent.await.unwrap().unwrap();
    while tokio::task::consume_budget().now_or_never().is_some() {}
    drop(response);
    let sent = world.send();
    server.serve().await;
    read(sent.await.unwrap()).await;
    drop(server);
    world.until_open(0).await;
}

/// What was not sent must not be taken for a part of the next request.
#[tokio::test]
async fn an_answer_before_the_end_of_its_request_ends_the_connection() {
    let mut world = World::of(2);
    let client = world.client.clone();
    let long = Bytes::from(vec![b'x'; 1 << 20]);
    let mut request = request();
    *request.body_mut() = Pieces::from(vec![long]);
    let sent = tokio::spawn(async move { client.send(request, PATIENCE).await });
    let mut server = world.server().await;
    server.say(ANSWER).await;
    let (_, said) = read(sent.await.unwrap()).await;
    assert_eq!(said, "hi");
    server.ended().await;
    world.used().await;
}
