//! The rules of attempts, each as a script of verdicts and the candidates that must follow.

use std::time::{Duration, Instant};

use crate::testing::{State, cooling, open, specs, table};
use crate::*;

const FAILED: Verdict = Verdict::Failed;
const TOO_LONG: Verdict = Verdict::ContextLengthExceeded;

fn limited(seconds: u64) -> Verdict {
    Verdict::RateLimited {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn overloaded() -> Verdict {
    Verdict::Overloaded { retry_after: None }
}

/// Candidates tried, and why the walk ended.
fn run(
    route: &Route,
    request: &Request<'_>,
    state: &State,
    verdict: impl Fn(i64, u32) -> Verdict,
) -> (Vec<i64>, StopReason) {
    let start = Instant::now();
    let budget = RetryBudget::with_limits(
        BudgetLimits {
            percent: 0,
            floor_per_second: 1_000,
        },
        start,
    );
    run_on(&budget, start, route, request, state, verdict)
}

fn run_on(
    budget: &RetryBudget,
    start: Instant,
    route: &Route,
    request: &Request<'_>,
    state: &State,
    verdict: impl Fn(i64, u32) -> Verdict,
) -> (Vec<i64>, StopReason) {
    let mut now = start;
    let mut dice = Seeded(1);
    let mut walk = route
        .plan(request, state, now, &mut dice)
        .unwrap()
        .walk(budget);
    let mut tried: Vec<i64> = Vec::new();
    let mut last = None;
    loop {
        let candidate = match walk.next(last, now, &mut dice) {
            Step::Try(candidate) => candidate,
            Step::Wait(pause, candidate) => {
                now += pause;
                candidate
            }
            Step::Stop(reason) => return (tried, reason),
        };
        let id = candidate.id().0;
        let before = tried.iter().filter(|other| **other == id).count() as u32;
        tried.push(id);
        last = Some(verdict(id, before));
    }
}

/// A script: candidate ids, then what each attempt at it meets (the last goes on for ever).
type Script<'a> = &'a [(i64, &'a [Verdict])];

fn play(script: Script<'_>) -> impl Fn(i64, u32) -> Verdict + '_ {
    move |id, before| {
        let (_, verdicts) = script
            .iter()
            .find(|(other, _)| *other == id)
            .expect("the script names every candidate");
        verdicts[(before as usize).min(verdicts.len() - 1)]
    }
}

/// Rows are (id, priority); equal priorities are tried in turn, which is by id.
#[track_caller]
fn check(
    rows: &[(i64, i32)],
    max_retry: u32,
    script: Script<'_>,
    expected: &[i64],
    reason: StopReason,
) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, priority)| (*id, *priority, 1))
        .collect();
    let table = table(Strategy::RoundRobin, &rows);
    let request = Request {
        max_retry: Some(max_retry),
        ..Request::default()
    };
    let (tried, stopped) = run(
        table.route("m").unwrap(),
        &request,
        &State::default(),
        play(script),
    );
    assert_eq!((tried.as_slice(), stopped), (expected, reason));
}

fn failed(class: FailureClass, all_tried: bool) -> StopReason {
    StopReason::Failed(Failure {
        class,
        retry_after: None,
        all_tried,
    })
}

#[test]
fn every_verdict_leads_where_the_table_says() {
    let one_and_two = [(1, 1), (2, 1)];
    for (verdict, goes_on) in [
        (Verdict::Answered, false),
        (Verdict::ClientFault, false),
        (Verdict::ClientGone, false),
        (TOO_LONG, true),
        (FAILED, true),
        (Verdict::ConnectTimeout, true),
        (Verdict::Timeout, true),
        (Verdict::NotFound, true),
        (Verdict::Misconfigured, true),
        (limited(60), true),
        (overloaded(), true),
        (Verdict::Held, true),
    ] {
        assert_eq!(verdict.tries_next(), goes_on, "{verdict:?}");
        let reason = match verdict {
            Verdict::ClientFault => StopReason::ClientFault,
            Verdict::ClientGone => StopReason::ClientGone,
            _ => StopReason::Answered,
        };
        let expected: &[i64] = if goes_on { &[1, 2] } else { &[1] };
        check(
            &one_and_two,
            3,
            &[(1, &[verdict]), (2, &[Verdict::Answered])],
            expected,
            reason,
        );
    }
}

#[test]
fn the_first_attempt_is_followed_by_max_retry_more() {
    for max_retry in 0..6 {
        let expected: Vec<i64> = [1, 2]
            .into_iter()
            .cycle()
            .take(max_retry as usize + 1)
            .collect();
        let reason = failed(FailureClass::Other, max_retry > 0);
        check(
            &[(1, 1), (2, 1)],
            max_retry,
            &[(1, &[FAILED]), (2, &[FAILED])],
            &expected,
            reason,
        );
    }
}

#[test]
fn a_tier_of_transient_failures_is_walked_once_more_before_the_next() {
    let tiers = [(1, 9), (2, 9), (3, 1)];
    let script: Script<'_> = &[
        (1, &[FAILED]),
        (2, &[overloaded()]),
        (3, &[Verdict::Answered]),
    ];
    check(&tiers, 9, script, &[1, 2, 1, 2, 3], StopReason::Answered);
    let recovers: Script<'_> = &[(1, &[FAILED, Verdict::Answered]), (2, &[FAILED])];
    check(&tiers, 9, recovers, &[1, 2, 1], StopReason::Answered);
}

#[test]
fn a_lasting_failure_in_a_tier_spares_the_second_pass() {
    for lasting in [Verdict::NotFound, Verdict::Misconfigured] {
        let script: Script<'_> = &[(1, &[FAILED]), (2, &[lasting]), (3, &[Verdict::Answered])];
        check(
            &[(1, 9), (2, 9), (3, 1)],
            9,
            script,
            &[1, 2, 3],
            StopReason::Answered,
        );
    }
}

#[test]
fn the_lowest_tier_is_repeated_while_attempts_are_left() {
    let script: Script<'_> = &[(1, &[FAILED]), (2, &[FAILED])];
    check(
        &[(1, 9), (2, 1)],
        5,
        script,
        &[1, 1, 2, 2, 2, 2],
        failed(FailureClass::Other, true),
    );
}

#[test]
fn further_tries_leave_an_attempt_for_every_lower_tier() {
    let tiers = [(1, 9), (2, 9), (3, 5), (4, 1)];
    let all_fail: Script<'_> = &[
        (1, &[FAILED]),
        (2, &[FAILED]),
        (3, &[FAILED]),
        (4, &[FAILED]),
    ];
    let missed = failed(FailureClass::Other, false);
    let all = failed(FailureClass::Other, true);
    check(&tiers, 0, all_fail, &[1], missed);
    check(&tiers, 1, all_fail, &[1, 3], missed);
    check(&tiers, 2, all_fail, &[1, 3, 4], missed);
    check(&tiers, 3, all_fail, &[1, 2, 3, 4], all);
    check(&tiers, 4, all_fail, &[1, 2, 1, 3, 4], all);
    check(&tiers, 5, all_fail, &[1, 2, 1, 2, 3, 4], all);
    check(&tiers, 6, all_fail, &[1, 2, 1, 2, 3, 3, 4], all);
    check(&tiers, 8, all_fail, &[1, 2, 1, 2, 3, 3, 4, 4, 4], all);
}

#[test]
fn the_silent_are_not_tried_twice() {
    for silent in [Verdict::Timeout, Verdict::ConnectTimeout] {
        let script: Script<'_> = &[(1, &[silent]), (2, &[FAILED])];
        check(
            &[(1, 1), (2, 1)],
            4,
            script,
            &[1, 2, 2, 2, 2],
            failed(FailureClass::Other, true),
        );
        check(
            &[(1, 1)],
            4,
            &[(1, &[silent])],
            &[1],
            failed(FailureClass::TimedOut, true),
        );
    }
}

#[test]
fn a_prompt_too_long_moves_to_another_provider_model_once() {
    let script: Script<'_> = &[(1, &[TOO_LONG]), (2, &[Verdict::Answered])];
    check(&[(1, 1), (2, 1)], 3, script, &[1, 2], StopReason::Answered);
    let twice: Script<'_> = &[
        (1, &[TOO_LONG]),
        (2, &[TOO_LONG]),
        (3, &[Verdict::Answered]),
    ];
    check(
        &[(1, 1), (2, 1), (3, 1)],
        3,
        twice,
        &[1, 2],
        StopReason::ContextLengthExceeded,
    );
    check(
        &[(1, 1)],
        3,
        &[(1, &[TOO_LONG])],
        &[1],
        StopReason::ContextLengthExceeded,
    );
    // The next one is treated as ever, but the model that was too small is out.
    let then_fails: Script<'_> = &[(1, &[TOO_LONG]), (2, &[FAILED])];
    check(
        &[(1, 1), (2, 1)],
        2,
        then_fails,
        &[1, 2, 2],
        failed(FailureClass::Other, true),
    );
}

#[test]
fn a_prompt_too_long_skips_the_same_provider_model_elsewhere() {
    let (model, providers, mut associations) = specs(
        Strategy::RoundRobin,
        &[(1, 9, 1), (2, 9, 1), (3, 5, 1), (4, 1, 1)],
    );
    for index in [1, 2] {
        associations[index].provider_model = associations[0].provider_model.clone();
    }
    let table = RouteTable::build([model], providers, associations).unwrap();
    let script: Script<'_> = &[(1, &[TOO_LONG]), (4, &[Verdict::Answered])];
    let (tried, reason) = run(
        table.route("m").unwrap(),
        &Request::default(),
        &State::default(),
        play(script),
    );
    assert_eq!((tried, reason), (vec![1, 4], StopReason::Answered));
}

#[test]
fn the_held_do_not_count() {
    let held: Script<'_> = &[
        (1, &[Verdict::Held]),
        (2, &[FAILED]),
        (3, &[Verdict::Answered]),
    ];
    check(
        &[(1, 1), (2, 1), (3, 1)],
        1,
        held,
        &[1, 2, 3],
        StopReason::Answered,
    );
    check(
        &[(1, 1)],
        3,
        &[(1, &[Verdict::Held])],
        &[1],
        failed(FailureClass::Held, false),
    );
    // What was reserved for a lower tier goes back to the tier that waited for its sake.
    let lower_held: Script<'_> = &[
        (1, &[FAILED]),
        (2, &[Verdict::Answered]),
        (3, &[Verdict::Held]),
    ];
    check(
        &[(1, 9), (2, 9), (3, 1)],
        1,
        lower_held,
        &[1, 3, 2],
        StopReason::Answered,
    );
}

#[test]
fn back_in_a_tier_its_lasting_failures_are_not_repeated() {
    let tiers = [(1, 9), (2, 9), (3, 5), (4, 1)];
    let held: &[Verdict] = &[Verdict::Held];
    let script: Script<'_> = &[
        (1, &[Verdict::NotFound]),
        (2, &[FAILED]),
        (3, held),
        (4, held),
    ];
    let reason = failed(FailureClass::Other, false);
    check(&tiers, 2, script, &[1, 3, 4, 2, 2], reason);
}

#[test]
fn one_class_of_failure_stays_and_a_mixture_does_not() {
    let pair = [(1, 1), (2, 1)];
    let with_pause = |class, seconds| {
        StopReason::Failed(Failure {
            class,
            retry_after: Some(Duration::from_secs(seconds)),
            all_tried: true,
        })
    };
    check(
        &pair,
        3,
        &[(1, &[limited(60)]), (2, &[limited(20)])],
        &[1, 2],
        with_pause(FailureClass::RateLimited, 20),
    );
    check(
        &pair,
        1,
        &[(1, &[overloaded()]), (2, &[overloaded()])],
        &[1, 2],
        failed(FailureClass::Overloaded, true),
    );
    let silent: Script<'_> = &[(1, &[Verdict::Timeout]), (2, &[Verdict::ConnectTimeout])];
    check(
        &pair,
        3,
        silent,
        &[1, 2],
        failed(FailureClass::TimedOut, true),
    );
    let unknown: Script<'_> = &[(1, &[Verdict::NotFound]), (2, &[Verdict::NotFound])];
    check(
        &pair,
        3,
        unknown,
        &[1, 2],
        failed(FailureClass::NotFound, true),
    );
    check(
        &pair,
        3,
        &[(1, &[limited(60)]), (2, &[Verdict::NotFound])],
        &[1, 2],
        with_pause(FailureClass::Other, 60),
    );
}

#[test]
fn a_pause_of_centuries_is_no_trouble() {
    let forever = Verdict::RateLimited {
        retry_after: Some(Duration::MAX),
    };
    check(
        &[(1, 1)],
        3,
        &[(1, &[forever])],
        &[1],
        failed(FailureClass::RateLimited, true),
    );
}

#[test]
fn candidates_that_were_skipped_count_as_not_tried() {
    let now = Instant::now();
    let table = table(Strategy::RoundRobin, &[(1, 1, 1), (2, 1, 1)]);
    let state = State::default().with(2, open(now, 5, 5));
    let (tried, reason) = run(
        table.route("m").unwrap(),
        &Request::default(),
        &state,
        play(&[(1, &[Verdict::NotFound])]),
    );
    assert_eq!(
        (tried, reason),
        (vec![1], failed(FailureClass::NotFound, false))
    );
    let all_cool = State::default()
        .with(1, cooling(now, 5))
        .with(2, cooling(now, 9));
    all_cool.grants_trial.set(true);
    let script: Script<'_> = &[(1, &[Verdict::NotFound])];
    let (tried, reason) = run(
        table.route("m").unwrap(),
        &Request::default(),
        &all_cool,
        play(script),
    );
    assert_eq!(
        (tried, reason),
        (vec![1], failed(FailureClass::NotFound, false))
    );
}

/// Waits of a lone candidate that meets `verdict` time after time.
fn waits(verdict: Verdict, dice: &mut impl Dice) -> Vec<Duration> {
    let mut now = Instant::now();
    let budget = RetryBudget::new(now);
    let table = table(Strategy::Weighted, &[(1, 1, 1)]);
    let request = Request {
        max_retry: Some(5),
        ..Request::default()
    };
    let plan = table
        .route("m")
        .unwrap()
        .plan(&request, &State::default(), now, dice)
        .unwrap();
    let mut walk = plan.walk(&budget);
    assert!(matches!(walk.next(None, now, dice), Step::Try(_)));
    let mut waits = Vec::new();
    while let Step::Wait(pause, _) = walk.next(Some(verdict), now, dice) {
        waits.push(pause);
        now += pause;
    }
    waits
}

#[test]
fn backoff_doubles_up_to_its_bound_and_jitters_over_its_whole_range() {
    let longest: Vec<_> = [250, 500, 1000, 2000, 2000]
        .into_iter()
        .map(Duration::from_millis)
        .collect();
    assert_eq!(waits(FAILED, &mut Fixed(u64::MAX)), longest);
    let halved: Vec<_> = longest.iter().map(|pause| pause.as_millis() / 2).collect();
    let half = waits(FAILED, &mut Fixed(u64::MAX / 2));
    assert_eq!(
        half.iter().map(Duration::as_millis).collect::<Vec<_>>(),
        halved
    );
}

#[test]
fn pauses_up_to_three_seconds_are_waited_out_and_longer_ones_are_not() {
    let pauses = waits(limited(3), &mut Seeded(5));
    assert_eq!(pauses.len(), 5);
    assert!(
        pauses.iter().all(|pause| *pause >= Duration::from_secs(3)),
        "{pauses:?}"
    );
    let longer = Verdict::Overloaded {
        retry_after: Some(Duration::from_millis(3_001)),
    };
    assert_eq!(waits(longer, &mut Seeded(5)), []);
}

#[test]
fn time_that_passed_since_the_failure_counts_as_waited() {
    let start = Instant::now();
    let budget = RetryBudget::new(start);
    let table = table(Strategy::RoundRobin, &[(1, 1, 1), (2, 1, 1)]);
    let mut dice = Fixed(u64::MAX);
    let plan = table
        .route("m")
        .unwrap()
        .plan(&Request::default(), &State::default(), start, &mut dice)
        .unwrap();
    let mut walk = plan.walk(&budget);
    walk.next(None, start, &mut dice);
    walk.next(Some(FAILED), start, &mut dice);
    let later = start + Duration::from_secs(5);
    let step = walk.next(Some(FAILED), later, &mut dice);
    assert!(
        matches!(step, Step::Try(candidate) if candidate.id() == CandidateId(1)),
        "{step:?}"
    );
}

#[test]
fn who_is_ready_first_is_repeated_first() {
    let script: Script<'_> = &[(1, &[limited(2)]), (2, &[limited(1), Verdict::Answered])];
    check(
        &[(1, 1), (2, 1)],
        3,
        script,
        &[1, 2, 2],
        StopReason::Answered,
    );
}

#[test]
fn an_empty_budget_leaves_the_first_failover() {
    let start = Instant::now();
    let empty = RetryBudget::with_limits(
        BudgetLimits {
            percent: 0,
            floor_per_second: 0,
        },
        start,
    );
    let table = table(Strategy::RoundRobin, &[(1, 9, 1), (2, 5, 1), (3, 1, 1)]);
    let route = table.route("m").unwrap();
    let fails: Script<'_> = &[(1, &[FAILED]), (2, &[FAILED]), (3, &[FAILED])];
    let request = Request {
        max_retry: Some(9),
        ..Request::default()
    };
    let (tried, reason) = run_on(
        &empty,
        start,
        route,
        &request,
        &State::default(),
        play(fails),
    );
    assert_eq!(
        (tried, reason),
        (vec![1, 2], failed(FailureClass::Other, false))
    );
}

#[test]
fn what_was_held_is_not_paid_for() {
    let start = Instant::now();
    let two = RetryBudget::with_limits(
        BudgetLimits {
            percent: 0,
            floor_per_second: 1,
        },
        start,
    );
    let rows: Vec<_> = (1..=6).map(|id| (id, 1, 1)).collect();
    let table = table(Strategy::RoundRobin, &rows);
    let held: &[Verdict] = &[Verdict::Held];
    // One is free, one is drawn; both times the first choice is held, and pays for the next.
    let script: Script<'_> = &[
        (1, &[FAILED]),
        (2, held),
        (3, &[FAILED]),
        (4, held),
        (5, &[FAILED]),
        (6, &[FAILED]),
    ];
    let request = Request {
        max_retry: Some(9),
        ..Request::default()
    };
    let (tried, _) = run_on(
        &two,
        start,
        table.route("m").unwrap(),
        &request,
        &State::default(),
        play(script),
    );
    assert_eq!(tried, [1, 2, 3, 4, 5]);
}

#[test]
fn a_missing_verdict_is_held_and_a_stop_is_final() {
    let now = Instant::now();
    let budget = RetryBudget::new(now);
    let table = table(Strategy::RoundRobin, &[(1, 1, 1), (2, 1, 1)]);
    let mut dice = Fixed(0);
    let plan = table
        .route("m")
        .unwrap()
        .plan(&Request::default(), &State::default(), now, &mut dice)
        .unwrap();
    let mut walk = plan.walk(&budget);
    walk.next(None, now, &mut dice);
    assert_eq!(walk.attempts(), 1);
    assert!(
        matches!(walk.next(None, now, &mut dice), Step::Try(candidate) if candidate.id() == CandidateId(2))
    );
    assert_eq!(walk.attempts(), 1);
    for verdict in [Some(Verdict::Answered), Some(FAILED), None] {
        assert!(matches!(
            walk.next(verdict, now, &mut dice),
            Step::Stop(StopReason::Answered)
        ));
    }
}

/// A walk whose first attempt runs, over rows of (id, priority) that are tried in turn.
#[track_caller]
fn hedging(
    rows: &[(i64, i32)],
    max_retry: u32,
    floor: u32,
    act: impl FnOnce(&mut Walk<'_>, Instant),
) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, priority)| (*id, *priority, 1))
        .collect();
    let table = table(Strategy::RoundRobin, &rows);
    let now = Instant::now();
    let limits = BudgetLimits {
        percent: 0,
        floor_per_second: floor,
    };
    let budget = RetryBudget::with_limits(limits, now);
    let request = Request {
        max_retry: Some(max_retry),
        ..Request::default()
    };
    let route = table.route("m").unwrap();
    let plan = route.plan(&request, &State::default(), now, &mut Seeded(1));
    let mut walk = plan.unwrap().walk(&budget);
    assert!(matches!(walk.next(None, now, &mut Seeded(1)), Step::Try(_)));
    act(&mut walk, now);
}

#[track_caller]
fn check_hedge(hedge: &Hedge<'_>, expected: Option<i64>) {
    let sent = match hedge {
        Hedge::Try(candidate) => Some(candidate.id().0),
        Hedge::Unpaid | Hedge::Nobody => None,
    };
    assert_eq!(sent, expected, "{hedge:?}");
}

#[test]
fn a_hedge_goes_to_the_next_of_the_tier_before_a_lower_one() {
    let rows: [(i64, i32); 4] = [(1, 9), (2, 9), (3, 5), (4, 1)];
    for (rows, max_retry, expected) in [
        (&rows[..2], 3, Some(2)),
        (&rows[..1], 3, None),
        (&rows[..2], 0, None),
        // An attempt is kept for every lower tier.
        (&rows[..], 3, Some(2)),
        (&rows[..], 2, Some(3)),
        (&rows[..], 1, Some(3)),
    ] {
        hedging(rows, max_retry, 10, |walk, now| {
            check_hedge(&walk.hedge(now, |_| true), expected);
        });
    }
}

#[test]
fn a_hedge_is_drawn_from_the_budget_and_leaves_the_free_failover() {
    let rows = [(1, 1), (2, 1), (3, 1)];
    hedging(&rows, 9, 0, |walk, now| {
        assert!(matches!(walk.hedge(now, |_| true), Hedge::Unpaid));
        assert_eq!(walk.attempts(), 1);
        let next = walk.next(Some(FAILED), now, &mut Seeded(1));
        assert!(matches!(next, Step::Try(second) if second.id().0 == 2));
    });
    hedging(&rows, 9, 1, |walk, now| {
        check_hedge(&walk.hedge(now, |_| true), Some(2));
        assert_eq!(walk.leg_failed(Leg::Hedge, FAILED, now), None);
        let next = walk.next(Some(FAILED), now, &mut Seeded(1));
        assert!(matches!(next, Step::Try(third) if third.id().0 == 3));
        // The budget is spent, and so is the free failover.
        let end = walk.next(Some(FAILED), now, &mut Seeded(1));
        assert!(matches!(end, Step::Stop(reason) if reason == failed(FailureClass::Other, true)));
    });
}

#[test]
fn a_request_is_hedged_once_unless_nothing_was_sent() {
    let rows = [(1, 1), (2, 1), (3, 1), (4, 1)];
    hedging(&rows, 9, 1, |walk, now| {
        check_hedge(&walk.hedge(now, |candidate| candidate.id().0 != 2), Some(3));
        assert_eq!(walk.attempts(), 2);
        assert_eq!(walk.leg_failed(Leg::Hedge, Verdict::Held, now), None);
        assert_eq!(walk.attempts(), 1);
        // What was drawn for the one that was held pays for this one.
        check_hedge(&walk.hedge(now, |_| true), Some(2));
        check_hedge(&walk.hedge(now, |_| true), None);
        assert_eq!(walk.leg_failed(Leg::First, FAILED, now), None);
        check_hedge(&walk.hedge(now, |_| true), None);
        let next = walk.next(Some(Verdict::Timeout), now, &mut Seeded(1));
        assert!(matches!(next, Step::Try(fourth) if fourth.id().0 == 4));
        check_hedge(&walk.hedge(now, |_| true), None);
    });
}

#[test]
fn a_leg_whose_verdict_ends_the_walk_ends_it() {
    for leg in [Leg::First, Leg::Hedge] {
        for (verdict, reason) in [
            (Verdict::ClientFault, StopReason::ClientFault),
            (Verdict::ClientGone, StopReason::ClientGone),
        ] {
            hedging(&[(1, 1), (2, 1)], 9, 10, |walk, now| {
                check_hedge(&walk.hedge(now, |_| true), Some(2));
                assert_eq!(walk.leg_failed(leg, verdict, now), Some(reason));
                let end = walk.next(Some(FAILED), now, &mut Seeded(1));
                assert!(matches!(end, Step::Stop(stopped) if stopped == reason));
            });
        }
    }
}

#[test]
fn both_verdicts_of_a_hedged_attempt_count() {
    for leg in [Leg::First, Leg::Hedge] {
        hedging(&[(1, 1), (2, 1)], 1, 10, |walk, now| {
            check_hedge(&walk.hedge(now, |_| true), Some(2));
            assert_eq!(walk.leg_failed(leg, limited(60), now), None);
            let end = walk.next(Some(limited(30)), now, &mut Seeded(1));
            let Step::Stop(StopReason::Failed(failure)) = end else {
                panic!("{end:?}")
            };
            let soonest = Some(Duration::from_secs(30));
            assert_eq!(
                (failure.class, failure.retry_after),
                (FailureClass::RateLimited, soonest)
            );
            assert!(failure.all_tried);
        });
    }
}

#[test]
fn an_only_candidate_is_not_hedged_by_those_that_are_out() {
    let now = Instant::now();
    let (model, providers, associations) = specs(Strategy::Weighted, &[(1, 1, 1), (2, 1, 1)]);
    let table = RouteTable::build([model], providers, associations).unwrap();
    let state = State::default()
        .with(1, open(now, 9, 1))
        .with(2, open(now, 9, 1));
    let budget = RetryBudget::new(now);
    let plan = table
        .route("m")
        .unwrap()
        .plan(&Request::default(), &state, now, &mut Seeded(1));
    let mut walk = plan.unwrap().walk(&budget);
    assert!(matches!(walk.next(None, now, &mut Seeded(1)), Step::Try(_)));
    check_hedge(&walk.hedge(now, |_| true), None);
}
