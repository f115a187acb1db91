//! The `usageMetadata` object: `candidatesTokenCount` excludes thoughts, and prompts made by the provider's own tools stand
//! apart.

use serde::{Deserialize, Serialize};

use crate::{Usage, UsageSource};

/// Reads a `usageMetadata` object; `None` where it is null, not an object, or says nothing. Input is the prompt, which
/// includes cached tokens, and what tools put in; output is the candidates and, beside them, the thoughts.
pub(crate) fn parse(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str::<Option<Wire>>(raw).ok()??;
    let told = [
        wire.prompt_token_count,
        wire.candidates_token_count,
        wire.thoughts_token_count,
        wire.total_token_count,
    ];
    if told.iter().all(Option::is_none) {
        return None;
    }
    let reasoning = wire.thoughts_token_count.unwrap_or(0);
    let prompt = wire
        .prompt_token_count
        .unwrap_or(0)
        .saturating_add(wire.tool_use_prompt_token_count.unwrap_or(0));
    let completion = wire
        .candidates_token_count
        .unwrap_or(0)
        .saturating_add(reasoning);
    Some(Usage {
        prompt,
        completion,
        total: wire
            .total_token_count
            .unwrap_or(prompt.saturating_add(completion)),
        cached: wire.cached_content_token_count.unwrap_or(0),
        cache_write: 0,
        reasoning,
        source: UsageSource::Provider,
    })
}

/// What a client is told.
pub(super) fn write(usage: &Usage) -> Wire {
    let some = |count: u64| (count > 0).then_some(count);
    Wire {
        prompt_token_count: Some(usage.prompt),
        cached_content_token_count: some(usage.cached),
        tool_use_prompt_token_count: None,
        candidates_token_count: Some(usage.completion.saturating_sub(usage.reasoning)),
        thoughts_token_count: some(usage.reasoning),
        total_token_count: Some(usage.total),
    }
}

/// As it stands in an answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_token_count: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_output_and_tools_results_are_input() {
        let usage = parse(
            r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":3,
                "toolUsePromptTokenCount":2,"totalTokenCount":20,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]}"#,
        )
        .unwrap();
        assert_eq!((usage.prompt, usage.completion, usage.total), (12, 8, 20));
        assert_eq!(
            (usage.cached, usage.cache_write, usage.reasoning),
            (4, 0, 3)
        );
        let partial = parse(r#"{"promptTokenCount":10}"#).unwrap();
        assert_eq!(
            (partial.prompt, partial.completion, partial.total),
            (10, 0, 10)
        );
        for raw in ["null", "{}", "[]", "7", r#"{"promptTokenCount":-1}"#] {
            assert_eq!(parse(raw), None, "{raw}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let usage = parse(
            r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"toolUsePromptTokenCount":5,"candidatesTokenCount":7,
                "thoughtsTokenCount":20,"totalTokenCount":42}"#,
        )
        .unwrap();
        let written = serde_json::to_string(&write(&usage)).unwrap();
        insta::assert_snapshot!(written, @r#"{"promptTokenCount":15,"cachedContentTokenCount":4,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":42}"#);
        assert_eq!(parse(&written), Some(usage));
    }

    #[test]
    fn hostile_counts_do_not_overflow() {
        let most = u64::MAX;
        let huge = format!(
            r#"{{"promptTokenCount":{most},"toolUsePromptTokenCount":{most},"candidatesTokenCount":{most}}}"#
        );
        assert_eq!(parse(&huge).map(|usage| usage.total), Some(most));
    }
}
