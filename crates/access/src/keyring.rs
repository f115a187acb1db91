//! All keys that are accepted, by hash.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{ClientKey, KeyHash};

/// Why a caller is turned away. The client is told no more than "missing" or "invalid": which of the rest it was goes to
/// the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No key came with the request.
    #[error("no API key was sent")]
    Missing,
    /// No such key.
    #[error("the API key is unknown")]
    Unknown,
    /// It was switched off.
    #[error("the API key is disabled")]
    Disabled,
    /// Its time is over.
    #[error("the API key has expired")]
    Expired,
}

/// The keys of one configuration; replaced whole when it changes.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: HashMap<KeyHash, Arc<ClientKey>, foldhash::fast::RandomState>,
}

impl Keyring {
    /// A ring of the given keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, ClientKey)>) -> Self {
        Self {
            keys: keys
                .into_iter()
                .map(|(hash, key)| (hash, Arc::new(key)))
                .collect(),
        }
    }

    /// Whose key has this hash, in force or not.
    #[must_use]
    pub fn holder(&self, hash: KeyHash) -> Option<&ClientKey> {
        self.keys.get(&hash).map(|key| &**key)
    }

    /// All keys, those that are not accepted at present too; one that is known by two hashes comes twice.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ClientKey>> {
        self.keys.values()
    }

    /// Finds who offers this key at `now`.
    ///
    /// # Errors
    /// The key is missing, unknown, disabled or expired.
    pub fn authenticate(
        &self,
        offered: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<&Arc<ClientKey>, Denied> {
        let offered = offered
            .filter(|key| !key.is_empty())
            .ok_or(Denied::Missing)?;
        let key = self
            .keys
            .get(&KeyHash::of(offered))
            .ok_or(Denied::Unknown)?;
        if !key.enabled {
            return Err(Denied::Disabled);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Denied::Expired);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_enabled_unexpired_key_passes() {
        let now = Utc::now();
        let key = |change: fn(&mut ClientKey, DateTime<Utc>)| {
            let mut key = ClientKey::named("k");
            change(&mut key, now);
            key
        };
        let ring = Keyring::new([
            (KeyHash::of("good"), key(|_, _| {})),
            (KeyHash::of("off"), key(|key, _| key.enabled = false)),
            (
                KeyHash::of("old"),
                key(|key, now| key.expires_at = Some(now)),
            ),
            (
                KeyHash::of("young"),
                key(|key, now| key.expires_at = Some(now + chrono::TimeDelta::seconds(1))),
            ),
        ]);
        let verdict = |offered| {
            ring.authenticate(offered, now)
                .map(|key| key.name.to_string())
        };
        assert_eq!(verdict(Some("good")), Ok("k".into()));
        assert_eq!(verdict(Some("young")), Ok("k".into()));
        assert_eq!(verdict(None), Err(Denied::Missing));
        assert_eq!(verdict(Some("")), Err(Denied::Missing));
        assert_eq!(verdict(Some("bad")), Err(Denied::Unknown));
        assert_eq!(verdict(Some("off")), Err(Denied::Disabled));
        assert_eq!(verdict(Some("old")), Err(Denied::Expired));
    }
}
