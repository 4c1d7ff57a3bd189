//! Whether there is memory for something, before it is filled.

/// Asks for the memory of `count` values and gives it back at once, so nothing of it is touched. If it cannot be had,
/// the error is the number of bytes.
pub(crate) fn check(count: u128, bytes_each: usize) -> Result<(), u128> {
    let bytes = count.saturating_mul(bytes_each as u128);
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(size).map_err(|_| bytes)
}
