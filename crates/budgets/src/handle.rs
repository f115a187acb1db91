//! The requests' side: promises what may be spent, and settles.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use access::{
    ClientKey,
    budget::{Account, Lacking, Period, Reservation, Unpriced},
};
use arc_swap::ArcSwap;
use chrono::NaiveDate;
use stats::Bookings;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{BudgetMetrics, Settings};

/// How soon it is worth trying again when the database is away.
const COME_BACK: Duration = Duration::from_secs(1);
/// How long a request that finds too little waits for what is on its way to the books, where it counts twice for a moment.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Why a request may not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// What is left of the key's budget is less than it may cost.
    Exceeded {
        /// The period of which the least is left.
        period: Period,
        /// What may be spent in it, in nano-USD.
        cap: i64,
        /// What is left for this request.
        left: i64,
        /// What it may cost.
        cost: i64,
    },
    /// The database is away, and nothing is leased.
    Unavailable,
    /// What it costs is not known, and the key's budget does not allow that.
    Unpriced,
}

impl Refusal {
    /// When it is worth trying again, where that is soon.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Unavailable).then_some(COME_BACK)
    }
}

/// Money that is promised to one request. Dropped, all of it is free again.
#[derive(Debug)]
#[must_use = "what is promised is given back when this is dropped"]
pub struct Charge {
    reservation: Reservation,
    holder: Uuid,
}

impl Charge {
    /// The request has ended, and cost so many nano-USD. Gives whom its record has to name as the one it was charged to.
    pub fn settle(self, cost: i64) -> Uuid {
        self.reservation.settle(cost, now());
        self.holder
    }
}

/// What keys may spend in this process. A cheap clone.
#[derive(Debug, Clone)]
pub struct Budgets {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// This process, among the holders of leases.
    pub(crate) holder: Uuid,
    pub(crate) settings: Settings,
    pub(crate) accounts: ArcSwap<Accounts>,
    pub(crate) metrics: Arc<BudgetMetrics>,
    queue: mpsc::UnboundedSender<Arc<Entry>>,
}

/// Every key with a budget, and those that had one and still have a lease.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) by_id: HashMap<i64, Arc<Entry>, foldhash::fast::RandomState>,
    by_name: HashMap<Arc<str>, Arc<Entry>, foldhash::fast::RandomState>,
}

/// An account, and who waits for it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: Arc<Account>,
    /// Told when a turn is over.
    pub(crate) turned: Notify,
    /// Told when something has come into the books.
    booked: Notify,
    /// Whether a turn is asked for that has not begun.
    pub(crate) is_queued: AtomicBool,
}

pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Default for Budgets {
    /// Of nobody, and without a worker: where no key has a budget.
    fn default() -> Self {
        Self::new(Settings::default(), mpsc::unbounded_channel().0)
    }
}

impl Budgets {
    pub(crate) fn new(settings: Settings, queue: mpsc::UnboundedSender<Arc<Entry>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                holder: Uuid::now_v7(),
                settings,
                accounts: ArcSwap::default(),
                metrics: Arc::default(),
                queue,
            }),
        }
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<BudgetMetrics> {
        &self.shared.metrics
    }

    /// Whose budgets there are from now on. To be called by one at a time.
    pub fn configure<'a>(&self, keys: impl IntoIterator<Item = &'a Arc<ClientKey>>) {
        let old = self.shared.accounts.load();
        let mut new = Accounts::default();
        for key in keys {
            let (Some(id), Some(budget)) = (key.id, key.budget) else {
                continue;
            };
            let is_same = |entry: &&Arc<Entry>| entry.account.name == key.name;
            let entry = match old.by_id.get(&id).filter(is_same) {
                Some(entry) => {
                    if entry.account.set_budget(Some(budget)) {
                        self.wake(entry);
                    }
                    Arc::clone(entry)
                }
                None => {
                    let account = Account::new(id, key.name.clone(), budget, now());
                    let entry = Arc::new(Entry {
                        account: Arc::new(account),
                        turned: Notify::new(),
                        booked: Notify::new(),
                        is_queued: AtomicBool::new(false),
                    });
                    self.wake(&entry);
                    entry
                }
            };
            new.by_name.insert(key.name.clone(), Arc::clone(&entry));
            new.by_id.insert(id, entry);
        }
        for (id, entry) in &old.by_id {
            if new.by_id.contains_key(id) {
                continue;
            }
            if entry.account.set_budget(None) {
                self.wake(entry);
            }
            if !entry.account.is_closed() {
                let name = Arc::clone(&entry.account.name);
                new.by_name.entry(name).or_insert_with(|| Arc::clone(entry));
                new.by_id.insert(*id, Arc::clone(entry));
            }
        }
        self.shared.accounts.store(Arc::new(new));
    }

    /// Promises `key` what a request may cost, in nano-USD; `None` where nobody knows. Gives nothing to a key without a
    /// budget.
    ///
    /// # Errors
    /// The budget does not allow it, or cannot be looked at.
    pub async fn reserve(
        &self,
        key: &ClientKey,
        cost: Option<i64>,
    ) -> Result<Option<Charge>, Refusal> {
        let (Some(id), Some(budget)) = (key.id, &key.budget) else {
            return Ok(None);
        };
        if cost.is_none() && budget.unpriced == Unpriced::Refuse {
            return Err(self.refuse(Refusal::Unpriced));
        }
        let accounts = self.shared.accounts.load();
        // The snapshot of a request may be older than the accounts.
        let Some(entry) = accounts.by_id.get(&id) else {
            return Ok(None);
        };
        let amount = cost.unwrap_or(0);
        if let Some(reservation) = entry.account.reserve(amount, now()) {
            if entry.account.is_low() {
                self.wake(entry);
            }
            return Ok(Some(self.charge(reservation)));
        }
        let entry = Arc::clone(entry);
        drop(accounts);
        match Box::pin(self.wait(&entry, amount)).await {
            Ok(reservation) => Ok(Some(self.charge(reservation))),
            Err(Refusal::Unavailable) if self.shared.settings.on_credit => {
                self.shared.metrics.credits.fetch_add(1, Relaxed);
                let reservation = entry.account.reserve_on_credit(amount, now());
                Ok(Some(self.charge(reservation)))
            }
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    /// Waits for the worker to lease more.
    async fn wait(&self, entry: &Arc<Entry>, amount: i64) -> Result<Reservation, Refusal> {
        let begun = Instant::now();
        let deadline = begun + self.shared.settings.patience;
        loop {
            let (turned, booked) = (entry.turned.notified(), entry.booked.notified());
            if let Some(reservation) = entry.account.reserve(amount, now()) {
                return Ok(reservation);
            }
            match entry.account.lacks(amount, now()) {
                Lacking::Money { period, cap, left } => {
                    let refusal = Refusal::Exceeded {
                        period,
                        cap,
                        left,
                        cost: amount,
                    };
                    let until = deadline.min(begun + LOOK_AGAIN);
                    let is_settling = entry.account.is_settling(now());
                    let is_booked = entry.account.is_booked();
                    if !(is_settling || is_booked) || Instant::now() >= until {
                        return Err(refusal);
                    }
                    let mut more = booked;
                    if is_booked {
                        entry.account.want(amount);
                        self.wake(entry);
                        more = turned;
                    }
                    if timeout_at(until, more).await.is_err() {
                        return Err(refusal);
                    }
                }
                Lacking::Books => return Err(Refusal::Unavailable),
                Lacking::Unknown => {
                    self.wake(entry);
                    if timeout_at(deadline, turned).await.is_err() {
                        return Err(Refusal::Unavailable);
                    }
                }
            }
        }
    }

    fn charge(&self, reservation: Reservation) -> Charge {
        Charge {
            reservation,
            holder: self.shared.holder,
        }
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        self.shared.metrics.refuse(&refusal);
        refusal
    }

    /// Asks for a turn, once.
    fn wake(&self, entry: &Arc<Entry>) {
        if !entry.is_queued.swap(true, Relaxed) {
            // Without a worker nothing is leased, and who waits is refused.
            let _ = self.shared.queue.send(Arc::clone(entry));
        }
    }
}

/// When a refusal for lack of money is over, if ever: the budget begins anew.
impl Refusal {
    /// The end of the period of which too little is left.
    #[must_use]
    pub fn resets_at(&self, today: NaiveDate) -> Option<chrono::DateTime<chrono::Utc>> {
        match self {
            Self::Exceeded { period, .. } => period.ends_at(today),
            Self::Unavailable | Self::Unpriced => None,
        }
    }
}

impl Bookings for Budgets {
    fn booked(&self, holder: Uuid, key_name: &str, cost: i64) {
        if holder != self.shared.holder {
            return;
        }
        if let Some(entry) = self.shared.accounts.load().by_name.get(key_name) {
            entry.account.book(cost);
            entry.booked.notify_waiters();
        }
    }
}
