//! What a request asks of the router, and how the router says no.

use std::time::Duration;

use crate::{Capabilities, Endpoint, ProviderId};

/// What one request needs. The default asks for nothing in particular.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The kind of request.
    pub endpoint: Endpoint,
    /// What the candidate must be able to do.
    pub requirements: Capabilities,
    /// Use this provider, and no other than the fallbacks named beside it.
    pub provider: Option<&'a str>,
    /// Providers to use in this order: after `provider`, or where that is not given, before all others.
    pub fallback_providers: &'a [&'a str],
    /// The only providers that the client key may use; `None` allows all.
    pub allowed_providers: Option<&'a [ProviderId]>,
    /// A hash of what ties requests together, for `sticky` and `hard_pin`.
    pub session: Option<u64>,
    /// Stay with the provider that `session` leads to, whatever its health: it alone can read what the request
    /// carries. Callers who remember that provider do better to name it in `provider`. Without a session no effect.
    pub hard_pin: bool,
    /// How many attempts may follow the first; `None` leaves that to the model.
    pub max_retry: Option<u32>,
}

/// Why a request gets no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The model is disabled; to clients the same as an unknown one.
    #[error("the model is disabled")]
    ModelDisabled,
    /// The request names a provider that does not serve this model, or that the key may not use.
    #[error("provider `{name}` does not serve this model")]
    ProviderUnknown {
        /// The name, as the request gave it.
        name: Box<str>,
    },
    /// No association of the model is enabled together with its provider.
    #[error("no provider of this model is enabled")]
    NothingEnabled,
    /// The client key may use none of the model's providers.
    #[error("the key may use no provider of this model")]
    NotAllowed,
    /// No provider of the model serves this kind of request.
    #[error("no provider of this model serves this endpoint")]
    EndpointNotServed,
    /// No candidate can do what the request needs.
    #[error("no provider of this model supports: {0}")]
    MissingCapability(
        /// What none of them can do; where each can do a part but none all, everything the request needs.
        Capabilities,
    ),
    /// Every candidate asked for a pause.
    #[error("every provider of this model asked for a pause")]
    AllCooling {
        /// Time until the first pause ends.
        retry_after: Duration,
    },
}
