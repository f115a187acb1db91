//! What the data path counts while requests run; what is known at their ends is counted from their records, elsewhere.
//! Labels are bounded: no text of a client's becomes one.

use access::limit::{Kind, Limited, Scope};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::guard::Stage;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HedgeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResumeLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    /// What was full.
    full: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    /// Whose limit it was.
    scope: &'static str,
    /// Of what.
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GuardLabels {
    /// Which way the text went.
    stage: &'static str,
    result: &'static str,
}

/// Counters and gauges of requests that run.
#[derive(Debug)]
pub struct Metrics {
    panics: Counter,
    hedges: Family<HedgeLabels, Counter>,
    shed: Family<ShedLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    resumes: Family<ResumeLabels, Counter>,
    resume_tokens: Counter,
    guards: Family<GuardLabels, Counter>,
    pub(crate) in_flight: Gauge,
}

impl Metrics {
    /// Makes them, and registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            panics: Counter::default(),
            hedges: Family::default(),
            shed: Family::default(),
            limited: Family::default(),
            resumes: Family::default(),
            resume_tokens: Counter::default(),
            guards: Family::default(),
            in_flight: Gauge::default(),
        };
        registry.register(
            "panics",
            "Faults of the gateway that a request met",
            metrics.panics.clone(),
        );
        registry.register(
            "hedges",
            "Second attempts beside slow ones, by what became of them",
            metrics.hedges.clone(),
        );
        registry.register(
            "requests_shed",
            "Client requests refused since the gateway, or every provider of the model, was full",
            metrics.shed.clone(),
        );
        registry.register(
            "requests_limited",
            "Client requests refused by a limit, by whose it is and of what",
            metrics.limited.clone(),
        );
        registry.register(
            "resumes",
            "Streams that broke and were to go on with another provider, by what became of them",
            metrics.resumes.clone(),
        );
        registry.register(
            "resume_tokens",
            "Tokens used by attempts to go on with a stream that broke",
            metrics.resume_tokens.clone(),
        );
        registry.register(
            "guards",
            "Requests and answers that a content guard redacted, denied or failed to judge",
            metrics.guards.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Client requests that run now",
            metrics.in_flight.clone(),
        );
        metrics
    }

    pub(crate) fn hedge(&self, outcome: &'static str) {
        self.hedges.get_or_create(&HedgeLabels { outcome }).inc();
    }

    pub(crate) fn resume(&self, result: &'static str) {
        self.resumes.get_or_create(&ResumeLabels { result }).inc();
    }

    pub(crate) fn resume_used(&self, tokens: u64) {
        self.resume_tokens.inc_by(tokens);
    }

    pub(crate) fn shed(&self, full: &'static str) {
        self.shed.get_or_create(&ShedLabels { full }).inc();
    }

    pub(crate) fn limited(&self, limited: &Limited) {
        let labels = LimitLabels {
            scope: match limited.scope {
                Scope::All => "all",
                Scope::Key(_) => "key",
                Scope::ModelOfKey(..) => "key_model",
                Scope::Provider(_) | Scope::ModelOfProvider(..) => "provider",
            },
            kind: match limited.kind {
                Kind::Requests => "requests",
                Kind::Tokens => "tokens",
                Kind::Concurrent => "concurrent",
            },
        };
        self.limited.get_or_create(&labels).inc();
    }

    pub(crate) fn guarded(&self, stage: Stage, result: &'static str) {
        let stage = stage.name();
        let labels = GuardLabels { stage, result };
        self.guards.get_or_create(&labels).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}
