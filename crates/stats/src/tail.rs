//! Requests that end, as they do, for whoever watches.
//!
//! Rows are handed on by the writer of records, so a request's own path knows nothing of it; and while nobody watches
//! the writer does no more than look whether anybody does. A watcher that is slower than the requests loses the oldest
//! of those it has not seen, and is told how many.

use std::sync::Arc;

use entities::request_log;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use crate::query::LogFilter;
use crate::row::Row;

/// Requests that are kept for the slowest watcher.
const KEPT: usize = 1024;
/// Who may watch at the same time.
const WATCHERS: usize = 32;

/// Where ended requests can be watched. A cheap clone.
#[derive(Debug, Clone)]
pub struct Tail {
    rows: broadcast::Sender<Arc<Row>>,
    places: Arc<Semaphore>,
}

/// Sees ended requests.
#[derive(Debug)]
pub struct Watcher {
    rows: broadcast::Receiver<Arc<Row>>,
    filter: LogFilter,
    _place: OwnedSemaphorePermit,
}

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A request that has ended. Its id is 0: it has no row yet.
    Request(Box<request_log::Model>),
    /// So many were not shown, since the watcher was too slow. Whether the filter admits them is not known.
    LeftOut(u64),
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            rows: broadcast::Sender::new(KEPT),
            places: Arc::new(Semaphore::new(WATCHERS)),
        }
    }
}

impl Tail {
    /// Watches the requests that `filter` admits, from now on; `None` while 32 others watch.
    pub fn watch(&self, filter: LogFilter) -> Option<Watcher> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(Watcher {
            rows: self.rows.subscribe(),
            filter,
            _place: place,
        })
    }

    /// Who watches now.
    pub fn watchers(&self) -> usize {
        self.rows.receiver_count()
    }

    pub(crate) fn show(&self, row: &Row) {
        if self.rows.receiver_count() > 0 {
            // The last watcher may have gone meanwhile.
            let _ = self.rows.send(Arc::new(row.clone()));
        }
    }
}

impl Watcher {
    /// The next thing to see; `None` when nothing will come any more.
    pub async fn next(&mut self) -> Option<Seen> {
        loop {
            match self.rows.recv().await {
                Ok(row) if self.filter.admits(&row) => {
                    return Some(Seen::Request(Box::new(row.as_ref().into())));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    return Some(Seen::LeftOut(count));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use std::time::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::RequestRecord;
    use crate::query::Text;

    fn row(number: u128) -> Row {
        RequestRecord {
            request_id: Uuid::from_u128(number),
            arrived_at: DateTime::UNIX_EPOCH,
            endpoint: "/v1/chat/completions",
            method: "POST",
            model: format!("model-{}", number % 2),
            stream: false,
            key_name: Arc::from("key"),
            ip: None,
            status_code: 404,
            error_class: Some("model_not_found"),
            error_message: None,
            latency: Duration::from_millis(1),
            ttft: None,
            attempts: Vec::new(),
            answered_by: None,
            charged_to: None,
            trace: None,
        }
        .into()
    }

    fn id(seen: Option<Seen>) -> u128 {
        let Some(Seen::Request(row)) = seen else {
            panic!("{seen:?}");
        };
        row.request_id.parse::<Uuid>().unwrap().as_u128()
    }

    #[tokio::test]
    async fn a_watcher_sees_what_its_filter_admits() {
        let tail = Tail::default();
        tail.show(&row(1));
        let odd = LogFilter {
            model: Some("model-1".to_owned()),
            ..LogFilter::default()
        };
        let mut watcher = tail.watch(odd).unwrap();
        (2..6).for_each(|number| tail.show(&row(number)));
        assert_eq!(id(watcher.next().await), 3);
        assert_eq!(id(watcher.next().await), 5);
        drop(tail);
        assert_eq!(watcher.next().await, None);
    }

    #[test]
    fn filters_admit_as_the_database_does() {
        #[track_caller]
        fn check(change: impl Fn(&mut LogFilter), admitted: bool) {
            let mut filter = LogFilter::default();
            change(&mut filter);
            assert_eq!(filter.admits(&row(1)), admitted, "{filter:?}");
        }
        let text = |wanted: &str| Some(Text::new(wanted, Vec::new()));
        check(|_| {}, true);
        check(|filter| filter.key = Some("key".to_owned()), true);
        check(|filter| filter.key = Some("Key".to_owned()), false);
        check(|filter| filter.stream = Some(true), false);
        check(|filter| filter.status_code = Some(404), true);
        check(|filter| filter.provider_id = Some(1), false);
        check(|filter| filter.request_id = Some("1".to_owned()), false);
        check(|filter| filter.text = text("MODEL-1"), true);
        check(|filter| filter.text = text("not_found"), true);
        check(|filter| filter.text = text("%"), false);
        check(|filter| filter.from = Some(DateTime::UNIX_EPOCH), true);
        check(|filter| filter.to = Some(DateTime::UNIX_EPOCH), false);
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_how_many_it_missed() {
        let tail = Tail::default();
        let mut watcher = tail.watch(LogFilter::default()).unwrap();
        let shown = KEPT as u128 + 5;
        (0..shown).for_each(|number| tail.show(&row(number)));
        assert_eq!(watcher.next().await, Some(Seen::LeftOut(5)));
        assert_eq!(id(watcher.next().await), 5);
    }

    #[test]
    fn watchers_are_counted() {
        let tail = Tail::default();
        let watchers: Vec<_> = std::iter::from_fn(|| tail.watch(LogFilter::default())).collect();
        assert_eq!((watchers.len(), tail.watchers()), (WATCHERS, WATCHERS));
        drop(watchers);
        assert!(tail.watch(LogFilter::default()).is_some());
    }
}
