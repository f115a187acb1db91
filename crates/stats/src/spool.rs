//! Rows on local disk, for as long as the database does not take them.
//!
//! An SQLite file in WAL mode: what is put is in the operating system's hands when the call returns, so a killed process
//! loses none of it. Several processes may share a folder: each has a slot of its own, held by a file lock that the
//! system releases when the process ends, and takes over what slots without a holder still have.

mod slot;

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectOptions, ConnectionTrait, Database,
    DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Set, TransactionTrait,
};

use crate::Error;
use crate::fault::is_damaged;
use crate::row::Row;
use crate::sqlite::close_stuck;
use crate::write::Batch;
use slot::Slot;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS batches (
        id TEXT PRIMARY KEY NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS set_aside (
        request_id TEXT PRIMARY KEY NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL, created_at TEXT NOT NULL
    );";

/// Refused rows that are kept for someone to look at.
const SET_ASIDE_ROWS: u64 = 1_000;

/// Batches taken over at once: requests go on meanwhile, and what they leave must come to disk in time.
const ADOPT_BATCHES: u64 = 16;

/// Space that an emptied file may keep.
const IDLE_BYTES: u64 = 8 << 20;

mod batches {
    use sea_orm::entity::prelude::*;

    /// A batch; ids sort by age.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "batches")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) row_count: i64,
        pub(crate) bytes: i64,
        /// JSON list of rows.
        pub(crate) body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod set_aside {
    use sea_orm::entity::prelude::*;

    /// A row the database refused.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "set_aside")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) request_id: String,
        pub(crate) reason: String,
        /// The row as JSON.
        pub(crate) body: String,
        pub(crate) created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Why rows could not be put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the spool is full")]
    Full,
    #[error("the spool cannot be written")]
    Broken(#[from] DbErr),
}

/// The front of the queue on disk.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) batches: Vec<Batch>,
    /// Rows of batches that could not be read and are no longer in the queue.
    pub(crate) unreadable_rows: u64,
}

/// This process's spool.
#[derive(Debug)]
pub(crate) struct Spool {
    db: DatabaseConnection,
    slot: Slot,
    folder: PathBuf,
    limit_bytes: u64,
    rows: u64,
    bytes: u64,
    /// Bytes put since the file was last shrunk.
    grown: u64,
}

impl Spool {
    pub(crate) async fn open(folder: PathBuf, limit_bytes: u64) -> Result<Self, Error> {
        let slot = Slot::claim(&folder).map_err(|source| Error::SpoolDir {
            path: folder.clone(),
            source,
        })?;
        let (db, rows, bytes) = match load(&slot).await {
            Err(error) if is_damaged(&error) => {
                let kept = slot.put_damaged_aside().map_err(|source| Error::SpoolDir {
                    path: folder.clone(),
                    source,
                })?;
                tracing::error!(%error, path = %kept.display(), "the spool was damaged; it begins anew");
                load(&slot).await
            }
            result => result,
        }
        .map_err(Error::Spool)?;
        if rows > 0 {
            tracing::info!(
                spool.rows = rows,
                "request rows of an earlier run wait in the spool"
            );
        }
        Ok(Self {
            db,
            slot,
            folder,
            limit_bytes,
            rows,
            bytes,
            grown: bytes,
        })
    }

    /// Rows that wait.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Puts batches, all or none.
    pub(crate) async fn put<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> Result<(), PutError> {
        let mut models = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        for batch in batches {
            let body = serde_json::to_string(&batch.rows)
                .map_err(|error| DbErr::Json(error.to_string()))?;
            rows += batch.rows.len() as u64;
            bytes += body.len() as u64;
            models.push(batches::Model {
                id: batch.id.to_string(),
                row_count: batch.rows.len() as i64,
                bytes: body.len() as i64,
                body,
            });
        }
        if self.bytes + bytes > self.limit_bytes {
            return Err(PutError::Full);
        }
        insert(&self.db, models).await?;
        self.rows += rows;
        self.bytes += bytes;
        self.grown += bytes;
        Ok(())
    }

    /// The oldest batches, up to so many rows but at least one batch. What cannot be read is set aside.
    pub(crate) async fn head(&mut self, rows: u64) -> Result<Head, DbErr> {
        let sizes: Vec<(String, i64)> = batches::Entity::find()
            .select_only()
            .columns([batches::Column::Id, batches::Column::RowCount])
            .order_by_asc(batches::Column::Id)
            .limit(rows)
            .into_tuple()
            .all(&self.db)
            .await?;
        let mut sum = 0;
        let fitting = sizes.iter().take_while(|(_, count)| {
            sum += count.unsigned_abs();
            sum <= rows
        });
        let mut head = Head::default();
        let Some(last) = sizes.get(fitting.count().saturating_sub(1)) else {
            return Ok(head);
        };
        let models = batches::Entity::find()
            .filter(batches::Column::Id.lte(last.0.as_str()))
            .order_by_asc(batches::Column::Id)
            .all(&self.db)
            .await?;
        for model in models {
            match parse(&model) {
                Ok(batch) => head.batches.push(batch),
                Err(reason) => {
                    head.unreadable_rows += model.row_count.unsigned_abs();
                    self.quarantine(model, &reason).await?;
                }
            }
        }
        Ok(head)
    }

    /// Removes batches that are in the database now.
    pub(crate) async fn remove(&mut self, batches: &[Batch]) -> Result<(), DbErr> {
        self.delete(batches.iter().map(|batch| batch.id.to_string()).collect())
            .await?;
        if self.rows == 0 && self.grown > IDLE_BYTES {
            self.grown = 0;
            self.db.execute_unprepared("VACUUM").await?;
            self.db
                .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
                .await?;
        }
        Ok(())
    }

    async fn delete(&mut self, ids: Vec<String>) -> Result<(), DbErr> {
        let these = batches::Column::Id.is_in(ids);
        let (rows, bytes) = content(&self.db, these.clone().into()).await?;
        batches::Entity::delete_many()
            .filter(these)
            .exec(&self.db)
            .await?;
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// A batch that no build of ours wrote must not hold up those behind it.
    async fn quarantine(&mut self, model: batches::Model, reason: &str) -> Result<(), DbErr> {
        tracing::error!(
            batch.id = model.id,
            rows = model.row_count,
            reason,
            "a spooled batch cannot be read"
        );
        self.keep_aside(model.id.clone(), reason, model.body)
            .await?;
        self.delete(vec![model.id]).await
    }

    /// Keeps a refused row for someone to look at; the oldest give way.
    pub(crate) async fn set_aside(&self, row: &Row, reason: &str) -> Result<(), DbErr> {
        let body = serde_json::to_string(row).map_err(|error| DbErr::Json(error.to_string()))?;
        self.keep_aside(row.request_id.to_string(), reason, body)
            .await
    }

    async fn keep_aside(&self, id: String, reason: &str, body: String) -> Result<(), DbErr> {
        let model = set_aside::ActiveModel {
            request_id: Set(id),
            reason: Set(reason.to_owned()),
            body: Set(body),
            created_at: Set(Utc::now()),
        };
        let kept = OnConflict::column(set_aside::Column::RequestId)
            .update_columns([
                set_aside::Column::Reason,
                set_aside::Column::Body,
                set_aside::Column::CreatedAt,
            ])
            .to_owned();
        set_aside::Entity::insert(model)
            .on_conflict(kept)
            .exec_without_returning(&self.db)
            .await?;
        let count = set_aside::Entity::find().count(&self.db).await?;
        if count > SET_ASIDE_ROWS {
            let oldest = Query::select()
                .column(set_aside::Column::RequestId)
                .from(set_aside::Entity)
                .order_by(set_aside::Column::CreatedAt, sea_orm::Order::Asc)
                .limit(count - SET_ASIDE_ROWS)
                .to_owned();
            set_aside::Entity::delete_many()
                .filter(set_aside::Column::RequestId.in_subquery(oldest))
                .exec(&self.db)
                .await?;
        }
        Ok(())
    }

    /// Takes over what processes left behind that are no more, a few batches at a time, and says whether there is more.
    /// Batches keep their ids, so one that is copied twice, because we are killed in between, is still written once.
    pub(crate) async fn adopt(&mut self) -> Result<bool, DbErr> {
        let mut fault = None;
        for slot in Slot::orphans(&self.folder, &self.slot) {
            match self.adopt_from(&slot).await {
                Ok(Left::Nothing) => slot.clear(),
                Ok(Left::More) => return Ok(true),
                Ok(Left::Stays) => {}
                // One that cannot be read must not hide the others.
                Err(error) => fault = Some(error),
            }
        }
        fault.map_or(Ok(false), Err)
    }

    async fn adopt_from(&mut self, slot: &Slot) -> Result<Left, DbErr> {
        let orphan = connect(slot).await?;
        let left = self.adopt_some(&orphan).await;
        orphan.close().await?;
        left
    }

    async fn adopt_some(&mut self, orphan: &DatabaseConnection) -> Result<Left, DbErr> {
        let models = batches::Entity::find()
            .order_by_asc(batches::Column::Id)
            .limit(ADOPT_BATCHES)
            .all(orphan)
            .await?;
        if models.is_empty() {
            return Ok(match set_aside::Entity::find().count(orphan).await? {
                0 => Left::Nothing,
                _ => Left::Stays,
            });
        }
        let bytes: u64 = models.iter().map(|model| model.bytes.unsigned_abs()).sum();
        if self.bytes + bytes > self.limit_bytes {
            return Ok(Left::Stays);
        }
        let ids: Vec<String> = models.iter().map(|model| model.id.clone()).collect();
        tracing::info!(
            batches = ids.len(),
            "taking over request rows of a process that is no more"
        );
        insert(&self.db, models).await?;
        (self.rows, self.bytes) = content(&self.db, Condition::all()).await?;
        batches::Entity::delete_many()
            .filter(batches::Column::Id.is_in(ids))
            .exec(orphan)
            .await?;
        Ok(Left::More)
    }
}

/// What is left in a slot without a holder.
enum Left {
    Nothing,
    More,
    /// What cannot be taken over: more than fits, or rows that were set aside.
    Stays,
}

async fn load(slot: &Slot) -> Result<(DatabaseConnection, u64, u64), DbErr> {
    let db = connect(slot).await?;
    let (rows, bytes) = content(&db, Condition::all()).await?;
    Ok((db, rows, bytes))
}

async fn connect(slot: &Slot) -> Result<DatabaseConnection, DbErr> {
    let path = slot.database();
    // The URL only names the engine: a path may hold characters that mean something in a URL. It must not be the URL
    // of a database in memory, which would switch on the shared cache.
    let mut options = ConnectOptions::new("sqlite://spool.db");
    options
        .max_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .sqlx_logging(false)
        .map_sqlx_sqlite_pool_opts(close_stuck)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // Survives a kill. Syncing at each commit would also survive a power cut, but on a busy disk it
                // takes longer than rows may stay in memory.
                .synchronous(SqliteSynchronous::Normal)
                .pragma("temp_store", "memory")
        });
    let db = Database::connect(options).await?;
    db.execute_unprepared(TABLES).await?;
    Ok(db)
}

async fn insert(db: &DatabaseConnection, models: Vec<batches::Model>) -> Result<(), DbErr> {
    let transaction = db.begin().await?;
    for model in models {
        let model = batches::ActiveModel::from(model).reset_all();
        batches::Entity::insert(model)
            .on_conflict(
                OnConflict::column(batches::Column::Id)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await
}

/// Rows and bytes of the batches that fit a condition.
async fn content(db: &DatabaseConnection, condition: Condition) -> Result<(u64, u64), DbErr> {
    let sums: Option<(Option<i64>, Option<i64>)> = batches::Entity::find()
        .select_only()
        .expr(Expr::col(batches::Column::RowCount).sum())
        .expr(Expr::col(batches::Column::Bytes).sum())
        .filter(condition)
        .into_tuple()
        .one(db)
        .await?;
    let (rows, bytes) = sums.unwrap_or_default();
    Ok((
        rows.unwrap_or(0).unsigned_abs(),
        bytes.unwrap_or(0).unsigned_abs(),
    ))
}

fn parse(model: &batches::Model) -> Result<Batch, String> {
    Ok(Batch {
        id: model
            .id
            .parse()
            .map_err(|error: uuid::Error| error.to_string())?,
        rows: serde_json::from_str(&model.body).map_err(|error| error.to_string())?,
    })
}
