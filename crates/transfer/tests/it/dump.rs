//! From each engine to each other, by way of a file.

use std::path::PathBuf;

use scratch::{ENGINES, Scratch};
use sea_orm::DbBackend;
use transfer::{Error, Options, Silent, dump, load};

use crate::rows::rows;

/// A database with everything that engines keep differently.
async fn filled(engine: DbBackend) -> Scratch {
    let scratch = Scratch::migrated(engine).await;
    let (bytes, time) = match engine {
        DbBackend::Postgres => ("'\\x00ff0a'", "'2026-03-01 12:00:00.123456+00'"),
        _ => ("X'00ff0a'", "'2026-03-01 12:00:00.123456'"),
    };
    let json = r#"{"z": [1, null, "line\nbreak", 0.1], "a": {"ü": "'"}}"#.replace('\'', "''");
    let json = if engine == DbBackend::MySql {
        json.replace('\\', "\\\\")
    } else {
        json
    };
    for sql in [
        "INSERT INTO models (id, name, enabled) VALUES (4, 'naïve \"quoted\"', '1'), (9, 'gone', '0')".to_owned(),
        "DELETE FROM models WHERE id = 9".to_owned(),
        format!("INSERT INTO providers (id, name, type, config) VALUES (2, 'p', 'openai', '{json}')"),
        "INSERT INTO prices (id, provider_id, model_pattern, input, source_date) VALUES (1, NULL, '*', 9007199254740993, '2026-02-28')".to_owned(),
        "INSERT INTO routing_policies (id, model_id, connect_timeout) VALUES (1, 4, 0.30000000000000004)".to_owned(),
        format!(
            "INSERT INTO request_logs (id, request_id, model, endpoint, method, status_code, latency_ms, user_id, stream, attempts, created_at) \
             VALUES (8, 'r1', 'm', '/v1', 'POST', 200, 5, 'k', '1', 'null', {time})"
        ),
        format!("INSERT INTO recorded_bodies (request_id, request_body, response_body) VALUES ('r1', {bytes}, NULL)"),
        "INSERT INTO config_version (id, version) VALUES (1, 12)".to_owned(),
    ] {
        scratch.run(&sql).await;
    }
    roll_up(&scratch).await;
    if engine == DbBackend::Postgres {
        scratch
            .number("SELECT setval(pg_get_serial_sequence('models', 'id'), 9)")
            .await;
    }
    scratch
}

/// What a gateway makes of rows.
async fn roll_up(scratch: &Scratch) {
    for sql in [
        "INSERT INTO log_periods (begins, version, is_rolled_up) VALUES (900, 1, '1')",
        "INSERT INTO log_rollups (rolled_by, begins, latencies, ttfts) VALUES ('all', 900, '', '')",
    ] {
        scratch.run(sql).await;
    }
}

/// Rows of other rows' making.
async fn derived(scratch: &Scratch) -> i64 {
    let sql = "SELECT (SELECT COUNT(*) FROM log_periods) + (SELECT COUNT(*) FROM log_rollups)";
    scratch.number(sql).await
}

struct Place {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn place(name: &str) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    Place {
        _folder: folder,
        file,
    }
}

#[tokio::test]
async fn rows_are_the_same_on_every_engine() {
    for from in ENGINES {
        let source = filled(from).await;
        let before = rows(&source).await;
        assert_eq!(before["prices"]["1"]["input"], 9_007_199_254_740_993_i64);
        assert_eq!(
            before["request_logs"]["8"]["created_at"],
            "2026-03-01T12:00:00.123456Z"
        );
        assert_eq!(
            before["request_logs"]["8"]["attempts"],
            serde_json::json!([null])
        );
        for to in ENGINES {
            let place = place("dump.jsonl.gz");
            let dumped = dump(source.url(), &place.file, &mut Silent).await.unwrap();
            assert_eq!(dumped.rows, 7, "{from:?}");
            let target = Scratch::migrated(to).await;
            roll_up(&target).await;
            let loaded = load(
                target.url(),
                &place.file,
                false,
                Options::default(),
                &mut Silent,
            )
            .await;
            let loaded = loaded.unwrap_or_else(|error| panic!("{from:?} to {to:?}: {error}"));
            assert!(loaded.report.is_whole() && loaded.report.kept() == 7);
            assert_eq!(rows(&target).await, before, "{from:?} to {to:?}");
            assert_eq!(derived(&target).await, 0, "they were of other rows");
            target
                .run("INSERT INTO models (name) VALUES ('next')")
                .await;
            let next = target.number("SELECT MAX(id) FROM models").await;
            assert_eq!(next, 10, "{from:?} to {to:?}");
            let again = load(
                target.url(),
                &place.file,
                false,
                Options::default(),
                &mut Silent,
            )
            .await;
            assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
            load(
                target.url(),
                &place.file,
                true,
                Options::default(),
                &mut Silent,
            )
            .await
            .unwrap();
            assert_eq!(rows(&target).await, before, "{from:?} over {to:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_not_whole_changes_nothing() {
    let source = filled(DbBackend::Sqlite).await;
    let place = place("dump.jsonl");
    dump(source.url(), &place.file, &mut Silent).await.unwrap();
    let whole = std::fs::read_to_string(&place.file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let last = lines.len() - 1;
    let without = |line: usize| {
        let mut lines = lines.clone();
        lines.remove(line);
        lines.join("\n")
    };
    let row = lines.iter().position(|line| line.starts_with('[')).unwrap();
    for (content, expected) in [
        (without(last), "it was cut off"),
        (without(row), "rows where there should be"),
        (without(0), "no dump"),
        (String::new(), "it was cut off"),
        (whole.replace("\"format\":1", "\"format\":2"), "format 2"),
        (
            whole.replace("\"table\":\"prices\"", "\"table\":\"costs\""),
            "no table costs",
        ),
        (whole.replace("[4,", "[\"four\","), "is no whole number"),
        (whole.replace("[4,", "[4,5,"), "values for"),
        (format!("{whole}[1]\n"), "follows the end"),
        (whole.replace("naïve", &"x".repeat(101)), "characters"),
    ] {
        std::fs::write(&place.file, &content).unwrap();
        for engine in ENGINES {
            let target = Scratch::migrated(engine).await;
            let error = load(
                target.url(),
                &place.file,
                false,
                Options::default(),
                &mut Silent,
            )
            .await
            .unwrap_err()
            .to_string();
            assert!(error.contains(expected), "{engine:?}: {error}");
            assert_eq!(
                target.number("SELECT COUNT(*) FROM models").await,
                0,
                "{engine:?}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn no_file_is_overwritten_and_none_is_left_half_written() {
    let source = filled(DbBackend::Sqlite).await;
    let place = place("dump.jsonl");
    std::fs::write(&place.file, "precious").unwrap();
    let error = dump(source.url(), &place.file, &mut Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&place.file).unwrap(), "precious");
    source.run("ALTER TABLE models DROP COLUMN remark").await;
    let other = place.file.with_extension("other");
    let error = dump(source.url(), &other, &mut Silent)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("migrator rebuild"), "{error}");
    assert_eq!(
        std::fs::read_dir(place.file.parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}
