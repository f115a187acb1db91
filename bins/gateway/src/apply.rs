//! Objects that files declare: `gateway apply`, and a start with such a file.

use std::{io::Write, process::ExitCode};

use admin::{AdminState, Declaration, Rest};
use anyhow::Context;

use crate::{
    settings::{Apply, Declarations, Settings, read_declarations},
    wiring,
};

/// The exit code where there are changes, if it is to tell.
const CHANGES: u8 = 2;

/// Applies a file, and prints the diff.
pub(crate) async fn run(settings: &Settings, apply: &Apply) -> anyhow::Result<ExitCode> {
    let Declarations { owner, sections } = read_declarations(&apply.file)?;
    let state = wiring::admin_state(settings).await?;
    let declaration = Declaration {
        declared_by: apply.owner.as_deref().unwrap_or(&owner),
        rest: match (apply.prune, apply.release) {
            (true, _) => Rest::Prune,
            (_, true) => Rest::Release,
            _ => Rest::Keep,
        },
        dry_run: apply.dry_run,
    };
    let declared = admin::declare(&state, sections, declaration)
        .await
        .with_context(|| apply.file.display().to_string())?;
    writeln!(std::io::stdout(), "{declared}")?;
    Ok(if apply.detailed_exitcode && declared.has_changes() {
        ExitCode::from(CHANGES)
    } else {
        ExitCode::SUCCESS
    })
}

/// Applies what the settings file declares, before the first request; not while the database is away.
pub(crate) async fn at_start(
    state: &AdminState,
    declared: &Declarations,
    is_away: bool,
) -> anyhow::Result<()> {
    let owner = &declared.owner;
    if is_away {
        tracing::warn!(
            file = owner,
            "the database is away: what the settings file declares is applied at the next start"
        );
        return Ok(());
    }
    let declaration = Declaration {
        declared_by: owner,
        rest: Rest::Keep,
        dry_run: false,
    };
    let done = admin::declare(state, declared.sections.clone(), declaration)
        .await
        .with_context(|| format!("what {owner} declares"))?;
    for warning in done.warnings() {
        tracing::warn!(file = owner, "{warning}");
    }
    if done.has_changes() {
        tracing::info!(
            file = owner,
            "applied what the settings file declares:\n{done}"
        );
    }
    Ok(())
}
