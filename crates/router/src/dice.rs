//! Where randomness comes from: the caller.

/// A source of random numbers, uniform over all of `u64`. Any generator fits with one line.
pub trait Dice {
    /// The next number.
    fn next_u64(&mut self) -> u64;
}

/// Dice that always show the same number; for tests.
#[derive(Debug, Clone, Copy)]
pub struct Fixed(pub u64);

impl Dice for Fixed {
    fn next_u64(&mut self) -> u64 {
        self.0
    }
}

/// Dice whose sequence follows from a seed (SplitMix64): fair and fast, but predictable by whoever knows the seed.
#[derive(Debug, Clone, Copy)]
pub struct Seeded(pub u64);

impl Dice for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}

/// The finalizer of SplitMix64: every bit of the input moves about half the bits of the output.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Maps a random number to `(0, 1]`; zero is left out so that its logarithm is finite.
pub(crate) fn unit(random: u64) -> f64 {
    // 53 bits are what a double can hold.
    ((random >> 11) + 1) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// A number in `0..bound` (`bound` > 0), by multiplication instead of division; the bias is below `bound / 2^64`.
pub(crate) fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_covers_zero_exclusive_to_one_inclusive() {
        assert!(unit(0) > 0.0);
        assert_eq!(unit(u64::MAX), 1.0);
    }

    #[test]
    fn below_stays_below() {
        assert_eq!(below(0, 7), 0);
        assert_eq!(below(u64::MAX, 7), 6);
        assert_eq!(below(u64::MAX / 2, 2), 0);
    }

    #[test]
    fn equal_seeds_give_equal_sequences() {
        let (mut a, mut b) = (Seeded(7), Seeded(7));
        let first: Vec<u64> = (0..10).map(|_| a.next_u64()).collect();
        let second: Vec<u64> = (0..10).map(|_| b.next_u64()).collect();
        assert_eq!(first, second);
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
