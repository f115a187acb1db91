//! A service account's key file, and what is signed with it.

use std::{fmt, time::SystemTime};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Uri;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{
    BaseUrl,
    auth::{CredentialError, TokenError},
};

/// Allows every call of Vertex AI that the account's roles allow.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens come from, for key files that do not say.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Longest life of an assertion that Google accepts, in seconds.
const LIFETIME: u64 = 3600;

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    project_id: Option<String>,
    token_uri: Option<String>,
}

/// A service account.
pub(super) struct Account {
    email: String,
    key: RsaKeyPair,
    key_id: Option<String>,
    /// As the key file writes it: the assertion names its audience so.
    token_uri: String,
    /// Where the assertion is sent.
    pub(super) token_url: Uri,
    pub(super) project: Option<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl Account {
    pub(super) fn parse(key_file: &str, base_url: &BaseUrl) -> Result<Self, CredentialError> {
        // The parser's own words would quote what it stumbled over.
        let place = |error: serde_json::Error| {
            let what = if error.is_data() {
                "it lacks a field, or has one of another type"
            } else {
                "it is not JSON"
            };
            CredentialError::KeyFile(format!(
                "{what} (line {}, column {})",
                error.line(),
                error.column()
            ))
        };
        let file: KeyFile = serde_json::from_str(key_file).map_err(place)?;
        if file.kind != "service_account" {
            return Err(CredentialError::KeyFile(
                "its type is not 'service_account'".to_owned(),
            ));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes())
            .map_err(|_| CredentialError::PrivateKey)?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| CredentialError::PrivateKey)?;
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        Ok(Self {
            token_url: token_url(&token_uri, base_url).ok_or(CredentialError::TokenUri)?,
            email: file.client_email,
            key,
            key_id: file.private_key_id,
            token_uri,
            project: file.project_id,
        })
    }

    /// A signed assertion (a JSON Web Token, RS256) that asks for a token at `now`.
    pub(super) fn assertion(&self, now: SystemTime) -> Result<String, TokenError> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|_| TokenError::Unsigned)?
            .as_secs();
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: self.key_id.as_deref(),
        };
        let claims = Claims {
            iss: &self.email,
            scope: SCOPE,
            aud: &self.token_uri,
            iat: now,
            exp: now + LIFETIME,
        };
        let mut text = encoded(&header)?;
        text.push('.');
        text.push_str(&encoded(&claims)?);
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| TokenError::Unsigned)?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

fn encoded(part: &impl Serialize) -> Result<String, TokenError> {
    let json = serde_json::to_vec(part).map_err(|_| TokenError::Unsigned)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// An assertion buys a token, so that it is shown to nobody but Google, or whom the operator has named as the provider.
fn token_url(text: &str, base_url: &BaseUrl) -> Option<Uri> {
    let url = Url::parse(text).ok()?;
    let is_google = url.scheme() == "https"
        && url.port().is_none()
        && matches!(url.host(), Some(Host::Domain(name))
            if name == "googleapis.com" || name.ends_with(".googleapis.com"));
    let is_bare = url.username().is_empty() && url.password().is_none();
    let is_provider = url.origin().ascii_serialization() == base_url.origin();
    if is_bare && (is_google || is_provider) {
        url.as_str().parse().ok()
    } else {
        None
    }
}
