//! Clients that send what they should not.

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Reply, Setup, post, simulator};

const PATHS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/v1beta/models/m:generateContent",
];

/// Has an error in the form of the protocol that `path` belongs to, and answers with its sentence.
#[track_caller]
fn told(path: &str, reply: &Reply) -> String {
    let body = reply.json();
    match path {
        _ if path.contains("messages") => assert_eq!(body["type"], "error", "{body}"),
        _ if path.contains(":") => {
            assert_eq!(body["error"]["code"], reply.status.as_u16(), "{body}");
        }
        _ => assert!(body["error"]["type"].is_string(), "{body}"),
    }
    body["error"]["message"].as_str().unwrap().to_owned()
}

async fn send(
    gateway: &Gateway,
    path: &str,
    body: &str,
    headers: &[(&'static str, &str)],
) -> Reply {
    Reply::of(gateway.serve(post(path, body.to_owned(), headers)).await).await
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_in_the_clients_format_and_goes_nowhere() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    let deep = format!("{{\"model\":\"m\",\"x\":{}", "[".repeat(100_000));
    let name = "n".repeat(1 << 20);
    let long_name = format!(
        "{{\"model\":\"{name}\",\"prompt\":\"a\",\"input\":\"a\",\"max_tokens\":1,\"messages\":[]}}"
    );
    for body in [
        "",
        "[]",
        "\"model\"",
        "1e999",
        "null",
        "{",
        "{}x",
        "{\"model\":\"m\",\"model\":\"m2\",\"prompt\":\"a\",\"input\":\"a\",\"contents\":[],\"contents\":[]}",
        "{\"model\":\"\\ud800\"}",
        "{\"model\":{}}",
        "{\"model\":1e999,\"contents\":1e999}",
        "\u{feff}{\"model\":\"m\"",
        &deep,
        &long_name,
    ] {
        for path in PATHS {
            let reply = send(&gateway, path, body, &[]).await;
            let status = reply.status.as_u16();
            let start: String = body.chars().take(60).collect();
            assert!(matches!(status, 400 | 404), "{path} {start}: {status}");
            assert!(told(path, &reply).len() < 500, "{path} {start}");
            assert!(reply.body.len() < 1000, "{path} {start}");
            let record = gateway.record();
            assert_eq!(record.error_class, Some("client_error"), "{path} {start}");
        }
    }
    assert_eq!(simulator.counts().received, 0);
}

#[tokio::test]
async fn paths_that_name_no_model_or_no_verb_are_not_served() {
    let simulator = simulator().await;
    let gateway = Setup::new()
        .provider_of("gemini", &json!({"base_url": simulator.origin()}))
        .start()
        .await;
    let body = json!({"contents": [{"parts": [{"text": "hello"}]}]}).to_string();
    for version in ["/v1beta", "/v1", "/gemini/v1"] {
        for (model, status) in [
            ("m:generateContent", 200),
            ("%6d:generateContent", 200),
            ("m", 404),
            ("m:", 404),
            (":generateContent", 404),
            ("m:generateContent:countTokens", 404),
            ("m:generateContent:", 404),
            ("m%3AgenerateContent", 404),
            ("..%2Fm:generateContent", 404),
            ("m%2F..:generateContent", 404),
            ("../models/m:generateContent", 404),
            ("%00:generateContent", 404),
            ("%ff:generateContent", 404),
            ("m/:generateContent", 404),
        ] {
            let path = format!("{version}/models/{model}");
            let key = [("x-goog-api-key", "beside the authorization")];
            let reply = send(&gateway, &path, &body, &key).await;
            let is_served = reply.status.as_u16() == status
                // The rest of OpenAI's surface has such a path, for another method.
                || (status == 404 && reply.status.as_u16() == 405);
            assert!(is_served, "{path}: {}", reply.text());
            if status != 200 {
                assert!(reply.json()["error"]["status"].is_string(), "{path}");
            }
        }
    }
    assert_eq!(simulator.counts().received, 6);
}

#[tokio::test]
async fn only_the_words_of_google_ask_for_events() {
    let simulator = simulator().await;
    let gateway = Setup::new()
        .provider_of("gemini", &json!({"base_url": simulator.origin()}))
        .start()
        .await;
    let body = json!({"contents": [{"parts": [{"text": "hello"}]}]}).to_string();
    for (query, is_events) in [
        ("?alt=sse", true),
        ("?$alt=sse", true),
        ("?%24alt=s%73e", true),
        ("?key=k&alt=json&alt=sse", true),
        ("", false),
        ("?alt=json", false),
        ("?alt=", false),
        ("?alt", false),
        ("?alt=sse%00", false),
        ("?x=alt=sse", false),
        ("?%ff=%ff&alt=ss", false),
    ] {
        let path = format!("/v1beta/models/m:streamGenerateContent{query}");
        let reply = send(&gateway, &path, &body, &[]).await;
        if is_events {
            assert!(!reply.events().is_empty(), "{query}: {}", reply.text());
        } else {
            assert!(reply.json().is_array(), "{query}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_version_is_a_date_and_lists_of_betas_reach_the_provider_whole() {
    let simulator = simulator().await;
    let gateway = Setup::new()
        .provider_of("anthropic", &json!({"base_url": simulator.origin()}))
        .start()
        .await;
    let body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let body = body.to_string();
    for version in [
        "latest",
        "2023-06-01x",
        "2023/06/01",
        "",
        "2023-06-01, 2023-06-01",
        "-",
    ] {
        let headers = [("anthropic-version", version)];
        let reply = send(&gateway, "/v1/messages", &body, &headers).await;
        assert_eq!(reply.status, 400, "{version}");
        assert!(told("/v1/messages", &reply).starts_with("anthropic-version:"));
        let chat = crate::gateway::chat(&json!({})).to_string();
        let other = send(&gateway, "/v1/chat/completions", &chat, &headers).await;
        assert_eq!(other.status, 200, "it is none of Chat Completions'");
    }
    let mut request = post("/v1/messages", body, &[("anthropic-version", "2023-06-01")]);
    for beta in ["one-2025-01-01", "two-2025-01-01"] {
        let value = HeaderValue::from_static(beta);
        request.headers_mut().append("anthropic-beta", value);
    }
    let reply = Reply::of(gateway.serve(request).await).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = simulator.requests().pop().unwrap().headers;
    assert_eq!(sent["anthropic-version"], "2023-06-01");
    assert_eq!(sent.get_all("anthropic-beta").iter().count(), 2);
}

/// Names are a client's to choose: they are told, but never as something else than a name.
#[tokio::test]
async fn what_was_left_out_is_told_whatever_it_is_called() {
    let simulator = simulator().await;
    let gateway = Setup::new()
        .provider_of("anthropic", &json!({"base_url": simulator.origin()}))
        .start()
        .await;
    let many: serde_json::Map<String, Value> = (0..5000)
        .map(|index| (format!("field {index}"), json!(1)))
        .collect();
    for (extra, expected) in [
        (json!({"é\r\nx: y": 1}), None),
        (json!({"a,b": {}}), None),
        (Value::from(many), None),
        (json!({"seed": 7}), Some("seed")),
    ] {
        let body = crate::gateway::chat(&extra).to_string();
        let reply = send(&gateway, "/v1/chat/completions", &body, &[]).await;
        let dropped = reply.header("x-gateway-dropped");
        assert!(dropped.len() < 5000 && reply.body.len() < 5000, "{dropped}");
        match expected {
            Some(name) => assert_eq!((reply.status.as_u16(), dropped), (200, name)),
            // What is unknown is refused by its name, or left out by its name.
            None => assert!(
                reply.status == 400 || !dropped.is_empty(),
                "{}",
                reply.text()
            ),
        }
        assert!(reply.headers.get("x").is_none());
    }
}

#[tokio::test]
async fn methods_beyond_the_known_are_told_so() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    for method in ["BREW", "PUT", "DELETE", "PATCH", "HEAD"] {
        for path in PATHS {
            let mut request = post(path, "{}", &[]);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = Reply::of(gateway.serve(request).await).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(told(path, &reply).contains("only POST"));
            assert_eq!(gateway.record().status_code, 405);
        }
    }
}
