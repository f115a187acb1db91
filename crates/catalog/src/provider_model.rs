//! What holds for single models of a provider.

use std::collections::BTreeMap;

use access::limit::{Rates, RatesFields};
use entities::{MediaUrls, OpenAiApi, ProviderConfig, ProviderModelConfig, Thinking};
use http::{HeaderMap, HeaderName, header};
use protocol::{Format, ThinkingStyle, Traits, canonical::Json};

use crate::{ProviderError, ProviderKind, call::sensitive};

/// Settings of one model, or of all that have none of their own.
#[derive(Debug)]
pub(crate) struct ModelSettings {
    pub(crate) api: OpenAiApi,
    /// The provider's, and the model's own over them.
    pub(crate) headers: HeaderMap,
    /// Members added to bodies.
    pub(crate) extra: Vec<(String, Json)>,
    overrides: ProviderModelConfig,
    urls: MediaUrls,
    /// What may be asked of it in how much time.
    pub(crate) rates: Rates,
}

impl ModelSettings {
    pub(crate) fn new(
        kind: ProviderKind,
        default_api: OpenAiApi,
        config: &ProviderConfig,
        model: Option<(&str, &ProviderModelConfig)>,
        provider_headers: &HeaderMap,
    ) -> Result<Self, ProviderError> {
        let (name, own) = model.map_or_else(Default::default, |(name, own)| (name, own.clone()));
        let has_apis = matches!(kind, ProviderKind::OpenAi | ProviderKind::Azure);
        if !has_apis && (config.api.is_some() || own.api.is_some()) {
            return Err(ProviderError::Api(kind.name()));
        }
        let mut headers = provider_headers.clone();
        add_headers(&mut headers, &own.headers).map_err(|header| ProviderError::Model {
            model: name.to_owned(),
            reason: format!("headers.{header}: cannot be sent"),
        })?;
        let invalid = |reason: &str| ProviderError::Model {
            model: name.to_owned(),
            reason: reason.to_owned(),
        };
        if own.max_tokens == Some(0) {
            return Err(invalid("max_tokens: must be at least 1"));
        }
        if let Some(member) = own
            .extra_body
            .keys()
            .find(|it| OWN_MEMBERS.contains(&it.as_str()))
        {
            return Err(invalid(&format!(
                "extra_body.{member}: is set by the gateway"
            )));
        }
        let rates = RatesFields {
            rpm: own.rpm,
            tpm: own.tpm,
            concurrent: None,
        };
        let rates = Rates::of(&rates, "").map_err(|error| invalid(&error.to_string()))?;
        let mut extra = Vec::with_capacity(own.extra_body.len());
        for (member, value) in &own.extra_body {
            extra.push((member.clone(), Json::parse(&value.to_string())?));
        }
        Ok(Self {
            api: own.api.or(config.api).unwrap_or(default_api),
            headers,
            extra,
            overrides: own,
            urls: config.urls.unwrap_or_default(),
            rates,
        })
    }

    /// What the model takes: as its name tells, but for what is configured.
    pub(crate) fn traits(&self, format: Format, provider_model: &str) -> Traits {
        let known = Traits::of(format, provider_model);
        let own = &self.overrides;
        Traits {
            max_tokens: own.max_tokens.unwrap_or(known.max_tokens),
            thinking: own.thinking.map_or(known.thinking, thinking_style),
            always_thinks: known.always_thinks,
            sampling: own.sampling.unwrap_or(known.sampling),
            prefill: own.prefill.unwrap_or(known.prefill),
            urls: known.urls && self.urls == MediaUrls::Pass,
        }
    }

    pub(crate) fn fetches_urls(&self) -> bool {
        self.urls == MediaUrls::Fetch
    }
}

/// Members of a body that routing and relaying depend on.
const OWN_MEMBERS: [&str; 5] = ["model", "stream", "stream_options", "messages", "input"];

/// Headers of a request that only the gateway can set.
const OWN_HEADERS: [HeaderName; 5] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::ACCEPT_ENCODING,
];

/// Adds configured headers; answers with the name of the first that cannot be sent.
pub(crate) fn add_headers(
    headers: &mut HeaderMap,
    configured: &BTreeMap<String, String>,
) -> Result<(), String> {
    for (name, value) in configured {
        let parsed = HeaderName::try_from(name).map_err(|_| name.clone())?;
        if OWN_HEADERS.contains(&parsed) {
            return Err(name.clone());
        }
        sensitive(headers, parsed, value).map_err(|_| name.clone())?;
    }
    Ok(())
}

fn thinking_style(configured: Thinking) -> ThinkingStyle {
    match configured {
        Thinking::None => ThinkingStyle::None,
        Thinking::Effort => ThinkingStyle::Effort,
        Thinking::Budget => ThinkingStyle::Budget,
        Thinking::Adaptive => ThinkingStyle::Adaptive,
        Thinking::Level => ThinkingStyle::Level,
    }
}
