//! Reading `generationConfig`.

use super::{media, tools::either_schema};
use crate::{
    RequestError,
    canonical::{
        Detail, Effort, Extra, JsonSchema, Logprobs, Output, Reasoning, ReasoningMode, Request,
        Summary,
    },
    feature::Feature,
    gemini::fields::{Fields, invalid, type_error},
};

/// Settings that only Gemini has.
const OWN: [&str; 10] = [
    "speechConfig",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
    "modelConfig",
    "imageConfig",
    "responseFormat",
    "translationConfig",
    "audioTranscriptionConfig",
    "enableAffectiveDialog",
];

/// Reads it; answers how closely the model should look at pictures.
pub(super) fn read(
    mut config: Fields<'_>,
    request: &mut Request,
) -> Result<Option<Detail>, RequestError> {
    sampling(&mut config, request)?;
    request.output = output(&mut config, request)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        request.reasoning = reasoning(thinking, request)?;
    }
    modalities(&mut config, request)?;
    let resolution = config.string("mediaResolution")?.unwrap_or_default();
    let detail = media::detail(config.path_of("mediaResolution"), &resolution)?;
    for name in OWN {
        if config.take(name).is_some_and(|raw| raw.get() != "false") {
            request.extras.push(Extra {
                feature: Feature::OtherSampling,
                param: config.path_of(name),
            });
        }
    }
    if config.bool("enableEnhancedCivicAnswers")? == Some(true) {
        request.extras.push(Extra {
            feature: Feature::OtherSampling,
            param: config.path_of("enableEnhancedCivicAnswers"),
        });
    }
    request.extras.extend(config.unknown());
    Ok(detail)
}

fn sampling(config: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    request.temperature = config.number("temperature")?;
    request.top_p = config.number("topP")?;
    request.top_k = config.count("topK")?;
    request.presence_penalty = config.number("presencePenalty")?;
    request.frequency_penalty = config.number("frequencyPenalty")?;
    request.seed = config.integer("seed")?;
    request.max_tokens = config.count("maxOutputTokens")?;
    request.stop = config.strings("stopSequences")?;
    request.choices = small(config, "candidateCount")?;
    let wants = config.bool("responseLogprobs")? == Some(true);
    let top = small(config, "logprobs")?;
    if top.is_some() && !wants {
        return Err(invalid(
            config.path_of("logprobs"),
            "it needs 'responseLogprobs' to be true",
        ));
    }
    request.logprobs = wants.then_some(Logprobs { top });
    Ok(())
}

fn small(config: &mut Fields<'_>, name: &str) -> Result<Option<u32>, RequestError> {
    let number = config.count(name)?.map(u32::try_from).transpose();
    number.map_err(|_| type_error(config.path_of(name), "a 32-bit integer"))
}

fn output(config: &mut Fields<'_>, request: &mut Request) -> Result<Output, RequestError> {
    let schema = either_schema(config, "responseSchema", "responseJsonSchema")?;
    let kind = config.string("responseMimeType")?.unwrap_or_default();
    match (kind.as_ref(), schema) {
        ("" | "application/json", Some(schema)) => Ok(Output::JsonSchema(JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        })),
        ("application/json", None) => Ok(Output::JsonObject),
        ("" | "text/plain", None) => Ok(Output::Text),
        ("text/plain", Some(_)) => Err(invalid(
            config.path_of("responseMimeType"),
            "it must be 'application/json' where a schema is given",
        )),
        // `text/x.enum`: one of some words, not as JSON.
        _ => {
            request.extras.push(Extra {
                feature: Feature::OtherSampling,
                param: config.path_of("responseMimeType"),
            });
            Ok(Output::Text)
        }
    }
}

fn reasoning(mut config: Fields<'_>, request: &mut Request) -> Result<Reasoning, RequestError> {
    let mode = match config.integer("thinkingBudget")? {
        None => None,
        Some(0) => Some(ReasoningMode::Off),
        Some(-1) => Some(ReasoningMode::Adaptive),
        Some(budget) => Some(ReasoningMode::Budget(u64::try_from(budget).map_err(
            |_| {
                invalid(
                    config.path_of("thinkingBudget"),
                    "it must be -1, 0 or a number of tokens",
                )
            },
        )?)),
    };
    let level = config.string("thinkingLevel")?.unwrap_or_default();
    let effort = match level.to_ascii_lowercase().as_str() {
        "" | "thinking_level_unspecified" => None,
        "minimal" => Some(Effort::Minimal),
        "low" => Some(Effort::Low),
        "medium" => Some(Effort::Medium),
        "high" => Some(Effort::High),
        "xhigh" => Some(Effort::XHigh),
        _ => {
            return Err(invalid(
                config.path_of("thinkingLevel"),
                "it is not one of the documented levels",
            ));
        }
    };
    if effort.is_some() && mode.is_some() {
        return Err(invalid(
            config.path_of("thinkingLevel"),
            "it stands beside 'thinkingBudget'",
        ));
    }
    let summary = config.bool("includeThoughts")?.map(|shows| {
        if shows {
            Summary::Auto
        } else {
            Summary::Omitted
        }
    });
    request.extras.extend(config.unknown());
    Ok(Reasoning {
        mode,
        effort,
        summary,
    })
}

fn modalities(config: &mut Fields<'_>, request: &mut Request) -> Result<(), RequestError> {
    let modalities = config.strings("responseModalities")?;
    let is_text = |modality: &String| {
        modality.eq_ignore_ascii_case("text") || modality == "MODALITY_UNSPECIFIED"
    };
    if !modalities.iter().all(is_text) {
        request.extras.push(Extra {
            feature: Feature::Modalities,
            param: config.path_of("responseModalities"),
        });
    }
    Ok(())
}
