//! How one simulator behaves as long as nothing else is scripted.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Behaviour, Content, Error};

/// Settings of one [`crate::Simulator`]; the default answers at once, and takes any key and any model.
#[derive(Clone, Debug)]
pub struct SimulatorSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What `[[sim@NAME:...]]` markers call this simulator.
    pub name: String,
    /// The only key that is accepted; `None` takes any, but one must be sent.
    pub api_key: Option<String>,
    /// The models served and listed; when empty, every name is served.
    pub models: Vec<String>,
    /// From the request's last byte to the first token.
    pub time_to_first_token: Duration,
    /// Pace of the tokens after the first; `None` is as fast as they can be written.
    pub tokens_per_second: Option<f64>,
    /// Share by which each wait varies around its value, 0 to 1.
    pub jitter: f64,
    /// Tokens of an answer when the request does not cap them lower; one token is one event of a stream.
    pub tokens: u32,
    /// What answers are made of.
    pub content: Content,
    /// What goes wrong when `fault_rate` strikes.
    pub fault: Behaviour,
    /// Share of the requests, 0 to 1, that meet `fault`.
    pub fault_rate: f64,
    /// Seed of all chance: faults by rate, jitter.
    pub seed: u64,
    /// How many requests the journal keeps, newest last; 0 keeps none.
    pub journal: usize,
    /// Answer requests for text, in every protocol, and for OpenAI's embeddings with bytes made at the start, unread and
    /// unchecked: the upstream of a load benchmark.
    /// Keys are still checked and the pace is kept. Faults and journal do not apply to what is answered this way.
    pub fixed_answers: bool,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: "sim".to_owned(),
            api_key: None,
            models: Vec::new(),
            time_to_first_token: Duration::ZERO,
            tokens_per_second: None,
            jitter: 0.0,
            tokens: 16,
            content: Content::Lorem,
            fault: Behaviour::status(500),
            fault_rate: 0.0,
            seed: 0,
            journal: 1024,
            fixed_answers: false,
        }
    }
}

impl SimulatorSettings {
    /// Refuses values outside their documented ranges.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.fault_rate) {
            return Err(Error::Setting("fault_rate: must be between 0 and 1"));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(Error::Setting("jitter: must be between 0 and 1"));
        }
        if self
            .tokens_per_second
            .is_some_and(|rate| !rate.is_finite() || rate <= 0.0)
        {
            return Err(Error::Setting("tokens_per_second: must be above 0"));
        }
        Ok(())
    }
}
