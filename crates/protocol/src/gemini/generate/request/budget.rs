//! How much a model is told to reason: a budget of tokens (2.5) or a level (3). One request never holds both.

use serde::Serialize;

use crate::{
    ThinkingStyle,
    canonical::{Effort, Reasoning, ReasoningMode, Request, Summary},
    feature::Feature,
    traits::gemini_version,
    translate::Target,
};

/// `thinkingConfig`.
#[derive(Serialize, Default, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
}

/// What `request` asks of reasoning, in the way that the target takes; what it does not take is noted in `cut`.
pub(super) fn write(
    request: &Request,
    target: &Target<'_>,
    cut: &mut Vec<Feature>,
) -> Option<ThinkingConfig> {
    let reasoning = &request.reasoning;
    let config = match target.traits.thinking {
        ThinkingStyle::Level => ThinkingConfig {
            thinking_level: level(reasoning, target.model),
            ..ThinkingConfig::default()
        },
        ThinkingStyle::None => {
            unsaid(reasoning, cut);
            return None;
        }
        ThinkingStyle::Budget | ThinkingStyle::Effort | ThinkingStyle::Adaptive => ThinkingConfig {
            thinking_budget: budget(reasoning, target.model, request.max_tokens),
            ..ThinkingConfig::default()
        },
    };
    let config = ThinkingConfig {
        include_thoughts: shown(reasoning),
        ..config
    };
    (config != ThinkingConfig::default()).then_some(config)
}

/// Whether thoughts are to be told. Gemini hides them unless asked; the formats without a switch for it tell the reasoning
/// that they asked for.
fn shown(reasoning: &Reasoning) -> Option<bool> {
    let is_wanted = match (reasoning.mode, reasoning.effort) {
        (Some(mode), _) => !matches!(mode, ReasoningMode::Off | ReasoningMode::Budget(0)),
        (None, Some(effort)) => effort > Effort::None,
        (None, None) => false,
    };
    match reasoning.summary {
        Some(summary) => Some(summary != Summary::Omitted),
        None => is_wanted.then_some(true),
    }
}

/// A model that does not reason obeys those who want none.
fn unsaid(reasoning: &Reasoning, cut: &mut Vec<Feature>) {
    if reasoning.effort.is_some_and(|effort| effort > Effort::None) {
        cut.push(Feature::Effort);
    }
    if reasoning
        .mode
        .is_some_and(|mode| mode != ReasoningMode::Off)
    {
        cut.push(Feature::ReasoningBudget);
    }
    if reasoning
        .summary
        .is_some_and(|shown| shown != Summary::Omitted)
    {
        cut.push(Feature::ReasoningSummary);
    }
}

/// Budgets that Gemini 2.5 takes: least and most tokens, and whether 0 switches reasoning off.
struct Range {
    least: u64,
    most: u64,
    can_be_off: bool,
}

fn range(model: &str) -> Range {
    let (least, most, can_be_off) = if model.contains("pro") {
        (128, 32_768, false)
    } else if model.contains("lite") {
        (512, 24_576, true)
    } else {
        (1, 24_576, true)
    };
    Range {
        least,
        most,
        can_be_off,
    }
}

fn budget(reasoning: &Reasoning, model: &str, max_tokens: Option<u64>) -> Option<i64> {
    let range = range(model);
    let wanted = match (reasoning.mode, reasoning.effort) {
        (Some(ReasoningMode::Off), _) => 0,
        (Some(ReasoningMode::Budget(budget)), _) => budget,
        (_, Some(effort)) => match effort {
            Effort::None | Effort::Minimal => 0,
            Effort::Low => 2_048,
            Effort::Medium => 8_192,
            Effort::High => 24_576,
            Effort::XHigh | Effort::Max => range.most,
        },
        (Some(ReasoningMode::Adaptive | ReasoningMode::BetweenTools), None) => return Some(-1),
        (None, None) => return None,
    };
    if wanted == 0 && range.can_be_off {
        return Some(0);
    }
    // Reasoning counts as output: what is left of the limit is all there is for the answer.
    let room = max_tokens.map_or(u64::MAX, |most| most.saturating_sub(1));
    let fitting = wanted.min(range.most).min(room).max(range.least);
    i64::try_from(fitting).ok()
}

/// Every Gemini 3 knows `low` and `high`. `medium` came with 3 Flash and 3.1 Pro; `minimal` is Flash's alone, and from 3.7 on
/// Flash-Lite's.
fn level(reasoning: &Reasoning, model: &str) -> Option<&'static str> {
    let wanted = match (reasoning.mode, reasoning.effort) {
        (Some(ReasoningMode::Off), _) => Effort::None,
        (Some(ReasoningMode::Budget(budget)), _) => match budget {
            0 => Effort::None,
            1..=4_096 => Effort::Low,
            4_097..=12_288 => Effort::Medium,
            _ => Effort::High,
        },
        (_, Some(effort)) => effort,
        // By itself is what it does by default.
        (_, None) => return None,
    };
    let version = gemini_version(model);
    let is_flash = model.contains("flash");
    let has_minimal =
        is_flash && (model.contains("lite") || version.is_some_and(|version| version < (3, 7)));
    let has_medium = is_flash || version >= Some((3, 1));
    Some(match wanted {
        Effort::None | Effort::Minimal if has_minimal => "minimal",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium if has_medium => "medium",
        Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "high",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Traits};

    #[track_caller]
    fn check(model: &str, max_tokens: Option<u64>, reasoning: Reasoning, expected: &str) {
        let request = Request {
            reasoning,
            max_tokens,
            ..Request::default()
        };
        let target = Target {
            model,
            traits: Traits::of(Format::Gemini, model),
        };
        let mut cut = Vec::new();
        let written = write(&request, &target, &mut cut);
        let written = serde_json::to_string(&written).unwrap();
        assert_eq!(written, expected, "{:?}", request.reasoning);
    }

    fn effort(effort: Effort) -> Reasoning {
        Reasoning {
            effort: Some(effort),
            summary: Some(Summary::Omitted),
            ..Reasoning::default()
        }
    }

    fn mode(mode: ReasoningMode) -> Reasoning {
        Reasoning {
            mode: Some(mode),
            summary: Some(Summary::Omitted),
            ..Reasoning::default()
        }
    }

    #[test]
    fn a_budget_fits_the_model_and_the_limit_of_output() {
        let check = |model, max, reasoning, budget: i64| {
            check(
                model,
                max,
                reasoning,
                &format!(r#"{{"thinkingBudget":{budget},"includeThoughts":false}}"#),
            );
        };
        let (flash, pro, lite) = (
            "gemini-2.5-flash",
            "gemini-2.5-pro",
            "gemini-2.5-flash-lite",
        );
        check(flash, None, effort(Effort::None), 0);
        check(flash, None, effort(Effort::Minimal), 0);
        check(flash, None, effort(Effort::Low), 2_048);
        check(flash, None, effort(Effort::Medium), 8_192);
        check(flash, None, effort(Effort::High), 24_576);
        check(flash, None, effort(Effort::Max), 24_576);
        check(pro, None, effort(Effort::None), 128);
        check(pro, None, effort(Effort::XHigh), 32_768);
        check(flash, Some(4_096), effort(Effort::Medium), 4_095);
        check(flash, Some(0), effort(Effort::Low), 1);
        check(flash, None, mode(ReasoningMode::Off), 0);
        check(pro, None, mode(ReasoningMode::Off), 128);
        check(lite, None, mode(ReasoningMode::Budget(7)), 512);
        check(flash, None, mode(ReasoningMode::Budget(u64::MAX)), 24_576);
        check(flash, Some(100), mode(ReasoningMode::Adaptive), -1);
    }

    #[test]
    fn a_level_is_one_that_the_model_knows() {
        let check = |model, reasoning, level| {
            check(
                model,
                Some(10),
                reasoning,
                &format!(r#"{{"thinkingLevel":"{level}","includeThoughts":false}}"#),
            );
        };
        let (flash, pro) = ("gemini-3-flash-preview", "gemini-3-pro-preview");
        check(pro, effort(Effort::None), "low");
        check(flash, effort(Effort::Minimal), "minimal");
        check(pro, effort(Effort::Low), "low");
        check(pro, effort(Effort::Medium), "high");
        check(flash, effort(Effort::Medium), "medium");
        check("gemini-3.1-pro-preview", effort(Effort::Medium), "medium");
        check("gemini-3.1-pro-preview", effort(Effort::Minimal), "low");
        check("gemini-3.8-flash", effort(Effort::Minimal), "low");
        check("gemini-3.8-flash-lite", effort(Effort::Minimal), "minimal");
        check(pro, effort(Effort::Max), "high");
        check(pro, mode(ReasoningMode::Off), "low");
        check(flash, mode(ReasoningMode::Budget(0)), "minimal");
        check(flash, mode(ReasoningMode::Budget(4_096)), "low");
        check(flash, mode(ReasoningMode::Budget(8_192)), "medium");
        check(pro, mode(ReasoningMode::Budget(30_000)), "high");
        super::tests::check(
            pro,
            None,
            mode(ReasoningMode::Adaptive),
            r#"{"includeThoughts":false}"#,
        );
    }

    #[test]
    fn what_is_shown_is_a_switch_of_its_own() {
        let shown = |summary| Reasoning {
            summary: Some(summary),
            ..Reasoning::default()
        };
        check(
            "gemini-2.5-flash",
            None,
            shown(Summary::Detailed),
            r#"{"includeThoughts":true}"#,
        );
        check(
            "gemini-3-pro",
            None,
            shown(Summary::Omitted),
            r#"{"includeThoughts":false}"#,
        );
        check("gemini-2.5-flash", None, Reasoning::default(), "null");
        // Who asks for reasoning and has no switch for its thoughts is told them.
        let unsaid = |reasoning| Reasoning {
            summary: None,
            ..reasoning
        };
        check(
            "gemini-3-pro",
            None,
            unsaid(effort(Effort::High)),
            r#"{"thinkingLevel":"high","includeThoughts":true}"#,
        );
        check(
            "gemini-2.5-flash",
            None,
            unsaid(mode(ReasoningMode::Off)),
            r#"{"thinkingBudget":0}"#,
        );
        check("gemini-2.0-flash", None, shown(Summary::Auto), "null");
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_asked_to() {
        let request = Request {
            reasoning: Reasoning {
                mode: Some(ReasoningMode::Adaptive),
                effort: Some(Effort::Low),
                summary: Some(Summary::Auto),
            },
            ..Request::default()
        };
        let target = Target {
            model: "gemini-2.0-flash",
            traits: Traits::of(Format::Gemini, "gemini-2.0-flash"),
        };
        let mut cut = Vec::new();
        assert_eq!(write(&request, &target, &mut cut), None);
        assert_eq!(
            cut,
            [
                Feature::Effort,
                Feature::ReasoningBudget,
                Feature::ReasoningSummary
            ]
        );
    }
}
