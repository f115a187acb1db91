//! Keeps what is in memory, keys among it, from being written to a file when the process dies.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps, and other processes of the same user to look into this one.
pub(crate) fn forbid() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    for error in [setrlimit(Resource::Core, none), hide()]
        .into_iter()
        .filter_map(Result::err)
    {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}

/// Where the system hands cores to a program, the limit is that program's to heed; this is the kernel's.
#[cfg(target_os = "linux")]
fn hide() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn hide() -> rustix::io::Result<()> {
    Ok(())
}
