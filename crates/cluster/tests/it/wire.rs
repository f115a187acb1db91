//! The way to Redis, which can be cut and held up.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    time::sleep,
};

/// Databases that a server has.
const DATABASES: usize = 16;

/// One of a server's databases, which the next test may have when this one has ended.
struct Database(u32);

static TAKEN: Mutex<[bool; DATABASES]> = Mutex::new([false; DATABASES]);

impl Database {
    async fn take() -> Self {
        loop {
            if let Some(number) = Self::try_take() {
                return Self(number);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn try_take() -> Option<u32> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.iter().position(|taken| !taken)?;
        taken[free] = true;
        u32::try_from(free).ok()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        taken[self.0 as usize] = false;
    }
}

/// A database of Redis's, empty, by way of this process.
#[derive(Clone)]
pub(crate) struct Wire {
    port: u16,
    direct: String,
    database: Arc<Database>,
    is_held: Arc<AtomicBool>,
    /// Connections end whenever this changes; none is let through while it is true.
    is_cut: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let server = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL must name a Redis server: eval \"$(tests/databases)\"");
        let address = server
            .trim_start_matches("redis://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database = Database::take().await;
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            direct: format!("redis://{address}/{}", database.0),
            database: Arc::new(database),
            is_held: Arc::default(),
            is_cut: watch::Sender::new(false),
        };
        wire.empty().await;
        tokio::spawn(wire.clone().serve(listener, address));
        wire
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/{}", self.port, self.database.0)
    }

    /// What is there is gone, as when a server without a disk is started anew.
    pub(crate) async fn empty(&self) {
        let mut direct = self.direct().await;
        redis::cmd("FLUSHDB").exec_async(&mut direct).await.unwrap();
    }

    /// A connection that is neither cut nor held.
    pub(crate) async fn direct(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.direct.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.send_replace(false);
    }

    /// Nothing passes any more, and no connection ends.
    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.store(is_held, Relaxed);
    }

    async fn serve(self, listener: TcpListener, address: String) {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let mut cut = self.is_cut.subscribe();
            if *cut.borrow_and_update() {
                continue;
            }
            let server = TcpStream::connect(&address).await.unwrap();
            let held = self.is_held.clone();
            tokio::spawn(async move {
                let ((from, to), (back, home)) = (client.into_split(), server.into_split());
                tokio::select! {
                    _ = cut.changed() => {}
                    () = pass(from, home, &held) => {}
                    () = pass(back, to, &held) => {}
                }
            });
        }
    }
}

async fn pass(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, is_held: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while from.readable().await.is_ok() {
        while is_held.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) if to.write_all(&buffer[..count]).await.is_err() => return,
            Ok(_) => {}
        }
    }
}
