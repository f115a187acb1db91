//! The whole proxy under virtual time, against providers that fail as a seed says.
//!
//! Each schedule is one to three models, up to six providers whose behaviour changes, up to forty requests of all
//! protocols, clients who hang up, and configurations swapped in the middle. What must hold of all of them stands in
//! `invariants`. Everything runs on one thread with paused time, so that a seed tells the same story each time:
//!
//! ```text
//! SIM_SEED=4711 cargo test -p proxy --test it simulation         # one schedule again
//! SIM_SCHEDULES=100000 cargo test -p proxy --test it simulation  # more of them
//! ```

mod invariants;
mod network;
mod resumed;
mod schedule;
mod themes;
mod told;
mod world;

use std::num::NonZero;

use invariants::{Coverage, broken, essence};
use schedule::Schedule;
use world::play;

/// Schedules of an ordinary run of the tests.
const SCHEDULES: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

/// The same schedule with as few requests as still break something.
fn shrunk(mut schedule: Schedule) -> (Schedule, Vec<String>) {
    let mut index = 0;
    while index < schedule.asks.len() {
        let ask = schedule.asks.remove(index);
        if broken(&schedule, &play(&schedule)).is_empty() {
            schedule.asks.insert(index, ask);
            index += 1;
        }
    }
    let wrong = broken(&schedule, &play(&schedule));
    (schedule, wrong)
}

/// Plays one schedule; what is wrong with it is told at length.
fn check(seed: u64, coverage: &mut Coverage) -> Result<(), String> {
    let schedule = Schedule::new(seed);
    let run = play(&schedule);
    coverage.add(&run);
    let wrong = broken(&schedule, &run);
    if wrong.is_empty() {
        return Ok(());
    }
    let (least, still) = shrunk(schedule);
    Err(format!(
        "seed {seed} breaks {} rules; again: SIM_SEED={seed} cargo test -p proxy --test it simulation\n{}\n\
         with {} of its requests:\n{}\n{least:#?}",
        wrong.len(),
        wrong.join("\n"),
        least.asks.len(),
        still.join("\n"),
    ))
}

#[test]
fn whatever_providers_do_every_request_ends_once_and_is_recorded_as_it_ended() {
    let only = number("SIM_SEED");
    let count = number("SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let seeds = only.map_or(0..count, |seed| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    // Each run is alone on its thread; that others run beside it makes no difference to it.
    let play_share = &|thread: usize| {
        let mut coverage = Coverage::default();
        let mut share = seeds.clone().skip(thread).step_by(threads);
        let result = share.try_for_each(|seed| check(seed, &mut coverage));
        (coverage, result)
    };
    let shares: Vec<_> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || play_share(thread)))
            .collect();
        let joined = players.into_iter().map(|player| player.join().unwrap());
        joined.collect()
    });
    let mut coverage = Coverage::default();
    for (share, result) in shares {
        result.unwrap_or_else(|wrong| panic!("{wrong}"));
        coverage.merge(&share);
    }
    println!("{coverage:?}");
    if count >= 100 && only.is_none() {
        coverage.assert_wide();
    }
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..50 {
        let schedule = Schedule::new(seed);
        let once = essence(&schedule, &play(&schedule));
        assert_eq!(once, essence(&schedule, &play(&schedule)), "seed {seed}");
    }
}
