//! What attempts cost.

use std::time::Duration;

use entities::price;
use http_body_util::BodyExt;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::json;
use simulator::{Behaviour, Fault, Point};
use stats::UsageSource;

use crate::gateway::{Gateway, Reply, Setup, simulator, until};

/// Prices a provider's models: nano-USD per million tokens of input, of output, and nano-USD per request.
async fn price(gateway: &Gateway, provider: i64, amounts: (Option<i64>, Option<i64>, Option<i64>)) {
    let row = price::ActiveModel {
        provider_id: Set(Some(provider)),
        model_pattern: Set("up-*".to_owned()),
        input: Set(amounts.0),
        output: Set(amounts.1),
        per_request: Set(amounts.2),
        ..Default::default()
    };
    row.insert(&gateway.database).await.unwrap();
    gateway.catalog.reload().await.unwrap();
}

const BY_TOKEN: (Option<i64>, Option<i64>, Option<i64>) = (Some(2_000_000), Some(7_000_000), None);

fn by_token(usage: stats::Usage) -> Option<i64> {
    i64::try_from(2 * usage.prompt + 7 * usage.completion).ok()
}

#[tokio::test]
async fn an_answer_costs_what_its_usage_does_and_a_failure_nothing() {
    for stream in [false, true] {
        let (broken, spare) = (simulator().await, simulator().await);
        broken.fail(Behaviour::status(500));
        let setup = Setup::of(&[&broken, &spare]).max_retry(1);
        let mut gateway = setup.start().await;
        price(&gateway, 1, (Some(1), Some(1), Some(1_000_000))).await;
        price(&gateway, 2, BY_TOKEN).await;
        assert_eq!(gateway.chat(&json!({"stream": stream})).await.status, 200);
        let record = gateway.record();
        let [failed, answered] = &record.attempts[..] else {
            panic!("{record:?}")
        };
        assert_eq!(failed.cost, None);
        let usage = answered.usage.unwrap();
        assert!(usage.prompt > 0 && usage.completion > 0);
        assert_eq!(answered.cost, by_token(usage));
    }
}

#[tokio::test]
async fn what_is_unpriced_costs_nothing_that_is_known() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    gateway.chat(&json!({})).await;
    assert_eq!(gateway.record().attempts[0].cost, None);
    price(&gateway, 1, (Some(2_000_000), None, None)).await;
    gateway.chat(&json!({})).await;
    assert_eq!(
        gateway.record().attempts[0].cost,
        None,
        "output has no price"
    );
}

#[tokio::test]
async fn a_hang_up_and_a_cut_stream_cost_what_was_used() {
    let hanging = simulator().await;
    hanging.fail(Behaviour::fault(Fault::Hang {
        at: Point::AfterEvents(6),
    }));
    let mut gateway = Setup::of(&[&hanging]).start().await;
    price(&gateway, 1, BY_TOKEN).await;
    let response = gateway.open(&json!({"stream": true}), &[]).await;
    let mut body = response.into_body();
    for _ in 0..4 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    until(|| hanging.counts().client_cut == 1).await;
    let left = gateway.record().attempts[0].clone();

    let cut = simulator().await;
    cut.fail(Behaviour::fault(Fault::Reset {
        at: Point::AfterEvents(6),
    }));
    let mut gateway = Setup::of(&[&cut]).start().await;
    price(&gateway, 1, BY_TOKEN).await;
    let broken = gateway.open(&json!({"stream": true}), &[]).await;
    Reply::of(broken).await.assert_ends_in_error();
    let broken = gateway.record().attempts[0].clone();

    for attempt in [left, broken] {
        let usage = attempt.usage.unwrap();
        assert_eq!(usage.source, UsageSource::Estimated);
        assert!(usage.completion > 0 && attempt.elapsed > Duration::ZERO);
        assert_eq!(attempt.cost, by_token(usage));
    }
}

#[tokio::test]
async fn the_cheapest_is_asked_first_once_prices_tell() {
    let (dear, cheap) = (simulator().await, simulator().await);
    let setup = Setup::new().policy(json!({"strategy": "cheapest"}));
    let setup = setup.provider(&json!({"base_url": dear.base_url()}));
    let gateway = setup
        .provider(&json!({"base_url": cheap.base_url()}))
        .start()
        .await;
    // Cheaper by input alone, dearer by what chats use.
    price(&gateway, 1, (Some(1), Some(1_000), None)).await;
    price(&gateway, 2, (Some(100), Some(100), None)).await;
    for _ in 0..20 {
        gateway.chat(&json!({})).await;
    }
    assert_eq!((dear.counts().received, cheap.counts().received), (0, 20));
}
