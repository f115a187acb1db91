//! A provider's configuration as operators write and see it: secrets go in as they are and come back as masks.

use std::collections::BTreeMap;

use catalog::{Provider, ProviderError, ProviderKind, Secrets, mask};
use entities::ProviderConfig;
use router::ProviderId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use upstream::BaseUrl;
use utoipa::ToSchema;

use crate::{AdminState, error::Error};

/// What masks begin with; nothing that is stored does.
const STARS: &str = "****";

const LARGEST_WEIGHT: u32 = 1_000_000;

/// How to reach a provider. Absent or null fields have their defaults.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigInput {
    /// What that vendor's SDK takes, with the version; by default the vendor's own address.
    #[schema(example = "https://api.openai.com/v1")]
    base_url: Option<String>,
    /// The key itself, or where it is found: `env:NAME` or `file:/path`. In a PATCH the mask keeps the one there is.
    #[schema(example = "env:OPENAI_API_KEY")]
    api_key: Option<String>,
    /// Providers of higher priority are tried first; 100 by default.
    priority: Option<i32>,
    /// Its part of the traffic among providers of equal priority, 0 (a spare) to 1000000; 100 by default.
    weight: Option<u32>,
    /// Added to every request to it. In a PATCH a mask keeps the value there is.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// Egress proxy, `http://host:port`.
    proxy: Option<String>,
    /// PEM file of certificate authorities to trust instead of the public ones.
    ca_file: Option<String>,
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
    /// Names with masked values.
    headers: BTreeMap<String, String>,
    proxy: Option<String>,
    ca_file: Option<String>,
}

impl ConfigBody {
    pub(crate) fn of(config: &ProviderConfig, secrets: &Secrets) -> Self {
        Self {
            base_url: config.base_url.clone(),
            api_key: config
                .api_key
                .as_deref()
                .map(|stored| mask_key(stored, secrets)),
            priority: config.priority,
            weight: config.weight,
            headers: config
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), mask_header(value)))
                .collect(),
            proxy: config.proxy.clone(),
            ca_file: config.ca_file.clone(),
        }
    }
}

fn mask_key(stored: &str, secrets: &Secrets) -> String {
    // A reference is shown as it is; following it for that would read a file per provider in a list.
    let opened = (!is_reference(stored))
        .then(|| secrets.open(stored).ok())
        .flatten();
    mask(stored, opened.as_ref())
}

fn mask_header(value: &str) -> String {
    mask("", Some(&SecretString::from(value)))
}

fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// What a change of configuration starts from.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) kind: ProviderKind,
    pub(crate) config: ProviderConfig,
    /// The PATCH itself names a key that is not a mask, if only the same reference again.
    pub(crate) key_is_given: bool,
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
                BaseUrl::parse(url.unwrap_or(kind.default_base_url()), policy)
                    .map(|url| url.origin())
                    .ok()
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
        // It would be stored and shown in clear, and is not sent.
        if self.proxy.as_ref().is_some_and(|proxy| proxy.contains('@')) {
            return Err(Error::invalid(
                "config.proxy",
                "must not hold a user name or password",
            ));
        }
        let defaults = ProviderConfig::default();
        Ok(ProviderConfig {
            base_url,
            api_key: self
                .api_key
                .map(|given| key(given.trim(), before, has_moved, state.catalog.secrets()))
                .transpose()?,
            priority: self.priority.unwrap_or(defaults.priority),
            weight: self.weight.unwrap_or(defaults.weight),
            headers: headers(self.headers.unwrap_or_default(), before, has_moved)?,
            proxy: self.proxy,
            ca_file: self.ca_file,
        })
    }
}

/// The form in which a key is stored.
fn key(
    given: &str,
    before: Option<&Before>,
    has_moved: bool,
    secrets: &Secrets,
) -> Result<String, Error> {
    let invalid = |reason: &str| Err(Error::invalid("config.api_key", reason));
    if let Some(before) = before.filter(|before| !before.key_is_given)
        && let Some(stored) = &before.config.api_key
        && mask_key(stored, secrets) == given
    {
        if has_moved {
            return invalid(
                "must be given anew with a base_url of another origin, as keys are not sent to other servers",
            );
        }
        return Ok(stored.clone());
    }
    match given {
        "" => invalid("must not be empty; leave it out for a provider without a key"),
        _ if given.starts_with(STARS) => invalid("is a mask, not a key"),
        _ if given.starts_with("plain:") || given.starts_with("sealed:") => {
            invalid("must be the key itself, env:NAME or file:/path")
        }
        "env:" => invalid("names no environment variable"),
        _ if given
            .strip_prefix("file:")
            .is_some_and(|path| !path.starts_with('/')) =>
        {
            invalid("must name a file by its absolute path")
        }
        _ => secrets
            .store(given)
            .map_err(|_| Error::Internal("sealing failed")),
    }
}

fn headers(
    given: BTreeMap<String, Option<String>>,
    before: Option<&Before>,
    has_moved: bool,
) -> Result<BTreeMap<String, String>, Error> {
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let Some(value) = value else { continue };
        let stored = before
            .and_then(|before| before.config.headers.get(&name))
            .filter(|stored| mask_header(stored) == value);
        let refused = |reason: &str| Error::invalid(format!("config.headers.{name}"), reason);
        let value = match stored {
            Some(_) if has_moved => {
                return Err(refused(
                    "must be given anew with a base_url of another origin, as headers may hold secrets",
                ));
            }
            Some(stored) => stored.clone(),
            None if value.starts_with(STARS) => return Err(refused("is a mask, not a value")),
            None => value,
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
    let (secrets, clients) = (state.catalog.secrets(), state.catalog.clients());
    Provider::new(ProviderId(id), name.into(), kind, config, secrets, clients)
        .map(drop)
        .map_err(|error| match error {
            ProviderError::Header(name) => {
                Error::invalid(format!("config.headers.{name}"), "cannot be sent")
            }
            ProviderError::BaseUrl(reason) => Error::invalid("config.base_url", reason.to_string()),
            ProviderError::Key(reason) => Error::invalid("config.api_key", reason.to_string()),
            ProviderError::KeyCharacters => Error::invalid(
                "config.api_key",
                "holds characters that cannot be sent in a header",
            ),
            other => Error::invalid(other.field(), other.to_string()),
        })
}
