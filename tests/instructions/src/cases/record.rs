//! What is told of an ended request, on its way into a row.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sea_orm::DbBackend;
use stats::{AttemptRecord, Counted, Recorder, RequestRecord, Usage, UsageSource};
use uuid::Uuid;

use crate::count;

fn record() -> RequestRecord {
    RequestRecord {
        request_id: Uuid::nil(),
        arrived_at: chrono::DateTime::UNIX_EPOCH,
        endpoint: "/v1/chat/completions",
        method: "POST",
        model: "gpt-4o-mini".to_owned(),
        stream: true,
        key_name: "team-a".into(),
        ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        status_code: 200,
        error_class: None,
        error_message: None,
        latency: Duration::from_millis(1_234),
        ttft: Some(Duration::from_millis(321)),
        attempts: vec![AttemptRecord {
            provider_id: 1,
            provider_model: "gpt-4o-mini-2024-07-18".into(),
            status: Some(200),
            error_class: None,
            counted: Counted::Success,
            elapsed: Duration::from_millis(1_200),
            usage: Some(Usage {
                prompt: 1_000,
                completion: 200,
                total: 1_200,
                cached: 0,
                cache_write: 0,
                reasoning: 0,
                source: UsageSource::Provider,
            }),
            cost: Some(123_456),
        }],
        answered_by: Some(0),
        charged_to: None,
        trace: None,
    }
}

/// What the request itself pays: into the queue.
pub(super) fn hand_over() {
    let (recorder, _records) = Recorder::channel(16);
    count(record, |record| recorder.record(record));
}

/// What the writer pays: a row of each, and the values that its driver is given.
pub(super) fn bind(backend: DbBackend) {
    let records = || (0..64).map(|_| record()).collect();
    count(records, |records| stats::bound(records, backend));
}
