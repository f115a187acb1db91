//! Creating, reading, changing and deleting.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_provider_is_live_when_the_call_returns() {
    let api = Api::start().await;
    let id = api.provider("p").await;
    let model = api.model("m").await;
    let association = api.association(model, id).await;
    let snapshot = api.catalog.snapshot();
    let (_, route) = snapshot.model("m").unwrap();
    assert_eq!(route.candidates()[0].id().0, association);
    assert_eq!(&*route.candidates()[0].provider_model().clone(), "up");
    assert!(snapshot.provider(router::ProviderId(id)).is_some());
    let seen = api.get(&format!("/api/providers/{id}")).await.ok();
    assert_eq!(seen["config"]["api_key"], json!("****cdef"));
    assert_eq!(seen["health"], json!("healthy"));
}
