//! Faults of the gateway's own.

use http::StatusCode;
use protocol::canonical::Request;
use proxy::TokenCounter;
use serde_json::json;

use crate::gateway::{Reply, Setup, chat, post, simulator};

/// A counter that cannot.
#[derive(Debug)]
struct Faulty;

impl TokenCounter for Faulty {
    fn count(&self, _: &Request) -> u64 {
        panic!("on purpose");
    }
}

#[tokio::test]
async fn a_panic_is_told_in_the_clients_protocol_and_recorded_and_nothing_else_ends() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).counter(Faulty).start().await;
    let contents = json!({"contents": [{"parts": [{"text": "hello"}]}]});
    for (path, body, kind) in [
        ("/v1/messages/count_tokens", chat(&json!({})), "/error/type"),
        ("/v1beta/models/m:countTokens", contents, "/error/status"),
    ] {
        let reply = Reply::of(gateway.serve(post(path, body.to_string(), &[])).await).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let told = reply.json();
        assert!(told.pointer(kind).is_some(), "{told}");
        assert!(!reply.text().contains("on purpose"), "{told}");
        assert!(!reply.header("x-request-id").is_empty());
        let record = gateway.record();
        assert_eq!(
            (record.status_code, record.error_class),
            (500, Some("internal"))
        );
    }
    assert_eq!(gateway.chat(&json!({})).await.status, StatusCode::OK);
    assert_eq!(gateway.record().error_class, None);
    gateway.idle().await;
    assert_eq!(gateway.panics(), 2);
}
