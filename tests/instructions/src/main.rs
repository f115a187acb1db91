//! Counts the instructions of what every request passes through, and compares them with a baseline.
//!
//! Times differ from run to run and from machine to machine; the instructions of a program that does the same twice do
//! not, however busy the machine is. Each case runs in a process of its own under valgrind's callgrind, which counts
//! only within [`counted`]. What the processor makes of them (caches, branches, the kernel) is not seen here: that is
//! for `tests/bench`.

mod baseline;
mod cases;

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use baseline::{Counts, Toolchain};
use cases::CASES;

/// What this is built for is compared with what the file has.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(),
        ["--update"] => update(),
        ["case", name] => {
            let case = CASES.iter().find(|(known, _)| *known == name);
            let (_, run) = case.with_context(|| format!("there is no case {name}"))?;
            run();
            Ok(ExitCode::SUCCESS)
        }
        _ => anyhow::bail!("usage: instructions [--update | case NAME]"),
    }
}

/// Does the work twice: once for what is done only once in a process, such as choosing among implementations for this
/// processor, and then for the count. What the work returns is dropped within it.
pub(crate) fn count<I, T>(mut prepare: impl FnMut() -> I, mut work: impl FnMut(I) -> T) {
    drop(black_box(work(black_box(prepare()))));
    let input = black_box(prepare());
    counted(|| drop(black_box(work(input))));
}

/// Where callgrind counts: it knows the function by this name.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
    // Not the last thing it does, else it might be left before it is done.
    black_box(());
}

/// Compares with the baseline; a failure where a case takes more than it may.
fn compare() -> anyhow::Result<ExitCode> {
    let (toolchain, now) = (Toolchain::here()?, measure()?);
    let outcome = baseline::read(Path::new(FILE))?.compare(&toolchain, &now);
    write!(std::io::stdout(), "{}", outcome.text)?;
    Ok(match outcome.holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Writes the baseline anew.
fn update() -> anyhow::Result<ExitCode> {
    baseline::write(Path::new(FILE), Toolchain::here()?, measure()?)?;
    writeln!(std::io::stdout(), "{FILE} is written anew")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs every case.
fn measure() -> anyhow::Result<Counts> {
    let count = |(name, _): &(&str, _)| Ok(((*name).to_owned(), instructions(name)?));
    CASES.iter().map(count).collect()
}

/// Runs a case under callgrind; its instructions.
fn instructions(case: &str) -> anyhow::Result<u64> {
    let file = tempfile::NamedTempFile::new().context("cannot make a file for callgrind")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*instructions*counted*")
        .arg(format!("--callgrind-out-file={}", file.path().display()))
        .arg(std::env::current_exe()?)
        .args(["case", case])
        // Nothing that the environment holds may move what is measured.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .context("cannot run valgrind (on Debian or Ubuntu: apt-get install valgrind)")?;
    let told = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{case} failed: {told}");
    let counts = std::fs::read_to_string(file.path())?;
    total(&counts)
        .filter(|count| *count > 0)
        .with_context(|| format!("callgrind counted nothing of {case}: {told}"))
}

/// The sum in callgrind's file.
fn total(counts: &str) -> Option<u64> {
    let mut lines = counts.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals:"))?;
    total.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found() {
        assert_eq!(
            total("events: Ir\nfn=(1) a\n1 2\ntotals: 4711\n"),
            Some(4711)
        );
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn every_case_runs_and_has_a_name_of_its_own() {
        for (index, (name, run)) in CASES.iter().enumerate() {
            assert!(!CASES[..index].iter().any(|(other, _)| other == name));
            run();
        }
    }
}
