//! What the tests connect to.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use upstream::Body;
use upstream::{Client, Clients, NetworkPolicy, Pieces, SendError, TransportSettings};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn client(policy: NetworkPolicy, settings: &TransportSettings) -> Arc<Client> {
    Clients::new(policy).get(settings).unwrap()
}

pub(crate) fn plain() -> Arc<Client> {
    client(NetworkPolicy::Any, &TransportSettings::default())
}

pub(crate) fn post(url: &str) -> Request<Pieces> {
    let body = [
        r#"{"model":"#,
        r#""m","messages":[{"role":"user","content":"hi"}]}"#,
    ];
    let pieces: Vec<_> = body
        .map(|piece| Bytes::from_static(piece.as_bytes()))
        .into();
    let mut request = Request::post(url).body(Pieces::from(pieces)).unwrap();
    request
        .headers_mut()
        .insert("authorization", "Bearer k".parse().unwrap());
    request
}

/// The answer's version and text.
pub(crate) async fn read(response: Result<Response<Body>, SendError>) -> (http::Version, String) {
    let response = response.unwrap();
    let version = response.version();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (version, String::from_utf8(body.into()).unwrap())
}

/// A proxy that makes tunnels, and remembers where to.
pub(crate) struct ConnectProxy {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Connects everything to `target`, whatever was asked for; without one it refuses.
    pub(crate) async fn start(target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, target, log.clone()));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn settings(&self) -> TransportSettings {
        TransportSettings {
            proxy: Some(format!("http://{}", self.address)),
            ca_file: None,
        }
    }
}

async fn tunnel(mut stream: TcpStream, target: Option<SocketAddr>, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    log.lock()
        .unwrap()
        .push(head.lines().next().unwrap().to_owned());
    let Some(target) = target else {
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        return;
    };
    let mut onward = TcpStream::connect(target).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .unwrap();
    let _ = copy_bidirectional(&mut stream, &mut onward).await;
}

/// Answers each connection's first bytes with `said`, and closes it.
pub(crate) async fn saying(said: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(said).await;
        }
    });
    (address, accepted)
}
