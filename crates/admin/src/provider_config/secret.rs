//! The fields that are secret, and what is seen of them.

use std::collections::BTreeMap;

use catalog::{Secrets, mask};
use entities::ProviderConfig;
use serde_json::Value;

/// What masks begin with; nothing that is stored does.
pub(crate) const STARS: &str = "****";

/// The fields that are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    ApiKey,
    AccessKey,
    SessionToken,
    ServiceAccount,
}

impl Secret {
    pub(super) const ALL: [Self; 4] = [
        Self::ApiKey,
        Self::AccessKey,
        Self::SessionToken,
        Self::ServiceAccount,
    ];

    pub(super) fn name(self) -> &'static str {
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

    pub(super) fn of(self, config: &ProviderConfig) -> Option<&str> {
        match self {
            Self::ApiKey => config.api_key.as_deref(),
            Self::AccessKey => config.secret_access_key.as_deref(),
            Self::SessionToken => config.session_token.as_deref(),
            Self::ServiceAccount => config.service_account.as_deref(),
        }
    }

    pub(super) fn mask(self, stored: &str, secrets: &Secrets) -> String {
        // A reference is shown as it is; following it for that would read a file per provider in a list. The end of a key
        // file tells nothing.
        let is_shown = !is_reference(stored) && self != Self::ServiceAccount;
        let opened = is_shown.then(|| secrets.open(stored).ok()).flatten();
        mask(stored, opened.as_ref())
    }
}

pub(super) fn masked(
    headers: &BTreeMap<String, String>,
    secrets: &Secrets,
) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, stored)| (name.clone(), mask_header(stored, secrets)))
        .collect()
}

pub(super) fn mask_header(stored: &str, secrets: &Secrets) -> String {
    let opened = (!is_reference(stored)).then(|| secrets.open_header(stored).ok());
    mask(stored, opened.flatten().as_ref())
}

pub(super) fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// Why a text is no reference although it looks like one.
pub(super) fn broken_reference(text: &str) -> Option<&'static str> {
    match text.strip_prefix("file:") {
        Some(path) if !path.starts_with('/') => Some("must name a file by its absolute path"),
        None if text == "env:" => Some("names no environment variable"),
        _ => None,
    }
}
