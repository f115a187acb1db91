//! How the model is told to reason.

use serde::Serialize;

use super::Turn;
use crate::{
    ThinkingStyle, Traits,
    canonical::{Effort, Reasoning, ReasoningMode, Summary},
    feature::Feature,
};

/// The least budget that the API takes.
const LEAST_BUDGET: u64 = 1024;

/// `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    BetweenTools,
    Disabled,
}

/// `thinking` and `output_config.effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    /// Whether the model reasons though nothing is said of it.
    always: bool,
}

impl Plan {
    /// What is asked, in the way that the model takes it.
    pub(super) fn of(
        asked: &Reasoning,
        traits: &Traits,
        max_tokens: u64,
        cut: &mut Vec<Feature>,
    ) -> Self {
        let display = asked.summary.map(|summary| match summary {
            Summary::Omitted => "omitted",
            Summary::Auto | Summary::Concise | Summary::Detailed => "summarized",
        });
        match traits.thinking {
            ThinkingStyle::None => Self::none(asked, cut),
            ThinkingStyle::Budget => Self::budget(asked, display, max_tokens, cut),
            ThinkingStyle::Adaptive if traits.always_thinks => Self::always(asked, display, cut),
            ThinkingStyle::Adaptive => Self::adaptive(asked, display),
            ThinkingStyle::Effort | ThinkingStyle::Level => Self {
                effort: Self::adaptive(asked, display).effort,
                ..Self::default()
            },
        }
    }

    /// Whether the model thinks before it answers, which narrows what else may be asked.
    pub(super) fn thinks(&self) -> bool {
        self.always
            || matches!(
                self.thinking,
                Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. })
            )
    }

    fn none(asked: &Reasoning, cut: &mut Vec<Feature>) -> Self {
        if !matches!(asked.mode, None | Some(ReasoningMode::Off)) {
            cut.push(Feature::ReasoningBudget);
        }
        if !matches!(asked.effort, None | Some(Effort::None | Effort::Minimal)) {
            cut.push(Feature::Effort);
        }
        Self::default()
    }

    fn budget(
        asked: &Reasoning,
        display: Option<&'static str>,
        max_tokens: u64,
        cut: &mut Vec<Feature>,
    ) -> Self {
        let (feature, budget) = match (asked.mode, asked.effort) {
            (Some(ReasoningMode::Budget(tokens)), effort) => {
                if effort.is_some() {
                    cut.push(Feature::Effort);
                }
                (Feature::ReasoningBudget, tokens)
            }
            (Some(ReasoningMode::Off | ReasoningMode::BetweenTools), _)
            | (None, Some(Effort::None | Effort::Minimal)) => {
                return Self {
                    thinking: Some(Thinking::Disabled),
                    ..Self::default()
                };
            }
            (None, None) => return Self::default(),
            (Some(ReasoningMode::Adaptive), effort) => (
                Feature::ReasoningBudget,
                share(effort.unwrap_or(Effort::High), max_tokens),
            ),
            (None, Some(effort)) => (Feature::Effort, share(effort, max_tokens)),
        };
        if max_tokens <= LEAST_BUDGET {
            cut.push(feature);
            return Self::default();
        }
        let fitting = budget.clamp(LEAST_BUDGET, max_tokens - 1);
        if fitting != budget {
            cut.push(feature);
        }
        Self {
            thinking: Some(Thinking::Enabled {
                budget_tokens: fitting,
                display,
            }),
            ..Self::default()
        }
    }

    /// A model that always reasons is told how much at most: where it should not at all, as little as it can.
    fn always(asked: &Reasoning, display: Option<&'static str>, cut: &mut Vec<Feature>) -> Self {
        let plan = Self::adaptive(asked, display);
        let adaptive = Thinking::Adaptive { display };
        let (thinking, effort) = match plan.thinking {
            Some(Thinking::Disabled) => {
                cut.push(if asked.mode.is_some() {
                    Feature::ReasoningBudget
                } else {
                    Feature::Effort
                });
                (Some(adaptive), word(Effort::Low))
            }
            thinking => (thinking, plan.effort),
        };
        Self {
            thinking,
            effort,
            always: true,
        }
    }

    fn adaptive(asked: &Reasoning, display: Option<&'static str>) -> Self {
        let adaptive = Thinking::Adaptive { display };
        let thinking = match (asked.mode, asked.effort) {
            (None, None) => None,
            (Some(ReasoningMode::Off), _) | (None, Some(Effort::None | Effort::Minimal)) => {
                Some(Thinking::Disabled)
            }
            (Some(ReasoningMode::BetweenTools), _) => Some(Thinking::BetweenTools),
            (Some(ReasoningMode::Adaptive | ReasoningMode::Budget(_)), _) | (None, Some(_)) => {
                Some(adaptive)
            }
        };
        let effort = asked.effort.or(match asked.mode {
            Some(ReasoningMode::Budget(tokens)) => Some(effort_of(tokens)),
            _ => None,
        });
        Self {
            thinking,
            effort: effort.and_then(word),
            always: false,
        }
    }

    /// Switches thinking off where the conversation rules it out: models that are given a budget go on neither from
    /// calls of tools that no signed reasoning precedes, nor from an unfinished answer.
    pub(super) fn as_far_as_the_conversation_allows(
        self,
        asked: &Reasoning,
        turns: &[Turn<'_>],
        cut: &mut Vec<Feature>,
    ) -> Self {
        if !matches!(self.thinking, Some(Thinking::Enabled { .. })) {
            return self;
        }
        let unsigned = turns
            .iter()
            .rfind(|turn| turn.role == "assistant")
            .is_some_and(|turn| {
                turn.content.iter().any(super::Block::is_call)
                    && !turn.content.first().is_some_and(super::Block::is_thinking)
            });
        let is_unfinished = turns.last().is_some_and(|turn| turn.role == "assistant");
        if !unsigned && !is_unfinished {
            return self;
        }
        if asked.mode.is_some() {
            cut.push(Feature::ReasoningBudget);
        }
        if asked.effort.is_some() {
            cut.push(Feature::Effort);
        }
        Self {
            thinking: None,
            ..self
        }
    }
}

/// The budget for an effort: at most half of the limit, so that an answer fits beside it, but never less than is taken.
fn share(effort: Effort, max_tokens: u64) -> u64 {
    let tokens = match effort {
        Effort::None | Effort::Minimal | Effort::Low => 4_096,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh => 24_576,
        Effort::Max => 32_768,
    };
    tokens.min(max_tokens / 2).max(LEAST_BUDGET)
}

/// The effort that stands for a budget.
fn effort_of(tokens: u64) -> Effort {
    match tokens {
        0..=4_096 => Effort::Low,
        4_097..=8_192 => Effort::Medium,
        8_193..=16_384 => Effort::High,
        16_385..=24_576 => Effort::XHigh,
        _ => Effort::Max,
    }
}

fn word(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::None | Effort::Minimal => None,
        Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::High => Some("high"),
        Effort::XHigh => Some("xhigh"),
        Effort::Max => Some("max"),
    }
}
