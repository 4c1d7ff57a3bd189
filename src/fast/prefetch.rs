//! Hints for the caches. A spike reads its synapses in one go, far from those of the spike before.

use prefetch_index::prefetch_index;

/// How far a stretch is asked for at most, in bytes.
const REACH: usize = 4096;
const LINE: usize = 64;

/// Asks for so many items from `from` on.
#[inline]
pub(super) fn prefetch<T>(items: &[T], from: usize, count: usize) {
    let per_line = (LINE / size_of::<T>()).max(1);
    let end = from + count.min(REACH / size_of::<T>());
    (from..end).step_by(per_line).for_each(|item| prefetch_index(items, item));
}

/// Asks for so many items before `to`.
#[inline]
pub(super) fn prefetch_back<T>(items: &[T], to: usize, count: usize) {
    let from = to.saturating_sub(count);
    prefetch(items, from, to - from);
}
