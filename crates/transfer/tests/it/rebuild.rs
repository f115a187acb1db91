//! What a rebuild keeps, reports, refuses, and leaves behind when it fails.

use std::{collections::BTreeMap, time::Duration};

use scratch::{ENGINES, Scratch};
use sea_orm::DbBackend;
use transfer::{Error, Options, Pace, Rebuilt, Report, Silent, Step, rebuild};

use crate::backup::Backup;

pub(crate) async fn rebuilt(scratch: &Scratch) -> (Report, String) {
    match rebuild(scratch.url(), Options::default(), &mut Silent).await {
        Ok(Rebuilt::Done { report, backup }) => (report, backup),
        other => panic!("{other:?}"),
    }
}

/// Ends the work before its `left`th step.
struct Ending {
    left: usize,
}

/// Counts the steps.
struct Counting(usize);

impl Pace for Counting {
    fn at(&mut self, _: Step<'_>) -> Result<(), Error> {
        self.0 += 1;
        Ok(())
    }
}

impl Pace for Ending {
    fn at(&mut self, _: Step<'_>) -> Result<(), Error> {
        match self.left {
            0 => Err(Error::Interrupted),
            _ => {
                self.left -= 1;
                Ok(())
            }
        }
    }
}

/// An old database: models without `remark` but with `note`, and a provider with an association.
async fn edited(engine: DbBackend) -> Scratch {
    let scratch = Scratch::migrated(engine).await;
    for sql in [
        "ALTER TABLE models DROP COLUMN remark",
        "ALTER TABLE models ADD COLUMN note VARCHAR(50)",
        "INSERT INTO models (id, name, note) VALUES (3, 'one', 'kept by nobody'), (9, 'nine', NULL)",
        "DELETE FROM models WHERE id = 9",
        "INSERT INTO providers (id, name, type, config) VALUES (5, 'p', 'openai', '{}')",
        "INSERT INTO model_providers (id, model_id, provider_id, provider_model) VALUES (7, 3, 5, 'm')",
        "INSERT INTO log_periods (begins, version, is_rolled_up) VALUES (900, 1, '1')",
        "INSERT INTO log_rollups (rolled_by, begins, latencies, ttfts) VALUES ('all', 900, '', '')",
        "CREATE TABLE guest (id INTEGER PRIMARY KEY)",
        "INSERT INTO guest VALUES (1)",
    ] {
        scratch.run(sql).await;
    }
    if engine == DbBackend::Postgres {
        // Ids that a statement names do not move the counter there.
        for table in ["models", "providers", "model_providers"] {
            let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), 9)");
            scratch.number(&sql).await;
        }
    }
    scratch
}

/// Everything there is to know of `edited`.
async fn state(scratch: &Scratch) -> BTreeMap<&'static str, i64> {
    let mut state = BTreeMap::new();
    for sql in [
        "SELECT COUNT(*) FROM models WHERE id = 3 AND note = 'kept by nobody'",
        "SELECT COUNT(*) FROM model_providers WHERE id = 7 AND model_id = 3",
        "SELECT COUNT(*) FROM guest",
        "SELECT COUNT(*) FROM seaql_migrations",
    ] {
        state.insert(sql, scratch.number(sql).await);
    }
    let differences = migration::check(&scratch.db).await.unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    let tables = migration::live_tables(&scratch.db).await.unwrap();
    state.insert("tables", tables.len() as i64);
    state
}

#[tokio::test]
async fn ended_at_any_step_the_database_is_what_it_was_on_sqlite() {
    end_and_look(DbBackend::Sqlite, 1).await;
}

#[tokio::test]
async fn ended_at_any_step_the_database_is_what_it_was_on_postgres() {
    end_and_look(DbBackend::Postgres, 9).await;
}

#[tokio::test]
async fn ended_at_any_step_the_database_is_what_it_was_on_mysql() {
    end_and_look(DbBackend::MySql, 9).await;
}

/// Ends a rebuild before one step in so many, other ones in each run, and before each of the last few, where tables take each
/// other's places.
async fn end_and_look(engine: DbBackend, one_in: usize) {
    let counting = &mut Counting(0);
    let whole = edited(engine).await;
    let done = rebuild(whole.url(), Options::default(), counting).await;
    assert!(matches!(done, Ok(Rebuilt::Done { .. })), "{done:?}");
    assert_eq!(migration::check(&whole.db).await.unwrap(), []);
    // One for each table with its rows, and those around.
    let steps = counting.0;
    assert!(steps > 15, "only {steps} steps");

    let scratch = edited(engine).await;
    let before = state(&scratch).await;
    let first = fastrand::usize(0..one_in);
    for left in (first..steps - 3).step_by(one_in).chain(steps - 3..steps) {
        let ending = &mut Ending { left };
        let ended = rebuild(scratch.url(), Options::default(), ending).await;
        assert!(
            matches!(ended, Err(Error::Interrupted)),
            "{left}: {ended:?}"
        );
        assert_eq!(state(&scratch).await, before, "before step {left}");
    }
    rebuilt(&scratch).await;
    assert_eq!(migration::check(&scratch.db).await.unwrap(), []);
}

#[tokio::test]
async fn each_of_two_rebuilds_in_a_second_keeps_its_backup() {
    for engine in ENGINES {
        let scratch = edited(engine).await;
        let (_, first) = rebuilt(&scratch).await;
        scratch.run("DELETE FROM models").await;
        scratch.run("ALTER TABLE models DROP COLUMN remark").await;
        let (_, second) = rebuilt(&scratch).await;
        let first = Backup::open(&scratch, &first).await;
        let second = Backup::open(&scratch, &second).await;
        assert_eq!(first.count("models", "id").await, 1, "{engine:?}");
        assert_eq!(second.count("models", "id").await, 0, "{engine:?}");
    }
}

#[tokio::test]
async fn what_a_rebuild_leaves_stands_in_nobodys_way() {
    for engine in ENGINES {
        let scratch = edited(engine).await;
        rebuilt(&scratch).await;
        scratch
            .run("INSERT INTO models (name) VALUES ('two')")
            .await;
        migration::fresh(&scratch.db).await.unwrap();
        assert_eq!(migration::check(&scratch.db).await.unwrap(), []);
        scratch.run("ALTER TABLE models DROP COLUMN remark").await;
        // Backups are told apart by the second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        rebuilt(&scratch).await;
        migration::reset(&scratch.db).await.unwrap();
        migration::up(&scratch.db).await.unwrap();
        assert_eq!(migration::check(&scratch.db).await.unwrap(), []);
    }
}

/// Rows of other rows' making, which are made again of those that were kept.
async fn derived(scratch: &Scratch) -> i64 {
    let sql = "SELECT (SELECT COUNT(*) FROM log_periods) + (SELECT COUNT(*) FROM log_rollups)";
    scratch.number(sql).await
}

#[tokio::test]
async fn what_is_lost_is_told_and_stays_in_the_backup() {
    for engine in ENGINES {
        let scratch = edited(engine).await;
        let (report, backup) = rebuilt(&scratch).await;
        let told = report.to_string();
        for line in [
            "models: 1 row kept\n",
            "  models.note: dropped with 1 value\n",
            "  models.remark: added, NULL\n",
            "model_providers: 1 row kept\n",
        ] {
            assert!(told.contains(line), "{engine:?}: {told}");
        }
        let old = Backup::open(&scratch, &backup).await;
        let note = old.count("models", "note").await;
        assert_eq!(note, 1, "{engine:?}");
        assert_eq!(derived(&scratch).await, 0, "{engine:?}");
        // Ids of rows that are gone are not given again, and deletions still reach the rows below.
        scratch
            .run("INSERT INTO models (name) VALUES ('next')")
            .await;
        assert_eq!(
            scratch.number("SELECT MAX(id) FROM models").await,
            10,
            "{engine:?}"
        );
        scratch.run("DELETE FROM models WHERE id = 3").await;
        assert_eq!(
            scratch.number("SELECT COUNT(*) FROM model_providers").await,
            0,
            "{engine:?}"
        );
        assert_eq!(
            scratch.number("SELECT COUNT(*) FROM guest").await,
            1,
            "{engine:?}"
        );
        let again = rebuild(scratch.url(), Options::default(), &mut Silent)
            .await
            .unwrap();
        assert_eq!(again, Rebuilt::Unneeded, "{engine:?}");
        // A second one, beside the first one's backup.
        scratch
            .run("ALTER TABLE model_providers ADD COLUMN other INTEGER")
            .await;
        scratch.run("DROP TABLE leases").await;
        let mut later = Silent;
        std::thread::sleep(std::time::Duration::from_millis(1100)); // backups are told apart by the second
        let second = rebuild(scratch.url(), Options::default(), &mut later).await;
        assert!(
            matches!(second, Ok(Rebuilt::Done { .. })),
            "{engine:?}: {second:?}"
        );
        assert_eq!(
            migration::check(&scratch.db).await.unwrap(),
            [],
            "{engine:?}"
        );
    }
}

#[tokio::test]
async fn a_gateway_that_lives_is_reason_to_refuse() {
    for engine in ENGINES {
        let scratch = edited(engine).await;
        scratch
            .run("INSERT INTO replicas (id, name, version) VALUES ('1', 'here', '1')")
            .await;
        let refused = rebuild(scratch.url(), Options::default(), &mut Silent).await;
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("a gateway is at work") && error.contains("(here)"),
            "{error}"
        );
        let past = match engine {
            DbBackend::Postgres => "now() - interval '31 seconds'",
            DbBackend::MySql => "CURRENT_TIMESTAMP(6) - INTERVAL 31 SECOND",
            _ => "datetime('now', '-31 seconds')",
        };
        let forced = Options {
            even_if_alive: true,
        };
        scratch
            .run(&format!("UPDATE replicas SET seen_at = {past}"))
            .await;
        let done = rebuild(scratch.url(), Options::default(), &mut Silent).await;
        assert!(
            matches!(done, Ok(Rebuilt::Done { .. })),
            "{engine:?}: {done:?}"
        );
        let other = edited(engine).await;
        other
            .run("INSERT INTO replicas (id, name, version) VALUES ('1', 'here', '1')")
            .await;
        let done = rebuild(other.url(), forced, &mut Silent).await;
        assert!(
            matches!(done, Ok(Rebuilt::Done { .. })),
            "{engine:?}: {done:?}"
        );
    }
}

#[tokio::test]
async fn a_table_of_others_that_refers_to_ours_is_reason_to_refuse() {
    for engine in ENGINES {
        let scratch = edited(engine).await;
        let kind = if engine == DbBackend::Sqlite {
            "INTEGER"
        } else {
            "BIGINT"
        };
        scratch
            .run(&format!(
                "CREATE TABLE invoices (id INTEGER PRIMARY KEY, model_id {kind}, FOREIGN KEY (model_id) REFERENCES models(id))"
            ))
            .await;
        let error = rebuild(scratch.url(), Options::default(), &mut Silent)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("table invoices"),
            "{engine:?}: {error}"
        );
    }
}
