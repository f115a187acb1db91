//! Rebuilding, dumping and loading as an operator does.

use std::time::Instant;

use scratch::ENGINES;
use sea_orm::DbBackend;

use crate::scratch::Scratch;

/// A database of another edit of the schema, with rows.
fn edited(engine: DbBackend) -> Scratch {
    let scratch = Scratch::new(engine);
    assert_eq!(scratch.run(&["up"]).0, 0);
    for sql in [
        "ALTER TABLE models DROP COLUMN remark",
        "ALTER TABLE models ADD COLUMN note VARCHAR(50)",
        "INSERT INTO models (name, note) VALUES ('one', 'n'), ('two', NULL)",
    ] {
        scratch.sql(sql);
    }
    scratch
}

#[test]
fn rebuild_keeps_rows_and_says_what_it_did() {
    for engine in ENGINES {
        let scratch = edited(engine);
        let place = migration::place(scratch.place.url());
        let (code, said, error) = scratch.run(&["rebuild"]);
        assert_eq!((code, said.as_str()), (2, ""));
        assert_eq!(
            error,
            "migrator: rebuild drops what does not fit: without a terminal it needs --yes\n"
        );
        let (code, said, error) = scratch.run(&["rebuild", "--yes"]);
        assert_eq!((code, error.as_str()), (0, ""), "{engine:?}: {error}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "models: 2 rows kept", "{said}");
        assert!(
            lines.contains(&"  models.note: dropped with 1 value"),
            "{said}"
        );
        assert!(lines.contains(&"  models.remark: added, NULL"), "{said}");
        assert!(lines[lines.len() - 2].starts_with("backup: "), "{said}");
        assert_eq!(
            lines[lines.len() - 1],
            format!("{place}: 21 tables created anew")
        );
        assert_eq!(scratch.run(&["check"]).0, 0);
        assert!(scratch.run(&["status"]).1.contains("models: 2 rows\n"));
        let again = scratch.run(&["rebuild", "--yes"]).1;
        assert_eq!(
            again,
            format!("{place}: nothing to do, the schema matches\n")
        );
    }
}

#[test]
fn rebuild_refuses_while_a_gateway_lives() {
    for engine in ENGINES {
        let scratch = edited(engine);
        scratch.sql("INSERT INTO replicas (id, name, version) VALUES ('1', 'box', '1')");
        let (code, said, error) = scratch.run(&["rebuild", "--yes"]);
        assert_eq!((code, said.as_str()), (1, ""));
        assert!(
            error.contains("a gateway is at work with this database (box)")
                && error.contains("--force"),
            "{error}"
        );
        assert_eq!(scratch.run(&["check"]).0, 1);
        assert_eq!(scratch.run(&["rebuild", "--yes", "--force"]).0, 0);
    }
}

#[test]
fn rows_move_from_a_file_to_a_server_and_back() {
    let small = Scratch::new(DbBackend::Sqlite);
    small.run(&["up"]);
    small.sql("INSERT INTO models (name) VALUES ('one'), ('two')");
    let file = small.place.folder().join("rows.jsonl.gz");
    let file = file.to_str().unwrap();
    let (code, said, error) = small.run(&["dump", file]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(said.contains("wrote 2 rows of 17 tables"), "{said}");
    assert_eq!(small.run(&["dump", file]).0, 1, "a file was overwritten");
    for engine in [DbBackend::Postgres, DbBackend::MySql] {
        let server = Scratch::new(engine);
        assert_eq!(server.run(&["load", file]).0, 1, "there is no schema yet");
        server.run(&["up"]);
        let (code, said, error) = server.run(&["load", file]);
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(
            said.contains("models: 2 rows kept\n") && said.ends_with("loaded 2 rows\n"),
            "{said}"
        );
        let (code, _, error) = server.run(&["load", file]);
        assert!(code == 1 && error.contains("not empty"), "{error}");
        assert_eq!(server.run(&["load", file, "--replace"]).0, 2);
        assert_eq!(server.run(&["load", file, "--replace", "--yes"]).0, 0);
        assert!(server.run(&["status"]).1.contains("models: 2 rows\n"));
    }
}

#[test]
fn a_rebuild_that_is_killed_changes_nothing_on_sqlite() {
    killed(DbBackend::Sqlite);
}

#[test]
fn a_rebuild_that_is_killed_changes_nothing_on_postgres() {
    killed(DbBackend::Postgres);
}

#[test]
fn a_rebuild_that_is_killed_changes_nothing_on_mysql() {
    killed(DbBackend::MySql);
}

/// However far the killed one came, either all is as it was or all is done; and the next one finishes.
fn killed(engine: DbBackend) {
    let seed = fastrand::get_seed();
    let fill = |scratch: &Scratch| {
        let values: Vec<String> = (3..3000)
            .map(|it| format!("('model {it}', NULL)"))
            .collect();
        scratch.sql(&format!(
            "INSERT INTO models (name, note) VALUES {}",
            values.join(", ")
        ));
    };
    let first = edited(engine);
    fill(&first);
    let before = Instant::now();
    let (code, _, error) = first.run(&["rebuild", "--yes"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let whole = before.elapsed();
    let scratch = edited(engine);
    fill(&scratch);
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut is_old = 0;
    for round in 0..8 {
        let context = format!("{engine:?}, seed {seed}, round {round}");
        let mut child = scratch.command(&["rebuild", "--yes"]).spawn().unwrap();
        // A real wait: what dies here is a real process, at a moment nobody chose.
        std::thread::sleep(whole.mul_f64(dice.f64() * 1.2));
        child.kill().unwrap();
        child.wait().unwrap();
        if matches!(engine, DbBackend::MySql) {
            // A server goes on with the statement of a client that is gone; the lock is free when it is through.
            scratch.sql("DO GET_LOCK(CONCAT('orchestrator:', SHA1(DATABASE())), 60)");
        }
        let (code, lines, _) = scratch.run(&["check"]);
        let rows = scratch.run(&["status"]).1;
        assert!(rows.contains("models: 2999 rows\n"), "{context}: {rows}");
        if code == 0 {
            // Done before it was killed: edited anew for the next round.
            scratch.sql("ALTER TABLE models DROP COLUMN remark");
            scratch.sql("ALTER TABLE models ADD COLUMN note VARCHAR(50)");
        } else {
            is_old += 1;
            assert_eq!(lines.lines().count(), 2, "{context}: {lines}");
        }
    }
    let (code, said, error) = scratch.run(&["rebuild", "--yes"]);
    assert_eq!(
        (code, error.as_str()),
        (0, ""),
        "seed {seed}, {is_old}: {error}"
    );
    assert!(said.contains("models: 2999 rows kept"), "{said}");
    assert_eq!(scratch.run(&["check"]).0, 0);
}
