//! A TCP link to a database server that a test can cut.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Connections break and new ones are not served.
    Cut,
    /// Everything the server says comes so much later.
    Slow(Duration),
    /// A commit reaches the server, its answer does not reach the client: the connection breaks instead.
    SwallowCommits,
}

#[derive(Debug)]
pub(crate) struct Link {
    address: String,
    mode: watch::Sender<Mode>,
}

impl Link {
    pub(crate) async fn to(server: String) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Arc::new(Self {
            address: listener.local_addr().unwrap().to_string(),
            mode: watch::Sender::new(Mode::Open),
        });
        let mode = link.mode.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), mode.clone()));
            }
        });
        link
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(mut client: TcpStream, server: String, mode: watch::Receiver<Mode>) {
    let mut cut = mode.clone();
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                let is_commit = asked[..count].strip_suffix(b"\0").unwrap_or(&asked[..count]).ends_with(b"COMMIT");
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
                if is_commit && *mode.borrow() == Mode::SwallowCommits {
                    let _ = server.read(&mut answered).await; // the server has committed when it answers
                    return;
                }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                let now = *mode.borrow();
                if let Mode::Slow(delay) = now {
                    tokio::time::sleep(delay).await;
                }
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
            () = is_cut(&mut cut) => return,
        }
    }
}

async fn is_cut(mode: &mut watch::Receiver<Mode>) {
    let _ = mode.wait_for(|mode| *mode == Mode::Cut).await;
}
