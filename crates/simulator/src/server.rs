//! Listens, takes requests through script, protocol and faults, and stops cleanly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Served, SimBody};
use crate::cloud::{self, Entrance, Vendor};
use crate::control;
use crate::dialect;
use crate::exchange::Exchange;
use crate::fixed::Fixed;
use crate::journal::{Journal, Ticket};
use crate::memory::MemoryStream;
use crate::respond::{dress, send};
use crate::script::{self, Script};
use crate::wire::{Carrier, Cut, Wire, WireIo};
use crate::{Behaviour, Counts, Error, Fault, Outcome, Point, Recorded, Rule, SimulatorSettings};

/// Connections that may wait to be accepted; a load that opens thousands at once waits for nothing but answers.
const WAITING_CONNECTIONS: u32 = 4096;

/// A running simulator. Dropping it closes its listener and every connection.
#[derive(Debug)]
pub struct Simulator {
    inner: Arc<Inner>,
}

/// What the listener, the connections and the handle share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: SimulatorSettings,
    pub(crate) script: Script,
    pub(crate) journal: Arc<Journal>,
    fixed: Option<Fixed>,
    address: SocketAddr,
    listening: Mutex<Option<Listening>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The accept loop and everything it accepted.
#[derive(Debug)]
struct Listening {
    stop: CancellationToken,
    accepting: JoinHandle<()>,
}

impl Simulator {
    /// Listens and serves, on tasks of the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on, or a setting is out of its range.
    pub async fn start(settings: SimulatorSettings) -> Result<Self, Error> {
        settings.check()?;
        let listener = listen(settings.listen)?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: settings.listen,
            source,
        })?;
        let inner = Inner::new(settings, address);
        *inner.listening.lock().await = Some(inner.serve(listener));
        Ok(Self { inner })
    }

    /// One that listens nowhere, and serves what [`Simulator::connect`] connects. With the runtime's time paused its
    /// waits take none, and the same requests in the same order get the same answers.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn unbound(settings: SimulatorSettings) -> Result<Self, Error> {
        settings.check()?;
        let address = settings.listen;
        Ok(Self {
            inner: Inner::new(settings, address),
        })
    }

    /// A new connection within this process, whether it listens or not.
    #[must_use]
    pub fn connect(&self) -> MemoryStream {
        let (client, server) = MemoryStream::pair();
        let stop = self.inner.stop.child_token();
        let serving = serve_connection(Arc::clone(&self.inner), server, stop);
        self.inner.tasks.spawn(serving);
        client
    }

    /// What an OpenAI SDK takes as base URL: `http://127.0.0.1:port/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// Scheme, host and port, without a path.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Replaces all rules, those of the settings too.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.inner.script.set(rules);
    }

    /// From now on every request gets this.
    pub fn fail(&self, behaviour: Behaviour) {
        self.set_rules(vec![Rule::always(behaviour)]);
    }

    /// The next `count` requests get this, before any other rule.
    pub fn fail_next(&self, count: u64, behaviour: Behaviour) {
        self.inner.script.push_first(Rule {
            next: Some(count),
            ..Rule::always(behaviour)
        });
    }

    /// Forgets all requests and goes back to the settings' rules and seed.
    pub fn reset(&self) {
        self.inner.script.reset(&self.inner.settings);
        self.inner.journal.clear();
    }

    /// The requests in the journal, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.inner.journal.requests()
    }

    /// The sums over all requests.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.journal.counts()
    }

    /// Closes the listener and all connections: from now on connecting is refused.
    pub async fn refuse(&self) {
        self.inner.refuse().await;
    }

    /// Listens again on the same port after [`Simulator::refuse`]; does nothing while it listens.
    ///
    /// # Errors
    /// When another program took the port in the meantime.
    pub async fn accept(&self) -> Result<(), Error> {
        self.inner.accept().await
    }

    /// Closes everything and waits until it is closed.
    pub async fn shutdown(self) {
        self.inner.stop.cancel();
        self.inner.refuse().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING_CONNECTIONS)
    };
    listen().map_err(|source| Error::Listen { address, source })
}

impl Inner {
    fn new(settings: SimulatorSettings, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            script: Script::new(&settings),
            journal: Arc::new(Journal::new(settings.journal)),
            fixed: settings.fixed_answers.then(|| Fixed::new(&settings)),
            settings,
            address,
            listening: Mutex::new(None),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    fn serve(self: &Arc<Self>, listener: TcpListener) -> Listening {
        let stop = self.stop.child_token();
        let accepting = self
            .tasks
            .spawn(accept_loop(Arc::clone(self), listener, stop.clone()));
        Listening { stop, accepting }
    }

    async fn refuse(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.stop.cancel();
            // An accept loop ends by being told to; it has no other way to fail.
            let _ = listening.accepting.await;
        }
    }

    async fn accept(self: &Arc<Self>) -> Result<(), Error> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() && !self.stop.is_cancelled() {
            *listening = Some(self.serve(listen(self.address)?));
        }
        Ok(())
    }

    /// Refuses connections for a while, from a moment after the call that asked for it was answered.
    pub(crate) fn refuse_for(self: &Arc<Self>, pause: Duration) {
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            let steps = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                inner.refuse().await;
                tokio::time::sleep(pause).await;
                while inner.accept().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                () = inner.stop.cancelled() => {}
                () = steps => {}
            }
        });
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        wire: &Arc<Wire>,
        connection: u64,
    ) -> Served {
        let (parts, body) = request.into_parts();
        wire.begin();
        let collected = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let path = parts.uri.path();
        if path.starts_with("/_sim/") {
            return Ok(control::serve(
                self,
                &parts.method,
                path,
                &collected.unwrap_or_default(),
            ));
        }
        let Ok(body) = collected else {
            self.journal
                .enter(connection, &parts, &Bytes::new())
                .end(Outcome::ClientCut);
            return Ok(empty(StatusCode::BAD_REQUEST));
        };
        if let Some(fixed) = &self.fixed
            && let Some(response) = fixed.answer(&self.settings, &parts, &body, wire)
        {
            self.journal.count();
            return Ok(response);
        }
        let ticket = self.journal.enter(connection, &parts, &body);
        if wire.is_stale() {
            ticket.end(Outcome::Faulted);
            wire.cut_after(0, Cut::Reset);
            return Ok(empty(StatusCode::OK));
        }
        match cloud::enter(&parts, &body) {
            Entrance::None => self.perform(&parts, &body, None, ticket, wire).await,
            Entrance::Through(vendor, inner) => {
                let (parts, body) = inner.into_parts();
                self.perform(&parts, &body, Some(vendor), ticket, wire)
                    .await
            }
            Entrance::Closed(answer) => {
                let usual = Behaviour::default();
                let dialect = dialect::of("", &parts.headers);
                Ok(send(dialect, answer, &usual, parts.version, ticket, wire))
            }
        }
    }

    /// Chooses the behaviour, makes the answer, and sets up what goes wrong with it.
    async fn perform(
        &self,
        parts: &http::request::Parts,
        body: &Bytes,
        vendor: Option<Vendor>,
        ticket: Ticket,
        wire: &Arc<Wire>,
    ) -> Served {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let dialect = dialect::of(path, &parts.headers);
        let model = dialect.model(path, json.as_ref());
        let behaviour = match json
            .as_ref()
            .and_then(|json| script::marker(json, &self.settings.name))
        {
            Some(Ok(behaviour)) => behaviour,
            Some(Err(message)) => Behaviour {
                body: Some(
                    serde_json::json!({"error": {"message": format!("simulator marker: {message}")}}),
                ),
                ..Behaviour::status(400)
            },
            None => {
                let stream = dialect.is_stream(path, json.as_ref());
                self.script.pick(path, model, stream).unwrap_or_default()
            }
        };
        if behaviour.fault
            == Some(Fault::Hang {
                at: Point::BeforeHeaders,
            })
        {
            let _until_the_caller_leaves = ticket;
            return std::future::pending().await;
        }
        let exchange = Exchange {
            method: &parts.method,
            path,
            query,
            headers: &parts.headers,
            body,
            json: json.as_ref(),
            model,
            key: dialect.key(&parts.headers, query),
            settings: &self.settings,
            behaviour: &behaviour,
            number: ticket.number(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            never_stream: behaviour.fault == Some(Fault::JsonForStream),
        };
        let mut answer =
            dialect::failure(dialect, &exchange).unwrap_or_else(|| dialect.answer(&exchange));
        dress(
            dialect,
            &mut answer,
            &behaviour,
            &self.settings.name,
            ticket.number(),
        );
        if let Some(vendor) = vendor {
            vendor.dress(&mut answer);
        }
        Ok(send(
            dialect,
            answer,
            &behaviour,
            parts.version,
            ticket,
            wire,
        ))
    }
}

async fn accept_loop(inner: Arc<Inner>, listener: TcpListener, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if stream.set_nodelay(true).is_err() => {}
            Ok((stream, _)) => {
                inner
                    .tasks
                    .spawn(serve_connection(Arc::clone(&inner), stream, stop.clone()));
            }
            // Out of file descriptors, mostly: wait for some to come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve_connection(inner: Arc<Inner>, stream: impl Carrier, stop: CancellationToken) {
    let wire = Arc::new(Wire::default());
    let number = inner.journal.connection();
    let io = TokioIo::new(WireIo::new(stream, Arc::clone(&wire)));
    let service = service_fn(|request| {
        let (inner, wire) = (Arc::clone(&inner), Arc::clone(&wire));
        async move { inner.answer(request, &wire, number).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        // A connection that breaks is a caller that left, or a fault that was asked for: both are in the journal.
        _ = builder.serve_connection(io, service) => {}
    }
}

fn empty(status: StatusCode) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}
