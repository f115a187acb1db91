//! When changes come into force.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::api::Api;

#[tokio::test]
async fn a_change_is_live_when_the_call_returns() {
    let api = Api::start().await;
    let provider = api.provider("p").await;
    let model = api.model("m").await;
    let association = api.association(model, provider).await;
    let candidates = || {
        let snapshot = api.catalog.snapshot();
        let (_, route) = snapshot.model("m").unwrap();
        let candidates = route.candidates().iter();
        candidates
            .map(|candidate| (candidate.id().0, candidate.weight(), candidate.is_enabled()))
            .collect::<Vec<_>>()
    };
    assert_eq!(candidates(), [(association, 100, true)]);
    let one = format!("/api/model-providers/{association}");
    api.patch(&one, json!({"weight": 7, "enabled": false}))
        .await
        .ok();
    assert_eq!(candidates(), [(association, 700, false)]);
    let config = json!({"config": {"weight": 2}});
    api.patch(&format!("/api/providers/{provider}"), config)
        .await
        .ok();
    assert_eq!(candidates(), [(association, 14, false)]);
    api.delete(&one).await;
    assert_eq!(candidates(), []);
    api.delete(&format!("/api/models/{model}")).await;
    assert!(api.catalog.snapshot().model("m").is_none());
    // A health check finds a new provider at once too, if there is a worker.
    let status = api.get("/api/health").await.ok();
    assert_eq!(status["providers"][0]["state"], "healthy");
}

#[tokio::test]
async fn another_process_on_the_same_database_follows() {
    let api = Api::start().await;
    let mut other = api.another().await;
    let poller = other.poller.take().unwrap();
    let other = other.catalog;
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    assert!(other.snapshot().model("m").is_none());
    api.model("m").await;
    let follows = async {
        while other.snapshot().model("m").is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), follows)
        .await
        .expect("the poller notices the version");
    assert_eq!(other.current().version, api.catalog.current().version);
    stop.cancel();
    polling.await.unwrap();
}

#[tokio::test]
async fn changes_at_once_all_count() {
    let api = Api::start().await;
    let calls =
        (0..20).map(|number| api.post("/api/models", json!({"name": format!("m{}", number % 10)})));
    let answers = futures_util::future::join_all(calls).await;
    let created = answers.iter().filter(|one| one.status == 201).count();
    let refused = answers.iter().filter(|one| one.status == 409).count();
    assert_eq!((created, refused), (10, 10));
    assert_eq!(api.catalog.current().version, 10);
    assert_eq!(api.catalog.snapshot().models().count(), 10);
}
