//! The rounds of a runtime, at whose ends is sent what was written.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::AbortHandle,
};

use crate::socket::Outgoing;

/// Connections that a round may end with. Another one does not wait for its end, so that those before it wait for as many others
/// at most, each some ten microseconds.
const TOGETHER: usize = 32;
/// Buffers that are kept for what is written next.
const SPARE: usize = TOGETHER;

/// Sends at the end of each round, in which every task that was ready has run once, what sockets have kept for it. Cheap to clone;
/// when the last clone is dropped, and each socket that has one, its task ends.
#[derive(Debug, Clone, Default)]
pub struct Round {
    sender: Option<Arc<Sender>>,
}

/// A task that sends.
#[derive(Debug)]
struct Sender {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    due: Mutex<Due>,
    sender: AtomicWaker,
}

#[derive(Debug, Default)]
struct Due {
    sockets: Vec<Arc<Outgoing>>,
    spare: Vec<Vec<u8>>,
    /// Whether there is nobody any more who sends.
    is_over: bool,
}

impl Round {
    /// Of the runtime that this is called in. Where threads share their tasks there is no end of a round, so all is sent at once
    /// there, as it is by the default.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn of_runtime() -> Self {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return Self::default();
        }
        let shared = Arc::<Shared>::default();
        let task = runtime.spawn(send_at_ends(Over(shared.clone())));
        let task = task.abort_handle();
        Self {
            sender: Some(Arc::new(Sender { shared, task })),
        }
    }

    /// Whether it may end with anything.
    pub(crate) fn keeps(&self) -> bool {
        self.sender.is_some()
    }

    /// Has what `socket` keeps sent at its end, and answers with an empty buffer for that; `None` where it has no end any more.
    pub(crate) fn ends_with(&self, socket: &Arc<Outgoing>) -> Option<Vec<u8>> {
        let shared = &*self.sender.as_ref()?.shared;
        let mut due = shared.due();
        if due.is_over {
            return None;
        }
        if due.sockets.len() >= TOGETHER {
            drop(due);
            shared.send();
            due = shared.due();
        }
        due.sockets.push(socket.clone());
        let (is_first, buffer) = (due.sockets.len() == 1, due.spare.pop());
        drop(due);
        if is_first {
            shared.sender.wake();
        }
        Some(buffer.unwrap_or_default())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is due.
    fn send(&self) {
        let mut due = self.due();
        let mut sockets = mem::take(&mut due.sockets);
        let mut spare = mem::take(&mut due.spare);
        drop(due);
        for socket in sockets.drain(..) {
            let sent = socket.send();
            spare.extend(sent.filter(|_| spare.len() < SPARE));
        }
        let mut due = self.due();
        due.spare = spare;
        if due.sockets.is_empty() {
            due.sockets = sockets; // for the room it has
        }
    }
}

/// Whose task sends, until it ends.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.due().is_over = true;
        self.0.send();
    }
}

/// Woken by the first of a round, it comes behind all who are ready then.
async fn send_at_ends(over: Over) {
    poll_fn(|context: &mut Context<'_>| {
        over.0.sender.register(context.waker());
        over.0.send();
        Poll::<()>::Pending
    })
    .await;
}
