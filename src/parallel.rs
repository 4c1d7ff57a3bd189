//! Work for all threads of the present pool of `rayon`, or for the only one.

/// Numbers that a thread goes through before it asks for more.
pub(crate) const SEGMENT: usize = 8192;

/// How many threads there are.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "rayon")]
    {
        rayon::current_num_threads()
    }
    #[cfg(not(feature = "rayon"))]
    {
        1
    }
}

/// Calls `f` for every item with its number.
pub(crate) fn for_each<T: Send>(items: &mut [T], f: impl Fn(usize, &mut T) + Sync) {
    #[cfg(feature = "rayon")]
    if items.len() > 1 {
        use rayon::prelude::*;
        return items.par_iter_mut().enumerate().with_max_len(1).for_each(|(k, item)| f(k, item));
    }
    items.iter_mut().enumerate().for_each(|(number, item)| f(number, item));
}

/// Calls `f` for stretches of all values, each with the number of its first.
pub(crate) fn for_each_segment<T: Send>(values: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    #[cfg(feature = "rayon")]
    if values.len() > SEGMENT && threads() > 1 {
        use rayon::prelude::*;
        let segments = values.par_chunks_mut(SEGMENT).enumerate();
        return segments.for_each(|(number, segment)| f(number * SEGMENT, segment));
    }
    f(0, values);
}
