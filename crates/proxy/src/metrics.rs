//! What the data path counts while requests run; what is known at their ends is counted from their records, elsewhere.
//! Labels are bounded: no text of a client's becomes one. All that can be counted is there from the start, at 0, so that
//! who asks for a rate has where it began.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use access::limit::{Kind, Limited, Scope};

use crate::{
    attempts::hedge_outcome,
    guard::{self, Stage},
    rescue,
};

/// A label and its value.
pub type Label = (&'static str, &'static str);

/// What is counted by one name, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// In the words of metrics, without prefix and suffix.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub is_counter: bool,
    /// Its values, by their labels.
    pub values: Vec<(Vec<Label>, u64)>,
}

/// One name, and a count for every combination of its labels.
#[derive(Debug)]
struct Counts {
    name: &'static str,
    help: &'static str,
    rows: Vec<(Vec<Label>, AtomicU64)>,
}

impl Counts {
    fn alone(name: &'static str, help: &'static str) -> Self {
        Self::of(name, help, [Vec::new()])
    }

    fn of(
        name: &'static str,
        help: &'static str,
        rows: impl IntoIterator<Item = Vec<Label>>,
    ) -> Self {
        let rows = rows.into_iter().map(|labels| (labels, AtomicU64::new(0)));
        Self {
            name,
            help,
            rows: rows.collect(),
        }
    }

    fn add(&self, labels: &[Label], count: u64) {
        let row = self.rows.iter().find(|(of, _)| of == labels);
        debug_assert!(row.is_some(), "{labels:?} of {} is counted", self.name);
        if let Some((_, counted)) = row {
            counted.fetch_add(count, Relaxed);
        }
    }

    fn figure(&self) -> Figure {
        let rows = self.rows.iter();
        Figure {
            name: self.name,
            help: self.help,
            is_counter: true,
            values: rows
                .map(|(labels, count)| (labels.clone(), count.load(Relaxed)))
                .collect(),
        }
    }
}

/// Every combination of two labels.
fn each<const N: usize, const M: usize>(
    (first, of_first): (&'static str, [&'static str; N]),
    (second, of_second): (&'static str, [&'static str; M]),
) -> impl Iterator<Item = Vec<Label>> {
    of_first.into_iter().flat_map(move |one| {
        of_second
            .into_iter()
            .map(move |other| vec![(first, one), (second, other)])
    })
}

fn one<const N: usize>(
    name: &'static str,
    values: [&'static str; N],
) -> impl Iterator<Item = Vec<Label>> {
    values.into_iter().map(move |value| vec![(name, value)])
}

/// Counters and gauges of requests that run.
#[derive(Debug)]
pub struct Metrics {
    panics: Counts,
    hedges: Counts,
    shed: Counts,
    limited: Counts,
    resumes: Counts,
    resume_tokens: Counts,
    guards: Counts,
    in_flight: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let stages = [Stage::Request, Stage::Response].map(Stage::name);
        Self {
            panics: Counts::alone("panics", "Faults of the gateway that a request met"),
            hedges: Counts::of(
                "hedges",
                "Second attempts beside slow ones, by what became of them",
                one("outcome", hedge_outcome::ALL),
            ),
            shed: Counts::of(
                "requests_shed",
                "Client requests refused since the gateway, or every provider of the model, was full",
                one("full", ["gateway", "processor", "provider"]),
            ),
            limited: Counts::of(
                "requests_limited",
                "Client requests refused by a limit, by whose it is and of what",
                each(
                    ("scope", ["all", "key", "key_model", "provider"]),
                    ("kind", ["requests", "tokens", "concurrent"]),
                ),
            ),
            resumes: Counts::of(
                "resumes",
                "Streams that broke and were to go on with another provider, by what became of them",
                one("result", rescue::result::ALL),
            ),
            resume_tokens: Counts::alone(
                "resume_tokens",
                "Tokens used by attempts to go on with a stream that broke",
            ),
            guards: Counts::of(
                "guards",
                "Requests and answers that a content guard redacted, denied or failed to judge",
                each(("stage", stages), ("result", guard::result::ALL)),
            ),
            in_flight: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// All of it, as it stands.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let counts = [
            &self.panics,
            &self.hedges,
            &self.shed,
            &self.limited,
            &self.resumes,
            &self.resume_tokens,
            &self.guards,
        ];
        let running = Figure {
            name: "requests_in_flight",
            help: "Client requests that run now",
            is_counter: false,
            values: vec![(Vec::new(), self.running())],
        };
        let counted = counts.into_iter().map(Counts::figure);
        counted.chain([running]).collect()
    }

    /// Requests that run.
    pub(crate) fn running(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn began(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(crate) fn hedge(&self, outcome: &'static str) {
        self.hedges.add(&[("outcome", outcome)], 1);
    }

    pub(crate) fn resume(&self, result: &'static str) {
        self.resumes.add(&[("result", result)], 1);
    }

    pub(crate) fn resume_used(&self, tokens: u64) {
        self.resume_tokens.add(&[], tokens);
    }

    pub(crate) fn shed(&self, full: &'static str) {
        self.shed.add(&[("full", full)], 1);
    }

    pub(crate) fn limited(&self, limited: &Limited) {
        let scope = match limited.scope {
            Scope::All => "all",
            Scope::Key(_) => "key",
            Scope::ModelOfKey(..) => "key_model",
            Scope::Provider(_) | Scope::ModelOfProvider(..) => "provider",
        };
        let kind = match limited.kind {
            Kind::Requests => "requests",
            Kind::Tokens => "tokens",
            Kind::Concurrent => "concurrent",
        };
        self.limited.add(&[("scope", scope), ("kind", kind)], 1);
    }

    pub(crate) fn guarded(&self, stage: Stage, result: &'static str) {
        self.guards
            .add(&[("stage", stage.name()), ("result", result)], 1);
    }

    pub(crate) fn panicked(&self) {
        self.panics.add(&[], 1);
    }
}
