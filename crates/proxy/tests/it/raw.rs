//! A provider that says exactly the bytes it is told to, right or wrong.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What one connection does after its request came.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Say(Vec<u8>),
    Pause(Duration),
    /// Goes on when the test says so.
    Wait(Arc<Notify>),
    /// Waits for the peer to close, or for good.
    Stay,
}

pub(crate) fn say(text: impl Into<Vec<u8>>) -> Act {
    Act::Say(text.into())
}

/// The head of an event stream whose end is the end of the connection.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// An event with text.
pub(crate) fn text_event(text: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

pub(crate) const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

#[derive(Debug)]
pub(crate) struct RawProvider {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

/// A provider that says `head`, and the rest when it is told to.
pub(crate) async fn waiting(head: String, rest: String) -> (RawProvider, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let acts = vec![say(head), Act::Wait(go.clone()), say(rest)];
    (RawProvider::start(acts).await, go)
}

impl RawProvider {
    /// Does the same on every connection; reads the whole request first, as told by its content length.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        Self::serving(acts, true).await
    }

    /// Acts once the head of a request is there, whatever of its body is.
    pub(crate) async fn hasty(acts: Vec<Act>) -> Self {
        Self::serving(acts, false).await
    }

    /// A stream of these bytes that ends with the connection.
    pub(crate) async fn streaming(text: impl AsRef<str>) -> Self {
        Self::start(vec![say(format!("{STREAM_HEAD}{}", text.as_ref()))]).await
    }

    async fn serving(acts: Vec<Act>, reads_body: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let last = Arc::new(Mutex::new(String::new()));
        let kept = last.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(
                    stream,
                    acts.clone(),
                    reads_body,
                    counted.clone(),
                    kept.clone(),
                ));
            }
        });
        Self {
            address,
            requests,
            last,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The request that came last, as it came.
    pub(crate) fn last_request(&self) -> String {
        self.last.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn connection(
    mut stream: TcpStream,
    acts: Vec<Act>,
    reads_body: bool,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
) {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 65536];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&read);
        let Some(end) = text.find("\r\n\r\n") else {
            continue;
        };
        let length = text[..end]
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if !reads_body || read.len() >= end + 4 + length {
            break;
        }
    }
    *last.lock().unwrap() = String::from_utf8_lossy(&read).into_owned();
    requests.fetch_add(1, Ordering::Relaxed);
    for act in acts {
        match act {
            Act::Say(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Pause(pause) => tokio::time::sleep(pause).await,
            Act::Wait(go) => go.notified().await,
            Act::Stay => {
                let mut rest = vec![0; 65536];
                while !matches!(stream.read(&mut rest).await, Ok(0) | Err(_)) {}
            }
        }
    }
    // Closing while bytes of the request are unread would reset the connection, and the answer be lost.
    let _ = stream.shutdown().await;
    let mut rest = vec![0; 65536];
    while !matches!(stream.read(&mut rest).await, Ok(0) | Err(_)) {}
}
