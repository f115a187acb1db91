//! The traffic: requests at a steady rate with bursts, and how each of them ended for its client.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::on_informational;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::ask::{Ask, Kind, Manner};
use crate::load::Protocol;
use crate::load::verify::{self, End};

/// Most requests at once; what comes due beyond is left out.
const MOST_AT_ONCE: usize = 256;
/// Every so often, for so long, so many times the rate.
const BURST_EVERY: f64 = 10.0;
const BURST: f64 = 1.0;
const BURST_RATE: f64 = 4.0;
/// An answer that takes longer is missing: beyond all clocks of the policies and all attempts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Violations that are told in full.
const TOLD: usize = 20;

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// Answered whole, or by a stream with its end marker.
    Complete,
    /// A stream that told of an error as its last event.
    StreamError,
    /// An error of the client's own: 4xx but for the next two.
    Refused,
    /// 429.
    Limited,
    /// 401: it has no row, since nobody is known to have asked.
    Unknown,
    /// 5xx.
    Failed,
    /// The client closed the connection, before or after the head.
    HungUp,
    /// None of these: the gateway broke a promise.
    Broken,
}

/// What is known of all requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_end: BTreeMap<Ended, u64>,
    pub(crate) by_kind: BTreeMap<Kind, u64>,
    /// Ids that clients learned, of requests that must have a row.
    pub(crate) ids: BTreeSet<String>,
    /// Ids of those that must have none.
    pub(crate) unknown: BTreeSet<String>,
    /// Ids that two answers had.
    pub(crate) twice: u64,
    /// Requests that must have a row, whose id nobody learned.
    pub(crate) nameless: u64,
    /// Requests that came due while too many were running.
    pub(crate) skipped: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) broken: u64,
}

impl Tally {
    /// Requests that must have a row.
    pub(crate) fn owed(&self) -> u64 {
        self.ids.len() as u64 + self.nameless
    }

    fn note(&mut self, ask: &About, id: Option<String>, ended: Result<Ended, String>) {
        let ended = ended.unwrap_or_else(|violation| {
            self.broken += 1;
            if self.violations.len() < TOLD {
                let id = id.as_deref().unwrap_or("no id");
                self.violations.push(format!("{ask:?} {id}: {violation}"));
            }
            Ended::Broken
        });
        *self.by_end.entry(ended).or_default() += 1;
        *self.by_kind.entry(ask.kind).or_default() += 1;
        let is_unknown = ended == Ended::Unknown;
        match id {
            Some(id) if is_unknown => self.twice += u64::from(!self.unknown.insert(id)),
            Some(id) => self.twice += u64::from(!self.ids.insert(id)),
            None => self.nameless += 1,
        }
    }
}

/// What a violation is told with.
#[derive(Debug)]
struct About {
    protocol: Protocol,
    kind: Kind,
}

/// Whom to ask, with which keys, for which models; both change while the traffic runs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) models: Rc<RefCell<Vec<String>>>,
    pub(crate) keys: Rc<RefCell<Vec<String>>>,
}

type Pool = Client<HttpConnector, Full<Bytes>>;

/// Sends for so long, and waits for every request to end.
pub(crate) async fn run(
    target: Target,
    rate: f64,
    length: Duration,
    seed: u64,
    tally: Rc<RefCell<Tally>>,
) -> anyhow::Result<()> {
    let pool: Pool = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(5))
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .build_http();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut running = JoinSet::new();
    let start = Instant::now();
    let mut due = start;
    while due < start + length {
        tokio::time::sleep_until(due.into()).await;
        while let Some(done) = running.try_join_next() {
            done.context("a client panicked")?;
        }
        if running.len() < MOST_AT_ONCE {
            let ask = Ask::draw(&mut dice, &target.models.borrow(), &target.keys.borrow())?;
            let (pool, tally) = (pool.clone(), Rc::clone(&tally));
            running.spawn_local(one(pool, target.address, ask, tally));
        } else {
            tally.borrow_mut().skipped += 1;
        }
        let is_burst = due.duration_since(start).as_secs_f64() % BURST_EVERY < BURST;
        let rate = if is_burst { rate * BURST_RATE } else { rate };
        due += Duration::from_secs_f64(1.0 / rate);
    }
    while let Some(done) = running.join_next().await {
        done.context("a client panicked")?;
    }
    Ok(())
}

async fn one(pool: Pool, address: SocketAddr, ask: Ask, tally: Rc<RefCell<Tally>>) {
    let about = About {
        protocol: ask.protocol,
        kind: ask.kind,
    };
    let mut id = None;
    let late = |_| Err(format!("no end within {PATIENCE:?}"));
    let answered = async {
        match ask.manner {
            Manner::HangsUp(after) => hang_up(address, ask.request, after, &mut id).await,
            manner => read(&pool, address, ask.request, manner, &about, &mut id).await,
        }
    };
    let ended = tokio::time::timeout(PATIENCE, answered)
        .await
        .unwrap_or_else(late);
    tally.borrow_mut().note(&about, id, ended);
}

fn id_of(response: &Response<Incoming>) -> Option<String> {
    let id = response.headers().get("x-request-id")?;
    Some(id.to_str().ok()?.to_owned())
}

/// Asks on a connection of its own and closes it a while after the gateway has begun with the request, whatever has
/// come by then. It says that it has begun when it asks for the body, by `100 Continue`: a request whose connection is
/// closed before is not looked at, and owes no row.
async fn hang_up(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
    after: Duration,
    id: &mut Option<String>,
) -> Result<Ended, String> {
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("soak"));
    headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    on_informational(&mut request, move |_| told.notify_one());
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let asked = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| format!("no head: {error}"))?;
        *id = id_of(&response);
        // How the body ends is for those to judge who wait for it.
        let _ = response.into_body().collect().await;
        Ok(Ended::HungUp)
    };
    // The connection is driven here, so that it closes when this ends.
    let driven = async {
        let _ = connection.await;
        std::future::pending().await
    };
    let enough = async {
        begun.notified().await;
        tokio::time::sleep(after).await;
    };
    tokio::select! {
        ended = asked => ended,
        ended = driven => ended,
        () = enough => Ok(Ended::HungUp),
    }
}

/// Asks and reads to the end.
async fn read(
    pool: &Pool,
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
    manner: Manner,
    about: &About,
    id: &mut Option<String>,
) -> Result<Ended, String> {
    let uri: Result<Uri, _> = format!("http://{address}{}", request.uri()).parse();
    *request.uri_mut() = uri.map_err(|error| error.to_string())?;
    let response = pool.request(request).await;
    let response = response.map_err(|error| format!("no head: {error:?}"))?;
    *id = id_of(&response);
    if id.is_none() {
        return Err(format!("{} without an id", response.status()));
    }
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| format!("{status}, broken off: {error}, after: {}", tail(&bytes)))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if let Manner::ReadsSlowly(pause) = manner {
            tokio::time::sleep(pause).await;
        }
    }
    judge(about, status, &bytes)
}

/// The last lines of an answer, each by its beginning.
fn tail(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(6)..].iter();
    let cut = last.map(|line| line.get(..160).unwrap_or(line));
    cut.collect::<Vec<_>>().join(" | ")
}

/// How it ended, by all of its answer.
fn judge(about: &About, status: StatusCode, body: &[u8]) -> Result<Ended, String> {
    let told = || tail(body);
    if status == StatusCode::OK && about.kind == Kind::Embeddings {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let is_whole = json["data"].is_array() || json["embedding"].is_object();
        return match is_whole {
            true => Ok(Ended::Complete),
            false => Err(format!("no embeddings: {}", told())),
        };
    }
    if status == StatusCode::OK {
        return match verify::end(about.protocol, body) {
            Ok(End::Complete) => Ok(Ended::Complete),
            Ok(End::Error) => Ok(Ended::StreamError),
            Err(broken) => Err(format!("{broken}: {}", told())),
        };
    }
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if json["error"].is_null() {
        return Err(format!("{status} that is no error: {}", told()));
    }
    match status.as_u16() {
        401 => Ok(Ended::Unknown),
        429 => Ok(Ended::Limited),
        400..500 => Ok(Ended::Refused),
        500..600 => Ok(Ended::Failed),
        _ => Err(format!("status {status}")),
    }
}
