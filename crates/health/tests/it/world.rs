//! Requests that walk over providers which fail as a seed says, on a clock that is a number.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use fastrand::Rng;
use health::{Health, InFlight, Moment, Outcome, Settings, WatchedAssociation, WatchedProvider};
use router::{
    AssociationSpec, Candidate, CandidateId, CandidateState, Capabilities, EndpointSet, ModelId,
    ModelSpec, ProviderId, ProviderSpec, Refusal, Request, RetryBudget, Route, RouteTable, Seeded,
    Standing, Step, Strategy, Verdict, Walk,
};

/// What [`router::Walk`] may wait: the longest `Retry-After` that is waited out, and the longest backoff.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What a provider may ask for.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(120);

pub(super) struct World {
    pub(super) dice: Rng,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) health: Health,
    pub(super) settings: Settings,
    pub(super) table: RouteTable,
    pub(super) budget: RetryBudget,
    pub(super) max_retry: u32,
    /// By provider: how it answers these days.
    moods: Vec<Mood>,
    revisions: Vec<u64>,
    spending: Spending,
    pub(super) requests: u64,
    pub(super) attempts: u64,
    pub(super) held: u64,
    pub(super) trials: u64,
}

/// The share of attempts that fail, and how.
#[derive(Clone, Copy)]
struct Mood {
    failing: f64,
    verdict: Verdict,
    lasts: Duration,
}

/// One request under way.
pub(super) struct Running<'r> {
    walk: Walk<'r>,
    candidate: &'r Candidate,
    is_forced: bool,
    /// None while it waits.
    in_flight: Option<InFlight>,
    wait: Duration,
    sent: u32,
    tried: Vec<CandidateId>,
    paid: Paid,
    is_free_used: bool,
    has_credit: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Paid {
    Nothing,
    Free,
    Drawn,
}

/// Requests and draws by second, counted as the budget's documentation says.
#[derive(Default)]
struct Spending {
    requests: VecDeque<u64>,
    draws: VecDeque<u64>,
}

impl Spending {
    /// Notes a draw in `second`, and answers whether it was allowed.
    fn draw(&mut self, second: u64) -> bool {
        let recent = |of: &VecDeque<u64>| of.iter().filter(|it| **it + 10 > second).count();
        let in_second = self.draws.iter().filter(|it| **it == second).count();
        let is_allowed = in_second < 10 || recent(&self.draws) * 100 < recent(&self.requests) * 20;
        self.draws.push_back(second);
        is_allowed
    }

    fn forget(&mut self, second: u64) {
        for list in [&mut self.requests, &mut self.draws] {
            while list.front().is_some_and(|it| it + 10 <= second) {
                list.pop_front();
            }
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        let mut dice = Rng::with_seed(seed);
        let start = Instant::now();
        let settings = Settings {
            max_errors: dice.u32(..7),
            max_pause: Duration::from_secs([10, 60, 3_600][dice.usize(..3)]),
            ..Settings::default()
        };
        let max_retry = dice.u32(..6);
        let model = ModelSpec {
            id: ModelId(1),
            name: "m".into(),
            enabled: true,
            max_retry,
            strategy: Strategy::ALL[dice.usize(..Strategy::ALL.len())],
        };
        let count = dice.i64(1..=6);
        let providers: Vec<_> = (0..count)
            .map(|id| ProviderSpec {
                id: ProviderId(id),
                name: format!("p{id}").into(),
                enabled: true,
                priority: dice.i32(0..3),
                weight: dice.u32(0..4),
                endpoints: EndpointSet::ALL,
            })
            .collect();
        let associations: Vec<_> = (0..count)
            .map(|id| AssociationSpec {
                id: CandidateId(id),
                model: ModelId(1),
                provider: ProviderId(id),
                provider_model: format!("pm{}", id % 3).into(),
                weight: dice.u32(0..4),
                capabilities: Capabilities::ALL,
                enabled: true,
            })
            .collect();
        let count = usize::try_from(count).unwrap();
        let mut world = Self {
            start,
            now: start,
            health: Health::new(&settings),
            settings,
            table: RouteTable::build([model], providers, associations).unwrap(),
            budget: RetryBudget::new(start),
            max_retry,
            moods: (0..count).map(|_| mood(&mut dice)).collect(),
            revisions: vec![0; count],
            spending: Spending::default(),
            requests: 0,
            attempts: 0,
            held: 0,
            trials: 0,
            dice,
        };
        world.configure();
        world
    }

    /// Tells health who is watched, while the wall clock jumps as it likes.
    pub(super) fn configure(&mut self) {
        let jump = TimeDelta::seconds(self.dice.i64(-7_200..7_200));
        let moment = Moment {
            instant: self.now,
            utc: Utc::now() + jump,
        };
        let id = |index: usize| i64::try_from(index).unwrap();
        let revisions = self.revisions.iter().enumerate();
        let providers: Vec<_> = revisions
            .map(|(index, revision)| WatchedProvider {
                provider: ProviderId(id(index)),
                revision: *revision,
            })
            .collect();
        let associations: Vec<_> = (0..self.revisions.len())
            .map(|index| WatchedAssociation {
                candidate: CandidateId(id(index)),
                provider: ProviderId(id(index)),
                revision: 0,
                cost: (index % 2 == 0).then_some(index as u64),
            })
            .collect();
        self.health.configure(&providers, &associations, moment);
    }

    /// A provider gets another address: what was known of it is forgotten.
    pub(super) fn renew(&mut self) {
        let index = self.dice.usize(..self.revisions.len());
        self.revisions[index] += 1;
        self.configure();
    }

    pub(super) fn change_mood(&mut self) {
        let index = self.dice.usize(..self.moods.len());
        self.moods[index] = mood(&mut self.dice);
    }

    pub(super) fn standing(&self, candidate: &Candidate) -> Standing {
        self.standing_at(candidate, self.now)
    }

    fn standing_at(&self, candidate: &Candidate, at: Instant) -> Standing {
        let standing = self
            .health
            .standing(candidate.id(), candidate.provider(), at);
        let longest = self.settings.max_pause.max(LONGEST_COOLDOWN);
        match standing {
            Standing::Ready { share } => assert!((0.1..=1.0).contains(&share), "share {share}"),
            Standing::Open { until, .. } => assert!(until <= at + longest, "open for too long"),
            Standing::Cooling { until } => {
                assert!(
                    until > at && until <= at + LONGEST_COOLDOWN,
                    "cooling for too long"
                );
            }
            Standing::Trial => {}
        }
        standing
    }

    fn second(&self) -> u64 {
        (self.now - self.start).as_secs()
    }

    /// A request comes. None where it is turned away, which may only be while all of several candidates cool.
    pub(super) fn arrive<'r>(
        &mut self,
        route: &'r Route,
        budget: &'r RetryBudget,
    ) -> Option<Running<'r>> {
        let standings: BTreeMap<_, _> = route
            .candidates()
            .iter()
            .map(|it| (it.id(), self.standing(it)))
            .collect();
        let is_fit = |it: &Standing| matches!(it, Standing::Ready { .. } | Standing::Trial);
        let fit = standings.values().filter(|it| is_fit(it)).count();
        let wanted = Request {
            session: Some(self.dice.u64(..5)),
            ..Request::default()
        };
        let mut dice = Seeded(self.dice.u64(..));
        let plan = match route.plan(&wanted, &self.health, self.now, &mut dice) {
            Ok(plan) => plan,
            Err(Refusal::AllCooling { retry_after }) => {
                let all_cool = standings
                    .values()
                    .all(|it| matches!(it, Standing::Cooling { .. }));
                assert!(all_cool && standings.len() > 1, "{standings:?}");
                assert!(retry_after <= LONGEST_COOLDOWN);
                return None;
            }
            Err(other) => panic!("no plan: {other}"),
        };
        let planned: Vec<_> = plan.candidates().map(Candidate::id).collect();
        let mut distinct = planned.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(
            distinct.len(),
            planned.len(),
            "a candidate is planned twice"
        );
        assert!(!planned.is_empty(), "the last candidate was taken away");
        if fit > 0 {
            assert!(
                planned.iter().all(|it| is_fit(&standings[it])),
                "{standings:?}"
            );
            assert_eq!(planned.len(), fit, "one that is fit is left out");
        }
        let is_forced = plan.is_forced();
        assert_eq!(is_forced, fit == 0 || standings.len() == 1);
        self.requests += 1;
        self.spending.requests.push_back(self.second());
        let mut walk = plan.walk(budget);
        let Step::Try(candidate) = walk.next(None, self.now, &mut dice) else {
            panic!("a walk begins with a try");
        };
        let mut running = Running {
            walk,
            candidate,
            is_forced,
            in_flight: None,
            wait: Duration::ZERO,
            sent: 0,
            tried: Vec::new(),
            paid: Paid::Nothing,
            is_free_used: false,
            has_credit: false,
        };
        self.send(&mut running).then_some(running)
    }

    /// Begins the attempt that `running` is at, or goes on where that is held. Answers whether the request goes on.
    pub(super) fn send(&mut self, running: &mut Running<'_>) -> bool {
        let candidate = running.candidate;
        let before = self.standing(candidate);
        let (id, provider) = (candidate.id(), candidate.provider());
        let begun = if running.is_forced {
            Some(self.health.begin_anyway(id, provider, self.now))
        } else {
            self.health.begin(id, provider, self.now)
        };
        let Some(in_flight) = begun else {
            // It or its provider is half-open, and somebody else has the trial; it may cool or be open as well.
            assert!(matches!(before, Standing::Open { .. }), "{before:?}");
            self.held += 1;
            return self.step(running, Verdict::Held);
        };
        // Half-open since its pause ended: what keeps it shut is a trial.
        let is_tried = matches!(before, Standing::Open { until, .. } if until <= self.now);
        assert!(running.is_forced || !is_tried, "two trials at a time");
        if before == Standing::Trial {
            self.trials += 1;
            let after = self.standing(candidate);
            assert!(
                matches!(after, Standing::Open { .. }),
                "two trials at a time: {after:?}"
            );
        }
        running.in_flight = Some(in_flight);
        running.sent += 1;
        running.tried.push(id);
        self.attempts += 1;
        true
    }

    /// How the attempt goes: its verdict and how long it takes.
    pub(super) fn fate(&mut self, running: &Running<'_>) -> (Verdict, Duration) {
        let index = usize::try_from(running.candidate.provider().0).unwrap();
        let mood = self.moods[index];
        let lasts = mood.lasts.mul_f64(self.dice.f64());
        let verdict = match self.dice.u8(..20) {
            0 => Verdict::ClientGone,
            1 => Verdict::ClientFault,
            2 => Verdict::ContextLengthExceeded,
            _ if self.dice.f64() < mood.failing => mood.verdict,
            _ => Verdict::Answered,
        };
        (verdict, lasts)
    }

    /// The attempt of `running` ends. Answers whether the request goes on.
    pub(super) fn end(&mut self, running: &mut Running<'_>, verdict: Verdict) -> bool {
        let mut in_flight = running.in_flight.take().unwrap();
        match verdict {
            // The client hangs up: nobody says so.
            Verdict::ClientGone => drop(in_flight),
            _ => {
                if verdict == Verdict::Answered && self.dice.bool() {
                    in_flight.first_content(self.now);
                }
                in_flight.finish(Outcome::new(verdict), self.now);
            }
        }
        self.step(running, verdict)
    }

    fn step(&mut self, running: &mut Running<'_>, verdict: Verdict) -> bool {
        if verdict == Verdict::Held {
            match running.paid {
                Paid::Nothing => {}
                Paid::Free => running.is_free_used = false,
                Paid::Drawn => running.has_credit = true,
            }
        }
        let mut dice = Seeded(self.dice.u64(..));
        let (candidate, wait) = match running.walk.next(Some(verdict), self.now, &mut dice) {
            Step::Try(candidate) => (candidate, Duration::ZERO),
            Step::Wait(wait, candidate) => (candidate, wait),
            Step::Stop(_) => {
                assert_eq!(
                    running.walk.attempts(),
                    running.sent,
                    "attempts are miscounted"
                );
                assert!(running.sent <= self.max_retry + 1, "too many attempts");
                return false;
            }
        };
        assert!(verdict.tries_next(), "{verdict:?} is final");
        assert!(wait <= LONGEST_WAIT, "waits {wait:?}");
        self.pay(running, candidate);
        running.candidate = candidate;
        running.wait = wait;
        if wait.is_zero() {
            return self.send(running);
        }
        true
    }

    /// What the walk has to pay for going on to `candidate`.
    fn pay(&mut self, running: &mut Running<'_>, candidate: &Candidate) {
        let is_fresh = !running.tried.contains(&candidate.id());
        running.paid = if running.sent == 0 {
            Paid::Nothing
        } else if is_fresh && !running.is_free_used {
            running.is_free_used = true;
            Paid::Free
        } else {
            if !std::mem::take(&mut running.has_credit) {
                let second = self.second();
                assert!(self.spending.draw(second), "the retry budget is exceeded");
            }
            Paid::Drawn
        };
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        let second = self.second();
        self.spending.forget(second);
    }
}

impl Running<'_> {
    /// How long it waits before its next attempt; none while one runs.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.in_flight.is_none().then_some(self.wait)
    }
}

fn mood(dice: &mut Rng) -> Mood {
    let pause = [None, Some(0), Some(1), Some(30), Some(90_000)][dice.usize(..5)];
    let retry_after = pause.map(Duration::from_secs);
    Mood {
        failing: [0.0, 0.0, 0.1, 0.5, 1.0][dice.usize(..5)],
        verdict: [
            Verdict::Failed,
            Verdict::ConnectTimeout,
            Verdict::Timeout,
            Verdict::NotFound,
            Verdict::Misconfigured,
            Verdict::RateLimited { retry_after },
            Verdict::Overloaded { retry_after },
        ][dice.usize(..7)],
        lasts: [
            Duration::ZERO,
            Duration::from_secs(1),
            Duration::from_secs(60),
        ][dice.usize(..3)],
    }
}
