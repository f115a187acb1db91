//! Configuration rows turned into an immutable [`Snapshot`] that is swapped whole.
//!
//! A request takes one snapshot and sees one configuration throughout. A change is read in one transaction and either
//! becomes the next snapshot or leaves the old one in force; nothing is ever half applied. Replicas notice changes of
//! others by a version row ([`version::bump`]) that is polled each second.
//!
//! Provider keys are stored sealed, as references, or (on loopback only) plain, and are opened here, once per snapshot.

mod build;
mod call;
mod kind;
mod policy;
mod provider;
mod provider_model;
mod secrets;
mod service;
mod site;
mod snapshot;
pub mod version;

pub use build::Error;
pub use call::{Call, Way};
pub use kind::ProviderKind;
pub use policy::{Clocks, Policy, PolicyError};
pub use provider::{Provider, ProviderError};
pub use secrets::{SecretError, Secrets, mask};
pub use service::{Catalog, CatalogSettings, Poller};
pub use site::Framing;
pub use snapshot::{Model, Snapshot, route_endpoint};
