//! Random numbers that are a function of what they are for.

use rand::{SeedableRng, rngs::ChaCha8Rng};

/// A generator for each key: the key is the state's seed, so no two share a stream. The last word tells uses apart.
pub(crate) fn generator(key: [u64; 4]) -> ChaCha8Rng {
    let mut seed = [0; 32];
    for (bytes, word) in seed.chunks_exact_mut(8).zip(key) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(seed)
}
