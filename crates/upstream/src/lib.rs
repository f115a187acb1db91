//! Pooled HTTP clients towards providers, with an address guard at connect time.
//!
//! A [`Client`] sends over HTTP/1.1 or, where TLS negotiates it, HTTP/2, on pooled connections. Redirects are never
//! followed, and an address that the [`NetworkPolicy`] refuses is never connected to, whatever a name resolves to at that
//! moment. A [`Signer`] proves to a provider who asks where a fixed header cannot. [`SendError`] tells how far a failed request got, which decides whether it is the provider's fault.

mod address;
mod auth;
mod base_url;
mod bell;
mod body;
mod client;
mod clients;
mod connections;
mod connector;
mod dial;
mod error;
mod http1;
mod http2;
mod pieces;
mod pool;
mod small_file;

pub use address::{NetworkPolicy, Refused};
pub use auth::{AuthError, CredentialError, GoogleTokens, SigV4, Signer, TokenError};
pub use base_url::{BaseUrl, BaseUrlError};
pub use body::Body;
pub use client::{Client, Patience, TransportSettings};
pub use clients::Clients;
pub use connections::Connections;
pub use dial::{Dial, Link, Socket};
pub use error::{SendError, SendErrorKind, SetupError};
pub use pieces::Pieces;
pub use small_file::read_small_file;
