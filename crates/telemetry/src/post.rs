//! Sending something elsewhere.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use upstream::{Client, Pieces};

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest that a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Most of an answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// Why nothing was delivered. The address is in none of them, since it may be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    /// It could not be sent.
    #[error("it could not be sent: {0}")]
    Send(#[from] upstream::SendError),
    /// The answer broke off.
    #[error("the answer could not be read")]
    Answer,
    /// There was no answer.
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Late,
}

/// Sends `request`, and reads the answer.
pub(crate) async fn post(
    client: &Arc<Client>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Undelivered> {
    let request = request.map(|body| Pieces::from(vec![body]));
    let sending = async {
        let (head, body) = client.send(request, CONNECT).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| Undelivered::Answer)?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::time::timeout(PATIENCE, sending)
        .await
        .unwrap_or(Err(Undelivered::Late))
}
