//! What holds for every route, state, request and run of the dice.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use proptest::prelude::{
    Just, Strategy as Generate, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::select;

use crate::testing::{State, cooling, ids, open, specs, table};
use crate::{
    BudgetLimits, CandidateId, Capabilities, Fixed, Hedge, Leg, Refusal, Request, RetryBudget,
    RouteTable, Seeded, Standing, Step, StopReason, Strategy, Verdict,
};

/// A candidate with its circumstances. Equal numbers of `provider_model` are the same model.
#[derive(Debug, Clone)]
struct Entry {
    priority: i32,
    weight: u32,
    enabled: bool,
    provider_enabled: bool,
    capabilities: Capabilities,
    provider_model: u8,
    health: Health,
    load: (u32, Option<u64>),
    cost: Option<u64>,
}

#[derive(Debug, Clone)]
enum Health {
    Ready(f32),
    Trial,
    Open(u64, u32),
    Cooling(u64),
}

impl Health {
    fn is_fit(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Trial)
    }
}

fn health() -> impl Generate<Value = Health> {
    prop_oneof![
        4 => (0.0..=1.0_f32).prop_map(Health::Ready),
        1 => Just(Health::Trial),
        1 => (0..100_u64, 0..9_u32).prop_map(|(seconds, errors)| Health::Open(seconds, errors)),
        1 => (0..100_u64).prop_map(Health::Cooling),
    ]
}

fn capabilities() -> impl Generate<Value = Capabilities> {
    (any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(tools, json, image)| Capabilities::new(tools, json, image))
}

fn entry() -> impl Generate<Value = Entry> {
    let configured = (
        0..3_i32,
        0..4_u32,
        prop_oneof![6 => Just(true), 1 => Just(false)],
        any::<u8>(),
    );
    let able = prop_oneof![3 => Just(Capabilities::ALL), 1 => capabilities()];
    let load = (0..5_u32, proptest::option::of(0..900_u64));
    (
        configured,
        able,
        health(),
        load,
        proptest::option::of(0..5_u64),
    )
        .prop_map(
            |((priority, weight, enabled, dice), capabilities, health, load, cost)| Entry {
                priority,
                weight,
                enabled,
                provider_enabled: dice > 25,
                capabilities,
                provider_model: dice % 4,
                health,
                load,
                cost,
            },
        )
}

fn entries() -> impl Generate<Value = Vec<Entry>> {
    proptest::collection::vec(entry(), 0..9)
}

fn strategy() -> impl Generate<Value = Strategy> {
    select(Strategy::ALL.to_vec())
}

/// The route and state of these entries; ids count from 1.
fn stage(entries: &[Entry], strategy: Strategy, now: Instant) -> (RouteTable, State) {
    let rows: Vec<_> = (1..)
        .zip(entries)
        .map(|(id, entry)| (id, entry.priority, entry.weight))
        .collect();
    let (model, mut providers, mut associations) = specs(strategy, &rows);
    let mut state = State::default();
    for (index, entry) in entries.iter().enumerate() {
        let id = index as i64 + 1;
        providers[index].enabled = entry.provider_enabled;
        associations[index].enabled = entry.enabled;
        associations[index].capabilities = entry.capabilities;
        associations[index].provider_model = format!("pm{}", entry.provider_model).into();
        let standing = match entry.health {
            Health::Ready(share) => Standing::Ready { share },
            Health::Trial => Standing::Trial,
            Health::Open(seconds, errors) => open(now, seconds, errors),
            Health::Cooling(seconds) => cooling(now, seconds),
        };
        state = state
            .with(id, standing)
            .load(id, entry.load.0, entry.load.1);
        if let Some(cost) = entry.cost {
            state = state.cost(id, cost);
        }
    }
    (
        RouteTable::build([model], providers, associations).unwrap(),
        state,
    )
}

/// Ids of the entries that can serve, and those of them that are fit to.
fn able_and_fit(entries: &[Entry], needed: Capabilities) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let is_able = |entry: &Entry| {
        entry.enabled && entry.provider_enabled && entry.capabilities.covers(needed)
    };
    let numbered = || (1..).zip(entries).filter(|(_, entry)| is_able(entry));
    let fit = numbered()
        .filter(|(_, entry)| entry.health.is_fit())
        .map(|(id, _)| id)
        .collect();
    (numbered().map(|(id, _)| id).collect(), fit)
}

fn verdict() -> impl Generate<Value = Verdict> {
    let pause = || proptest::option::of((0..6_000_u64).prop_map(Duration::from_millis));
    prop_oneof![
        6 => Just(Verdict::Failed),
        2 => Just(Verdict::Timeout),
        1 => Just(Verdict::ConnectTimeout),
        1 => Just(Verdict::NotFound),
        1 => Just(Verdict::Misconfigured),
        1 => Just(Verdict::ContextLengthExceeded),
        1 => Just(Verdict::Held),
        2 => pause().prop_map(|retry_after| Verdict::RateLimited { retry_after }),
        2 => pause().prop_map(|retry_after| Verdict::Overloaded { retry_after }),
    ]
}

proptest! {
    #[test]
    fn a_plan_names_exactly_the_fit_and_is_never_empty(
        entries in entries(), strategy in strategy(), needed in capabilities(), seed: u64,
    ) {
        let now = Instant::now();
        let (table, state) = stage(&entries, strategy, now);
        let request = Request { requirements: needed, session: Some(seed), ..Request::default() };
        let plan = table.route("m").unwrap().plan(&request, &state, now, &mut Seeded(seed));
        let (able, fit) = able_and_fit(&entries, needed);
        match plan {
            Ok(plan) => {
                let planned = ids(&plan);
                let distinct: BTreeSet<i64> = planned.iter().copied().collect();
                prop_assert_eq!(planned.len(), distinct.len(), "each appears once");
                prop_assert_eq!(&distinct, if fit.is_empty() { &able } else { &fit });
                prop_assert_eq!(plan.is_forced(), able.len() == 1 || fit.is_empty());
            }
            Err(Refusal::AllCooling { .. }) => {
                let all_cool = |id: &i64| matches!(entries[*id as usize - 1].health, Health::Cooling(_));
                prop_assert!(able.len() > 1 && able.iter().all(all_cool));
            }
            Err(_) => prop_assert!(able.is_empty()),
        }
    }

    #[test]
    fn an_order_goes_by_tier_and_puts_weight_zero_last(
        entries in entries(), strategy in strategy(), seed: u64,
    ) {
        let now = Instant::now();
        let (table, state) = stage(&entries, strategy, now);
        let route = table.route("m").unwrap();
        if let Ok(plan) = route.plan(&Request::default(), &state, now, &mut Seeded(seed)) {
            let rank = |id: i64| {
                let entry = &entries[id as usize - 1];
                (entry.weight == 0, -entry.priority)
            };
            let (_, fit) = able_and_fit(&entries, Capabilities::NONE);
            prop_assert!(fit.is_empty() || ids(&plan).is_sorted_by_key(|id| rank(*id)));
        }
    }

    #[test]
    fn equal_dice_give_equal_orders(entries in entries(), strategy in strategy(), seed: u64) {
        let now = Instant::now();
        // Two tables, since taking turns is the one thing a route remembers.
        let plan = || {
            let (table, state) = stage(&entries, strategy, now);
            let request = Request { session: Some(seed), ..Request::default() };
            table.route("m").unwrap().plan(&request, &state, now, &mut Seeded(seed)).map(|plan| ids(&plan))
        };
        prop_assert_eq!(plan(), plan());
    }

    #[test]
    fn an_explanation_agrees_with_the_plan(
        entries in entries(), strategy in strategy(), needed in capabilities(), seed: u64,
    ) {
        let now = Instant::now();
        let (table, state) = stage(&entries, strategy, now);
        let route = table.route("m").unwrap();
        let request = Request { requirements: needed, ..Request::default() };
        let explanation = route.explain(&request, &state, now);
        prop_assert_eq!(explanation.candidates.len(), entries.len());
        let included: BTreeSet<i64> = explanation.candidates.iter()
            .filter(|explained| matches!(explained.fate, crate::Fate::Included { .. }))
            .map(|explained| explained.candidate.id().0)
            .collect();
        match route.plan(&request, &state, now, &mut Seeded(seed)) {
            Ok(plan) => {
                prop_assert_eq!(explanation.refusal, None);
                prop_assert_eq!(explanation.is_forced, plan.is_forced());
                prop_assert_eq!(included, ids(&plan).into_iter().collect::<BTreeSet<i64>>());
            }
            Err(refusal) => {
                prop_assert_eq!(explanation.refusal, Some(refusal));
                prop_assert!(included.is_empty());
            }
        }
    }

    #[test]
    fn a_walk_keeps_its_rules(
        entries in entries(),
        strategy in strategy(),
        max_retry in 0..8_u32,
        verdicts in proptest::collection::vec(verdict(), 40),
        hedges in proptest::collection::vec(proptest::option::of((verdict(), any::<bool>())), 40),
        floor in select(vec![0, 1, 1_000_u32]),
        seed: u64,
    ) {
        let mut now = Instant::now();
        let (table, state) = stage(&entries, strategy, now);
        let limits = BudgetLimits { percent: 0, floor_per_second: floor };
        let budget = RetryBudget::with_limits(limits, now);
        let mut dice = Seeded(seed);
        let request = Request { max_retry: Some(max_retry), ..Request::default() };
        let Ok(plan) = table.route("m").unwrap().plan(&request, &state, now, &mut dice) else { return Ok(()) };
        let (planned, is_forced) = (ids(&plan), plan.is_forced());
        let model = |id: i64| entries[id as usize - 1].provider_model;
        let mut walk = plan.walk(&budget);
        let (mut attempts, mut finished, mut overflowed) = (0, Vec::<(i64, Verdict)>::new(), None);
        let (mut last, mut hedges_sent) = (None, 0);
        for (verdict, hedge) in verdicts.into_iter().zip(hedges) {
            let candidate = match walk.next(last, now, &mut dice) {
                Step::Stop(_) => break,
                Step::Try(candidate) => candidate,
                Step::Wait(pause, candidate) => {
                    prop_assert!(pause <= Duration::from_secs(5));
                    now += pause;
                    candidate
                }
            };
            let id = candidate.id().0;
            prop_assert!(planned.contains(&id));
            prop_assert!(Some(model(id)) != overflowed, "the same model again, though too small");
            for (_, earlier) in finished.iter().filter(|(other, _)| *other == id) {
                prop_assert!(earlier.is_transient() && !earlier.is_timeout(), "again after {:?}", earlier);
                let told = earlier.retry_after().unwrap_or_default();
                prop_assert!(told <= Duration::from_secs(3), "again in spite of {:?}", earlier);
            }
            let mut ended = vec![(id, verdict)];
            if let Some((verdict, is_first_to_fail)) = hedge
                && let Hedge::Try(hedge) = walk.hedge(now, |hedge| hedge.id().0 % 3 > 0)
            {
                let other = hedge.id().0;
                prop_assert!(planned.contains(&other) && other % 3 > 0 && !is_forced && floor > 0);
                prop_assert!(other != id && finished.iter().all(|(tried, _)| *tried != other), "tried before");
                prop_assert!(Some(model(other)) != overflowed, "the same model again, though too small");
                prop_assert!(walk.attempts() <= max_retry + 1);
                hedges_sent += u32::from(verdict.is_attempt());
                prop_assert!(hedges_sent <= 1);
                let at = if is_first_to_fail { ended.len() } else { 0 };
                ended.insert(at, (other, verdict));
                let leg = if is_first_to_fail { Leg::First } else { Leg::Hedge };
                let stopped = walk.leg_failed(leg, ended[0].1, now);
                if stopped.is_some() {
                    attempts += 1; // the other, which is cancelled
                    ended.truncate(1);
                }
            }
            for (id, verdict) in ended {
                attempts += u32::from(verdict.is_attempt());
                prop_assert!(attempts <= max_retry + 1);
                if verdict == Verdict::ContextLengthExceeded {
                    overflowed = Some(model(id));
                }
                finished.push((id, verdict));
                last = Some(verdict);
            }
        }
        prop_assert!(matches!(walk.next(last, now, &mut dice), Step::Stop(_)), "a walk comes to an end");
        prop_assert_eq!(walk.attempts(), attempts);
    }

    #[test]
    fn every_tier_is_reached_that_an_attempt_can_be_kept_for(
        priorities in proptest::collection::vec(0..4_i32, 1..9), max_retry in 0..10_u32, seed: u64,
    ) {
        let mut now = Instant::now();
        let rows: Vec<_> = (1..).zip(&priorities).map(|(id, priority)| (id, *priority, 1)).collect();
        let table = table(Strategy::Weighted, &rows);
        let budget = RetryBudget::with_limits(BudgetLimits { percent: 0, floor_per_second: 1_000 }, now);
        let mut dice = Seeded(seed);
        let request = Request { max_retry: Some(max_retry), ..Request::default() };
        let plan = table.route("m").unwrap().plan(&request, &State::default(), now, &mut dice).unwrap();
        let mut walk = plan.walk(&budget);
        let (mut reached, mut tried, mut last) = (BTreeSet::new(), HashMap::<CandidateId, u32>::new(), None);
        let reason = loop {
            match walk.next(last, now, &mut dice) {
                Step::Stop(reason) => break reason,
                Step::Try(candidate) => {
                    reached.insert(candidate.priority());
                    *tried.entry(candidate.id()).or_default() += 1;
                }
                Step::Wait(pause, candidate) => {
                    now += pause;
                    *tried.entry(candidate.id()).or_default() += 1;
                }
            }
            last = Some(Verdict::Failed);
        };
        let tiers = priorities.iter().collect::<BTreeSet<_>>().len();
        prop_assert_eq!(reached.len(), tiers.min(max_retry as usize + 1));
        prop_assert_eq!(tried.values().sum::<u32>(), max_retry + 1, "transient failures use up every attempt");
        let StopReason::Failed(failure) = reason else { panic!("{reason:?}") };
        prop_assert_eq!(failure.all_tried, tried.len() == priorities.len());
    }

    #[test]
    fn traffic_follows_the_weights(weights in proptest::collection::vec(1..20_u32, 2..6), seed: u64) {
        const PLANS: u32 = 2_000;
        let rows: Vec<_> = (1..).zip(&weights).map(|(id, weight)| (id, 1, *weight)).collect();
        let table = table(Strategy::Weighted, &rows);
        let (now, mut dice, state) = (Instant::now(), Seeded(seed), State::default());
        // How often each comes first, and how often second when the first candidate comes first.
        let (mut firsts, mut seconds) = (HashMap::<i64, u32>::new(), HashMap::<i64, u32>::new());
        for _ in 0..PLANS {
            let plan = table.route("m").unwrap().plan(&Request::default(), &state, now, &mut dice).unwrap();
            let order = ids(&plan);
            *firsts.entry(order[0]).or_default() += 1;
            if order[0] == 1 {
                *seconds.entry(order[1]).or_default() += 1;
            }
        }
        let within = |count: u32, of: u32, weight: u32, total: u32| {
            let (of, share) = (f64::from(of), f64::from(weight) / f64::from(total));
            // Six standard deviations, and some room for the long tails of small numbers.
            (f64::from(count) - of * share).abs() <= 6.0 * (of * share * (1.0 - share)).sqrt() + 10.0
        };
        let total: u32 = weights.iter().sum();
        let chosen = firsts.get(&1).copied().unwrap_or(0);
        for (id, weight) in (1..).zip(&weights) {
            let count = firsts.get(&id).copied().unwrap_or(0);
            prop_assert!(within(count, PLANS, *weight, total), "{} first {} times", id, count);
            if id > 1 {
                let count = seconds.get(&id).copied().unwrap_or(0);
                prop_assert!(within(count, chosen, *weight, total - weights[0]), "{} second {} times", id, count);
            }
        }
    }
}

#[test]
fn ties_of_the_dice_still_give_a_total_order() {
    let now = Instant::now();
    for strategy in Strategy::ALL {
        for number in [0, u64::MAX] {
            let table = table(strategy, &[(1, 1, 1), (2, 1, 1), (3, 1, 0), (4, 1, 1)]);
            let state = State::default();
            let plan = table
                .route("m")
                .unwrap()
                .plan(&Request::default(), &state, now, &mut Fixed(number))
                .unwrap();
            let mut order = ids(&plan);
            assert_eq!(order[3], 3);
            order.sort_unstable();
            assert_eq!(order, [1, 2, 3, 4]);
        }
    }
}
