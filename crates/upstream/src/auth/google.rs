//! Access tokens for a service account of Google's (RFC 7523, as at
//! <https://developers.google.com/identity/protocols/oauth2/service-account>).

use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, TokenError, token::TokenCache};
use crate::{BaseUrl, Client};

mod account;
mod exchange;

use account::Account;
use exchange::Exchange;

/// Access tokens of one service account, kept fresh; cheap to clone.
#[derive(Debug, Clone)]
pub struct GoogleTokens {
    cache: Arc<TokenCache<Exchange>>,
    project: Option<Arc<str>>,
}

impl GoogleTokens {
    /// Tokens for the account of a key file, whose JSON text is `key_file`. Where the provider is reached under another
    /// address than Google's, tokens may come from there as well: `base_url` says what that address is.
    ///
    /// # Errors
    /// The text is no key file of a service account, or names a place for tokens that is not Google's.
    pub fn new(
        key_file: &SecretString,
        base_url: &BaseUrl,
        client: Arc<Client>,
    ) -> Result<Self, CredentialError> {
        let account = Account::parse(key_file.expose_secret(), base_url)?;
        let project = account.project.as_deref().map(Arc::from);
        Ok(Self {
            cache: TokenCache::new(Exchange { account, client }),
            project,
        })
    }

    /// The project that the account belongs to, as its key file says.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Value of `authorization` for a request that is sent now.
    ///
    /// # Errors
    /// There is no token that holds, and none is to be had.
    pub async fn authorization(&self) -> Result<HeaderValue, TokenError> {
        self.cache.authorization().await
    }
}

#[cfg(test)]
mod tests;
