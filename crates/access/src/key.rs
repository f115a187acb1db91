//! One client key, and how a new one is made.

use std::{collections::HashSet, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use guards::Guards;
use secrecy::SecretString;

use crate::{Names, budget::Budget, limit::Limits};

/// What every key made here starts with, so that people and secret scanners recognise one.
const PREFIX: &str = "sk-lo-";

/// The same of a key of the admin API, so that people do not take one for the other.
const ADMIN_PREFIX: &str = "lo-admin-";

/// How much of a key, after what they all start with, is kept in clear to recognise it by.
const SHOWN: usize = 6;

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system's random generator failed.
    #[error("the random number generator failed")]
    Random,
}

/// BLAKE3 of a key's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(blake3::Hash);

impl KeyHash {
    /// Hashes an offered key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(blake3::hash(key.as_bytes()))
    }

    /// Reads the 64 hexadecimal digits that [`Self::to_hex`] writes.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(Self)
    }

    /// As stored.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.to_hex().to_string()
    }
}

/// A key just made; the only time its text is known.
#[derive(Debug)]
pub struct NewKey {
    /// The key, to be shown once.
    pub secret: SecretString,
    /// What is stored.
    pub hash: KeyHash,
    /// Its first characters, to recognise it by.
    pub shown: String,
}

impl NewKey {
    /// Makes a client key of 256 random bits.
    ///
    /// # Errors
    /// The system's random generator failed.
    pub fn generate() -> Result<Self, Error> {
        Self::starting_with(PREFIX)
    }

    /// Makes a key of the admin API, of as many.
    ///
    /// # Errors
    /// The system's random generator failed.
    pub fn generate_for_admin() -> Result<Self, Error> {
        Self::starting_with(ADMIN_PREFIX)
    }

    fn starting_with(prefix: &str) -> Result<Self, Error> {
        let mut bits = [0; 32];
        aws_lc_rs::rand::fill(&mut bits).map_err(|_| Error::Random)?;
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits));
        Ok(Self {
            hash: KeyHash::of(&text),
            shown: text[..prefix.len() + SHOWN].to_owned(),
            secret: text.into(),
        })
    }
}

/// What a key's holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its row; none for a key that the settings carry.
    pub id: Option<i64>,
    /// Its name, which stands for it in logs.
    pub name: Arc<str>,
    /// Whether it is accepted at all.
    pub enabled: bool,
    /// When it stops being accepted.
    pub expires_at: Option<DateTime<Utc>>,
    /// Models it may ask for; `None` allows all.
    pub allowed_models: Option<Names>,
    /// Names of the providers that may serve it; `None` allows all.
    pub allowed_providers: Option<HashSet<String>>,
    /// How much it may spend; `None` does not limit it.
    pub budget: Option<Budget>,
    /// How much it may ask for in how much time; `None` does not limit it.
    pub limits: Option<Limits>,
    /// What its requests and their answers may say; `None` guards nothing.
    pub guards: Option<Arc<Guards>>,
    /// Whether bodies of its requests are recorded.
    pub record_bodies: bool,
}

impl ClientKey {
    /// An enabled key without restrictions.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            id: None,
            name: name.into(),
            enabled: true,
            expires_at: None,
            allowed_models: None,
            allowed_providers: None,
            budget: None,
            limits: None,
            guards: None,
            record_bodies: false,
        }
    }

    /// A key that the settings carry instead of the database: its hash, and a name made of it.
    #[must_use]
    pub fn fixed(secret: &str) -> (KeyHash, Self) {
        let hash = KeyHash::of(secret);
        (hash, Self::named(format!("env-{}", &hash.to_hex()[..8])))
    }

    /// Whether it may ask for `model`.
    #[must_use]
    pub fn may_use_model(&self, model: &str) -> bool {
        self.allowed_models
            .as_ref()
            .is_none_or(|models| models.include(model))
    }

    /// Whether the provider called `name` may serve it.
    #[must_use]
    pub fn may_use_provider(&self, name: &str) -> bool {
        self.allowed_providers
            .as_ref()
            .is_none_or(|providers| providers.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_new_key_is_recognisable_unique_and_known_by_its_hash() {
        let makers = [
            (NewKey::generate as fn() -> _, "sk-lo-"),
            (NewKey::generate_for_admin, "lo-admin-"),
        ];
        for (make, prefix) in makers {
            let (one, two): (NewKey, NewKey) = (make().unwrap(), make().unwrap());
            let text = one.secret.expose_secret();
            assert!(text.starts_with(prefix) && text.starts_with(&one.shown));
            assert_eq!(text.len(), prefix.len() + 43);
            assert!(one.shown.len() <= 16, "fits its column");
            assert_eq!(
                KeyHash::from_hex(&one.hash.to_hex()),
                Some(KeyHash::of(text))
            );
            assert_ne!(one.hash, two.hash);
            assert!(!format!("{one:?}").contains(&text[one.shown.len()..]));
        }
    }

    #[test]
    fn a_fixed_key_is_named_after_its_hash() {
        let (hash, key) = ClientKey::fixed("secret");
        assert_eq!(&*key.name, format!("env-{}", &hash.to_hex()[..8]));
    }
}
