//! Replicas that share one budget, in any order of what can happen to them: whatever it is, they never spend more.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;

use super::*;

const REPLICAS: usize = 3;
const TTL: Duration = Duration::from_secs(60);
const CAPS: ByPeriod<Option<i64>> = ByPeriod {
    day: Some(1_000),
    month: Some(2_500),
    total: Some(4_000),
};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A request that is thought to cost `estimate` and will cost `cost` comes to a replica.
    Ask { at: usize, estimate: i64, cost: i64 },
    /// The oldest request of a replica ends.
    End { at: usize },
    /// The oldest row of a replica comes into the books.
    Book { at: usize },
    /// A replica has a turn. While it reads the books, a row of another may come into them.
    Turn {
        at: usize,
        meanwhile: Option<usize>,
        fate: Fate,
    },
    /// A replica is killed, and another takes its place. Its rows come into the books at once, or when its lease is over.
    Kill { at: usize },
    /// Time passes.
    Pass { seconds: u64 },
}

/// What becomes of what a turn writes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Written,
    /// It is written, and nobody is told.
    AnswerLost,
    NotWritten,
}

struct Replica {
    account: Arc<Account>,
    holder: u32,
    running: Vec<(Reservation, i64, NaiveDate)>,
    /// Rows that are not in the books.
    rows: Vec<(i64, NaiveDate)>,
}

/// The database, the replicas and the time.
struct World {
    /// What the calendar says at `began`.
    first: DateTime<Utc>,
    began: Instant,
    now: Instant,
    replicas: Vec<Replica>,
    holders: u32,
    spent: BTreeMap<NaiveDate, i64>,
    leases: BTreeMap<u32, (i64, Instant)>,
    /// What requests cost beyond what was thought.
    excess: i64,
}

impl World {
    /// Begins at a time of the last day of a November.
    fn at(time: &str) -> Self {
        let now = Instant::now();
        let mut world = Self {
            first: format!("2026-11-30T{time}Z").parse().unwrap(),
            began: now,
            now,
            replicas: Vec::new(),
            holders: 0,
            spent: BTreeMap::new(),
            leases: BTreeMap::new(),
            excess: 0,
        };
        world.replicas = (0..REPLICAS).map(|_| world.start()).collect();
        world
    }

    fn start(&mut self) -> Replica {
        self.holders += 1;
        let budget = Budget {
            caps: CAPS,
            warn_at: 800,
            unpriced: Unpriced::Allow,
        };
        Replica {
            account: Arc::new(Account::new(1, "k".into(), budget, self.now)),
            holder: self.holders,
            running: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn today(&self) -> NaiveDate {
        (self.first + self.now.duration_since(self.began)).date_naive()
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Ask { at, estimate, cost } => {
                let today = self.today();
                let replica = &mut self.replicas[at];
                match replica.account.reserve(estimate, self.now) {
                    Some(reservation) => replica.running.push((reservation, cost, today)),
                    None => drop(replica.account.lacks(estimate, self.now)),
                }
            }
            Event::End { at } => {
                let replica = &mut self.replicas[at];
                if !replica.running.is_empty() {
                    let (reservation, cost, day) = replica.running.remove(0);
                    reservation.settle(cost, self.now);
                    replica.rows.push((cost, day));
                }
            }
            Event::Book { at } => self.book(at),
            Event::Turn {
                at,
                meanwhile,
                fate,
            } => self.turn(at, meanwhile, fate),
            Event::Kill { at } => {
                let new = self.start();
                let old = std::mem::replace(&mut self.replicas[at], new);
                for (cost, day) in old.rows {
                    *self.spent.entry(day).or_default() += cost;
                }
                // What it ran it does not end, nor does it give back what was promised.
                std::mem::forget(old.running);
            }
            Event::Pass { seconds } => {
                self.now += Duration::from_secs(seconds);
                // Nobody who lives lets a lease run out: that is another test's.
                for at in 0..REPLICAS {
                    self.turn(at, None, Fate::Written);
                }
                let now = self.now;
                self.leases.retain(|_, (_, until)| *until > now);
            }
        }
    }

    fn book(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        if !replica.rows.is_empty() {
            let (cost, day) = replica.rows.remove(0);
            *self.spent.entry(day).or_default() += cost;
            replica.account.book(cost);
        }
    }

    fn turn(&mut self, at: usize, meanwhile: Option<usize>, fate: Fate) {
        let account = Arc::clone(&self.replicas[at].account);
        let holder = self.replicas[at].holder;
        let mut turn = Turn::begin(&account, self.now);
        let live = |(_, until): &&(i64, Instant)| *until > self.now;
        let of_others = self.leases.iter().filter(|(id, _)| **id != holder);
        let others = of_others
            .map(|(_, lease)| lease)
            .filter(live)
            .map(|lease| lease.0)
            .sum();
        if let Some(other) = meanwhile {
            self.book(other);
        }
        let amount = turn.decide(&Standing {
            others,
            spent: self.in_books(),
        });
        if !matches!(fate, Fate::NotWritten) {
            self.leases.insert(holder, (amount, self.now + TTL));
        }
        if matches!(fate, Fate::Written) {
            turn.committed(self.now, spendable_until(self.now, TTL), self.today());
        }
    }

    fn in_books(&self) -> ByPeriod<i64> {
        let mut spent = ByPeriod::default();
        for period in Period::ALL {
            let first = period.first_day(self.today()).unwrap_or(NaiveDate::MIN);
            *spent.of_mut(period) = self.spent.range(first..).map(|(_, cost)| cost).sum();
        }
        spent
    }

    /// All that was spent, in the books or not.
    fn spent(&self) -> ByPeriod<i64> {
        let mut spent = self.in_books();
        for (cost, day) in self.replicas.iter().flat_map(|replica| &replica.rows) {
            for period in Period::ALL {
                if *day >= period.first_day(self.today()).unwrap_or(NaiveDate::MIN) {
                    *spent.of_mut(period) += cost;
                }
            }
        }
        spent
    }

    #[track_caller]
    fn check(&self) -> Result<(), TestCaseError> {
        let spent = self.spent();
        for period in Period::ALL {
            let cap = CAPS.of(period).unwrap_or(i64::MAX);
            prop_assert!(
                spent.of(period) <= cap + self.excess,
                "{period:?}: {} of {cap}",
                spent.of(period)
            );
        }
        Ok(())
    }
}

fn event(costs_more: bool) -> impl Strategy<Value = Event> {
    let at = 0..REPLICAS;
    let fate = prop_oneof![
        6 => Just(Fate::Written),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::NotWritten)
    ];
    let most = if costs_more { 2 } else { 1 };
    prop_oneof![
        8 => (at.clone(), 1..200_i64, 0..=100_i64).prop_map(move |(at, estimate, share)| {
            Event::Ask { at, estimate, cost: estimate * share * most / 100 }
        }),
        6 => at.clone().prop_map(|at| Event::End { at }),
        5 => at.clone().prop_map(|at| Event::Book { at }),
        8 => (at.clone(), proptest::option::of(at.clone()), fate)
            .prop_map(|(at, meanwhile, fate)| Event::Turn { at, meanwhile, fate }),
        1 => at.prop_map(|at| Event::Kill { at }),
        2 => (1..30_u64).prop_map(|seconds| Event::Pass { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn replicas_never_spend_more_than_the_budget(
        events in proptest::collection::vec(event(false), 1..150),
    ) {
        let mut world = World::at("23:50:00");
        for event in &events {
            world.happens(event);
            world.check()?;
        }
    }

    #[test]
    fn the_overspend_is_what_running_requests_cost_beyond_what_was_thought(
        events in proptest::collection::vec(event(true), 1..150),
    ) {
        let mut world = World::at("23:50:00");
        for event in &events {
            if let Event::Ask { estimate, cost, .. } = event {
                world.excess += (cost - estimate).max(0);
            }
            world.happens(event);
            world.check()?;
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn replicas_together_use_a_budget_up_to_less_than_one_request(
        events in proptest::collection::vec(event(false), 1..60),
        estimate in 5..100_i64,
        asked in proptest::collection::vec(0..REPLICAS, 300),
    ) {
        let mut world = World::at("08:00:00");
        for event in &events {
            world.happens(event);
        }
        // The leases of those who were killed are over then, and nobody is killed any more.
        for _ in 0..4 {
            world.happens(&Event::Pass { seconds: 20 });
        }
        let turn = |at| Event::Turn { at, meanwhile: None, fate: Fate::Written };
        for at in asked {
            let ask = Event::Ask { at, estimate, cost: estimate };
            world.happens(&ask);
            if world.replicas[at].running.is_empty() {
                // Each asks the books when it is asked, or finds that it has been idle.
                world.now += Duration::from_millis(600);
                for other in (0..REPLICAS).chain([at]) {
                    world.happens(&turn(other));
                }
                world.happens(&ask);
            }
            for at in 0..REPLICAS {
                while !world.replicas[at].running.is_empty() {
                    world.happens(&Event::End { at });
                }
                while !world.replicas[at].rows.is_empty() {
                    world.happens(&Event::Book { at });
                }
            }
        }
        // Each in its turn may have what the others give back.
        for at in 0..REPLICAS {
            world.happens(&Event::Pass { seconds: 6 });
            let ask = Event::Ask { at, estimate, cost: estimate };
            world.happens(&ask);
            world.happens(&turn(at));
            world.happens(&ask);
        }
        let spent = world.spent();
        let left = |period: Period| CAPS.of(period).unwrap_or(0) - spent.of(period);
        let running: i64 = world.replicas.iter().map(|it| it.running.len() as i64 * estimate).sum();
        let left = Period::ALL.map(left).into_iter().min().unwrap_or(0) - running;
        prop_assert!((0..estimate).contains(&left), "{left} left of {estimate}");
    }
}

#[test]
fn a_lease_that_ran_out_is_spent_by_nobody_but_its_next_holder() {
    let mut world = World::at("23:50:00");
    let turn = |at| Event::Turn {
        at,
        meanwhile: None,
        fate: Fate::Written,
    };
    let ask = |at, estimate| Event::Ask {
        at,
        estimate,
        cost: estimate,
    };
    world.happens(&ask(0, 900));
    world.happens(&turn(0));
    world.happens(&ask(1, 900));
    world.happens(&turn(1));
    world.happens(&ask(1, 900));
    assert!(world.replicas[1].running.is_empty());
    // The first loses sight of the database; its lease runs out here a little before it does there.
    world.now += TTL - TTL / 10;
    world.happens(&ask(0, 900));
    assert!(world.replicas[0].running.is_empty());
    world.happens(&turn(1));
    assert!(world.replicas[1].account.reserve(900, world.now).is_none());
    world.now += TTL / 10;
    world.happens(&ask(1, 900));
    world.happens(&turn(1));
    world.happens(&ask(1, 900));
    assert_eq!(world.replicas[1].running.len(), 1);
    world.happens(&turn(0));
    world.happens(&ask(0, 900));
    assert!(world.replicas[0].running.is_empty());
}
