//! What is sent, and to whom.

use clap::ValueEnum;
use serde::Serialize;

use crate::load::{Protocol, Shape};

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// 200 bytes in, a short answer, 64 connections that never pause.
    Small,
    /// The same with a prompt of 100 kB.
    Large,
    /// 64 streams at once, without pause between chunks.
    Stream,
    /// Small requests at a fixed rate, for latency without queueing.
    Steady,
    /// Small requests and streams from clients of every protocol to providers of every type.
    Translate,
    /// Twice and three times what the gateway can do, at a fixed rate.
    Overload,
}

/// A type of provider, as the gateway is configured with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    /// Asked by Chat Completions, or by Responses where the client does.
    OpenAi,
    /// Asked by Messages.
    Anthropic,
    /// Asked by `generateContent`.
    Gemini,
}

/// Who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Direction {
    pub(crate) client: Protocol,
    pub(crate) provider: Provider,
}

impl Direction {
    /// A client of this protocol, and the provider that speaks it.
    pub(crate) fn natural(client: Protocol) -> Self {
        let provider = match client {
            Protocol::Chat | Protocol::Responses => Provider::OpenAi,
            Protocol::Messages => Provider::Anthropic,
            Protocol::Gemini => Provider::Gemini,
        };
        Self { client, provider }
    }
}

/// One load of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) shape: Shape,
    /// Of translation; all else is Chat Completions passed through.
    pub(crate) direction: Option<Direction>,
}

impl Scenario {
    /// Its loads.
    pub(crate) fn cases(self) -> Vec<Case> {
        let case = |shape, direction| Case {
            scenario: self,
            shape,
            direction,
        };
        match self {
            Self::Small | Self::Steady => vec![case(Shape::Small, None)],
            Self::Large => vec![case(Shape::Large, None)],
            Self::Stream => vec![case(Shape::Stream, None)],
            // How much is too much is measured first: `overload.rs`.
            Self::Overload => Vec::new(),
            Self::Translate => {
                let providers = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];
                let directions = Protocol::value_variants()
                    .iter()
                    .flat_map(|&client| providers.map(|provider| Direction { client, provider }));
                directions
                    .flat_map(|direction| {
                        [Shape::Small, Shape::Stream].map(|shape| case(shape, Some(direction)))
                    })
                    .collect()
            }
        }
    }
}

impl Case {
    /// Whether `system` has a turn at it. Only the gateway translates; one of the others is the measure of what it costs.
    pub(crate) fn concerns(&self, system: &str) -> bool {
        match (self.direction, system) {
            (None, _) | (Some(_), "gateway") => true,
            (Some(direction), "bare-inspect") => direction == Direction::natural(Protocol::Chat),
            _ => false,
        }
    }

    /// What the client speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.direction
            .map_or(Protocol::Chat, |direction| direction.client)
    }

    /// The model that is asked.
    pub(crate) fn model(&self) -> &'static str {
        match self.direction.map(|direction| direction.provider) {
            None => "bench-model",
            Some(Provider::OpenAi) => "bench-openai",
            Some(Provider::Anthropic) => "bench-anthropic",
            Some(Provider::Gemini) => "bench-gemini",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_direction_has_its_turn_and_one_pass_through_per_protocol() {
        let cases = Scenario::Translate.cases();
        assert_eq!(cases.len(), 4 * 3 * 2);
        for client in Protocol::value_variants() {
            let natural = Some(Direction::natural(*client));
            let natural = cases.iter().filter(|case| case.direction == natural);
            assert_eq!(natural.count(), 2, "{client:?}: small and stream");
        }
        let bare = cases.iter().filter(|case| case.concerns("bare-inspect"));
        assert_eq!(bare.count(), 2);
        assert!(cases.iter().all(|case| case.concerns("gateway")));
    }
}
