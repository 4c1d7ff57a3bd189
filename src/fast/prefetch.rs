//! Hints for the caches. A spike reads its synapses in one go, far from those of the spike before.

use prefetch_index::prefetch_index;

/// How far a stretch is asked for, in bytes; from there on processors guess by themselves.
const REACH: usize = 512;
const LINE: usize = 64;

/// Asks for the items from `from` on.
#[inline]
pub(super) fn prefetch<T>(items: &[T], from: usize) {
    let per_line = (LINE / size_of::<T>()).max(1);
    (0..REACH / LINE).for_each(|line| prefetch_index(items, from + line * per_line));
}

/// Asks for the items before `to`.
#[inline]
pub(super) fn prefetch_back<T>(items: &[T], to: usize) {
    prefetch(items, to.saturating_sub(REACH / size_of::<T>()));
}
