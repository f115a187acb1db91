//! Connections beyond the limit: told so, and closed.
//!
//! Left unaccepted they would wait in the kernel until their clients' patience ends, without anybody telling them why; an
//! answer lets an SDK try again, or another gateway, at once.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// So many are told at a time; more are closed without a word.
const MOST: usize = 256;
/// How long a client may take to read it.
const PATIENCE: Duration = Duration::from_millis(500);
/// In the words that OpenAI's and Anthropic's SDKs read; Google's go by the status. What a client speaks is not known here.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\n\
    content-length: 135\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\r\n\
    {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"code\":\"overloaded\",\"message\":\"the gateway has as many connections as it may have\"}}";

/// Those that are being told.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(JoinSet<()>);

impl TurnedAway {
    /// Tells a client that there is no place, and closes its connection.
    pub(crate) fn tell(&mut self, stream: TcpStream) {
        while self.0.try_join_next().is_some() {}
        if self.0.len() < MOST {
            self.0.spawn(async move {
                // Whoever does not read it is not waited for.
                let _ = tokio::time::timeout(PATIENCE, say(stream)).await;
            });
        }
    }
}

async fn say(mut stream: TcpStream) {
    let said = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        // A request left unread would reset the connection, and the answer with it.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    if let Err(error) = said.await {
        tracing::debug!(%error, "a client did not take its refusal");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_answer_arrives_although_the_request_is_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(&[b'x'; 100_000]).await.unwrap();
        let mut turned_away = TurnedAway::default();
        turned_away.tell(listener.accept().await.unwrap().0);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, ANSWER);
    }

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
