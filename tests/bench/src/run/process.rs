//! Child processes on their cores, and what the kernel knows about them.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// Who runs where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) measured: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// A command on the measured core.
    pub(crate) fn measured(self, program: &Path) -> Command {
        pinned(&[self.measured], program)
    }

    /// A command on the core of the load.
    pub(crate) fn load(self, program: &Path) -> Command {
        pinned(&[self.load], program)
    }

    /// A command on both.
    pub(crate) fn both(self, program: &Path) -> Command {
        pinned(&[self.measured, self.load], program)
    }
}

fn pinned(cores: &[usize], program: &Path) -> Command {
    // `taskset` execs the program, so the child's id is the program's.
    let mut command = Command::new("taskset");
    let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
    command.args(["-c", &cores.join(",")]).arg(program);
    command
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Spawned {
    child: Child,
}

/// Resident memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    pub(crate) now_kb: u64,
    pub(crate) peak_kb: u64,
}

/// What must not grow without end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vitals {
    pub(crate) resident_kb: u64,
    pub(crate) threads: u64,
}

impl Spawned {
    /// Starts a child.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// Starts a child that prints its address as a URL in its first line.
    pub(crate) fn with_address(mut command: Command) -> anyhow::Result<(Self, SocketAddr)> {
        let mut spawned = Self::start({
            command.stdout(Stdio::piped());
            command
        })?;
        let stdout = spawned.child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next()?.parse().ok());
        Ok((
            spawned,
            address.with_context(|| format!("no address in its first line: {line:?}"))?,
        ))
    }

    /// What the kernel tells in a file of its folder.
    pub(crate) fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {path}: has the process ended?"))
    }

    /// What the kernel counts of it.
    pub(crate) fn vitals(&self) -> anyhow::Result<Vitals> {
        let status = self.proc("status")?;
        let field = |name| field(&status, name).with_context(|| format!("no {name}"));
        Ok(Vitals {
            resident_kb: field("VmRSS:")?,
            threads: field("Threads:")?,
        })
    }

    /// What its descriptors are open on.
    pub(crate) fn descriptors(&self) -> anyhow::Result<Vec<String>> {
        let folder = format!("/proc/{}/fd", self.child.id());
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
        // One that is closed meanwhile is none any more.
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Ok(links
            .map(|link| link.to_string_lossy().into_owned())
            .collect())
    }

    /// User and system time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(&self.proc("stat")?).context("/proc/<pid>/stat has no times")
    }

    /// Its resident memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Resident> {
        let status = self.proc("status")?;
        let told = field(&status, "VmRSS:").zip(field(&status, "VmHWM:"));
        let (now_kb, peak_kb) = told.context("/proc/<pid>/status has no resident size")?;
        Ok(Resident { now_kb, peak_kb })
    }

    /// Lets the highest resident size begin anew, from what it is now.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn terminate(mut self) -> anyhow::Result<()> {
        super::succeed(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and needs not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Linux tells user space in hundredths of a second, whatever its own ticks are.
const TICK: Duration = Duration::from_millis(10);

/// A number of `/proc/<pid>/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The name, in parentheses, may hold anything: count from its end. Then come state, 10 others, utime, stime.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(TICK * (user + system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 700 30 0 0 20 0 1 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(7300)));
        assert_eq!(cpu_of("42 (a"), None);
    }
}
