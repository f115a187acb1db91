//! Slows down who guesses admin keys, by address: others are not kept waiting.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Wrong keys that cost nothing: people mistype, and programs have old keys.
const FREE: u32 = 5;
/// The first pause; each further wrong key doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long a wrong key is held against its address.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Addresses remembered at a time. The one that failed longest ago makes place: whoever owns that many addresses is not
/// stopped by this.
const MOST: usize = 10_000;

/// Wrong keys by address.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// When the next key is looked at.
    fn until(self) -> Instant {
        self.last + pause(self.count)
    }
}

/// The pause after so many wrong keys.
fn pause(count: u32) -> Duration {
    let Some(doublings) = count.checked_sub(FREE + 1) else {
        return Duration::ZERO;
    };
    FIRST
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LONGEST)
}

/// Addresses that one holder has are counted as one: of IPv6 the first half.
fn holder(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

impl Throttle {
    /// How long `ip` has to wait before a key of it is looked at; `None` if it need not.
    pub(super) fn wait(&self, ip: IpAddr, now: Instant) -> Option<Duration> {
        let failures = *self.lock().get(&holder(ip))?;
        let left = failures.until().saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }

    /// Holds a wrong key against `ip`. Right ones forgive nothing, or who has a key of a lesser role could guess on.
    pub(super) fn failed(&self, ip: IpAddr, now: Instant) {
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, failures| now < failures.last + MEMORY);
        }
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, it)| it.last).map(|(ip, _)| *ip)
        {
            all.remove(&oldest);
        }
        let failures = all.entry(holder(ip)).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now >= failures.last + MEMORY {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Failures>> {
        // Nothing in it is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn pauses_begin_after_a_few_wrong_keys_and_grow() {
        let (throttle, mut now, guesser) = (Throttle::default(), Instant::now(), ip("192.0.2.1"));
        for _ in 0..FREE {
            throttle.failed(guesser, now);
            assert_eq!(throttle.wait(guesser, now), None);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            throttle.failed(guesser, now);
            let wait = Duration::from_secs(seconds);
            assert_eq!(throttle.wait(guesser, now), Some(wait));
            assert_eq!(throttle.wait(ip("192.0.2.2"), now), None, "others go on");
            now += wait;
            assert_eq!(throttle.wait(guesser, now), None);
        }
        now += MEMORY;
        throttle.failed(guesser, now);
        assert_eq!(throttle.wait(guesser, now), None, "it begins anew");
    }

    #[test]
    fn the_addresses_of_one_holder_count_as_one() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for last in 0..=FREE {
            throttle.failed(ip(&format!("2001:db8:0:1::{last}")), now);
        }
        assert!(throttle.wait(ip("2001:db8:0:1:ffff::1"), now).is_some());
        assert_eq!(throttle.wait(ip("2001:db8:0:2::1"), now), None);
        for _ in 0..=FREE {
            throttle.failed(ip("::ffff:192.0.2.1"), now);
        }
        assert!(throttle.wait(ip("192.0.2.1"), now).is_some());
        assert_eq!(throttle.wait(ip("::ffff:192.0.2.2"), now), None);
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        for number in 0..u32::try_from(MOST + 50).unwrap() {
            now += Duration::from_micros(1);
            throttle.failed(IpAddr::V4(number.into()), now);
        }
        assert_eq!(throttle.lock().len(), MOST);
    }
}
