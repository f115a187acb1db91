//! Configuration rows turned into an immutable [`Snapshot`] that is swapped whole.
//!
//! A request takes one snapshot and sees one configuration throughout. A change is read in one transaction and either
//! becomes the next snapshot or leaves the old one in force; nothing is ever half applied. Replicas notice changes of
//! others by a version row ([`version::bump`]) that is polled each second, and sooner where the database tells of them.
//!
//! The rows last read can be kept in a file on local disk. [`Catalog::from_file`] starts from it while the database is away.
//!
//! Provider keys are stored sealed, as references, or (on loopback only) plain, and are opened here, once per snapshot.

mod build;
mod call;
mod file;
mod guarding;
mod heartbeat;
mod kind;
mod notices;
mod outside;
mod policy;
mod prices;
mod provider;
mod provider_model;
mod reseal;
mod secrets;
mod service;
mod site;
mod snapshot;
pub mod version;

pub use build::Error;
pub use call::{Call, Way};
pub use file::FileError;
pub use guarding::{guards_of, moderation_url};
pub use heartbeat::Heartbeat;
pub use kind::ProviderKind;
pub use policy::{Clocks, Policy, PolicyError};
pub use prices::price_of_row;
pub use provider::{Provider, ProviderError};
pub use reseal::reseal;
pub use secrets::{SecretError, Secrets, mask};
pub use service::{Catalog, CatalogSettings, Poller};
pub use site::Framing;
pub use snapshot::{Model, Snapshot, route_endpoint};
