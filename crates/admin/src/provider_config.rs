//! A provider's configuration as operators write and see it: secrets go in as they are and come back as masks.

use std::collections::BTreeMap;

use catalog::{Provider, ProviderError, ProviderKind, Secrets, mask};
use entities::{MediaUrls, OpenAiApi, ProviderConfig, ProviderModelConfig, Thinking};
use router::ProviderId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use upstream::BaseUrl;
use utoipa::ToSchema;

use crate::{AdminState, error::Error};

/// What masks begin with; nothing that is stored does.
pub(crate) const STARS: &str = "****";

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

/// The fields that are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    ApiKey,
    AccessKey,
    SessionToken,
    ServiceAccount,
}

impl Secret {
    const ALL: [Self; 4] = [
        Self::ApiKey,
        Self::AccessKey,
        Self::SessionToken,
        Self::ServiceAccount,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccessKey => "secret_access_key",
            Self::SessionToken => "session_token",
            Self::ServiceAccount => "service_account",
        }
    }

    /// Those that `patch`, the configuration of a PATCH, gives as references.
    pub(crate) fn given_in(patch: Option<&Value>) -> Vec<Self> {
        let is_given = |secret: &Self| {
            let value = patch.and_then(|patch| patch.get(secret.name()));
            value.and_then(Value::as_str).is_some_and(is_reference)
        };
        Self::ALL.into_iter().filter(is_given).collect()
    }

    fn of(self, config: &ProviderConfig) -> Option<&str> {
        match self {
            Self::ApiKey => config.api_key.as_deref(),
            Self::AccessKey => config.secret_access_key.as_deref(),
            Self::SessionToken => config.session_token.as_deref(),
            Self::ServiceAccount => config.service_account.as_deref(),
        }
    }

    fn mask(self, stored: &str, secrets: &Secrets) -> String {
        // A reference is shown as it is; following it for that would read a file per provider in a list. The end of a key
        // file tells nothing.
        let is_shown = !is_reference(stored) && self != Self::ServiceAccount;
        let opened = is_shown.then(|| secrets.open(stored).ok()).flatten();
        mask(stored, opened.as_ref())
    }
}

fn masked(headers: &BTreeMap<String, String>, secrets: &Secrets) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, stored)| (name.clone(), mask_header(stored, secrets)))
        .collect()
}

fn mask_header(stored: &str, secrets: &Secrets) -> String {
    let opened = (!is_reference(stored)).then(|| secrets.open_header(stored).ok());
    mask(stored, opened.flatten().as_ref())
}

fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
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

/// What a change of configuration starts from.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) kind: ProviderKind,
    pub(crate) config: ProviderConfig,
    /// Secrets that the PATCH itself gives as references, if only as the same again.
    pub(crate) given: Vec<Secret>,
    /// Headers that it gives so, by their place, as `config.headers.x-key`.
    pub(crate) given_headers: Vec<String>,
}

impl Before {
    /// The headers that `patch`, the configuration of a PATCH, gives as references.
    pub(crate) fn headers_given_in(patch: Option<&Value>) -> Vec<String> {
        let mut given = Vec::new();
        let mut find = |settings: &Value, place: &str| {
            let headers = settings.get("headers").and_then(Value::as_object);
            for (name, value) in headers.into_iter().flatten() {
                if value.as_str().is_some_and(is_reference) {
                    given.push(format!("{place}.headers.{name}"));
                }
            }
        };
        let Some(patch) = patch else {
            return Vec::new();
        };
        find(patch, "config");
        let models = patch.get("models").and_then(Value::as_object);
        for (name, model) in models.into_iter().flatten() {
            find(model, &format!("config.models.{name}"));
        }
        given
    }
}

impl ConfigInput {
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
        let base_url = self
            .base_url
            .map(|text| {
                BaseUrl::parse(&text, state.catalog.clients().policy())
                    .map(|url| url.as_str().to_owned())
                    .map_err(|error| Error::invalid("config.base_url", error.to_string()))
            })
            .transpose()?;
        let has_moved = before.is_some_and(|before| {
            let policy = state.catalog.clients().policy();
            let origin = |kind: ProviderKind, url: Option<&str>| {
                // Without an address of its own a cloud vendor's type is at that vendor's, whatever the region.
                let Some(url) = url.or_else(|| kind.default_base_url()) else {
                    return Some(kind.name().to_owned());
                };
                BaseUrl::parse(url, policy).map(|url| url.origin()).ok()
            };
            origin(kind, base_url.as_deref())
                != origin(before.kind, before.config.base_url.as_deref())
        });
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

/// The form in which a secret is stored.
fn keep(
    secret: Secret,
    given: &str,
    before: Option<&Before>,
    has_moved: bool,
    secrets: &Secrets,
) -> Result<String, Error> {
    let invalid = |reason: &str| {
        let field = format!("config.{}", secret.name());
        Err(Error::invalid(field, reason))
    };
    if let Some(before) = before.filter(|before| !before.given.contains(&secret))
        && let Some(stored) = secret.of(&before.config)
        && secret.mask(stored, secrets) == given
    {
        if has_moved {
            return invalid(
                "must be given anew with a base_url of another origin, as keys are not sent to other servers",
            );
        }
        return Ok(stored.to_owned());
    }
    match given {
        "" => invalid("must not be empty; leave it out for a provider without a key"),
        _ if given.starts_with(STARS) => invalid("is a mask, not a key"),
        _ if given.starts_with("plain:") || given.starts_with("sealed:") => {
            invalid("must be the key itself, env:NAME or file:/path")
        }
        _ => match broken_reference(given) {
            Some(reason) => invalid(reason),
            None => secrets
                .store(given)
                .map_err(|_| Error::Internal("sealing failed")),
        },
    }
}

/// Why a text is no reference although it looks like one.
fn broken_reference(text: &str) -> Option<&'static str> {
    match text.strip_prefix("file:") {
        Some(path) if !path.starts_with('/') => Some("must name a file by its absolute path"),
        None if text == "env:" => Some("names no environment variable"),
        _ => None,
    }
}

/// The headers to store, of those `given` at `place`; `before` has those whose masks keep them.
fn headers(
    place: &str,
    given: BTreeMap<String, Option<String>>,
    before: Option<(&Before, &BTreeMap<String, String>)>,
    has_moved: bool,
    secrets: &Secrets,
) -> Result<BTreeMap<String, String>, Error> {
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let Some(value) = value else { continue };
        let field = format!("{place}.{name}");
        let stored = before
            .filter(|(before, _)| !before.given_headers.contains(&field))
            .and_then(|(_, headers)| headers.get(&name))
            .filter(|stored| mask_header(stored, secrets) == value);
        let refused = |reason: &str| Error::invalid(field.clone(), reason);
        let value = match stored {
            Some(_) if has_moved => {
                return Err(refused(
                    "must be given anew with a base_url of another origin, as headers may hold secrets",
                ));
            }
            Some(stored) => stored.clone(),
            None if value.starts_with(STARS) => return Err(refused("is a mask, not a value")),
            None => match broken_reference(&value) {
                Some(reason) => return Err(refused(reason)),
                None => secrets
                    .store(&value)
                    .map_err(|_| Error::Internal("sealing failed"))?,
            },
        };
        headers.insert(name, value);
    }
    Ok(headers)
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
