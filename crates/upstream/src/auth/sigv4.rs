//! AWS Signature Version 4, in headers.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_lc_rs::digest;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::{HeaderName, HeaderValue, Request};
use secrecy::{ExposeSecret, SecretString};

use super::{AuthError, CredentialError};
use crate::Pieces;

/// Signs requests to one service in one region.
#[derive(Debug, Clone)]
pub struct SigV4 {
    credentials: Credentials,
    region: String,
    service: &'static str,
}

impl SigV4 {
    /// A signer for `service` in `region`. A session token belongs to temporary credentials.
    ///
    /// # Errors
    /// One of the texts cannot be what it is given as.
    pub fn new(
        access_key_id: &str,
        secret_access_key: &SecretString,
        session_token: Option<&SecretString>,
        region: &str,
        service: &'static str,
    ) -> Result<Self, CredentialError> {
        let is_word = |text: &str| {
            let mut bytes = text.bytes();
            !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_printed =
            |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
        let (secret, token) = (
            secret_access_key.expose_secret(),
            session_token.map(ExposeSecret::expose_secret),
        );
        if !is_word(access_key_id) {
            return Err(CredentialError::Characters("access_key_id"));
        }
        if !is_word(region) {
            return Err(CredentialError::Characters("region"));
        }
        if !is_printed(secret) {
            return Err(CredentialError::Characters("secret_access_key"));
        }
        if token.is_some_and(|token| !is_printed(token)) {
            return Err(CredentialError::Characters("session_token"));
        }
        let token = token.map(str::to_owned);
        Ok(Self {
            credentials: Credentials::new(access_key_id, secret, token, None, "configuration"),
            region: region.to_owned(),
            service,
        })
    }

    /// Signs `request` as sent at `now`: its method, address, headers and the bytes of its body, which are hashed piece
    /// by piece.
    ///
    /// # Errors
    /// It is no request that can be signed.
    pub(crate) fn sign(
        &self,
        request: &mut Request<Pieces>,
        now: SystemTime,
    ) -> Result<(), AuthError> {
        let unsignable = |reason: &dyn std::error::Error| AuthError::Unsignable(reason.to_string());
        let uri = request.uri();
        if uri.host().is_none() {
            return Err(AuthError::Unsignable("its address has no host".to_owned()));
        }
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsignable(&error))?
            .into();
        // A value that is not text cannot be signed, and need not be: only `host` and `x-amz-*` must.
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = SignableBody::Precomputed(payload_hash(request.body()));
        let signable =
            SignableRequest::new(request.method().as_str(), uri.to_string(), headers, body)
                .map_err(|error| unsignable(&error))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| unsignable(&error))?
            .into_parts();
        for header in instructions.into_parts().0 {
            let name = HeaderName::from_static(header.name());
            let mut value =
                HeaderValue::try_from(header.value()).map_err(|error| unsignable(&error))?;
            value.set_sensitive(header.sensitive());
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }
}

/// SHA-256 of the whole body, in lower-case hexadecimal digits.
fn payload_hash(body: &Pieces) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in body.iter() {
        context.update(piece);
    }
    let mut text = String::with_capacity(2 * digest::SHA256_OUTPUT_LEN);
    for byte in context.finish().as_ref() {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests;
