//! Which candidates can serve a request at all, leaving aside how they fare at the moment.

use std::time::Duration;

use crate::order::{Place, rendezvous};
use crate::{Candidate, Capabilities, ProviderId, Refusal, Request, Route};

/// Why a candidate takes no part in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOut {
    /// The request names other providers.
    NotNamed,
    /// The client key may not use the provider.
    NotAllowed,
    /// The association is disabled.
    AssociationDisabled,
    /// The provider is disabled.
    ProviderDisabled,
    /// The provider does not serve this kind of request.
    EndpointNotServed,
    /// It lacks what the request needs.
    MissingCapability(
        /// What it lacks.
        Capabilities,
    ),
    /// The request must stay with another provider.
    NotPinned,
    /// Its breaker is open.
    Open {
        /// Time until the next trial.
        retry_in: Duration,
        /// Consecutive failures so far.
        errors: u32,
    },
    /// It asked for a pause.
    Cooling {
        /// Time until the pause ends.
        ends_in: Duration,
    },
}

/// A request read against one route: provider names are known to exist.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    request: &'a Request<'a>,
    tiers: Tiers,
    /// The provider that the request's session must stay with.
    pinned: Option<ProviderId>,
}

/// Where tiers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tiers {
    /// From priorities.
    Configured,
    /// From the request's provider names; nothing else is used.
    Named,
    /// From the request's provider names; the others follow as configured.
    NamedFirst,
}

impl<'a> Screen<'a> {
    /// # Errors
    /// If the request names a provider that is not one of the model's that the key may use.
    pub(crate) fn new(route: &Route, request: &'a Request<'a>) -> Result<Self, Refusal> {
        let tiers = match (request.provider, request.fallback_providers) {
            (None, []) => Tiers::Configured,
            (None, _) => Tiers::NamedFirst,
            (Some(_), _) => Tiers::Named,
        };
        let mut screen = Self {
            request,
            tiers,
            pinned: None,
        };
        let known = |name: &str| {
            let mut candidates = route.candidates().iter();
            candidates.any(|candidate| {
                candidate.provider_name().as_ref() == name && screen.allows(candidate)
            })
        };
        if let Some(name) = screen.names().find(|name| !known(name)) {
            return Err(Refusal::ProviderUnknown { name: name.into() });
        }
        if let (Some(session), true) = (request.session, request.hard_pin) {
            screen.pinned = screen.home(route, session);
        }
        Ok(screen)
    }

    /// Where the session goes while everyone is well.
    fn home(&self, route: &Route, session: u64) -> Option<ProviderId> {
        let candidates = route.candidates().iter().enumerate();
        let fit = candidates
            .filter_map(|(index, candidate)| Some((self.judge(candidate).ok()?, index, candidate)));
        let home = fit.min_by_key(|(tier, index, _)| {
            let place = Place::new(*tier, *index, 1.0);
            (*tier, rendezvous(session, &place, route))
        });
        home.map(|(_, _, candidate)| candidate.provider())
    }

    /// The tier of a candidate that can serve the request; lower numbers are tried first.
    pub(crate) fn judge(&self, candidate: &Candidate) -> Result<u32, LeftOut> {
        let tier = self.tier(candidate).ok_or(LeftOut::NotNamed)?;
        if !self.allows(candidate) {
            return Err(LeftOut::NotAllowed);
        }
        if !candidate.is_enabled() {
            return Err(LeftOut::AssociationDisabled);
        }
        if !candidate.is_provider_enabled() {
            return Err(LeftOut::ProviderDisabled);
        }
        if !candidate.endpoints().contains(self.request.endpoint) {
            return Err(LeftOut::EndpointNotServed);
        }
        let missing = self.request.requirements.without(candidate.capabilities());
        if !missing.is_empty() {
            return Err(LeftOut::MissingCapability(missing));
        }
        if self
            .pinned
            .is_some_and(|pinned| pinned != candidate.provider())
        {
            return Err(LeftOut::NotPinned);
        }
        Ok(tier)
    }

    /// What to tell the client when every candidate was left out: the reason of those that came closest to serving.
    pub(crate) fn refusal(&self, route: &Route) -> Refusal {
        let mut closest = (0, Refusal::NothingEnabled);
        let mut missing_in_all = self.request.requirements;
        for candidate in route.candidates() {
            let reached = match self.judge(candidate) {
                Err(LeftOut::NotAllowed) => (1, Refusal::NotAllowed),
                Err(LeftOut::AssociationDisabled | LeftOut::ProviderDisabled) => {
                    (2, Refusal::NothingEnabled)
                }
                Err(LeftOut::EndpointNotServed) => (3, Refusal::EndpointNotServed),
                Err(LeftOut::MissingCapability(missing)) => {
                    missing_in_all = missing_in_all.common(missing);
                    (4, Refusal::MissingCapability(missing_in_all))
                }
                _ => continue,
            };
            if reached.0 >= closest.0 {
                closest = reached;
            }
        }
        match closest.1 {
            // Each can do a part, but none can do all.
            Refusal::MissingCapability(missing) if missing.is_empty() => {
                Refusal::MissingCapability(self.request.requirements)
            }
            refusal => refusal,
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.request
            .provider
            .into_iter()
            .chain(self.request.fallback_providers.iter().copied())
    }

    fn allows(&self, candidate: &Candidate) -> bool {
        self.request
            .allowed_providers
            .is_none_or(|allowed| allowed.contains(&candidate.provider()))
    }

    fn tier(&self, candidate: &Candidate) -> Option<u32> {
        if self.tiers == Tiers::Configured {
            return Some(candidate.tier());
        }
        let name = candidate.provider_name().as_ref();
        let named = self
            .names()
            .position(|other| other == name)
            .map(|position| position as u32);
        match self.tiers {
            Tiers::NamedFirst => named.or(Some(
                self.request.fallback_providers.len() as u32 + candidate.tier(),
            )),
            _ => named,
        }
    }
}
