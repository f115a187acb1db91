//! Tells the program by which compiler and for which machine it was built: counts are comparable for one only.

use std::io::{self, Write as _};
use std::process::Command;

fn main() -> io::Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).arg("--version").output();
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let target = std::env::var("TARGET").unwrap_or_default();
    let mut cargo = io::stdout();
    writeln!(
        cargo,
        "cargo::rustc-env=BUILT_BY={}",
        told.unwrap_or_default()
    )?;
    writeln!(cargo, "cargo::rustc-env=BUILT_FOR={target}")?;
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")
}
