use upstream::NetworkPolicy;

use super::*;

fn make(config: serde_json::Value) -> Result<Provider, ProviderError> {
    make_kind(ProviderKind::OpenAi, config)
}

fn make_kind(kind: ProviderKind, config: serde_json::Value) -> Result<Provider, ProviderError> {
    let config: ProviderConfig = serde_json::from_value(config)?;
    let secrets = Secrets::new(None).unwrap();
    let clients = Clients::new(NetworkPolicy::Any);
    Provider::new(ProviderId(1), "p".into(), kind, &config, &secrets, &clients)
}

fn call<'a>(provider: &'a Provider, endpoint: Endpoint, model: &'a str) -> Call<'a> {
    match provider.way(endpoint, model, false) {
        Way::Call(call) => *call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_provider_knows_its_addresses_and_credentials() {
    let config = serde_json::json!({
        "base_url": "http://127.0.0.1:9001/v1/", "api_key": "plain:sk-up-0123", "headers": {"X-Team": "a"}
    });
    let provider = make(config).unwrap();
    assert_eq!(
        call(&provider, Endpoint::Embeddings, "m").url.to_string(),
        "http://127.0.0.1:9001/v1/embeddings"
    );
    assert_eq!(
        provider.models_url().unwrap().to_string(),
        "http://127.0.0.1:9001/v1/models"
    );
    assert_eq!(provider.headers()["authorization"], "Bearer sk-up-0123");
    assert_eq!(provider.headers()["x-team"], "a");
    assert!(!format!("{provider:?} {:?}", provider.headers()).contains("sk-up"));
    assert_eq!(
        provider.redact("bad key sk-up-0123!").as_deref(),
        Some("bad key ***!")
    );
    assert_eq!(provider.redact("nothing"), None);
    let default = make(serde_json::json!({})).unwrap();
    assert_eq!(
        call(&default, Endpoint::ChatCompletions, "m")
            .url
            .to_string(),
        "https://api.openai.com/v1/chat/completions"
    );
    assert!(default.headers().is_empty());
}

#[track_caller]
fn goes_to(kind: ProviderKind, base_url: Option<&str>, endpoint: Endpoint, url: &str) {
    let provider = make_kind(kind, serde_json::json!({"base_url": base_url})).unwrap();
    assert_eq!(call(&provider, endpoint, "m").url.to_string(), url);
}

#[test]
fn what_base_urls_may_end_in_is_not_doubled() {
    use ProviderKind::{Anthropic, Gemini};
    let messages = "https://api.anthropic.com/v1/messages";
    goes_to(Anthropic, None, Endpoint::ChatCompletions, messages);
    let bases = [
        "http://h/p",
        "http://h/p/",
        "http://h/p/v1",
        "http://h/p/v1/",
    ];
    for base in bases {
        let url = "http://h/p/v1/messages/count_tokens";
        goes_to(Anthropic, Some(base), Endpoint::CountTokens, url);
    }
    let generate = "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent";
    goes_to(Gemini, None, Endpoint::Messages, generate);
    for base in [
        "http://h",
        "http://h/",
        "http://h/v1beta",
        "http://h/v1beta/",
    ] {
        let url = "http://h/v1beta/models/m:batchEmbedContents";
        goes_to(Gemini, Some(base), Endpoint::Embeddings, url);
    }
}

#[test]
fn each_type_has_its_own_way_to_carry_the_key() {
    let client = |pairs: &[(&'static str, &str)]| -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    };
    let sent = client(&[
        ("anthropic-version", "2024-01-01"),
        ("anthropic-beta", "b"),
        ("openai-beta", "o"),
    ]);
    let config = serde_json::json!({"api_key": "plain:sk-up-0123"});
    let anthropic = make_kind(ProviderKind::Anthropic, config.clone()).unwrap();
    let asked = call(&anthropic, Endpoint::Messages, "m");
    let headers = asked.headers(&sent, true);
    assert_eq!(headers["x-api-key"], "sk-up-0123");
    assert_eq!(
        (&headers["anthropic-version"], &headers["anthropic-beta"]),
        (&"2024-01-01".parse().unwrap(), &"b".parse().unwrap())
    );
    assert_eq!(
        asked.headers(&sent, false)["anthropic-version"],
        "2023-06-01"
    );
    assert_eq!(headers.get("openai-beta"), None);
    assert_eq!(anthropic.headers()["anthropic-version"], "2023-06-01");
    let gemini = make_kind(ProviderKind::Gemini, config).unwrap();
    let headers = call(&gemini, Endpoint::Messages, "m").headers(&sent, false);
    assert_eq!(headers["x-goog-api-key"], "sk-up-0123");
    assert_eq!(headers.len(), 1);
}

#[test]
fn settings_of_a_model_win() {
    let provider = make_kind(
        ProviderKind::Anthropic,
        serde_json::json!({"headers": {"x-a": "1", "x-b": "1"}, "urls": "fetch", "models": {"claude": {
            "max_tokens": 7, "thinking": "none", "sampling": false, "headers": {"x-b": "2"}, "extra_body": {"top_k": 5}}}}),
    )
    .unwrap();
    let own = call(&provider, Endpoint::Messages, "claude");
    assert_eq!(
        (own.target.traits.max_tokens, own.target.traits.sampling),
        (7, false)
    );
    assert_eq!(own.target.traits.thinking, protocol::ThinkingStyle::None);
    assert_eq!((own.target.traits.urls, own.fetches_urls), (false, true));
    assert_eq!(
        (
            own.outgoing.extra[0].0.as_str(),
            own.outgoing.extra[0].1.get()
        ),
        ("top_k", "5")
    );
    let headers = own.headers(&HeaderMap::new(), false);
    assert_eq!(
        (&headers["x-a"], &headers["x-b"]),
        (&"1".parse().unwrap(), &"2".parse().unwrap())
    );
    let other = call(&provider, Endpoint::Messages, "other");
    assert!(other.target.traits.sampling && other.outgoing.extra.is_empty());
    assert_eq!(other.headers(&HeaderMap::new(), false)["x-b"], "1");
}

#[test]
fn a_server_with_one_api_is_asked_by_it() {
    let provider =
        make(serde_json::json!({"api": "chat", "models": {"new": {"api": "responses"}}})).unwrap();
    let endpoint = |model| call(&provider, Endpoint::Responses, model).endpoint;
    assert_eq!(
        (endpoint("old"), endpoint("new")),
        (Endpoint::ChatCompletions, Endpoint::Responses)
    );
    assert!(matches!(
        provider.way(Endpoint::InputTokens, "old", false),
        Way::Estimate
    ));
    let anthropic = make_kind(ProviderKind::Anthropic, serde_json::json!({})).unwrap();
    assert!(matches!(
        anthropic.way(Endpoint::Speech, "m", false),
        Way::Unserved
    ));
}

#[test]
fn only_what_can_be_a_secret_is_replaced() {
    let provider = make(serde_json::json!({
        "api_key": "plain:none", "headers": {"api-key": "second-secret", "x-also": "second-secret-2", "x-team": "a"}
    }))
    .unwrap();
    let echo = r#"{"a": "none", "b": "second-secret", "c": "second-secret-2"}"#;
    assert_eq!(
        provider.redact(echo).as_deref(),
        Some(r#"{"a": "none", "b": "***", "c": "***"}"#)
    );
    assert_eq!(provider.redact("a none"), None);
}

#[test]
fn what_cannot_be_used_is_refused_by_its_field() {
    let field = |config| make(config).unwrap_err().field();
    assert_eq!(
        field(serde_json::json!({"base_url": "nowhere"})),
        "config.base_url"
    );
    assert_eq!(
        field(serde_json::json!({"api_key": "sealed:v1:a:b"})),
        "config.api_key"
    );
    assert_eq!(
        field(serde_json::json!({"api_key": "plain:a\nb"})),
        "config.api_key"
    );
    assert_eq!(
        field(serde_json::json!({"headers": {"Host": "x"}})),
        "config.headers"
    );
    assert_eq!(
        field(serde_json::json!({"headers": {"a b": "x"}})),
        "config.headers"
    );
    assert_eq!(
        field(serde_json::json!({"proxy": "socks://x"})),
        "config.proxy"
    );
    assert_eq!(
        field(serde_json::json!({"ca_file": "/no/such/file"})),
        "config.ca_file"
    );
    assert_eq!(field(serde_json::json!({"base_uri": "x"})), "config");
    assert_eq!(field(serde_json::json!({"api": "batch"})), "config");
    for own in [
        serde_json::json!({"max_tokens": 0}),
        serde_json::json!({"extra_body": {"model": "x"}}),
        serde_json::json!({"headers": {"Host": "x"}}),
    ] {
        assert_eq!(
            field(serde_json::json!({"models": {"m": own}})),
            "config.models"
        );
    }
    let api = serde_json::json!({"api": "chat"});
    let refused = make_kind(ProviderKind::Gemini, api).unwrap_err();
    assert_eq!(refused.field(), "config.api");
    assert_eq!(
        "cohere".parse::<ProviderKind>().unwrap_err().field(),
        "type"
    );
}
