//! The providers, and the network to them.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Mutex,
    time::Duration,
};

use simulator::{Recorded, Simulator, SimulatorSettings};
use upstream::{Dial, Link};

use super::schedule::{Phase, Reach};

/// How long systems try to connect.
pub(super) const SYSTEM_PATIENCE: Duration = Duration::from_secs(127);

/// Provider `n` lives at `10.0.0.n`, and behind the last one the moderation endpoint.
pub(super) struct Network {
    places: Vec<Place>,
}

struct Place {
    simulator: Simulator,
    reach: Mutex<Reach>,
}

impl Network {
    pub(super) fn new(providers: usize, seed: u64) -> Self {
        let places = (0..=providers).map(|place| Place {
            simulator: Simulator::unbound(SimulatorSettings {
                name: format!("p{place}"),
                seed: seed ^ place as u64,
                ..SimulatorSettings::default()
            })
            .unwrap(),
            reach: Mutex::new(Reach::Refused),
        });
        Self {
            places: places.collect(),
        }
    }

    pub(super) fn origin(place: usize) -> String {
        format!("http://10.0.0.{place}")
    }

    pub(super) fn enter(&self, place: usize, phase: &Phase) {
        let place = &self.places[place];
        *place.reach.lock().unwrap() = phase.reach;
        place.simulator.set_rules(phase.rules.clone());
    }

    /// What `provider` was asked.
    pub(super) fn requests(&self, provider: usize) -> Vec<Recorded> {
        self.places[provider].simulator.requests()
    }
}

impl Dial for Network {
    fn dial(&self, address: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<Link>> + Send>> {
        let IpAddr::V4(ip) = address.ip() else {
            unreachable!("no provider lives there");
        };
        let place = &self.places[usize::from(ip.octets()[3])];
        let reach = *place.reach.lock().unwrap();
        let (pause, link): (_, io::Result<Link>) = match reach {
            Reach::Open(pause) => (pause, Ok(Box::new(place.simulator.connect()))),
            Reach::Refused => (Duration::ZERO, Err(io::ErrorKind::ConnectionRefused.into())),
            Reach::BlackHole => (SYSTEM_PATIENCE, Err(io::ErrorKind::TimedOut.into())),
        };
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            link
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Network")
    }
}
