//! The command line.

use std::path::PathBuf;

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
  migrator rebuild            recreate the tables after the schema was edited; rows that fit are kept
  migrator fresh --yes        throw all rows away and start anew, without asking
  migrator dump rows.jsonl.gz
  migrator load rows.jsonl.gz --database-url postgres://app:secret@db/app
                              move from one database to another, whatever their engines
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
    /// Recreate the gateway's tables after the schema was edited, and keep every row that still fits
    ///
    /// The old rows stay in a backup beside the database. Prints what did not fit, and what became of it. Refuses while
    /// a gateway works with the database. If it fails or is killed, the database is as it was.
    Rebuild(Rebuild),
    /// Write all rows to a new file, as one moment has them. Only reads
    ///
    /// The file has a line of JSON for each row; one whose name ends in .gz is compressed. It holds all there is in the
    /// tables, also the sealed keys of providers.
    Dump {
        /// The file, which must not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read the rows that `dump` wrote, on whatever engine, into a database that `up` has prepared. All or none
    Load(Load),
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
pub(crate) struct Rebuild {
    #[command(flatten)]
    pub(crate) consent: Consent,

    /// Rebuild even if gateways seem to be at work with the database. What they write meanwhile may be lost
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Load {
    /// The file that `dump` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Delete the rows that are there first. Asks before it does; without it the tables must be empty
    #[arg(long)]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) consent: Consent,

    /// Load even if gateways seem to be at work with the database
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Consent {
    /// Do not ask. Needed where there is no terminal to ask on
    #[arg(long, short)]
    pub(crate) yes: bool,
}
