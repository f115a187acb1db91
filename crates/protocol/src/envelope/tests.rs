use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod formats;
mod forms;
mod outgoing;

const CHAT: Endpoint = Endpoint::ChatCompletions;

fn sent(body: &str, provider_model: &str) -> String {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let outgoing = Outgoing {
        model: Some(provider_model),
        ..Outgoing::default()
    };
    sent_as(CHAT, &bytes, &outgoing)
}

#[track_caller]
fn sent_as(endpoint: Endpoint, body: &Bytes, outgoing: &Outgoing<'_>) -> String {
    let envelope = scan(endpoint, body).unwrap();
    String::from_utf8(envelope.splice(outgoing).pieces(body).concat()).unwrap()
}

/// As a request whose path, where it names a model, names `path`.
fn scan(endpoint: Endpoint, body: &[u8]) -> Result<Envelope<'_>, RequestError> {
    let path_model = endpoint.verb().map(|_| "path".into());
    Envelope::scan(endpoint, path_model, body)
}

#[track_caller]
fn splices(body: &str, expected: &str) {
    assert_eq!(sent(body, "up"), expected);
}

#[test]
fn only_the_model_changes_where_nothing_else_must() {
    splices(
        r#" { "model" : "m" , "messages":[] , "x":1.0e2 } "#,
        r#" { "model" : "up" , "messages":[] , "x":1.0e2 } "#,
    );
    splices(
        r#"{"messages":[],"model":"a\"b"}"#,
        r#"{"messages":[],"model":"up"}"#,
    );
    let same = r#"{"messages":[],"model":"up"}"#;
    splices(same, same);
    assert_eq!(
        sent(r#"{"model":"m","messages":[]}"#, "a\"\\b"),
        r#"{"model":"a\"\\b","messages":[]}"#
    );
}

#[test]
fn usage_is_asked_for_in_a_stream_unless_the_client_did() {
    splices(
        r#"{"model":"m","stream":true,"messages":[]}"#,
        r#"{"stream_options":{"include_usage":true},"model":"up","stream":true,"messages":[]}"#,
    );
    splices(
        r#"{"model":"m","stream":true,"messages":[],"stream_options":null}"#,
        r#"{"model":"up","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#,
    );
    splices(
        r#"{"model":"m","stream":true,"messages":[],"stream_options":{}}"#,
        r#"{"model":"up","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#,
    );
    splices(
        r#"{"model":"m","stream":true,"messages":[],"stream_options":{"x":1}}"#,
        r#"{"model":"up","stream":true,"messages":[],"stream_options":{"include_usage":true,"x":1}}"#,
    );
    splices(
        r#"{"model":"m","stream":true,"messages":[],"stream_options":{"include_usage":false}}"#,
        r#"{"model":"up","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#,
    );
    let asked =
        r#"{"model":"up","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#;
    splices(asked, asked);
    assert!(scan(CHAT, asked.as_bytes()).unwrap().include_usage);
    let plain = r#"{"model":"up","stream":false,"messages":[]}"#;
    splices(plain, plain);
}

#[test]
fn own_fields_are_taken_out_wherever_they_stand() {
    let own = r#""provider":"a""#;
    splices(
        &format!(r#"{{{own},"model":"m","messages":[]}}"#),
        r#"{"model":"up","messages":[]}"#,
    );
    splices(
        &format!(r#"{{"model":"m",{own},"messages":[]}}"#),
        r#"{"model":"up","messages":[]}"#,
    );
    splices(
        &format!(r#"{{"model":"m","messages":[] , {own} }}"#),
        r#"{"model":"up","messages":[] }"#,
    );
    splices(
        r#"{"provider":"a","timeout":2.5,"stream":true,"model":"m","retry_count":2,"fallback_providers":["b","c"],"messages":[]}"#,
        r#"{"stream_options":{"include_usage":true},"stream":true,"model":"up","messages":[]}"#,
    );
    let body = r#"{"provider":"a","timeout":2.5,"model":"m","retry_count":2,"fallback_providers":["b","c"],"messages":[]}"#;
    let envelope = scan(CHAT, body.as_bytes()).unwrap();
    assert_eq!(envelope.orchestration.provider.as_deref(), Some("a"));
    assert_eq!(envelope.orchestration.fallback_providers, ["b", "c"]);
    assert_eq!(envelope.orchestration.timeout, Some(2.5));
    assert_eq!(envelope.orchestration.retry_count, Some(2));
}

#[test]
fn fields_of_the_same_name_but_another_form_are_the_providers() {
    for field in [
        r#""provider":{"order":["x"]}"#,
        r#""provider":null"#,
        r#""fallback_providers":["a",1]"#,
        r#""fallback_providers":"a""#,
        r#""timeout":"5""#,
        r#""retry_count":6"#,
        r#""retry_count":-1"#,
        r#""retry_count":1.5"#,
    ] {
        let body = format!(r#"{{"model":"up","messages":[],{field}}}"#);
        splices(&body, &body);
        let envelope = scan(CHAT, body.as_bytes()).unwrap();
        assert_eq!(envelope.orchestration, Orchestration::default(), "{field}");
    }
    let embeddings = br#"{"model":"m","input":"x","provider":"a"}"#;
    let envelope = scan(Endpoint::Embeddings, embeddings).unwrap();
    assert_eq!(envelope.orchestration.provider, None);
}

#[track_caller]
fn needs(extra: &str, tool_call: bool, structured_output: bool, image: bool) {
    let body = format!(r#"{{"model":"m",{extra}}}"#);
    let found = scan(CHAT, body.as_bytes()).unwrap().needs;
    assert_eq!(
        found,
        Needs {
            tool_call,
            structured_output,
            image
        },
        "{extra}"
    );
}

#[test]
fn what_a_request_needs_is_found() {
    needs(
        r#""messages":[{"role":"user","content":"hi"}]"#,
        false,
        false,
        false,
    );
    needs(
        r#""messages":[],"tools":[{"type":"function"}]"#,
        true,
        false,
        false,
    );
    needs(r#""messages":[],"tools":[ ]"#, false, false, false);
    needs(
        r#""messages":[],"tools":null,"functions":[{}]"#,
        true,
        false,
        false,
    );
    needs(
        r#""messages":[{"role":"tool","content":"x","tool_call_id":"1"}]"#,
        true,
        false,
        false,
    );
    needs(
        r#""messages":[{"role":"assistant","content":null,"tool_calls":[{}]}]"#,
        true,
        false,
        false,
    );
    needs(
        r#""messages":[],"response_format":{"type":"json_object"}"#,
        false,
        true,
        false,
    );
    needs(
        r#""messages":[],"response_format":{"json_schema":{},"type":"json_schema"}"#,
        false,
        true,
        false,
    );
    needs(
        r#""messages":[],"response_format":{"type":"text"}"#,
        false,
        false,
        false,
    );
    needs(
        r#""messages":[],"response_format":null"#,
        false,
        false,
        false,
    );
    needs(
        r#""messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:"}}]}]"#,
        false,
        false,
        true,
    );
    needs(
        r#""messages":[{"role":"user","content":[{"\u0074ype":"image\u005furl"}]}]"#,
        false,
        false,
        true,
    );
}

#[track_caller]
fn refused(endpoint: Endpoint, body: &str, message: &str) {
    let error = scan(endpoint, body.as_bytes()).unwrap_err();
    assert!(error.to_string().contains(message), "{error} for {body}");
}

#[test]
fn bad_bodies_are_refused_by_the_field_at_fault() {
    refused(CHAT, "", "not valid JSON");
    refused(CHAT, r#"{"model":"#, "not valid JSON");
    refused(CHAT, r#"{"model":3,"messages":["#, "not valid JSON");
    refused(CHAT, "[]", "must be a JSON object");
    refused(CHAT, "{}", "missing required field: 'model'");
    refused(
        CHAT,
        r#"{"model":"m"}"#,
        "missing required field: 'messages'",
    );
    refused(
        Endpoint::Completions,
        r#"{"model":"m"}"#,
        "missing required field: 'prompt'",
    );
    refused(
        Endpoint::Embeddings,
        r#"{"model":"m"}"#,
        "missing required field: 'input'",
    );
}

#[test]
fn wrong_types_and_duplicates_are_told_by_the_field() {
    refused(
        CHAT,
        r#"{"model":3,"messages":[]}"#,
        "'model': expected a string",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":{}}"#,
        "'messages': expected an array",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":["x"]}"#,
        "'messages[0]': expected an object",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[{"content":"x"}]}"#,
        "'messages[0]': expected an object with a role",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[{"role":1}]}"#,
        "'messages[0].role': expected a string",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[{"role":"user","content":5}]}"#,
        "'messages[0].content'",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"stream":"yes"}"#,
        "'stream': expected a boolean",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"temperature":"hot"}"#,
        "'temperature': expected a number",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"max_tokens":1.5}"#,
        "'max_tokens': expected an integer",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"tools":{}}"#,
        "'tools': expected an array",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"stream_options":1}"#,
        "'stream_options': expected an object",
    );
    refused(
        CHAT,
        r#"{"model":"","messages":[]}"#,
        "missing required field: 'model'",
    );
}

#[test]
fn a_field_that_stands_twice_or_too_deep_is_refused() {
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"model":"n"}"#,
        "duplicate field: 'model'",
    );
    refused(
        CHAT,
        r#"{"model":"m","messages":[],"mod\u0065l":"n"}"#,
        "duplicate field: 'model'",
    );
    let deep = format!(
        r#"{{"model":"m","messages":[],"x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    refused(CHAT, &deep, "nested too deeply");
}

#[test]
fn each_prompt_of_a_completion_has_as_many_answers_as_asked_for() {
    for (prompt, n, choices) in [
        (r#""a""#, 1, 1),
        (r#""[a""#, 3, 3),
        (r#"["a", "b"]"#, 2, 4),
        ("[1, 2, 3]", 2, 2),
        ("[ [1, 2], [3] ]", 1, 2),
        ("[]", 1, 1),
        (r#"["a", "b", "c"]"#, i64::MAX, usize::MAX),
    ] {
        let body = format!(r#"{{"model":"m","prompt":{prompt},"n":{n}}}"#);
        let envelope = scan(Endpoint::Completions, body.as_bytes()).unwrap();
        assert_eq!(envelope.choices, choices, "{prompt} {n}");
    }
}

proptest! {
    #[test]
    fn splicing_is_editing_the_object(
        order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(),
        present in prop::collection::vec(any::<bool>(), 8),
        stream in any::<bool>(),
        pretty in any::<bool>(),
    ) {
        let values = [
            ("model", json!("m")), ("messages", json!([{"role":"user","content":"é\n"}])), ("stream", json!(stream)),
            ("provider", json!("p")), ("timeout", json!(3)), ("retry_count", json!(1)),
            ("fallback_providers", json!(["q"])), ("other", json!({"deep":[1,{"a":null}]})),
        ];
        let members: Vec<String> = order.iter().filter(|i| **i < 3 || present[**i])
            .map(|i| format!("{}{}:{}", if pretty { "\n  " } else { "" }, json!(values[*i].0), values[*i].1)).collect();
        let body = format!("{{{}{}}}", members.join(","), if pretty { "\n" } else { "" });
        let mut expected: serde_json::Value = serde_json::from_str(&body).unwrap();
        let object = expected.as_object_mut().unwrap();
        for own in ["provider", "timeout", "retry_count", "fallback_providers"] {
            object.remove(own);
        }
        object.insert("model".into(), json!("up"));
        if stream {
            object.insert("stream_options".into(), json!({"include_usage": true}));
        }
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&sent(&body, "up")).unwrap(), expected);
    }
}

#[test]
fn the_limit_of_the_output_and_the_number_of_images_are_read() {
    let scanned = |endpoint, body: &str| {
        let model = (endpoint == Endpoint::GenerateContent).then(|| "m".into());
        let envelope = Envelope::scan(endpoint, model, body.as_bytes()).unwrap();
        (envelope.max_output, envelope.choices)
    };
    for (endpoint, body, expected) in [
        (
            Endpoint::ChatCompletions,
            r#""messages":[],"max_tokens":7"#,
            (Some(7), 1),
        ),
        (
            Endpoint::ChatCompletions,
            r#""messages":[],"max_tokens":7,"max_completion_tokens":9,"n":2"#,
            (Some(9), 2),
        ),
        (
            Endpoint::ChatCompletions,
            r#""messages":[],"max_tokens":null"#,
            (None, 1),
        ),
        (
            Endpoint::ChatCompletions,
            r#""messages":[],"max_tokens":-1"#,
            (None, 1),
        ),
        (
            Endpoint::Responses,
            r#""input":"","max_output_tokens":5"#,
            (Some(5), 1),
        ),
        (
            Endpoint::Messages,
            r#""messages":[],"max_tokens":6,"top_k":90"#,
            (Some(6), 1),
        ),
        (
            Endpoint::GenerateContent,
            r#""contents":[],"generationConfig":{"maxOutputTokens":8,"candidateCount":3}"#,
            (Some(8), 3),
        ),
        (
            Endpoint::GenerateContent,
            r#""contents":[],"generationConfig":{"maxOutputTokens":"8"}"#,
            (None, 1),
        ),
        (
            Endpoint::ImageGenerations,
            r#""prompt":"x","n":4"#,
            (None, 4),
        ),
        (Endpoint::Rerank, r#""query":"x","n":4"#, (None, 1)),
    ] {
        let body = format!(r#"{{"model":"m",{body}}}"#);
        assert_eq!(scanned(endpoint, &body), expected, "{body}");
    }
    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
                --b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n3\r\n--b--\r\n";
    let kind = "multipart/form-data; boundary=b";
    let scan = |endpoint| {
        Envelope::scan_multipart(endpoint, kind, form.as_bytes())
            .unwrap()
            .choices
    };
    assert_eq!(scan(Endpoint::ImageEdits), 3);
    assert_eq!(scan(Endpoint::Transcriptions), 1);
}
