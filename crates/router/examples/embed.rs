//! The router alone in a program of one's own: three simulated servers, one of them broken for a while, and the least
//! that health care can be. Run with `cargo run -p router --example embed`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::{Duration, Instant};

use router::{
    AssociationSpec, CandidateId, CandidateState, Capabilities, EndpointSet, Load, ModelId,
    ModelSpec, PeakEwma, ProviderId, ProviderSpec, Request, RetryBudget, RouteTable, Seeded,
    Standing, Step, StopReason, Strategy, Verdict,
};

/// What this program knows of its servers.
#[derive(Default)]
struct Health {
    /// Consecutive failures, and when the last one was.
    failures: HashMap<CandidateId, (u32, Instant)>,
    latency: HashMap<CandidateId, PeakEwma>,
}

impl Health {
    fn report(&mut self, candidate: CandidateId, verdict: Verdict, took: Duration, now: Instant) {
        let ewma = self
            .latency
            .entry(candidate)
            .or_insert_with(|| PeakEwma::new(Duration::from_secs(10)));
        ewma.observe(took, now);
        if verdict.is_held_against_association() {
            let (errors, last) = self.failures.entry(candidate).or_insert((0, now));
            *errors += 1;
            *last = now;
        } else {
            self.failures.remove(&candidate);
        }
    }
}

impl CandidateState for Health {
    fn standing(&self, candidate: CandidateId, _: ProviderId, now: Instant) -> Standing {
        match self.failures.get(&candidate) {
            // Three failures in a row are a break of two seconds.
            Some((errors @ 3.., last)) => match *last + Duration::from_secs(2) {
                until if until > now => Standing::Open {
                    until,
                    errors: *errors,
                },
                _ => Standing::Trial,
            },
            _ => Standing::Ready { share: 1.0 },
        }
    }

    fn load(&self, candidate: CandidateId, now: Instant) -> Load {
        Load {
            in_flight: 0,
            latency: self
                .latency
                .get(&candidate)
                .and_then(|ewma| ewma.latency(now)),
        }
    }

    fn cost(&self, _: CandidateId) -> Option<u64> {
        None
    }

    fn claim_cooling_trial(&self, _: CandidateId, _: Instant) -> bool {
        true
    }
}

/// Sends nothing: server 1 is broken from second 2 to second 5, server 3 slow.
fn send(candidate: CandidateId, second: u64) -> (Verdict, Duration) {
    match (candidate.0, second) {
        (1, 2..5) => (Verdict::Failed, Duration::from_millis(5)),
        (3, _) => (Verdict::Answered, Duration::from_millis(120)),
        _ => (Verdict::Answered, Duration::from_millis(30)),
    }
}

fn table() -> Result<RouteTable, router::Error> {
    let model = ModelSpec {
        id: ModelId(1),
        name: "small".into(),
        enabled: true,
        max_retry: 3,
        strategy: Strategy::Weighted,
    };
    // Servers 1 and 2 share the traffic two to one; server 3 stands by.
    let servers = [("fast", 100, 2), ("spare", 100, 1), ("slow", 50, 1)];
    let providers = (1..)
        .zip(servers)
        .map(|(id, (name, priority, weight))| ProviderSpec {
            id: ProviderId(id),
            name: name.into(),
            enabled: true,
            priority,
            weight,
            endpoints: EndpointSet::ALL,
        });
    let associations = (1..=3).map(|id| AssociationSpec {
        id: CandidateId(id),
        model: ModelId(1),
        provider: ProviderId(id),
        provider_model: "small-v2".into(),
        weight: 1,
        capabilities: Capabilities::TOOL_CALL,
        enabled: true,
    });
    RouteTable::build([model], providers, associations)
}

fn main() -> Result<(), Box<dyn Error>> {
    let table = table()?;
    let route = table.route("small").ok_or("no such model")?;
    let start = Instant::now();
    let (budget, mut health, mut dice) = (RetryBudget::new(start), Health::default(), Seeded(42));

    for second in 0..8 {
        let (mut tried, mut answered) = (BTreeMap::<&str, u32>::new(), 0);
        for millisecond in (0..1_000).step_by(10) {
            // The clock is an argument, so eight seconds pass in no time.
            let mut now = start + Duration::from_millis(second * 1_000 + millisecond);
            let mut walk = route
                .plan(&Request::default(), &health, now, &mut dice)?
                .walk(&budget);
            let mut verdict = None;
            let reason = loop {
                let candidate = match walk.next(verdict, now, &mut dice) {
                    Step::Try(candidate) => candidate,
                    Step::Wait(pause, candidate) => {
                        now += pause;
                        candidate
                    }
                    Step::Stop(reason) => break reason,
                };
                *tried.entry(candidate.provider_name()).or_default() += 1;
                let (outcome, took) = send(candidate.id(), second);
                now += took;
                health.report(candidate.id(), outcome, took, now);
                verdict = Some(outcome);
            };
            answered += u32::from(reason == StopReason::Answered);
        }
        println!("second {second}: {answered} of 100 requests answered, attempts {tried:?}");
    }

    let images = Request {
        requirements: Capabilities::IMAGE,
        ..Request::default()
    };
    if let Err(refusal) = route.plan(&images, &health, start, &mut dice) {
        println!("a request with an image: {refusal}");
    }
    Ok(())
}
