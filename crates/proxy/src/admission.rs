//! How much runs at once: requests in this process, and attempts at a provider that has a limit.
//!
//! What finds a gate full waits for a moment in a short queue, and is then refused while the refusal is still cheap: a
//! request that queued for seconds would be answered when its client has given up. Refusals are quick, say when to come
//! back, and speak against no provider.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use router::ProviderId;
use tokio::{sync::Notify, time::timeout};

/// Longest time in a queue: with it a refusal comes within 20 ms.
const PATIENCE: Duration = Duration::from_millis(10);
/// When a request that was refused may come again.
pub(crate) const COME_BACK: Duration = Duration::from_secs(1);

/// Lets so many in at a time. The limit is told at each entry, so that it can change while it is full.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    inside: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// A place inside; dropped, it is free.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Relaxed);
        self.0.freed.notify_one();
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Takes one of `limit`.
fn take(count: &AtomicUsize, limit: usize) -> bool {
    let more = |taken| (taken < limit).then_some(taken + 1);
    count.fetch_update(Relaxed, Relaxed, more).is_ok()
}

/// Places in the queue of a gate of `limit`.
fn places(limit: usize) -> usize {
    limit.div_ceil(4).min(256)
}

impl Gate {
    /// Who waits in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// A place, if one of `limit` is free now.
    pub(crate) fn try_enter(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        take(&self.inside, limit).then(|| Permit(self.clone()))
    }

    /// A place, if one of `limit` becomes free within the patience of the queue, and that is not full either.
    pub(crate) async fn enter(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        if let Some(permit) = self.try_enter(limit) {
            return Some(permit);
        }
        let place = take(&self.waiting, places(limit)).then(|| Place(&self.waiting))?;
        let entered = timeout(PATIENCE, async {
            loop {
                let freed = self.freed.notified();
                if let Some(permit) = self.try_enter(limit) {
                    return permit;
                }
                freed.await;
            }
        })
        .await;
        drop(place);
        entered.ok()
    }
}

/// A provider that is full, and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) provider: ProviderId,
    pub(crate) limit: usize,
}

/// The gates of providers that have a limit. They outlive configurations: what runs at a provider goes on when its row
/// changes.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<ProviderId, Arc<Gate>>>);

impl Slots {
    fn gate(&self, provider: ProviderId) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&provider) {
            return gate.clone();
        }
        // An empty gate knows nothing that a new one would not: so those of deleted providers do not pile up.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        gates.entry(provider).or_default().clone()
    }

    /// A place for one attempt.
    pub(crate) fn try_enter(&self, provider: ProviderId, limit: usize) -> Result<Permit, Full> {
        let permit = self.gate(provider).try_enter(limit);
        permit.ok_or(Full { provider, limit })
    }

    /// Waits in the provider's queue; whether it has a place now.
    pub(crate) async fn wait(&self, full: Full) -> bool {
        let gate = self.gate(full.provider);
        gate.enter(full.limit).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beyond_the_limit_one_waits_for_a_moment_and_is_refused() {
        let gate = Arc::new(Gate::default());
        let held: Vec<_> = (0..4).map(|_| gate.try_enter(4).unwrap()).collect();
        assert!(gate.try_enter(4).is_none());
        let before = tokio::time::Instant::now();
        assert!(gate.enter(4).await.is_none());
        assert_eq!(before.elapsed(), PATIENCE);
        drop(held);
        assert!(gate.enter(4).now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_goes_to_who_waits() {
        let gate = Arc::new(Gate::default());
        let held = gate.try_enter(1).unwrap();
        let freeing = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(held);
        };
        let (entered, ()) = tokio::join!(gate.enter(1), freeing);
        assert!(entered.is_some() && gate.try_enter(1).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_and_who_finds_it_full_is_refused_at_once() {
        let gate = Arc::new(Gate::default());
        let _held: Vec<_> = (0..8).map(|_| gate.try_enter(8).unwrap()).collect();
        let waiting = join_all((0..2).map(|_| gate.enter(8)));
        let late = async {
            tokio::task::yield_now().await;
            let before = tokio::time::Instant::now();
            assert!(gate.enter(8).await.is_none());
            assert_eq!(before.elapsed(), Duration::ZERO);
        };
        let (waited, ()) = tokio::join!(waiting, late);
        assert!(waited.iter().all(Option::is_none));
        assert_eq!(gate.waiting.load(Relaxed), 0);
    }

    #[test]
    fn a_changed_limit_counts_what_is_inside_already() {
        let gate = Arc::new(Gate::default());
        let held: Vec<_> = (0..4).map(|_| gate.try_enter(4).unwrap()).collect();
        assert!(gate.try_enter(2).is_none());
        assert!(gate.try_enter(5).is_some());
        drop(held);
        assert!(gate.try_enter(1).is_some());
    }

    #[test]
    fn gates_that_nobody_uses_are_forgotten() {
        let slots = Slots::default();
        let one = ProviderId(1);
        let held = slots.try_enter(one, 1).unwrap();
        for id in 2..100 {
            slots.try_enter(ProviderId(id), 1).unwrap();
        }
        assert!(slots.0.lock().unwrap().len() <= 2);
        let full = Full {
            provider: one,
            limit: 1,
        };
        assert_eq!(slots.try_enter(one, 1).unwrap_err(), full);
        drop(held);
        assert!(slots.try_enter(one, 1).is_ok());
    }
}
