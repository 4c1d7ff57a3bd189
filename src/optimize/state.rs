//! What an optimiser remembers.

use super::Rates;

/// What an optimiser remembers from step to step, borrowed from it to be read, moved or replaced.
///
/// Checkpoints store the counter and the lists, and rewiring moves the lists.
#[derive(Debug, Default)]
pub struct OptimizerState<'a, F> {
    /// The learning rates, if it has any. Schedules scale them for the length of a step.
    pub rates: Option<&'a mut Rates>,
    /// How many steps it took, if that matters to it.
    pub steps: Option<&'a mut u64>,
    /// Lists with a name and one number per parameter, block after block. A list may be empty: nothing is
    /// remembered yet.
    pub lists: Vec<(&'static str, &'a mut Vec<F>)>,
}
