//! What is read in the formats beside Chat Completions.

use super::*;

const RESPONSES: Endpoint = Endpoint::Responses;
const MESSAGES: Endpoint = Endpoint::Messages;
const GEMINI: Endpoint = Endpoint::GenerateContent;

/// A body of `endpoint` that holds what must be there, and `extra`.
fn body(endpoint: Endpoint, extra: &str) -> String {
    let required = match endpoint {
        RESPONSES => r#""model":"m","input":"x""#,
        MESSAGES => r#""model":"m","messages":[]"#,
        _ => r#""contents":[]"#,
    };
    if extra.is_empty() {
        return format!("{{{required}}}");
    }
    // What `extra` says itself stands for the default.
    let required: Vec<_> = required
        .split(',')
        .filter(|member| {
            member
                .split_once(':')
                .is_some_and(|(key, _)| !extra.starts_with(key))
        })
        .collect();
    match required.join(",") {
        required if required.is_empty() => format!("{{{extra}}}"),
        required => format!("{{{required},{extra}}}"),
    }
}

#[track_caller]
fn needs(endpoint: Endpoint, extra: &str, expected: &str) {
    let body = body(endpoint, extra);
    let Needs {
        tool_call,
        structured_output,
        image,
    } = scan(endpoint, body.as_bytes()).unwrap().needs;
    let mut found = Vec::new();
    for (needed, name) in [
        (tool_call, "tools"),
        (structured_output, "structured"),
        (image, "image"),
    ] {
        found.extend(needed.then_some(name));
    }
    assert_eq!(found.join(" "), expected, "{body}");
}

#[test]
fn responses_need_what_their_items_and_options_say() {
    needs(RESPONSES, "", "");
    needs(RESPONSES, r#""tools":[{"type":"web_search"}]"#, "tools");
    needs(RESPONSES, r#""tools":[]"#, "");
    for kind in [
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "web_search_call",
        "computer_call_output",
        "mcp_list_tools",
        "local_shell_call_output",
    ] {
        needs(
            RESPONSES,
            &format!(r#""input":[{{"type":"{kind}"}}]"#),
            "tools",
        );
    }
    for kind in ["message", "reasoning", "item_reference", "compaction"] {
        needs(RESPONSES, &format!(r#""input":[{{"type":"{kind}"}}]"#), "");
    }
    needs(
        RESPONSES,
        r#""input":[{"role":"user","content":[{"type":"input_image","image_url":"data:"}]}]"#,
        "image",
    );
    needs(
        RESPONSES,
        r#""input":[{"type":"function_call_output","output":[{"type":"input_image"}]}]"#,
        "tools image",
    );
    needs(
        RESPONSES,
        r#""text":{"verbosity":"low","format":{"type":"json_schema","schema":{}}}"#,
        "structured",
    );
    for text in [
        "null",
        "{}",
        r#"{"format":null}"#,
        r#"{"format":{"type":"text"}}"#,
    ] {
        needs(RESPONSES, &format!(r#""text":{text}"#), "");
    }
}

#[test]
fn messages_need_what_their_blocks_and_options_say() {
    needs(MESSAGES, "", "");
    needs(MESSAGES, r#""tools":[{"name":"f"}]"#, "tools");
    needs(MESSAGES, r#""mcp_servers":[{"name":"f"}]"#, "tools");
    for kind in [
        "tool_use",
        "tool_result",
        "server_tool_use",
        "web_search_tool_result",
        "mcp_tool_use",
    ] {
        let extra = format!(r#""messages":[{{"role":"user","content":[{{"type":"{kind}"}}]}}]"#);
        needs(MESSAGES, &extra, "tools");
    }
    needs(
        MESSAGES,
        r#""messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image"}]}]}]"#,
        "tools image",
    );
    needs(
        MESSAGES,
        r#""messages":[{"role":"user","content":[{"type":"document"},{"type":"text","text":"x"}]}]"#,
        "",
    );
    needs(
        MESSAGES,
        r#""output_config":{"effort":"low","format":{"type":"json_schema"}}"#,
        "structured",
    );
    needs(MESSAGES, r#""output_config":{"format":null}"#, "");
    needs(
        MESSAGES,
        r#""output_format":{"type":"json_schema"}"#,
        "structured",
    );
}

#[test]
fn gemini_needs_are_found_in_both_spellings() {
    needs(GEMINI, "", "");
    needs(GEMINI, r#""tools":[{"googleSearch":{}}]"#, "tools");
    for part in [
        r#"{"functionCall":{"name":"f"}}"#,
        r#"{"function_response":{"name":"f"}}"#,
        r#"{"executableCode":{}}"#,
    ] {
        needs(
            GEMINI,
            &format!(r#""contents":[{{"parts":[{part}]}}]"#),
            "tools",
        );
    }
    for part in [
        r#"{"inlineData":{"mimeType":"image/png","data":""}}"#,
        r#"{"inline_data":{"mime_type":"image\/png"}}"#,
        r#"{"fileData":{"fileUri":"x","mimeType":"image/webp"}}"#,
    ] {
        needs(
            GEMINI,
            &format!(r#""contents":[{{"parts":[{part}]}}]"#),
            "image",
        );
    }
    let audio = r#""contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav"}},{"text":"x"}]}]"#;
    needs(GEMINI, audio, "");
    for config in [
        r#""generationConfig":{"responseMimeType":"application/json"}"#,
        r#""generation_config":{"response_schema":{}}"#,
        r#""generationConfig":{"responseJsonSchema":{}}"#,
    ] {
        needs(GEMINI, config, "structured");
    }
    needs(
        GEMINI,
        r#""generationConfig":{"responseMimeType":"text/plain"}"#,
        "",
    );
}

#[track_caller]
fn reads(endpoint: Endpoint, extra: &str, prompt_bytes: usize, session: Option<&str>) {
    let body = body(endpoint, extra);
    let envelope = scan(endpoint, body.as_bytes()).unwrap();
    assert_eq!(envelope.prompt_bytes, prompt_bytes, "{body}");
    assert_eq!(envelope.session.as_deref(), session, "{body}");
}

#[test]
fn text_is_counted_and_sessions_are_known_in_every_format() {
    reads(RESPONSES, r#""instructions":"1234""#, 5, None);
    reads(
        RESPONSES,
        r#""input":[{"role":"user","content":"12"},{"role":"user","content":[{"type":"input_text","text":"345"}]},
            {"type":"function_call_output","call_id":"c","output":"6789"}],"safety_identifier":"s""#,
        9,
        Some("s"),
    );
    reads(
        RESPONSES,
        r#""user":"u","safety_identifier":"s""#,
        1,
        Some("u"),
    );
    reads(
        RESPONSES,
        r#""user":"u","prompt_cache_key":"k""#,
        1,
        Some("k"),
    );
    reads(
        MESSAGES,
        r#""messages":[{"role":"user","content":"12"},{"role":"assistant","content":[{"type":"thinking","thinking":"345"},{"type":"text","text":"6"}]},
            {"role":"user","content":[{"type":"tool_result","content":"7"}]}],"system":[{"type":"text","text":"89"}],"metadata":{"user_id":"u"}"#,
        9,
        Some("u"),
    );
    reads(MESSAGES, r#""system":"123""#, 3, None);
    reads(
        GEMINI,
        r#""contents":[{"parts":[{"text":"12"},{"functionResponse":{}}]}],"system_instruction":{"parts":[{"text":"3"}]}"#,
        5,
        None,
    );
}

#[test]
fn text_that_is_forwarded_is_counted_too() {
    for (endpoint, body, bytes) in [
        (Endpoint::Speech, r#"{"model":"m","input":"1234"}"#, 4),
        (
            Endpoint::ImageGenerations,
            r#"{"model":"m","prompt":"12"}"#,
            2,
        ),
        (
            Endpoint::Rerank,
            r#"{"model":"m","query":"12","documents":["3"]}"#,
            7,
        ),
        (Endpoint::Moderations, r#"{"input":null}"#, 0),
    ] {
        let envelope = scan(endpoint, body.as_bytes()).unwrap();
        assert_eq!(envelope.prompt_bytes, bytes, "{body}");
    }
}

#[test]
fn streams_and_models_are_named_where_the_format_has_them() {
    let gemini = body(
        GEMINI,
        r#""generationConfig":{"candidateCount":3},"stream":true"#,
    );
    let envelope = scan(GEMINI, gemini.as_bytes()).unwrap();
    assert_eq!((envelope.model.as_ref(), envelope.choices), ("path", 3));
    assert!(!envelope.stream && envelope.include_usage);
    assert!(
        scan(Endpoint::StreamGenerateContent, gemini.as_bytes())
            .unwrap()
            .stream
    );
    assert_eq!(
        Envelope::scan(GEMINI, None, gemini.as_bytes()),
        Err(RequestError::Missing("model"))
    );
    for endpoint in [RESPONSES, MESSAGES] {
        let body = body(endpoint, r#""stream":true"#);
        let envelope = scan(endpoint, body.as_bytes()).unwrap();
        assert!(envelope.stream && envelope.include_usage);
    }
    for (endpoint, body, stream) in [
        (
            Endpoint::ImageGenerations,
            r#"{"model":"m","stream":true}"#,
            true,
        ),
        (
            Endpoint::Speech,
            r#"{"model":"m","stream_format":"sse"}"#,
            true,
        ),
        (
            Endpoint::Speech,
            r#"{"model":"m","stream_format":"audio"}"#,
            false,
        ),
        (Endpoint::Rerank, r#"{"model":"m","query":"q"}"#, false),
        (
            Endpoint::InputTokens,
            r#"{"model":"m","input":"q","stream":true}"#,
            false,
        ),
    ] {
        assert_eq!(scan(endpoint, body.as_bytes()).unwrap().stream, stream);
    }
    let moderation = scan(Endpoint::Moderations, br#"{"input":"x"}"#).unwrap();
    assert_eq!(moderation.model, "omni-moderation-latest");
}

#[test]
fn encrypted_items_are_told_from_carried_ones() {
    for (item, encrypted, foreign) in [
        (
            r#"{"type":"reasoning","encrypted_content":"gAAA"}"#,
            true,
            false,
        ),
        (
            r#"{"type":"compaction","encrypted_content":"gAAA"}"#,
            true,
            false,
        ),
        (
            r#"{"type":"reasoning","encrypted_content":"lo1.anthropic.x"}"#,
            false,
            true,
        ),
        (
            r#"{"type":"reasoning","encrypted_content":null}"#,
            false,
            false,
        ),
        (r#"{"type":"reasoning","summary":[]}"#, false, false),
    ] {
        let body = body(RESPONSES, &format!(r#""input":[{item}]"#));
        let envelope = scan(RESPONSES, body.as_bytes()).unwrap();
        assert_eq!(
            (envelope.encrypted_reasoning, envelope.foreign),
            (encrypted, foreign),
            "{item}"
        );
    }
    let signed = body(
        MESSAGES,
        r#""messages":[{"role":"assistant","content":[{"type":"thinking","signature":"EqQB"}]}]"#,
    );
    let envelope = scan(MESSAGES, signed.as_bytes()).unwrap();
    assert!(!envelope.encrypted_reasoning && !envelope.foreign);
}

#[test]
fn wrong_types_in_responses_are_told_by_the_field() {
    for (extra, message) in [
        (r#""input":{}"#, "'input': expected a string or an array"),
        (r#""input":["x"]"#, "'input[0]': expected an object"),
        (r#""input":[{"content":5}]"#, "'input[0].content'"),
        (
            r#""input":[{},{"content":["x"]}]"#,
            "'input[1].content': expected an array of objects",
        ),
        (
            r#""input":[{"type":5}]"#,
            "'input[0].type': expected a string",
        ),
        (r#""instructions":5"#, "'instructions': expected a string"),
        (r#""text":5"#, "'text': expected an object"),
        (
            r#""text":{"format":5}"#,
            "'text.format': expected an object",
        ),
        (
            r#""max_output_tokens":"5""#,
            "'max_output_tokens': expected an integer",
        ),
    ] {
        refused(RESPONSES, &body(RESPONSES, extra), message);
    }
}

#[test]
fn wrong_types_in_messages_are_told_by_the_field() {
    for (extra, message) in [
        (r#""messages":{}"#, "'messages': expected an array"),
        (r#""messages":[5]"#, "'messages[0]': expected an object"),
        (
            r#""messages":[{"content":""}]"#,
            "'messages[0]': expected an object with a role",
        ),
        (
            r#""messages":[{"role":"user","content":null}]"#,
            "'messages[0].content': expected a string or an array",
        ),
        (
            r#""messages":[{"role":"user","content":[5]}]"#,
            "'messages[0].content': expected an array of objects",
        ),
        (r#""system":5"#, "'system': expected a string or an array"),
        (r#""metadata":5"#, "'metadata': expected an object"),
        (
            r#""output_config":[]"#,
            "'output_config': expected an object",
        ),
        (r#""top_k":1.5"#, "'top_k': expected an integer"),
    ] {
        refused(MESSAGES, &body(MESSAGES, extra), message);
    }
}

#[test]
fn wrong_types_in_gemini_are_told_by_the_field() {
    for (extra, message) in [
        (r#""contents":{}"#, "'contents': expected an array"),
        (r#""contents":["x"]"#, "'contents[0]': expected an object"),
        (
            r#""contents":[{"parts":{}}]"#,
            "'contents[0].parts': expected an array",
        ),
        (
            r#""contents":[{"parts":[{},5]}]"#,
            "'contents[0].parts[1]': expected an object",
        ),
        (
            r#""generation_config":5"#,
            "'generation_config': expected an object",
        ),
        (
            r#""generationConfig":{"candidateCount":"x"}"#,
            "'generationConfig.candidateCount': expected an integer",
        ),
        (r#""tools":{}"#, "'tools': expected an array"),
    ] {
        refused(GEMINI, &body(GEMINI, extra), message);
    }
}

#[test]
fn what_is_missing_or_stands_twice_is_refused() {
    refused(
        RESPONSES,
        r#"{"model":"m"}"#,
        "missing required field: 'input'",
    );
    for stored in ["prompt", "conversation", "previous_response_id"] {
        let body = format!(r#"{{"model":"m","{stored}":"x"}}"#);
        assert!(scan(RESPONSES, body.as_bytes()).is_ok());
    }
    refused(
        MESSAGES,
        r#"{"model":"m"}"#,
        "missing required field: 'messages'",
    );
    refused(
        MESSAGES,
        r#"{"messages":[]}"#,
        "missing required field: 'model'",
    );
    refused(GEMINI, "{}", "missing required field: 'contents'");
    refused(
        Endpoint::EmbedContent,
        "{}",
        "missing required field: 'content'",
    );
    refused(
        Endpoint::BatchEmbedContents,
        "{}",
        "missing required field: 'requests'",
    );
    refused(
        Endpoint::CountTokens,
        "{}",
        "missing required field: 'contents'",
    );
    for endpoint in [
        Endpoint::ImageGenerations,
        Endpoint::Speech,
        Endpoint::Rerank,
    ] {
        refused(endpoint, "{}", "missing required field: 'model'");
    }
    refused(
        GEMINI,
        r#"{"contents":[],"generationConfig":{},"generation_config":{}}"#,
        "duplicate field: 'generation_config'",
    );
    for endpoint in [RESPONSES, MESSAGES] {
        let twice = body(endpoint, r#""stream":true,"stream":true"#);
        refused(endpoint, &twice, "duplicate field: 'stream'");
    }
}

#[test]
fn each_field_of_an_endpoint_has_an_id_of_its_own() {
    const CHAT_FIELDS: &str = "model messages stream stream_options tools functions response_format user \
        prompt_cache_key temperature top_p n max_tokens max_completion_tokens presence_penalty frequency_penalty \
        provider fallback_providers timeout retry_count";
    const RESPONSES_FIELDS: &str = "model input stream tools text instructions user prompt_cache_key \
        safety_identifier temperature top_p max_output_tokens prompt conversation previous_response_id";
    const MESSAGES_FIELDS: &str = "model messages stream system tools mcp_servers metadata output_config \
        output_format temperature top_p top_k max_tokens anthropic_version";
    const GEMINI_FIELDS: &str = "model contents tools systemInstruction generationConfig";
    const FORWARDED: &str = "model stream stream_format user prompt input query documents";
    for (endpoint, names) in [
        (CHAT, CHAT_FIELDS),
        (Endpoint::Completions, "model prompt provider"),
        (Endpoint::Embeddings, "model input user"),
        (RESPONSES, RESPONSES_FIELDS),
        (MESSAGES, MESSAGES_FIELDS),
        (GEMINI, GEMINI_FIELDS),
        (Endpoint::CountTokens, "contents generate_content_request"),
        (Endpoint::EmbedContent, "model content"),
        (Endpoint::BatchEmbedContents, "model requests"),
        (Endpoint::ImageGenerations, FORWARDED),
    ] {
        let mut ids = Vec::new();
        for name in names.split(' ').filter(|name| !name.is_empty()) {
            let id = field::Field::of(endpoint, name).map(|field| field.id);
            assert!(id.is_some_and(|id| id < 32), "{endpoint:?} {name}");
            assert!(!ids.contains(&id), "{endpoint:?} {name}");
            ids.push(id);
            for other in [format!("{name}s"), name.to_uppercase()] {
                assert_eq!(field::Field::of(endpoint, &other), None, "{other}");
            }
        }
    }
    assert_eq!(field::Field::of(Endpoint::Embeddings, "provider"), None);
    assert_eq!(field::Field::of(Endpoint::EmbedContent, "contents"), None);
}
