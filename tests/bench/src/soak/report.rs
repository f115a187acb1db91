//! What is told at the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::ask::Kind;
use super::changes::Calls;
use super::traffic::Ended;
use super::watch::Sample;

/// One invariant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) holds: bool,
    pub(crate) detail: String,
}

impl Check {
    pub(crate) fn new(name: &'static str, holds: bool, detail: String) -> Self {
        Self {
            name,
            holds,
            detail,
        }
    }
}

/// A soak from its beginning to its end.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) checks: Vec<Check>,
    pub(crate) requests_by_end: BTreeMap<Ended, u64>,
    pub(crate) requests_by_kind: BTreeMap<Kind, u64>,
    /// Came due while too many were running.
    pub(crate) skipped: u64,
    pub(crate) outages: u64,
    pub(crate) admin_calls: Calls,
    pub(crate) violations: Vec<String>,
    pub(crate) idle: Sample,
    pub(crate) rest: Sample,
    pub(crate) samples: Vec<Sample>,
}

impl Report {
    /// Whether every invariant holds.
    pub(crate) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// Prints the table and keeps everything as JSON; an error when an invariant does not hold.
    pub(crate) fn print(&self, out: Option<&Path>) -> anyhow::Result<()> {
        let mut text = std::io::stdout().lock();
        for violation in &self.violations {
            writeln!(text, "violation: {violation}")?;
        }
        writeln!(text, "soaked for {:.0} s", self.seconds)?;
        writeln!(
            text,
            "requests: {:?}, {} left out",
            self.requests_by_end, self.skipped
        )?;
        writeln!(text, "of them: {:?}", self.requests_by_kind)?;
        writeln!(
            text,
            "database outages: {}; admin calls: {:?}",
            self.outages, self.admin_calls
        )?;
        let peak = self.samples.iter().map(|sample| sample.spooled).max();
        writeln!(
            text,
            "most rows in the spool: {}\n",
            peak.unwrap_or_default()
        )?;
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        for check in &self.checks {
            let verdict = if check.holds { "PASS" } else { "FAIL" };
            writeln!(text, "{verdict}  {:width$}  {}", check.name, check.detail)?;
        }
        if let Some(out) = out {
            let json = serde_json::to_vec_pretty(self)?;
            std::fs::write(out, json).with_context(|| format!("cannot write {}", out.display()))?;
        }
        anyhow::ensure!(self.holds(), "not every invariant holds");
        Ok(())
    }
}
