//! The commands that move rows.

use std::path::Path;

use anyhow::Context;
use transfer::{Options, Rebuilt};

use super::{DONE, NOT_CONFIRMED, ask, can_ask, close, not_confirmed, say};
use crate::args::{Load, Rebuild};
use crate::consent::{self, Answer};
use crate::progress::Bar;

pub(super) async fn rebuild(url: &str, place: &str, asked: &Rebuild) -> anyhow::Result<u8> {
    if !asked.consent.yes {
        if !can_ask("rebuild drops what does not fit")? {
            return Ok(NOT_CONFIRMED);
        }
        let db = migration::connect_existing(url).await?;
        let differences = migration::check(&db)
            .await
            .with_context(|| format!("check of {place}"))?;
        close(db).await?;
        for difference in &differences {
            say(&difference.to_string());
        }
        let what = format!(
            "rebuild recreates the tables of {place} and keeps every row that fits; the old ones stay in a backup"
        );
        let answer = consent::ask(&what, &mut std::io::stdin().lock(), &mut std::io::stderr())?;
        if answer == Answer::No {
            return not_confirmed();
        }
    }
    let options = Options {
        even_if_alive: asked.force,
    };
    let rebuilt = transfer::rebuild(url, options, &mut Bar::new())
        .await
        .map_err(|error| with_force(error, "rebuild", place))?;
    match rebuilt {
        Rebuilt::Done { report, backup } => {
            for line in report.to_string().lines() {
                say(line);
            }
            say(&format!("backup: {backup}"));
            let tables = migration::schema().tables.len();
            say(&format!("{place}: {tables} tables created anew"));
        }
        _ => say(&format!("{place}: nothing to do, the schema matches")),
    }
    Ok(DONE)
}

pub(super) async fn dump(url: &str, place: &str, file: &Path) -> anyhow::Result<u8> {
    let dumped = transfer::dump(url, file, &mut Bar::new())
        .await
        .with_context(|| format!("dump of {place}"))?;
    let file = file.display();
    say(&format!(
        "{place}: wrote {} rows of {} tables to {file}",
        dumped.rows, dumped.tables
    ));
    Ok(DONE)
}

pub(super) async fn load(url: &str, place: &str, asked: &Load) -> anyhow::Result<u8> {
    if asked.replace && !asked.consent.yes {
        if !can_ask("load --replace destroys all rows")? {
            return Ok(NOT_CONFIRMED);
        }
        let db = migration::connect_existing(url).await?;
        let answer = ask("load --replace", &db, place).await?;
        close(db).await?;
        if answer == Answer::No {
            return not_confirmed();
        }
    }
    let options = Options {
        even_if_alive: asked.force,
    };
    let loaded = transfer::load(url, &asked.file, asked.replace, options, &mut Bar::new())
        .await
        .map_err(|error| with_force(error, "load", place))?;
    for line in loaded.report.to_string().lines() {
        say(line);
    }
    say(&format!("{place}: loaded {} rows", loaded.report.kept()));
    Ok(DONE)
}

/// Names the way round a heartbeat, which only the command line has.
fn with_force(error: transfer::Error, command: &str, place: &str) -> anyhow::Error {
    let is_alive = matches!(error, transfer::Error::Alive { .. });
    let error = anyhow::Error::new(error).context(format!("{command} of {place}"));
    if is_alive {
        return anyhow::anyhow!("{error:#}, or use --force");
    }
    error
}
