//! Secrets at rest: sealed, referred to, or plain.
//!
//! A stored secret is `sealed:v1:<key id>:<base64 of nonce and ciphertext>` (AES-256-GCM under a key that HKDF-SHA-256
//! derives from the operator's secret key), `env:NAME`, `file:/path`, or `plain:<text>`. The value of a header may also
//! stand for itself, where it was written past the admin API.

use std::{env, fmt, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hkdf,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use upstream::read_small_file;
use zeroize::Zeroizing;

/// What the sealing key is for; part of its derivation.
const PURPOSE: &[u8] = b"llm-orchestrator provider secrets v1";

/// What sealed secrets begin with.
const SEALED: &str = "sealed:v1:";

/// Settings that are secret. Who may name a provider's key must not learn them by having it sent to a provider.
const OWN_SETTINGS: [&str; 9] = [
    "DATABASE_URL",
    "REDIS_URL",
    "GATEWAY_ADMIN_KEY",
    "GATEWAY_API_KEYS",
    "GATEWAY_SECRET_KEY",
    "GATEWAY_SECRET_KEY_PREVIOUS",
    "GATEWAY_ALERT_URLS",
    "GATEWAY_ALERT_SECRET",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// Shortest secret key accepted, in characters.
const SHORTEST_SECRET_KEY: usize = 16;

/// Why a secret cannot be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret key is too short to protect anything.
    #[error("the secret key must have at least {SHORTEST_SECRET_KEY} characters")]
    ShortKey,
    /// Sealed, and there is no secret key.
    #[error("it is sealed, and no secret key is set")]
    NoSecretKey,
    /// Sealed with another secret key.
    #[error("it is sealed with another secret key (key id {0})")]
    OtherSecretKey(String),
    /// Damaged, or in a form that is not known.
    #[error("its stored form is damaged or unknown")]
    Damaged,
    /// The environment variable is not set, or is not text.
    #[error("the environment variable {0} is not set")]
    MissingVariable(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {reason}")]
    MissingFile {
        /// Its path.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The variable or the file has nothing in it.
    #[error("{0} is empty")]
    Empty(String),
    /// It refers to a setting of the gateway's own, which no provider is to get.
    #[error("{0} is a secret of the gateway's own")]
    OwnSetting(String),
    /// The cipher failed, which it does not for texts of this size.
    #[error("sealing failed")]
    Cipher,
}

impl SecretError {
    /// Whether only the operator's secret key can mend it, so that starting without would lose access for good.
    #[must_use]
    pub fn is_about_the_secret_key(&self) -> bool {
        matches!(self, Self::NoSecretKey | Self::OtherSecretKey(_))
    }
}

/// Seals and opens secrets.
pub struct Secrets {
    sealing: Option<Sealing>,
    /// Opens what was sealed before the key was changed.
    previous: Option<Sealing>,
}

struct Sealing {
    key: RandomizedNonceKey,
    id: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secrets")
            .field("key_id", &self.sealing.as_ref().map(|sealing| &sealing.id))
            .finish()
    }
}

impl Secrets {
    /// Seals under `secret_key`; without one, new secrets are kept plain.
    ///
    /// # Errors
    /// The key is too short.
    pub fn new(secret_key: Option<&SecretString>) -> Result<Self, SecretError> {
        let sealing = secret_key.map(Sealing::derive).transpose()?;
        Ok(Self {
            sealing,
            previous: None,
        })
    }

    /// The same, which also opens what is sealed under the key that was in force before.
    ///
    /// # Errors
    /// The key is too short.
    pub fn after(self, previous_key: &SecretString) -> Result<Self, SecretError> {
        Ok(Self {
            previous: Some(Sealing::derive(previous_key)?),
            ..self
        })
    }

    /// Whether secrets are sealed.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.sealing.is_some()
    }

    /// The form in which a secret given by an operator is stored. References stay references.
    ///
    /// # Errors
    /// The cipher failed.
    pub fn store(&self, given: &str) -> Result<String, SecretError> {
        if is_reference(given) {
            return Ok(given.to_owned());
        }
        match &self.sealing {
            Some(sealing) => sealing.seal(given),
            None => Ok(format!("plain:{given}")),
        }
    }

    /// The secret behind a stored form.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn open(&self, stored: &str) -> Result<SecretString, SecretError> {
        if let Some(plain) = stored.strip_prefix("plain:") {
            Ok(plain.into())
        } else if let Some(name) = stored.strip_prefix("env:") {
            if OWN_SETTINGS.contains(&name) {
                return Err(SecretError::OwnSetting(name.to_owned()));
            }
            let text = env::var(name).map_err(|_| SecretError::MissingVariable(name.to_owned()))?;
            there(&text, || format!("the environment variable {name}"))
        } else if let Some(path) = stored.strip_prefix("file:") {
            let missing = |reason: String| SecretError::MissingFile {
                path: path.to_owned(),
                reason,
            };
            let bytes =
                read_small_file(Path::new(path)).map_err(|error| missing(error.to_string()))?;
            let text = String::from_utf8(bytes).map_err(|_| missing("it is not UTF-8".into()))?;
            there(&text, || format!("the file {path}"))
        } else {
            self.unseal(stored.strip_prefix(SEALED).ok_or(SecretError::Damaged)?)
        }
    }

    /// What a header is set to, which may stand for itself.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn open_header(&self, stored: &str) -> Result<SecretString, SecretError> {
        if is_bare(stored) {
            Ok(stored.into())
        } else {
            self.open(stored)
        }
    }

    /// Whether anybody who sees the stored form has the secret.
    pub(crate) fn is_plain(&self, stored: &str) -> bool {
        stored.starts_with("plain:") || is_bare(stored)
    }

    /// Whether it would be stored in the same way today: as a reference, or sealed under the key in force.
    pub(crate) fn is_current(&self, stored: &str) -> bool {
        let sealing = self.sealing.as_ref();
        let is_ours = |sealing: &Sealing| {
            let id = stored
                .strip_prefix(SEALED)
                .and_then(|it| it.split_once(':'));
            id.is_some_and(|(id, _)| id == sealing.id)
        };
        is_reference(stored) || sealing.is_some_and(is_ours)
    }

    /// The stored form that the secret behind another gets today.
    pub(crate) fn renew(&self, stored: &str) -> Result<String, SecretError> {
        let sealing = self.sealing.as_ref().ok_or(SecretError::NoSecretKey)?;
        sealing.seal(self.open_header(stored)?.expose_secret())
    }

    fn unseal(&self, sealed: &str) -> Result<SecretString, SecretError> {
        let (id, text) = sealed.split_once(':').ok_or(SecretError::Damaged)?;
        let sealing = self.sealing.as_ref().ok_or(SecretError::NoSecretKey)?;
        let of_id = [Some(sealing), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|sealing| sealing.id == id);
        of_id
            .ok_or_else(|| SecretError::OtherSecretKey(id.to_owned()))?
            .open(text)
    }
}

impl Sealing {
    fn derive(secret_key: &SecretString) -> Result<Self, SecretError> {
        let text = secret_key.expose_secret();
        if text.chars().count() < SHORTEST_SECRET_KEY {
            return Err(SecretError::ShortKey);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
            .extract(text.as_bytes())
            .expand(&[PURPOSE], hkdf::HKDF_SHA256)
            .and_then(|derived| derived.fill(&mut *bytes))
            .map_err(|_| SecretError::Cipher)?;
        let id = blake3::hash(&*bytes).to_hex()[..8].to_owned();
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|_| SecretError::Cipher)?;
        Ok(Self { key, id })
    }

    fn seal(&self, secret: &str) -> Result<String, SecretError> {
        let mut ciphertext = secret.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(PURPOSE), &mut ciphertext)
            .map_err(|_| SecretError::Cipher)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut ciphertext);
        Ok(format!("{SEALED}{}:{}", self.id, STANDARD.encode(bytes)))
    }

    fn open(&self, text: &str) -> Result<SecretString, SecretError> {
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| SecretError::Damaged)?);
        let (nonce, ciphertext) = bytes.split_at_mut_checked(12).ok_or(SecretError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Damaged)?;
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(PURPOSE), ciphertext)
            .map_err(|_| SecretError::Damaged)?;
        let text = str::from_utf8(plain).map_err(|_| SecretError::Damaged)?;
        Ok(text.into())
    }
}

/// The secret that a reference leads to, which has to be one.
fn there(text: &str, what: impl FnOnce() -> String) -> Result<SecretString, SecretError> {
    match text.trim() {
        "" => Err(SecretError::Empty(what())),
        secret => Ok(secret.into()),
    }
}

fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// Whether a text is in none of the stored forms.
fn is_bare(text: &str) -> bool {
    !is_reference(text) && !text.starts_with("plain:") && !text.starts_with(SEALED)
}

/// How a stored secret is shown: a reference as it is, anything else as stars and, when it is long enough not to give
/// it away, its last four characters.
#[must_use]
pub fn mask(stored: &str, opened: Option<&SecretString>) -> String {
    if is_reference(stored) {
        return stored.to_owned();
    }
    let text = opened.map(ExposeSecret::expose_secret).unwrap_or_default();
    let tail = text
        .char_indices()
        .rev()
        .nth(3)
        .map_or("", |(at, _)| &text[at..]);
    if text.chars().count() < 12 {
        "****".to_owned()
    } else {
        format!("****{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(key: &str) -> Secrets {
        Secrets::new(Some(&key.into())).unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_with_its_key_only() {
        let ours = secrets("0123456789abcdef");
        let stored = ours.store("sk-secret").unwrap();
        assert!(stored.starts_with("sealed:v1:") && !stored.contains("secret"));
        assert_ne!(stored, ours.store("sk-secret").unwrap(), "nonces differ");
        assert_eq!(ours.open(&stored).unwrap().expose_secret(), "sk-secret");
        let other = secrets("another secret key").open(&stored).unwrap_err();
        assert!(matches!(other, SecretError::OtherSecretKey(_)) && other.is_about_the_secret_key());
        assert_eq!(
            Secrets::new(None).unwrap().open(&stored).unwrap_err(),
            SecretError::NoSecretKey
        );
    }

    #[test]
    fn what_the_previous_key_sealed_opens_and_is_sealed_anew() {
        let (old, new) = ("0123456789abcdef", "fedcba9876543210");
        let stored = secrets(old).store("sk-secret").unwrap();
        let both = secrets(new).after(&old.into()).unwrap();
        assert_eq!(both.open(&stored).unwrap().expose_secret(), "sk-secret");
        assert!(!both.is_current(&stored) && !both.is_plain(&stored));
        for form in [&*stored, "plain:sk-secret", "sk-secret"] {
            let renewed = both.renew(form).unwrap();
            assert!(both.is_current(&renewed), "{renewed}");
            let opened = secrets(new).open(&renewed).unwrap();
            assert_eq!(opened.expose_secret(), "sk-secret");
        }
        assert!(both.is_current("env:NAME") && !both.is_plain("file:/x"));
        assert!(both.is_plain("sk-secret") && both.is_plain("plain:x"));
        let fourth = secrets("yet another secret").store("x").unwrap();
        assert!(matches!(
            both.renew(&fourth),
            Err(SecretError::OtherSecretKey(_))
        ));
        let none = Secrets::new(None).unwrap();
        assert_eq!(none.renew("plain:x"), Err(SecretError::NoSecretKey));
        assert!(!none.is_current("plain:x"));
    }

    #[test]
    fn a_changed_secret_is_noticed() {
        let ours = secrets("0123456789abcdef");
        let stored = ours.store("sk-secret").unwrap();
        let (head, text) = stored.rsplit_once(':').unwrap();
        let mut bytes = STANDARD.decode(text).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let changed = format!("{head}:{}", STANDARD.encode(bytes));
        assert_eq!(ours.open(&changed).unwrap_err(), SecretError::Damaged);
        for damaged in [
            "sealed:v1:x",
            "sealed:v2:a:b",
            "",
            "sk-bare",
            &format!("{head}:AA=="),
            &format!("{head}:!"),
        ] {
            assert_eq!(
                ours.open(damaged).unwrap_err(),
                SecretError::Damaged,
                "{damaged}"
            );
        }
    }

    #[test]
    fn without_a_secret_key_secrets_are_plain() {
        let none = Secrets::new(None).unwrap();
        assert_eq!(none.store("sk-1").unwrap(), "plain:sk-1");
        assert_eq!(none.open("plain:sk-1").unwrap().expose_secret(), "sk-1");
        assert_eq!(
            Secrets::new(Some(&"short".into())).unwrap_err(),
            SecretError::ShortKey
        );
    }

    #[test]
    fn references_are_kept_and_followed() {
        let ours = secrets("0123456789abcdef");
        assert_eq!(ours.store("env:HOME").unwrap(), "env:HOME");
        assert_eq!(
            ours.open("env:HOME").unwrap().expose_secret(),
            env::var("HOME").unwrap()
        );
        assert!(matches!(
            ours.open("env:NO_SUCH_VARIABLE"),
            Err(SecretError::MissingVariable(_))
        ));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sk-file\n").unwrap();
        let stored = ours
            .store(&format!("file:{}", file.path().display()))
            .unwrap();
        assert_eq!(ours.open(&stored).unwrap().expose_secret(), "sk-file");
        for path in ["/no/such/file", "/dev/zero"] {
            assert!(matches!(
                ours.open(&format!("file:{path}")),
                Err(SecretError::MissingFile { .. })
            ));
        }
        std::fs::write(file.path(), " \n").unwrap();
        assert!(matches!(ours.open(&stored), Err(SecretError::Empty(_))));
        for name in OWN_SETTINGS {
            assert!(matches!(
                ours.open(&format!("env:{name}")),
                Err(SecretError::OwnSetting(_))
            ));
        }
    }

    #[test]
    fn a_mask_shows_references_and_no_secret() {
        assert_eq!(mask("env:KEY", None), "env:KEY");
        assert_eq!(mask("sealed:v1:a:b", None), "****");
        assert_eq!(mask("plain:short", Some(&"short".into())), "****");
        assert_eq!(
            mask("plain:sk-0123456789", Some(&"sk-0123456789".into())),
            "****6789"
        );
        assert_eq!(mask("x", Some(&"ééééééééééééé".into())), "****éééé");
    }
}
