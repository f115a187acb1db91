//! What is sent, and to whom.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::stage::Stage;
use super::{Pace, Settings, name, overload};
use crate::load::{Protocol, Shape};

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Nothing: all have been started and told what they are to serve, for what they hold in memory then.
    Rest,
    /// 200 bytes in, a short answer, 64 connections that never pause.
    Small,
    /// The same with a prompt of 100 kB.
    Large,
    /// The same with a prompt of 1 MB.
    Huge,
    /// 64 streams at once, without pause between chunks.
    Stream,
    /// The same with 2,000 streams at once.
    ManyStreams,
    /// 64 streams of 1,000 chunks at once.
    LongStream,
    /// 2,000 streams of 1,000 chunks at once.
    ManyLongStreams,
    /// Streams whose chunks come at a pace, for how late the first one is.
    Paced,
    /// Answers of 300 kB: 16 vectors.
    Embeddings,
    /// Small requests at a fixed rate, for latency without queueing.
    Steady,
    /// Small requests and streams from clients of every protocol to providers of every type.
    Translate,
    /// Small requests whose first provider always fails.
    Failover,
    /// Small requests by a key that is limited, and by one that is not.
    Limits,
    /// Small requests to gateways with 1, 100 and 10,000 models.
    Models,
    /// Small requests and streams to gateways on SQLite and on PostgreSQL.
    Postgres,
    /// Small requests to a gateway on one core and to one on both: what its threads cost each other.
    Cores,
    /// Small requests over 1,024 connections that never pause: what so many cost those who do nothing else.
    Crowd,
    /// Twice and three times what the gateway can do, at a fixed rate.
    Overload,
    /// Twice and three times what the gateway has places for, with a provider that takes its time.
    Places,
    /// 10,000 connections that have been served once and stay.
    Idle,
    /// From starting the gateway to its first answer, with 1 and with 10,000 models.
    Startup,
}

/// Scenarios by name: one, or a group.
#[derive(Clone, Debug)]
pub(crate) struct Chosen(pub(crate) Vec<Scenario>);

impl Chosen {
    /// What is measured where nothing else is asked for: minutes.
    pub(crate) const USUAL: &'static str = "usual";
    /// Everything: the better part of an hour.
    const ALL: &'static str = "all";

    /// Reads a name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            Self::ALL => Ok(Self(Scenario::value_variants().to_vec())),
            Self::USUAL => Ok(Self(vec![
                Scenario::Small,
                Scenario::Large,
                Scenario::Stream,
                Scenario::Steady,
                Scenario::Translate,
                Scenario::Failover,
                Scenario::Limits,
                Scenario::Crowd,
                Scenario::Overload,
                Scenario::Places,
                Scenario::Startup,
            ])),
            other => Scenario::from_str(other, false)
                .map(|scenario| Self(vec![scenario]))
                .map_err(|_| {
                    let all = Scenario::value_variants().iter().map(|&one| name(one));
                    let all: Vec<String> = all.collect();
                    format!("one of usual, all, {}", all.join(", "))
                }),
        }
    }
}

/// A type of provider, as the gateway is configured with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a case has that the bare proxies know nothing of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum With {
    /// Nothing: one provider, and a key from the gateway's settings.
    #[default]
    Nothing,
    /// A first provider that answers 429 and says to come again at once: the gateway soon leaves it alone but for trials.
    Busy,
    /// A first provider that answers 500: the gateway soon leaves it alone but for trials.
    Broken,
    /// A key from the database.
    Key,
    /// One that has limits, none of which is ever reached.
    Limits,
}

/// One load of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) shape: Shape,
    /// Of translation; all else is Chat Completions passed through.
    pub(crate) direction: Option<Direction>,
    #[serde(default)]
    pub(crate) with: With,
}

impl Scenario {
    /// What must stand for it.
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::ManyStreams => Stage::Many,
            Self::LongStream | Self::ManyLongStreams => Stage::Long,
            Self::Idle => Stage::Idle,
            Self::Places => Stage::Places,
            Self::Paced => Stage::Paced,
            Self::Models | Self::Startup => Stage::Models,
            Self::Postgres => Stage::Postgres,
            Self::Cores => Stage::Cores,
            _ => Stage::Usual,
        }
    }

    /// Its loads.
    pub(crate) fn cases(self) -> Vec<Case> {
        let plain = |shape| Case {
            scenario: self,
            shape,
            direction: None,
            with: With::Nothing,
        };
        let small = |with| Case {
            with,
            ..plain(Shape::Small)
        };
        match self {
            Self::Small | Self::Steady | Self::Models | Self::Cores | Self::Crowd => {
                vec![plain(Shape::Small)]
            }
            Self::Large => vec![plain(Shape::Large)],
            Self::Huge => vec![plain(Shape::Huge)],
            Self::Stream
            | Self::ManyStreams
            | Self::LongStream
            | Self::ManyLongStreams
            | Self::Paced => vec![plain(Shape::Stream)],
            Self::Embeddings => vec![plain(Shape::Embeddings)],
            Self::Postgres => vec![plain(Shape::Small), plain(Shape::Stream)],
            Self::Failover => [With::Nothing, With::Busy, With::Broken].map(small).into(),
            Self::Limits => [With::Nothing, With::Key, With::Limits].map(small).into(),
            Self::Rest => Vec::new(),
            // Measured in ways of their own: `overload.rs`, `idle.rs`, `startup.rs`.
            Self::Overload | Self::Places | Self::Idle | Self::Startup => Vec::new(),
            Self::Translate => {
                let providers = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];
                let directions = Protocol::value_variants()
                    .iter()
                    .flat_map(|&client| providers.map(|provider| Direction { client, provider }));
                directions
                    .flat_map(|direction| {
                        [Shape::Small, Shape::Stream].map(|shape| Case {
                            direction: Some(direction),
                            ..plain(shape)
                        })
                    })
                    .collect()
            }
        }
    }

    /// How its loads are given.
    pub(crate) fn pace(self, settings: &Settings) -> Pace {
        Pace {
            rate: (self == Self::Steady).then_some(settings.rate),
            connections: match self {
                Self::ManyStreams | Self::ManyLongStreams => Some(settings.many),
                Self::Crowd => Some(overload::CONNECTIONS),
                _ => None,
            },
        }
    }
}

impl Case {
    /// What it is compared with: the same without what the bare proxies know nothing of.
    pub(crate) fn base(self) -> Self {
        Self {
            direction: self.direction.map(|_| Direction::natural(Protocol::Chat)),
            with: With::Nothing,
            ..self
        }
    }

    /// Whether a system of this name has a turn at it. Only gateways do what needs one; `bare-inspect` is the measure of
    /// what that costs, and the others have no part in it.
    pub(crate) fn concerns(self, system: &str) -> bool {
        if system.starts_with("gateway") {
            return true;
        }
        let is_plain = !matches!(
            self.scenario,
            Scenario::Translate
                | Scenario::Failover
                | Scenario::Limits
                | Scenario::Models
                | Scenario::Postgres
                | Scenario::Cores
        );
        is_plain || (system == "bare-inspect" && self == self.base())
    }

    /// What the client speaks.
    pub(crate) fn protocol(self) -> Protocol {
        self.direction
            .map_or(Protocol::Chat, |direction| direction.client)
    }

    /// The model that is asked.
    pub(crate) fn model(self) -> &'static str {
        match (
            self.with,
            self.direction.map(|direction| direction.provider),
        ) {
            (With::Busy, _) => "bench-busy",
            (With::Broken, _) => "bench-broken",
            (_, None) => "bench-model",
            (_, Some(Provider::OpenAi)) => "bench-openai",
            (_, Some(Provider::Anthropic)) => "bench-anthropic",
            (_, Some(Provider::Gemini)) => "bench-gemini",
        }
    }

    /// What it is called in a table.
    pub(crate) fn label(self) -> String {
        let scenario = name(self.scenario);
        if let Some(direction) = self.direction {
            let (client, provider) = (name(direction.client), direction.provider.told());
            return format!("{client} to {provider}, {}", name(self.shape));
        }
        let more = match self.with {
            With::Nothing if self.scenario == Scenario::Postgres => {
                &format!(", {}", name(self.shape))
            }
            With::Nothing if self.scenario == Scenario::Failover => ", not needed",
            With::Nothing if self.scenario == Scenario::Limits => ", a key from the settings",
            With::Nothing => "",
            With::Busy => ", first answers 429",
            With::Broken => ", first answers 500",
            With::Key => ", a key without",
            With::Limits => ", a key with",
        };
        format!("{scenario}{more}")
    }
}

impl Provider {
    /// What the type is called.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
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

    #[test]
    fn what_only_a_gateway_does_has_one_base_beside_it() {
        for scenario in [
            Scenario::Failover,
            Scenario::Limits,
            Scenario::Models,
            Scenario::Cores,
        ] {
            let cases = scenario.cases();
            let bare = cases.iter().filter(|case| case.concerns("bare-inspect"));
            assert_eq!(bare.count(), 1, "{scenario:?}");
            assert!(!cases.iter().any(|case| case.concerns("nginx")));
            assert!(cases.iter().all(|case| cases.contains(&case.base())));
        }
        assert!(Scenario::Small.cases()[0].concerns("nginx"));
    }

    #[test]
    fn scenarios_are_chosen_by_name_or_by_group() {
        for (text, expected) in [
            ("all", Some(Scenario::value_variants().len())),
            ("usual", Some(11)),
            ("many-streams", Some(1)),
            ("most", None),
        ] {
            let chosen = Chosen::parse(text).ok().map(|chosen| chosen.0.len());
            assert_eq!(chosen, expected, "{text}");
        }
    }
}
