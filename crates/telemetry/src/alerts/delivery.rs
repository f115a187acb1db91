//! Getting alerts to a receiver.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use aws_lc_rs::hmac;
use bytes::Bytes;
use chrono::Utc;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upstream::Client;

use super::{AlertMetrics, Event};
use crate::post::post;

/// Tries of one alert: with these pauses about half an hour.
const TRIES: u32 = 10;
/// Pauses between tries, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// One who is alerted. What is sent comes in order.
pub(super) struct Receiver {
    pub(super) address: Uri,
    pub(super) secret: Option<Bytes>,
    pub(super) client: Arc<Client>,
    pub(super) metrics: Arc<AlertMetrics>,
}

/// What became of a try.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    /// It may be taken later.
    NotNow(String),
    /// It will not be taken.
    Refused(String),
}

impl Receiver {
    /// Delivers until the queue is closed.
    pub(super) async fn run(self, mut events: mpsc::Receiver<Arc<Event>>, stop: CancellationToken) {
        while let Some(event) = events.recv().await {
            let counter = match self.deliver(&event, &stop).await {
                Ok(()) => &self.metrics.delivered,
                Err(reason) => {
                    tracing::warn!(
                        alert.id = %event.id(),
                        alert.receiver = self.address.host(),
                        reason,
                        "an alert could not be delivered"
                    );
                    &self.metrics.failed
                }
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    async fn deliver(&self, event: &Event, stop: &CancellationToken) -> Result<(), String> {
        let body = Bytes::from(event.body());
        let mut pause = PAUSES.0;
        for left in (0..TRIES).rev() {
            let reason = match self.attempt(event, body.clone()).await {
                Answer::Taken => return Ok(()),
                Answer::Refused(reason) => return Err(reason),
                Answer::NotNow(reason) if left == 0 || stop.is_cancelled() => return Err(reason),
                Answer::NotNow(reason) => reason,
            };
            tracing::debug!(alert.id = %event.id(), reason, "an alert is sent again");
            let jitter = pause.mul_f64(fastrand::f64() / 4.0);
            // At the end one more try is made at once.
            let _ = stop
                .run_until_cancelled(tokio::time::sleep(pause + jitter))
                .await;
            pause = (pause * 2).min(PAUSES.1);
        }
        Err("it was tried too often".to_owned())
    }

    async fn attempt(&self, event: &Event, body: Bytes) -> Answer {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        self.head(event, &mut request);
        match post(&self.client, request).await {
            Ok(response) => judge(response.status()),
            Err(error) => Answer::NotNow(error.to_string()),
        }
    }

    fn head(&self, event: &Event, request: &mut Request<Bytes>) {
        let timestamp = Utc::now().timestamp().to_string();
        let signature = self
            .secret
            .as_ref()
            .map(|secret| signature(secret, &timestamp, request.body()));
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("llm-orchestrator/", env!("CARGO_PKG_VERSION"))),
        );
        let own = [
            ("x-gateway-event", Some(event.name().to_owned())),
            ("x-gateway-delivery", Some(event.id().to_string())),
            ("x-gateway-timestamp", Some(timestamp)),
            ("x-gateway-signature", signature),
        ];
        for (name, value) in own {
            let value = value.and_then(|value| HeaderValue::try_from(value).ok());
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// HMAC-SHA256 of `<timestamp>.<body>`: with the time in it, an old alert cannot be sent again by somebody else.
fn signature(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    let hex = context
        .sign()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256={hex}")
}

fn judge(status: StatusCode) -> Answer {
    let told = || format!("the receiver answered with status {}", status.as_u16());
    if status.is_success() {
        Answer::Taken
    } else if status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT
        )
    {
        Answer::NotNow(told())
    } else {
        Answer::Refused(told())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_whether_to_try_again() {
        let of = |status| judge(StatusCode::from_u16(status).unwrap());
        assert_eq!(of(204), Answer::Taken);
        for status in [408, 429, 500, 503] {
            assert!(matches!(of(status), Answer::NotNow(_)), "{status}");
        }
        for status in [302, 400, 401, 404, 410] {
            assert!(matches!(of(status), Answer::Refused(_)), "{status}");
        }
    }

    #[test]
    fn a_signature_is_of_time_and_body() {
        assert_eq!(
            signature(b"secret", "1700000000", b"{}"),
            "sha256=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
        );
    }
}
