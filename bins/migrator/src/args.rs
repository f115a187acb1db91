//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand};

const AFTER_HELP: &str = "\
Database URLs:
  sqlite://data/orchestrator.db?mode=rwc
              a file; with mode=rwc `up` creates it and its folder
  postgres://user:password@host:5432/database
  mysql://user:password@host:3306/database
              MySQL or MariaDB

  A server's database must exist already; `up` creates the tables in it.

Exit codes:
  0  done; for `check`: the schema matches
  1  it failed, and one line on stderr says why; for `check`: the schema differs
  2  wrong usage, or a destructive command was not confirmed

Examples:
  migrator up                 create the tables; safe to repeat at every start
  migrator check              does the database fit this build?
  migrator fresh --yes        throw all rows away and start anew, without asking
  DATABASE_URL=postgres://app:secret@db/app migrator status";

/// Creates, checks and recreates the gateway's database tables.
///
/// A new database needs `migrator up`, once. Only tables of the gateway are ever changed or compared; others in the
/// same database are left alone.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The database, as a URL (see below)
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite://data/orchestrator.db?mode=rwc"
    )]
    pub(crate) database_url: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the tables that are missing. Destroys nothing, may be repeated, and may run in many processes at once
    ///
    /// Refuses, without changing anything, a database whose tables were made by another edit of the schema.
    Up,
    /// Drop the gateway's tables, whatever they look like, and create them anew. DESTROYS ALL ROWS in them
    Fresh(Consent),
    /// Roll back the applied migrations and apply them again. DESTROYS ALL ROWS. Only on a database this build made
    Refresh(Consent),
    /// Roll back the applied migrations: the gateway's tables are gone afterwards. DESTROYS ALL ROWS
    Reset(Consent),
    /// Show which migrations were applied and how many rows each table holds. Only reads
    Status,
    /// Compare the database with what this build expects, column by column. Only reads
    ///
    /// Prints one line for each difference and exits with 1 if there is any.
    Check,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Consent {
    /// Do not ask. Needed where there is no terminal to ask on
    #[arg(long, short)]
    pub(crate) yes: bool,
}
