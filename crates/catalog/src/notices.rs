//! What PostgreSQL tells of changes (`NOTIFY`), so that nobody waits for the next poll. The other engines have no such thing.

use std::{convert::Infallible, future::pending, time::Duration};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr,
    sqlx::{
        Error, PgPool,
        postgres::{PgListener, PgPoolOptions},
    },
};
use tokio::sync::Notify;

/// What is notified, and listened to.
const CHANNEL: &str = "config_version";

/// Pause before it is tried again to listen.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells all gateways of a change, as soon as the transaction that `connection` is in commits.
///
/// # Errors
/// The database's.
pub(crate) async fn tell(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    if connection.get_database_backend() == DbBackend::Postgres {
        let notify = format!("NOTIFY {CHANNEL}");
        connection.execute_unprepared(&notify).await?;
    }
    Ok(())
}

/// Wakes who waits for `heard` at each change that anybody committed. What is told while nobody listens is not told again.
pub(crate) async fn hear(database: &DatabaseConnection, heard: &Notify) -> Infallible {
    if database.get_database_backend() != DbBackend::Postgres {
        return pending().await;
    }
    let options = database.get_postgres_connection_pool().connect_options();
    // Its connection is taken for good, so that it is none of those that do the work.
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PAUSE)
        .connect_lazy_with((*options).clone());
    loop {
        let Err(error) = listen(&own, heard).await;
        tracing::debug!(%error, "notices of changes cannot be heard; they are found by polling");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(own: &PgPool, heard: &Notify) -> Result<Infallible, Error> {
    let mut listener = PgListener::connect_with(own).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // A connection that is lost is made anew in here.
        listener.recv().await?;
        heard.notify_one();
    }
}
