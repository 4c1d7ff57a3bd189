//! Work for all threads of the present pool of `rayon`, or for the only one.

/// Numbers that a thread goes through before it asks for more.
pub(crate) const SEGMENT: usize = 8192;

/// Items per thread in a round. After it what they have come to is taken up, in order. So what is alive at one time does not
/// grow with the number of items, and the result does not depend on it. A single thread needs no more than one.
const ROUND: usize = 4;

/// Items of a round, for all threads.
pub(crate) fn round() -> usize {
    match threads() {
        1 => 1,
        threads => ROUND * threads,
    }
}

/// How many threads there are.
fn threads() -> usize {
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

/// Calls `then` with what `f` makes of every number below `count`, in order, round by round. The calls of `f` are spread over
/// the threads. The first error in this order ends it.
pub(crate) fn in_order<T: Send, E: Send>(
    count: usize,
    f: impl Fn(usize) -> Result<T, E> + Sync,
    mut then: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let round = round();
    let mut results = Vec::new();
    for start in (0..count).step_by(round) {
        results.resize_with(round.min(count - start), || None);
        for_each(&mut results, |k, result| *result = Some(f(start + k)));
        for (k, result) in results.drain(..).flatten().enumerate() {
            then(start + k, result?)?;
        }
    }
    Ok(())
}
