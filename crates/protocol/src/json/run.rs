//! Where a run of a string's plain characters ends.

use wide::u8x16;

/// Bytes in which the end of a short one is looked for.
pub(super) const SHORT: usize = 2 * BLOCK;
const BLOCK: usize = 16;

/// The bytes before the first that ends the run: a quote, a backslash or a control character. None if it is not among the
/// first few.
#[inline]
pub(super) fn short(bytes: &[u8]) -> Option<usize> {
    let (blocks, rest) = bytes[..bytes.len().min(SHORT)].as_chunks();
    for (index, block) in blocks.iter().enumerate() {
        let ends = ends(*block);
        if ends != 0 {
            return Some(index * BLOCK + ends.trailing_zeros() as usize);
        }
    }
    let begin = bytes.len().min(SHORT) - rest.len();
    let end = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    rest.iter().position(end).map(|at| begin + at)
}

/// A bit for each byte that ends a run, the first as the lowest.
#[inline]
fn ends(block: [u8; BLOCK]) -> u32 {
    let block = u8x16::new(block);
    let is = |byte: u8| block.simd_eq(u8x16::splat(byte));
    let is_control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    (is(b'"') | is(b'\\') | is_control).to_bitmask()
}
