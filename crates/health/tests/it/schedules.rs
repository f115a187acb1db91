//! Hours of requests over providers that come and go, from a seed; what must hold stands in `world`, where it is met.
//!
//! `SIM_SEED=4711 cargo test -p health --test it` plays one schedule again, `SIM_SCHEDULES=100000` more of them.

use std::{
    collections::BTreeMap,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use health::{Moment, Outcome};
use router::{RetryBudget, RouteTable, Standing, Verdict};

use crate::world::{Running, World};

/// Schedules of an ordinary run of the tests.
const SCHEDULES: u64 = 10_000;
/// After closing, until it has its full share.
const RAMP: Duration = Duration::from_secs(30);

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

/// Requests under way, by when something becomes of them.
type Agenda<'r> = BTreeMap<(Instant, u64), (Running<'r>, Option<Verdict>)>;

/// What was met, so that a schedule which meets nothing is noticed.
#[derive(Debug, Default)]
struct Met {
    requests: u64,
    attempts: u64,
    held: u64,
    trials: u64,
}

fn play(seed: u64, met: &mut Met) {
    let mut world = World::new(seed);
    // Requests borrow both for as long as they run.
    let table = std::mem::replace(&mut world.table, RouteTable::build([], [], []).unwrap());
    let budget = std::mem::replace(&mut world.budget, RetryBudget::new(world.start));
    let route = table.route("m").unwrap();
    let mut agenda = Agenda::new();
    let mut number = 0;
    for _ in 0..world.dice.usize(20..80) {
        let pause = match world.dice.u8(..10) {
            0 => Duration::from_secs(world.dice.u64(..3_600)),
            1..4 => Duration::from_secs(world.dice.u64(..20)),
            4..7 => Duration::from_millis(world.dice.u64(..1_000)),
            _ => Duration::ZERO,
        };
        let until = world.now + pause;
        settle(&mut world, &mut agenda, &mut number, until);
        match world.dice.u8(..20) {
            0 => world.renew(),
            1 => world.configure(),
            2..5 => world.change_mood(),
            _ => {}
        }
        for _ in 0..[1, 1, 1, 30][world.dice.usize(..4)] {
            if let Some(running) = world.arrive(route, &budget) {
                plan_next(&mut world, &mut agenda, &mut number, running);
            }
        }
    }
    let end = world.now + Duration::from_secs(24 * 3_600);
    settle(&mut world, &mut agenda, &mut number, end);
    assert!(agenda.is_empty(), "{} requests never end", agenda.len());
    for provider in world.health.report(Moment::now()) {
        let of_associations = provider.associations.iter().map(|it| it.in_flight);
        assert_eq!(provider.in_flight + of_associations.sum::<u32>(), 0);
    }
    for candidate in route.candidates() {
        recovers(&mut world, candidate);
    }
    met.requests += world.requests;
    met.attempts += world.attempts;
    met.held += world.held;
    met.trials += world.trials;
}

/// Lets everything happen that is due until then.
fn settle<'r>(world: &mut World, agenda: &mut Agenda<'r>, number: &mut u64, until: Instant) {
    while let Some(entry) = agenda.first_entry() {
        let at = entry.key().0;
        if at > until {
            break;
        }
        let (mut running, verdict) = entry.remove();
        world.pass(at - world.now);
        let goes_on = match verdict {
            Some(verdict) => world.end(&mut running, verdict),
            None => world.send(&mut running),
        };
        if goes_on {
            plan_next(world, agenda, number, running);
        }
    }
    world.pass(until - world.now);
}

/// Puts down when the attempt of `running` ends, or its wait does.
fn plan_next<'r>(
    world: &mut World,
    agenda: &mut Agenda<'r>,
    number: &mut u64,
    running: Running<'r>,
) {
    *number += 1;
    let (verdict, lasts) = match running.wait() {
        Some(wait) => (None, wait),
        None => {
            let (verdict, lasts) = world.fate(&running);
            (Some(verdict), lasts)
        }
    };
    agenda.insert((world.now + lasts, *number), (running, verdict));
}

/// Whoever answers again is trusted again.
fn recovers(world: &mut World, candidate: &router::Candidate) {
    world.pass(world.settings.max_pause + Duration::from_secs(121));
    for _ in 0..4 {
        match world.standing(candidate) {
            Standing::Ready { .. } => break,
            Standing::Trial => {
                let (id, provider) = (candidate.id(), candidate.provider());
                let attempt = world.health.begin(id, provider, world.now).unwrap();
                attempt.finish(Outcome::new(Verdict::Answered), world.now);
            }
            other => panic!("a trial is stuck: {other:?}"),
        }
    }
    world.pass(RAMP);
    let standing = world.standing(candidate);
    assert_eq!(standing, Standing::Ready { share: 1.0 });
}

#[test]
fn whatever_providers_do_breakers_trials_and_budget_keep_their_rules() {
    let only = number("SIM_SEED");
    let count = number("SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let seeds = only.map_or(0..count, |seed| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let play_share = &|thread: usize| {
        let mut met = Met::default();
        for seed in seeds.clone().skip(thread).step_by(threads) {
            let played = catch_unwind(AssertUnwindSafe(|| play(seed, &mut met)));
            assert!(
                played.is_ok(),
                "seed {seed} breaks the rule above; again: SIM_SEED={seed} cargo test -p health --test it"
            );
        }
        met
    };
    let shares: Vec<_> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || play_share(thread)))
            .collect();
        let joined = players.into_iter().map(|player| player.join().unwrap());
        joined.collect()
    });
    println!("{shares:?}");
    if only.is_none() {
        let met = |of: fn(&Met) -> u64| shares.iter().map(of).sum::<u64>();
        assert!(met(|it| it.attempts) > met(|it| it.requests) && met(|it| it.held) > 0);
        assert!(met(|it| it.trials) > count, "too few trials: {shares:?}");
    }
}
