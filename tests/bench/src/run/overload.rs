//! More than the gateway can do: how much of what it does is of use, how soon the rest is refused, and how it is after.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scenario::{Case, Scenario, With};
use super::{Bench, Pace, System};
use crate::load::{Report, Shape};

/// Connections of the load: more than the gateway serves at once.
pub(super) const CONNECTIONS: usize = 1024;
/// Offered load, as multiples of the saturation.
const FACTORS: [f64; 2] = [2.0, 3.0];
/// Load with which it is looked at before and after.
const CALM: f64 = 0.3;

/// One step, and how it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    what: String,
    /// Requests per second; none for as many as are answered.
    offered: Option<f64>,
    /// Useful answers, as a share of the saturation.
    useful: f64,
    load: Report,
    /// What each answer or refusal took of the processor, in microseconds, where the kernel tells.
    #[serde(default)]
    cpu_us: Option<f64>,
    /// Resident memory at its highest in this step.
    peak_kb: u64,
}

/// Measures the saturation, and what happens beyond it: of the processor, or of places.
pub(super) fn measure(
    bench: &Bench<'_>,
    system: &mut System,
    scenario: Scenario,
) -> anyhow::Result<Vec<Step>> {
    let case = Case {
        scenario,
        shape: Shape::Small,
        direction: None,
        with: With::Nothing,
    };
    let seconds = bench.settings.seconds;
    let mut steps = Vec::new();
    let mut step = |what: String, rate: Option<f64>, saturation: Option<f64>| {
        let pace = match rate {
            None => Pace::default(),
            Some(_) => Pace {
                rate,
                connections: Some(CONNECTIONS),
            },
        };
        system.forget_peak()?;
        let before = system.cpu()?;
        let load = bench.load(system, case, seconds, pace)?;
        let cpu = system.cpu()?.zip(before);
        let cpu_us = cpu.map(|(after, before)| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / load.answered().max(1) as f64
        });
        let per_second = load.per_second;
        let peak_kb = system.peak_kb()?.unwrap_or_default();
        steps.push(Step {
            what,
            offered: rate,
            useful: per_second / saturation.unwrap_or(per_second),
            load,
            cpu_us,
            peak_kb,
        });
        Ok::<_, anyhow::Error>(per_second)
    };
    let saturation = step("saturation".to_owned(), None, None)?;
    step(
        "before".to_owned(),
        Some(saturation * CALM),
        Some(saturation),
    )?;
    for factor in FACTORS {
        let rate = Some(saturation * factor);
        step(format!("{factor:.0}x overload"), rate, Some(saturation))?;
        std::thread::sleep(Duration::from_secs(1));
        let what = format!("1 s after {factor:.0}x");
        step(what, Some(saturation * CALM), Some(saturation))?;
    }
    Ok(steps)
}

/// The steps below one another, under a heading.
pub(super) fn table(heading: &str, steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n| {heading} | offered/s | useful/s | of saturation | p50 ms | p99 ms | refused | refused p99 ms | bad | CPU us/request | peak MB |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for step in steps {
        let load = &step.load;
        let offered = step
            .offered
            .map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        let cpu = step.cpu_us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        let refused = load.refused as f64 / load.answered().max(1) as f64;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {offered} | {:.0} | {:.0} % | {:.2} | {:.2} | {:.0} % | {:.2} | {} | {cpu} | {:.1} |",
            step.what,
            load.per_second,
            step.useful * 100.0,
            load.p50_us / 1e3,
            load.p99_us / 1e3,
            refused * 100.0,
            load.refused_p99_us / 1e3,
            load.wrong + load.failed,
            step.peak_kb as f64 / 1024.0
        );
    }
    text
}

impl Step {
    /// What it met that is neither an answer nor a refusal.
    pub(super) fn fault(&self) -> Option<&str> {
        let is_bad = self.load.wrong + self.load.failed > 0;
        is_bad.then(|| self.load.first_error.as_deref().unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_the_share_that_was_of_use_and_the_share_that_was_refused() {
        let load = Report {
            good: 900,
            refused: 1_100,
            per_second: 900.0,
            p50_us: 1_500.0,
            refused_p99_us: 9_000.0,
            ..Report::default()
        };
        let mut step = Step {
            what: "2x overload".to_owned(),
            offered: Some(2_000.0),
            useful: 0.9,
            load,
            cpu_us: Some(21.0),
            peak_kb: 2_048,
        };
        let line =
            "| 2x overload | 2000 | 900 | 90 % | 1.50 | 0.00 | 55 % | 9.00 | 0 | 21.0 | 2.0 |";
        let steps = [step.clone()];
        let table = table("load", &steps);
        assert!(
            table.contains("| load | offered/s") && table.contains(line),
            "{table}"
        );
        assert_eq!(step.fault(), None);
        step.load.failed = 1;
        assert_eq!(step.fault(), Some("?"));
    }
}
