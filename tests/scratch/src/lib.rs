//! A database of a test's own: an SQLite file, or a database on the server that `TEST_POSTGRES_URL` or `TEST_MYSQL_URL`
//! names, else on the one at the default address. A server that cannot be reached fails the test.
//!
//! [`Place`] is where one may be made, for tests whose subject connects by itself, and [`Scratch`] one that is connected.

mod place;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

pub use place::Place;

/// Every engine.
pub const ENGINES: [DbBackend; 3] = [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql];

/// An empty database with a connection to it, gone when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    /// Opened as a program of ours does it.
    pub db: DatabaseConnection,
    place: Place,
}

impl Scratch {
    /// Makes one, without tables.
    ///
    /// # Panics
    /// If that is not possible: the test cannot go on.
    pub async fn new(engine: DbBackend) -> Self {
        let place = Place::new(engine).await;
        let opened = migration::connect(place.url()).await;
        Self {
            db: opened.unwrap_or_else(|error| panic!("{}: {error}", place.url())),
            place,
        }
    }

    /// One with our schema in it.
    ///
    /// # Panics
    /// If that cannot be made.
    pub async fn migrated(engine: DbBackend) -> Self {
        let scratch = Self::new(engine).await;
        let done = migration::up(&scratch.db).await;
        done.unwrap_or_else(|error| panic!("{engine:?}: {error}"));
        scratch
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// As `DATABASE_URL` would name it.
    pub fn url(&self) -> &str {
        self.place.url()
    }

    /// What it is on.
    pub fn engine(&self) -> DbBackend {
        self.place.engine()
    }

    /// Runs a statement.
    ///
    /// # Panics
    /// If it fails.
    pub async fn run(&self, sql: &str) {
        let done = self.db.execute_unprepared(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The one number that `sql` answers.
    ///
    /// # Panics
    /// If it answers anything else.
    pub async fn number(&self, sql: &str) -> i64 {
        number(&self.db, sql).await
    }

    /// In what its schema differs from ours, as lines.
    ///
    /// # Panics
    /// If that cannot be found out.
    pub async fn check(&self) -> Vec<String> {
        let differences = migration::check(&self.db).await;
        let differences = differences.unwrap_or_else(|error| panic!("{error}"));
        differences.iter().map(ToString::to_string).collect()
    }
}

/// The one number that `sql` answers on a database.
///
/// # Panics
/// If it answers anything else.
pub async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await;
    row.ok()
        .flatten()
        .and_then(|row| row.try_get_by_index(0).ok())
        .unwrap_or_else(|| panic!("{sql} answers no number"))
}
