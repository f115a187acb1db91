//! What a change keeps of the secrets that were there, which come back as the masks they were shown as.

use std::collections::BTreeMap;

use catalog::{ProviderKind, Secrets};
use entities::ProviderConfig;
use serde_json::Value;
use upstream::{BaseUrl, NetworkPolicy};

use super::secret::{STARS, Secret, broken_reference, is_reference, mask_header};
use crate::error::Error;

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

    /// Whether a provider of this type and address is another server than before.
    pub(super) fn is_elsewhere(
        &self,
        kind: ProviderKind,
        base_url: Option<&str>,
        policy: NetworkPolicy,
    ) -> bool {
        let origin = |kind: ProviderKind, url: Option<&str>| {
            // Without an address of its own a cloud vendor's type is at that vendor's, whatever the region.
            let Some(url) = url.or_else(|| kind.default_base_url()) else {
                return Some(kind.name().to_owned());
            };
            BaseUrl::parse(url, policy).map(|url| url.origin()).ok()
        };
        origin(kind, base_url) != origin(self.kind, self.config.base_url.as_deref())
    }
}

/// The form in which a secret is stored.
pub(super) fn keep(
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

/// The headers to store, of those `given` at `place`; `before` has those whose masks keep them.
pub(super) fn headers(
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
