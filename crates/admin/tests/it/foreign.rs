//! What other gateways' users bring along: what comes over, what is told of, and files that only pretend.
#![expect(
    clippy::too_many_lines,
    reason = "what comes over of a file is told in one go"
)]

use http::{Method, Request};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::api::{ADMIN_KEY, Answer, Api};

const LITELLM: &str = include_str!("../../fixtures/foreign/litellm.yaml");
const NEW_API: &str = include_str!("../../fixtures/foreign/new-api.json");
const ONE_API: &str = include_str!("../../fixtures/foreign/one-api.sql");
const LLMIO: &str = include_str!("../../fixtures/foreign/llmio.sql");

async fn import(api: &Api, query: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api/import?{query}"))
        .header("authorization", format!("Bearer {ADMIN_KEY}"))
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    api.send(request).await
}

/// An SQLite file, as the program that the statements are of would have written it.
async fn database(statements: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let database = Database::connect(url).await.unwrap();
    database.execute_unprepared(statements).await.unwrap();
    database.close().await.unwrap();
    std::fs::read(path).unwrap()
}

async fn exported(api: &Api) -> Value {
    api.get("/api/export").await.ok()
}

/// The members named of each object of a section, in the order of names.
#[track_caller]
fn shown(document: &Value, section: &str, fields: &[&str]) -> Vec<Value> {
    let entries = document[section].as_array().unwrap();
    let show = |entry: &Value| -> Value {
        fields
            .iter()
            .map(|field| entry.pointer(field).cloned().unwrap_or_default())
            .collect()
    };
    entries.iter().map(show).collect()
}

#[track_caller]
fn warnings(answer: &Answer) -> Vec<String> {
    let told = answer.ok()["warnings"].as_array().unwrap().clone();
    let line = |one: &Value| {
        format!(
            "{}: {}",
            one["path"].as_str().unwrap(),
            one["message"].as_str().unwrap()
        )
    };
    told.iter().map(line).collect()
}

#[track_caller]
fn assert_told(warnings: &[String], place: &str, word: &str) {
    let is_it = |line: &&String| line.starts_with(place) && line.contains(word);
    assert!(
        warnings.iter().any(|line| is_it(&line)),
        "{place} {word}: {warnings:#?}"
    );
}

#[tokio::test]
async fn a_configuration_of_litellm_comes_over() {
    let api = Api::start().await;
    let dry = import(&api, "dry_run=true", "application/yaml", LITELLM.into()).await;
    assert_eq!(exported(&api).await["models"], json!([]));
    let done = import(
        &api,
        "format=litellm",
        "application/octet-stream",
        LITELLM.into(),
    )
    .await;
    assert_eq!(done.ok()["changes"], dry.ok()["changes"]);
    let told = warnings(&done);
    for (place, word) in [
        ("model_list[7]", "serves Anthropic's models"),
        ("model_list[8]", "not spoken here"),
        ("model_list[9]", "all models of the provider"),
        ("model_list[5]", "keep_alive"),
        ("fallbacks", "'gone'"),
        (
            "router_settings",
            "allowed_fails, cooldown_time, redis_host",
        ),
        (
            "litellm_settings",
            "context_window_fallbacks, drop_params, success_callback",
        ),
        ("general_settings", "master_key"),
        ("model_list[0]", "AZURE_EU_KEY is not set"),
    ] {
        let word = word.split(", ").next().unwrap();
        assert_told(&told, place, word);
    }
    assert!(!done.text.contains("sk-second-account") && !done.text.contains("sk-master"));
    let document = exported(&api).await;
    let fields = [
        "/name",
        "/type",
        "/config/base_url",
        "/config/api_key",
        "/config/priority",
    ];
    assert_eq!(
        shown(&document, "providers", &fields),
        [
            json!(["bedrock", "bedrock", null, null, 100]),
            json!([
                "anthropic",
                "anthropic",
                null,
                "env:ANTHROPIC_TEAM_KEY",
                100
            ]),
            json!([
                "azure-blue-eu.openai.azure.com",
                "azure",
                "https://blue-eu.openai.azure.com",
                "env:AZURE_EU_KEY",
                100
            ]),
            json!([
                "openai",
                "openai",
                "https://api.openai.com/v1",
                "env:OPENAI_API_KEY",
                99
            ]),
            json!([
                "openai 2",
                "openai",
                "https://api.openai.com/v1",
                "env:OPENAI_API_KEY",
                100
            ]),
            json!([
                "openai 3",
                "openai",
                "https://api.openai.com/v1",
                "****",
                100
            ]),
            json!([
                "groq",
                "openai",
                "https://api.groq.com/openai/v1",
                "env:GROQ_API_KEY",
                100
            ]),
            json!([
                "ollama_chat-ollama.internal",
                "openai",
                "http://ollama.internal:11434/v1",
                null,
                100
            ]),
        ]
    );
    let bedrock = &document["providers"][0]["config"];
    assert_eq!(bedrock["access_key_id"], "env:AWS_ACCESS_KEY_ID");
    let openai = &document["providers"][3]["config"]["models"]["gpt-4o"];
    assert_eq!(
        (&openai["rpm"], &openai["tpm"]),
        (&json!(200), &json!(100_000))
    );
    let mini = &document["providers"][4]["config"]["models"]["gpt-4o-mini"];
    assert_eq!(mini["extra_body"], json!({"temperature": 0.2}));
    assert_eq!(
        document["providers"][1]["config"]["models"]["claude-sonnet-4-5"]["max_tokens"],
        8192
    );
    let associations = shown(
        &document,
        "associations",
        &["/model", "/provider", "/weight", "/image"],
    );
    for expected in [
        json!(["gpt-4o", "azure-blue-eu.openai.azure.com", 600, true]),
        json!(["gpt-4o", "openai", 200, true]),
        json!(["gpt-4o", "anthropic", 0, false]),
        json!(["gpt-4o-mini", "openai 2", 900, true]),
        json!(["gpt-4o-mini", "openai 3", 100, true]),
        json!(["gpt-4o-mini", "ollama_chat-ollama.internal", 0, true]),
        json!(["gpt-4", "openai", 200, true]),
        json!(["hidden-mini", "openai 3", 100, true]),
    ] {
        assert!(
            associations.contains(&expected),
            "{expected}: {associations:#?}"
        );
    }
    let policies = shown(
        &document,
        "policies",
        &[
            "/model",
            "/strategy",
            "/response_timeout",
            "/first_content_timeout",
        ],
    );
    assert!(
        policies.contains(&json!(["gpt-4o-mini", "least_busy", 120.0, null])),
        "{policies:#?}"
    );
    assert!(
        policies.contains(&json!(["claude", "least_busy", 300.0, 45.0])),
        "{policies:#?}"
    );
    assert_eq!(
        shown(
            &document,
            "prices",
            &["/provider", "/model_pattern", "/input", "/output"]
        ),
        [json!(["openai", "gpt-4o", "2.5", "10"])]
    );
    assert!(
        document["models"]
            .as_array()
            .unwrap()
            .iter()
            .all(|model| model["max_retry"] == 2)
    );
    let again = import(&api, "mode=replace&prune=true", "text/yaml", LITELLM.into()).await;
    let summary = &again.ok()["summary"];
    assert_eq!(
        [&summary["create"], &summary["update"], &summary["delete"]],
        [0, 0, 0],
        "{again:?}"
    );
}

#[tokio::test]
async fn channels_that_new_api_lists_come_over() {
    let api = Api::start().await;
    let done = import(&api, "", "application/json", NEW_API.into()).await;
    let told = warnings(&done);
    for (place, word) in [
        ("channels 'OpenAI main'", "no key in the file"),
        ("channels 'OpenAI main'", "default, vip"),
        ("channels 'OpenAI main'", "'X-Key'"),
        ("channels 'OpenAI main'", "override of parameters"),
        ("channels 'OpenAI main'", "force_format"),
        ("channels 'Azure'", "disabled after failures"),
        ("channels 'Music'", "type 36"),
    ] {
        assert_told(&told, place, word);
    }
    let document = exported(&api).await;
    let fields = [
        "/name",
        "/type",
        "/config/base_url",
        "/config/priority",
        "/config/weight",
        "/enabled",
    ];
    assert_eq!(
        shown(&document, "providers", &fields),
        [
            json!([
                "OpenAI main",
                "openai",
                "https://api.openai.com/v1",
                110,
                6,
                true
            ]),
            json!([
                "DeepSeek",
                "openai",
                "https://api.deepseek.com/v1",
                100,
                1,
                true
            ]),
            json!([
                "DeepSeek 2",
                "openai",
                "https://api.deepseek.com/v1",
                100,
                1,
                false
            ]),
            json!([
                "DeepSeek 3",
                "openai",
                "https://api.deepseek.com/v1",
                100,
                1,
                true
            ]),
            json!([
                "Azure",
                "azure",
                "https://red.openai.azure.com",
                100,
                0,
                false
            ]),
        ]
    );
    let main = &document["providers"][0]["config"];
    assert_eq!(main["proxy"], "http://egress.internal:3128");
    assert_eq!(
        main["headers"],
        json!({"openai-organization": "****", "x-team": "****"})
    );
    let associations = shown(
        &document,
        "associations",
        &["/model", "/provider", "/provider_model"],
    );
    for expected in [
        json!(["gpt-4o", "OpenAI main", "gpt-4o-2024-11-20"]),
        json!(["deepseek-reasoner", "DeepSeek 3", "deepseek-reasoner"]),
        json!(["gpt-4.1", "Azure", "gpt-41"]),
    ] {
        assert!(
            associations.contains(&expected),
            "{expected}: {associations:#?}"
        );
    }
    let wrong = import(&api, "format=one-api", "application/json", NEW_API.into()).await;
    assert!(wrong.error(422, "invalid_document").contains("fault"));
    assert!(
        wrong.text.contains("format=new-api"),
        "the numbers mean other things: {wrong:?}"
    );
}

#[tokio::test]
async fn a_database_of_one_api_comes_over_and_its_tokens_go_on_working() {
    let api = Api::start().await;
    let done = import(&api, "", "application/vnd.sqlite3", database(ONE_API).await).await;
    let told = warnings(&done);
    for (place, word) in [
        ("channels 'Bedrock'", "claude-3-5-sonnet-20241022"),
        ("channels 'Azure'", "system prompt"),
        ("channels 'Xunfei'", "type 18"),
        ("tokens 'limited'", "2.5 USD"),
        ("tokens 'bound'", "addresses"),
    ] {
        assert_told(&told, place, word);
    }
    let document = exported(&api).await;
    let fields = [
        "/name",
        "/type",
        "/config/base_url",
        "/config/priority",
        "/enabled",
    ];
    assert_eq!(
        shown(&document, "providers", &fields),
        [
            json!([
                "DeepSeek",
                "openai",
                "https://api.deepseek.com/v1",
                105,
                true
            ]),
            json!([
                "DeepSeek 2",
                "openai",
                "http://vllm.internal:8000/v1",
                100,
                false
            ]),
            json!(["Bedrock", "bedrock", null, 100, true]),
            json!([
                "Azure",
                "azure",
                "https://green.openai.azure.com",
                100,
                true
            ]),
        ]
    );
    assert_eq!(document["providers"][2]["config"]["region"], "us-west-2");
    assert_eq!(
        document["providers"][3]["config"]["api_version"],
        "2024-06-01"
    );
    let associations = shown(
        &document,
        "associations",
        &["/model", "/provider", "/provider_model"],
    );
    for expected in [
        json!(["gpt-4o", "DeepSeek", "deepseek-chat"]),
        json!(["deepseek-chat", "DeepSeek", "deepseek-v3"]),
        json!(["gpt-3.5-turbo", "Azure", "gpt-35-turbo"]),
    ] {
        assert!(
            associations.contains(&expected),
            "{expected}: {associations:#?}"
        );
    }
    let keys = shown(
        &document,
        "keys",
        &[
            "/name",
            "/enabled",
            "/allowed_models",
            "/budgets/total",
            "/expires_at",
        ],
    );
    assert_eq!(
        keys,
        [
            json!(["shop", true, null, null, null]),
            json!([
                "limited",
                true,
                ["gpt-4o", "qwen3"],
                "2.5",
                "2099-01-01T00:00:00Z"
            ]),
            json!(["bound", false, null, null, null]),
            json!(["shop 2", false, null, null, null]),
        ]
    );
    let hash = access::KeyHash::of("sk-oneApiToken0123456789").to_hex();
    assert_eq!(document["keys"][0]["key_hash"], hash);
    assert!(!done.text.contains("oneApiToken0123456789"));
}

#[tokio::test]
async fn a_database_of_llmio_comes_over_and_its_keys_go_on_working() {
    let api = Api::start().await;
    let done = import(
        &api,
        "format=llmio",
        "application/octet-stream",
        database(LLMIO).await,
    )
    .await;
    let told = warnings(&done);
    for (place, word) in [
        ("providers 'relay'", "error matcher"),
        ("providers 'responses'", "proxy"),
        ("models 'fast'", "rotor"),
        ("model_with_providers 2", "headers of clients"),
        ("model_with_providers 3", "CNY"),
        ("model_with_providers 3", "other headers"),
        ("model_with_providers 5", "is left out"),
        ("auth_keys 'odd'", "disabled"),
    ] {
        assert_told(&told, place, word);
    }
    let document = exported(&api).await;
    let fields = [
        "/name",
        "/type",
        "/config/base_url",
        "/config/api",
        "/config/proxy",
    ];
    assert_eq!(
        shown(&document, "providers", &fields),
        [
            json!(["relay", "openai", "https://relay.example/v1", "chat", null]),
            json!([
                "anthropic",
                "anthropic",
                "https://api.anthropic.com/v1",
                null,
                "http://egress.internal:3128"
            ]),
            json!([
                "responses",
                "openai",
                "https://api.openai.com/v1",
                "responses",
                null
            ]),
            json!([
                "gemini",
                "gemini",
                "https://generativelanguage.googleapis.com/v1beta",
                null,
                null
            ]),
        ]
    );
    let there = &document["providers"][0]["config"]["models"]["gpt-4o"];
    assert_eq!(there["extra_body"], json!({"seed": 7}));
    assert_eq!(there["headers"], json!({"x-team": "****"}));
    assert_eq!(
        document["providers"][1]["config"]["headers"],
        json!({"anthropic-version": "****", "anthropic-beta": "****"})
    );
    let fields = ["/name", "/remark", "/max_retry", "/timeout"];
    assert_eq!(
        shown(&document, "models", &fields),
        [
            json!(["chat", "for everybody", 5, 60]),
            json!(["fast", null, 3, 30]),
        ]
    );
    let fields = [
        "/model",
        "/provider",
        "/provider_model",
        "/weight",
        "/tool_call",
        "/structured_output",
        "/image",
        "/enabled",
    ];
    assert_eq!(
        shown(&document, "associations", &fields),
        [
            json!(["chat", "relay", "gpt-4o", 3, true, true, true, true]),
            json!([
                "chat",
                "anthropic",
                "claude-sonnet-4-5",
                1,
                true,
                false,
                false,
                false
            ]),
            json!(["fast", "relay", "gpt-4o", 1, true, true, false, true]),
            json!([
                "fast",
                "gemini",
                "gemini-2.5-flash",
                2,
                false,
                false,
                true,
                true
            ]),
        ]
    );
    let fields = [
        "/provider",
        "/model_pattern",
        "/input",
        "/output",
        "/cache_read",
    ];
    assert_eq!(
        shown(&document, "prices", &fields),
        [json!(["relay", "gpt-4o", "2.5", "10", "1.25"])]
    );
    let keys = shown(
        &document,
        "keys",
        &["/name", "/enabled", "/allowed_models", "/expires_at"],
    );
    assert_eq!(
        keys,
        [
            json!(["ide", true, null, null]),
            json!(["bot", true, ["chat", "fast"], "2099-01-01T19:04:05Z"]),
            json!(["odd", false, null, null]),
        ]
    );
    let hash = access::KeyHash::of("sk-llmio-abcdefghijklmnopqrstuvwxyz0123456789").to_hex();
    assert_eq!(document["keys"][0]["key_hash"], hash);
}

#[tokio::test]
async fn files_that_only_pretend_are_refused() {
    let api = Api::start().await;
    let refused = async |query: &str, kind: &str, body: Vec<u8>, word: &str| {
        let answer = import(&api, query, kind, body).await;
        answer.error(422, "invalid_document");
        assert!(answer.text.contains(word), "{word}: {answer:?}");
    };
    let sqlite = "application/vnd.sqlite3";
    let mut cut = database(LLMIO).await;
    cut.truncate(5000);
    refused("", sqlite, cut, "SQLite").await;
    refused("", sqlite, b"SQLite format 3\0".to_vec(), "SQLite").await;
    refused(
        "",
        sqlite,
        database("CREATE TABLE x (y)").await,
        "neither the tables",
    )
    .await;
    refused(
        "format=llmio",
        sqlite,
        database(ONE_API).await,
        "model_with_providers",
    )
    .await;
    refused(
        "format=new-api",
        sqlite,
        database(ONE_API).await,
        "format=one-api",
    )
    .await;
    refused("format=llmio", sqlite, b"{}".to_vec(), "no SQLite file").await;
    refused(
        "format=litellm",
        sqlite,
        database(ONE_API).await,
        "config.yaml",
    )
    .await;
    // A view is nobody's table, however endless.
    let view = "CREATE VIEW channels AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n";
    refused("", sqlite, database(view).await, "neither the tables").await;
    let yaml = "application/yaml";
    refused("", yaml, b"model_list: [".to_vec(), "not valid YAML").await;
    refused("", yaml, b"a: 1".to_vec(), "no model_list").await;
    refused("", yaml, b"\xff\xfe\x00".to_vec(), "YAML").await;
    // Aliases of aliases, which would be a billion words.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{before}]\n");
    }
    refused("", yaml, (bomb + "model_list: []\n").into(), "YAML").await;
    refused(
        "format=one-api",
        "application/json",
        b"{\"data\": 1}".to_vec(),
        "list of channels",
    )
    .await;
    import(&api, "format=one-api", "application/json", b"{".to_vec())
        .await
        .error(400, "invalid_json");
    import(&api, "format=excel", "application/json", b"{}".to_vec())
        .await
        .invalid("format");
    assert_eq!(exported(&api).await["providers"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_in_a_foreign_file_is_told_by_its_place_and_changes_nothing() {
    let api = Api::start().await;
    let yaml = "
model_list:
  - model_name: good
    litellm_params: {model: openai/gpt-4o, api_key: sk-0123456789}
  - model_name: bad
    litellm_params: {model: openai/gpt-4o, api_base: http://169.254.169.254/v1}
";
    let answer = import(&api, "", "application/yaml", yaml.into()).await;
    answer.error(422, "invalid_document");
    let faults = answer.json()["error"]["details"]["faults"].clone();
    assert_eq!(faults[0]["path"], "model_list[1]");
    assert!(
        faults[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("config.base_url: "),
        "{faults}"
    );
    assert_eq!(exported(&api).await["providers"], json!([]));
}
