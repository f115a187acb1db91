//! Proving to a provider who asks, where a fixed header cannot: signatures over the request, and tokens that expire.

use std::time::SystemTime;

use http::{Request, header};

use crate::Pieces;

mod google;
mod sigv4;
mod token;

pub use google::GoogleTokens;
pub use sigv4::SigV4;
pub use token::TokenError;

/// What is done to each request just before it is sent. To be done again where a request is repeated: a signature holds
/// for minutes, and a token may have been replaced.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Signer {
    /// AWS Signature Version 4.
    SigV4(SigV4),
    /// An access token of Google's.
    Google(GoogleTokens),
}

/// Why a request cannot be sent with proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The request is one that cannot be signed, such as one with an address that has no host.
    #[error("the request cannot be signed: {0}")]
    Unsignable(String),
    /// No token is to be had.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Why credentials cannot be used; never quotes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A text is empty, or has characters that it cannot have.
    #[error("{0} is empty, or holds characters that it cannot have")]
    Characters(&'static str),
    /// A key file is not one of a service account.
    #[error("it is no key file of a service account: {0}")]
    KeyFile(String),
    /// The private key in a key file cannot be read.
    #[error("its private_key is no RSA key in PKCS#8 PEM form")]
    PrivateKey,
    /// The key file names a place for tokens that nobody vouches for.
    #[error("its token_uri is neither a googleapis.com address nor of base_url's origin")]
    TokenUri,
}

impl Signer {
    /// Adds the proof to `request`, whose address, headers and body are final.
    ///
    /// # Errors
    /// It cannot be had; the request must not be sent.
    pub async fn sign(&self, request: &mut Request<Pieces>) -> Result<(), AuthError> {
        match self {
            Self::SigV4(signer) => signer.sign(request, SystemTime::now()),
            Self::Google(tokens) => {
                // Boxed: what it may wait for is large, and in the future of every request, whoever is asked.
                let value = Box::pin(tokens.authorization()).await?;
                request.headers_mut().insert(header::AUTHORIZATION, value);
                Ok(())
            }
        }
    }
}
