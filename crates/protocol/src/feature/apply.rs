//! Obeying the table: what is to be refused is refused, what is to be dropped is taken out.

use std::borrow::Cow;

use super::{Carry, Feature, present::present};
use crate::{
    Format, Traits,
    canonical::{CacheControl, Part, Request},
};

/// A request that this provider model cannot be asked; another may be able to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{param}' cannot be sent to a provider that speaks {}: {why}", .to.title())]
pub struct Refusal {
    /// The client's field.
    pub param: String,
    /// What the provider speaks.
    pub to: Format,
    /// Why it cannot.
    pub why: Cow<'static, str>,
}

/// The request as far as a provider model of format `to` can be asked, and the fields of format `from` that were taken out.
///
/// # Errors
/// Something in it can neither be carried nor left out.
pub(crate) fn apply<'a>(
    request: &'a Request,
    from: Format,
    to: Format,
    traits: &Traits,
) -> Result<(Cow<'a, Request>, Vec<Cow<'static, str>>), Refusal> {
    let mut dropped: Vec<(Feature, Cow<'static, str>)> = Vec::new();
    let mut refusal = None;
    present(request, to, |feature, param| {
        let name = || {
            param.map_or(Cow::Borrowed(feature.field(from)), |param| {
                Cow::Owned(param.to_owned())
            })
        };
        match feature.carry(to, traits) {
            Carry::Carried | Carry::Adapted(_) => {}
            Carry::Refused(why) if refusal.is_none() => {
                refusal = Some(Refusal {
                    param: name().into_owned(),
                    to,
                    why: why.into(),
                });
            }
            Carry::Refused(_) => {}
            Carry::Dropped(_) => {
                let name = name();
                if !dropped.iter().any(|(_, other)| *other == name) {
                    dropped.push((feature, name));
                }
            }
        }
    });
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let mut request = Cow::Borrowed(request);
    for (feature, _) in &dropped {
        if !takes_no_place(*feature) {
            take_out(request.to_mut(), *feature);
        }
    }
    Ok((request, dropped.into_iter().map(|(_, name)| name).collect()))
}

/// Whether no writer writes it: it is only noted among the extras, or it is reasoning, whose place writers still have to see.
fn takes_no_place(feature: Feature) -> bool {
    use Feature::{
        CacheRetention, FileDetail, ForeignThinking, Include, OwnThinking, Prediction,
        SafetyIdentifier, SafetySettings, Store, ToolHints, ToolResponseSchema,
    };
    matches!(
        feature,
        CacheRetention
            | FileDetail
            | ForeignThinking
            | Include
            | OwnThinking
            | Prediction
            | SafetyIdentifier
            | SafetySettings
            | Store
            | ToolHints
            | ToolResponseSchema
    )
}

fn take_out(request: &mut Request, feature: Feature) {
    match feature {
        Feature::SpeakerName => request
            .messages
            .iter_mut()
            .for_each(|message| message.name = None),
        Feature::ImageDetail => each_part(request, &mut |part| {
            if let Part::Image { detail, .. } = part {
                *detail = None;
            }
        }),
        Feature::CacheControl => {
            request.tools.iter_mut().for_each(|tool| tool.cache = None);
            each_part(request, &mut |part| {
                if let Some(cache) = cache_of(part) {
                    *cache = None;
                }
            });
        }
        Feature::ToolStrict => request.tools.iter_mut().for_each(|tool| tool.strict = None),
        Feature::OneToolCall => request.parallel_tool_calls = None,
        Feature::Temperature => request.temperature = None,
        Feature::TopP => request.top_p = None,
        Feature::TopK => request.top_k = None,
        Feature::PresencePenalty => request.presence_penalty = None,
        Feature::FrequencyPenalty => request.frequency_penalty = None,
        Feature::Seed => request.seed = None,
        Feature::Verbosity => request.verbosity = None,
        Feature::ReasoningSummary => request.reasoning.summary = None,
        Feature::User => request.user = None,
        Feature::Metadata => request.metadata.clear(),
        Feature::ServiceTier => request.service_tier = None,
        Feature::CacheKey => request.cache_key = None,
        other => unreachable!("the table drops {other:?}, which nothing takes out"),
    }
}

fn each_part(request: &mut Request, change: &mut impl FnMut(&mut Part)) {
    for part in request
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.parts)
    {
        change(part);
        if let Part::ToolResult(result) = part {
            result.content.iter_mut().for_each(&mut *change);
        }
    }
}

fn cache_of(part: &mut Part) -> Option<&mut Option<CacheControl>> {
    match part {
        Part::Text { cache, .. } | Part::Image { cache, .. } | Part::File { cache, .. } => {
            Some(cache)
        }
        Part::ToolCall(call) => Some(&mut call.cache),
        Part::ToolResult(result) => Some(&mut result.cache),
        Part::Audio(_) | Part::Thinking(_) | Part::Refusal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical::Extra, feature::TABLE};

    fn traits() -> Traits {
        Traits::of(Format::Messages, "claude-sonnet-4-5")
    }

    #[test]
    fn whatever_the_table_drops_can_be_taken_out() {
        let few = Traits {
            sampling: false,
            ..traits()
        };
        for row in TABLE {
            for format in Format::ALL {
                let drops = matches!(row.feature.carry(format, &few), Carry::Dropped(_));
                if drops && !takes_no_place(row.feature) {
                    take_out(&mut Request::default(), row.feature);
                }
            }
        }
    }

    #[test]
    fn what_is_dropped_is_named_once_in_the_clients_words() {
        let request = Request {
            seed: Some(1),
            user: Some("u".into()),
            top_p: Some(0.5),
            ..Request::default()
        };
        let (sent, dropped) = apply(&request, Format::Chat, Format::Messages, &traits()).unwrap();
        assert_eq!(dropped, ["seed"]);
        assert_eq!((sent.seed, sent.top_p), (None, Some(0.5)));
        assert_eq!(sent.user.as_deref(), Some("u"));
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_its_name() {
        let mut request = Request {
            choices: Some(2),
            ..Request::default()
        };
        let refusal = apply(&request, Format::Chat, Format::Messages, &traits()).unwrap_err();
        assert_eq!(refusal.param, "n");
        request.choices = None;
        request.extras.push(Extra {
            feature: Feature::HostedTool,
            param: "tools[1]".into(),
        });
        let refusal = apply(&request, Format::Responses, Format::Gemini, &traits()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "'tools[1]' cannot be sent to a provider that speaks generateContent: the provider's API has nothing like it"
        );
    }
}
