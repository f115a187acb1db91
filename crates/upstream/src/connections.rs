//! How many connections there are.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts connections, to be read at any time.
#[derive(Debug, Default)]
pub struct Connections {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Connections {
    /// Counter: connections made.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Gauge: connections that are open, used or idle.
    pub fn open(&self) -> u64 {
        let closed = self.closed.load(Relaxed);
        self.opened().saturating_sub(closed)
    }

    pub(crate) fn open_one(self: &Arc<Self>) -> Open {
        self.opened.fetch_add(1, Relaxed);
        Open(self.clone())
    }
}

/// An open connection; dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Open(Arc<Connections>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_until_they_close() {
        let connections = Arc::<Connections>::default();
        let (one, other) = (connections.open_one(), connections.open_one());
        drop(one);
        assert_eq!((connections.opened(), connections.open()), (2, 1));
        drop(other);
        assert_eq!((connections.opened(), connections.open()), (2, 0));
    }
}
