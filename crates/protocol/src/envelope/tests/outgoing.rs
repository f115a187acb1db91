//! What a body becomes on its way to a provider model.

use super::*;

const MODEL: Outgoing<'_> = Outgoing {
    model: Some("up"),
    is_stream_in_url: false,
    anthropic_version: None,
    anthropic_beta: None,
    extra: &[],
};
const URL: Outgoing<'_> = Outgoing {
    model: None,
    is_stream_in_url: true,
    anthropic_version: Some("bedrock-2023-05-31"),
    anthropic_beta: None,
    extra: &[],
};

#[track_caller]
fn becomes(endpoint: Endpoint, outgoing: &Outgoing<'_>, body: &str, expected: &str) {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    assert_eq!(sent_as(endpoint, &bytes, outgoing), expected);
}

#[test]
fn what_the_url_says_leaves_the_body() {
    becomes(
        Endpoint::Messages,
        &URL,
        r#"{"model":"m","messages":[],"stream":true}"#,
        r#"{"anthropic_version":"bedrock-2023-05-31","messages":[]}"#,
    );
    becomes(
        Endpoint::Messages,
        &URL,
        r#"{"messages":[] , "stream":false, "model":"m","anthropic_version":"x"}"#,
        r#"{"messages":[],"anthropic_version":"x"}"#,
    );
    becomes(
        Endpoint::GenerateContent,
        &MODEL,
        r#"{"contents":[]}"#,
        r#"{"contents":[]}"#,
    );
    let alone = Outgoing {
        anthropic_version: None,
        ..URL
    };
    becomes(
        Endpoint::Speech,
        &alone,
        r#"{"model":"m","stream":true}"#,
        "{}",
    );
}

#[test]
fn a_moderation_without_a_model_gets_one() {
    becomes(
        Endpoint::Moderations,
        &MODEL,
        r#"{"input":"x"}"#,
        r#"{"model":"up","input":"x"}"#,
    );
    becomes(
        Endpoint::Moderations,
        &MODEL,
        r#"{"model":null,"input":"x"}"#,
        r#"{"model":"up","input":"x"}"#,
    );
}

#[test]
fn models_inside_gemini_bodies_follow_the_path() {
    let named = r#"{"requests":[{"model":"models/a","content":{}},{"content":{},"model":"models/a"}],"model":"models/a"}"#;
    becomes(
        Endpoint::BatchEmbedContents,
        &MODEL,
        named,
        r#"{"requests":[{"model":"models/up","content":{}},{"content":{},"model":"models/up"}],"model":"models/up"}"#,
    );
    let none = Outgoing {
        model: None,
        ..MODEL
    };
    becomes(
        Endpoint::BatchEmbedContents,
        &none,
        named,
        r#"{"requests":[{"content":{}},{"content":{}}]}"#,
    );
    becomes(
        Endpoint::CountTokens,
        &MODEL,
        r#"{"generateContentRequest":{"model":"models/a","contents":[]}}"#,
        r#"{"generateContentRequest":{"model":"models/up","contents":[]}}"#,
    );
    becomes(
        Endpoint::EmbedContent,
        &MODEL,
        r#"{"model":"a","content":{"parts":[]}}"#,
        r#"{"model":"models/up","content":{"parts":[]}}"#,
    );
}

#[test]
fn extra_members_yield_to_the_bodys_own() {
    let json = |text: &str| Json::parse(text).unwrap();
    let extra = [
        ("top_k".to_owned(), json("5")),
        ("seed".to_owned(), json("1")),
        ("stream_options".to_owned(), json("{}")),
        ("provider".to_owned(), json(r#"{"order":[]}"#)),
        ("seed".to_owned(), json("2")),
    ];
    let outgoing = Outgoing {
        extra: &extra,
        ..MODEL
    };
    becomes(
        CHAT,
        &outgoing,
        r#"{"provider":"p","model":"m","messages":[],"s\u0065ed":7,"stream":true}"#,
        r#"{"stream_options":{"include_usage":true},"top_k":5,"provider":{"order":[]},"model":"up","messages":[],"s\u0065ed":7,"stream":true}"#,
    );
    let extra = [
        ("generationConfig".to_owned(), json("{}")),
        ("labels".to_owned(), json("{}")),
    ];
    let outgoing = Outgoing {
        extra: &extra,
        ..MODEL
    };
    becomes(
        Endpoint::GenerateContent,
        &outgoing,
        r#"{"contents":[],"generation_config":{"seed":1}}"#,
        r#"{"labels":{},"contents":[],"generation_config":{"seed":1}}"#,
    );
}

#[test]
fn thinking_blocks_leave_a_chat_body() {
    becomes(
        CHAT,
        &MODEL,
        r#"{"model":"m","messages":[{"role":"assistant","thinking_blocks":[{"type":"thinking"}],"content":"a"},{"thinking_blocks":[],"role":"user"}]}"#,
        r#"{"model":"up","messages":[{"role":"assistant","content":"a"},{"role":"user"}]}"#,
    );
    // With them goes the text that they hold; alone it is the provider's own.
    becomes(
        CHAT,
        &MODEL,
        r#"{"model":"m","messages":[{"reasoning_content":"a","thinking_blocks":[{}],"role":"assistant"},{"role":"assistant","thinking_blocks":[{}],"content":"a","reasoning_content":"b"},{"role":"assistant","reasoning_content":"c"}]}"#,
        r#"{"model":"up","messages":[{"role":"assistant"},{"role":"assistant","content":"a"},{"role":"assistant","reasoning_content":"c"}]}"#,
    );
}

#[test]
fn carried_reasoning_leaves_a_messages_body_or_comes_home() {
    becomes(
        Endpoint::Messages,
        &MODEL,
        r#"{"model":"m","messages":[
            {"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"lo1.gemini.x"}, {"type":"text","text":"lo1."}]},
            {"role":"assistant","content":[{"type":"redacted_thinking","data":"lo1.openai.y"}]},
            {"role":"assistant","content":[{"signature":"lo1.anthropic.z","type":"thinking"},{"type":"thinking","signature":"own"}]}]}"#,
        r#"{"model":"up","messages":[
            {"role":"assistant","content":[{"type":"text","text":"lo1."}]},
            {"role":"assistant","content":[{"signature":"z","type":"thinking"},{"type":"thinking","signature":"own"}]}]}"#,
    );
}

#[test]
fn carried_reasoning_leaves_a_responses_body() {
    becomes(
        Endpoint::Responses,
        &MODEL,
        r#"{"model":"m","input":[{"type":"reasoning","encrypted_content":"lo1.anthropic.x"},{"role":"user","content":"a"},{"encrypted_content":"gAAA","type":"reasoning"}]}"#,
        r#"{"model":"up","input":[{"role":"user","content":"a"},{"encrypted_content":"gAAA","type":"reasoning"}]}"#,
    );
}

#[test]
fn carried_signatures_leave_a_gemini_body() {
    // Base64 of `lo1.openai.x` and of `lo1.anthropic.y`.
    becomes(
        Endpoint::GenerateContent,
        &MODEL,
        r#"{"contents":[{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"bG8xLm9wZW5haS54"},{"thought_signature":"bG8xLmFudGhyb3BpYy55","functionCall":{"name":"f"}},{"thoughtSignature":"bG8xLm9wZW5haS54"},{"text":"b","thoughtSignature":"AbCd"}]}]}"#,
        r#"{"contents":[{"role":"model","parts":[{"text":"a","thought":true},{"thought_signature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=","functionCall":{"name":"f"}},{"text":"b","thoughtSignature":"AbCd"}]}]}"#,
    );
}

/// Bodies with as much to cut as can be; time would tell if each cut cost as much as the body is long.
#[test]
fn many_cuts_are_made_in_one_pass() {
    let block = r#"{"type":"thinking","signature":"lo1.gemini.x"},{"type":"thinking","signature":"lo1.anthropic.x"}"#;
    let blocks = vec![block; 20_000].join(",");
    let message = r#"{"role":"assistant","content":[{"type":"thinking","signature":"lo1.gemini.x"},{"type":"text"}]}"#;
    let messages = vec![message; 20_000].join(",");
    let body = format!(
        r#"{{"model":"up","messages":[{{"role":"user","content":[{blocks},{{"type":"text"}}]}},{messages}]}}"#
    );
    let sent = sent_as(Endpoint::Messages, &Bytes::from(body), &MODEL);
    let value: serde_json::Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(value["messages"].as_array().unwrap().len(), 20_001);
    assert!(!sent.contains("lo1."));
    let duplicates = format!("{{{}\"model\":\"m\"}}", r#""model":"m","#.repeat(20_000));
    refused(CHAT, &duplicates, "duplicate field: 'model'");
}

/// A conversation as Messages has it, in which any block may be foreign.
fn conversation() -> impl Strategy<Value = serde_json::Value> {
    let block = prop_oneof![
        any::<String>().prop_map(|text| json!({"type": "text", "text": text})),
        prop::sample::select(vec![
            "own",
            "lo1.gemini.x",
            "lo1.openai.y",
            "lo1.anthropic.z",
            "lo1.nobody.w"
        ])
        .prop_map(|signature| json!({"signature": signature, "type": "thinking", "thinking": "t"})),
    ];
    let message = prop::collection::vec(block, 0..4)
        .prop_map(|blocks| json!({"role": "assistant", "content": blocks}));
    prop::collection::vec(message, 0..4).prop_map(|messages| json!(messages))
}

/// What `foreign::remove` must do, as an edit of the value.
fn without_foreign(mut messages: serde_json::Value) -> serde_json::Value {
    messages.as_array_mut().unwrap().retain_mut(|message| {
        let blocks = message["content"].as_array_mut().unwrap();
        let before = blocks.len();
        blocks.retain_mut(|block| {
            let signature = block["signature"].as_str().unwrap_or_default().to_owned();
            if let Some(own) = signature.strip_prefix("lo1.anthropic.") {
                block["signature"] = own.into();
            }
            !signature.starts_with("lo1.gemini") && !signature.starts_with("lo1.openai")
        });
        before == 0 || !blocks.is_empty()
    });
    messages
}

proptest! {
    #[test]
    fn splicing_a_messages_body_is_editing_the_object(
        messages in conversation(),
        pretty in any::<bool>(),
        in_url in any::<bool>(),
        stream in any::<Option<bool>>(),
        system in any::<Option<String>>(),
    ) {
        let mut body = json!({"model": "m", "messages": messages});
        if let Some(stream) = stream {
            body["stream"] = stream.into();
        }
        if let Some(system) = system {
            body["system"] = system.into();
        }
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let extra = [("top_k".to_owned(), Json::parse("5").unwrap()), ("system".to_owned(), Json::parse("null").unwrap())];
        let outgoing = Outgoing { extra: &extra, ..if in_url { URL } else { MODEL } };
        let mut expected = body.clone();
        let object = expected.as_object_mut().unwrap();
        if in_url {
            object.remove("model");
            object.remove("stream");
            object.insert("anthropic_version".into(), json!("bedrock-2023-05-31"));
        } else {
            object.insert("model".into(), json!("up"));
        }
        object.entry("top_k").or_insert(json!(5));
        object.entry("system").or_insert(json!(null));
        object["messages"] = without_foreign(body["messages"].clone());
        let sent = sent_as(Endpoint::Messages, &Bytes::from(text), &outgoing);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&sent).unwrap(), expected);
    }

    #[test]
    fn hostile_bodies_are_refused_or_spliced_into_json(text in any_body()) {
        for endpoint in Endpoint::ALL {
            let bytes = Bytes::from(text.clone());
            let Ok(envelope) = scan(endpoint, &bytes) else { continue };
            for outgoing in [&MODEL, &URL] {
                let sent = envelope.splice(outgoing).pieces(&bytes).concat();
                prop_assert!(is_json(&sent), "{}", String::from_utf8_lossy(&sent));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for endpoint in Endpoint::ALL {
            let accepted = scan(endpoint, &bytes).is_ok();
            prop_assert!(!accepted || is_json(&bytes));
        }
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Bodies of the names that are read, also twice, with values as they may be.
fn any_body() -> impl Strategy<Value = String> {
    const NAMES: [&str; 26] = [
        "model",
        "messages",
        "input",
        "contents",
        "content",
        "parts",
        "prompt",
        "requests",
        "stream",
        "role",
        "type",
        "signature",
        "data",
        "thinking_blocks",
        "encrypted_content",
        "thoughtSignature",
        "functionCall",
        "provider",
        "timeout",
        "stream_options",
        "include_usage",
        "generateContentRequest",
        "text",
        "format",
        "tools",
        "system",
    ];
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "\"m\"",
        "\"lo1.gemini.x\"",
        "\"lo1.anthropic.x\"",
        "\"bG8xLm9w\"",
        "\"thinking\"",
        "\"\\ud800\"",
        "[ ]",
        "{ }",
    ])
    .prop_map(str::to_owned);
    let object = |members: Vec<(&str, String)>| {
        let members: Vec<_> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\" :{value}"))
            .collect();
        format!("{{{}}}", members.join(" , "))
    };
    let value = leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| format!("[{} ]", values.join(","))),
            prop::collection::vec((prop::sample::select(NAMES.to_vec()), inner), 0..5)
                .prop_map(object),
        ]
    });
    prop::collection::vec((prop::sample::select(NAMES.to_vec()), value), 0..6).prop_map(
        move |mut members| {
            members.insert(0, ("model", "\"m\"".to_owned()));
            members.push(("messages", "[]".to_owned()));
            object(members)
        },
    )
}
