//! What limits cost a request: what is taken before it, the settlement after it.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should panic"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use access::limit::{Limiter, Rates, Rule, Scope};
use criterion::{Criterion, criterion_group, criterion_main};

/// Far more than a benchmark takes, so that every request is let pass.
const PLENTY: u64 = 1_000_000_000_000;
/// How far apart requests are: ten thousand a second, each of which ends before the next comes.
const APART: Duration = Duration::from_micros(100);

fn key(number: usize) -> Rule {
    let rates = Rates {
        requests: Some(PLENTY),
        tokens: Some(PLENTY),
        concurrent: Some(PLENTY),
    };
    Rule {
        scope: Scope::Key(format!("key {number}").into()),
        rates,
    }
}

fn limits(criterion: &mut Criterion) {
    let begin = Instant::now();
    let limiter = Limiter::new(begin);
    let keys: Vec<_> = (0..1_000).map(key).collect();
    for key in &keys {
        drop(limiter.admit(std::slice::from_ref(key), 1, begin).unwrap());
    }
    let mut now = begin;
    let mut bench = |name, rules: &[Rule]| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                now += APART;
                let admission = limiter.admit(black_box(rules), black_box(1_500), now);
                admission.unwrap().settle(black_box(900), now);
            });
        });
    };
    bench("admit and settle on one key", &keys[500..501]);
    let (name, pattern) = ("key 500".into(), "gpt-*".into());
    let of_model = Rule {
        scope: Scope::ModelOfKey(name, pattern),
        ..keys[500].clone()
    };
    let all = Rule {
        scope: Scope::All,
        ..keys[500].clone()
    };
    let three = [all, keys[500].clone(), of_model];
    bench("admit and settle on all, a key and its models", &three);

    let narrow = Rule {
        scope: Scope::Key("narrow".into()),
        rates: Rates {
            requests: Some(1),
            ..Rates::default()
        },
    };
    let narrow = [narrow];
    drop(limiter.admit(&narrow, 0, now).unwrap());
    criterion.bench_function("refuse", |bencher| {
        bencher.iter(|| limiter.admit(black_box(&narrow), black_box(1_500), now));
    });
}

criterion_group!(benches, limits);
criterion_main!(benches);
