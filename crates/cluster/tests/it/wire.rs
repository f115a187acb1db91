//! The way to Redis, which can be cut and held up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// Databases that a server has.
const DATABASES: u32 = 16;

/// A database of Redis's, empty, by way of this process.
#[derive(Clone)]
pub(crate) struct Wire {
    port: u16,
    direct: String,
    database: u32,
    is_held: Arc<AtomicBool>,
    /// Connections end whenever this changes; none is let through while it is true.
    is_cut: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL must name a Redis server: eval \"$(tests/databases)\"");
        let address = server
            .trim_start_matches("redis://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database = NEXT.fetch_add(1, Relaxed);
        assert!(
            database < DATABASES,
            "more tests than a server has databases"
        );
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            direct: format!("redis://{address}/{database}"),
            database,
            is_held: Arc::default(),
            is_cut: watch::Sender::new(false),
        };
        wire.empty().await;
        tokio::spawn(wire.clone().serve(listener, address));
        wire
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/{}", self.port, self.database)
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
