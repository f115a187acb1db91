//! Secrets in documents, sealed under a passphrase.
//!
//! A sealed secret is `passphrase:v1:<salt>:<nonce and ciphertext>`, both in base64: AES-256-GCM under a key that Argon2id
//! derives from the passphrase and the salt, with 19 MiB and two passes, as OWASP advises. A document has one salt.

use std::{collections::HashMap, fmt};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Document;
use crate::error::Error;

/// What sealed secrets begin with.
const MARK: &str = "passphrase:v1:";

const SALT_BYTES: usize = 16;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Each salt costs a derivation; a document that was put together of some exports is still read.
const MOST_SALTS: usize = 8;

/// Shortest passphrase that secrets are sealed under, in characters.
const SHORTEST: usize = 12;

/// What secrets are sealed under.
#[derive(Debug, Clone)]
pub(crate) struct Passphrase(pub(crate) SecretString);

/// Seals the secrets of one document.
pub(crate) struct Sealer {
    key: RandomizedNonceKey,
    salt: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// A sealer with a salt of its own. It works for a while: call it where blocking is allowed.
pub(crate) fn sealer(passphrase: &Passphrase) -> Result<Sealer, Error> {
    if passphrase.0.expose_secret().chars().count() < SHORTEST {
        let reason = format!("must have at least {SHORTEST} characters");
        return Err(Error::invalid("x-gateway-passphrase", reason));
    }
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| Error::Internal("the random number generator failed"))?;
    Ok(Sealer {
        key: key(passphrase, &salt)?,
        salt: STANDARD.encode(salt),
    })
}

impl Sealer {
    pub(crate) fn seal(&self, secret: &str) -> Result<String, Error> {
        let mut text = secret.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(MARK.as_bytes()), &mut text)
            .map_err(|_| Error::Internal("sealing failed"))?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut text);
        Ok(format!("{MARK}{}:{}", self.salt, STANDARD.encode(bytes)))
    }
}

/// Opens every sealed secret of a document. It works for a while: call it where blocking is allowed.
pub(crate) fn open(document: &mut Document, passphrase: Option<&Passphrase>) -> Result<(), Error> {
    let mut keys = HashMap::new();
    let mut faults = Vec::new();
    for entry in document.entries_mut() {
        for (field, value) in &mut entry.fields {
            open_within(field, value, &mut |field, text| {
                opened(text, passphrase, &mut keys).map_err(|reason| {
                    faults.push(entry.place.fault(field, reason));
                })
            });
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Document(faults))
    }
}

fn open_within(
    field: &str,
    value: &mut Value,
    open: &mut impl FnMut(&str, &str) -> Result<String, ()>,
) {
    match value {
        Value::String(text) if text.starts_with(MARK) => {
            if let Ok(opened) = open(field, text) {
                *text = opened;
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                open_within(&format!("{field}.{name}"), value, open);
            }
        }
        _ => {}
    }
}

fn opened(
    sealed: &str,
    passphrase: Option<&Passphrase>,
    keys: &mut HashMap<String, RandomizedNonceKey>,
) -> Result<String, String> {
    const DAMAGED: &str = "is damaged, or sealed under another passphrase";
    let Some(passphrase) = passphrase else {
        return Err("is sealed under a passphrase, which was not given".to_owned());
    };
    let damaged = || DAMAGED.to_owned();
    let rest = sealed.strip_prefix(MARK).ok_or_else(damaged)?;
    let (salt, text) = rest.split_once(':').ok_or_else(damaged)?;
    if !keys.contains_key(salt) {
        if keys.len() == MOST_SALTS {
            return Err("is of one export too many in the same document".to_owned());
        }
        let bytes = STANDARD.decode(salt).map_err(|_| DAMAGED)?;
        if bytes.len() != SALT_BYTES {
            return Err(damaged());
        }
        let key = key(passphrase, &bytes).map_err(|error| error.to_string())?;
        keys.insert(salt.to_owned(), key);
    }
    let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| DAMAGED)?);
    let (nonce, ciphertext) = bytes.split_at_mut_checked(12).ok_or_else(damaged)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| DAMAGED)?;
    let plain = keys
        .get(salt)
        .ok_or_else(damaged)?
        .open_in_place(nonce, Aad::from(MARK.as_bytes()), ciphertext)
        .map_err(|_| DAMAGED)?;
    str::from_utf8(plain)
        .map(str::to_owned)
        .map_err(|_| damaged())
}

fn key(passphrase: &Passphrase, salt: &[u8]) -> Result<RandomizedNonceKey, Error> {
    let failed = |_| Error::Internal("a key could not be derived");
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(failed)?;
    let mut bytes = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(
            passphrase.0.expose_secret().as_bytes(),
            salt,
            bytes.as_mut_slice(),
        )
        .map_err(failed)?;
    RandomizedNonceKey::new(&AES_256_GCM, &*bytes)
        .map_err(|_| Error::Internal("a key could not be made"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::{Kind, text::from_value};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase(text.into())
    }

    fn document(secret: &str) -> Document {
        let provider = json!({"name": "p", "config": {"api_key": secret}});
        from_value(json!({"providers": [provider]})).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_under_its_passphrase_only() {
        let words = passphrase("correct horse battery");
        let sealed = sealer(&words).unwrap().seal("sk-secret").unwrap();
        assert!(!sealed.contains("secret"));
        let mut right = document(&sealed);
        open(&mut right, Some(&words)).unwrap();
        let provider = &right.section(Kind::Provider).unwrap()[0];
        assert_eq!(provider.fields["config"]["api_key"], "sk-secret");
        for wrong in [None, Some(&passphrase("another horse battery"))] {
            match open(&mut document(&sealed), wrong) {
                Err(Error::Document(faults)) => {
                    let told = serde_json::to_value(&faults).unwrap();
                    assert_eq!(told[0]["path"], "providers[0].config.api_key");
                }
                other => panic!("{other:?}"),
            }
        }
        let cut = &sealed[..sealed.len() - 8];
        for damaged in [cut, "passphrase:v1:", "passphrase:v1:AA==:AA=="] {
            assert!(
                open(&mut document(damaged), Some(&words)).is_err(),
                "{damaged}"
            );
        }
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        assert!(sealer(&passphrase("short")).is_err());
    }
}
