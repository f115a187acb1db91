//! The counts that were found good, and what may become of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Instructions by case.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Growth that is too much where all else is equal. A change of code that nobody meant to cost anything stays below it.
const MOST: f64 = 0.10;
/// Growth that is too much with another compiler or libc on the same kind of machine: no such difference explains it.
const MOST_ELSEWHERE: f64 = 1.00;

/// What the counts depend on beside our code and the locked dependencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Toolchain {
    rustc: String,
    target: String,
    libc: String,
    /// It decides which of the machine's instructions a program finds.
    valgrind: String,
    /// Whether the machine has AVX2, which much that copies and searches is written for a second time.
    avx2: bool,
}

impl Toolchain {
    /// What this program was built by, and what it runs on.
    pub(crate) fn here() -> anyhow::Result<Self> {
        #[cfg(target_arch = "x86_64")]
        let avx2 = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        Ok(Self {
            rustc: env!("BUILT_BY").to_owned(),
            target: env!("BUILT_FOR").to_owned(),
            libc: told("getconf", "GNU_LIBC_VERSION").unwrap_or_default(),
            valgrind: told("valgrind", "--version")
                .context("cannot run valgrind (on Debian or Ubuntu: apt-get install valgrind)")?,
            avx2,
        })
    }
}

fn told(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Baseline {
    toolchain: Toolchain,
    instructions: Counts,
}

/// What a comparison came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) holds: bool,
}

/// Reads the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Baseline> {
    let json = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("{} is no baseline", file.display()))
}

/// Writes the file.
pub(crate) fn write(file: &Path, toolchain: Toolchain, instructions: Counts) -> anyhow::Result<()> {
    let baseline = Baseline {
        toolchain,
        instructions,
    };
    let json = serde_json::to_string_pretty(&baseline)? + "\n";
    std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

impl Baseline {
    /// Holds counts against the baseline.
    pub(crate) fn compare(&self, toolchain: &Toolchain, now: &Counts) -> Outcome {
        let most = if *toolchain == self.toolchain {
            Some(MOST)
        } else if toolchain.target == self.toolchain.target {
            Some(MOST_ELSEWHERE)
        } else {
            None
        };
        let mut text = String::from("| instructions | baseline | now | |\n|---|---|---|---|\n");
        let (mut too_many, mut fewer) = (Vec::new(), Vec::new());
        for (case, &count) in now {
            let known = self.instructions.get(case).copied();
            let growth = known.map(|known| count as f64 / known.max(1) as f64 - 1.0);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {case} | {} | {count} | {} |",
                known.map_or("-".to_owned(), |known| known.to_string()),
                growth.map_or("new".to_owned(), |growth| format!(
                    "{:+.1} %",
                    growth * 100.0
                ))
            );
            let beyond =
                |share: f64| known.is_some_and(|known| count as f64 > known as f64 * share);
            if most.is_some_and(|most| beyond(1.0 + most)) {
                too_many.push(case);
            } else if known.is_some() && !beyond(1.0 - MOST) {
                fewer.push(case);
            }
        }
        text.push('\n');
        if most != Some(MOST) {
            let _ = writeln!(
                text,
                "note: the baseline was made by {:?}, this is {toolchain:?}; so {}",
                self.toolchain,
                most.map_or("nothing fails".to_owned(), |most| format!(
                    "only growth above {:.0} % fails",
                    most * 100.0
                ))
            );
        }
        for case in &fewer {
            let _ = writeln!(text, "note: {case} takes fewer instructions than it did");
        }
        for case in &too_many {
            let _ = writeln!(text, "error: {case} takes too many instructions");
        }
        let unequal = now.keys().ne(self.instructions.keys());
        if unequal {
            text.push_str("error: the cases are not those of the baseline\n");
        }
        if unequal || !too_many.is_empty() || !fewer.is_empty() {
            text.push_str(
                "where this is meant: make instructions UPDATE=1, and commit the baseline\n",
            );
        }
        Outcome {
            text,
            holds: too_many.is_empty() && !unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(rustc: &str, target: &str) -> Toolchain {
        Toolchain {
            rustc: rustc.to_owned(),
            target: target.to_owned(),
            libc: "glibc 2.36".to_owned(),
            valgrind: "valgrind-3.19.0".to_owned(),
            avx2: true,
        }
    }

    fn counts(counts: &[(&str, u64)]) -> Counts {
        let owned = counts.iter().map(|&(name, count)| (name.to_owned(), count));
        owned.collect()
    }

    #[track_caller]
    fn check(here: &Toolchain, now: &[(&str, u64)], holds: bool, told: &str) {
        let baseline = Baseline {
            toolchain: toolchain("1.95", "x86_64"),
            instructions: counts(&[("plan", 1_000)]),
        };
        let outcome = baseline.compare(here, &counts(now));
        assert_eq!(outcome.holds, holds, "{}", outcome.text);
        assert!(outcome.text.contains(told), "{}", outcome.text);
    }

    #[test]
    fn with_the_same_toolchain_a_tenth_more_is_too_much() {
        let here = toolchain("1.95", "x86_64");
        check(
            &here,
            &[("plan", 1_100)],
            true,
            "| plan | 1000 | 1100 | +10.0 % |",
        );
        check(
            &here,
            &[("plan", 1_101)],
            false,
            "error: plan takes too many",
        );
        check(&here, &[("plan", 800)], true, "UPDATE=1");
        check(
            &here,
            &[("plan", 1_000), ("walk", 1)],
            false,
            "| walk | - | 1 | new |",
        );
        check(&here, &[], false, "the cases are not those");
    }

    #[test]
    fn elsewhere_only_what_no_toolchain_explains_is_too_much() {
        let here = toolchain("1.96", "x86_64");
        check(
            &here,
            &[("plan", 1_999)],
            true,
            "note: the baseline was made by",
        );
        check(
            &here,
            &[("plan", 2_001)],
            false,
            "error: plan takes too many",
        );
        let here = toolchain("1.95", "aarch64");
        check(&here, &[("plan", 5_000)], true, "so nothing fails");
    }
}
