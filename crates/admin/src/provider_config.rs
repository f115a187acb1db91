//! A provider's configuration as operators write and see it: secrets go in as they are and come back as masks.

use std::collections::BTreeMap;

use catalog::{Provider, ProviderError, ProviderKind, Secrets};
use entities::{MediaUrls, OpenAiApi, ProviderConfig, ProviderModelConfig, Thinking};
use router::ProviderId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use upstream::BaseUrl;
use utoipa::ToSchema;

pub(crate) use self::{
    kept::Before,
    secret::{STARS, Secret},
};
use self::{
    kept::{headers, keep},
    secret::masked,
};
use crate::{AdminState, error::Error};

mod kept;
mod secret;

const LARGEST_WEIGHT: u32 = 1_000_000;

/// How to reach a provider. Absent or null fields have their defaults.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigInput {
    /// What that vendor's SDK takes: with the version for type `openai`, without it for the others, where it may stand
    /// all the same. By default the vendor's own address; type `azure` has none.
    #[schema(example = "https://api.openai.com/v1")]
    base_url: Option<String>,
    /// The key itself, or where it is found: `env:NAME` or `file:/path`. In a PATCH the mask keeps the one there is.
    #[schema(example = "env:OPENAI_API_KEY")]
    api_key: Option<String>,
    /// Providers of higher priority are tried first; 100 by default.
    priority: Option<i32>,
    /// Its part of the traffic among providers of equal priority, 0 (a spare) to 1000000; 100 by default.
    weight: Option<u32>,
    /// Most requests that a gateway has running at it at a time, at least 1; no limit by default.
    #[schema(minimum = 1)]
    max_concurrent: Option<u32>,
    /// Requests that a gateway may send it in any 60 seconds, at least 1; no limit by default.
    #[schema(minimum = 1)]
    rpm: Option<u64>,
    /// Tokens, in and out, that a gateway may use of it in any 60 seconds, at least 1; no limit by default.
    #[schema(minimum = 1)]
    tpm: Option<u64>,
    /// Added to every request to it; values are given and kept like `api_key`.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// Egress proxy, `http://host:port`.
    proxy: Option<String>,
    /// PEM file of certificate authorities to trust instead of the public ones.
    ca_file: Option<String>,
    /// For types `openai` and `azure`: which of the two APIs for text the server has, `both` (the default, but for Azure's
    /// dated API), `chat` or `responses`.
    #[schema(value_type = Option<String>, example = "both")]
    api: Option<OpenAiApi>,
    /// What becomes of images and files by URL in requests that are translated: `pass` (the default), `fetch`, which the
    /// gateway does from public addresses only, or `refuse`.
    #[schema(value_type = Option<String>, example = "pass")]
    urls: Option<MediaUrls>,
    /// For type `azure`: version of the dated API, whose paths name the deployment; the v1 API if absent.
    #[schema(example = "2024-10-21")]
    api_version: Option<String>,
    /// For type `bedrock`: AWS region.
    #[schema(example = "us-east-1")]
    region: Option<String>,
    /// For type `bedrock`: id of the access key, or where it is found. With a Bedrock API key in `api_key` there is none.
    access_key_id: Option<String>,
    /// For type `bedrock`: the access key's secret, given and kept like `api_key`.
    secret_access_key: Option<String>,
    /// For type `bedrock`: token of temporary credentials, given and kept like `api_key`.
    session_token: Option<String>,
    /// For type `vertex`: the project's id.
    project: Option<String>,
    /// For type `vertex`: a region, `global`, `us` or `eu`.
    #[schema(example = "global")]
    location: Option<String>,
    /// For type `vertex`: the text of the service account's key file (JSON), given and kept like `api_key`.
    #[schema(example = "file:/run/secrets/vertex.json")]
    service_account: Option<String>,
    /// What holds for single models, by the provider's names for them.
    #[schema(value_type = Option<BTreeMap<String, ModelInput>>)]
    models: Option<BTreeMap<String, Option<ModelInput>>>,
}

/// Settings of one model of a provider. Absent or null fields are as the model's name tells, or as for the provider.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelInput {
    /// Limit of output tokens that is sent where the protocol requires one and the client named none.
    max_tokens: Option<u64>,
    /// How it is told to reason: `none`, `effort`, `budget`, `adaptive` or `level`.
    #[schema(value_type = Option<String>, example = "budget")]
    thinking: Option<Thinking>,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    sampling: Option<bool>,
    /// Whether it goes on from a turn of the assistant's.
    prefill: Option<bool>,
    /// As the provider's `api`.
    #[schema(value_type = Option<String>, example = "both")]
    api: Option<OpenAiApi>,
    /// Requests that a gateway may send for it in any 60 seconds, at least 1, beside the provider's limit.
    #[schema(minimum = 1)]
    rpm: Option<u64>,
    /// Tokens that a gateway may use of it in any 60 seconds, at least 1, beside the provider's limit.
    #[schema(minimum = 1)]
    tpm: Option<u64>,
    /// Added to every request for it; they win over the provider's, and their values are given and kept alike.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// Members added to the body of every request for it, unless the request has them.
    extra_body: Option<Map<String, Value>>,
}

/// How a provider is reached; secrets are masked.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ConfigBody {
    /// Null means the vendor's own address.
    base_url: Option<String>,
    /// A reference as it is, or a mask of the key.
    #[schema(example = "****cdef")]
    api_key: Option<String>,
    priority: i32,
    weight: u32,
    /// Null means no limit.
    max_concurrent: Option<u32>,
    /// Requests in any 60 seconds from each gateway; null is no limit.
    rpm: Option<u64>,
    /// Tokens in any 60 seconds from each gateway; null is no limit.
    tpm: Option<u64>,
    /// Names with masked values.
    headers: BTreeMap<String, String>,
    proxy: Option<String>,
    ca_file: Option<String>,
    /// Null means `both`.
    #[schema(value_type = Option<String>)]
    api: Option<OpenAiApi>,
    /// Null means `pass`.
    #[schema(value_type = Option<String>)]
    urls: Option<MediaUrls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// A reference as it is, or a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<String>,
    /// A reference as it is, or a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// A reference as it is, or a mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    /// Only what is set; headers with masked values.
    #[schema(value_type = BTreeMap<String, ModelInput>)]
    models: BTreeMap<String, ProviderModelConfig>,
}

impl ConfigBody {
    pub(crate) fn of(config: &ProviderConfig, secrets: &Secrets) -> Self {
        let shown = |secret: Secret| {
            let stored = secret.of(config)?;
            Some(secret.mask(stored, secrets))
        };
        Self {
            base_url: config.base_url.clone(),
            api_key: shown(Secret::ApiKey),
            priority: config.priority,
            weight: config.weight,
            max_concurrent: config.max_concurrent,
            rpm: config.rpm,
            tpm: config.tpm,
            headers: masked(&config.headers, secrets),
            proxy: config.proxy.clone(),
            ca_file: config.ca_file.clone(),
            api: config.api,
            urls: config.urls,
            api_version: config.api_version.clone(),
            region: config.region.clone(),
            access_key_id: config.access_key_id.clone(),
            secret_access_key: shown(Secret::AccessKey),
            session_token: shown(Secret::SessionToken),
            project: config.project.clone(),
            location: config.location.clone(),
            service_account: shown(Secret::ServiceAccount),
            models: config
                .models
                .iter()
                .map(|(name, model)| {
                    let headers = masked(&model.headers, secrets);
                    let model = ProviderModelConfig {
                        headers,
                        ..model.clone()
                    };
                    (name.clone(), model)
                })
                .collect(),
        }
    }
}

/// The first field by which a change decides where a provider's secrets go or what they are; `None` if there is none.
/// Whoever may set one of them can have the secrets sent to himself, or a file or variable of this machine.
pub(crate) fn sensitive_change(old: &ProviderConfig, new: &ProviderConfig) -> Option<&'static str> {
    let headers_of_models = |config: &ProviderConfig| -> Vec<_> {
        let with_headers = config
            .models
            .iter()
            .filter(|(_, model)| !model.headers.is_empty());
        with_headers
            .map(|(name, model)| (name.clone(), model.headers.clone()))
            .collect()
    };
    let secret = Secret::ALL
        .into_iter()
        .find(|secret| secret.of(old) != secret.of(new))
        .map(|secret| match secret {
            Secret::ApiKey => "config.api_key",
            Secret::AccessKey => "config.secret_access_key",
            Secret::SessionToken => "config.session_token",
            Secret::ServiceAccount => "config.service_account",
        });
    let others = [
        ("config.base_url", old.base_url != new.base_url),
        ("config.region", old.region != new.region),
        ("config.location", old.location != new.location),
        ("config.proxy", old.proxy != new.proxy),
        ("config.ca_file", old.ca_file != new.ca_file),
        ("config.headers", old.headers != new.headers),
        (
            "config.access_key_id",
            old.access_key_id != new.access_key_id,
        ),
        (
            "config.models",
            headers_of_models(old) != headers_of_models(new),
        ),
    ];
    let other = others.into_iter().find(|(_, differs)| *differs);
    secret.or(other.map(|(field, _)| field))
}

impl ConfigInput {
    /// What can be said of its values one by one.
    fn check(&self) -> Result<(), Error> {
        if self.weight.is_some_and(|weight| weight > LARGEST_WEIGHT) {
            return Err(Error::invalid(
                "config.weight",
                format!("must be between 0 and {LARGEST_WEIGHT}"),
            ));
        }
        if self.max_concurrent == Some(0) {
            return Err(Error::invalid(
                "config.max_concurrent",
                "must be at least 1; a provider that gets nothing is switched off by enabled",
            ));
        }
        // It would be stored and shown in clear, and is not sent.
        if self.proxy.as_ref().is_some_and(|proxy| proxy.contains('@')) {
            return Err(Error::invalid(
                "config.proxy",
                "must not hold a user name or password",
            ));
        }
        Ok(())
    }

    /// The configuration to store. `before` is what masks and origins are compared with.
    ///
    /// # Errors
    /// A field cannot be used; the error names it.
    pub(crate) fn resolve(
        self,
        kind: ProviderKind,
        before: Option<&Before>,
        state: &AdminState,
    ) -> Result<ProviderConfig, Error> {
        self.check()?;
        let policy = state.catalog.clients().policy();
        let base_url = self
            .base_url
            .map(|text| {
                BaseUrl::parse(&text, policy)
                    .map(|url| url.as_str().to_owned())
                    .map_err(|error| Error::invalid("config.base_url", error.to_string()))
            })
            .transpose()?;
        let has_moved =
            before.is_some_and(|before| before.is_elsewhere(kind, base_url.as_deref(), policy));
        let defaults = ProviderConfig::default();
        let secrets = state.catalog.secrets();
        let stored = |secret: Secret, given: Option<String>| {
            given
                .map(|given| keep(secret, given.trim(), before, has_moved, secrets))
                .transpose()
        };
        Ok(ProviderConfig {
            base_url,
            api_key: stored(Secret::ApiKey, self.api_key)?,
            priority: self.priority.unwrap_or(defaults.priority),
            weight: self.weight.unwrap_or(defaults.weight),
            max_concurrent: self.max_concurrent,
            rpm: self.rpm,
            tpm: self.tpm,
            headers: headers(
                "config.headers",
                self.headers.unwrap_or_default(),
                before.map(|before| (before, &before.config.headers)),
                has_moved,
                secrets,
            )?,
            proxy: self.proxy,
            ca_file: self.ca_file,
            api: self.api,
            urls: self.urls,
            api_version: self.api_version,
            region: self.region,
            access_key_id: self.access_key_id,
            secret_access_key: stored(Secret::AccessKey, self.secret_access_key)?,
            session_token: stored(Secret::SessionToken, self.session_token)?,
            project: self.project,
            location: self.location,
            service_account: stored(Secret::ServiceAccount, self.service_account)?,
            models: models(self.models.unwrap_or_default(), before, has_moved, secrets)?,
        })
    }
}

fn models(
    given: BTreeMap<String, Option<ModelInput>>,
    before: Option<&Before>,
    has_moved: bool,
    secrets: &Secrets,
) -> Result<BTreeMap<String, ProviderModelConfig>, Error> {
    let mut models = BTreeMap::new();
    for (name, model) in given {
        let Some(model) = model else { continue };
        let stored = before.and_then(|before| {
            let model = before.config.models.get(&name)?;
            Some((before, &model.headers))
        });
        let place = format!("config.models.{name}.headers");
        let given = model.headers.unwrap_or_default();
        let headers = headers(&place, given, stored, has_moved, secrets)?;
        let model = ProviderModelConfig {
            max_tokens: model.max_tokens,
            thinking: model.thinking,
            sampling: model.sampling,
            prefill: model.prefill,
            api: model.api,
            rpm: model.rpm,
            tpm: model.tpm,
            headers,
            extra_body: model.extra_body.unwrap_or_default(),
        };
        models.insert(name, model);
    }
    Ok(models)
}

/// Makes sure that a provider of this configuration could be called.
pub(crate) fn check(
    id: i64,
    name: &str,
    kind: ProviderKind,
    config: &ProviderConfig,
    state: &AdminState,
) -> Result<(), Error> {
    callable(id, name, kind, config, state).map_err(refusal)
}

/// Whether a provider of this configuration could be called from here.
pub(crate) fn callable(
    id: i64,
    name: &str,
    kind: ProviderKind,
    config: &ProviderConfig,
    state: &AdminState,
) -> Result<(), ProviderError> {
    let (secrets, clients) = (state.catalog.secrets(), state.catalog.clients());
    Provider::new(ProviderId(id), name.into(), kind, config, secrets, clients).map(drop)
}

/// The error that names the field at fault.
pub(crate) fn refusal(error: ProviderError) -> Error {
    match error {
        ProviderError::Header(name) => {
            Error::invalid(format!("config.headers.{name}"), "cannot be sent")
        }
        ProviderError::BaseUrl(reason) => Error::invalid("config.base_url", reason.to_string()),
        ProviderError::Field { field, reason } => Error::invalid(field, reason),
        ProviderError::Secret { field, source } => Error::invalid(field, source.to_string()),
        ProviderError::Key(reason) => Error::invalid("config.api_key", reason.to_string()),
        ProviderError::KeyCharacters => Error::invalid(
            "config.api_key",
            "holds characters that cannot be sent in a header",
        ),
        other => Error::invalid(other.field(), other.to_string()),
    }
}
