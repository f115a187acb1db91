//! Statements that let others run while they are executed.
//!
//! To the kernel the thread that executes them is as urgent as those that serve requests. On a processor that they share it
//! would keep them waiting for as long as a statement takes, which is a third of a millisecond where it inserts fifty rows.

use std::thread;
use std::time::{Duration, Instant};

use sea_orm::sqlx::{Error, SqliteConnection};

/// [Instructions](https://www.sqlite.org/opcode.html) after which others may run: those of two or three rows of
/// `request_logs`.
const INSTRUCTIONS: i32 = 400;

/// Has what `connection` executes yield the processor now and then, until `patience` is over. Linux takes a whole slice of
/// its time from a thread that yields, so that one which never hurried would never end where there is much to do.
///
/// # Errors
/// The connection's thread is gone.
pub(super) async fn let_others_run(
    connection: &mut SqliteConnection,
    patience: Duration,
) -> Result<(), Error> {
    watch(
        connection,
        until(Instant::now() + patience, thread::yield_now),
    )
    .await
}

async fn watch(
    connection: &mut SqliteConnection,
    look: impl FnMut() -> bool + Send + 'static,
) -> Result<(), Error> {
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(INSTRUCTIONS, look);
    Ok(())
}

/// What is called while a statement is executed, and tells that it shall be executed further.
fn until(end: Instant, yields: impl Fn()) -> impl FnMut() -> bool {
    move || {
        if Instant::now() < end {
            yields();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor};

    use super::*;

    #[tokio::test]
    async fn others_may_run_while_rows_are_inserted() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute("CREATE TABLE t (a)").await.unwrap();
        let (looks, seen) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let look = {
            let looks = looks.clone();
            move || looks.fetch_add(1, Relaxed) < u32::MAX
        };
        watch(&mut connection, look).await.unwrap();
        for _ in 0..2 {
            let insert = format!("INSERT INTO t VALUES (1){}", ", (1)".repeat(200));
            connection.execute(AssertSqlSafe(insert)).await.unwrap();
            let before = seen.swap(looks.load(Relaxed), Relaxed);
            assert!(seen.load(Relaxed) > before);
        }
    }

    #[test]
    fn patience_ends() {
        let yielded = Cell::new(0);
        let yields = || yielded.set(yielded.get() + 1);
        let mut patient = until(Instant::now() + Duration::from_secs(60), yields);
        assert!(patient() && patient());
        assert_eq!(yielded.get(), 2);
        let mut hurried = until(Instant::now(), yields);
        assert!(hurried());
        assert_eq!(yielded.get(), 2);
    }
}
