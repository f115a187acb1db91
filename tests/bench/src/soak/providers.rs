//! The providers: simulators in this process that fail in every way there is, and sometimes are not there at all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use simulator::{Rule, Simulator, SimulatorSettings};

use crate::run::PROVIDER_KEY;

/// Types and paths of the providers.
pub(crate) const KINDS: [(&str, &str, &str); 4] = [
    ("soak-openai", "openai", "/v1"),
    ("soak-second", "openai", "/v1"),
    ("soak-anthropic", "anthropic", ""),
    ("soak-gemini", "gemini", ""),
];

/// Between two times that a provider goes away, and for how long it stays away.
const FLAP_EVERY: Duration = Duration::from_secs(11);
const FLAP: Duration = Duration::from_secs(3);

/// What goes wrong, each as often as the others.
fn faults() -> Vec<Value> {
    let fault = |fault: Value| json!({"fault": fault});
    let at = |kind: &str, point: Value| json!({"fault": {"kind": kind, "at": point}});
    let events = |count: usize| json!({"after_events": count});
    vec![
        json!({"status": 500}),
        json!({"status": 503}),
        json!({"status": 529}),
        json!({"error": "html", "status": 502}),
        json!({"error": "rate_limit", "retry_after": {"seconds": 1}}),
        json!({"error": "overloaded", "retry_after": {"seconds": 1}}),
        at("reset", json!("before_headers")),
        at("reset", json!("after_headers")),
        at("reset", json!("mid_body")),
        at("close", json!("in_headers")),
        at("close", json!("mid_body")),
        at("close", events(1)),
        at("close", events(8)),
        at("hang", json!("before_headers")),
        at("hang", json!("after_headers")),
        at("hang", events(8)),
        fault(json!({"kind": "malformed"})),
        fault(json!({"kind": "malformed", "after_events": 6})),
        fault(json!({"kind": "error_event"})),
        fault(json!({"kind": "error_event", "after_events": 6})),
        fault(json!({"kind": "empty"})),
        fault(json!({"kind": "no_done"})),
        fault(json!({"kind": "json_for_stream"})),
        fault(json!({"kind": "gzip"})),
        fault(json!({"kind": "slow_headers", "bytes": 16, "every_ms": 10})),
        fault(json!({"kind": "trickle", "bytes": 64, "every_ms": 5})),
        json!({"ttft_ms": 700}),
        json!({"sse": {"split_bytes": 7}}),
    ]
}

/// Rules by which a share of the requests meets one of the faults.
fn rules(share: f64) -> anyhow::Result<Vec<Rule>> {
    let faults = faults();
    let each = share / faults.len() as f64;
    let rules = faults.into_iter().enumerate().map(|(before, fault)| {
        // A rule sees only what those before it let pass.
        let rate = each / (1.0 - each * before as f64);
        let rule = json!({"rate": rate, "do": fault});
        serde_json::from_value(rule).context("a fault that the simulator does not know")
    });
    rules.collect()
}

/// The simulators, in the order of [`KINDS`].
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    pub(crate) all: Arc<[Simulator]>,
}

impl Providers {
    /// Starts them.
    pub(crate) async fn start(share: f64) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for (seed, (name, _, _)) in KINDS.iter().enumerate() {
            let simulator = Simulator::start(SimulatorSettings {
                name: (*name).to_owned(),
                api_key: Some(PROVIDER_KEY.to_owned()),
                time_to_first_token: Duration::from_millis(10),
                tokens_per_second: Some(250.0),
                jitter: 0.5,
                tokens: 24,
                seed: seed as u64,
                journal: 0,
                ..SimulatorSettings::default()
            })
            .await?;
            simulator.set_rules(rules(share)?);
            all.push(simulator);
        }
        Ok(Self { all: all.into() })
    }

    /// Takes one after the other away for a while, without end.
    pub(crate) async fn flap(self) -> anyhow::Result<()> {
        for simulator in self.all.iter().cycle() {
            tokio::time::sleep(FLAP_EVERY).await;
            simulator.refuse().await;
            tokio::time::sleep(FLAP).await;
            simulator
                .accept()
                .await
                .context("a provider cannot come back")?;
        }
        Ok(())
    }

    /// Closes every connection to them.
    pub(crate) async fn close(&self) {
        for simulator in self.all.iter() {
            simulator.refuse().await;
        }
    }

    /// Lets all of them listen again.
    pub(crate) async fn open(&self) -> anyhow::Result<()> {
        for simulator in self.all.iter() {
            simulator.accept().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_known_and_as_likely_as_the_others() {
        let rules = rules(0.2).unwrap();
        let (mut passes, mut shares) = (1.0, Vec::new());
        for rule in &rules {
            let rate = rule.rate.unwrap();
            shares.push(passes * rate);
            passes *= 1.0 - rate;
        }
        assert!((1.0 - passes - 0.2_f64).abs() < 1e-9, "{passes}");
        assert!(shares.iter().all(|share| (share - shares[0]).abs() < 1e-9));
    }
}
