//! Whether there is memory for something, before it is filled.

/// Asks for the memory of `count` values and gives it back at once, so nothing of it is touched. If it cannot be had,
/// the error is the number of bytes.
pub(crate) fn check(count: u128, bytes_each: usize) -> Result<(), u128> {
    let bytes = count.saturating_mul(bytes_each as u128);
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut memory = Vec::<u8>::new();
    let answer = memory.try_reserve_exact(size);
    // Memory that nobody looks at need not be asked for: optimisation may take it as given.
    std::hint::black_box(&memory);
    answer.map_err(|_| bytes)
}
