//! Obeying the table, feature by feature: a client of each format asks for it by a sample request, and what the provider of
//! each other format is asked is what the table says.

use serde_json::{Map, Value};

use super::{Carry, Feature, TABLE};
use crate::{
    Format, Traits,
    translate::{Target, read_request, write_request},
};

/// A provider model of each format that takes all that its format can say.
fn model(format: Format) -> &'static str {
    match format {
        Format::Chat | Format::Responses => "gpt-5",
        Format::Messages => "claude-sonnet-4-5",
        Format::Gemini => "gemini-2.5-pro",
    }
}

/// A request of each format that asks for nothing in particular.
fn plain(format: Format) -> Map<String, Value> {
    let body = match format {
        Format::Chat => r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
        Format::Responses => r#"{"model":"m","input":"hi","store":false}"#,
        Format::Messages => {
            r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#
        }
        Format::Gemini => r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
    };
    serde_json::from_str(body).unwrap()
}

/// The request by which a client of `format` asks for `feature`.
fn sample(feature: Feature, format: Format) -> Option<Vec<u8>> {
    let (.., members) = SAMPLES
        .iter()
        .find(|(of, from, _)| (*of, *from) == (feature, format))?;
    let mut body = plain(format);
    body.extend(serde_json::from_str::<Map<String, Value>>(members).unwrap());
    Some(serde_json::to_vec(&body).unwrap())
}

/// Whether `told` is the field of the table, or its place in the request: `tools[0]` is of `tools`.
fn names(told: &str, field: &str) -> bool {
    let mut plain = String::new();
    let mut is_index = false;
    for letter in told.chars() {
        is_index = (is_index || letter == '[') && letter != ']';
        if !is_index && letter != ']' {
            plain.push(letter);
        }
    }
    plain.starts_with(field) || field.starts_with(&plain)
}

/// What is not as the table says when a client of `from` asks a provider of `to` for `feature`.
fn fault(feature: Feature, from: Format, to: Format) -> Option<String> {
    let Some(body) = sample(feature, from) else {
        return Some("no sample".to_owned());
    };
    let request = match read_request(from, &body) {
        Ok(request) => request,
        Err(error) => return Some(error.to_string()),
    };
    let traits = Traits::of(to, model(to));
    let target = Target {
        model: model(to),
        traits,
    };
    // Whose the reasoning is depends on who is asked.
    let mut is_used = false;
    super::present::present(&request, to, |found, _| is_used |= found == feature);
    let feature = match feature {
        Feature::OwnThinking if !is_used => Feature::ForeignThinking,
        feature => feature,
    };
    let field = feature.field(from);
    let written = write_request(&request, from, to, &target);
    match (feature.carry(to, &traits), written) {
        (Carry::Refused(_), Err(refusal)) if names(&refusal.param, field) => None,
        (Carry::Dropped(_), Ok(written))
            if written.dropped.iter().any(|told| names(told, field)) =>
        {
            None
        }
        (Carry::Carried | Carry::Adapted(_), Ok(written))
            if !written.dropped.iter().any(|told| told == field) =>
        {
            None
        }
        (carry, written) => {
            let written = written.map(|written| written.dropped);
            Some(format!("the table says {carry:?}, but: {written:?}"))
        }
    }
}

#[test]
fn every_format_obeys_the_table_for_every_other() {
    let mut faults = Vec::new();
    for row in TABLE {
        for from in Format::ALL {
            if row.feature != Feature::Other && row.feature.field(from).is_empty() {
                continue;
            }
            for to in Format::ALL.into_iter().filter(|to| *to != from) {
                let fault = fault(row.feature, from, to);
                faults.extend(
                    fault.map(|fault| format!("{:?}, {from:?} to {to:?}: {fault}", row.feature)),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_has_no_place_in_the_canonical_form_is_never_carried() {
    for (feature, from, _) in SAMPLES {
        let request = read_request(*from, &sample(*feature, *from).unwrap()).unwrap();
        for to in Format::ALL.into_iter().filter(|to| to != from) {
            for extra in &request.extras {
                let carry = extra.feature.carry(to, &Traits::of(to, model(to)));
                let is_said = matches!(carry, Carry::Dropped(_) | Carry::Refused(_));
                assert!(is_said, "{extra:?}, {from:?} to {to:?}: {carry:?}");
            }
        }
    }
}

#[test]
fn whatever_is_left_out_or_refused_is_named() {
    let choosy = |to| Traits {
        sampling: false,
        prefill: false,
        urls: false,
        ..Traits::of(to, model(to))
    };
    for (feature, from, _) in SAMPLES {
        let request = read_request(*from, &sample(*feature, *from).unwrap()).unwrap();
        for to in Format::ALL.into_iter().filter(|to| to != from) {
            let target = Target {
                model: model(to),
                traits: choosy(to),
            };
            let names = match write_request(&request, *from, to, &target) {
                Ok(written) => written.dropped,
                Err(refusal) => vec![refusal.param.into()],
            };
            let all_named = names.iter().all(|name| !name.is_empty());
            assert!(all_named, "{feature:?}, {from:?} to {to:?}: {names:?}");
        }
    }
}

#[test]
fn every_sample_uses_what_it_is_a_sample_of() {
    for (feature, from, _) in SAMPLES {
        let body = sample(*feature, *from).unwrap();
        let request = read_request(*from, &body).unwrap();
        let mut used = false;
        for to in Format::ALL {
            super::present::present(&request, to, |found, _| used |= found == *feature);
        }
        // These are carried everywhere alike, so nothing looks for them.
        let is_unseen = matches!(feature, Feature::Tools | Feature::ToolResult);
        assert!(used || is_unseen, "{feature:?} from {from:?}");
    }
}

/// What the requests hold beside what is plain. The first name is of the row, the second of the client's format.
const SAMPLES: &[(Feature, Format, &str)] = &[
    (
        Feature::System,
        Format::Chat,
        r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::System,
        Format::Responses,
        r#"{"instructions":"s"}"#,
    ),
    (Feature::System, Format::Messages, r#"{"system":"s"}"#),
    (
        Feature::System,
        Format::Gemini,
        r#"{"systemInstruction":{"parts":[{"text":"s"}]}}"#,
    ),
    (
        Feature::Developer,
        Format::Chat,
        r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::Developer,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"developer","content":"s"},{"type":"message","role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::LateSystem,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"system","content":"s"},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::LateSystem,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":"hi"},{"type":"message","role":"system","content":"s"},{"type":"message","role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::LateSystem,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"system","content":"s"},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::SpeakerName,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":"hi","name":"ann"}]}"#,
    ),
    (
        Feature::Prefill,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a"}]}"#,
    ),
    (
        Feature::Prefill,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":"hi"},{"type":"message","role":"assistant","content":"a"}]}"#,
    ),
    (
        Feature::Prefill,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a"}]}"#,
    ),
    (
        Feature::Prefill,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"a"}]}]}"#,
    ),
    (
        Feature::ImageInline,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#,
    ),
    (
        Feature::ImageInline,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
    ),
    (
        Feature::ImageInline,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
    ),
    (
        Feature::ImageInline,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
    ),
    (
        Feature::ImageUrl,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#,
    ),
    (
        Feature::ImageUrl,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}]}"#,
    ),
    (
        Feature::ImageUrl,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}"#,
    ),
    (
        Feature::ImageUrl,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]}]}"#,
    ),
    (
        Feature::ImageDetail,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}}]}]}"#,
    ),
    (
        Feature::ImageDetail,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}]}]}"#,
    ),
    (
        Feature::ImageDetail,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}],"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"}}"#,
    ),
    (
        Feature::FileInline,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
    ),
    (
        Feature::FileInline,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}]}]}"#,
    ),
    (
        Feature::FileInline,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}"#,
    ),
    (
        Feature::FileInline,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}]}]}"#,
    ),
    (
        Feature::FileUrl,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]}"#,
    ),
    (
        Feature::FileUrl,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]}"#,
    ),
    (
        Feature::FileUrl,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}]}]}"#,
    ),
    (
        Feature::FileText,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}]}]}"#,
    ),
    (
        Feature::FileId,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
    ),
    (
        Feature::FileId,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#,
    ),
    (
        Feature::FileId,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file-1"}}]}]}"#,
    ),
    (
        Feature::FileDetail,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0=","detail":"low"}]}]}"#,
    ),
    (
        Feature::FileDetail,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}]}]}"#,
    ),
    (
        Feature::Audio,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#,
    ),
    (
        Feature::Audio,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#,
    ),
    (
        Feature::Audio,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}]}]}"#,
    ),
    (
        Feature::Video,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"https://example.com/a.mp4"},"videoMetadata":{"fps":1}}]}]}"#,
    ),
    (
        Feature::CacheControl,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
    ),
    (
        Feature::CacheControl,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
    ),
    (
        Feature::CacheControl,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
    ),
    (
        Feature::OwnThinking,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"lo1.anthropic.c2ln"}]},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::OwnThinking,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"lo1.anthropic.c2ln"},{"type":"message","role":"assistant","content":"a"},{"type":"message","role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::OwnThinking,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"lo1.gemini.c2ln"},{"type":"text","text":"a"}]},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::OwnThinking,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"bG8xLmFudGhyb3BpYy5jMmxu"},{"text":"a"}]},{"role":"user","parts":[{"text":"hi"}]}]}"#,
    ),
    (
        Feature::ForeignThinking,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a","reasoning_content":"hm"},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::ForeignThinking,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}]},{"type":"message","role":"assistant","content":"a"},{"type":"message","role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::ForeignThinking,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"a"}]},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::ForeignThinking,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"hm","thought":true},{"text":"a"}]},{"role":"user","parts":[{"text":"hi"}]}]}"#,
    ),
    (
        Feature::Citations,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"},"citations":{"enabled":true}}]}]}"#,
    ),
    (
        Feature::OtherContent,
        Format::Chat,
        r#"{"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}}]}]}"#,
    ),
    (
        Feature::OtherContent,
        Format::Responses,
        r#"{"input":[{"type":"message","role":"user","content":"hi"},{"type":"input_video","url":"https://example.com/a.mp4"}]}"#,
    ),
    (
        Feature::OtherContent,
        Format::Messages,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"compaction","content":"c"},{"type":"text","text":"a"}]},{"role":"user","content":"hi"}]}"#,
    ),
    (
        Feature::OtherContent,
        Format::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"executableCode":{"language":"PYTHON","code":"1"}}]}]}"#,
    ),
    (
        Feature::Tools,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}]}"#,
    ),
    (
        Feature::Tools,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}"#,
    ),
    (
        Feature::Tools,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}"#,
    ),
    (
        Feature::Tools,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}]}"#,
    ),
    (
        Feature::ToolStrict,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},"strict":true}}]}"#,
    ),
    (
        Feature::ToolStrict,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},"strict":true}]}"#,
    ),
    (
        Feature::ToolStrict,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},"strict":true}]}"#,
    ),
    (
        Feature::ToolChoiceAllowed,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}}"#,
    ),
    (
        Feature::ToolChoiceAllowed,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}}"#,
    ),
    (
        Feature::ToolChoiceAllowed,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"},{"name":"h"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]}}}"#,
    ),
    (
        Feature::ToolChoice,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}],"tool_choice":"required"}"#,
    ),
    (
        Feature::ToolChoice,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"tool_choice":"required"}"#,
    ),
    (
        Feature::ToolChoice,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"tool_choice":{"type":"any"}}"#,
    ),
    (
        Feature::ToolChoice,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}"#,
    ),
    (
        Feature::OneToolCall,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}],"parallel_tool_calls":false}"#,
    ),
    (
        Feature::OneToolCall,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"parallel_tool_calls":false}"#,
    ),
    (
        Feature::OneToolCall,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
    ),
    (
        Feature::ToolResult,
        Format::Chat,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":\"b\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"done"}]}"#,
    ),
    (
        Feature::ToolResult,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"input":[{"type":"message","role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":\"b\"}"},{"type":"function_call_output","call_id":"call_1","output":"done"}]}"#,
    ),
    (
        Feature::ToolResult,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":"b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"done"}]}]}"#,
    ),
    (
        Feature::ToolResult,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}],"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"b"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"done"}}}]}]}"#,
    ),
    (
        Feature::ToolError,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":"b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"done","is_error":true}]}]}"#,
    ),
    (
        Feature::ToolImage,
        Format::Responses,
        r#"{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"input":[{"type":"message","role":"user","content":"hi"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":\"b\"}"},{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
    ),
    (
        Feature::ToolImage,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":"b"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}]}"#,
    ),
    (
        Feature::ToolImage,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}]}],"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"b"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"done"},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}}]}]}"#,
    ),
    (
        Feature::ToolResponseSchema,
        Format::Gemini,
        r#"{"tools":[{"functionDeclarations":[{"name":"f","response":{"type":"OBJECT"}}]}]}"#,
    ),
    (
        Feature::HostedTool,
        Format::Chat,
        r#"{"tools":[{"type":"web_search"}]}"#,
    ),
    (
        Feature::HostedTool,
        Format::Responses,
        r#"{"tools":[{"type":"web_search"}]}"#,
    ),
    (
        Feature::HostedTool,
        Format::Messages,
        r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
    ),
    (
        Feature::HostedTool,
        Format::Gemini,
        r#"{"tools":[{"googleSearch":{}}]}"#,
    ),
    (
        Feature::CustomTool,
        Format::Chat,
        r#"{"tools":[{"type":"custom","custom":{"name":"c"}}]}"#,
    ),
    (
        Feature::CustomTool,
        Format::Responses,
        r#"{"tools":[{"type":"custom","name":"c"}]}"#,
    ),
    (
        Feature::ToolHints,
        Format::Messages,
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},"input_examples":[{"a":"b"}]}]}"#,
    ),
    (
        Feature::McpServers,
        Format::Responses,
        r#"{"tools":[{"type":"mcp","server_label":"s","server_url":"https://example.com"}]}"#,
    ),
    (
        Feature::McpServers,
        Format::Messages,
        r#"{"mcp_servers":[{"type":"url","url":"https://example.com","name":"s"}]}"#,
    ),
    (
        Feature::JsonObject,
        Format::Chat,
        r#"{"response_format":{"type":"json_object"}}"#,
    ),
    (
        Feature::JsonObject,
        Format::Responses,
        r#"{"text":{"format":{"type":"json_object"}}}"#,
    ),
    (
        Feature::JsonObject,
        Format::Gemini,
        r#"{"generationConfig":{"responseMimeType":"application/json"}}"#,
    ),
    (
        Feature::JsonSchema,
        Format::Chat,
        r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}}"#,
    ),
    (
        Feature::JsonSchema,
        Format::Responses,
        r#"{"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}}"#,
    ),
    (
        Feature::JsonSchema,
        Format::Messages,
        r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}}"#,
    ),
    (
        Feature::JsonSchema,
        Format::Gemini,
        r#"{"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}"#,
    ),
    (
        Feature::MaxTokens,
        Format::Chat,
        r#"{"max_completion_tokens":50}"#,
    ),
    (
        Feature::MaxTokens,
        Format::Responses,
        r#"{"max_output_tokens":50}"#,
    ),
    (Feature::MaxTokens, Format::Messages, r#"{"max_tokens":50}"#),
    (
        Feature::MaxTokens,
        Format::Gemini,
        r#"{"generationConfig":{"maxOutputTokens":50}}"#,
    ),
    (Feature::Stop, Format::Chat, r#"{"stop":["x"]}"#),
    (
        Feature::Stop,
        Format::Messages,
        r#"{"stop_sequences":["x"]}"#,
    ),
    (
        Feature::Stop,
        Format::Gemini,
        r#"{"generationConfig":{"stopSequences":["x"]}}"#,
    ),
    (Feature::Temperature, Format::Chat, r#"{"temperature":0.5}"#),
    (
        Feature::Temperature,
        Format::Responses,
        r#"{"temperature":0.5}"#,
    ),
    (
        Feature::Temperature,
        Format::Messages,
        r#"{"temperature":0.5}"#,
    ),
    (
        Feature::Temperature,
        Format::Gemini,
        r#"{"generationConfig":{"temperature":0.5}}"#,
    ),
    (Feature::TopP, Format::Chat, r#"{"top_p":0.5}"#),
    (Feature::TopP, Format::Responses, r#"{"top_p":0.5}"#),
    (Feature::TopP, Format::Messages, r#"{"top_p":0.5}"#),
    (
        Feature::TopP,
        Format::Gemini,
        r#"{"generationConfig":{"topP":0.5}}"#,
    ),
    (Feature::TopK, Format::Messages, r#"{"top_k":5}"#),
    (
        Feature::TopK,
        Format::Gemini,
        r#"{"generationConfig":{"topK":5}}"#,
    ),
    (
        Feature::PresencePenalty,
        Format::Chat,
        r#"{"presence_penalty":0.5}"#,
    ),
    (
        Feature::PresencePenalty,
        Format::Gemini,
        r#"{"generationConfig":{"presencePenalty":0.5}}"#,
    ),
    (
        Feature::FrequencyPenalty,
        Format::Chat,
        r#"{"frequency_penalty":0.5}"#,
    ),
    (
        Feature::FrequencyPenalty,
        Format::Gemini,
        r#"{"generationConfig":{"frequencyPenalty":0.5}}"#,
    ),
    (Feature::Seed, Format::Chat, r#"{"seed":1}"#),
    (
        Feature::Seed,
        Format::Gemini,
        r#"{"generationConfig":{"seed":1}}"#,
    ),
    (Feature::Choices, Format::Chat, r#"{"n":2}"#),
    (
        Feature::Choices,
        Format::Gemini,
        r#"{"generationConfig":{"candidateCount":2}}"#,
    ),
    (
        Feature::Logprobs,
        Format::Chat,
        r#"{"logprobs":true,"top_logprobs":2}"#,
    ),
    (
        Feature::Logprobs,
        Format::Responses,
        r#"{"top_logprobs":2,"include":["message.output_text.logprobs"]}"#,
    ),
    (
        Feature::Logprobs,
        Format::Gemini,
        r#"{"generationConfig":{"responseLogprobs":true,"logprobs":2}}"#,
    ),
    (
        Feature::LogitBias,
        Format::Chat,
        r#"{"logit_bias":{"1":2}}"#,
    ),
    (Feature::Verbosity, Format::Chat, r#"{"verbosity":"low"}"#),
    (
        Feature::Verbosity,
        Format::Responses,
        r#"{"text":{"verbosity":"low"}}"#,
    ),
    (
        Feature::Modalities,
        Format::Chat,
        r#"{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}"#,
    ),
    (
        Feature::Modalities,
        Format::Gemini,
        r#"{"generationConfig":{"responseModalities":["TEXT","IMAGE"]}}"#,
    ),
    (
        Feature::Prediction,
        Format::Chat,
        r#"{"prediction":{"type":"content","content":"a"}}"#,
    ),
    (
        Feature::OtherSampling,
        Format::Gemini,
        r#"{"generationConfig":{"speechConfig":{"languageCode":"en"}}}"#,
    ),
    (
        Feature::Effort,
        Format::Chat,
        r#"{"reasoning_effort":"low"}"#,
    ),
    (
        Feature::Effort,
        Format::Responses,
        r#"{"reasoning":{"effort":"low"}}"#,
    ),
    (
        Feature::Effort,
        Format::Messages,
        r#"{"output_config":{"effort":"low"}}"#,
    ),
    (
        Feature::Effort,
        Format::Gemini,
        r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW"}}}"#,
    ),
    (
        Feature::ReasoningBudget,
        Format::Messages,
        r#"{"max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2048}}"#,
    ),
    (
        Feature::ReasoningBudget,
        Format::Gemini,
        r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":2048}}}"#,
    ),
    (
        Feature::ReasoningSummary,
        Format::Responses,
        r#"{"reasoning":{"effort":"low","summary":"auto"}}"#,
    ),
    (
        Feature::ReasoningSummary,
        Format::Messages,
        r#"{"max_tokens":4000,"thinking":{"type":"adaptive","display":"summarized"}}"#,
    ),
    (
        Feature::ReasoningSummary,
        Format::Gemini,
        r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":2048,"includeThoughts":true}}}"#,
    ),
    (Feature::User, Format::Chat, r#"{"user":"u"}"#),
    (Feature::User, Format::Responses, r#"{"user":"u"}"#),
    (
        Feature::User,
        Format::Messages,
        r#"{"metadata":{"user_id":"u"}}"#,
    ),
    (
        Feature::SafetyIdentifier,
        Format::Chat,
        r#"{"safety_identifier":"s"}"#,
    ),
    (
        Feature::SafetyIdentifier,
        Format::Responses,
        r#"{"safety_identifier":"s"}"#,
    ),
    (Feature::Metadata, Format::Chat, r#"{"metadata":{"a":"b"}}"#),
    (
        Feature::Metadata,
        Format::Responses,
        r#"{"metadata":{"a":"b"}}"#,
    ),
    (Feature::Metadata, Format::Gemini, r#"{"labels":{"a":"b"}}"#),
    (
        Feature::ServiceTier,
        Format::Chat,
        r#"{"service_tier":"flex"}"#,
    ),
    (
        Feature::ServiceTier,
        Format::Responses,
        r#"{"service_tier":"flex"}"#,
    ),
    (
        Feature::ServiceTier,
        Format::Messages,
        r#"{"service_tier":"standard_only"}"#,
    ),
    (
        Feature::ServiceTier,
        Format::Gemini,
        r#"{"serviceTier":"flex"}"#,
    ),
    (
        Feature::CacheKey,
        Format::Chat,
        r#"{"prompt_cache_key":"k"}"#,
    ),
    (
        Feature::CacheKey,
        Format::Responses,
        r#"{"prompt_cache_key":"k"}"#,
    ),
    (
        Feature::CacheRetention,
        Format::Chat,
        r#"{"prompt_cache_retention":"24h"}"#,
    ),
    (
        Feature::CacheRetention,
        Format::Responses,
        r#"{"prompt_cache_retention":"24h"}"#,
    ),
    (Feature::Store, Format::Chat, r#"{"store":true}"#),
    (Feature::Store, Format::Responses, r#"{"store":true}"#),
    (
        Feature::PreviousResponse,
        Format::Responses,
        r#"{"previous_response_id":"resp_1"}"#,
    ),
    (
        Feature::PreviousResponse,
        Format::Gemini,
        r#"{"cachedContent":"cachedContents/1"}"#,
    ),
    (
        Feature::Background,
        Format::Responses,
        r#"{"background":true}"#,
    ),
    (
        Feature::StoredPrompt,
        Format::Responses,
        r#"{"prompt":{"id":"p"}}"#,
    ),
    (
        Feature::Truncation,
        Format::Responses,
        r#"{"truncation":"auto"}"#,
    ),
    (
        Feature::Truncation,
        Format::Messages,
        r#"{"context_management":{"edits":[]}}"#,
    ),
    (
        Feature::SafetySettings,
        Format::Gemini,
        r#"{"safetySettings":[{"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_NONE"}]}"#,
    ),
    (
        Feature::Region,
        Format::Messages,
        r#"{"inference_geo":"us"}"#,
    ),
    (Feature::Container, Format::Messages, r#"{"container":"c"}"#),
    (
        Feature::Moderation,
        Format::Chat,
        r#"{"moderation":{"model":"omni-moderation-latest"}}"#,
    ),
    (
        Feature::Moderation,
        Format::Responses,
        r#"{"moderation":{"model":"omni-moderation-latest"}}"#,
    ),
    (
        Feature::WebSearch,
        Format::Chat,
        r#"{"web_search_options":{}}"#,
    ),
    (
        Feature::Include,
        Format::Responses,
        r#"{"include":["file_search_call.results"]}"#,
    ),
    (Feature::Other, Format::Chat, r#"{"x_own":1}"#),
    (Feature::Other, Format::Responses, r#"{"x_own":1}"#),
    (Feature::Other, Format::Messages, r#"{"x_own":1}"#),
    (Feature::Other, Format::Gemini, r#"{"xOwn":1}"#),
];
