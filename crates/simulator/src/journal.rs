//! What arrived, and how it ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use serde::Serialize;

/// Bytes of a body that are kept.
const KEPT_BODY: usize = 256 * 1024;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// It has not ended.
    Running = 0,
    /// The answer was handed over whole, be it good or an error.
    Answered = 1,
    /// The simulator broke it off, as it was told to.
    Faulted = 2,
    /// The caller left before the end.
    ClientCut = 3,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Its number, from 1.
    pub number: u64,
    /// Number of the connection it came on, from 1.
    pub connection: u64,
    /// HTTP version.
    pub version: Version,
    /// Method.
    pub method: Method,
    /// Path, with the query if there was one.
    pub path: String,
    /// All headers, the key among them.
    pub headers: HeaderMap,
    /// The body, cut after 256 KiB.
    pub body: Bytes,
    /// The status answered with; none as long as no answer was begun.
    pub status: Option<StatusCode>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Recorded {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether the caller left before the end.
    #[must_use]
    pub fn client_cut(&self) -> bool {
        self.outcome == Outcome::ClientCut
    }
}

/// Sums over all requests, also those the journal no longer holds. Control calls are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that arrived.
    pub received: u64,
    /// Ended as [`Outcome::Answered`].
    pub answered: u64,
    /// Ended as [`Outcome::Faulted`].
    pub faulted: u64,
    /// Ended as [`Outcome::ClientCut`].
    pub client_cut: u64,
    /// Connections accepted.
    pub connections: u64,
}

#[derive(Debug)]
struct Entry {
    recorded: Recorded,
    status: AtomicU16,
    outcome: AtomicU8,
}

/// The bounded list of requests, and their sums.
#[derive(Debug)]
pub(crate) struct Journal {
    capacity: usize,
    entries: Mutex<VecDeque<Arc<Entry>>>,
    received: AtomicU64,
    ended: [AtomicU64; 4],
    connections: AtomicU64,
}

impl Journal {
    /// Keeps the last `capacity` requests.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
            received: AtomicU64::new(0),
            ended: Default::default(),
            connections: AtomicU64::new(0),
        }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection and numbers it.
    pub(crate) fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a request that is not kept and is answered at once.
    pub(crate) fn count(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.ended[Outcome::Answered as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Enters a request; the ticket tells how it ends.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: u64,
        parts: &http::request::Parts,
        body: &Bytes,
    ) -> Ticket {
        let number = self.received.fetch_add(1, Ordering::Relaxed) + 1;
        // A slice of a large body would keep all of it in memory.
        let kept = if body.len() > KEPT_BODY {
            Bytes::copy_from_slice(&body[..KEPT_BODY])
        } else {
            body.clone()
        };
        let entry = Arc::new(Entry {
            recorded: Recorded {
                number,
                connection,
                version: parts.version,
                method: parts.method.clone(),
                path: parts
                    .uri
                    .path_and_query()
                    .map_or_else(|| parts.uri.to_string(), ToString::to_string),
                headers: parts.headers.clone(),
                body: kept,
                status: None,
                outcome: Outcome::Running,
            },
            status: AtomicU16::new(0),
            outcome: AtomicU8::new(0),
        });
        if self.capacity > 0 {
            let mut entries = self.entries();
            if entries.len() == self.capacity {
                entries.pop_front();
            }
            entries.push_back(Arc::clone(&entry));
        }
        Ticket {
            journal: Arc::clone(self),
            entry,
            ended: false,
        }
    }

    /// The requests kept, oldest first.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        let finished = |entry: &Arc<Entry>| Recorded {
            status: StatusCode::from_u16(entry.status.load(Ordering::Acquire)).ok(),
            outcome: match entry.outcome.load(Ordering::Acquire) {
                1 => Outcome::Answered,
                2 => Outcome::Faulted,
                3 => Outcome::ClientCut,
                _ => Outcome::Running,
            },
            ..entry.recorded.clone()
        };
        self.entries().iter().map(finished).collect()
    }

    /// The sums.
    pub(crate) fn counts(&self) -> Counts {
        let ended = |outcome: Outcome| self.ended[outcome as usize].load(Ordering::Relaxed);
        Counts {
            received: self.received.load(Ordering::Relaxed),
            answered: ended(Outcome::Answered),
            faulted: ended(Outcome::Faulted),
            client_cut: ended(Outcome::ClientCut),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    /// Forgets the requests and starts the sums anew; numbers of connections go on.
    pub(crate) fn clear(&self) {
        self.entries().clear();
        self.received.store(0, Ordering::Relaxed);
        self.ended
            .iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

/// Stands for a running request. Dropped without an end, the caller has left.
#[derive(Debug)]
pub(crate) struct Ticket {
    journal: Arc<Journal>,
    entry: Arc<Entry>,
    ended: bool,
}

impl Ticket {
    /// Number of the request.
    pub(crate) fn number(&self) -> u64 {
        self.entry.recorded.number
    }

    /// Notes the status answered with.
    pub(crate) fn status(&self, status: StatusCode) {
        self.entry.status.store(status.as_u16(), Ordering::Release);
    }

    /// Notes how it ended.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.set(outcome);
    }

    fn set(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.ended, true) {
            self.entry.outcome.store(outcome as u8, Ordering::Release);
            self.journal.ended[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.set(Outcome::ClientCut);
    }
}
