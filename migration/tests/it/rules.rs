//! What the tables enforce, alike on every engine.

use scratch::{ENGINES, Scratch};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

async fn number(scratch: &Scratch, sql: &str) -> i64 {
    let statement = Statement::from_string(scratch.db.get_database_backend(), sql);
    let row = scratch.db.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn ids_are_never_given_twice() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        for expected in 1..=3 {
            scratch
                .run("INSERT INTO models (name) VALUES ('again')")
                .await;
            assert_eq!(
                number(&scratch, "SELECT id AS n FROM models").await,
                expected,
                "{engine:?}"
            );
            scratch.run("DELETE FROM models").await;
        }
    }
}

#[tokio::test]
async fn foreign_keys_are_enforced_and_cascade() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        let association = "INSERT INTO model_providers (model_id, provider_id, provider_model) VALUES (1, 1, 'x')";
        assert!(
            scratch.db.execute_unprepared(association).await.is_err(),
            "{engine:?}"
        );
        scratch.run("INSERT INTO models (name) VALUES ('m')").await;
        scratch
            .run("INSERT INTO providers (name, type, config) VALUES ('p', 'openai', '{}')")
            .await;
        scratch.run(association).await;
        scratch
            .run("INSERT INTO provider_health (provider_id) VALUES (1)")
            .await;
        scratch
            .run("INSERT INTO prices (provider_id, model_pattern) VALUES (1, '*')")
            .await;
        scratch
            .run("INSERT INTO routing_policies (model_id) VALUES (1)")
            .await;
        scratch.run("DELETE FROM providers").await;
        for table in ["model_providers", "provider_health", "prices"] {
            let sql = format!("SELECT COUNT(*) AS n FROM {table}");
            assert_eq!(number(&scratch, &sql).await, 0, "{engine:?} {table}");
        }
        assert_eq!(
            number(&scratch, "SELECT COUNT(*) AS n FROM routing_policies").await,
            1
        );
        scratch.run("DELETE FROM models").await;
        assert_eq!(
            number(&scratch, "SELECT COUNT(*) AS n FROM routing_policies").await,
            0
        );
    }
}

#[tokio::test]
async fn names_differ_by_case_and_accent() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        for name in ["gpt", "GPT", "gpt\u{301}", "gét", "get"] {
            scratch
                .run(&format!("INSERT INTO models (name) VALUES ('{name}')"))
                .await;
        }
        let count = "SELECT COUNT(*) AS n FROM models WHERE name = 'GPT'";
        assert_eq!(number(&scratch, count).await, 1, "{engine:?}");
        let twice = "INSERT INTO models (name) VALUES ('gpt')";
        assert!(
            scratch.db.execute_unprepared(twice).await.is_err(),
            "{engine:?}"
        );
    }
}

#[tokio::test]
async fn defaults_are_those_of_the_description() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        scratch.run("INSERT INTO models (name) VALUES ('m')").await;
        let enabled = if engine == DbBackend::Postgres {
            "enabled"
        } else {
            "enabled = 1"
        };
        let sql = format!(
            "SELECT COUNT(*) AS n FROM models WHERE remark IS NULL AND max_retry = 3 AND timeout = 30 AND {enabled} \
             AND created_at IS NOT NULL AND created_at = updated_at"
        );
        assert_eq!(number(&scratch, &sql).await, 1, "{engine:?}");
    }
}

/// `.schema` of the SQLite shell prints these statements as they are.
#[tokio::test]
async fn the_two_main_tables_read_as_documented_on_sqlite() {
    let scratch = Scratch::migrated(DbBackend::Sqlite).await;
    for (table, expected) in [("models", MODELS), ("model_providers", MODEL_PROVIDERS)] {
        let sql = format!(
            "SELECT sql || ';' AS line FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL"
        );
        let rows = scratch
            .db
            .query_all_raw(Statement::from_string(DbBackend::Sqlite, sql))
            .await
            .unwrap();
        let lines: Vec<String> = rows
            .iter()
            .map(|row| row.try_get("", "line").unwrap())
            .collect();
        assert_eq!(lines.join("\n"), expected.trim());
    }
}

const MODELS: &str = "
CREATE TABLE models (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(100) NOT NULL UNIQUE,
    remark VARCHAR(255),
    max_retry INTEGER DEFAULT 3,
    timeout INTEGER DEFAULT 30,
    enabled BOOLEAN DEFAULT 1,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
";

const MODEL_PROVIDERS: &str = "
CREATE TABLE model_providers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id INTEGER NOT NULL,
    provider_id INTEGER NOT NULL,
    provider_model VARCHAR(100) NOT NULL,
    weight INTEGER DEFAULT 1,
    tool_call BOOLEAN DEFAULT 1,
    structured_output BOOLEAN DEFAULT 1,
    image BOOLEAN DEFAULT 0,
    enabled BOOLEAN DEFAULT 1,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE,
    FOREIGN KEY (provider_id) REFERENCES providers(id) ON DELETE CASCADE
);
CREATE INDEX idx_model_providers_model_id ON model_providers (model_id);
CREATE INDEX idx_model_providers_provider_id ON model_providers (provider_id);
";
