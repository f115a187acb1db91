//! Creating, finishing and recreating the schema.

use migration::{Error, create_statements, schema};
use scratch::{ENGINES, Scratch};
use sea_orm::{ConnectionTrait, Statement};

const VERSION: &str = "m20251004_000001_initial_schema";

async fn numbers(scratch: &Scratch, sql: &str) -> Vec<i64> {
    let statement = Statement::from_string(scratch.db.get_database_backend(), sql);
    let rows = scratch.db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "n").unwrap())
        .collect()
}

#[tokio::test]
async fn a_fresh_up_is_clean_and_a_second_one_does_nothing() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine).await;
        let missing = migration::verify(&scratch.db).await.unwrap_err();
        assert!(matches!(missing, Error::NoSchema), "{missing}");
        assert_eq!(migration::up(&scratch.db).await.unwrap(), [VERSION]);
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
        migration::verify(&scratch.db).await.unwrap();
        scratch
            .run("INSERT INTO models (name) VALUES ('kept')")
            .await;
        assert_eq!(migration::up(&scratch.db).await.unwrap(), [""; 0]);
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
        let sql = format!(
            "SELECT COUNT(*) AS n FROM {} WHERE version = '{VERSION}'",
            migration::VERSION_TABLE
        );
        assert_eq!(numbers(&scratch, &sql).await, [1]);
        assert_eq!(
            numbers(&scratch, "SELECT COUNT(*) AS n FROM models").await,
            [1]
        );
    }
}

#[tokio::test]
async fn up_finishes_what_a_killed_one_left() {
    for engine in ENGINES {
        let tables = schema().tables;
        for done in [1, 7, tables.len()] {
            let scratch = Scratch::new(engine).await;
            for table in &tables[..done] {
                for statement in create_statements(engine, table) {
                    scratch.run(&statement).await;
                }
            }
            assert_eq!(migration::up(&scratch.db).await.unwrap(), [VERSION]);
            assert_eq!(scratch.check().await, [""; 0], "{engine:?} after {done}");
        }
    }
}

#[tokio::test]
async fn up_does_not_build_on_another_edit() {
    for engine in ENGINES {
        // With a version row, and without: the same answer, and nothing changed.
        let scratch = Scratch::migrated(engine).await;
        scratch
            .run("ALTER TABLE models ADD COLUMN price INTEGER")
            .await;
        for _ in 0..2 {
            let before = scratch.check().await;
            let error = migration::up(&scratch.db).await.unwrap_err();
            assert!(
                matches!(error, Error::Different { count: 1, .. }),
                "{error}"
            );
            let message = error.to_string();
            for part in ["models.price", "`migrator check`", "`migrator rebuild`"] {
                assert!(message.contains(part), "{message}");
            }
            assert_eq!(message.lines().count(), 1);
            assert_eq!(scratch.check().await, before);
            let refused = migration::verify(&scratch.db).await.unwrap_err();
            assert!(matches!(refused, Error::Different { .. }), "{refused}");
            scratch.run("DELETE FROM seaql_migrations").await;
        }
        migration::fresh(&scratch.db).await.unwrap();
        assert_eq!(scratch.check().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_later_builds_database_is_left_to_it() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        scratch
            .run("INSERT INTO seaql_migrations VALUES ('m20990101_000001_later', 0)")
            .await;
        for refused in [
            migration::up(&scratch.db).await.err(),
            migration::refresh(&scratch.db).await.err(),
            migration::reset(&scratch.db).await.err(),
        ] {
            let error = refused.unwrap();
            assert!(
                matches!(&error, Error::UnknownVersion(name) if name == "m20990101_000001_later"),
                "{error}"
            );
        }
        let status = migration::status(&scratch.db).await.unwrap();
        assert_eq!(status.unknown, ["m20990101_000001_later"]);
        migration::fresh(&scratch.db).await.unwrap();
        assert_eq!(scratch.check().await, [""; 0]);
    }
}

#[tokio::test]
async fn recreating_empties_our_tables_and_spares_others() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        scratch
            .run("CREATE TABLE invoices (id INTEGER PRIMARY KEY)")
            .await;
        scratch.run("INSERT INTO invoices VALUES (7)").await;
        for _ in 0..3 {
            scratch
                .run("INSERT INTO models (name) VALUES ('lost')")
                .await;

            migration::fresh(&scratch.db).await.unwrap();
            assert_eq!(
                numbers(&scratch, "SELECT COUNT(*) AS n FROM models").await,
                [0]
            );
            scratch
                .run("INSERT INTO models (name) VALUES ('lost')")
                .await;
            migration::refresh(&scratch.db).await.unwrap();
            assert_eq!(
                numbers(&scratch, "SELECT COUNT(*) AS n FROM models").await,
                [0]
            );
            assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
            migration::reset(&scratch.db).await.unwrap();
            let gone = migration::status(&scratch.db).await.unwrap();
            assert!(
                gone.tables.iter().all(|(_, rows)| rows.is_none()),
                "{gone:?}"
            );
            assert_eq!(gone.migrations, [(VERSION.to_owned(), false)]);
            migration::up(&scratch.db).await.unwrap();
        }
        let invoices = "SELECT COUNT(*) AS n FROM invoices WHERE id = 7";
        assert_eq!(numbers(&scratch, invoices).await, [1]);
    }
}

#[tokio::test]
async fn a_table_that_refers_to_ours_stops_the_recreation() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        scratch
            .run("INSERT INTO models (name) VALUES ('kept')")
            .await;
        scratch
            .run("CREATE TABLE invoices (model_id BIGINT, FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE)")
            .await;
        scratch.run("INSERT INTO invoices VALUES (1)").await;
        for refused in [
            migration::fresh(&scratch.db).await.err(),
            migration::refresh(&scratch.db).await.err(),
            migration::reset(&scratch.db).await.err(),
        ] {
            let error = refused.unwrap();
            assert!(
                matches!(&error, Error::Referred { by, .. } if by == "invoices"),
                "{error}"
            );
        }
        assert_eq!(
            numbers(&scratch, "SELECT COUNT(*) AS n FROM models").await,
            [1]
        );
        assert_eq!(
            numbers(&scratch, "SELECT COUNT(*) AS n FROM invoices").await,
            [1]
        );
        assert_eq!(scratch.check().await, [""; 0]);
    }
}

#[tokio::test]
async fn six_at_once_make_one_schema() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let url = scratch.url().to_owned();
            tasks.spawn(async move {
                let db = migration::connect(&url).await.unwrap();
                migration::up(&db).await.unwrap().len()
            });
        }
        let applied: usize = tasks.join_all().await.into_iter().sum();
        assert_eq!(applied, 1, "{engine:?}");
        assert_eq!(scratch.check().await, [""; 0]);
    }
}
