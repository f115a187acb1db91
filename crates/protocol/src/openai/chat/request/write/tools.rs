//! Tools and the choice among them.

use serde::{Serialize, Serializer};

use crate::{
    canonical::{Json, Tool as Canonical, ToolChoice},
    openai::strict,
};

/// A tool.
#[derive(Serialize)]
pub(super) struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> Tool<'a> {
    pub(super) fn of(tool: &'a Canonical) -> Self {
        let obeys = || tool.parameters.as_ref().is_none_or(strict::obeys);
        Self {
            r#type: "function",
            function: Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.parameters.as_ref(),
                strict: tool.strict.map(|strict| strict && obeys()),
            },
        }
    }
}

/// The choice among tools: a word, or an object.
pub(super) enum Choice<'a> {
    Word(&'static str),
    Tool(Named<'a>),
    Allowed(Allowed<'a>),
}

#[derive(Serialize)]
pub(super) struct Named<'a> {
    r#type: &'static str,
    function: Name<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Allowed<'a> {
    r#type: &'static str,
    allowed_tools: AllowedTools<'a>,
}

#[derive(Serialize)]
struct AllowedTools<'a> {
    mode: &'static str,
    tools: Vec<Named<'a>>,
}

impl<'a> Choice<'a> {
    pub(super) fn of(choice: &'a ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Word("auto"),
            ToolChoice::None => Self::Word("none"),
            ToolChoice::Required => Self::Word("required"),
            ToolChoice::Tool(name) => Self::Tool(Named::of(name)),
            ToolChoice::Allowed(names, must) => Self::Allowed(Allowed {
                r#type: "allowed_tools",
                allowed_tools: AllowedTools {
                    mode: if *must { "required" } else { "auto" },
                    tools: names.iter().map(|name| Named::of(name)).collect(),
                },
            }),
        }
    }
}

impl<'a> Named<'a> {
    fn of(name: &'a str) -> Self {
        Self {
            r#type: "function",
            function: Name { name },
        }
    }
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => serializer.serialize_str(word),
            Self::Tool(tool) => tool.serialize(serializer),
            Self::Allowed(allowed) => allowed.serialize(serializer),
        }
    }
}
