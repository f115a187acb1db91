//! What was measured, kept as JSON, and whether it may be believed.

mod plot;
mod table;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::idle::Idle;
use super::overload::Step;
use super::scenario::Case;
use super::stage::Stage;
use super::startup::Startup;
use crate::load::Report;

/// The system the others are compared with.
const BASE: &str = "bare-inspect";

/// One turn of one system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    case: Case,
    system: String,
    round: usize,
    /// User and system time of the process per request; none for the simulator.
    cpu_us_per_request: Option<f64>,
    /// Its resident memory at its highest in this turn.
    peak_kb: Option<u64>,
    load: Report,
}

impl Sample {
    /// A turn in which the process used `cpu`.
    pub(crate) fn new(
        case: Case,
        system: &str,
        round: usize,
        load: &Report,
        cpu: Option<Duration>,
        peak_kb: Option<u64>,
    ) -> Self {
        let requests = (load.answered() + load.failed).max(1) as f64;
        let cpu_us_per_request = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / requests);
        Self {
            case,
            system: system.to_owned(),
            round,
            cpu_us_per_request,
            peak_kb,
            load: load.clone(),
        }
    }
}

/// Resident memory of one system: before any load, at its highest, and two seconds after the last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) stage: Stage,
    pub(crate) system: String,
    pub(crate) idle_kb: u64,
    pub(crate) peak_kb: u64,
    pub(crate) after_kb: u64,
}

/// The size of a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Binary {
    name: String,
    bytes: u64,
}

impl Binary {
    /// Of the file as it is, which a release build has stripped.
    pub(crate) fn of(name: &str, file: &Path) -> anyhow::Result<Self> {
        let told = std::fs::metadata(file);
        let told = told.with_context(|| format!("cannot find {}", file.display()))?;
        Ok(Self {
            name: name.to_owned(),
            bytes: told.len(),
        })
    }
}

/// Whether a gateway wrote down what it served.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Accounting {
    pub(crate) system: String,
    /// Requests it answered, but for those refused.
    pub(crate) answered: u64,
    /// Requests it refused for the processor's sake.
    #[serde(default)]
    pub(crate) refused: u64,
    /// Requests that got no complete answer; each may or may not be a row.
    pub(crate) lost: u64,
    pub(crate) rows: u64,
}

impl Accounting {
    fn adds_up(&self) -> bool {
        (self.answered..=self.answered + self.lost).contains(&self.rows)
    }
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    samples: Vec<Sample>,
    /// Of the gateway, beyond what it can do.
    pub(crate) overload: Vec<Step>,
    /// Of a gateway that serves few at a time, beyond these.
    #[serde(default)]
    pub(crate) places: Vec<Step>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) startup: Vec<Startup>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) binaries: Vec<Binary>,
    pub(crate) accounting: Vec<Accounting>,
    /// What could not be measured, and why.
    left_out: Vec<String>,
}

/// Medians over the rounds of one case on one system.
#[derive(Debug, PartialEq)]
struct Line {
    per_second: f64,
    cpu_us: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    first_p50_us: f64,
    first_p99_us: f64,
    /// The highest of the rounds.
    peak_kb: Option<u64>,
    bad: u64,
}

impl Results {
    /// Takes a turn in.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Says, at once and in the end, what is not measured.
    pub(crate) fn leave_out(&mut self, what: String) -> anyhow::Result<()> {
        writeln!(std::io::stderr(), "left out: {what}")?;
        self.left_out.push(what);
        Ok(())
    }

    /// The results of an earlier run.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let json =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&json)
            .with_context(|| format!("{} is not what a run writes", file.display()))
    }

    /// Writes them down.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string(self)?;
        std::fs::write(file, json + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// An error when a system answered wrongly or not at all, or when a gateway's books do not add up.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let bad = self
            .samples
            .iter()
            .find(|sample| sample.load.wrong + sample.load.failed > 0);
        if let Some(Sample {
            system, case, load, ..
        }) = bad
        {
            anyhow::bail!(
                "{system} was wrong or silent in {case:?}: {}",
                load.first_error.as_deref().unwrap_or("?")
            );
        }
        if let Some(fault) = self
            .overload
            .iter()
            .chain(&self.places)
            .find_map(Step::fault)
        {
            anyhow::bail!("the gateway was wrong or silent under overload: {fault}");
        }
        let broken = self.accounting.iter().find(|books| !books.adds_up());
        if let Some(Accounting {
            system,
            answered,
            rows,
            ..
        }) = broken
        {
            anyhow::bail!("{system}: rows in request_logs: {rows}, requests answered: {answered}");
        }
        Ok(())
    }

    fn line(&self, case: Case, system: &str) -> Line {
        let turns: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.case == case && sample.system == system)
            .collect();
        let of = |value: fn(&Report) -> f64| {
            median(turns.iter().map(|turn| value(&turn.load)).collect()).unwrap_or(0.0)
        };
        Line {
            per_second: of(|load| load.per_second),
            cpu_us: median(
                turns
                    .iter()
                    .filter_map(|turn| turn.cpu_us_per_request)
                    .collect(),
            ),
            p50_us: of(|load| load.p50_us),
            p99_us: of(|load| load.p99_us),
            first_p50_us: of(|load| load.first_byte_p50_us),
            first_p99_us: of(|load| load.first_byte_p99_us),
            peak_kb: turns.iter().filter_map(|turn| turn.peak_kb).max(),
            bad: turns
                .iter()
                .map(|turn| turn.load.wrong + turn.load.failed)
                .sum(),
        }
    }
}

fn ratio(value: Option<f64>, base: Option<f64>) -> Option<f64> {
    value
        .zip(base.filter(|base| *base > 0.0))
        .map(|(value, base)| value / base)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0], Some(2.5)),
        ] {
            assert_eq!(median(values), expected);
        }
    }

    #[test]
    fn rows_add_up_when_each_answer_has_one() {
        for (answered, lost, rows, expected) in [
            (5, 0, 5, true),
            (5, 0, 4, false),
            (5, 0, 6, false),
            (5, 1, 6, true),
        ] {
            let books = Accounting {
                system: "gateway".to_owned(),
                answered,
                refused: 3,
                lost,
                rows,
            };
            assert_eq!(books.adds_up(), expected);
            let results = Results {
                accounting: vec![books],
                ..Results::default()
            };
            assert_eq!(results.check().is_ok(), expected);
        }
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let mut results = Results::default();
        results.leave_out("nginx: not there".to_owned()).unwrap();
        let case = super::super::scenario::Scenario::Limits.cases()[2];
        let load = Report {
            good: 10,
            ..Report::default()
        };
        results.add(Sample::new(case, "gateway", 0, &load, None, Some(7)));
        results.write(&file).unwrap();
        let read = Results::read(&file).unwrap();
        assert_eq!(read.tables(), results.tables());
        assert_eq!(read.line(case, "gateway").peak_kb, Some(7));
        std::fs::write(&file, "{}").unwrap();
        assert!(Results::read(&file).is_err());
    }
}
