//! Connections that wait for a request.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{
    HeaderValue, Uri,
    uri::{Authority, Scheme},
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};

use crate::{http1::Http1, http2::Http2};

/// Below the 60 s after which common load balancers close, so that few requests meet a connection being closed. Nothing else
/// bounds how many wait: as many as were used at a time will be again, and to have some closed and others opened costs more
/// than to keep them, most of all when there is no time for it.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// A connection that can take a request.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(Box<Http1>),
    Http2(Http2),
}

impl Connection {
    pub(crate) fn http1(connection: Http1) -> Self {
        Self::Http1(Box::new(connection))
    }
}

/// The connections of a client, by origin.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    origins: RwLock<HashMap<(Scheme, Authority), Arc<Origin>, foldhash::fast::RandomState>>,
    /// Called when a connection ended while nobody used it.
    sweep: Arc<Notify>,
    is_swept: AtomicBool,
}

impl Pool {
    /// The connections to where `uri` points to. None if it names no host.
    pub(crate) fn origin(self: &Arc<Self>, uri: &Uri) -> Option<Arc<Origin>> {
        let key = (uri.scheme()?.clone(), uri.authority()?.clone());
        let known = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = known.get(&key) {
            return Some(origin.clone());
        }
        drop(known);
        self.have_swept();
        let mut known = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        let origin = known
            .entry(key)
            .or_insert_with_key(|(scheme, authority)| Arc::new(Origin::new(scheme, authority)));
        Some(origin.clone())
    }

    /// What calls for a look at the connections that wait.
    pub(crate) fn sweep(&self) -> &Arc<Notify> {
        &self.sweep
    }

    /// From the first use on connections are closed that have ended, or were not used for too long.
    fn have_swept(self: &Arc<Self>) {
        if !self.is_swept.swap(true, Relaxed) {
            tokio::spawn(keep_sweeping(Arc::downgrade(self), self.sweep.clone()));
        }
    }

    fn close_unusable(&self) {
        let known = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        let origins: Vec<_> = known.values().cloned().collect();
        drop(known);
        for origin in origins {
            origin.close_unusable();
        }
        let mut known = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, origin| Arc::strong_count(origin) > 1 || !origin.is_empty());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.sweep.notify_one();
    }
}

async fn keep_sweeping(pool: Weak<Pool>, sweep: Arc<Notify>) {
    loop {
        // That the time is over is as good a reason.
        let _ = timeout(MAX_IDLE / 2, sweep.notified()).await;
        match pool.upgrade() {
            Some(pool) => pool.close_unusable(),
            None => return,
        }
    }
}

/// The connections to one scheme, host and port.
#[derive(Debug)]
pub(crate) struct Origin {
    /// How it is named in a request over HTTP/1.1.
    pub(crate) host: Option<HeaderValue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those used last are at the end.
    idle: Vec<Idle<Box<Http1>>>,
    shared: Option<Idle<Http2>>,
    /// Who would rather have one that is given back than wait for a new one.
    waiting: VecDeque<oneshot::Sender<Connection>>,
}

/// A connection, and when it was used last.
#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<C> Idle<C> {
    fn since_now(connection: C) -> Self {
        Self {
            connection,
            since: Instant::now(),
        }
    }

    fn is_too_old(&self) -> bool {
        self.since.elapsed() >= MAX_IDLE
    }
}

impl State {
    /// The connection that all share, if it can take a request still.
    fn shared(&mut self) -> Option<Http2> {
        let shared = self.shared.as_mut()?;
        if !shared.connection.is_ready() {
            self.shared = None;
            return None;
        }
        shared.since = Instant::now();
        Some(shared.connection.clone())
    }
}

impl Origin {
    fn new(scheme: &Scheme, authority: &Authority) -> Self {
        let default_port = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = authority.host();
        let host = match authority.port_u16() {
            Some(port) if port != default_port => HeaderValue::try_from(format!("{host}:{port}")),
            _ => HeaderValue::from_str(host),
        };
        Self {
            host: host.ok(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that waits.
    ///
    /// # Errors
    /// There is none: where the next that is given back will be heard of.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Connection, oneshot::Receiver<Connection>> {
        let mut unusable = Vec::new(); // closed when others need not wait for it
        let mut state = self.state();
        if let Some(shared) = state.shared() {
            return Ok(Connection::Http2(shared));
        }
        while let Some(mut idle) = state.idle.pop() {
            if !idle.is_too_old() && idle.connection.wakes() {
                idle.connection.home = Some(self.clone());
                return Ok(Connection::Http1(idle.connection));
            }
            unusable.push(idle);
        }
        let has_left = oneshot::Sender::is_closed;
        while state.waiting.front().is_some_and(has_left) {
            state.waiting.pop_front();
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        drop(state);
        Err(receiver)
    }

    /// Gives a connection to who waits for one, or keeps it, if it is of use still.
    pub(crate) fn put(self: Arc<Self>, mut connection: Box<Http1>) {
        if !connection.is_free() {
            return;
        }
        let mut state = self.state();
        while let Some(waiting) = state.waiting.pop_front() {
            if !waiting.is_closed() {
                connection.home = Some(self.clone());
                // Who leaves at this very moment takes it along.
                let _ = waiting.send(Connection::Http1(connection));
                return;
            }
        }
        if connection.rests() {
            state.idle.push(Idle::since_now(connection));
        }
    }

    /// The connection that all requests share, if there is one.
    pub(crate) fn shared(&self) -> Option<Http2> {
        self.state().shared()
    }

    /// Has all requests share a connection from now on, those that wait first.
    pub(crate) fn share(&self, connection: &Http2) {
        let mut state = self.state();
        for waiting in state.waiting.drain(..) {
            // Who waits no longer has no use for it.
            let _ = waiting.send(Connection::Http2(connection.clone()));
        }
        state.shared = Some(Idle::since_now(connection.clone()));
    }

    /// Closes what has ended or was not used for too long.
    fn close_unusable(&self) {
        let mut state = self.state();
        let is_unusable =
            |idle: &mut Idle<Box<Http1>>| idle.is_too_old() || !idle.connection.rests();
        let unusable: Vec<_> = state.idle.extract_if(.., is_unusable).collect();
        let is_usable =
            |shared: &mut Idle<Http2>| shared.connection.is_ready() && !shared.is_too_old();
        let shared = state.shared.take_if(|shared| !is_usable(shared));
        drop(state);
        drop((unusable, shared));
    }

    fn is_empty(&self) -> bool {
        let state = self.state();
        state.idle.is_empty() && state.shared.is_none()
    }
}
