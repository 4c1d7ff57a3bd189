//! What threads make together and then share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Blocks that several threads need at the same time. They share the work of making them, without a lock.
#[derive(Debug)]
pub(super) struct Blocks<T> {
    blocks: Vec<OnceLock<T>>,
    /// The first that no thread has begun.
    next: AtomicUsize,
}

impl<T> Blocks<T> {
    /// None of them is made yet.
    pub fn new(count: usize) -> Self {
        let blocks = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Self { blocks, next: AtomicUsize::new(0) }
    }

    /// Makes blocks, by their numbers, until other threads have begun all that are left.
    pub fn begin(&self, make: impl Fn(usize) -> T) {
        let next = || Some(self.next.fetch_add(1, Relaxed)).filter(|&k| k < self.blocks.len());
        while let Some(number) = next() {
            self.blocks[number].get_or_init(|| make(number));
        }
    }

    /// Returns once all blocks are made: others may be at some, and one is made again if its thread panicked.
    pub fn finish(&self, make: impl Fn(usize) -> T) {
        for (number, block) in self.blocks.iter().enumerate() {
            block.get_or_init(|| make(number));
        }
    }

    /// A block, of those that are finished.
    #[inline]
    pub fn of(&self, number: usize) -> &T {
        self.blocks[number].get().expect("plans have finished their blocks")
    }

    /// All of them, likewise.
    pub fn all(&self) -> impl Iterator<Item = &T> + Clone {
        (0..self.blocks.len()).map(|number| self.of(number))
    }
}
