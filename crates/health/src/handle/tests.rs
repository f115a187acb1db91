use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use router::{CandidateId, CandidateState, Load, ProviderId, Standing, Verdict};

use super::Health;
use crate::{
    Entered, Error, Moment, Outcome, ProviderReport, Reason, Settings, State, WatchedAssociation,
    WatchedProvider,
};

const READY: Standing = Standing::Ready { share: 1.0 };

fn provider(id: i64) -> WatchedProvider {
    WatchedProvider {
        provider: ProviderId(id),
        revision: 0,
    }
}

fn association(id: i64, provider: i64) -> WatchedAssociation {
    WatchedAssociation {
        candidate: CandidateId(id),
        provider: ProviderId(provider),
        revision: 0,
        cost: None,
    }
}

/// Provider 1 with associations 11 and 12, provider 2 with 21, on a clock that only the test moves.
struct Stand {
    health: Health,
    now: Moment,
}

impl Stand {
    fn new() -> Self {
        let health = Health::new(&Settings::default());
        let stand = Self {
            health,
            now: Moment::now(),
        };
        stand.configure(
            &[provider(1), provider(2)],
            &[association(11, 1), association(12, 1), association(21, 2)],
        );
        stand
    }

    fn configure(&self, providers: &[WatchedProvider], associations: &[WatchedAssociation]) {
        self.health.configure(providers, associations, self.now);
    }

    fn wait(&mut self, seconds: f64) {
        let step = Duration::from_secs_f64(seconds);
        self.now.instant += step;
        self.now.utc += step;
    }

    fn attempt(&self, id: i64, outcome: Outcome) {
        let attempt = self.begin(id).expect("no trial is running");
        attempt.finish(outcome, self.now.instant);
    }

    fn begin(&self, id: i64) -> Option<crate::InFlight> {
        self.health
            .begin(CandidateId(id), ProviderId(id / 10), self.now.instant)
    }

    /// Five failures of one kind, a second apart.
    fn fail(&mut self, id: i64, verdict: Verdict) {
        for _ in 0..5 {
            self.wait(1.0);
            self.attempt(id, Outcome::new(verdict).status(500).error("it broke"));
        }
    }

    fn standing(&self, id: i64) -> Standing {
        self.health
            .standing(CandidateId(id), ProviderId(id / 10), self.now.instant)
    }

    #[track_caller]
    fn is_open_for(&self, id: i64, seconds: f64, errors: u32) {
        let until = self.now.instant + Duration::from_secs_f64(seconds);
        assert_eq!(self.standing(id), Standing::Open { until, errors });
    }

    fn report(&self, id: i64) -> ProviderReport {
        let mut reports = self.health.report(self.now);
        let at = reports.iter().position(|it| it.provider_id == id);
        reports.swap_remove(at.expect("it is watched"))
    }

    fn in_flight(&self, id: i64) -> u32 {
        let load = self.health.load(CandidateId(id), self.now.instant);
        load.in_flight
    }
}

#[test]
fn what_is_not_watched_is_ready() {
    let stand = Stand::new();
    assert_eq!(stand.standing(99), READY);
    stand.attempt(99, Outcome::new(Verdict::Misconfigured));
    assert_eq!(stand.standing(99), READY);
    let now = stand.now.instant;
    assert_eq!(stand.health.load(CandidateId(99), now), Load::default());
    assert_eq!(stand.health.cost(CandidateId(99)), None);
    assert!(stand.health.recent(CandidateId(99), stand.now).is_none());
    assert!(stand.health.claim_cooling_trial(CandidateId(99), now));
    let forced = stand
        .health
        .begin_anyway(CandidateId(99), ProviderId(9), now);
    forced.finish(Outcome::new(Verdict::Failed), now);
}

#[test]
fn a_candidate_that_moved_to_another_provider_blames_neither() {
    let stand = Stand::new();
    let begin = |provider| {
        let now = stand.now.instant;
        let attempt = stand
            .health
            .begin(CandidateId(11), ProviderId(provider), now);
        let attempt = attempt.expect("no trial is running");
        attempt.finish(Outcome::new(Verdict::Misconfigured), now);
    };
    begin(2);
    assert_eq!(stand.report(1).error_count + stand.report(2).error_count, 0);
    begin(1);
    assert_eq!(stand.report(1).error_count, 1);
}

#[test]
fn a_broken_provider_closes_all_its_associations() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    stand.is_open_for(11, 5.0, 5);
    stand.is_open_for(12, 5.0, 5);
    assert_eq!(stand.standing(21), READY);
}

#[test]
fn a_broken_model_leaves_its_provider_alone() {
    for verdict in [Verdict::Timeout, Verdict::NotFound] {
        let mut stand = Stand::new();
        stand.fail(11, verdict);
        stand.is_open_for(11, 5.0, 5);
        assert_eq!(stand.standing(12), READY);
        let report = stand.report(1);
        assert_eq!((report.state, report.error_count), (State::Healthy, 0));
        assert_eq!(report.associations[0].state, State::Unhealthy);
        assert_eq!(report.associations[1].state, State::Healthy);
    }
}

#[test]
fn misconfigured_is_the_providers_at_once() {
    let stand = Stand::new();
    stand.attempt(11, Outcome::new(Verdict::Misconfigured).status(401));
    stand.is_open_for(12, 5.0, 1);
    let report = stand.report(1);
    assert_eq!(report.reason, Some(Reason::Misconfigured));
    assert_eq!(report.last_status_code, Some(401));
    assert_eq!(report.associations[0].state, State::Healthy);
}

#[test]
fn neutral_verdicts_change_nothing() {
    for verdict in [
        Verdict::ClientFault,
        Verdict::ClientGone,
        Verdict::ContextLengthExceeded,
        Verdict::Held,
    ] {
        let stand = Stand::new();
        for _ in 0..50 {
            stand.attempt(11, Outcome::new(verdict).status(400).error("no"));
        }
        assert_eq!(stand.standing(11), READY);
        let report = stand.report(1);
        assert_eq!((report.error_count, report.last_error), (0, None));
        assert_eq!(stand.in_flight(11), 0);
    }
}

#[test]
fn a_rate_limit_cools_the_association_and_harms_nobody() {
    let mut stand = Stand::new();
    let limited = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        Outcome::new(Verdict::RateLimited { retry_after }).status(429)
    };
    for _ in 0..100 {
        stand.attempt(11, limited(30));
    }
    let until = stand.now.instant + Duration::from_secs(30);
    assert_eq!(stand.standing(11), Standing::Cooling { until });
    assert_eq!(stand.standing(12), READY);
    // A later, shorter one does not shorten it.
    stand.attempt(11, limited(1));
    assert_eq!(stand.standing(11), Standing::Cooling { until });
    let report = stand.report(1);
    assert_eq!((report.state, report.error_count), (State::Healthy, 0));
    assert_eq!(report.associations[0].state, State::Healthy);
    assert_eq!(
        report.associations[0].cooling_until,
        Some(stand.now.utc + Duration::from_secs(30))
    );
    stand.wait(30.0);
    assert_eq!(stand.standing(11), READY);
    assert_eq!(stand.report(1).associations[0].cooling_until, None);
}

#[test]
fn who_refuses_again_after_the_pause_asked_for_is_believed_less_each_time() {
    let mut stand = Stand::new();
    let limited = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        Outcome::new(Verdict::RateLimited { retry_after }).status(429)
    };
    let cools_for = |stand: &Stand, seconds| {
        let until = stand.now.instant + Duration::from_secs(seconds);
        assert_eq!(stand.standing(11), Standing::Cooling { until });
    };
    // "At once", which is not true.
    stand.attempt(11, limited(0));
    assert_eq!(stand.standing(11), READY);
    for seconds in [1, 2, 4, 5, 5] {
        stand.attempt(11, limited(0));
        cools_for(&stand, seconds);
        stand.wait(seconds as f64);
        assert_eq!(stand.standing(11), READY);
    }
    // What it asks for beyond that is given.
    stand.attempt(11, limited(60));
    cools_for(&stand, 60);
    // What was sent before it paused is no broken word.
    stand.wait(60.0);
    stand.attempt(11, Outcome::new(Verdict::Answered));
    for _ in 0..9 {
        let sent_before = Duration::from_millis(1);
        stand.attempt(11, limited(0).latency(sent_before));
    }
    assert_eq!(stand.standing(11), READY);
    assert_eq!(stand.standing(12), READY);
}

#[test]
fn cooling_holds_back_a_trial_and_prolongs_an_open_state() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Timeout);
    let retry_after = Some(Duration::from_secs(9));
    stand.attempt(11, Outcome::new(Verdict::Overloaded { retry_after }));
    stand.is_open_for(11, 9.0, 5);
    stand.wait(5.0);
    let until = stand.now.instant + Duration::from_secs(4);
    assert_eq!(stand.standing(11), Standing::Cooling { until });
    stand.wait(4.0);
    assert_eq!(stand.standing(11), Standing::Trial);
}

#[test]
fn a_cooling_candidate_gets_a_trial_per_second() {
    let mut stand = Stand::new();
    let claim = |stand: &Stand, id| {
        let now = stand.now.instant;
        stand.health.claim_cooling_trial(CandidateId(id), now)
    };
    assert!(claim(&stand, 11));
    assert!(!claim(&stand, 11));
    assert!(claim(&stand, 12));
    stand.wait(0.999);
    assert!(!claim(&stand, 11));
    stand.wait(0.001);
    assert!(claim(&stand, 11));
}

#[test]
fn one_trial_serves_both_breakers_until_they_close() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    stand.wait(5.0);
    assert_eq!(stand.standing(11), Standing::Trial);
    let trial = stand.begin(11).expect("free");
    assert!(stand.begin(11).is_none());
    // The provider's trial is taken: its other association waits too, and nothing stays claimed of it.
    assert!(stand.begin(12).is_none());
    stand.is_open_for(12, 0.0, 5);
    assert_eq!(stand.in_flight(12), 0);
    trial.finish(Outcome::new(Verdict::Answered), stand.now.instant);
    stand.attempt(12, Outcome::new(Verdict::Answered));
    assert_eq!(stand.standing(12), Standing::Ready { share: 0.1 });
    assert_eq!(stand.standing(11), Standing::Trial);
    stand.attempt(11, Outcome::new(Verdict::Answered));
    assert_eq!(stand.standing(11), Standing::Ready { share: 0.1 });
    stand.wait(30.0);
    assert_eq!(stand.standing(11), READY);
}

#[test]
fn a_dropped_trial_is_free_again() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    stand.wait(5.0);
    drop(stand.begin(11).expect("free"));
    let trial = stand.begin(11).expect("free again");
    trial.finish(Outcome::new(Verdict::ClientGone), stand.now.instant);
    assert_eq!(stand.standing(11), Standing::Trial);
    assert_eq!(stand.in_flight(11), 0);
    assert_eq!(stand.report(1).in_flight, 0);
}

#[test]
fn the_trial_of_an_association_is_given_back_when_its_providers_is_taken() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Timeout);
    stand.wait(5.0);
    let trial = stand.begin(11).expect("free");
    // Only the association is half-open: the provider's side of a refused begin is counted back.
    assert!(stand.begin(11).is_none());
    assert_eq!(stand.report(1).in_flight, 1);
    drop(trial);
    assert_eq!(stand.report(1).in_flight, 0);
}

#[test]
fn first_content_lets_the_next_trial_begin() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    stand.wait(5.0);
    let mut stream = stand.begin(11).expect("free");
    stream.first_content(stand.now.instant);
    assert_eq!(stand.standing(11), Standing::Trial);
    assert_eq!(stand.in_flight(11), 1);
    let mut second = stand.begin(11).expect("free again");
    second.first_content(stand.now.instant);
    assert_eq!(stand.standing(11), Standing::Ready { share: 0.1 });
    stream.finish(Outcome::new(Verdict::Answered), stand.now.instant);
    second.finish(Outcome::new(Verdict::Answered), stand.now.instant);
    assert_eq!(stand.report(1).error_count, 0);
}

#[test]
fn only_one_of_many_threads_gets_the_trial() {
    let mut stand = Stand::new();
    for round in 0..20 {
        stand.attempt(11, Outcome::new(Verdict::Misconfigured));
        stand.wait(4000.0);
        let trials = AtomicU32::new(0);
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let attempt = stand.begin(11);
                    trials.fetch_add(u32::from(attempt.is_some()), Ordering::SeqCst);
                    start.wait();
                });
            }
        });
        assert_eq!(trials.into_inner(), 1, "round {round}");
        assert_eq!(stand.standing(11), Standing::Trial);
    }
}

#[test]
fn threads_that_hammer_one_candidate_lose_no_count() {
    let stand = Stand::new();
    let now = stand.now.instant;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let stand = &stand;
            scope.spawn(move || {
                for turn in 0..500u64 {
                    let at = now + Duration::from_millis(turn * 20);
                    let forced = stand
                        .health
                        .begin_anyway(CandidateId(11), ProviderId(1), at);
                    match (turn + thread) % 4 {
                        0 => drop(forced),
                        1 => forced.finish(Outcome::new(Verdict::Failed), at),
                        _ => forced.finish(Outcome::new(Verdict::Answered), at),
                    }
                    stand.health.standing(CandidateId(11), ProviderId(1), at);
                }
            });
        }
    });
    assert_eq!(stand.in_flight(11), 0);
    assert_eq!(stand.report(1).in_flight, 0);
}

#[test]
fn load_counts_what_runs_and_how_long_answers_take() {
    let mut stand = Stand::new();
    let (first, second) = (stand.begin(11), stand.begin(11));
    assert_eq!(stand.in_flight(11), 2);
    assert_eq!(stand.in_flight(12), 0);
    assert_eq!(stand.report(1).in_flight, 2);
    let answered = Outcome::new(Verdict::Answered).latency(Duration::from_millis(800));
    first.expect("free").finish(answered, stand.now.instant);
    // A quick failure must not look like a quick answer.
    stand.wait(10.0);
    let failed = Outcome::new(Verdict::Failed).latency(Duration::from_millis(1));
    second.expect("free").finish(failed, stand.now.instant);
    let load = stand.health.load(CandidateId(11), stand.now.instant);
    assert_eq!(load.in_flight, 0);
    let decayed = load.latency.expect("one answer").as_secs_f64();
    assert!((decayed - 0.8 / std::f64::consts::E).abs() < 1e-6);
    assert_eq!(stand.report(1).associations[0].latency_ms, Some(294));
}

#[test]
fn configuring_keeps_what_stays_and_forgets_what_is_gone() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    let running = stand.begin(21).expect("free");
    stand.configure(&[provider(1)], &[association(11, 1), association(13, 1)]);
    stand.is_open_for(11, 5.0, 5);
    assert_eq!(stand.standing(21), READY);
    assert_eq!(stand.health.report(stand.now).len(), 1);
    let ids: Vec<_> = stand
        .report(1)
        .associations
        .iter()
        .map(|it| it.model_provider_id)
        .collect();
    assert_eq!(ids, [11, 13]);
    running.finish(Outcome::new(Verdict::Misconfigured), stand.now.instant);
    // What comes back begins anew.
    stand.configure(&[provider(1), provider(2)], &[association(21, 2)]);
    assert_eq!(stand.standing(21), READY);
    assert_eq!(stand.in_flight(21), 0);
    // An association whose provider nobody watches is not watched.
    stand.configure(&[provider(1)], &[association(21, 2)]);
    assert!(stand.health.recent(CandidateId(21), stand.now).is_none());
}

#[test]
fn a_new_revision_begins_without_a_past() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    let revised = WatchedAssociation {
        revision: 1,
        cost: Some(7),
        ..association(11, 1)
    };
    stand.configure(&[provider(1)], &[revised, association(12, 1)]);
    assert_eq!(stand.health.cost(CandidateId(11)), Some(7));
    // The provider is still open; its association no longer.
    stand.is_open_for(11, 5.0, 5);
    assert_eq!(stand.report(1).associations[0].state, State::Healthy);
    stand.attempt(12, Outcome::new(Verdict::NotFound));
    let revised_provider = WatchedProvider {
        revision: 1,
        ..provider(1)
    };
    stand.configure(
        &[revised_provider],
        &[association(11, 1), association(12, 1)],
    );
    assert_eq!(stand.standing(12), READY);
    assert_eq!(stand.report(1).associations[1].error_count, 0);
}

#[test]
fn the_report_tells_what_happened() {
    let mut stand = Stand::new();
    let begin = stand.now.utc;
    stand.attempt(11, Outcome::new(Verdict::Answered).status(200));
    stand.fail(11, Verdict::Failed);
    let report = stand.report(1);
    let after = |seconds| begin + Duration::from_secs(seconds);
    assert_eq!(report.state, State::Unhealthy);
    assert_eq!(report.reason, Some(Reason::ConsecutiveFailures));
    assert_eq!(report.error_count, 5);
    assert_eq!(report.last_error.as_deref(), Some("it broke"));
    assert_eq!(report.last_status_code, Some(500));
    assert_eq!(report.last_validated_at, None);
    assert_eq!(report.last_success_at, Some(begin));
    assert_eq!(report.next_retry_at, Some(after(10)));
    assert_eq!(report.consecutive_successes, 0);
    let own = &report.associations[0];
    assert_eq!(
        (own.state, own.next_retry_at),
        (State::Unhealthy, Some(after(10)))
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["state"], "unhealthy");
    assert_eq!(json["reason"], "consecutive_failures");
}

#[test]
fn long_or_odd_error_texts_are_made_to_fit() {
    let stand = Stand::new();
    let error = format!("\0{}", "é".repeat(600));
    stand.attempt(11, Outcome::new(Verdict::Failed).error(error));
    assert_eq!(stand.report(1).last_error, Some("é".repeat(500)));
}

#[test]
fn recent_outcomes_are_the_last_fifty() {
    let mut stand = Stand::new();
    for second in 0..60u16 {
        stand.wait(1.0);
        let verdict = match second % 3 {
            0 => Verdict::Answered,
            1 => Verdict::ClientFault,
            _ => Verdict::RateLimited { retry_after: None },
        };
        let latency = Duration::from_millis(second.into());
        stand.attempt(11, Outcome::new(verdict).status(second).latency(latency));
    }
    stand.attempt(11, Outcome::new(Verdict::Held));
    let recent = stand.health.recent(CandidateId(11), stand.now).unwrap();
    assert_eq!(recent.len(), 50);
    assert_eq!((recent[0].status, recent[49].status), (Some(59), Some(10)));
    assert_eq!(
        (recent[0].at, recent[0].latency_ms),
        (stand.now.utc, Some(59))
    );
    assert_eq!(recent[49].at, stand.now.utc - Duration::from_secs(49));
    let ok: Vec<_> = recent.iter().take(3).map(|it| it.ok).collect();
    assert_eq!(ok, [false, true, true]);
}

#[test]
fn transitions_are_counted_also_those_of_time() {
    let mut stand = Stand::new();
    stand.fail(11, Verdict::Failed);
    stand.wait(5.0);
    stand.attempt(11, Outcome::new(Verdict::Answered));
    stand.attempt(11, Outcome::new(Verdict::Answered));
    stand.wait(30.0);
    let once = |healthy| Entered {
        healthy,
        degraded: 1,
        unhealthy: 1,
    };
    assert_eq!(stand.health.transitions().providers, once(0));
    stand.health.observe(stand.now.instant);
    stand.health.observe(stand.now.instant);
    assert_eq!(stand.health.transitions().providers, once(1));
    assert_eq!(stand.health.transitions().associations, once(1));
}

#[tokio::test]
async fn checks_need_a_watched_provider_and_a_worker() {
    let stand = Stand::new();
    let unknown = stand.health.check_now(ProviderId(9)).await;
    assert!(matches!(unknown, Err(Error::UnknownProvider)));
    let stopped = stand.health.check_now(ProviderId(1)).await;
    assert!(matches!(stopped, Err(Error::Stopped)));
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let retry_after = prop::option::of((0u64..300).prop_map(Duration::from_secs));
    prop_oneof![
        4 => Just(Verdict::Answered),
        4 => Just(Verdict::Failed),
        1 => Just(Verdict::Timeout),
        1 => Just(Verdict::ConnectTimeout),
        1 => Just(Verdict::NotFound),
        1 => Just(Verdict::Misconfigured),
        1 => Just(Verdict::ClientFault),
        1 => retry_after.prop_map(|retry_after| Verdict::RateLimited { retry_after }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn standing_is_always_true(
        steps in prop::collection::vec((any_verdict(), 0u64..5_000, any::<bool>()), 1..1000)
    ) {
        let mut stand = Stand::new();
        for (verdict, wait_ms, hang_up) in steps {
            stand.wait(wait_ms as f64 / 1000.0);
            let standing = stand.standing(11);
            let attempt = stand.begin(11);
            // Nothing is running, so nothing is held back.
            prop_assert!(attempt.is_some());
            prop_assert_eq!(stand.in_flight(11), 1);
            if let Standing::Trial = standing {
                prop_assert!(stand.begin(11).is_none());
            }
            if hang_up {
                drop(attempt);
            } else if let Some(attempt) = attempt {
                attempt.finish(Outcome::new(verdict), stand.now.instant);
                if verdict == Verdict::Answered {
                    prop_assert_eq!(stand.report(1).error_count, 0);
                }
            }
            prop_assert_eq!(stand.in_flight(11), 0);
            let report = stand.report(1);
            let own = &report.associations[0];
            let is_unhealthy = [report.state, own.state].contains(&State::Unhealthy);
            match stand.standing(11) {
                Standing::Ready { share } => {
                    let is_healthy = [report.state, own.state] == [State::Healthy; 2];
                    prop_assert_eq!(share < 1.0, !is_healthy);
                    prop_assert!(share >= 0.1);
                }
                Standing::Cooling { until } => {
                    prop_assert!(until > stand.now.instant);
                    prop_assert!(until <= stand.now.instant + Duration::from_secs(120));
                }
                Standing::Trial => prop_assert!(is_unhealthy),
                Standing::Open { until, .. } => {
                    prop_assert!(is_unhealthy);
                    prop_assert!(until > stand.now.instant);
                }
            }
        }
    }
}

/// Asks nothing of the clock: the handle works at whatever times it is given.
#[test]
fn times_before_the_configuration_do_no_harm() {
    let stand = Stand::new();
    let early = stand.now.instant.checked_sub(Duration::from_secs(3));
    let early: Instant = early.expect("the machine has run for seconds");
    let attempt = stand.health.begin(CandidateId(11), ProviderId(1), early);
    attempt
        .expect("free")
        .finish(Outcome::new(Verdict::Failed), early);
    assert_eq!(stand.report(1).error_count, 1);
}

/// Remembers what it is told.
#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<(CandidateId, Duration)>>);

impl crate::Peers for Told {
    fn tell(&self, candidate: CandidateId, pause: Duration) {
        self.0.lock().unwrap().push((candidate, pause));
    }
}

#[test]
fn others_are_told_of_each_pause_but_of_those_that_they_told() {
    let mut stand = Stand::new();
    let told = std::sync::Arc::new(Told::default());
    stand.health.tell(told.clone());
    let seconds = Duration::from_secs;
    let retry_after = Some(seconds(500));
    stand.attempt(11, Outcome::new(Verdict::RateLimited { retry_after }));
    stand.attempt(11, Outcome::new(Verdict::Answered));
    stand
        .health
        .pause(CandidateId(12), seconds(7), stand.now.instant);
    stand
        .health
        .hear(CandidateId(21), seconds(9), stand.now.instant);
    let until = |id: i64, pause: u64| {
        let until = stand.now.instant + seconds(pause);
        assert_eq!(stand.standing(id), Standing::Cooling { until });
    };
    until(11, 120);
    until(12, 7);
    until(21, 9);
    let expected = [
        (CandidateId(11), seconds(120)),
        (CandidateId(12), seconds(7)),
    ];
    assert_eq!(*told.0.lock().unwrap(), expected);
    // What is known already is not made shorter.
    stand
        .health
        .hear(CandidateId(11), seconds(5), stand.now.instant);
    stand.wait(119.0);
    assert!(matches!(stand.standing(11), Standing::Cooling { .. }));
    stand.wait(1.0);
    assert_eq!(stand.standing(11), READY);
    assert!(
        stand
            .health
            .report(stand.now)
            .iter()
            .all(|it| it.error_count == 0)
    );
}
