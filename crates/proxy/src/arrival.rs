//! When and where a request arrived.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clock;

/// When, where and as what a request arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub(crate) id: Uuid,
    pub(crate) instant: Instant,
    pub(crate) utc: DateTime<Utc>,
    pub(crate) ip: Option<IpAddr>,
}

impl Arrival {
    /// That of a request from `ip` which begins now and has waited for so long.
    #[must_use]
    pub fn after(waited: Duration, ip: Option<IpAddr>) -> Self {
        let (instant, utc) = (clock::now(), clock::utc());
        Self {
            id: Uuid::now_v7(),
            instant: instant.checked_sub(waited).unwrap_or(instant),
            utc: utc - waited,
            ip,
        }
    }
}
