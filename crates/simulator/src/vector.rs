//! Vectors for embeddings.

/// A vector of length one, the same for the same text.
pub(crate) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a: any spread will do, as long as it never changes.
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut dice = fastrand::Rng::with_seed(seed);
    let raw: Vec<f32> = (0..dimensions).map(|_| dice.f32() * 2.0 - 1.0).collect();
    let length = raw
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.into_iter().map(|value| value / length).collect()
}
