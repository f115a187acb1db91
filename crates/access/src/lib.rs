//! Client keys: who may call, and which models.
//!
//! A key is 256 random bits behind a recognisable prefix. Only its BLAKE3 hash is kept, and keys are looked up by that
//! hash in memory, so that an offered key is never compared character by character and never reaches a query.
//!
//! ```
//! use access::{ClientKey, Keyring, NewKey};
//! use secrecy::ExposeSecret;
//!
//! let new = NewKey::generate()?;
//! let ring = Keyring::new([(new.hash, ClientKey::named("ci"))]);
//! let now = chrono::Utc::now();
//! assert_eq!(&*ring.authenticate(Some(new.secret.expose_secret()), now).unwrap().name, "ci");
//! assert!(ring.authenticate(Some("guessed"), now).is_err());
//! # Ok::<(), access::Error>(())
//! ```

mod key;
mod keyring;

pub use key::{ClientKey, Error, KeyHash, NewKey};
pub use keyring::{Denied, Keyring};
