//! Creating and recreating the schema.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::scratch::{ENGINES, Scratch};

const VERSION: &str = "m20251004_000001_initial_schema";

#[tokio::test]
async fn a_fresh_up_is_clean_and_a_second_one_does_nothing() {
    for engine in ENGINES {
        let scratch = Scratch::new(engine).await;
        assert_eq!(migration::up(&scratch.db).await.unwrap(), [VERSION]);
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
        migration::verify(&scratch.db).await.unwrap();
        assert_eq!(migration::up(&scratch.db).await.unwrap(), [""; 0]);
        assert_eq!(scratch.check().await, [""; 0], "{engine:?}");
        let sql = format!("SELECT version FROM {}", migration::VERSION_TABLE);
        let rows = scratch
            .db
            .query_all_raw(Statement::from_string(engine, sql))
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].try_get::<String>("", "version").unwrap(), VERSION);
    }
}
