//! What the check finds.

use migration::{Aspect, Table, create_statements, schema};
use scratch::{ENGINES, Scratch};
use sea_orm::DbBackend;

use crate::mutate::{Mutated, kind_by_kind, one_by_one};

#[tokio::test]
async fn every_mutation_is_found_on_sqlite() {
    every_mutation_is_found(DbBackend::Sqlite).await;
}

#[tokio::test]
async fn every_mutation_is_found_on_postgres() {
    every_mutation_is_found(DbBackend::Postgres).await;
}

#[tokio::test]
async fn every_mutation_is_found_on_mysql() {
    every_mutation_is_found(DbBackend::MySql).await;
}

/// Each table with what it refers to, in every one of its mutations.
async fn every_mutation_is_found(engine: DbBackend) {
    let scratch = Scratch::new(engine).await;
    // Hundreds of tables that no crash needs to survive.
    match engine {
        DbBackend::Sqlite => {
            scratch
                .run("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
                .await
        }
        DbBackend::Postgres => scratch.run("SET synchronous_commit = off").await,
        _ => {}
    }
    let parents = ["models", "providers", "api_keys"];
    let mut count = 0;
    for table in schema().tables {
        if !parents.contains(&table.name) {
            for parent in schema()
                .tables
                .iter()
                .filter(|table| parents.contains(&table.name))
            {
                recreate(&scratch, parent).await;
            }
        }
        recreate(&scratch, &table).await;
        assert_eq!(
            about(&scratch, table.name).await,
            [],
            "{engine:?}: as described"
        );
        let mutated = match engine {
            DbBackend::Sqlite => one_by_one(engine, &table),
            _ => kind_by_kind(engine, &table),
        };
        for mutated in mutated {
            recreate(&scratch, &mutated.table).await;
            assert_found(&scratch, &mutated).await;
            count += mutated.mutations.len();
        }
        scratch.run(&format!("DROP TABLE {}", table.name)).await;
        let gone = about(&scratch, table.name).await;
        assert!(
            matches!(gone.as_slice(), [one] if one.aspect == Aspect::Table),
            "{gone:?}"
        );
        for parent in parents {
            scratch.run(&format!("DROP TABLE IF EXISTS {parent}")).await;
        }
    }
    assert!(count > 700, "only {count} mutations");
}

async fn recreate(scratch: &Scratch, table: &Table) {
    let engine = scratch.db.get_database_backend();
    scratch
        .run(&format!("DROP TABLE IF EXISTS {}", table.name))
        .await;
    for statement in create_statements(engine, table) {
        scratch.run(&statement).await;
    }
}

async fn about(scratch: &Scratch, table: &str) -> Vec<migration::Difference> {
    let mut differences = migration::check(&scratch.db).await.unwrap();
    differences.retain(|difference| difference.table == table);
    differences
}

/// Everything that was changed is named, and each in its own line.
async fn assert_found(scratch: &Scratch, mutated: &Mutated) {
    let mut found = about(scratch, mutated.table.name).await;
    for mutation in &mutated.mutations {
        let place = found.iter().position(|difference| {
            difference.aspect == mutation.aspect && difference.column.as_deref() == mutation.column
        });
        let (table, label) = (mutated.table.name, &mutation.label);
        let place = place.unwrap_or_else(|| {
            panic!(
                "{}: {table}, {label}, {:?} not found in {found:?}",
                scratch.url(),
                mutation.column
            )
        });
        found.remove(place);
    }
}

/// Changes made by hand, some of which the description has no words for: (statements, the one line of the check).
fn by_hand(engine: DbBackend) -> Vec<(&'static str, &'static str)> {
    match engine {
        DbBackend::Postgres => POSTGRES.to_vec(),
        DbBackend::MySql => MYSQL.to_vec(),
        _ => SQLITE.to_vec(),
    }
}

/// The index of failures has all rows.
const ALL_STATUSES: &str = "DROP INDEX idx_request_logs_status_code_created_at_id_stream; \
    CREATE INDEX idx_request_logs_status_code_created_at_id_stream ON request_logs (status_code, created_at, id, stream)";

const SQLITE: [(&str, &str); 10] = [
    (
        "ALTER TABLE models ADD COLUMN context_length INTEGER",
        "models.context_length: column: expected none, found INTEGER",
    ),
    (
        "ALTER TABLE models DROP COLUMN remark",
        "models.remark: column: expected VARCHAR(255), found none",
    ),
    (
        "DROP INDEX idx_request_logs_created_at_id_status_code_stream",
        "request_logs: index: expected (created_at, id, status_code, stream), found none",
    ),
    (
        ALL_STATUSES,
        "request_logs: index: expected (status_code, created_at, id, stream) WHERE status_code >= 400, \
         found (status_code, created_at, id, stream)",
    ),
    (
        "CREATE UNIQUE INDEX extra ON leases (holder) WHERE amount > 3",
        "leases: unique: expected none, found unique (holder) WHERE amount > 3",
    ),
    (
        "DROP INDEX idx_key_usage_date; CREATE INDEX idx_key_usage_date ON key_usage (date DESC)",
        "key_usage: index: expected (date), found none\nkey_usage: index: expected none, found (date DESC)",
    ),
    (
        "DROP TABLE write_batches",
        "write_batches: table: expected 2 columns, found none",
    ),
    (
        "DROP TABLE leases; CREATE TABLE leases (name VARCHAR(100) COLLATE NOCASE NOT NULL PRIMARY KEY, holder VARCHAR(100) NOT NULL, \
         expires_at DATETIME NOT NULL, amount INTEGER, updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        "leases.amount: type: expected BIGINT, found INTEGER\nleases: primary key: expected (name), found (name COLLATE NOCASE)",
    ),
    (
        "DELETE FROM seaql_migrations",
        "seaql_migrations: version: expected m20251004_000001_initial_schema, found none",
    ),
    (
        "INSERT INTO seaql_migrations VALUES ('m20990101_000001_later', 0)",
        "seaql_migrations: version: expected none, found m20990101_000001_later",
    ),
];

const POSTGRES: [(&str, &str); 18] = [
    (
        ALL_STATUSES,
        "request_logs: index: expected (status_code, created_at, id, stream) WHERE status_code >= 400, \
         found (status_code, created_at, id, stream)",
    ),
    (
        "ALTER TABLE models ALTER COLUMN remark TYPE text",
        "models.remark: type: expected character varying(255), found text",
    ),
    (
        "ALTER TABLE models ALTER COLUMN created_at TYPE timestamptz(3)",
        "models.created_at: type: expected timestamp with time zone, found timestamp(3) with time zone",
    ),
    (
        "ALTER TABLE models ALTER COLUMN created_at TYPE timestamp",
        "models.created_at: type: expected timestamp with time zone, found timestamp without time zone",
    ),
    (
        "ALTER TABLE models ALTER COLUMN id SET GENERATED ALWAYS",
        "models.id: type: expected bigint generated by default as identity, found bigint generated always as identity",
    ),
    (
        "ALTER TABLE models ALTER COLUMN id DROP IDENTITY",
        "models.id: type: expected bigint generated by default as identity, found bigint",
    ),
    (
        "ALTER TABLE providers ALTER COLUMN config TYPE json",
        "providers.config: type: expected jsonb, found json",
    ),
    (
        "ALTER TABLE models ALTER COLUMN name TYPE varchar(100) COLLATE \"C\"",
        "models.name: type: expected character varying(100), found character varying(100) collate C",
    ),
    (
        "ALTER TABLE models ALTER COLUMN timeout SET DEFAULT 60",
        "models.timeout: default: expected 30, found 60",
    ),
    (
        "ALTER TABLE models ALTER COLUMN timeout DROP DEFAULT",
        "models.timeout: default: expected 30, found none",
    ),
    (
        "ALTER TABLE models ALTER COLUMN name DROP NOT NULL",
        "models.name: null: expected NOT NULL, found NULL",
    ),
    (
        "ALTER TABLE models DROP CONSTRAINT uq_models_name",
        "models: unique: expected unique (name), found none",
    ),
    (
        "ALTER TABLE model_providers DROP CONSTRAINT fk_model_providers_model_id, ADD FOREIGN KEY (model_id) \
         REFERENCES models (id) ON DELETE SET NULL ON UPDATE CASCADE",
        "model_providers: foreign key: expected (model_id) -> models(id) ON DELETE CASCADE, \
         found (model_id) -> models(id) ON DELETE SET NULL ON UPDATE CASCADE",
    ),
    (
        "ALTER TABLE leases DROP CONSTRAINT leases_pkey",
        "leases: primary key: expected (name), found none",
    ),
    (
        "CREATE INDEX extra ON models (lower(name))",
        "models: index: expected none, found (lower((name)::text))",
    ),
    (
        "CREATE INDEX extra ON models USING hash (name)",
        "models: index: expected none, found (name USING hash)",
    ),
    (
        "CREATE UNIQUE INDEX extra ON models (remark) WHERE enabled",
        "models: unique: expected none, found unique (remark) WHERE enabled",
    ),
    (
        "DROP TABLE routing_policies",
        "routing_policies: table: expected 17 columns, found none",
    ),
];

const MYSQL: [(&str, &str); 15] = [
    (
        "ALTER TABLE models MODIFY remark TEXT",
        "models.remark: type: expected varchar(255), found text",
    ),
    (
        "ALTER TABLE models MODIFY remark VARCHAR(255) COLLATE utf8mb4_general_ci",
        "models.remark: type: expected varchar(255), found varchar(255) collate utf8mb4_general_ci",
    ),
    (
        "ALTER TABLE models MODIFY timeout INT UNSIGNED DEFAULT 30",
        "models.timeout: type: expected int, found int unsigned",
    ),
    (
        "ALTER TABLE models MODIFY enabled TINYINT(4) DEFAULT 1",
        "models.enabled: type: expected tinyint(1), found tinyint",
    ),
    (
        "ALTER TABLE models MODIFY created_at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3)",
        "models.created_at: type: expected datetime(6), found datetime(3)\n\
         models.created_at: default: expected CURRENT_TIMESTAMP(6), found current_timestamp(3)",
    ),
    (
        "ALTER TABLE models MODIFY updated_at DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
        "models.updated_at: default: expected CURRENT_TIMESTAMP(6), \
         found CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
    ),
    (
        "ALTER TABLE models ALTER timeout SET DEFAULT 60",
        "models.timeout: default: expected 30, found 60",
    ),
    (
        "ALTER TABLE models ALTER timeout DROP DEFAULT",
        "models.timeout: default: expected 30, found none",
    ),
    (
        "ALTER TABLE api_keys MODIFY limits LONGTEXT",
        "api_keys.limits: type: expected json, found longtext",
    ),
    (
        "ALTER TABLE audit_log MODIFY id BIGINT NOT NULL",
        "audit_log.id: type: expected bigint auto_increment, found bigint",
    ),
    (
        "ALTER TABLE models DROP KEY uq_models_name",
        "models: unique: expected unique (name), found none",
    ),
    (
        "CREATE INDEX extra ON models (remark(10))",
        "models: index: expected none, found (remark(10))",
    ),
    (
        "ALTER TABLE model_providers DROP FOREIGN KEY model_providers_ibfk_1, ADD CONSTRAINT other FOREIGN KEY (model_id) \
         REFERENCES models (id) ON DELETE CASCADE ON UPDATE CASCADE",
        "model_providers: foreign key: expected (model_id) -> models(id) ON DELETE CASCADE, \
         found (model_id) -> models(id) ON DELETE CASCADE ON UPDATE CASCADE",
    ),
    (
        "ALTER TABLE leases DROP PRIMARY KEY",
        "leases: primary key: expected (name), found none",
    ),
    (
        "ALTER TABLE leases ENGINE = MyISAM",
        "leases: table: expected InnoDB, found MyISAM",
    ),
];

#[tokio::test]
async fn a_change_by_hand_is_named_in_one_line() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        for (statements, expected) in by_hand(engine) {
            // The one connection keeps the transaction; MySQL has none for DDL.
            if engine == DbBackend::MySql {
                migration::fresh(&scratch.db).await.unwrap();
            } else {
                scratch.run("BEGIN").await;
            }
            scratch.run(statements).await;
            let lines = scratch.check().await.join("\n");
            assert_eq!(lines, expected, "{engine:?}: {statements}");
            if engine != DbBackend::MySql {
                scratch.run("ROLLBACK").await;
            }
        }
    }
}

#[tokio::test]
async fn spellings_of_the_same_schema_are_no_difference() {
    for (engine, statement) in [
        (
            DbBackend::Postgres,
            "ALTER TABLE models ALTER COLUMN created_at SET DEFAULT now()",
        ),
        (
            DbBackend::Postgres,
            "ALTER TABLE models ALTER COLUMN enabled SET DEFAULT 't'",
        ),
        (
            DbBackend::Postgres,
            "ALTER TABLE provider_stats ALTER COLUMN total_tokens SET DEFAULT '0'",
        ),
        (
            DbBackend::MySql,
            "ALTER TABLE models MODIFY enabled BOOLEAN DEFAULT TRUE",
        ),
        (
            DbBackend::MySql,
            "ALTER TABLE models MODIFY created_at DATETIME(6) DEFAULT NOW(6)",
        ),
        (
            DbBackend::MySql,
            "ALTER TABLE providers MODIFY config LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(config))",
        ),
    ] {
        let scratch = Scratch::migrated(engine).await;
        scratch.run(statement).await;
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}: {statement}");
    }
}

#[tokio::test]
async fn what_is_not_ours_is_not_looked_at() {
    for engine in ENGINES {
        let scratch = Scratch::migrated(engine).await;
        scratch
            .run("CREATE TABLE invoices (id INTEGER, amount INTEGER)")
            .await;
        scratch
            .run("CREATE VIEW open_models AS SELECT id, name FROM models")
            .await;
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
    }
}

/// The account of a running gateway: rows, but no tables.
#[tokio::test]
async fn a_check_needs_no_right_to_change_the_schema() {
    for engine in [DbBackend::Postgres, DbBackend::MySql] {
        let scratch = Scratch::migrated(engine).await;
        let (base, database) = scratch.url().rsplit_once('/').unwrap();
        let (_, host) = base.rsplit_once('@').unwrap();
        let account = format!("gateway_{database}");
        let (make, remove) = match engine {
            DbBackend::Postgres => (
                format!(
                    "CREATE ROLE {account} LOGIN PASSWORD 'secret'; \
                     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {account}"
                ),
                format!("DROP OWNED BY {account}; DROP ROLE {account}"),
            ),
            _ => (
                format!(
                    "CREATE USER {account}@'%' IDENTIFIED BY 'secret'; \
                     GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {account}@'%'"
                ),
                format!("DROP USER {account}@'%'"),
            ),
        };
        scratch.run(&make).await;
        let scheme = if engine == DbBackend::Postgres {
            "postgres"
        } else {
            "mysql"
        };
        let url = format!("{scheme}://{account}:secret@{host}/{database}");
        let db = migration::connect(&url).await.unwrap();
        let differences = migration::check(&db).await.unwrap();
        let verified = migration::verify(&db).await;
        let refused = migration::fresh(&db).await;
        db.close().await.unwrap();
        scratch.run(&remove).await;
        assert_eq!(differences, [], "{engine:?}");
        verified.unwrap();
        assert!(refused.is_err(), "{engine:?}: the account may drop tables");
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
    }
}
