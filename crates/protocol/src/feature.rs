//! What a request can ask for, what each format calls it, and what becomes of it on the way to a provider of another
//! format. The one table of this: translation obeys it, and `docs/translation.md` is generated from it.

mod apply;
mod document;
mod present;
#[cfg(test)]
mod samples;

pub use apply::Refusal;
pub(crate) use apply::apply;
pub use document::document;

use crate::{Format, Traits};

/// What becomes of a feature on the way to a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// It means the same there.
    Carried,
    /// It is said in another way there: how.
    Adapted(&'static str),
    /// It is left out and named in `x-gateway-dropped`: why that is harmless.
    Dropped(&'static str),
    /// The request is refused: why.
    Refused(&'static str),
}

use Carry::{Adapted, Carried, Dropped, Refused};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What is asked for.
    pub feature: Feature,
    /// In words.
    pub title: &'static str,
    /// The field that asks for it in Chat Completions, Responses, Messages and Gemini; empty where the format has none.
    pub fields: [&'static str; 4],
    /// What becomes of it towards Chat Completions, Responses, Messages and Gemini.
    pub carry: [Carry; 4],
}

/// Why hints may be left out.
const HINT: Carry = Dropped("a hint that does not change the answer");
const NO_SUCH: &str = "the provider's API has nothing like it";
const NONE: Carry = Refused(NO_SUCH);
const STATE: Carry = Refused("it names state that only the provider that made it has");

macro_rules! features {
    ($($name:ident, $title:literal, [$($field:literal),*], [$($carry:expr),*];)*) => {
        /// Something that a request can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Feature {
            $(#[doc = $title] $name,)*
        }

        /// Every feature, in the order of the documentation.
        pub const TABLE: &[Row] = &[
            $(Row { feature: Feature::$name, title: $title, fields: [$($field),*], carry: [$($carry),*] },)*
        ];
    };
}

features! {
    // The conversation
    System, "System prompt", ["messages", "instructions", "system", "systemInstruction"],
        [Carried, Carried, Carried, Carried];
    Developer, "Developer messages", ["messages", "input", "", ""],
        [Carried, Carried, Adapted("part of `system`"), Adapted("part of `systemInstruction`")];
    LateSystem, "System messages after the first turn", ["messages", "input", "messages", ""],
        [Carried, Carried, Adapted("moved to the front, into `system`"), Adapted("moved to the front, into `systemInstruction`")];
    SpeakerName, "Name of a speaker", ["messages.name", "", "", ""],
        [Carried, HINT, HINT, HINT];
    Prefill, "A last turn of the assistant's", ["messages", "input", "messages", "contents"],
        [Carried, Carried, Carried, Carried];
    ImageInline, "Images, as base64", ["messages.content.image_url", "input.content.image_url", "messages.content.source", "contents.parts.inlineData"],
        [Carried, Carried, Adapted("JPEG, PNG, GIF and WebP only; others are refused"), Carried];
    ImageUrl, "Images, by URL", ["messages.content.image_url", "input.content.image_url", "messages.content.source", "contents.parts.fileData"],
        [Carried, Carried, Carried, Adapted("`fileData.fileUri`; fetched and sent inline where the provider is configured so")];
    ImageDetail, "Detail of images", ["messages.content.image_url.detail", "input.content.detail", "", "generationConfig.mediaResolution"],
        [Carried, Carried, HINT, HINT];
    FileInline, "PDF and other files, as base64", ["messages.content.file", "input.content.file_data", "messages.content.source", "contents.parts.inlineData"],
        [Carried, Carried, Adapted("PDF and plain text only; others are refused"), Carried];
    FileUrl, "Files, by URL", ["", "input.content.file_url", "messages.content.source", "contents.parts.fileData"],
        [Refused("Chat Completions takes no file by URL"), Carried, Adapted("PDF only"), Adapted("`fileData.fileUri`")];
    FileText, "Documents of plain text", ["", "", "messages.content.source", ""],
        [Adapted("text"), Adapted("text"), Carried, Adapted("text")];
    FileId, "Uploaded files, by id", ["messages.content.file.file_id", "input.content.file_id", "messages.content.source", ""],
        [STATE, STATE, STATE, STATE];
    FileDetail, "Detail of files", ["", "input.content.detail", "", "contents.parts.mediaResolution"],
        [HINT, HINT, HINT, HINT];
    Audio, "Sound, as base64", ["messages.content.input_audio", "input.content.input_audio", "", "contents.parts.inlineData"],
        [Adapted("WAV and MP3 only; others are refused"), NONE, NONE, Carried];
    Video, "Video", ["", "", "", "contents.parts.videoMetadata"],
        [NONE, NONE, NONE, Carried];
    CacheControl, "Cache marks", ["messages.content.prompt_cache_breakpoint", "input.content.prompt_cache_breakpoint", "cache_control", ""],
        [HINT, HINT, Carried, HINT];
    OwnThinking, "Reasoning of earlier turns, signed by this provider's family", ["messages.thinking_blocks", "input.encrypted_content", "messages.content.thinking", "contents.parts.thoughtSignature"],
        [Dropped("only its maker reads it"), Carried, Carried, Carried];
    ForeignThinking, "Reasoning of earlier turns, signed by another family or unsigned", ["messages.reasoning_content", "input.summary", "messages.content.thinking", "contents.parts.thought"],
        [Dropped("only its maker reads it"), Dropped("only its maker reads it"), Dropped("only its maker reads it"), Dropped("only its maker reads it; calls of tools get the documented placeholder signature")];
    Citations, "Citations of documents", ["", "", "messages.content.citations", ""],
        [NONE, NONE, Carried, NONE];
    OtherContent, "Content of other kinds", ["messages.content", "input", "messages.content", "contents.parts"],
        [NONE, NONE, NONE, NONE];

    // Tools
    Tools, "Tools that the client runs", ["tools", "tools", "tools", "tools.functionDeclarations"],
        [Carried, Carried, Carried, Carried];
    ToolStrict, "Strict arguments", ["tools.function.strict", "tools.strict", "tools.strict", ""],
        [Adapted("only where the schema is of the subset that OpenAI takes as strict"), Carried, Carried, Dropped("Gemini has no switch for it; the schema is sent")];
    ToolChoiceAllowed, "Choice among some of the tools", ["tool_choice.allowed_tools", "tool_choice.allowed_tools", "", "toolConfig.functionCallingConfig.allowedFunctionNames"],
        [Carried, Carried, Adapted("only those tools are offered"), Carried];
    ToolChoice, "Tool choice: auto, none, required, one by name", ["tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig.mode"],
        [Carried, Carried, Carried, Carried];
    OneToolCall, "At most one call at a time", ["parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", ""],
        [Carried, Carried, Carried, Dropped("Gemini has no switch for it")];
    ToolResult, "Tool results", ["messages.content", "input.output", "messages.content", "contents.parts.functionResponse"],
        [Carried, Carried, Carried, Carried];
    ToolError, "Tool results that are errors", ["", "", "messages.content.is_error", ""],
        [Adapted("the text says that it is an error"), Adapted("the text says that it is an error"), Carried, Adapted("under `error`")];
    ToolImage, "Images in tool results", ["", "input.output", "messages.content.content", "contents.parts.functionResponse.parts"],
        [Adapted("in a user message after the results"), Carried, Carried, Adapted("`functionResponse.parts`")];
    ToolResponseSchema, "Schema of what a tool answers", ["", "", "", "tools.functionDeclarations.response"],
        [HINT, HINT, HINT, HINT];
    HostedTool, "Tools that the provider runs", ["tools", "tools", "tools", "tools"],
        [NONE, NONE, NONE, NONE];
    CustomTool, "Tools of free text", ["tools.custom", "tools", "", ""],
        [NONE, NONE, NONE, NONE];
    ToolHints, "Examples of a tool's arguments, and how they are streamed", ["", "", "tools.input_examples", ""],
        [HINT, HINT, HINT, HINT];
    McpServers, "MCP servers", ["", "tools", "mcp_servers", ""],
        [NONE, NONE, NONE, NONE];

    // The answer
    JsonObject, "JSON mode", ["response_format", "text.format", "", "generationConfig.responseMimeType"],
        [Carried, Carried, Adapted("asked for in `system`: the provider's own formats allow no object of any members"), Carried];
    JsonSchema, "JSON schema", ["response_format", "text.format", "output_config.format", "generationConfig.responseJsonSchema"],
        [Adapted("strict only where the schema is of the subset that OpenAI takes as strict"), Adapted("strict only where the schema is of the subset that OpenAI takes as strict"), Adapted("`output_config.format`; objects are closed, bounds are told in descriptions, recursion is refused"), Adapted("`responseJsonSchema`")];
    MaxTokens, "Limit of output tokens", ["max_completion_tokens", "max_output_tokens", "max_tokens", "generationConfig.maxOutputTokens"],
        [Carried, Adapted("at least 16"), Carried, Carried];
    Stop, "Stop sequences", ["stop", "", "stop_sequences", "generationConfig.stopSequences"],
        [Adapted("at most 4"), NONE, Carried, Adapted("at most 5")];
    Temperature, "Temperature", ["temperature", "temperature", "temperature", "generationConfig.temperature"],
        [Carried, Carried, Adapted("above 1: sent as 1"), Carried];
    TopP, "Nucleus sampling", ["top_p", "top_p", "top_p", "generationConfig.topP"],
        [Carried, Carried, Carried, Carried];
    TopK, "Top-k sampling", ["", "", "top_k", "generationConfig.topK"],
        [HINT, HINT, Carried, Carried];
    PresencePenalty, "Presence penalty", ["presence_penalty", "", "", "generationConfig.presencePenalty"],
        [Carried, HINT, HINT, Carried];
    FrequencyPenalty, "Frequency penalty", ["frequency_penalty", "", "", "generationConfig.frequencyPenalty"],
        [Carried, HINT, HINT, Carried];
    Seed, "Seed", ["seed", "", "", "generationConfig.seed"],
        [Carried, Dropped("documented as best effort"), Dropped("documented as best effort"), Carried];
    Choices, "Several answers", ["n", "", "", "generationConfig.candidateCount"],
        [Carried, NONE, NONE, Carried];
    Logprobs, "Log probabilities", ["logprobs", "top_logprobs", "", "generationConfig.responseLogprobs"],
        [Carried, Carried, NONE, Carried];
    LogitBias, "Logit bias", ["logit_bias", "", "", ""],
        [Carried, NONE, NONE, NONE];
    Verbosity, "Verbosity", ["verbosity", "text.verbosity", "", ""],
        [Carried, Carried, HINT, HINT];
    Modalities, "Answers that are not text", ["modalities", "", "", "generationConfig.responseModalities"],
        [NONE, NONE, NONE, NONE];
    Prediction, "Predicted output", ["prediction", "", "", ""],
        [HINT, HINT, HINT, HINT];
    OtherSampling, "Other sampling settings", ["", "", "", "generationConfig"],
        [NONE, NONE, NONE, NONE];

    // Reasoning
    Effort, "Reasoning effort", ["reasoning_effort", "reasoning.effort", "output_config.effort", "generationConfig.thinkingConfig.thinkingLevel"],
        [Carried, Carried, Adapted("`output_config.effort` with adaptive thinking, or a budget"), Adapted("a level, or a budget")];
    ReasoningBudget, "Thinking budget or switch", ["", "", "thinking", "generationConfig.thinkingConfig.thinkingBudget"],
        [Adapted("an effort"), Adapted("an effort"), Adapted("a budget, or adaptive with an effort"), Adapted("a budget, or a level")];
    ReasoningSummary, "What is shown of the reasoning", ["", "reasoning.summary", "thinking.display", "generationConfig.thinkingConfig.includeThoughts"],
        [Dropped("Chat Completions has no switch for it"), Carried, Adapted("`thinking.display`"), Adapted("`includeThoughts`")];

    // Records, classes, state
    User, "Id of the end user", ["user", "user", "metadata.user_id", ""],
        [Carried, Carried, Carried, HINT];
    SafetyIdentifier, "Safety identifier", ["safety_identifier", "safety_identifier", "", ""],
        [HINT, HINT, HINT, HINT];
    Metadata, "Metadata", ["metadata", "metadata", "", "labels"],
        [HINT, HINT, HINT, HINT];
    ServiceTier, "Service tier", ["service_tier", "service_tier", "service_tier", "serviceTier"],
        [HINT, HINT, HINT, HINT];
    CacheKey, "Prompt cache key", ["prompt_cache_key", "prompt_cache_key", "", ""],
        [Carried, Carried, HINT, HINT];
    CacheRetention, "Retention of the prompt cache", ["prompt_cache_retention", "prompt_cache_retention", "", ""],
        [HINT, HINT, HINT, HINT];
    Store, "Storing the answer at the provider", ["store", "store", "", ""],
        [Dropped("Chat Completions stores for the provider's own tools only"), STATE, STATE, STATE];
    PreviousResponse, "Going on from a stored answer", ["", "previous_response_id", "", "cachedContent"],
        [STATE, STATE, STATE, STATE];
    Background, "Answering in the background", ["", "background", "", ""],
        [NONE, NONE, NONE, NONE];
    StoredPrompt, "Prompts stored at the provider", ["", "prompt", "", ""],
        [STATE, STATE, STATE, STATE];
    Truncation, "Truncation and compaction by the provider", ["", "truncation", "context_management", ""],
        [NONE, NONE, NONE, NONE];
    SafetySettings, "Safety settings", ["", "", "", "safetySettings"],
        [Dropped("the provider's own settings hold"), Dropped("the provider's own settings hold"), Dropped("the provider's own settings hold"), Carried];
    Region, "Region of the computation", ["", "", "inference_geo", ""],
        [NONE, NONE, NONE, NONE];
    Container, "Containers", ["", "", "container", ""],
        [NONE, NONE, NONE, NONE];
    Moderation, "Moderation by the provider", ["moderation", "moderation", "", ""],
        [NONE, NONE, NONE, NONE];
    WebSearch, "Web search options", ["web_search_options", "", "", ""],
        [NONE, NONE, NONE, NONE];
    Include, "Further output", ["", "include", "", ""],
        [Dropped("the provider's API has no such output"), Dropped("the provider's API has no such output"), Dropped("the provider's API has no such output"), Dropped("the provider's API has no such output")];
    Other, "Fields that the format's documents do not know", ["", "", "", ""],
        [Refused("its meaning is not known"), Refused("its meaning is not known"), Refused("its meaning is not known"), Refused("its meaning is not known")];
}

impl Feature {
    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The field by which `format` asks for it.
    #[must_use]
    pub fn field(self, format: Format) -> &'static str {
        self.row().fields[format as usize]
    }

    /// What becomes of it towards a provider model of `format` that has these `traits`.
    #[must_use]
    pub fn carry(self, format: Format, traits: &Traits) -> Carry {
        let is_sampling = matches!(self, Self::Temperature | Self::TopP | Self::TopK);
        if is_sampling && !traits.sampling {
            return Dropped("this model samples by its own settings");
        }
        if self == Self::Prefill && !traits.prefill {
            return Refused("this model does not go on from a turn of the assistant's");
        }
        if matches!(self, Self::ImageUrl | Self::FileUrl) && !traits.urls {
            return Refused("the provider takes no URLs, and fetching them is not switched on");
        }
        self.row().carry[format as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_finds_its_row() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.feature as usize, index);
        }
    }
}
