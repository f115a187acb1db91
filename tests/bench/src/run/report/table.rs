//! How results are shown: Markdown, so that they can be read in a terminal and put into a page.

use std::fmt::Write as _;

use super::{BASE, Binary, Line, Results, Sample, median, ratio};
use crate::load::Protocol;
use crate::run::scenario::{Case, Direction, Scenario, With};
use crate::run::startup::Startup;
use crate::run::{idle, name, overload};

/// A scenario as the table of ratios has it.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) label: String,
    /// CPU time of a request through [`BASE`], in microseconds.
    base_us: Option<f64>,
    /// CPU time of a request as a multiple of that, of the systems of [`COLUMNS`].
    pub(super) ratios: [Option<f64>; 3],
    /// Requests of the gateway per second, as a share of [`BASE`]'s.
    throughput: Option<f64>,
}

/// Systems that are compared; of several gateways each has a row.
pub(super) const COLUMNS: [&str; 3] = ["bare1", "nginx", "gateway"];

impl Results {
    /// Everything, one table below the other.
    pub(crate) fn tables(&self) -> String {
        let mut text = self.ratios_table();
        text.push_str(&self.systems_table());
        text.push_str(&self.directions_table());
        text.push_str(&self.paced_table());
        text.push_str(&overload::table("load", &self.overload));
        text.push_str(&overload::table("load of 64 places", &self.places));
        if !self.idle.is_empty() {
            text.push('\n');
            text.push_str(idle::HEAD);
            let lines = self.idle.iter().map(|idle| idle.line() + "\n");
            text.extend(lines);
        }
        text.push_str(&startup_table(&self.startup));
        text.push_str(&self.memory_table());
        text.push_str(&self.remarks());
        text
    }

    /// Each scenario once, in the order of the first turns.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut seen: Vec<(Case, &str)> = Vec::new();
        for Sample { case, system, .. } in &self.samples {
            let (family, variant) = system.split_once(' ').unwrap_or((system, ""));
            if COLUMNS.contains(&family) && !seen.contains(&(*case, variant)) {
                seen.push((*case, variant));
            }
        }
        let row = |(case, variant): (Case, &str)| {
            let base = self.line(case.base(), BASE);
            let of = |family: &str| {
                let is_one_of_several = family == "gateway" && !variant.is_empty();
                let system = if is_one_of_several {
                    format!("{family} {variant}")
                } else {
                    family.to_owned()
                };
                self.line(case, &system)
            };
            let gateway = of("gateway").per_second;
            let label = match variant {
                "" => case.label(),
                variant => format!("{}, {variant}", case.label()),
            };
            Row {
                label,
                base_us: base.cpu_us,
                ratios: COLUMNS.map(|family| ratio(of(family).cpu_us, base.cpu_us)),
                throughput: ratio(
                    Some(gateway).filter(|rate| *rate > 0.0),
                    Some(base.per_second),
                ),
            }
        };
        seen.into_iter().map(row).collect()
    }

    fn ratios_table(&self) -> String {
        let rows = self.rows();
        if rows.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "| CPU per request | `bare-inspect`, us | `bare1` | `nginx` | `gateway` | its good/s, of `bare-inspect`'s |\n\
             |---|---|---|---|---|---|\n",
        );
        for row in rows {
            let [bare1, nginx, gateway] = row.ratios.map(|ratio| shown(ratio, 2));
            let throughput = row.throughput;
            let throughput =
                throughput.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {bare1} | {nginx} | {gateway} | {throughput} |",
                row.label,
                shown(row.base_us, 1)
            );
        }
        text
    }

    /// What was measured, each once, in the order of the first turns.
    fn measured(&self, translates: bool) -> Vec<(Case, &str)> {
        let mut seen = Vec::new();
        for Sample { case, system, .. } in &self.samples {
            if case.direction.is_some() == translates && !seen.contains(&(*case, system.as_str())) {
                seen.push((*case, system.as_str()));
            }
        }
        seen
    }

    /// The systems beside one another.
    fn systems_table(&self) -> String {
        let measured = self.measured(false);
        if measured.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\n| scenario | system | good/s | CPU us/request | CPU / bare-inspect | p50 us | p99 us | p50 - bare1 us | peak MB | bad |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (case, system) in measured {
            let line = self.line(case, system);
            let base = self.line(case.base(), BASE).cpu_us;
            let bare = self.line(case, "bare1").p50_us;
            let added = Some(line.p50_us - bare).filter(|_| bare > 0.0);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {system} | {:.0} | {} | {} | {:.0} | {:.0} | {} | {} | {} |",
                case.label(),
                line.per_second,
                shown(line.cpu_us, 1),
                shown(ratio(line.cpu_us, base), 2),
                line.p50_us,
                line.p99_us,
                added.map_or("-".to_owned(), |us| format!("{us:+.0}")),
                shown(line.peak_kb.map(|kb| kb as f64 / 1024.0), 1),
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
                provider.told(),
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

    /// How late the first chunk is.
    fn paced_table(&self) -> String {
        let mut text = String::new();
        for (case, system) in self.measured(false) {
            if case.scenario != Scenario::Paced {
                continue;
            }
            if text.is_empty() {
                text.push_str(
                    "\n| first chunk of a paced stream | p50 ms | p99 ms |\n|---|---|---|\n",
                );
            }
            let line = self.line(case, system);
            let [p50, p99] = [line.first_p50_us, line.first_p99_us].map(|us| us / 1e3);
            let _ = writeln!(text, "| {system} | {p50:.2} | {p99:.2} |");
        }
        text
    }

    fn memory_table(&self) -> String {
        let mut text =
            String::from("\n| system | idle MB | peak MB | after MB |\n|---|---|---|---|\n");
        for memory in &self.memory {
            let [idle, peak, after] =
                [memory.idle_kb, memory.peak_kb, memory.after_kb].map(|kb| kb as f64 / 1024.0);
            let stage = format!("{:?}", memory.stage).to_lowercase();
            let _ = writeln!(
                text,
                "| {} ({stage}) | {idle:.1} | {peak:.1} | {after:.1} |",
                memory.system
            );
        }
        text
    }

    fn remarks(&self) -> String {
        let mut text = String::from("\n");
        for Binary { name, bytes } in &self.binaries {
            let _ = writeln!(text, "{name}: a program of {:.1} MB", *bytes as f64 / 1e6);
        }
        if let Some(kept) = self.kept_with_limits() {
            let _ = writeln!(
                text,
                "with limits on its key the gateway keeps {:.0} % of its throughput",
                kept * 100.0
            );
        }
        for books in &self.accounting {
            let _ = writeln!(
                text,
                "{}: {} requests answered, {} refused, {} lost, {} rows written",
                books.system, books.answered, books.refused, books.lost, books.rows
            );
        }
        for what in &self.left_out {
            let _ = writeln!(text, "left out: {what}");
        }
        text
    }

    /// The gateway's throughput with limits on the key, as a share of that with a key from its settings.
    fn kept_with_limits(&self) -> Option<f64> {
        let of = |with| {
            let mut cases = Scenario::Limits.cases().into_iter();
            let line: Line = self.line(cases.find(|case| case.with == with)?, "gateway");
            Some(line.per_second).filter(|rate| *rate > 0.0)
        };
        ratio(of(With::Limits), of(With::Nothing))
    }
}

fn startup_table(starts: &[Startup]) -> String {
    if starts.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n| start to the first 200 | median ms | slowest ms | resident MB |\n|---|---|---|---|\n",
    );
    for start in starts {
        let slowest = start.ms.iter().copied().reduce(f64::max);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} |",
            start.system,
            shown(median(start.ms.clone()), 1),
            shown(slowest, 1),
            start.resident_kb as f64 / 1024.0
        );
    }
    text
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests;
