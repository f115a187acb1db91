//! What clients sent and got, where that is recorded: written beside the rows, and never at their cost.
//!
//! Bodies wait in a queue of their own, bounded in number and in bytes. One for which there is no room, or that the database
//! does not take, is dropped and counted; nothing of it lies in the spool.

mod redact;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entities::recorded_body;
use protocol::{Speaker, rewrite_texts};
use sea_orm::ActiveValue::Set;
use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::StatsMetrics;
use redact::Redactor;

/// Requests whose bodies may wait.
const QUEUE: usize = 512;
/// Bytes of theirs that may.
const QUEUE_BYTES: usize = 64 << 20;
/// Rows in one statement.
const BATCH: usize = 32;
/// How much more than is kept of a text is looked at, so that a secret at the cut is seen whole.
const BEYOND: usize = 4096;

/// How bodies are recorded.
#[derive(Debug, Clone)]
pub struct BodySettings {
    /// Bytes of each that are kept.
    pub max_bytes: usize,
    redactor: Arc<Redactor>,
}

impl BodySettings {
    /// Keeps `max_bytes` of each body, without what the regular expression `redact` matches, and without what looks like a
    /// key or a token in any case.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn new(max_bytes: usize, redact: Option<&str>) -> Result<Self, regex::Error> {
        Ok(Self {
            max_bytes,
            redactor: Arc::new(Redactor::new(redact)?),
        })
    }
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            max_bytes: 65_536,
            redactor: Arc::default(),
        }
    }
}

/// The bodies of one request.
#[derive(Debug, Clone)]
pub struct BodyRecord {
    /// Its id.
    pub request_id: Uuid,
    /// When it arrived.
    pub arrived_at: DateTime<Utc>,
    /// What the client sent.
    pub request: Bytes,
    /// What it got.
    pub response: Option<RecordedResponse>,
}

/// What a client got.
#[derive(Debug, Clone)]
pub enum RecordedResponse {
    /// A whole body.
    Body(Bytes),
    /// What a stream said.
    Said(String),
}

impl BodyRecord {
    fn bytes(&self) -> usize {
        let response = match &self.response {
            None => 0,
            Some(RecordedResponse::Body(body)) => body.len(),
            Some(RecordedResponse::Said(text)) => text.len(),
        };
        self.request.len() + response
    }
}

/// The caller's side.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    queue: mpsc::Sender<BodyRecord>,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<StatsMetrics>,
    pub(crate) max_bytes: usize,
}

impl Bodies {
    /// Bytes of a stream's text that are worth keeping.
    pub(crate) fn heard(&self) -> usize {
        self.max_bytes.saturating_add(BEYOND)
    }

    /// Hands bodies to the writer, or drops them.
    pub(crate) fn record(&self, record: BodyRecord) {
        let bytes = record.bytes();
        let waiting = self.waiting.fetch_add(bytes, Relaxed);
        let has_room = waiting == 0 || waiting.saturating_add(bytes) <= QUEUE_BYTES;
        if !has_room || self.queue.try_send(record).is_err() {
            self.waiting.fetch_sub(bytes, Relaxed);
            self.metrics.bodies_dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Writes them.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    records: mpsc::Receiver<BodyRecord>,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<StatsMetrics>,
    settings: BodySettings,
    db: DatabaseConnection,
}

/// The pair of both.
pub(crate) fn pair(
    settings: BodySettings,
    db: DatabaseConnection,
    metrics: Arc<StatsMetrics>,
) -> (Bodies, BodyWriter) {
    let (queue, records) = mpsc::channel(QUEUE);
    let waiting = Arc::<AtomicUsize>::default();
    let bodies = Bodies {
        queue,
        waiting: waiting.clone(),
        metrics: metrics.clone(),
        max_bytes: settings.max_bytes,
    };
    let writer = BodyWriter {
        records,
        waiting,
        metrics,
        settings,
        db,
    };
    (bodies, writer)
}

impl BodyWriter {
    /// Runs until `stop` is cancelled, and for at most `patience` longer where something is left.
    pub(crate) async fn run(mut self, stop: &CancellationToken, patience: Duration) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(count) = stop
            .run_until_cancelled(self.records.recv_many(&mut batch, BATCH))
            .await
        {
            if count == 0 {
                return;
            }
            self.write(&mut batch).await;
        }
        self.records.close();
        let rest = async {
            self.write(&mut batch).await;
            while self.records.recv_many(&mut batch, BATCH).await > 0 {
                self.write(&mut batch).await;
            }
        };
        if tokio::time::timeout(patience, rest).await.is_err() {
            tracing::warn!("recorded bodies were dropped at the end");
        }
    }

    async fn write(&self, batch: &mut Vec<BodyRecord>) {
        if batch.is_empty() {
            return;
        }
        let (count, bytes) = (batch.len(), batch.iter().map(BodyRecord::bytes).sum());
        let records = std::mem::take(batch);
        let written = self.insert(records).await;
        self.waiting.fetch_sub(bytes, Relaxed);
        let counter = match written {
            Ok(()) => &self.metrics.bodies_written,
            Err(error) => {
                tracing::warn!(%error, bodies = count, "recorded bodies were dropped");
                &self.metrics.bodies_dropped
            }
        };
        counter.fetch_add(count as u64, Relaxed);
    }

    async fn insert(&self, records: Vec<BodyRecord>) -> Result<(), DbErr> {
        let settings = self.settings.clone();
        // Looking through megabytes would hold up the thread that others wait for.
        let redacting = tokio::task::spawn_blocking(move || {
            let rows = records.into_iter().map(|record| row(record, &settings));
            rows.collect::<Vec<_>>()
        });
        let rows = redacting
            .await
            .map_err(|error| DbErr::Custom(error.to_string()))?;
        recorded_body::Entity::insert_many(rows)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }
}

fn row(record: BodyRecord, settings: &BodySettings) -> recorded_body::ActiveModel {
    let response = record.response.map(|response| match response {
        RecordedResponse::Body(body) => kept(&body, Speaker::Model, settings),
        RecordedResponse::Said(text) => {
            let text = settings.redactor.redact(&text).into_owned();
            cut(text, settings.max_bytes)
        }
    });
    recorded_body::ActiveModel {
        request_id: Set(record.request_id.to_string()),
        request_body: Set(Some(
            kept(&record.request, Speaker::Client, settings).into_bytes(),
        )),
        response_body: Set(response.map(String::into_bytes)),
        created_at: Set(record.arrived_at),
    }
}

/// What is kept of a body: its texts are looked at as they read, and then all of it as it stands.
fn kept(body: &Bytes, speaker: Speaker, settings: &BodySettings) -> String {
    let redact = |text: &str| match settings.redactor.redact(text) {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(redacted) => Some(redacted),
    };
    let rewritten = rewrite_texts(body, speaker, |text| {
        Ok::<_, std::convert::Infallible>(redact(text))
    });
    let Ok(rewritten) = rewritten;
    let body = rewritten.as_ref().unwrap_or(body);
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("[{} bytes that are no text]", body.len());
    };
    let text = redact(text).unwrap_or_else(|| text.to_owned());
    cut(text, settings.max_bytes)
}

fn cut(mut text: String, max_bytes: usize) -> String {
    let length = text.len();
    if length > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push_str("\n[cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_bytes: usize) -> BodySettings {
        BodySettings::new(max_bytes, Some("(?i)swordfish|caf\u{e9}")).unwrap()
    }

    fn kept_of(body: &str, max_bytes: usize) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        kept(&body, Speaker::Client, &settings(max_bytes))
    }

    #[test]
    fn secrets_are_left_out_however_they_are_escaped() {
        let body = r#"{"messages":[{"content":"Swordfish, caf\u00e9, \u0073k-abcdefghijklmnopqrstuv"}],"own":"swordfish"}"#;
        let expected =
            r#"{"messages":[{"content":"[redacted], [redacted], [redacted]"}],"own":"[redacted]"}"#;
        assert_eq!(kept_of(body, 1000), expected);
    }

    #[test]
    fn bodies_are_cut_after_secrets_are_left_out() {
        let body = format!(
            r#"{{"prompt":"{} sk-abcdefghijklmnopqrstuv"}}"#,
            "x".repeat(20)
        );
        let kept = kept_of(&body, 40);
        assert!(
            kept.ends_with("\n[cut]") && !kept.contains("sk-a"),
            "{kept}"
        );
        assert_eq!(cut("a\u{e9}".repeat(10), 4), "a\u{e9}a\n[cut]");
        assert_eq!(cut("abc".to_owned(), 3), "abc");
    }

    #[test]
    fn bytes_that_are_no_text_are_only_counted() {
        let form = Bytes::from_static(b"--x\r\n\xff\xfe");
        let kept = kept(&form, Speaker::Client, &settings(100));
        assert_eq!(kept, "[7 bytes that are no text]");
    }

    #[tokio::test]
    async fn what_finds_no_room_is_dropped_and_counted() {
        let metrics = Arc::<StatsMetrics>::default();
        let db = DatabaseConnection::default();
        let (bodies, writer) = pair(settings(10), db, metrics.clone());
        let record = |bytes: usize| BodyRecord {
            request_id: Uuid::nil(),
            arrived_at: DateTime::UNIX_EPOCH,
            request: Bytes::from(vec![b'x'; bytes]),
            response: None,
        };
        // One is always taken, however large.
        bodies.record(record(QUEUE_BYTES + 1));
        bodies.record(record(1));
        assert_eq!((metrics.bodies_dropped(), writer.records.len()), (1, 1));
        let (bodies, writer) = pair(settings(10), DatabaseConnection::default(), metrics.clone());
        for _ in 0..=QUEUE {
            bodies.record(record(1));
        }
        assert_eq!((metrics.bodies_dropped(), writer.records.len()), (2, QUEUE));
    }
}
