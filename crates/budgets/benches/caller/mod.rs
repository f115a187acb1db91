//! What a request passes on the gateway's part before it is planned, and settles when it has ended: its key, the limits of
//! that, and its budget.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use access::{
    ClientKey, KeyHash, Keyring,
    budget::{Account, Budget, BudgetFields, Reservation, Standing, Turn},
    limit::{Admission, Limiter, Limits, Rule},
};
use budgets::{Budgets, Charge};
use chrono::{DateTime, NaiveDate};
use futures_util::FutureExt;

/// A key with limits on requests, tokens and concurrency, others for some models, and a budget for the day; among a
/// thousand of its kind.
pub(crate) struct Caller {
    keys: Keyring,
    limiter: Limiter,
    budgets: Budgets,
    /// Has leased money. That of the key, which no database stands behind, has not, and promises nothing but 0; taking and
    /// giving money is added by this one.
    account: Arc<Account>,
    now: Instant,
}

/// What a request holds until it has ended.
pub(crate) struct Held {
    admission: Admission,
    charge: Charge,
    reservation: Reservation,
}

/// Far more than is used here, so that every request is let pass.
const PLENTY: &str = r#"{"rpm": 1000000000000, "tpm": 1000000000000, "concurrent": 1000000000000,
    "models": {"gpt-*": {"rpm": 1000000000000, "tpm": 1000000000000}}}"#;

/// How far apart requests are: ten thousand a second.
const APART: Duration = Duration::from_micros(100);

/// A budget of a million USD a day.
pub(crate) fn budget() -> Budget {
    let fields = BudgetFields {
        day: Some("1000000".to_owned()),
        ..BudgetFields::default()
    };
    Budget::of(&fields).unwrap().unwrap()
}

/// The account of a key of that budget, with a part of it leased.
pub(crate) fn account(now: Instant) -> Arc<Account> {
    let account = Arc::new(Account::new(1, "key".into(), budget(), now));
    let mut turn = Turn::begin(&account, now);
    turn.decide(&Standing::default());
    turn.committed(now, now + Duration::from_secs(3600), NaiveDate::MIN);
    account
}

/// What the client of a key sends.
fn secret(id: i64) -> String {
    format!("sk-lo-{id:043}")
}

impl Caller {
    /// Nothing was asked for yet.
    pub(crate) fn new(now: Instant) -> Self {
        let limits = Limits::of(&serde_json::from_str(PLENTY).unwrap()).unwrap();
        let keys = Keyring::new((1..=1_000).map(|id| {
            let mut key = ClientKey::named(format!("key {id}"));
            (key.id, key.budget, key.limits) = (Some(id), Some(budget()), limits.clone());
            (KeyHash::of(&secret(id)), key)
        }));
        let budgets = Budgets::default();
        budgets.configure(keys.keys());
        Self {
            keys,
            limiter: Limiter::new(now),
            budgets,
            account: account(now),
            now,
        }
    }

    /// What the client sends.
    pub(crate) fn secret() -> String {
        secret(500)
    }

    /// A request comes, with this key.
    pub(crate) fn enter(&mut self, secret: &str) -> Held {
        self.now += APART;
        let key = self.keys.authenticate(Some(secret), DateTime::UNIX_EPOCH);
        let key = key.unwrap();
        let limits = key.limits.as_ref().unwrap();
        let rules: Vec<Rule> = limits.rules(&key.name, black_box("gpt-5")).collect();
        let charge = self.budgets.reserve(key, Some(0)).now_or_never();
        Held {
            admission: self
                .limiter
                .admit(&rules, black_box(1_500), self.now)
                .unwrap(),
            charge: charge.unwrap().unwrap().unwrap(),
            reservation: self.account.reserve(black_box(1_000), self.now).unwrap(),
        }
    }

    /// It ends.
    pub(crate) fn leave(&self, held: Held) {
        held.admission.settle(black_box(900), self.now);
        black_box(held.charge.settle(0));
        // Nothing was spent in the end, so that the lease lasts however often this is done.
        held.reservation.settle(black_box(0), self.now);
    }
}
