//! What each command says, and its exit code.

use scratch::ENGINES;
use sea_orm::DbBackend;

use crate::scratch::Scratch;

const VERSION: &str = "m20251004_000001_initial_schema";

#[test]
fn the_commands_do_what_their_help_says() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine);
        let place = migration::place(scratch.place.url());
        let said = |line: &str| (0, format!("{place}: {line}\n"), String::new());
        assert_eq!(scratch.run(&["up"]), said(&format!("applied {VERSION}")));
        assert_eq!(scratch.run(&["up"]), said("already up to date"));
        assert_eq!(
            scratch.run(&["check"]),
            (0, "schema matches\n".to_owned(), String::new())
        );
        scratch.sql("INSERT INTO models (name) VALUES ('one')");
        let (code, status, _) = scratch.run(&["status"]);
        assert_eq!(code, 0);
        for line in [
            format!("migration {VERSION}: applied"),
            "table     models: 1 row".to_owned(),
        ] {
            assert!(status.lines().any(|other| other == line), "{status}");
        }
        for command in ["fresh", "refresh"] {
            assert_eq!(
                scratch.run(&[command, "--yes"]),
                said("21 tables created anew")
            );
            assert!(scratch.run(&["status"]).1.contains("models: 0 rows"));
        }
        assert_eq!(
            scratch.run(&["reset", "--yes"]),
            said("all 21 tables are gone")
        );
        let (code, status, _) = scratch.run(&["status"]);
        assert_eq!(code, 0);
        assert!(
            status.contains(": pending\n") && status.contains("models: missing\n"),
            "{status}"
        );
    }
}

#[test]
fn check_prints_a_line_for_each_difference_and_fails() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine);
        let (code, lines, _) = match engine {
            DbBackend::Sqlite => {
                let missing = scratch.run(&["check"]);
                assert_eq!(missing.0, 1);
                assert!(
                    missing.2.contains("there is no database at"),
                    "{}",
                    missing.2
                );
                assert!(!scratch.place.folder().join("new").exists());
                scratch.run(&["up"]);
                scratch.run(&["reset", "--yes"]);
                scratch.run(&["check"])
            }
            _ => scratch.run(&["check"]),
        };
        assert_eq!((code, lines.lines().count()), (1, 22), "{lines}");
        scratch.run(&["up"]);
        scratch.sql("ALTER TABLE models DROP COLUMN remark");
        scratch.sql("ALTER TABLE leases ADD COLUMN extra INTEGER");
        let (code, lines, error) = scratch.run(&["check"]);
        assert_eq!((code, error.as_str()), (1, ""));
        let lines: Vec<&str> = lines.lines().collect();
        assert!(
            lines[0].starts_with("models.remark: column: expected "),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("leases.extra: column: expected none, found "),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2);
        let (code, said, error) = scratch.run(&["up"]);
        assert_eq!((code, said.as_str()), (1, ""));
        assert!(
            error.contains("`migrator check`") && error.contains("`migrator rebuild`"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn rows_are_destroyed_only_with_consent() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine);
        scratch.run(&["up"]);
        scratch.sql("INSERT INTO models (name) VALUES ('one')");
        for command in ["fresh", "refresh", "reset"] {
            let (code, said, error) = scratch.run(&[command]);
            assert_eq!((code, said.as_str()), (2, ""));
            assert_eq!(
                error,
                format!(
                    "migrator: {command} destroys all rows: without a terminal it needs --yes\n"
                )
            );
        }
        assert!(scratch.run(&["status"]).1.contains("models: 1 row\n"));
    }
    let nothing = Scratch::new(DbBackend::Sqlite);
    assert_eq!(nothing.run(&["fresh"]).0, 2);
    assert!(!nothing.place.folder().join("new").exists());
}

#[test]
fn errors_are_one_line_without_the_password() {
    let server = Scratch::new(DbBackend::Postgres);
    let (_, address) = server.place.url().rsplit_once('@').unwrap();
    let refused = format!("postgres://me:hunter2@{address}");
    let scratch = Scratch::new(DbBackend::Sqlite);
    for (url, expected) in [
        (refused.as_str(), "cannot connect to postgres://"),
        ("mysql://me:hunter2@127.0.0.1:3306/", "names no database"),
        ("oracle://me:hunter2@host/x", "must begin with"),
        ("sqlite://hunter2.db", "?mode=rwc"),
        (
            "sqlite:///proc/hunter/x.db?mode=rwc",
            "cannot create the folder /proc/hunter",
        ),
        ("postgres://me:hunter2@[broken/x", "not a valid URL"),
    ] {
        let (code, said, error) = scratch.run(&["up", "--database-url", url]);
        assert_eq!((code, said.as_str()), (1, ""), "{url}");
        assert!(
            error.starts_with("migrator: ") && error.contains(expected),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            !error.contains("me:") && !error.contains("hunter2@"),
            "{error}"
        );
    }
}

#[test]
fn without_a_url_the_database_is_a_file_below_the_working_folder() {
    let scratch = Scratch::new(DbBackend::Sqlite);
    let output = scratch
        .command(&["up"])
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(scratch.place.folder().join("data/orchestrator.db").exists());
}

#[test]
fn help_explains_and_wrong_usage_is_2() {
    let scratch = Scratch::new(DbBackend::Sqlite);
    let (code, help, _) = scratch.run(&["--help"]);
    assert_eq!(code, 0);
    for word in [
        "up",
        "fresh",
        "refresh",
        "reset",
        "status",
        "check",
        "DATABASE_URL",
        "Exit codes",
        "mysql://",
        "--yes",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    assert!(
        !help.contains(scratch.place.url()),
        "the help shows the URL of the environment"
    );
    assert_eq!(scratch.run(&["sideways"]).0, 2);
    assert_eq!(scratch.run(&[]).0, 2);
}
