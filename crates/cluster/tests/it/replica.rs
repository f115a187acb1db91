//! A gateway, as far as limits and health go.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use access::limit::{Admission, Granted, Limited, Limiter, Rates, Rule, Scope, Shared, Wanted};
use cluster::{Cluster, Settings};
use health::{Health, Moment, WatchedAssociation, WatchedProvider};
use router::{CandidateId, ProviderId};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::wire::Wire;

/// Patience of tests on a machine that has much else to do.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Replica {
    pub(crate) cluster: Cluster,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) health: Health,
    shared: Arc<dyn Shared>,
    _stop: DropGuard,
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) fn rule(
    scope: Scope,
    requests: Option<u64>,
    tokens: Option<u64>,
    concurrent: Option<u64>,
) -> Rule {
    let rates = Rates {
        requests,
        tokens,
        concurrent,
    };
    Rule { scope, rates }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Replica {
    /// One of three, whose requests wait so long that only a dead Redis is too slow.
    pub(crate) async fn of_three(wire: &Wire) -> Self {
        let replica = Self::new(wire, Duration::from_secs(2)).await;
        until("Redis answers", async || replica.cluster.is_up()).await;
        replica
    }

    pub(crate) async fn new(wire: &Wire, timeout: Duration) -> Self {
        let limiter = Arc::new(Limiter::new(now()));
        let health = Health::new(&health::Settings::default());
        let (candidate, provider) = (CandidateId(1), ProviderId(1));
        health.configure(
            &[WatchedProvider {
                provider,
                revision: 0,
            }],
            &[WatchedAssociation {
                candidate,
                provider,
                revision: 0,
                cost: None,
            }],
            Moment::now(),
        );
        let settings = Settings {
            url: wire.url().into(),
            ca: None,
            timeout,
            gateway: uuid::Uuid::now_v7().to_string(),
        };
        let gateways = Arc::new(AtomicU64::new(3));
        let (cluster, worker) =
            cluster::start(&settings, limiter.clone(), gateways, health.clone()).unwrap();
        health.tell(Arc::new(cluster.clone()));
        let stop = CancellationToken::new();
        tokio::spawn(worker.run(stop.clone()));
        Self {
            shared: Arc::new(cluster.clone()),
            cluster,
            limiter,
            health,
            _stop: stop.drop_guard(),
        }
    }

    /// What Redis says, if it does.
    pub(crate) async fn ask(
        &self,
        rules: &[Rule],
        choices: &[Vec<Rule>],
        tokens: u64,
    ) -> Option<Result<(Granted, Admission), Box<Limited>>> {
        let wanted = Wanted {
            rules: rules.to_vec(),
            choices: choices.to_vec(),
            tokens,
        };
        let decision = self.shared.reserve(wanted).await?;
        Some(decision.map(|granted| {
            let chosen = choices.get(granted.lacks.len()).into_iter().flatten();
            let taken: Vec<_> = rules.iter().chain(chosen).cloned().collect();
            let entered = self.limiter.enter(&taken, tokens, now());
            let admission = entered.shared(&self.shared, Some(granted.step));
            (granted, admission)
        }))
    }

    /// As a request that was let pass by all together so many steps ago.
    pub(crate) fn admit_earlier(&self, rules: &[Rule], tokens: u64, ago: u64) -> Admission {
        let entered = self.limiter.enter(rules, tokens, now());
        entered.shared(&self.shared, Some(self.shared.step() - ago))
    }

    /// As a request is let pass: by all together, or by this gateway's part.
    pub(crate) async fn admit(&self, rules: &[Rule], tokens: u64) -> Option<Admission> {
        match self.ask(rules, &[], tokens).await {
            Some(decision) => decision.ok().map(|(_, admission)| admission),
            None => {
                let part = |rule: &Rule| Rule {
                    scope: rule.scope.clone(),
                    rates: rule.rates.part(self.shared.gateways()),
                };
                let parts: Vec<_> = rules.iter().map(part).collect();
                let admitted = self.limiter.admit(&parts, tokens, now()).ok()?;
                Some(admitted.shared(&self.shared, None))
            }
        }
    }
}
