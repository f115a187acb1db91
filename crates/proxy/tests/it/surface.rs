//! What clients may ask, with which key and which headers, and what of it reaches providers.

use http::Method;
use serde_json::{Value, json};
use simulator::{Behaviour, Outcome};

use crate::gateway::{Gateway, KEY, PROVIDER_KEY, Reply, Setup, post, simulator};

#[tokio::test]
async fn a_key_is_taken_from_where_sdks_put_it_and_nothing_goes_without() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    for (name, value, status) in [
        ("authorization", format!("Bearer {KEY}"), 200),
        ("authorization", format!("bearer {KEY}"), 200),
        ("x-api-key", KEY.to_owned(), 200),
        ("authorization", format!("Basic {KEY}"), 401),
        ("authorization", "Bearer wrong".to_owned(), 401),
        ("authorization", format!("Bearer {KEY}x"), 401),
        ("authorization", "Bearer ".to_owned(), 401),
        ("x-other", KEY.to_owned(), 401),
    ] {
        let mut request = post(
            "/v1/chat/completions",
            crate::gateway::chat(&json!({})).to_string(),
            &[],
        );
        request.headers_mut().remove("authorization");
        request.headers_mut().insert(name, value.parse().unwrap());
        let reply = Reply::of(gateway.serve(request).await).await;
        assert_eq!(reply.status, status, "{name}: {value}");
        assert_eq!(reply.header("x-request-id").len(), 36);
        if status == 401 {
            assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
            assert!(!reply.text().contains(KEY) && !reply.text().contains("wrong"));
            gateway.assert_no_record();
        } else {
            assert!(gateway.record().key_name.starts_with("env-"));
        }
    }
    assert_eq!(simulator.counts().received, 3);
}

#[tokio::test]
async fn only_listed_headers_pass_either_way() {
    let simulator = simulator().await;
    let answered = "set-cookie server x-internal x-request-id x-gateway-provider openai-version x-ratelimit-reset-tokens";
    let headers = answered
        .split(' ')
        .map(|name| (name.into(), "theirs".into()))
        .collect();
    simulator.fail(Behaviour {
        headers,
        ..Behaviour::default()
    });
    let configured = json!({"X-Team": "blue", "user-agent": "own/1"});
    let config = json!({"base_url": simulator.base_url(), "headers": configured});
    let gateway = Setup::new().provider(&config).start().await;
    let sent = "cookie x-forwarded-for host x-stainless-lang openai-beta idempotency-key accept-encoding x-request-id \
                x-gateway-session x-team traceparent openai-organization";
    let sent: Vec<_> = sent
        .split_whitespace()
        .map(|name| (name, "mine"))
        .chain([("x-api-key", KEY)])
        .collect();
    for stream in [false, true] {
        let reply = gateway.chat_with(&json!({"stream": stream}), &sent).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(
            names(&reply.headers),
            "content-type openai-processing-ms openai-version server-timing x-gateway-attempts x-gateway-provider \
             x-ratelimit-reset-tokens x-request-id"
        );
        assert_eq!(reply.header("x-gateway-provider"), "a");
        assert_eq!(reply.header("x-request-id").len(), 36);
        let arrived = simulator.requests().pop().unwrap();
        assert_eq!(
            names(&arrived.headers),
            "accept accept-encoding authorization content-length content-type host idempotency-key openai-beta user-agent \
             x-team"
        );
        for (name, value) in [
            ("authorization", format!("Bearer {PROVIDER_KEY}")),
            ("host", simulator.address().to_string()),
            ("accept-encoding", "identity".into()),
            ("openai-beta", "mine".into()),
            ("x-team", "blue".into()),
            ("user-agent", "own/1".into()),
        ] {
            assert_eq!(arrived.headers[name], value);
        }
        assert_eq!(arrived.path, "/v1/chat/completions");
    }
}

/// Names of headers, in order of the alphabet.
fn names(headers: &http::HeaderMap) -> String {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

#[tokio::test]
async fn the_gateways_own_fields_stay_here_and_are_obeyed() {
    let (a, b) = (simulator().await, simulator().await);
    let gateway = Setup::of(&[&a, &b]).max_retry(0).start().await;
    let own = json!({"provider": "b", "fallback_providers": ["a"], "retry_count": 1, "timeout": 20, "temperature": 0.5});
    assert_eq!(gateway.chat(&own).await.header("x-gateway-provider"), "b");
    let body = b.requests()[0].json();
    assert_eq!(
        body,
        json!({"model": "up-b", "temperature": 0.5, "messages": [{"role": "user", "content": "hello"}]})
    );
    b.fail(Behaviour::status(500));
    let reply = gateway.chat(&own).await;
    assert_eq!(
        (
            reply.header("x-gateway-provider"),
            reply.header("x-gateway-attempts")
        ),
        ("a", "2")
    );
    b.reset();
    let headers = [("x-gateway-provider", "b"), ("x-gateway-retry-count", "0")];
    assert_eq!(
        gateway
            .chat_with(&json!({}), &headers)
            .await
            .header("x-gateway-provider"),
        "b"
    );
    let unknown = gateway.chat(&json!({"provider": "nobody"})).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["error"]["param"]),
        (400, &json!("provider"))
    );
    for (name, value) in [
        ("x-gateway-timeout", "soon"),
        ("x-gateway-retry-count", "9"),
        ("x-gateway-fallback-providers", "nobody"),
    ] {
        assert_eq!(
            gateway.chat_with(&json!({}), &[(name, value)]).await.status,
            400,
            "{name}"
        );
    }
}

/// Sends `body`; it must be refused before any provider hears of it.
async fn refuses(gateway: &mut Gateway, body: impl Into<bytes::Bytes>, status: u16, told: &str) {
    let reply = Reply::of(gateway.serve(post("/v1/chat/completions", body, &[])).await).await;
    assert_eq!(reply.status, status, "{told}: {}", reply.text());
    assert!(reply.text().contains(told), "{told}: {}", reply.text());
    let record = gateway.record();
    assert_eq!((record.status_code, record.attempts.len()), (status, 0));
    assert!(record.error_class.unwrap().starts_with("client_"));
}

/// C05 to C11.
#[tokio::test]
async fn what_is_no_request_is_refused_and_recorded() {
    let simulator = simulator().await;
    let settings = proxy::Settings {
        max_request_bytes: 10_000,
        ..Default::default()
    };
    let mut gateway = Setup::of(&[&simulator]).settings(settings).start().await;
    let gateway = &mut gateway;
    let chat = |extra: Value| crate::gateway::chat(&extra).to_string();
    refuses(gateway, vec![b'x'; 10_001], 413, "request_too_large").await;
    refuses(
        gateway,
        format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000)),
        400,
        "nested",
    )
    .await;
    refuses(gateway, &b"{\"model\":\"\xff\"}"[..], 400, "UTF-8").await;
    refuses(gateway, "", 400, "JSON").await;
    refuses(gateway, "[1]", 400, "object").await;
    refuses(
        gateway,
        "{\"model\":\"m\",\"messages\":[],\"model\":\"n\"}",
        400,
        "model",
    )
    .await;
    refuses(
        gateway,
        "{\"model\":\"m\",\"messages\":[],\"mod\\u0065l\":\"n\"}",
        400,
        "model",
    )
    .await;
    refuses(gateway, "{\"messages\":[]}", 400, "model").await;
    refuses(
        gateway,
        chat(json!({"model": "../m"})),
        404,
        "model_not_found",
    )
    .await;
    refuses(gateway, chat(json!({"model": "M"})), 404, "model_not_found").await;
    refuses(gateway, chat(json!({"stream": "yes"})), 400, "stream").await;
    refuses(gateway, chat(json!({"messages": "hi"})), 400, "messages").await;
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]);
    refuses(gateway, chat(json!({"messages": image})), 400, "image").await;
    assert_eq!(simulator.counts().received, 0);
    let compressed = post(
        "/v1/chat/completions",
        chat(json!({})),
        &[("content-encoding", "gzip")],
    );
    assert_eq!(gateway.serve(compressed).await.status(), 400);
}

#[tokio::test]
async fn a_model_without_a_provider_is_unavailable_and_a_disabled_one_unknown() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    gateway.add_model("lonely", true).await;
    gateway.add_model("off", false).await;
    gateway.catalog.reload().await.unwrap();
    for (model, status) in [("lonely", 503), ("off", 404)] {
        let reply = gateway.chat(&json!({"model": model})).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(gateway.record().model, model);
    }
}

#[tokio::test]
async fn keys_see_and_use_what_they_may() {
    let (a, b) = (simulator().await, simulator().await);
    let mut gateway = Setup::of(&[&a, &b])
        .max_retry(3)
        .key("sk-all", Value::Null, Value::Null)
        .key("sk-none", json!([]), Value::Null)
        .key("sk-only-b", json!(["m"]), json!(["b"]))
        .key("sk-nowhere", json!(["m"]), json!(["zzz"]))
        .start()
        .await;
    gateway.add_model("org/lonely", true).await;
    gateway.catalog.reload().await.unwrap();
    let with = |key: &str| format!("Bearer {key}");
    let listed = |reply: &Reply| {
        reply.json()["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].clone())
            .collect::<Vec<_>>()
    };
    for (key, models) in [
        ("sk-all", vec![json!("m")]),
        ("sk-none", vec![]),
        ("sk-only-b", vec![json!("m")]),
    ] {
        let list = gateway
            .get("/v1/models", &[("authorization", &with(key))])
            .await;
        assert_eq!(
            (list.status.as_u16(), listed(&list)),
            (200, models.clone()),
            "{key}"
        );
        gateway.record();
        let one = gateway
            .get("/openai/v1/models/m", &[("authorization", &with(key))])
            .await;
        assert_eq!(one.status == 200, !models.is_empty(), "{key}");
        gateway.record();
    }
    let denied = gateway
        .chat_with(&json!({}), &[("authorization", &with("sk-none"))])
        .await;
    assert_eq!((denied.status.as_u16(), a.counts().received), (403, 0));
    gateway.record();
    let confined = gateway
        .chat_with(&json!({}), &[("authorization", &with("sk-only-b"))])
        .await;
    assert_eq!(confined.header("x-gateway-provider"), "b");
    assert_eq!(&*gateway.record().key_name, "sk-only-b");
    b.fail(Behaviour::status(401));
    let confined = gateway
        .chat_with(&json!({}), &[("authorization", &with("sk-only-b"))])
        .await;
    assert_eq!(
        (confined.status.as_u16(), a.counts().received),
        (502, 0),
        "no failover to a provider that is not allowed"
    );
    gateway.record();
    let nowhere = gateway
        .chat_with(&json!({}), &[("authorization", &with("sk-nowhere"))])
        .await;
    assert_eq!(nowhere.status, 403);
}

#[tokio::test]
async fn a_model_id_in_a_path_may_be_encoded() {
    let simulator = simulator().await;
    let gateway = Setup::of(&[&simulator]).start().await;
    let id = gateway.add_model("org/name:1 é", true).await;
    let association = entities::model_provider::ActiveModel {
        model_id: sea_orm::ActiveValue::Set(id),
        provider_id: sea_orm::ActiveValue::Set(1),
        provider_model: sea_orm::ActiveValue::Set("x".into()),
        ..Default::default()
    };
    sea_orm::ActiveModelTrait::insert(association, &gateway.database)
        .await
        .unwrap();
    gateway.catalog.reload().await.unwrap();
    for path in ["org%2Fname%3A1%20%C3%A9", "org/name:1%20%c3%a9"] {
        let reply = gateway.get(&format!("/v1/models/{path}"), &[]).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["id"]),
            (200, &json!("org/name:1 é")),
            "{path}"
        );
    }
    for path in ["%ff", "..%2fm", "m%00"] {
        assert_eq!(
            gateway.get(&format!("/v1/models/{path}"), &[]).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_not_served_is_told_in_the_clients_format() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    for (method, path, status) in [
        (Method::POST, "/v1/files", 404),
        (Method::GET, "/v1/chat/completions", 405),
        (Method::POST, "/v1/models", 405),
        (Method::POST, "/v1/chat/completions/", 404),
        (Method::POST, "/v1/../v1/chat/completions", 404),
    ] {
        let mut request = post(path, "{}", &[]);
        *request.method_mut() = method;
        let reply = Reply::of(gateway.serve(request).await).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.json()["error"]["message"].is_string());
        assert_eq!(gateway.record().status_code, status);
    }
}

#[tokio::test]
async fn embeddings_and_completions_take_the_same_walk() {
    let simulator = simulator().await;
    let mut gateway = Setup::of(&[&simulator]).start().await;
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "m", "input": ["a", "b"]})),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": "a", "max_tokens": 4}),
        ),
        (
            "/openai/v1/completions",
            json!({"model": "m", "prompt": "a", "max_tokens": 4, "stream": true}),
        ),
    ] {
        let reply = Reply::of(gateway.serve(post(path, body.to_string(), &[])).await).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let record = gateway.record();
        assert_eq!(record.endpoint, path.trim_start_matches("/openai"));
        assert!(record.attempts[0].usage.unwrap().total > 0);
    }
    assert!(
        simulator
            .requests()
            .iter()
            .all(|it| it.outcome == Outcome::Answered)
    );
}

/// Only the provider that made it can read it: another would refuse the request.
#[tokio::test]
async fn encrypted_reasoning_goes_back_to_the_provider_that_made_it_or_nowhere() {
    let (a, b) = (simulator().await, simulator().await);
    let bases = [&a, &b].map(|it| json!({"base_url": it.base_url()}));
    let gateway = Setup::new()
        .provider(&bases[0])
        .provider(&bases[1])
        .policy(json!({"strategy": "sticky"}))
        .max_retry(3)
        .start()
        .await;
    let send = async |input: &Value, session: &str| {
        let body = json!({"model": "m", "input": input, "store": false, "reasoning": {"effort": "low"},
            "include": ["reasoning.encrypted_content"]});
        let headers = [("x-gateway-session", session)];
        let request = post("/v1/responses", body.to_string(), &headers);
        Reply::of(gateway.serve(request).await).await
    };
    let question = json!({"role": "user", "content": "hello"});
    let mut homes = std::collections::HashMap::new();
    for session in ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"] {
        let first = send(&json!([question]), session).await;
        let home = first.header("x-gateway-provider").to_owned();
        let mut input = vec![question.clone()];
        input.extend(first.json()["output"].as_array().unwrap().iter().cloned());
        assert!(input.iter().any(|it| it["encrypted_content"].is_string()));
        input.push(question.clone());
        let input = Value::from(input);
        let again = send(&input, session).await;
        assert_eq!(again.header("x-gateway-provider"), home, "{}", again.text());
        homes.insert(home, (session, input));
    }
    assert_eq!(homes.len(), 2, "both make some");
    // The one that made it is down: the other is not asked in its place.
    b.fail(Behaviour::status(500));
    let (session, input) = &homes["b"];
    let before = a.counts().received;
    let refused = send(input, session).await;
    assert_eq!(
        (refused.status.as_u16(), a.counts().received),
        (502, before)
    );
    // Without what only it can read, the session moves.
    let moved = send(&json!([question]), session).await;
    assert_eq!(moved.header("x-gateway-provider"), "a");
}

#[tokio::test]
async fn a_session_stays_with_its_provider() {
    let (a, b) = (simulator().await, simulator().await);
    let bases = [&a, &b].map(|it| json!({"base_url": it.base_url()}));
    let gateway = Setup::new()
        .provider(&bases[0])
        .provider(&bases[1])
        .policy(json!({"strategy": "sticky"}))
        .start()
        .await;
    let mut homes = Vec::new();
    for user in 0..16 {
        let first = gateway
            .chat(&json!({"user": format!("u{user}")}))
            .await
            .header("x-gateway-provider")
            .to_owned();
        for _ in 0..3 {
            let again = gateway
                .chat(&json!({"user": format!("u{user}"), "temperature": 0}))
                .await;
            assert_eq!(again.header("x-gateway-provider"), first);
        }
        homes.push(first);
    }
    assert!(
        homes.contains(&"a".into()) && homes.contains(&"b".into()),
        "{homes:?}"
    );
    let by_header = gateway
        .chat_with(&json!({"user": "other"}), &[("x-gateway-session", "u0")])
        .await;
    assert_eq!(by_header.header("x-gateway-provider"), homes[0]);
}
