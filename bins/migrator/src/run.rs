//! The commands.

mod rows;

use std::io::{IsTerminal, Write};

use anyhow::Context;
use sea_orm::DatabaseConnection;

use crate::args::{Args, Command};
use crate::consent::{self, Answer};

/// Exit codes, as `--help` documents them.
const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
const DIFFERENT: u8 = 1;
const NOT_CONFIRMED: u8 = 2;

/// Runs one command and answers its exit code.
pub(crate) async fn run(args: &Args) -> anyhow::Result<u8> {
    let url = migration::with_known_scheme(args.database_url.clone());
    let url = url.as_str();
    let place = migration::place(url);
    let (name, yes) = match &args.command {
        Command::Up => return up(url, &place).await,
        Command::Status => return status(url, &place).await,
        Command::Check => return check(url, &place).await,
        Command::Rebuild(it) => return rows::rebuild(url, &place, it).await,
        Command::Dump { file } => return rows::dump(url, &place, file).await,
        Command::Load(it) => return rows::load(url, &place, it).await,
        Command::Fresh(consent) => ("fresh", consent.yes),
        Command::Refresh(consent) => ("refresh", consent.yes),
        Command::Reset(consent) => ("reset", consent.yes),
    };
    let is_reset = matches!(args.command, Command::Reset(_));
    // Refused before anything is opened: a script that forgot --yes must not even create a file.
    if !yes && !can_ask(&format!("{name} destroys all rows"))? {
        return Ok(NOT_CONFIRMED);
    }
    let db = if is_reset {
        migration::connect_existing(url).await?
    } else {
        migration::connect(url).await?
    };
    if !yes && ask(name, &db, &place).await? == Answer::No {
        return not_confirmed();
    }
    if let Some(gateways) = transfer::gateways_alive(&db).await? {
        crate::say_error(&format!(
            "{gateways} still works with it; it has to be started again"
        ));
    }
    match &args.command {
        Command::Reset(_) => migration::reset(&db).await.map(|()| Vec::new()),
        Command::Refresh(_) => migration::refresh(&db).await,
        _ => migration::fresh(&db).await,
    }
    .with_context(|| format!("{name} of {place}"))?;
    let tables = migration::schema().tables.len();
    if is_reset {
        say(&format!("{place}: all {tables} tables are gone"));
    } else {
        say(&format!("{place}: {tables} tables created anew"));
    }
    close(db).await
}

async fn up(url: &str, place: &str) -> anyhow::Result<u8> {
    let db = migration::connect(url).await?;
    let applied = migration::up(&db)
        .await
        .with_context(|| format!("up of {place}"))?;
    if applied.is_empty() {
        say(&format!("{place}: already up to date"));
    }
    for migration in applied {
        say(&format!("{place}: applied {migration}"));
    }
    close(db).await
}

async fn status(url: &str, place: &str) -> anyhow::Result<u8> {
    let db = migration::connect_existing(url).await?;
    let status = migration::status(&db)
        .await
        .with_context(|| format!("status of {place}"))?;
    say(&format!("database  {place}"));
    for (migration, is_applied) in &status.migrations {
        let state = if *is_applied { "applied" } else { "pending" };
        say(&format!("migration {migration}: {state}"));
    }
    for migration in &status.unknown {
        say(&format!(
            "migration {migration}: applied by another build, unknown to this one"
        ));
    }
    for (table, rows) in &status.tables {
        let rows = match rows {
            Some(1) => "1 row".to_owned(),
            Some(rows) => format!("{rows} rows"),
            None => "missing".to_owned(),
        };
        say(&format!("table     {table}: {rows}"));
    }
    close(db).await
}

async fn check(url: &str, place: &str) -> anyhow::Result<u8> {
    let db = migration::connect_existing(url).await?;
    let differences = migration::check(&db)
        .await
        .with_context(|| format!("check of {place}"))?;
    for difference in &differences {
        say(&difference.to_string());
    }
    if differences.is_empty() {
        say("schema matches");
    }
    close(db).await?;
    Ok(if differences.is_empty() {
        DONE
    } else {
        DIFFERENT
    })
}

async fn ask(command: &str, db: &DatabaseConnection, place: &str) -> anyhow::Result<Answer> {
    let status = migration::status(db)
        .await
        .with_context(|| format!("status of {place}"))?;
    let loss = consent::loss(command, place, &status);
    Ok(consent::ask(
        &loss,
        &mut std::io::stdin().lock(),
        &mut std::io::stderr(),
    )?)
}

/// Whether there is a terminal to ask on; says so where there is none.
fn can_ask(what: &str) -> anyhow::Result<bool> {
    let is_terminal = std::io::stdin().is_terminal();
    if !is_terminal {
        let reason = format!("{what}: without a terminal it needs --yes");
        writeln!(std::io::stderr(), "migrator: {reason}")?;
    }
    Ok(is_terminal)
}

fn not_confirmed() -> anyhow::Result<u8> {
    writeln!(
        std::io::stderr(),
        "migrator: not confirmed, nothing changed"
    )?;
    Ok(NOT_CONFIRMED)
}

async fn close(db: DatabaseConnection) -> anyhow::Result<u8> {
    db.close().await?;
    Ok(DONE)
}

/// The exit code says what happened; a reader that left, as `head` does, is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
