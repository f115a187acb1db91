//! Medians, ratios, and how they are shown.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::load::{Report, Shape};

/// The system the others are compared with.
const BASE: &str = "bare-inspect";

/// One turn of one system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    scenario: String,
    system: &'static str,
    round: usize,
    shape: Shape,
    /// User and system time of the process per request; none for the simulator.
    cpu_us_per_request: Option<f64>,
    load: Report,
}

impl Sample {
    /// A turn in which the process used `cpu`.
    pub(crate) fn new(
        shape: Shape,
        scenario: String,
        system: &'static str,
        round: usize,
        load: &Report,
        cpu: Option<Duration>,
    ) -> Self {
        let requests = (load.answered() + load.failed).max(1) as f64;
        let cpu_us_per_request = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / requests);
        Self {
            scenario,
            system,
            round,
            shape,
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
            system,
            scenario,
            load,
            ..
        }) = bad
        {
            anyhow::bail!(
                "{system} was wrong or silent in {scenario}: {}",
                load.first_error.as_deref().unwrap_or("?")
            );
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
        let mut text = String::from(
            "| scenario | system | good/s | CPU us/request | CPU / bare-inspect | p50 us | p99 us | p50 - bare1 us | bad |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for Sample {
            scenario, system, ..
        } in &self.samples
        {
            if seen.contains(&(scenario, system)) {
                continue;
            }
            seen.push((scenario, system));
            let line = self.line(scenario, system);
            let base = self.line(scenario, BASE).cpu_us;
            let cpu = line
                .cpu_us
                .map_or("-".to_owned(), |cpu| format!("{cpu:.1}"));
            let ratio = line
                .cpu_us
                .zip(base)
                .map_or("-".to_owned(), |(cpu, base)| format!("{:.2}", cpu / base));
            let added = line.p50_us - self.line(scenario, "bare1").p50_us;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {scenario} | {system} | {:.0} | {cpu} | {ratio} | {:.0} | {:.0} | {added:+.0} | {} |",
                line.per_second, line.p50_us, line.p99_us, line.bad
            );
        }
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

    fn line(&self, scenario: &str, system: &str) -> Line {
        let turns: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.scenario == scenario && sample.system == system)
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
            results.add(Sample::new(
                Shape::Small,
                "small".to_owned(),
                system,
                0,
                &load,
                cpu,
            ));
        }
        let line = results.line("small", "gateway");
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
