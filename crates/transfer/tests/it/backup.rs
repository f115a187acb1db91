//! The old rows, where a rebuild has put them.

use scratch::{Scratch, number};
use sea_orm::{DatabaseConnection, DbBackend};

pub(crate) struct Backup {
    db: DatabaseConnection,
    /// What comes before the name of a table.
    prefix: String,
}

impl Backup {
    /// That of a database, as the rebuild has told of it.
    pub(crate) async fn open(scratch: &Scratch, told: &str) -> Self {
        let prefix = match scratch.engine() {
            DbBackend::Postgres => format!("{}.", told.strip_prefix("schema ").unwrap()),
            DbBackend::MySql => {
                let tables = told.strip_prefix("tables ").unwrap();
                tables.trim_end_matches('*').to_owned()
            }
            _ => {
                let file = format!("sqlite://{told}");
                return Self {
                    db: migration::connect_existing(&file).await.unwrap(),
                    prefix: String::new(),
                };
            }
        };
        Self {
            db: scratch.db.clone(),
            prefix,
        }
    }

    /// So many rows of a table have a value in a column.
    pub(crate) async fn count(&self, table: &str, column: &str) -> i64 {
        let sql = format!("SELECT COUNT({column}) FROM {}{table}", self.prefix);
        number(&self.db, &sql).await
    }
}
