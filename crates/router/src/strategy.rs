//! How candidates of one tier are ordered.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Orders the candidates of one tier. Whatever the strategy, higher priorities come first and weight 0 comes last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// At random, in proportion to provider weight x association weight.
    #[default]
    Weighted,
    /// In turn; weights other than 0 do not count.
    RoundRobin,
    /// The faster of two drawn at random, judged by response time and running attempts; the rest by the same measure.
    LeastLatency,
    /// Fewest running attempts in proportion to weight.
    LeastBusy,
    /// Lowest price first; unpriced ones follow the priced, as `Weighted`.
    Cheapest,
    /// The same session meets the same candidate while it is fit; without a session as `Weighted`.
    Sticky,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 6] = [
        Self::Weighted,
        Self::RoundRobin,
        Self::LeastLatency,
        Self::LeastBusy,
        Self::Cheapest,
        Self::Sticky,
    ];

    /// Its name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::RoundRobin => "round_robin",
            Self::LeastLatency => "least_latency",
            Self::LeastBusy => "least_busy",
            Self::Cheapest => "cheapest",
            Self::Sticky => "sticky",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or_else(|| Error::UnknownStrategy {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse::<Strategy>().unwrap(), strategy);
        }
        let error = "fastest".parse::<Strategy>().unwrap_err();
        assert_eq!(error.to_string(), "unknown strategy `fastest`");
    }
}
