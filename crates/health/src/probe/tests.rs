use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use router::{CandidateId, ProviderId, Verdict};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Probe, Prober};
use crate::lease::Turn;
use crate::{
    Error, Health, Moment, Outcome, ProviderReport, Reason, Settings, State, WatchedAssociation,
    WatchedProvider,
};

/// What the probe does, and what was asked of it.
#[derive(Debug)]
struct Script {
    targets: i64,
    answer: Mutex<Option<Verdict>>,
    takes: Duration,
    log: Mutex<Vec<(i64, Instant)>>,
    running: AtomicUsize,
    peak: AtomicUsize,
}

#[derive(Debug)]
struct Scripted(Arc<Script>);

impl Probe for Scripted {
    fn targets(&self) -> Vec<ProviderId> {
        (0..self.0.targets).map(ProviderId).collect()
    }

    async fn probe(&self, provider: ProviderId) -> Outcome {
        let script = &self.0;
        script
            .log
            .lock()
            .unwrap()
            .push((provider.0, Instant::now()));
        let running = script.running.fetch_add(1, Ordering::SeqCst) + 1;
        script.peak.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(script.takes).await;
        script.running.fetch_sub(1, Ordering::SeqCst);
        let answer = *script.answer.lock().unwrap();
        Outcome::new(answer.expect("the probe is scripted to break off")).error("as scripted")
    }
}

/// A prober at work on paused time.
struct Stand {
    health: Health,
    script: Arc<Script>,
    start: Instant,
    stop: CancellationToken,
    work: JoinHandle<()>,
    turn: Turn,
}

impl Stand {
    fn new(interval_s: u64, targets: i64, answer: Option<Verdict>, takes: Duration) -> Self {
        let settings = Settings {
            probe_interval: Duration::from_secs(interval_s),
            ..Settings::default()
        };
        Self::with(settings, targets, answer, takes)
    }

    fn with(settings: Settings, targets: i64, answer: Option<Verdict>, takes: Duration) -> Self {
        let script = Arc::new(Script {
            targets,
            answer: Mutex::new(answer),
            takes,
            log: Mutex::default(),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        });
        let (health, checks) = Health::with_checks(&settings);
        let providers: Vec<_> = (0..targets)
            .map(|id| WatchedProvider {
                provider: ProviderId(id),
                revision: 0,
            })
            .collect();
        let association = WatchedAssociation {
            candidate: CandidateId(1),
            provider: ProviderId(0),
            revision: 0,
            cost: None,
        };
        health.configure(&providers, &[association], Moment::now());
        let probe = Scripted(Arc::clone(&script));
        let turn = Turn::default();
        turn.set(true);
        let prober = Prober::new(&settings, probe, health.clone(), checks, turn.clone());
        let stop = CancellationToken::new();
        Self {
            health,
            script,
            start: Instant::now(),
            work: tokio::spawn(prober.run(stop.clone())),
            stop,
            turn,
        }
    }

    /// Makes provider 0 unhealthy.
    fn trip(&self) {
        let now = Moment::now().instant;
        let attempt = self.health.begin_anyway(CandidateId(1), ProviderId(0), now);
        attempt.finish(Outcome::new(Verdict::Misconfigured), now);
    }

    fn report(&self, id: usize) -> ProviderReport {
        self.health.report(Moment::now()).swap_remove(id)
    }

    /// Seconds at which `provider` was probed.
    fn probed(&self, provider: i64) -> Vec<u64> {
        let log = self.script.log.lock().unwrap();
        let of_provider = log.iter().filter(|(id, _)| *id == provider);
        of_provider
            .map(|(_, at)| (*at - self.start).as_secs())
            .collect()
    }

    async fn end(self) {
        self.stop.cancel();
        self.work.await.expect("the prober ends in peace");
    }
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const OK: Option<Verdict> = Some(Verdict::Answered);
const FAILS: Option<Verdict> = Some(Verdict::Failed);
const QUICK: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn a_replica_whose_turn_it_is_not_probes_only_whom_it_holds_to_be_unhealthy() {
    let stand = Stand::new(300, 2, OK, QUICK);
    stand.turn.set(false);
    wait(1000).await;
    assert!(stand.probed(0).is_empty() && stand.probed(1).is_empty());
    stand.trip();
    wait(100).await;
    assert!(!stand.probed(0).is_empty());
    assert_eq!(stand.report(0).state, State::Healthy);
    assert!(stand.probed(1).is_empty());
    stand.turn.set(true);
    wait(400).await;
    assert!(!stand.probed(1).is_empty());
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn every_target_is_probed_on_the_interval() {
    let stand = Stand::new(300, 3, OK, QUICK);
    wait(3000).await;
    for provider in 0..3 {
        let at = stand.probed(provider);
        assert!(at[0] <= 11, "{at:?}");
        for pair in at.windows(2) {
            assert!((270..=331).contains(&(pair[1] - pair[0])), "{at:?}");
        }
        assert!((9..=12).contains(&at.len()), "{at:?}");
    }
    let report = stand.report(2);
    assert!(report.last_validated_at.is_some());
    assert_eq!(report.last_validated_at, report.last_success_at);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn switched_off_only_checks_on_demand_probe() {
    let settings = Settings {
        probes_enabled: false,
        ..Settings::default()
    };
    let stand = Stand::with(settings, 1, FAILS, QUICK);
    stand.trip();
    wait(3000).await;
    assert!(stand.probed(0).is_empty());
    let outcome = stand.health.check_now(ProviderId(0)).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Failed);
    assert_eq!(stand.probed(0).len(), 1);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_provider_is_probed_when_its_pause_is_over() {
    let stand = Stand::new(3600, 2, OK, QUICK);
    wait(60).await;
    stand.trip();
    assert_eq!(stand.report(0).reason, Some(Reason::Misconfigured));
    wait(4).await;
    assert_eq!(stand.report(0).state, State::Unhealthy);
    wait(3).await;
    let probed = stand.probed(0);
    assert!((65..=66).contains(&probed[1]), "{probed:?}");
    assert_eq!(stand.report(0).reason, Some(Reason::SlowStart));
    assert_eq!(stand.probed(1).len(), 1);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn probes_of_a_dead_provider_become_rare() {
    let stand = Stand::new(86_400, 1, FAILS, QUICK);
    wait(20).await;
    stand.trip();
    wait(3600).await;
    let probed = stand.probed(0);
    // The first one, then 5 s, 10 s, 20 s, ... 2560 s apart, give or take a fifth.
    assert!((9..=12).contains(&probed.len()), "{probed:?}");
    let gaps: Vec<_> = probed[1..].windows(2).map(|it| it[1] - it[0]).collect();
    assert!(gaps.is_sorted(), "{gaps:?}");
    let report = stand.report(0);
    assert_eq!(report.error_count as usize, probed.len() + 1);
    assert_eq!(report.last_error.as_deref(), Some("as scripted"));
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_proves_nothing_is_not_repeated_in_haste() {
    let stand = Stand::new(86_400, 1, Some(Verdict::ClientFault), QUICK);
    wait(20).await;
    stand.trip();
    wait(100).await;
    let probed = stand.probed(0);
    assert!((18..=21).contains(&probed.len()), "{probed:?}");
    assert_eq!(stand.report(0).state, State::Unhealthy);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn failing_probes_alone_make_it_unhealthy() {
    let stand = Stand::new(60, 1, FAILS, QUICK);
    wait(205).await;
    assert_eq!(stand.report(0).state, State::Healthy);
    wait(95).await;
    assert_eq!(stand.report(0).reason, Some(Reason::ConsecutiveFailures));
    *stand.script.answer.lock().unwrap() = OK;
    wait(700).await;
    assert_eq!(stand.report(0).state, State::Healthy);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn few_probes_run_at_a_time_and_all_get_their_turn() {
    let stand = Stand::new(300, 50, OK, Duration::from_secs(5));
    wait(100).await;
    assert_eq!(
        stand.script.peak.load(Ordering::SeqCst),
        super::MAX_SCHEDULED
    );
    for provider in 0..50 {
        assert_eq!(stand.probed(provider).len(), 1, "provider {provider}");
    }
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_probe_is_given_up_and_held_against_the_provider() {
    let stand = Stand::new(86_400, 1, OK, Duration::from_secs(3600));
    let outcome = stand.health.check_now(ProviderId(0)).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Timeout);
    assert_eq!(stand.start.elapsed().as_secs(), 30);
    let report = stand.report(0);
    assert_eq!(report.error_count, 1);
    assert!(report.last_validated_at.is_some());
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn checks_at_the_same_time_share_one_probe() {
    let stand = Stand::new(86_400, 1, OK, Duration::from_secs(1));
    let check = || stand.health.check_now(ProviderId(0));
    let (first, second, third) = tokio::join!(check(), check(), check());
    for outcome in [first, second, third] {
        assert_eq!(outcome.unwrap().verdict, Verdict::Answered);
    }
    assert_eq!(stand.probed(0).len(), 1);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_checks_are_refused() {
    let stand = Stand::new(86_400, 40, OK, Duration::from_secs(1));
    let started = |count: i64, from: i64| {
        (from..from + count).map(|id| {
            let health = stand.health.clone();
            tokio::spawn(async move { health.check_now(ProviderId(id)).await })
        })
    };
    let running: Vec<_> = started(super::MAX_RUNNING as i64, 0).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let waiting: Vec<_> = started(16, 16).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let refused = stand.health.check_now(ProviderId(39)).await;
    assert!(matches!(refused, Err(Error::Busy)));
    for check in running.into_iter().chain(waiting) {
        assert_eq!(check.await.unwrap().unwrap().verdict, Verdict::Answered);
    }
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_breaks_off_harms_nothing_else() {
    let stand = Stand::new(86_400, 1, None, QUICK);
    let outcome = stand.health.check_now(ProviderId(0)).await;
    assert!(matches!(outcome, Err(Error::Stopped)));
    assert_eq!(stand.report(0).error_count, 0);
    *stand.script.answer.lock().unwrap() = OK;
    let outcome = stand.health.check_now(ProviderId(0)).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Answered);
    stand.end().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_cuts_off_probes() {
    let stand = Stand::new(86_400, 1, OK, Duration::from_secs(20));
    let health = stand.health.clone();
    let check = tokio::spawn(async move { health.check_now(ProviderId(0)).await });
    wait(1).await;
    let health = stand.health.clone();
    stand.end().await;
    assert!(matches!(check.await.unwrap(), Err(Error::Stopped)));
    assert!(matches!(
        health.check_now(ProviderId(0)).await,
        Err(Error::Stopped)
    ));
}
