//! The plain data a [`RouteTable`](crate::RouteTable) is built from.

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

use crate::{CandidateId, ProviderId, Strategy};

/// Identifies a model (a row of `models`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub i64);

/// A name that clients ask for.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// Unique among the models.
    pub id: ModelId,
    /// Unique among the models.
    pub name: Arc<str>,
    /// A disabled model is kept, so that it can be explained, but never planned.
    pub enabled: bool,
    /// How many attempts may follow the first.
    pub max_retry: u32,
    /// How candidates of equal priority are ordered.
    pub strategy: Strategy,
}

/// An upstream account or server.
#[derive(Debug, Clone)]
pub struct ProviderSpec {
    /// Unique among the providers.
    pub id: ProviderId,
    /// Unique among the providers.
    pub name: Arc<str>,
    /// A disabled provider serves nothing.
    pub enabled: bool,
    /// Providers of higher priority are tried first.
    pub priority: i32,
    /// Its part of the traffic among providers of equal priority; 0 comes after every other.
    pub weight: u32,
    /// What it can be asked for.
    pub endpoints: EndpointSet,
}

/// The tie between a model and a provider that serves it.
#[derive(Debug, Clone)]
pub struct AssociationSpec {
    /// Unique among the associations.
    pub id: CandidateId,
    /// The model it serves.
    pub model: ModelId,
    /// The provider that does.
    pub provider: ProviderId,
    /// What the provider calls the model.
    pub provider_model: Arc<str>,
    /// Multiplies the provider's weight; 0 comes after every other.
    pub weight: u32,
    /// What requests may need of it.
    pub capabilities: Capabilities,
    /// A disabled association is never tried.
    pub enabled: bool,
}

/// A set of abilities: what an association offers, or what a request needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u8);

impl Capabilities {
    /// Nothing beyond plain text.
    pub const NONE: Self = Self(0);
    /// Tools and tool messages.
    pub const TOOL_CALL: Self = Self(1);
    /// Answers that follow a JSON format or schema.
    pub const STRUCTURED_OUTPUT: Self = Self(2);
    /// Image input.
    pub const IMAGE: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    const NAMES: [(Self, &'static str); 3] = [
        (Self::TOOL_CALL, "tool_call"),
        (Self::STRUCTURED_OUTPUT, "structured_output"),
        (Self::IMAGE, "image"),
    ];

    /// The set made of three answers, as they stand in an association's columns.
    pub const fn new(tool_call: bool, structured_output: bool, image: bool) -> Self {
        Self(tool_call as u8 | (structured_output as u8) << 1 | (image as u8) << 2)
    }

    /// Whether all of `needed` is in this set.
    pub const fn covers(self, needed: Self) -> bool {
        needed.0 & !self.0 == 0
    }

    /// What of this set is not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both.
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of what is in the set, as the columns are called.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(one, _)| self.covers(*one))
            .map(|(_, name)| name)
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The names, separated by commas.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// A kind of request, such as chat or embeddings. Callers number their kinds themselves, from 0 to 31; the router only
/// compares them with what providers serve. Programs with one kind can leave it at its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Endpoint(u8);

impl Endpoint {
    /// The kind with this number.
    ///
    /// # Panics
    /// If `number` is above 31; in a constant that is a compile error.
    pub const fn new(number: u8) -> Self {
        assert!(number < 32, "endpoints are numbered 0 to 31");
        Self(number)
    }
}

/// A set of [`Endpoint`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EndpointSet(u32);

impl EndpointSet {
    /// No endpoint.
    pub const NONE: Self = Self(0);
    /// Every endpoint.
    pub const ALL: Self = Self(u32::MAX);

    /// The set of these endpoints.
    pub const fn of(endpoints: &[Endpoint]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        // A loop over an iterator is not possible in a constant.
        while index < endpoints.len() {
            bits |= 1 << endpoints[index].0;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `endpoint` is in the set.
    pub const fn contains(self, endpoint: Endpoint) -> bool {
        self.0 & (1 << endpoint.0) != 0
    }
}

impl FromIterator<Endpoint> for EndpointSet {
    fn from_iter<I: IntoIterator<Item = Endpoint>>(endpoints: I) -> Self {
        Self(
            endpoints
                .into_iter()
                .fold(0, |bits, endpoint| bits | 1 << endpoint.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_cover_what_they_hold() {
        let tools_and_images = Capabilities::TOOL_CALL | Capabilities::IMAGE;
        assert_eq!(tools_and_images, Capabilities::new(true, false, true));
        assert!(tools_and_images.covers(Capabilities::NONE));
        assert!(tools_and_images.covers(Capabilities::IMAGE));
        assert!(!tools_and_images.covers(Capabilities::ALL));
        assert_eq!(
            Capabilities::ALL.without(tools_and_images),
            Capabilities::STRUCTURED_OUTPUT
        );
        assert_eq!(tools_and_images.to_string(), "tool_call, image");
        assert_eq!(Capabilities::NONE.to_string(), "");
    }

    #[test]
    fn endpoint_sets_hold_what_they_were_given() {
        const CHAT: Endpoint = Endpoint::new(0);
        const LAST: Endpoint = Endpoint::new(31);
        const BOTH: EndpointSet = EndpointSet::of(&[CHAT, LAST]);
        assert!(BOTH.contains(CHAT) && BOTH.contains(LAST));
        assert!(!BOTH.contains(Endpoint::new(1)));
        assert_eq!([CHAT, LAST].into_iter().collect::<EndpointSet>(), BOTH);
        assert!(EndpointSet::ALL.contains(LAST) && !EndpointSet::NONE.contains(CHAT));
    }
}
