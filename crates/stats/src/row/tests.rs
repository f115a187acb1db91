use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Usage;

fn usage(source: UsageSource) -> Usage {
    Usage {
        prompt: 100,
        completion: 20,
        total: 120,
        cached: 50,
        cache_write: 10,
        reasoning: 5,
        source,
    }
}

fn attempt(provider_id: i64) -> AttemptRecord {
    AttemptRecord {
        provider_id,
        provider_model: Arc::from(format!("model-of-{provider_id}")),
        status: Some(200),
        error_class: None,
        counted: Counted::Success,
        elapsed: Duration::from_millis(10),
        usage: Some(usage(UsageSource::Provider)),
        cost: Some(7),
    }
}

/// A row that differs from others by its id.
pub(crate) fn row(number: u128) -> Row {
    RequestRecord {
        request_id: Uuid::from_u128(number),
        arrived_at: DateTime::UNIX_EPOCH,
        endpoint: "/v1/chat/completions",
        method: "POST",
        model: "gpt".to_owned(),
        stream: false,
        key_name: std::sync::Arc::from("key"),
        ip: None,
        status_code: 404,
        error_class: None,
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

fn record(attempts: Vec<AttemptRecord>, answered_by: Option<usize>) -> RequestRecord {
    RequestRecord {
        request_id: Uuid::nil(),
        arrived_at: DateTime::UNIX_EPOCH,
        endpoint: "/v1/chat/completions",
        method: "POST",
        model: "gpt".to_owned(),
        stream: false,
        key_name: Arc::from("key"),
        ip: None,
        status_code: 200,
        error_class: None,
        error_message: None,
        latency: Duration::from_micros(1_999),
        ttft: Some(Duration::from_micros(999)),
        attempts,
        answered_by,
        charged_to: None,
        trace: None,
    }
}

#[test]
fn totals_are_sums_over_the_attempts() {
    let unpriced = AttemptRecord {
        cost: None,
        ..attempt(2)
    };
    let silent = AttemptRecord {
        usage: None,
        cost: None,
        ..attempt(3)
    };
    let row = Row::from(record(vec![attempt(1), unpriced, silent], Some(1)));
    let sum = AttemptTokens {
        prompt: 200,
        completion: 40,
        total: 240,
        cached: 100,
        cache_write: 20,
        reasoning: 10,
    };
    assert_eq!((row.tokens, row.cost), (Some(sum), Some(7)));
    assert_eq!((row.latency_ms, row.ttft_ms), (1, Some(0)));
}

#[test]
fn what_is_unknown_is_not_zero() {
    let silent = AttemptRecord {
        usage: None,
        cost: None,
        ..attempt(1)
    };
    let row = Row::from(record(vec![silent], None));
    assert_eq!(
        (row.tokens, row.cost, row.usage_source.as_ref()),
        (None, None, "none")
    );
}

#[track_caller]
fn check_provider(tried: &[i64], answered_by: Option<usize>, expected: Option<i64>) {
    let row = Row::from(record(
        tried.iter().map(|id| attempt(*id)).collect(),
        answered_by,
    ));
    assert_eq!(row.provider_id, expected);
    assert_eq!(
        row.provider_model.as_deref().map(str::to_owned),
        expected.map(|id| format!("model-of-{id}"))
    );
}

#[test]
fn the_provider_is_the_one_that_answered_else_the_last_tried() {
    check_provider(&[1, 2, 3], Some(1), Some(2));
    check_provider(&[1, 2, 3], None, Some(3));
    check_provider(&[1, 2, 3], Some(9), Some(3));
    check_provider(&[], None, None);
}

#[track_caller]
fn check_source(sources: &[Option<UsageSource>], expected: &str) {
    let attempts = sources.iter().map(|source| AttemptRecord {
        usage: source.map(usage),
        ..attempt(1)
    });
    assert_eq!(
        Row::from(record(attempts.collect(), None)).usage_source,
        expected
    );
}

#[test]
fn one_estimate_makes_the_sum_an_estimate() {
    use UsageSource::{Estimated, Provider};
    check_source(&[], "none");
    check_source(&[None], "none");
    check_source(&[None, Some(Provider)], "provider");
    check_source(&[Some(Estimated)], "estimated");
    check_source(&[Some(Estimated), Some(Provider)], "estimated");
    check_source(&[Some(Provider), None, Some(Estimated)], "estimated");
}

#[track_caller]
fn check_class(counted: Counted, class: Option<&'static str>, expected: Option<&str>) {
    let attempt = AttemptRecord {
        error_class: class,
        counted,
        ..attempt(1)
    };
    assert_eq!(stored(&attempt).error_class.as_deref(), expected);
}

#[test]
fn the_stored_class_says_how_the_attempt_counts() {
    use Counted::{Failed, Success};
    check_class(Success, None, None);
    check_class(Success, Some("client_gone"), Some("client_gone"));
    check_class(
        Success,
        Some("content_policy"),
        Some("client_content_policy"),
    );
    check_class(Failed, Some("rate_limited"), Some("rate_limited"));
    check_class(Failed, Some("client_tls"), Some("tls"));
    check_class(Failed, Some("client_"), Some("failed"));
    check_class(Failed, None, Some("failed"));
}

#[track_caller]
fn check_cut(input: &str, chars: usize, expected: &str) {
    assert_eq!(text(input.to_owned(), chars), expected);
}

#[test]
fn text_is_cut_between_characters_and_has_no_nul() {
    check_cut("abc", 3, "abc");
    check_cut("abcd", 3, "abc");
    check_cut("äöü", 3, "äöü");
    check_cut("äöüß", 3, "äöü");
    check_cut("😀😀", 1, "😀");
    check_cut("a\0b\0cd", 3, "abc");
    check_cut("", 0, "");
    check_cut("a", 0, "");
}

#[test]
fn a_cut_text_gives_its_memory_back() {
    let mut text = "x".repeat(10_000_000);
    shorten(&mut text, 1_000);
    assert!(text.capacity() < 2_000);
}

#[test]
fn absurd_figures_are_cut() {
    let mut absurd = attempt(1);
    absurd.usage = Some(Usage {
        prompt: u64::MAX,
        ..usage(UsageSource::Provider)
    });
    absurd.cost = Some(i64::MIN);
    absurd.elapsed = Duration::MAX;
    let row = Row::from(record(vec![absurd.clone(), absurd], None));
    assert_eq!(row.tokens.unwrap().prompt, 2 * MOST_TOKENS);
    assert_eq!(row.cost, Some(-2 * MOST_COST));
    assert_eq!(row.attempts[0].ms, MOST_MS);
}

#[test]
fn arrival_has_the_precision_that_every_engine_keeps() {
    let mut late = record(Vec::new(), None);
    late.arrived_at = "2026-12-31T23:59:59.999999999Z".parse().unwrap();
    let row = Row::from(late);
    assert_eq!(
        row.created_at,
        "2026-12-31T23:59:59.999999Z"
            .parse::<DateTime<Utc>>()
            .unwrap()
    );
}

#[test]
fn an_ipv4_client_is_shown_as_one() {
    let mut mapped = record(Vec::new(), None);
    mapped.ip = Some("::ffff:192.0.2.1".parse().unwrap());
    let shown = request_log::Model::from(&Row::from(mapped)).ip_address;
    assert_eq!(shown.as_deref(), Some("192.0.2.1"));
}

#[test]
fn a_row_survives_the_spool() {
    let row = Row::from(record(vec![attempt(1), attempt(2)], Some(0)));
    let spooled = serde_json::to_string(&row).unwrap();
    assert_eq!(serde_json::from_str::<Row>(&spooled).unwrap(), row);
}

proptest! {
    #[test]
    fn what_was_counted_can_be_read_back(
        failed: bool,
        class in prop::option::of("(client_){0,3}[a-z_]{0,80}"),
    ) {
        let meant = if failed { Counted::Failed } else { Counted::Success };
        let attempt = AttemptRecord {
            error_class: class.map(|class| &*class.leak()),
            counted: meant,
            ..attempt(1)
        };
        prop_assert_eq!(counted(&stored(&attempt)), meant);
    }

    #[test]
    fn a_cut_is_a_prefix_of_at_most_so_many_characters(input: String, chars in 0usize..40) {
        let cut = cut(&input, chars);
        prop_assert!(input.starts_with(cut));
        prop_assert_eq!(cut.chars().count(), input.chars().count().min(chars));
    }
}
