//! A client that decodes HTTP, and one that shows the bytes.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simulator::{Behaviour, Simulator, SimulatorSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A decoded answer. `complete` is false when the body broke off.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) complete: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The data of the events, split as the standard says.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n").replace('\r', "\n");
        let data = |block: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix("data:"))?;
            Some(line.strip_prefix(' ').unwrap_or(line).to_owned())
        };
        text.split("\n\n").filter_map(data).collect()
    }

    /// The events that are JSON.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        self.events()
            .iter()
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// The text a stream tells.
    pub(crate) fn content(&self) -> String {
        let content = |chunk: &Value| {
            chunk
                .pointer("/choices/0/delta/content")?
                .as_str()
                .map(str::to_owned)
        };
        self.chunks().iter().filter_map(content).collect()
    }
}

pub(crate) type Pool = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn pool(http2: bool) -> Pool {
    Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http()
}

pub(crate) async fn start() -> Simulator {
    Simulator::start(SimulatorSettings::default())
        .await
        .unwrap()
}

pub(crate) async fn start_failing(behaviour: Behaviour) -> Simulator {
    let sim = start().await;
    sim.fail(behaviour);
    sim
}

/// A chat request with `extra` over the usual fields.
pub(crate) fn chat(extra: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

pub(crate) async fn send(
    pool: &Pool,
    sim: &Simulator,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> Result<Reply, hyper_util::client::legacy::Error> {
    let headers = [
        ("authorization", "Bearer sk-test-0123456789"),
        ("content-type", "application/json"),
    ];
    send_with(pool, sim, method, path, &headers, body).await
}

/// A request with these headers and no others.
pub(crate) async fn send_with(
    pool: &Pool,
    sim: &Simulator,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Reply, hyper_util::client::legacy::Error> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", sim.origin()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let (parts, mut incoming) = pool.request(request).await?.into_parts();
    let (mut body, mut complete) = (Vec::new(), true);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body,
        complete,
    })
}

pub(crate) async fn post(sim: &Simulator, path: &str, body: &Value) -> Reply {
    send(&pool(false), sim, Method::POST, path, body.to_string())
        .await
        .unwrap()
}

pub(crate) async fn post_chat(sim: &Simulator, extra: Value) -> Reply {
    post(sim, "/v1/chat/completions", &chat(extra)).await
}

pub(crate) async fn get(sim: &Simulator, path: &str) -> Reply {
    send(&pool(false), sim, Method::GET, path, "")
        .await
        .unwrap()
}

/// How a raw connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

/// What came over the wire, read by read, and how it ended.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) reads: Vec<Vec<u8>>,
    pub(crate) end: End,
}

impl Raw {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.reads.concat()).into_owned()
    }
}

/// A chat request as the bytes of HTTP/1.1.
pub(crate) fn raw_chat(extra: Value, connection: &str) -> Vec<u8> {
    let body = chat(extra).to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer sk-test-0123456789\r\n\
         connection: {connection}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Raw {
    let mut reads = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => {
                return Raw {
                    reads,
                    end: End::Closed,
                };
            }
            Ok(read) => reads.push(buffer[..read].to_vec()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                return Raw {
                    reads,
                    end: End::Reset,
                };
            }
        }
    }
}

pub(crate) async fn exchange_raw(sim: &Simulator, extra: Value) -> Raw {
    let mut stream = TcpStream::connect(sim.address()).await.unwrap();
    stream.write_all(&raw_chat(extra, "close")).await.unwrap();
    read_to_end(&mut stream).await
}

/// Waits until `holds`; a test that never gets there fails by the runner's patience, not by a clock of its own.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// `base` with the members of `extra` in place of its own; a null takes a member out.
pub(crate) fn with(mut base: Value, extra: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in extra.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    base
}
