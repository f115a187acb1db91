//! Medians, ratios, and how they are shown.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::name;
use super::overload::{self, Step};
use super::scenario::{Case, Direction, Provider};
use crate::load::{Protocol, Report};

/// The system the others are compared with.
const BASE: &str = "bare-inspect";

/// One turn of one system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    case: Case,
    system: &'static str,
    round: usize,
    /// User and system time of the process per request; none for the simulator.
    cpu_us_per_request: Option<f64>,
    load: Report,
}

impl Sample {
    /// A turn in which the process used `cpu`.
    pub(crate) fn new(
        case: Case,
        system: &'static str,
        round: usize,
        load: &Report,
        cpu: Option<Duration>,
    ) -> Self {
        let requests = (load.answered() + load.failed).max(1) as f64;
        let cpu_us_per_request = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / requests);
        Self {
            case,
            system,
            round,
            cpu_us_per_request,
            load: load.clone(),
        }
    }
}

/// Resident memory of one system: before any load, at its highest, and two seconds after the last.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) system: &'static str,
    pub(crate) idle_kb: u64,
    pub(crate) peak_kb: u64,
    pub(crate) after_kb: u64,
}

/// Whether the gateway wrote down what it served.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Accounting {
    /// Requests it answered.
    pub(crate) answered: u64,
    /// Requests that got no complete answer; each may or may not be a row.
    pub(crate) lost: u64,
    pub(crate) rows: u64,
}

impl Accounting {
    fn adds_up(self) -> bool {
        (self.answered..=self.answered + self.lost).contains(&self.rows)
    }
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    samples: Vec<Sample>,
    /// Of the gateway, beyond what it can do.
    pub(crate) overload: Vec<Step>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) accounting: Option<Accounting>,
}

/// One line of the table: medians over the rounds.
#[derive(Debug, PartialEq)]
struct Line {
    per_second: f64,
    cpu_us: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    bad: u64,
}

impl Results {
    /// Takes a turn in.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// Prints the table, writes the JSON, and says what was wrong.
    pub(crate) fn print(&self, out: Option<&Path>) -> anyhow::Result<()> {
        std::io::stdout().write_all(self.table().as_bytes())?;
        if let Some(out) = out {
            let json = serde_json::to_string_pretty(self)?;
            std::fs::write(out, json).with_context(|| format!("cannot write {}", out.display()))?;
        }
        self.check()
    }

    /// An error when a system answered wrongly or not at all, or when the gateway's books do not add up.
    fn check(&self) -> anyhow::Result<()> {
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
        if let Some(fault) = self.overload.iter().find_map(Step::fault) {
            anyhow::bail!("the gateway was wrong or silent under overload: {fault}");
        }
        if let Some(accounting) = self.accounting.filter(|accounting| !accounting.adds_up()) {
            anyhow::bail!(
                "rows in request_logs: {}, requests answered: {}",
                accounting.rows,
                accounting.answered
            );
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = self.systems_table();
        text.push_str(&self.directions_table());
        text.push_str(&overload::table(&self.overload));
        text.push_str("\n| system | idle MB | peak MB | after MB |\n|---|---|---|---|\n");
        for memory in &self.memory {
            let [idle, peak, after] =
                [memory.idle_kb, memory.peak_kb, memory.after_kb].map(|kb| kb as f64 / 1024.0);
            let _ = writeln!(
                text,
                "| {} | {idle:.1} | {peak:.1} | {after:.1} |",
                memory.system
            );
        }
        if let Some(Accounting {
            answered,
            lost,
            rows,
        }) = self.accounting
        {
            let _ = writeln!(
                text,
                "\ngateway: {answered} requests answered, {lost} lost, {rows} rows written"
            );
        }
        text
    }

    /// What was measured, each once, in the order of the first turns.
    fn measured(&self, translates: bool) -> Vec<(Case, &'static str)> {
        let mut seen = Vec::new();
        for Sample { case, system, .. } in &self.samples {
            if case.direction.is_some() == translates && !seen.contains(&(*case, *system)) {
                seen.push((*case, *system));
            }
        }
        seen
    }

    /// The systems beside one another.
    fn systems_table(&self) -> String {
        let mut text = String::from(
            "| scenario | system | good/s | CPU us/request | CPU / bare-inspect | p50 us | p99 us | p50 - bare1 us | bad |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for (case, system) in self.measured(false) {
            let line = self.line(case, system);
            let base = self.line(case, BASE).cpu_us;
            let added = line.p50_us - self.line(case, "bare1").p50_us;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {system} | {:.0} | {} | {} | {:.0} | {:.0} | {added:+.0} | {} |",
                name(case.scenario),
                line.per_second,
                shown(line.cpu_us, 1),
                shown(ratio(line.cpu_us, base), 2),
                line.p50_us,
                line.p99_us,
                line.bad
            );
        }
        text
    }

    /// The gateway's directions beside passing the same client's requests through, and beside [`BASE`].
    fn directions_table(&self) -> String {
        let measured = self.measured(true);
        if measured.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\n| answer | client | provider | system | good/s | CPU us/request | CPU / pass-through | CPU / bare-inspect | p50 us | bad |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (case, system) in measured {
            let Some(Direction { client, provider }) = case.direction else {
                continue;
            };
            let line = self.line(case, system);
            let toward = |client: Protocol, system: &str| {
                let direction = Some(Direction::natural(client));
                self.line(Case { direction, ..case }, system).cpu_us
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {system} | {:.0} | {} | {} | {} | {:.0} | {} |",
                name(case.shape),
                name(client),
                told(provider),
                line.per_second,
                shown(line.cpu_us, 1),
                shown(ratio(line.cpu_us, toward(client, "gateway")), 2),
                shown(ratio(line.cpu_us, toward(Protocol::Chat, BASE)), 2),
                line.p50_us,
                line.bad
            );
        }
        text
    }

    fn line(&self, case: Case, system: &str) -> Line {
        let turns: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.case == case && sample.system == system)
            .collect();
        let of = |value: fn(&Report) -> f64| {
            median(turns.iter().map(|turn| value(&turn.load)).collect())
        };
        Line {
            per_second: of(|load| load.per_second).unwrap_or(0.0),
            cpu_us: median(
                turns
                    .iter()
                    .filter_map(|turn| turn.cpu_us_per_request)
                    .collect(),
            ),
            p50_us: of(|load| load.p50_us).unwrap_or(0.0),
            p99_us: of(|load| load.p99_us).unwrap_or(0.0),
            bad: turns
                .iter()
                .map(|turn| turn.load.wrong + turn.load.failed)
                .sum(),
        }
    }
}

fn ratio(value: Option<f64>, base: Option<f64>) -> Option<f64> {
    value.zip(base).map(|(value, base)| value / base)
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn told(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Gemini => "gemini",
    }
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
    use super::super::scenario::Scenario;
    use super::*;
    use crate::load::Shape;

    const SMALL: Case = Case {
        scenario: Scenario::Small,
        shape: Shape::Small,
        direction: None,
    };

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
    fn a_line_is_the_median_of_its_rounds_and_the_sum_of_its_errors() {
        let mut results = Results::default();
        for (system, cpu_ms, wrong) in [
            ("gateway", 20, 0),
            ("gateway", 40, 1),
            ("gateway", 30, 0),
            (BASE, 10, 0),
        ] {
            let load = Report {
                good: 1000 - wrong,
                wrong,
                per_second: cpu_ms as f64,
                ..Report::default()
            };
            let cpu = Some(Duration::from_millis(cpu_ms));
            results.add(Sample::new(SMALL, system, 0, &load, cpu));
        }
        let line = results.line(SMALL, "gateway");
        assert_eq!(
            (line.per_second, line.cpu_us, line.bad),
            (30.0, Some(30.0), 1)
        );
        assert!(
            results
                .table()
                .contains("| small | gateway | 30 | 30.0 | 3.00 |"),
            "{}",
            results.table()
        );
        assert!(results.check().is_err(), "a wrong answer fails the run");
    }

    #[test]
    fn a_direction_stands_beside_its_clients_pass_through() {
        let mut results = Results::default();
        let direction = |client, provider| Case {
            scenario: Scenario::Translate,
            direction: Some(Direction { client, provider }),
            ..SMALL
        };
        for (client, provider, system, cpu_ms) in [
            (Protocol::Chat, Provider::OpenAi, BASE, 10),
            (Protocol::Chat, Provider::OpenAi, "gateway", 15),
            (Protocol::Messages, Provider::OpenAi, "gateway", 30),
            (Protocol::Messages, Provider::Anthropic, "gateway", 20),
        ] {
            let load = Report {
                good: 1000,
                ..Report::default()
            };
            let cpu = Some(Duration::from_millis(cpu_ms));
            let case = direction(client, provider);
            results.add(Sample::new(case, system, 0, &load, cpu));
        }
        let table = results.directions_table();
        let expected = "| small | messages | openai | gateway | 0 | 30.0 | 1.50 | 3.00 |";
        assert!(table.contains(expected), "{table}");
        assert_eq!(results.measured(false), []);
    }

    #[test]
    fn rows_add_up_when_each_answer_has_one() {
        for (answered, lost, rows, expected) in [
            (5, 0, 5, true),
            (5, 0, 4, false),
            (5, 0, 6, false),
            (5, 1, 6, true),
        ] {
            assert_eq!(
                Accounting {
                    answered,
                    lost,
                    rows
                }
                .adds_up(),
                expected
            );
        }
    }
}
