use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Breaker, Claim, Gate, Rules, pause};
use crate::outcome::Mark;
use crate::state::{Reason, State};

const HOUR: Duration = Duration::from_secs(3600);
const RULES: Rules = Rules {
    max_errors: 5,
    max_pause: HOUR,
};

/// A breaker on a clock that only the test moves; its dice always roll the middle.
struct Stand {
    breaker: Breaker,
    now: Instant,
    rules: Rules,
}

impl Stand {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(now),
            now,
            rules: RULES,
        }
    }

    fn wait(&mut self, seconds: f64) -> &mut Self {
        self.now += Duration::from_secs_f64(seconds);
        self
    }

    fn begin(&mut self) -> Claim {
        let claim = self.breaker.claim(false, self.now);
        claim.expect("no trial is running")
    }

    fn end(&mut self, claim: Claim, mark: Mark) -> &mut Self {
        self.breaker
            .record(mark, claim, self.now, self.rules, || 0.5);
        self
    }

    fn attempt(&mut self, mark: Mark) -> &mut Self {
        let claim = self.begin();
        self.end(claim, mark)
    }

    /// `count` failures, each in a second of its own.
    fn fail(&mut self, count: u32) -> &mut Self {
        for _ in 0..count {
            self.wait(1.0).attempt(Mark::Failure);
        }
        self
    }

    /// Opens it with failures and lets the pause pass.
    fn half_open(&mut self) -> &mut Self {
        self.fail(5).wait(5.0);
        assert_eq!(self.breaker.gate(self.now), Gate::Trial);
        self
    }

    fn succeed(&mut self, count: u32) -> &mut Self {
        for _ in 0..count {
            self.attempt(Mark::Success);
        }
        self
    }

    #[track_caller]
    fn is(&mut self, state: State, reason: Option<Reason>) -> &mut Self {
        assert_eq!(self.breaker.state(self.now), (state, reason));
        self
    }

    #[track_caller]
    fn errors(&mut self, expected: u32) -> &mut Self {
        assert_eq!(self.breaker.errors(), expected);
        self
    }

    /// Open, with the trial due in so many seconds.
    #[track_caller]
    fn shut_for(&mut self, seconds: f64) -> &mut Self {
        let until = self.now + Duration::from_secs_f64(seconds);
        assert_eq!(self.breaker.gate(self.now), Gate::Shut { until });
        self
    }

    #[track_caller]
    fn share(&mut self, expected: f32) -> &mut Self {
        match self.breaker.gate(self.now) {
            Gate::Pass(share) => assert!((share - expected).abs() < 1e-4, "{share}"),
            other => panic!("{other:?}"),
        }
        self
    }
}

#[test]
fn opens_at_the_fifth_failure_in_a_row() {
    let mut stand = Stand::new();
    stand.fail(4).errors(4).share(1.0).is(State::Healthy, None);
    stand
        .fail(1)
        .errors(5)
        .is(State::Unhealthy, Some(Reason::ConsecutiveFailures))
        .shut_for(5.0);
}

#[test]
fn any_success_sets_the_errors_to_zero() {
    let mut stand = Stand::new();
    stand.fail(4).succeed(1).errors(0);
    stand.fail(4).errors(4).is(State::Healthy, None);
}

#[test]
fn zero_max_errors_acts_as_one() {
    let mut stand = Stand::new();
    stand.rules.max_errors = 0;
    stand.share(1.0).fail(1).shut_for(5.0);
}

#[test]
fn failures_within_a_second_count_once() {
    let mut stand = Stand::new();
    for _ in 0..15 {
        stand.attempt(Mark::Failure);
    }
    stand.wait(0.999).attempt(Mark::Failure).errors(1);
    stand.wait(0.001).attempt(Mark::Failure).errors(2);
}

#[test]
fn bursts_that_flap_within_a_second_never_add_up() {
    let mut stand = Stand::new();
    for _ in 0..1000 {
        stand
            .wait(0.01)
            .attempt(Mark::Failure)
            .attempt(Mark::Success);
        stand.attempt(Mark::Success).errors(0);
    }
    stand.is(State::Degraded, Some(Reason::FailureRate));
}

#[test]
fn opens_when_more_than_half_of_twenty_attempts_failed() {
    #[track_caller]
    fn check(successes: u32, failures: u32, opens: bool) {
        let mut stand = Stand::new();
        stand.succeed(successes);
        for _ in 0..failures {
            stand.attempt(Mark::Failure);
        }
        let (state, reason) = stand.breaker.state(stand.now);
        assert_eq!(state == State::Unhealthy, opens);
        assert_eq!(reason, Some(Reason::FailureRate));
    }
    check(10, 10, false);
    check(9, 10, false);
    check(9, 11, true);
    check(0, 19, false);
    check(0, 20, true);
    check(100, 100, false);
    check(100, 101, true);
}

#[test]
fn attempts_older_than_30_seconds_do_not_open() {
    let mut stand = Stand::new();
    for _ in 0..19 {
        stand.attempt(Mark::Failure);
    }
    stand.wait(30.0).succeed(1);
    for _ in 0..11 {
        stand.attempt(Mark::Failure);
    }
    // 11 of 12: too few to judge.
    assert_ne!(stand.breaker.state(stand.now).0, State::Unhealthy);
}

#[test]
fn misconfigured_opens_at_once() {
    let mut stand = Stand::new();
    stand
        .attempt(Mark::Misconfigured)
        .errors(1)
        .is(State::Unhealthy, Some(Reason::Misconfigured))
        .shut_for(5.0);
}

#[test]
fn nothing_is_learnt_from_nothing() {
    let mut stand = Stand::new();
    stand.fail(4);
    for _ in 0..100 {
        stand.attempt(Mark::Nothing);
    }
    stand.errors(4).is(State::Healthy, None);
    stand.fail(1).wait(5.0);
    stand.attempt(Mark::Nothing).attempt(Mark::Nothing);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
}

#[test]
fn the_pause_doubles_up_to_its_cap() {
    let mut stand = Stand::new();
    stand.rules.max_pause = Duration::from_secs(70);
    stand.fail(5);
    for seconds in [5.0, 10.0, 20.0, 40.0, 70.0, 70.0] {
        stand.shut_for(seconds).wait(seconds).attempt(Mark::Failure);
    }
    stand.errors(11);
}

#[test]
fn pauses_are_spread_by_a_fifth_but_never_past_the_cap() {
    #[track_caller]
    fn check(trips: u32, dice: f64, expected_s: f64) {
        let got = pause(trips, HOUR, || dice).as_secs_f64();
        assert!((got - expected_s).abs() < 1e-6, "{got}");
    }
    check(1, 0.0, 5.0);
    check(1, 1.0, 5.0);
    check(2, 0.0, 8.0);
    check(2, 1.0, 12.0);
    check(3, 0.25, 18.0);
    check(10, 0.0, 2048.0);
    check(11, 0.0, 2880.0);
    check(11, 1.0, 3600.0);
    check(u32::MAX, 1.0, 3600.0);
    assert_eq!(pause(1, Duration::from_secs(2), || 0.5).as_secs(), 2);
}

#[test]
fn half_open_lets_one_trial_through_at_a_time() {
    let mut stand = Stand::new();
    stand.half_open();
    let trial = stand.begin();
    assert!(trial.trial.is_some());
    assert!(stand.breaker.claim(false, stand.now).is_none());
    stand.shut_for(0.0);
    stand.breaker.release(trial);
    let next = stand.begin();
    // The first one's end, reported late, must not free what is the next one's now.
    stand.breaker.release(trial);
    assert!(stand.breaker.claim(false, stand.now).is_none());
    stand.breaker.release(next);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
}

#[test]
fn who_has_no_choice_goes_anyway() {
    let mut stand = Stand::new();
    stand.half_open();
    let trial = stand.begin();
    let forced = stand.breaker.claim(true, stand.now).expect("forced");
    assert!(forced.trial.is_none());
    stand.end(forced, Mark::Success);
    stand.shut_for(0.0);
    stand.end(trial, Mark::Success);
    stand.is(State::Degraded, Some(Reason::SlowStart));
}

#[test]
fn two_successes_in_a_row_close_it() {
    let mut stand = Stand::new();
    stand.half_open().succeed(1);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
    stand
        .succeed(1)
        .is(State::Degraded, Some(Reason::SlowStart));
}

#[test]
fn a_failed_trial_opens_it_for_twice_as_long() {
    let mut stand = Stand::new();
    stand.half_open().succeed(1);
    stand.attempt(Mark::Failure).shut_for(10.0).wait(10.0);
    stand.succeed(1);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
}

#[test]
fn the_share_comes_back_in_30_seconds() {
    let mut stand = Stand::new();
    stand.half_open().succeed(2).share(0.1);
    stand.wait(10.0).share(0.4);
    stand.wait(10.0).share(0.7);
    stand.wait(9.99).share(0.9997);
    assert!(!stand.breaker.is_calm(stand.now));
    stand.wait(0.01).share(1.0).is(State::Healthy, None);
    assert!(stand.breaker.is_calm(stand.now));
}

#[test]
fn opening_again_while_ramping_pauses_for_longer() {
    let mut stand = Stand::new();
    stand.half_open().succeed(2).fail(5).shut_for(10.0);
    stand.wait(10.0).succeed(2).wait(30.0).share(1.0);
    // It was well for long enough: the pauses start from the beginning.
    stand.fail(5).shut_for(5.0);
}

#[test]
fn degraded_gets_half_until_it_recovers() {
    let mut stand = Stand::new();
    stand.succeed(7);
    for _ in 0..2 {
        stand.attempt(Mark::Failure);
    }
    stand.share(1.0);
    stand
        .attempt(Mark::Failure)
        .share(0.5)
        .is(State::Degraded, Some(Reason::FailureRate));
    // 3 of 23 is still more than an eighth, 3 of 24 is not.
    stand.succeed(13).share(0.5);
    stand.succeed(1).share(1.0).is(State::Healthy, None);
    // Time alone heals it as well.
    for _ in 0..5 {
        stand.attempt(Mark::Failure);
    }
    stand.share(0.5).wait(30.0).share(1.0);
}

#[test]
fn what_began_before_it_opened_does_not_lengthen_the_pause() {
    let mut stand = Stand::new();
    let early: Vec<_> = (0..100).map(|_| stand.begin()).collect();
    stand.fail(5).shut_for(5.0).wait(2.0);
    for claim in early {
        stand.wait(1.1).end(claim, Mark::Failure);
    }
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
    stand.attempt(Mark::Failure).shut_for(10.0);
}

#[test]
fn what_began_before_it_opened_does_not_close_it() {
    let mut stand = Stand::new();
    let early: Vec<_> = (0..10).map(|_| stand.begin()).collect();
    stand.half_open();
    for claim in early {
        stand.end(claim, Mark::Success);
    }
    stand.errors(0);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
}

#[test]
fn the_least_bad_tried_while_open_neither_closes_nor_lengthens() {
    let mut stand = Stand::new();
    stand.fail(5).shut_for(5.0);
    stand.succeed(10).shut_for(5.0).errors(0);
    stand.attempt(Mark::Failure).shut_for(5.0).errors(1);
}

#[test]
fn a_probe_that_succeeds_ends_it_early() {
    let mut stand = Stand::new();
    stand.fail(5).shut_for(5.0);
    let claim = Claim {
        epoch: stand.breaker.epoch(),
        ..Claim::default()
    };
    stand.breaker.probe_succeeded(claim, stand.now);
    stand.share(0.1).errors(0);
}

#[test]
fn a_probe_from_before_it_opened_does_not_end_it() {
    let mut stand = Stand::new();
    let claim = Claim::default();
    stand.fail(5);
    stand.breaker.probe_succeeded(claim, stand.now);
    stand.shut_for(5.0).errors(0);
}

#[test]
fn first_content_is_a_trial_passed_and_counts_once() {
    let mut stand = Stand::new();
    stand.half_open();
    let mut first = stand.begin();
    stand.breaker.credit_trial(&mut first, stand.now);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
    // The same attempt's end is no second success.
    stand.end(first, Mark::Success);
    assert_eq!(stand.breaker.gate(stand.now), Gate::Trial);
    let mut second = stand.begin();
    stand.breaker.credit_trial(&mut second, stand.now);
    stand.share(0.1);
    // Cut after that: an ordinary failure.
    stand.end(second, Mark::Failure).share(0.1).errors(1);
}

#[test]
fn a_restored_breaker_goes_on_where_it_was() {
    let now = Instant::now();
    let until = now + Duration::from_secs(40);
    let open = Some((until, Reason::Misconfigured));
    let mut stand = Stand::new();
    stand.now = now;
    stand.breaker = Breaker::restore(7, 0, open, now);
    stand
        .errors(7)
        .is(State::Unhealthy, Some(Reason::Misconfigured))
        .shut_for(40.0);
    stand.wait(40.0).attempt(Mark::Failure).shut_for(10.0);

    stand.breaker = Breaker::restore(4, 0, None, stand.now);
    stand.errors(4).share(1.0).fail(1).shut_for(5.0);
}

/// One step of a random life.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u32),
    Begin { anyway: bool },
    End { which: usize, mark: Mark },
    Content { which: usize },
    Drop { which: usize },
    Probe(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    let mark = prop_oneof![
        3 => Just(Mark::Success),
        5 => Just(Mark::Failure),
        1 => Just(Mark::Misconfigured),
        1 => Just(Mark::Nothing),
    ];
    prop_oneof![
        3 => (0u32..20_000).prop_map(Step::Wait),
        5 => any::<bool>().prop_map(|anyway| Step::Begin { anyway }),
        5 => (any::<usize>(), mark).prop_map(|(which, mark)| Step::End { which, mark }),
        1 => any::<usize>().prop_map(|which| Step::Content { which }),
        1 => any::<usize>().prop_map(|which| Step::Drop { which }),
        1 => any::<bool>().prop_map(Step::Probe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_the_invariants_hold(steps in prop::collection::vec(any_step(), 1..1000)) {
        let mut stand = Stand::new();
        let mut running: Vec<Claim> = Vec::new();
        for step in steps {
            let errors = stand.breaker.errors();
            match step {
                Step::Wait(ms) => { stand.wait(f64::from(ms) / 1000.0); }
                Step::Begin { anyway } => {
                    let gate = stand.breaker.gate(stand.now);
                    let claim = stand.breaker.claim(anyway, stand.now);
                    // Only a trial that is running holds anyone back, and it never holds back who must go.
                    let is_taken = gate == Gate::Shut { until: stand.now };
                    prop_assert_eq!(claim.is_none(), is_taken && !anyway);
                    let is_trial = claim.is_some_and(|it| it.trial.is_some());
                    prop_assert_eq!(is_trial, gate == Gate::Trial);
                    running.extend(claim);
                }
                Step::End { which, mark } if !running.is_empty() => {
                    let claim = running.swap_remove(which % running.len());
                    stand.end(claim, mark);
                    match mark {
                        Mark::Success => prop_assert_eq!(stand.breaker.errors(), 0),
                        Mark::Nothing => prop_assert_eq!(stand.breaker.errors(), errors),
                        _ => prop_assert!(stand.breaker.errors() - errors <= 1),
                    }
                }
                Step::Content { which } if !running.is_empty() => {
                    let which = which % running.len();
                    stand.breaker.credit_trial(&mut running[which], stand.now);
                }
                Step::Drop { which } if !running.is_empty() => {
                    stand.breaker.release(running.swap_remove(which % running.len()));
                }
                Step::Probe(ok) => {
                    let claim = Claim { epoch: stand.breaker.epoch(), ..Claim::default() };
                    if ok {
                        stand.breaker.probe_succeeded(claim, stand.now);
                        prop_assert_ne!(stand.breaker.state(stand.now).0, State::Unhealthy);
                    } else {
                        stand.end(claim, Mark::Failure);
                    }
                }
                _ => {}
            }
            let gate = stand.breaker.gate(stand.now);
            let (state, reason) = stand.breaker.state(stand.now);
            prop_assert_eq!(state == State::Healthy, reason.is_none());
            match gate {
                Gate::Pass(share) => {
                    prop_assert!((0.1..=1.0).contains(&share));
                    prop_assert_eq!(share < 1.0, state == State::Degraded);
                }
                Gate::Trial => prop_assert_eq!(state, State::Unhealthy),
                Gate::Shut { until } => {
                    prop_assert_eq!(state, State::Unhealthy);
                    prop_assert!(until <= stand.now + HOUR);
                }
            }
            prop_assert_eq!(stand.breaker.is_calm(stand.now), state == State::Healthy);
            // However it came there, the trial of a half-open breaker is one of those still running.
            let held = running.iter().filter(|it| it.trial.is_some() && it.epoch == stand.breaker.epoch());
            prop_assert!(held.count() <= 1);
        }
        for claim in running {
            stand.breaker.release(claim);
        }
        stand.wait(3601.0);
        let is_shut = matches!(stand.breaker.gate(stand.now), Gate::Shut { .. });
        prop_assert!(!is_shut);
    }
}
