//! What holds of a rebuild whatever was edited and whatever the rows are, also of one that is killed on the way.
//!
//! Databases are drawn from a seed, which a failure names; `REBUILD_SEED` draws the same again, `REBUILD_CASES` more.

use std::{collections::BTreeSet, panic::resume_unwind};

use migration::LiveTable;
use scratch::Scratch;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::Notify;
use transfer::{Error, Options, Pace, Report, Step, TableReport, rebuild};

use crate::backup::Backup;
use crate::old::{Fate, Fates, Old};
use crate::rebuild::rebuilt;
use crate::rows::rows;

/// Those of a rebuild that moves every table.
const STEPS: usize = 36;

#[tokio::test]
async fn nothing_is_lost_that_fits_on_sqlite() {
    check(DbBackend::Sqlite, 16).await;
}

#[tokio::test]
async fn nothing_is_lost_that_fits_on_postgres() {
    check(DbBackend::Postgres, 6).await;
}

#[tokio::test]
async fn nothing_is_lost_that_fits_on_mysql() {
    check(DbBackend::MySql, 6).await;
}

/// Draws databases of other edits of the schema, kills a rebuild of each, rebuilds it, and compares with what should
/// have become of each row.
async fn check(engine: DbBackend, cases: u64) {
    let seed = given("REBUILD_SEED").unwrap_or_else(fastrand::get_seed);
    let mut dice = fastrand::Rng::with_seed(seed);
    for case in 0..given("REBUILD_CASES").unwrap_or(cases) {
        let old = Old::draw(&mut dice);
        let left = dice.usize(0..STEPS);
        let context = format!(
            "{engine:?}, REBUILD_SEED={seed}, case {case}, {left} steps: {:?}",
            old.edits
        );
        let scratch = old.make(engine).await;
        if scratch.check().await.is_empty() {
            continue;
        }
        let before = everything(&scratch).await;
        kill(scratch.url(), left);
        let after = everything(&scratch).await;
        assert!(after == before, "{context}: {}", changed(&before, &after));
        let (report, backup) = rebuilt(&scratch).await;
        assert_eq!(scratch.check().await, [""; 0], "{context}");
        let fates = old.fates();
        assert_rows(&scratch, &fates, &context).await;
        assert_told(&old, &fates, &report, &context);
        let backup = Backup::open(&scratch, &backup).await;
        for (table, rows) in &old.rows {
            let there = backup.count(table, "*").await;
            assert_eq!(there, rows.len() as i64, "{context}: {table}'s backup");
        }
    }
}

fn given(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|it| it.parse().unwrap())
}

/// Whatever was kept is what it was, and nothing else is there.
async fn assert_rows(scratch: &Scratch, fates: &Fates, context: &str) {
    let found = rows(scratch).await;
    for (table, fates) in fates {
        let found = &found[*table];
        for (key, fate) in fates {
            let row = found.get(key);
            match fate {
                Fate::Dropped => assert_eq!(row, None, "{context}: {table} {key}"),
                Fate::Kept { values, .. } => {
                    let row = row.unwrap_or_else(|| panic!("{context}: {table} {key} is gone"));
                    for (column, value) in values {
                        assert_eq!(&row[*column], value, "{context}: {table} {key} {column}");
                    }
                }
            }
        }
        assert!(found.keys().all(|key| fates.contains_key(key)), "{context}");
    }
}

/// Whatever was not kept is in the report, as often as it happened.
fn assert_told(old: &Old, fates: &Fates, report: &Report, context: &str) {
    for (table, fates) in fates {
        let told = report.tables.iter().find(|it| it.table == *table);
        let told = told.unwrap_or_else(|| panic!("{context}: nothing is told of {table}"));
        let (mut kept, mut replaced) = (0, 0);
        for fate in fates.values() {
            if let Fate::Kept { replaced: more, .. } = fate {
                kept += 1;
                replaced += more;
            }
        }
        let held = old.rows[table]
            .iter()
            .filter(|row| row.get("old_column").is_some_and(|it| !it.0.is_null()))
            .count() as u64;
        let all = fates.len() as u64;
        let expected = [all, kept, all - kept, replaced, held];
        assert_eq!(counted(told), expected, "{context}: {table}\n{told}");
        let is_whole = all == kept && replaced == 0 && held == 0;
        assert_eq!(told.is_whole(), is_whole, "{context}: {table}");
        let added: BTreeSet<&str> = told.added_columns.keys().map(String::as_str).collect();
        assert_eq!(added, old.added(table), "{context}: {table}");
    }
}

/// Rows found, kept and dropped, values replaced, values of dropped columns.
fn counted(told: &TableReport) -> [u64; 5] {
    [
        told.found,
        told.kept,
        told.dropped_rows.values().map(|it| it.count).sum(),
        told.replaced_values.values().map(|it| it.count).sum(),
        told.dropped_columns.values().sum(),
    ]
}

type Everything = Vec<(LiveTable, Vec<Vec<Option<String>>>)>;

/// The tables that are not what they were.
fn changed(before: &Everything, after: &Everything) -> String {
    let others = |these: &Everything, those: &Everything| -> Vec<String> {
        let other = these.iter().filter(|table| !those.contains(table));
        other.map(|(table, _)| table.name.clone()).collect()
    };
    let (gone, new) = (others(before, after), others(after, before));
    format!("was {gone:?}, is {new:?}")
}

/// Every table and every value, as the engine spells it. What a killed rebuild has begun beside them is not looked at.
async fn everything(scratch: &Scratch) -> Everything {
    let engine = scratch.engine();
    let mut all = Vec::new();
    for table in migration::live_tables(&scratch.db).await.unwrap() {
        if table.name.starts_with("orchestrator_new_") {
            continue;
        }
        let spelt = table.columns.iter().map(|column| match engine {
            DbBackend::Postgres => format!("\"{}\"::text", column.name),
            DbBackend::MySql => format!("HEX(CONCAT(`{}`))", column.name),
            _ => format!("quote({})", column.name),
        });
        let spelt = Vec::from_iter(spelt);
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            spelt.join(", "),
            table.name,
            table.primary_key.join(", ")
        );
        let found = scratch
            .db
            .query_all_raw(Statement::from_string(engine, sql));
        let rows = found.await.unwrap();
        let cells = |row: &sea_orm::QueryResult| {
            let columns = 0..spelt.len();
            columns
                .map(|it| row.try_get_by_index(it).unwrap())
                .collect()
        };
        let rows = rows.iter().map(cells).collect();
        all.push((table, rows));
    }
    all
}

/// Rebuilds, and is gone after `left` steps with its connections, without a word to anybody; at the latest before it is
/// made to last.
fn kill(url: &str, left: usize) {
    // A runtime cannot be entered from within another: hence the thread.
    let died = std::thread::scope(|scope| scope.spawn(|| rebuild_and_die(url, left)).join());
    match died {
        Ok(died) => assert!(died, "it came to its end"),
        Err(panic) if panic.is::<Death>() => {}
        Err(panic) => resume_unwind(panic),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn rebuild_and_die(url: &str, left: usize) -> bool {
    let death = Notify::new();
    let mut dying = Dying {
        left,
        death: &death,
    };
    tokio::select! {
        biased;
        () = death.notified() => true,
        _ = rebuild(url, Options::default(), &mut dying) => false,
    }
}

/// Dies where it next waits for the database, or at once where it may not have to wait any more before it is done.
struct Dying<'a> {
    left: usize,
    death: &'a Notify,
}

/// What is unwound by.
struct Death;

impl Pace for Dying<'_> {
    fn at(&mut self, step: Step<'_>) -> Result<(), Error> {
        if step == Step::Verify {
            resume_unwind(Box::new(Death));
        }
        if self.left == 0 {
            self.death.notify_one();
        }
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}
