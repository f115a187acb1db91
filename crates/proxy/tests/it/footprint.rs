//! What a request costs while it waits.

use std::time::Duration;

use proxy::Arrival;
use serde_json::json;

use crate::gateway::{Setup, chat, post, simulator};

/// What is awaited is moved when it is made, and kept for as long as a provider takes: a future that holds another twice
/// costs both.
#[tokio::test]
async fn a_request_waits_in_a_few_kilobytes() {
    let simulator = simulator().await;
    let gateway = Setup::of(&[&simulator]).start().await;
    let request = post("/v1/chat/completions", chat(&json!({})).to_string(), &[]);
    let arrival = Arrival::after(Duration::ZERO, None);
    let serving = gateway.proxy.serve(request, arrival);
    let bytes = size_of_val(&serving);
    // A size that the allocator has; the next one is a kilobyte more.
    assert!(bytes <= 7_168, "{bytes} bytes");
}
