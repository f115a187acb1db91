//! The order of candidates: by tier, and in a tier as the strategy says.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::dice::{below, mix, unit};
use crate::{Candidate, CandidateState, Dice, Route, Strategy};

/// Set in the key of those that come after all others of their tier. Doubles that are not negative leave it free.
const LATE: u64 = 1 << 63;

/// A candidate's place in an order. Places compare by tier, then by `key` and `tie`, smallest first. Where a key is a
/// double it stands there as its bits, which compare alike since it is never negative.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) tier: u32,
    /// Position in [`Route::candidates`].
    pub(crate) index: u32,
    /// Factor on the weight, in `0.0..=1.0`.
    pub(crate) share: f32,
    key: u64,
    tie: u64,
}

impl Place {
    pub(crate) fn new(tier: u32, index: usize, share: f32) -> Self {
        let share = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        };
        Self {
            tier,
            index: index as u32,
            share,
            key: 0,
            tie: 0,
        }
    }

    pub(crate) fn candidate<'r>(&self, route: &'r Route) -> &'r Candidate {
        &route.candidates()[self.index as usize]
    }

    /// The weight in force: 1 instead of 0, since those of weight 0 are set apart by their tier or by being late.
    pub(crate) fn weight(&self, route: &Route) -> f64 {
        let weight = self.candidate(route).weight().max(1) as f64;
        weight * f64::from(self.share)
    }

    /// Whether it comes after all others of its tier, whatever the strategy says.
    pub(crate) fn is_late(&self) -> bool {
        self.key & LATE != 0
    }

    fn rank(&self) -> (u64, u64, u32) {
        (self.key, self.tie, self.index)
    }
}

/// Everything an order depends on besides the candidates themselves.
pub(crate) struct Orderer<'a, S, D> {
    pub(crate) route: &'a Route,
    pub(crate) session: Option<u64>,
    pub(crate) state: &'a S,
    pub(crate) now: Instant,
    /// Without dice the order is the most likely one, and nobody's turn is used up.
    pub(crate) dice: Option<&'a mut D>,
}

impl<S: CandidateState, D: Dice> Orderer<'_, S, D> {
    /// Sorts `places`.
    pub(crate) fn sort(&mut self, places: &mut [Place]) {
        if places.len() < 2 {
            return;
        }
        // Only names in the request can make it otherwise.
        if !places.is_sorted_by_key(|place| place.tier) {
            places.sort_by_key(|place| place.tier);
        }
        let turn = match &self.dice {
            _ if self.route.strategy() != Strategy::RoundRobin => 0,
            Some(_) => self.route.turn.fetch_add(1, Ordering::Relaxed),
            None => self.route.turn.load(Ordering::Relaxed),
        };
        for tier in places.chunk_by_mut(|a, b| a.tier == b.tier) {
            if tier.len() > 1 {
                self.sort_tier(tier, turn);
            }
        }
    }

    fn sort_tier(&mut self, tier: &mut [Place], turn: usize) {
        match self.route.strategy() {
            Strategy::Weighted => self.by_weight(tier),
            Strategy::RoundRobin => self.by_turn(tier, turn),
            Strategy::LeastLatency => self.by_latency(tier),
            Strategy::LeastBusy => self.by_load(tier),
            Strategy::Cheapest => self.by_cost(tier),
            Strategy::Sticky => match self.session {
                Some(session) => self.by_session(tier, session),
                None => self.by_weight(tier),
            },
        }
        self.set_late(tier);
        tier.sort_unstable_by_key(Place::rank);
        if self.route.strategy() == Strategy::LeastLatency {
            self.choose_of_two(tier);
        }
    }

    fn by_weight(&mut self, tier: &mut [Place]) {
        for place in tier {
            place.key = race(self.roll(), place.weight(self.route));
        }
    }

    fn by_session(&mut self, tier: &mut [Place], session: u64) {
        for place in tier {
            place.key = rendezvous(session, place, self.route);
        }
    }

    fn by_turn(&mut self, tier: &mut [Place], turn: usize) {
        let count = tier.len();
        let first = turn % count;
        for (index, place) in tier.iter_mut().enumerate() {
            place.key = ((index + count - first) % count) as u64;
        }
    }

    fn by_latency(&mut self, tier: &mut [Place]) {
        // Who has not answered yet counts as the fastest that has: worth trying, and soon set right, while the running
        // attempts keep everyone from trying it at once.
        let mut fastest = f64::INFINITY;
        for place in tier.iter_mut() {
            let load = self.state.load(place.candidate(self.route).id(), self.now);
            let seconds = load
                .latency
                .map_or(f64::NAN, |latency| latency.as_secs_f64());
            fastest = fastest.min(seconds);
            place.key = seconds.to_bits();
            place.tie = u64::from(load.in_flight) + 1;
        }
        let fastest = if fastest.is_finite() { fastest } else { 1.0 };
        for place in tier.iter_mut() {
            let seconds = f64::from_bits(place.key);
            let seconds = if seconds.is_nan() { fastest } else { seconds };
            // A nanosecond at least, so that running attempts count among the very fast, too.
            place.key = (seconds.max(1e-9) * place.tie as f64).to_bits();
            place.tie = self.roll();
        }
    }

    fn by_load(&mut self, tier: &mut [Place]) {
        for place in tier {
            let candidate = place.candidate(self.route);
            let running = self.state.load(candidate.id(), self.now).in_flight;
            place.key = ((f64::from(running) + 1.0) / candidate.weight().max(1) as f64).to_bits();
            place.tie = self.roll();
        }
    }

    fn by_cost(&mut self, tier: &mut [Place]) {
        for place in tier {
            let cost = self.state.cost(place.candidate(self.route).id());
            place.key = cost.unwrap_or(u64::MAX).min(!LATE);
            place.tie = race(self.roll(), place.weight(self.route));
        }
    }

    /// Weight 0 in a tier with others comes last. Where keys do not heed the share, a candidate with less than its
    /// full share gives way in the same proportion of cases.
    fn set_late(&mut self, tier: &mut [Place]) {
        let is_spare = |place: &Place| place.candidate(self.route).weight() == 0;
        let spares = tier.iter().filter(|place| is_spare(place)).count();
        let is_mixed = 0 < spares && spares < tier.len();
        if !is_mixed && tier.iter().all(|place| place.share >= 1.0) {
            return;
        }
        let heeds_share = matches!(self.route.strategy(), Strategy::Weighted | Strategy::Sticky);
        for place in tier {
            let is_spare = is_mixed && is_spare(place);
            let gives_way = match &mut self.dice {
                Some(dice) if place.share < 1.0 && !heeds_share => {
                    unit(dice.next_u64()) > f64::from(place.share)
                }
                _ => place.share == 0.0,
            };
            if is_spare || gives_way {
                place.key |= LATE;
            }
        }
    }

    /// Moves the better of two drawn candidates to the front. Going by the best alone would send everyone to the same
    /// candidate until its measure catches up.
    fn choose_of_two(&mut self, tier: &mut [Place]) {
        let punctual = tier.iter().take_while(|place| !place.is_late()).count();
        if let (Some(dice), 2..) = (&mut self.dice, punctual) {
            // The second is drawn among the others. Those from `one` on stand a place further back, but then `one` is
            // the better of the two anyway.
            let one = below(dice.next_u64(), punctual);
            let other = below(dice.next_u64(), punctual - 1);
            tier[..=one.min(other)].rotate_right(1);
        }
    }

    fn roll(&mut self) -> u64 {
        self.dice
            .as_mut()
            .map_or(u64::MAX / 2, |dice| dice.next_u64())
    }
}

/// A key that makes "smallest first" a weighted random order without replacement: each candidate finishes after an
/// exponentially distributed time with its weight as the rate (Efraimidis and Spirakis).
fn race(random: u64, weight: f64) -> u64 {
    let seconds = -unit(random).ln() / weight;
    // Also turns -0.0, the logarithm of one, into the smallest key.
    if seconds > 0.0 { seconds.to_bits() } else { 0 }
}

/// The same race, run with a number that follows from session and candidate: weighted rendezvous hashing. Which
/// candidate wins changes for no more sessions than it must when candidates come, go or change weight.
pub(crate) fn rendezvous(session: u64, place: &Place, route: &Route) -> u64 {
    let id = place.candidate(route).id().0 as u64;
    race(
        mix(session ^ mix(id.wrapping_add(0x9E37_79B9_7F4A_7C15))),
        place.weight(route),
    )
}
