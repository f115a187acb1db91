//! Words of the format for things that the canonical form has types for, both ways.

use serde::Serialize;

use crate::{
    canonical::{Effort, Json, JsonSchema, Output, Summary, Tool, ToolChoice},
    openai::strict,
};

/// Every effort, with its word.
const EFFORTS: [(Effort, &str); 7] = [
    (Effort::None, "none"),
    (Effort::Minimal, "minimal"),
    (Effort::Low, "low"),
    (Effort::Medium, "medium"),
    (Effort::High, "high"),
    (Effort::XHigh, "xhigh"),
    (Effort::Max, "max"),
];

/// The word of an effort.
pub(super) fn effort(effort: Effort) -> &'static str {
    EFFORTS
        .iter()
        .find_map(|(known, word)| (*known == effort).then_some(*word))
        .unwrap_or("medium")
}

/// The effort of a word.
pub(super) fn effort_of(word: &str) -> Option<Effort> {
    EFFORTS
        .iter()
        .find_map(|(effort, known)| (*known == word).then_some(*effort))
}

/// The word of a summary; nothing shown is said by saying nothing.
pub(super) fn summary(summary: Summary) -> Option<&'static str> {
    match summary {
        Summary::Omitted => None,
        Summary::Auto => Some("auto"),
        Summary::Concise => Some("concise"),
        Summary::Detailed => Some("detailed"),
    }
}

/// The summary of a word.
pub(super) fn summary_of(word: &str) -> Option<Summary> {
    match word {
        "auto" => Some(Summary::Auto),
        "concise" => Some(Summary::Concise),
        "detailed" => Some(Summary::Detailed),
        _ => None,
    }
}

/// A function tool. `strict` is always written, since its absence means `true` here and `false` elsewhere.
#[derive(Debug, Serialize)]
pub(super) struct Function<'a> {
    r#type: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Option<&'a Json>,
    strict: bool,
}

impl<'a> Function<'a> {
    /// As a request says it: strict only where the schema obeys OpenAI's rules for that, since others are refused.
    pub(super) fn asked(tool: &'a Tool) -> Self {
        let obeys = || tool.parameters.as_ref().is_none_or(strict::obeys);
        Self::new(tool, tool.strict.unwrap_or(false) && obeys())
    }

    /// As an answer tells it: as the client asked, whose default is strict.
    pub(super) fn told(tool: &'a Tool) -> Self {
        Self::new(tool, tool.strict.unwrap_or(true))
    }

    fn new(tool: &'a Tool, strict: bool) -> Self {
        Self {
            r#type: "function",
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
            strict,
        }
    }
}

/// `tool_choice`
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Choice<'a> {
    Word(&'static str),
    Function(Named<'a>),
    Allowed {
        r#type: &'static str,
        mode: &'static str,
        tools: Vec<Named<'a>>,
    },
}

/// A function by its name.
#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    r#type: &'static str,
    name: &'a str,
}

impl<'a> Named<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            r#type: "function",
            name,
        }
    }
}

impl<'a> From<&'a ToolChoice> for Choice<'a> {
    fn from(choice: &'a ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Word("auto"),
            ToolChoice::None => Self::Word("none"),
            ToolChoice::Required => Self::Word("required"),
            ToolChoice::Tool(name) => Self::Function(Named::new(name)),
            ToolChoice::Allowed(names, must) => Self::Allowed {
                r#type: "allowed_tools",
                mode: if *must { "required" } else { "auto" },
                tools: names.iter().map(|name| Named::new(name)).collect(),
            },
        }
    }
}

/// `text`
#[derive(Debug, Serialize)]
pub(super) struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<TextFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

/// `text.format`
#[derive(Debug, Serialize)]
struct TextFormat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> TextFormat<'a> {
    fn new(output: &'a Output) -> Self {
        let plain = |r#type| Self {
            r#type,
            name: None,
            description: None,
            schema: None,
            strict: None,
        };
        match output {
            Output::Text => plain("text"),
            Output::JsonObject => plain("json_object"),
            Output::JsonSchema(JsonSchema {
                name,
                description,
                schema,
                strict,
            }) => Self {
                r#type: "json_schema",
                name: Some(name.as_deref().unwrap_or("response")),
                description: description.as_deref(),
                schema: Some(schema),
                strict: *strict,
            },
        }
    }
}

impl<'a> Text<'a> {
    /// As a request says it: only what differs from plain text, and strict only where the schema obeys OpenAI's rules for that.
    pub(super) fn asked(output: &'a Output, verbosity: Option<&'a str>) -> Option<Self> {
        let format = (*output != Output::Text).then(|| {
            let format = TextFormat::new(output);
            let obeys = || format.schema.is_none_or(strict::obeys);
            TextFormat {
                strict: format.strict.map(|strict| strict && obeys()),
                ..format
            }
        });
        (format.is_some() || verbosity.is_some()).then_some(Self { format, verbosity })
    }

    /// As an answer tells it.
    pub(super) fn told(output: &'a Output, verbosity: Option<&'a str>) -> Self {
        Self {
            format: Some(TextFormat::new(output)),
            verbosity,
        }
    }
}

/// `reasoning`
#[derive(Debug, Serialize)]
pub(super) struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (it, word) in EFFORTS {
            assert_eq!((effort(it), effort_of(word)), (word, Some(it)));
        }
        for it in [Summary::Auto, Summary::Concise, Summary::Detailed] {
            assert_eq!(summary(it).and_then(summary_of), Some(it));
        }
        assert_eq!(summary(Summary::Omitted), None);
        assert_eq!((effort_of("huge"), summary_of("long")), (None, None));
    }
}
