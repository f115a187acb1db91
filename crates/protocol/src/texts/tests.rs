use serde_json::{Value, json};

use super::*;

fn rewrite(body: &str, speaker: Speaker) -> (Vec<String>, Option<String>) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut seen = Vec::new();
    let changed = rewrite_texts(&body, speaker, |text| {
        seen.push(text.to_owned());
        Ok::<_, Infallible>(text.contains("bad").then(|| text.replace("bad", "\"***\"")))
    });
    let Ok(changed) = changed;
    let changed = changed.map(|body| String::from_utf8(body.into()).unwrap());
    (seen, changed)
}

#[track_caller]
fn seen(speaker: Speaker, body: Value, expected: &[&str]) {
    let (texts, changed) = rewrite(&body.to_string(), speaker);
    let mut expected: Vec<_> = expected.iter().map(|text| (*text).to_owned()).collect();
    let mut texts = texts;
    texts.sort();
    expected.sort();
    assert_eq!(texts, expected);
    assert_eq!(changed, None);
}

#[test]
fn every_format_s_requests_are_looked_at() {
    let image = "A".repeat(300);
    seen(
        Speaker::Client,
        json!({"model": "m", "stop": ["x"], "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "name": "n", "content": [{"type": "text", "text": "b"},
                {"type": "image_url", "image_url": {"url": "http://i"}}]},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": "{\"type\": \"d\", \"n\": [1, \"e\"]}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "f"},
        ], "tools": [{"type": "function", "function": {"name": "f", "description": "g",
            "parameters": {"type": "object", "properties": {"type": {"type": "string", "description": "h"}}}}}]}),
        &["a", "b", "d", "1", "e", "f", "g", "h"],
    );
    seen(
        Speaker::Client,
        json!({"model": "m", "instructions": "a", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "no json"},
            {"type": "function_call_output", "call_id": "c", "output": "c"},
            {"type": "reasoning", "encrypted_content": "x", "summary": [{"type": "summary_text", "text": "d"}]},
        ]}),
        &["a", "b", "no json", "c", "d"],
    );
    seen(
        Speaker::Client,
        json!({"model": "m", "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "c"}]}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"name": "d"}}]}]}),
        &["a", "b", "c", "d"],
    );
    seen(
        Speaker::Client,
        json!({"systemInstruction": {"parts": [{"text": "a"}]}, "contents": [{"role": "user", "parts": [
            {"text": "b"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}},
            {"functionCall": {"name": "f", "args": {"id": "c"}}},
            {"functionResponse": {"name": "f", "response": {"result": "d"}}}]}],
            "generationConfig": {"temperature": 0}}),
        &["a", "b", "c", "d"],
    );
    seen(
        Speaker::Client,
        json!({"model": "m", "input": ["a", "b"]}),
        &["a", "b"],
    );
    seen(
        Speaker::Client,
        json!({"model": "m", "prompt": "a", "suffix": "b"}),
        &["a", "b"],
    );
}

#[test]
fn schemas_of_answers_are_looked_at_and_the_settings_beside_them_are_not() {
    let schema = json!({"type": "object", "description": "a", "required": ["x"],
        "properties": {"x": {"type": "string", "format": "date", "description": "b"}}});
    let format = json!({"type": "json_schema", "name": "n", "schema": schema, "strict": true});
    let config = |name: &str| json!({"stopSequences": ["x"], "responseMimeType": "application/json", name: schema});
    for body in [
        json!({"response_format": {"type": "json_schema", "json_schema": format}}),
        json!({"text": {"verbosity": "low", "format": format}}),
        json!({"output_config": {"effort": "high", "format": format}}),
        json!({"output_format": format}),
        json!({"generationConfig": config("responseSchema")}),
        json!({"generationConfig": config("responseJsonSchema")}),
        json!({"generation_config": config("response_schema")}),
    ] {
        seen(Speaker::Client, body, &["a", "b"]);
    }
    seen(Speaker::Client, json!({"text": "a"}), &[]);
    seen(Speaker::Model, json!({"text": "a"}), &["a"]);
}

#[test]
fn a_text_in_parts_is_looked_at_as_it_is_read() {
    let parts =
        json!([{"type": "text", "text": "b"}, {"type": "image"}, {"type": "text", "text": "ad"}]);
    let asked = json!({"messages": [{"role": "user", "content": parts}], "system": parts,
        "contents": [{"parts": [{"text": "b"}, {"text": "ad"}]}],
        "input": [{"role": "user", "content": ["b", "ad"]}], "documents": [{"text": "b"}, {"text": "ad"}]});
    let (_, changed) = rewrite(&asked.to_string(), Speaker::Client);
    let changed: Value = serde_json::from_str(&changed.unwrap()).unwrap();
    let stars = "\"***\"";
    let redacted = json!([{"type": "text", "text": stars}, {"type": "image"}, {"type": "text", "text": stars}]);
    assert_eq!(changed["messages"][0]["content"], redacted);
    assert_eq!(changed["system"], redacted);
    assert_eq!(
        changed["contents"][0]["parts"],
        json!([{"text": stars}, {"text": stars}])
    );
    assert_eq!(changed["input"][0]["content"], json!([stars, stars]));
    // These are texts of their own.
    assert_eq!(changed["documents"], asked["documents"]);

    let mut seen = Vec::new();
    let body = Bytes::from(json!({"system": parts}).to_string());
    read_texts(&body, Speaker::Client, |text| seen.push(text.to_owned()));
    assert_eq!(seen, ["bad"]);
}

#[test]
fn every_format_s_answers_are_looked_at() {
    seen(
        Speaker::Model,
        json!({"id": "i", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": "a", "refusal": null, "reasoning_content": "b",
                "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{\"x\":\"c\"}"}}]}}]}),
        &["a", "b", "c"],
    );
    seen(
        Speaker::Model,
        json!({"output": [{"type": "message", "status": "completed", "content": [
            {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]}]}),
        &["a"],
    );
    seen(
        Speaker::Model,
        json!({"type": "message", "content": [{"type": "thinking", "thinking": "a", "signature": "s"},
            {"type": "text", "text": "b"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"q": "c"}}]}),
        &["a", "b", "c"],
    );
    seen(
        Speaker::Model,
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "a", "thoughtSignature": "s"}]},
            "finishReason": "STOP"}]}),
        &["a"],
    );
}

#[test]
fn texts_are_changed_where_they_stand() {
    let body = r#"{ "model":"bad", "messages": [ {"content":"a \u0062ad\n", "own": 1.50} ] }"#;
    let (_, changed) = rewrite(body, Speaker::Client);
    let expected = r#"{ "model":"bad", "messages": [ {"content":"a \"***\"\n", "own": 1.50} ] }"#;
    assert_eq!(changed.unwrap(), expected);
    let body = r#"{"messages":[{"tool_calls":[{"function":{"arguments":"{\"a\": \"bad\"}"}}]}]}"#;
    let (_, changed) = rewrite(body, Speaker::Client);
    let changed: Value = serde_json::from_str(&changed.unwrap()).unwrap();
    let arguments = &changed["messages"][0]["tool_calls"][0]["function"]["arguments"];
    assert_eq!(arguments, r#"{"a": "\"***\""}"#);
}

#[test]
fn tokens_are_taken_out_of_answers() {
    let body =
        r#"{"choices":[{"message":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}"#;
    let (_, changed) = rewrite(body, Speaker::Model);
    let expected = r#"{"choices":[{"message":{"content":"a"},"logprobs":null}]}"#;
    assert_eq!(changed.unwrap(), expected);
}

#[test]
fn escapes_that_name_no_character_hide_nothing() {
    let body = r#"{"prompt":"\ud800 \u0062ad \ud83d\ude00 \"\\"}"#;
    let (seen, changed) = rewrite(body, Speaker::Client);
    assert_eq!(seen, ["\u{fffd} bad \u{1f600} \"\\"]);
    assert!(changed.unwrap().contains("***"));
}

#[test]
fn what_is_no_json_has_no_texts() {
    for body in ["", "[\"bad\"]", "--bad", "\"bad\""] {
        assert_eq!(rewrite(body, Speaker::Client), (Vec::new(), None));
    }
}
