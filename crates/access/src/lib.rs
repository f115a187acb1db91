//! Client keys: who may call, and which models; prices: what a call costs; and budgets: how much a key may spend.
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
//!
//! A [`PriceTable`] finds the price of a provider's model, and a [`Price`] gives the cost of what was used, in integers
//! throughout. What is not priced has no cost, which is never taken for 0.
//!
//! A [`budget::Account`] holds what a key may spend in this process; replicas together never spend more than its budget.

pub mod budget;
mod key;
mod keyring;
pub mod limit;
pub mod money;
mod names;
mod pattern;
mod price;

pub use key::{ClientKey, Error, KeyHash, NewKey};
pub use keyring::{Denied, Keyring};
pub use names::Names;
pub use price::{ListPrice, Price, PriceError, PriceTable, list_prices};
