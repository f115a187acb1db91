//! The one migration: an empty database becomes the schema of this build.

use sea_orm::ConnectionTrait;
use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use crate::{ddl, schema};

/// Creates every table of [`schema`] that is not there yet.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20251004_000001_initial_schema"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    /// Tables that are there already were left by a run that was killed where each statement commits by itself;
    /// whoever calls this has made sure that they are ours.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for table in schema().tables {
            if manager.has_table(table.name).await? {
                continue;
            }
            for statement in ddl::create(engine, &table) {
                manager
                    .get_connection()
                    .execute_unprepared(&statement)
                    .await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for table in schema().tables.iter().rev() {
            manager
                .get_connection()
                .execute_unprepared(&ddl::drop(engine, table.name))
                .await?;
        }
        Ok(())
    }
}
