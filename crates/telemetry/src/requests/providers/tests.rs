use std::time::Duration;

use stats::{Counted, Usage, UsageSource};

use super::*;

fn attempt(provider_id: i64, error_class: Option<&'static str>) -> AttemptRecord {
    AttemptRecord {
        provider_id,
        provider_model: Arc::from("model"),
        status: Some(200),
        error_class,
        counted: Counted::Success,
        elapsed: Duration::from_millis(10),
        usage: Some(Usage {
            prompt: 10,
            completion: 3,
            total: 13,
            cached: 4,
            cache_write: 0,
            reasoning: 1,
            source: UsageSource::Provider,
        }),
        cost: Some(2_000_000_000),
    }
}

/// Of one provider: attempts that answered and that timed out, prompt tokens, dollars.
#[track_caller]
fn check(metrics: &Attempts, provider: &str, expected: (u64, u64, u64, f64)) {
    let provider: Arc<str> = Arc::from(provider);
    let attempts = |outcome| {
        let provider = provider.clone();
        let labels = ByOutcome { provider, outcome };
        metrics.attempts.get_or_create(&labels).get()
    };
    let tokens = ByKind {
        provider: provider.clone(),
        kind: "prompt",
    };
    let cost = ByProvider {
        provider: provider.clone(),
    };
    let counted = (
        attempts("answered"),
        attempts("timeout"),
        metrics.tokens.get_or_create(&tokens).get(),
        metrics.cost.get_or_create(&cost).get(),
    );
    assert_eq!(counted, expected, "{provider}");
}

#[test]
fn attempts_are_counted_under_the_name_the_provider_has_now() {
    let metrics = Attempts::default();
    let [first, second, renamed] = ["first", "second", "renamed"].map(Arc::from);
    metrics.count(&first, &attempt(1, None));
    metrics.count(&first, &attempt(1, Some("timeout")));
    metrics.count(&second, &attempt(2, None));
    metrics.count(&renamed, &attempt(1, None));
    // Two rows may have one name, as those do that are no more.
    metrics.count(&second, &attempt(3, None));
    check(&metrics, "first", (1, 1, 20, 4.0));
    check(&metrics, "second", (2, 0, 20, 4.0));
    check(&metrics, "renamed", (1, 0, 10, 2.0));
}

#[test]
fn a_refund_takes_nothing_from_what_was_counted() {
    let metrics = Attempts::default();
    let provider = Arc::from("provider");
    let refund = AttemptRecord {
        usage: None,
        cost: Some(-1),
        ..attempt(1, None)
    };
    metrics.count(&provider, &refund);
    check(&metrics, "provider", (1, 0, 0, 0.0));
}
