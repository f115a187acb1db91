use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn rule(scope: Scope, requests: Option<u64>, tokens: Option<u64>, concurrent: Option<u64>) -> Rule {
    let rates = Rates {
        requests,
        tokens,
        concurrent,
    };
    Rule { scope, rates }
}

fn key(requests: Option<u64>, tokens: Option<u64>) -> Rule {
    rule(Scope::Key("ci".into()), requests, tokens, None)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_minute_lets_as_many_pass_as_the_limit_says_and_tells_when_the_next_does() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(Some(3), None)];
    let admit = |after: f64| limiter.admit(&rules, 0, begin + seconds(after));
    for (after, remaining) in [(0.0, 2), (10.0, 1), (20.0, 0)] {
        let standing = admit(after).unwrap().standings.requests.unwrap();
        assert_eq!((standing.limit, standing.remaining), (3, remaining));
    }
    let limited = admit(30.0).unwrap_err();
    assert_eq!((limited.kind, limited.limit), (Kind::Requests, 3));
    assert_eq!(limited.retry_after, seconds(30.5));
    assert_eq!(limited.standings.requests.unwrap().remaining, 0);
    assert!(
        admit(60.0).is_err(),
        "the first is not a minute old for sure"
    );
    assert!(admit(60.5).is_ok());
    assert!(admit(60.5).is_err());
    assert!(admit(70.5).is_ok());
}

#[test]
fn a_limit_is_whole_again_when_the_last_that_counts_is_a_minute_old() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(Some(3), None)];
    let reset = |after: f64| match limiter.admit(&rules, 0, begin + seconds(after)) {
        Ok(admission) => (admission.standings, Some(admission)),
        Err(limited) => (limited.standings, None),
    };
    let told = |standings: Standings| standings.requests.unwrap().reset;
    let (first, _) = reset(0.0);
    assert_eq!(told(first), seconds(60.5));
    let (second, admission) = reset(10.0);
    assert_eq!(told(second), seconds(60.5));
    let (_, third) = reset(10.0);
    assert_eq!(told(reset(30.0).0), seconds(40.5), "of the second");
    admission.unwrap().refund(begin + seconds(30.0));
    third.unwrap().refund(begin + seconds(30.0));
    let (fourth, admission) = reset(30.0);
    assert_eq!(told(fourth), seconds(60.5));
    admission.unwrap().refund(begin + seconds(30.0));
    let none = limiter.accounts(begin + seconds(59.0));
    assert_eq!(none[0].requests, [(118, 1)], "the first alone");
}

#[test]
fn tokens_are_reserved_settled_and_given_back() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(None, Some(1000))];
    let admit = |tokens| limiter.admit(&rules, tokens, begin);
    let left = |admission: &Admission| admission.standings.tokens.unwrap().remaining;
    let first = admit(600).unwrap();
    assert_eq!(left(&first), 400);
    assert_eq!(admit(500).unwrap_err().kind, Kind::Tokens);
    first.settle(100, begin);
    let second = admit(500).unwrap();
    assert_eq!(left(&second), 400);
    second.refund(begin);
    let third = admit(900).unwrap();
    assert_eq!(left(&third), 0);
    third.settle(2000, begin);
    assert_eq!(admit(1).unwrap_err().retry_after, seconds(121.0));
    // More than the limit passes when nothing else has come, and nothing is owed any more.
    assert!(limiter.admit(&rules, 5000, begin + seconds(181.0)).is_err());
    assert!(limiter.admit(&rules, 5000, begin + seconds(181.5)).is_ok());
}

#[test]
fn what_no_minute_has_room_for_is_owed_to_those_that_follow() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(None, Some(1000))];
    let at = |after: f64| begin + seconds(after);
    let admit = |tokens, after| limiter.admit(&rules, tokens, at(after));
    // A stream of an hour, and one that was cut.
    let long = admit(5000, 0.0).unwrap();
    long.settle(4800, at(3600.0));
    let limited = admit(300, 3600.0).unwrap_err();
    let standing = limited.standings.tokens.unwrap();
    assert_eq!((standing.limit, standing.remaining), (1000, 0));
    assert_eq!(limited.retry_after, seconds(3.0 * 60.5 + 60.5));
    assert_eq!(standing.reset, seconds(4.0 * 60.5));
    // A minute of silence pays one limit, whether somebody looks or not.
    assert_eq!(
        admit(300, 3665.0).unwrap_err().retry_after,
        seconds(237.0 - 60.0)
    );
    for wider in [1100, 10_000] {
        let rules = [key(None, Some(wider))];
        let limited = limiter.admit(&rules, wider, at(3670.0)).unwrap_err();
        let left = limited.standings.tokens.unwrap().remaining;
        assert_eq!(
            left,
            wider.saturating_sub(2800),
            "a wider limit pays more at once"
        );
    }
}

#[test]
fn what_a_long_request_used_beyond_its_reservation_counts_when_it_is_known() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(Some(100), Some(1000))];
    let left = |after: f64| {
        let admission = limiter.admit(&rules, 0, begin + seconds(after)).unwrap();
        let left = admission.standings.tokens.unwrap().remaining;
        admission.refund(begin + seconds(after));
        left
    };
    let long = limiter.admit(&rules, 300, begin).unwrap();
    let short = limiter.admit(&rules, 300, begin).unwrap();
    assert_eq!(left(60.5), 1000, "the reservations are a minute old");
    short.settle(200, begin + seconds(90.0));
    assert_eq!(left(90.0), 1000, "nothing is given back twice");
    long.settle(900, begin + seconds(90.0));
    assert_eq!(left(90.0), 400);
    assert_eq!(left(150.0), 400, "it counts for a minute");
    assert_eq!(left(150.5), 1000);
}

#[test]
fn so_many_at_a_time_and_no_more() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [rule(Scope::Key("ci".into()), None, None, Some(2))];
    let one = limiter.admit(&rules, 0, begin).unwrap();
    let two = limiter.admit(&rules, 0, begin).unwrap();
    assert_eq!(
        limiter.admit(&rules, 0, begin).unwrap_err().kind,
        Kind::Concurrent
    );
    one.settle(0, begin);
    let three = limiter.admit(&rules, 0, begin).unwrap();
    assert!(limiter.admit(&rules, 0, begin).is_err());
    drop(two);
    three.refund(begin);
    assert!(limiter.admit(&rules, 0, begin).is_ok());
}

#[test]
fn what_one_limit_refuses_is_taken_from_no_other() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let wide = key(Some(10), Some(100));
    let narrow = rule(
        Scope::ModelOfKey("ci".into(), "gpt-*".into()),
        Some(1),
        None,
        None,
    );
    let both = [wide.clone(), narrow];
    limiter.admit(&both, 10, begin).unwrap();
    for _ in 0..5 {
        let limited = limiter.admit(&both, 10, begin).unwrap_err();
        assert_eq!(
            limited.scope,
            Scope::ModelOfKey("ci".into(), "gpt-*".into())
        );
    }
    let standings = limiter.admit(&[wide], 10, begin).unwrap().standings;
    assert_eq!(standings.requests.unwrap().remaining, 8);
    assert_eq!(standings.tokens.unwrap().remaining, 80);
}

#[test]
fn a_limit_that_changes_counts_what_was_there_before() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    for _ in 0..5 {
        limiter.admit(&[key(Some(10), None)], 0, begin).unwrap();
    }
    assert!(limiter.admit(&[key(Some(5), None)], 0, begin).is_err());
    assert!(limiter.admit(&[key(Some(6), None)], 0, begin).is_ok());
}

#[test]
fn accounts_that_nobody_uses_are_forgotten() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin - 2 * MINUTE);
    let used = rule(Scope::Key("used".into()), Some(1), None, None);
    limiter
        .admit(std::slice::from_ref(&used), 0, begin)
        .unwrap();
    for number in 0..50_000 {
        let idle = rule(Scope::Provider(number), None, Some(10), None);
        drop(limiter.admit(&[idle], 0, begin - MINUTE));
    }
    assert!(limiter.admit(&[used], 0, begin).is_err());
}

/// Clients that never pause, on 600 requests and 100,000 tokens a minute, in virtual time.
#[test]
fn fifty_clients_for_three_minutes_get_the_limit_to_one_percent() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(Some(600), Some(100_000))];
    let (mut requests, mut tokens) = (0, 0);
    let mut running: VecDeque<(Duration, Admission, u64)> = VecDeque::new();
    for tick in 0..3 * 60 * 100 {
        let now = Duration::from_millis(tick * 10);
        while running.front().is_some_and(|(ends, ..)| *ends <= now) {
            let (_, admission, used) = running.pop_front().unwrap();
            admission.settle(used, begin + now);
        }
        for client in running.len()..50 {
            let used = 120 + (client as u64 * 7 + tick) % 80;
            if let Ok(admission) = limiter.admit(&rules, used + 40, begin + now) {
                requests += 1;
                tokens += used;
                running.push_back((now + seconds(0.3), admission, used));
            }
        }
    }
    let near = |count: u64, limit: u64| count * 100 >= limit * 99 && count * 100 <= limit * 101;
    assert!(
        near(requests, 3 * 600) || near(tokens, 3 * 100_000),
        "{requests} {tokens}"
    );
    assert!(requests <= 1800 && tokens <= 303_000, "{requests} {tokens}");
}

#[test]
fn what_was_decided_elsewhere_is_counted_and_may_overdraw() {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let rules = [key(Some(2), Some(100))];
    for _ in 0..3 {
        drop(limiter.enter(&rules, 30, begin));
    }
    let accounts = limiter.accounts(begin + seconds(10.0));
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].scope, rules[0].scope);
    assert_eq!(accounts[0].requests, [(20, 3)]);
    assert_eq!(accounts[0].tokens, [(20, 90)]);
    let limited = limiter.admit(&rules, 30, begin + MINUTE).unwrap_err();
    assert_eq!(limited.kind, Kind::Requests);
    assert!(
        limiter
            .admit(&rules, 30, begin + MINUTE + seconds(0.5))
            .is_ok()
    );
}

#[test]
fn a_part_of_a_limit_is_never_nothing() {
    let rates = rule(Scope::All, Some(10), Some(2), None).rates;
    let part = rates.part(3);
    assert_eq!(
        (part.requests, part.tokens, part.concurrent),
        (Some(3), Some(1), None)
    );
    assert_eq!(rates.part(0), rates);
}

/// Remembers what it is told.
#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<Change>>);

impl Shared for Told {
    fn reserve(&self, _: Wanted) -> Reserving<'_> {
        Box::pin(std::future::ready(None))
    }

    fn change(&self, changes: Vec<Change>) {
        self.0.lock().unwrap().extend(changes);
    }

    fn step(&self) -> u64 {
        500
    }

    fn gateways(&self) -> u64 {
        1
    }
}

/// What others are told of one request, as step, requests, tokens, and how many run.
#[track_caller]
fn check_told(step: Option<u64>, end: impl FnOnce(Admission), expected: &[(u64, i64, i64, i64)]) {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let told = Arc::new(Told::default());
    let shared: Arc<dyn Shared> = told.clone();
    let rules = [rule(Scope::All, Some(9), Some(900), Some(9))];
    end(limiter.enter(&rules, 50, begin).shared(&shared, step));
    let told = told.0.lock().unwrap();
    let told = told.iter();
    let told = told.map(|it| (it.step, it.requests, it.tokens, it.running));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn others_are_told_of_each_request_once_and_of_its_end() {
    let now = Instant::now();
    check_told(Some(490), |it| it.settle(80, now), &[(490, 0, 30, -1)]);
    check_told(Some(490), |it| it.refund(now), &[(490, -1, -50, -1)]);
    check_told(Some(490), drop, &[(490, 0, 0, -1)]);
    let begun = (500, 1, 50, 1);
    check_told(None, |it| it.settle(50, now), &[begun, (500, 0, 0, -1)]);
    check_told(None, drop, &[begun, (500, 0, 0, -1)]);
    // Of a minute that is over, or will be when they hear of it, what is more comes now, and less is nothing.
    for old in [0, 500 - STEPS, 500 - STEPS + 3] {
        check_told(Some(old), |it| it.settle(80, now), &[(500, 0, 30, -1)]);
        check_told(Some(old), |it| it.settle(20, now), &[(old, 0, -30, -1)]);
    }
    let recent = 500 - STEPS + 5;
    check_told(
        Some(recent),
        |it| it.settle(80, now),
        &[(recent, 0, 30, -1)],
    );
}

proptest! {
    /// Against a list of everything that came.
    #[test]
    fn in_no_minute_more_than_the_limit_passes(
        limit in 1u64..20,
        pauses in prop::collection::vec(0u64..20_000, 1..200),
    ) {
        let begin = Instant::now();
        let limiter = Limiter::new(begin);
        let rules = [key(Some(limit), None)];
        let mut passed: Vec<Duration> = Vec::new();
        let mut now = Duration::ZERO;
        for pause in pauses {
            now += Duration::from_millis(pause);
            let recent = |within: Duration| {
                passed.iter().filter(|at| now - **at <= within).count() as u64
            };
            let (of_minute, of_longest) = (recent(MINUTE), recent(MINUTE + seconds(0.5)));
            match limiter.admit(&rules, 0, begin + now) {
                Ok(_) => {
                    prop_assert!(of_minute < limit);
                    passed.push(now);
                }
                Err(limited) => {
                    prop_assert!(of_longest >= limit, "refused for nothing");
                    prop_assert!(limiter.admit(&rules, 0, begin + now + limited.retry_after).is_ok());
                    passed.push(now + limited.retry_after);
                    now += limited.retry_after;
                }
            }
        }
    }

    /// Whatever is settled and given back in whichever order, the sum is that of what was used.
    #[test]
    fn what_is_settled_adds_up(amounts in prop::collection::vec((1u64..500, 0u64..900, any::<bool>()), 1..40)) {
        let begin = Instant::now();
        let limiter = Limiter::new(begin);
        let rules = [key(None, Some(1_000_000))];
        let mut used = 0;
        for (number, (reserved, actual, sent)) in amounts.into_iter().enumerate() {
            let at = begin + Duration::from_millis(number as u64 * 700);
            let admission = limiter.admit(&rules, reserved, at).unwrap();
            if sent {
                used += actual;
                admission.settle(actual, at + seconds(1.0));
            } else {
                admission.refund(at + seconds(1.0));
            }
        }
        let now = begin + seconds(29.0);
        let left = limiter.admit(&rules, 0, now).unwrap().standings.tokens.unwrap();
        prop_assert_eq!(left.limit - left.remaining, used);
    }
}

/// A request: when it comes after the one before, what it reserves and uses, and how long it runs, in milliseconds.
fn request() -> impl Strategy<Value = (u64, u64, u64, u64)> {
    let runs = prop_oneof![0u64..2_000, 0u64..400_000];
    (0u64..30_000, 0u64..1_500, 0u64..6_000, runs)
}

proptest! {
    /// However long requests run, and however wrong their estimates are, no minute forgives what they used: when a whole limit
    /// is free again, as many minutes have passed as all that was used takes by the limit.
    #[test]
    fn nothing_that_was_used_is_forgiven(
        limit in 100u64..2_000,
        requests in prop::collection::vec(request(), 1..60),
    ) {
        let begin = Instant::now();
        let limiter = Limiter::new(begin);
        let rules = [key(None, Some(limit))];
        let mut running: Vec<(u64, u64, Admission)> = Vec::new();
        let (mut now, mut used_by_all) = (0, 0);
        for (pause, reserved, used, runs) in requests {
            now += pause;
            running.sort_by_key(|(ends, ..)| *ends);
            while running.first().is_some_and(|(ends, ..)| *ends <= now) {
                let (ends, used, admission) = running.remove(0);
                admission.settle(used, begin + Duration::from_millis(ends));
            }
            let at = begin + Duration::from_millis(now);
            match limiter.admit(&rules, reserved, at) {
                Ok(admission) => {
                    used_by_all += used;
                    running.push((now + runs, used, admission));
                }
                Err(limited) => {
                    let again = limiter.admit(&rules, reserved, at + limited.retry_after);
                    prop_assert!(again.is_ok(), "it was told to come then");
                    // The clock has gone on with it.
                    again.unwrap().refund(at + limited.retry_after);
                    now += u64::try_from(limited.retry_after.as_millis()).unwrap();
                }
            }
        }
        running.sort_by_key(|(ends, ..)| *ends);
        for (ends, used, admission) in running {
            now = now.max(ends);
            admission.settle(used, begin + Duration::from_millis(now));
        }
        let end = begin + Duration::from_millis(now);
        let free = match limiter.admit(&rules, limit, end) {
            Ok(_) => end,
            Err(limited) => {
                prop_assert!(limiter.admit(&rules, limit, end + limited.retry_after - seconds(0.5)).is_err());
                prop_assert!(limiter.admit(&rules, limit, end + limited.retry_after).is_ok());
                end + limited.retry_after
            }
        };
        let minutes = (free - begin).as_millis().div_ceil(60_500);
        prop_assert!(u128::from(used_by_all) <= u128::from(limit) * minutes, "{used_by_all} in {minutes} minutes of {limit}");
    }
}

#[test]
fn threads_together_take_no_more_than_there_is() {
    let begin = Instant::now();
    let limiter = Arc::new(Limiter::new(begin));
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let limiter = limiter.clone();
                scope.spawn(move || {
                    let rules = [key(Some(500), Some(4_000))];
                    let admit = |_| limiter.admit(&rules, 10, begin).is_ok();
                    (0..1000).filter(|number| admit(*number)).count()
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(passed, 400);
}

#[test]
fn limits_are_read_and_what_is_wrong_is_named() {
    let read = |text: &str| Limits::of(&serde_json::from_str(text).unwrap());
    assert_eq!(read("{}"), Ok(None));
    assert_eq!(read(r#"{"models": {"a": {}}}"#), Ok(None));
    let limits = read(r#"{"rpm": 5, "models": {"gpt-*": {"tpm": 7}}}"#)
        .unwrap()
        .unwrap();
    assert_eq!(limits.own.requests, Some(5));
    assert!(limits.models[0].holds_for("gpt-5") && !limits.models[0].holds_for("claude"));
    for (text, field) in [
        (r#"{"rpm": 0}"#, "rpm"),
        (r#"{"tpm": 9000000000000}"#, "tpm"),
        (
            r#"{"models": {"a*": {"concurrent": 0}}}"#,
            "models.a*.concurrent",
        ),
        (r#"{"models": {"": {"rpm": 1}}}"#, "models"),
    ] {
        assert_eq!(read(text).unwrap_err().field, field);
    }
    assert!(serde_json::from_str::<LimitsFields>(r#"{"rps": 1}"#).is_err());
}
