//! The synapses of a projection as its sources see them.

use super::blocks::Blocks;
use super::grid::{exp_of, gain, leg_start};
use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::{Real, SimulationError};
use std::fmt;
use std::ops::Range;

/// One synapse. What it does to a neuron has two parts, one per mode of V: that of the membrane and that
/// of the current. Packed, because to fetch synapses takes most of the time.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct Branch<F> {
    pub delay: f64,
    /// -gain weight exp(rest / tau_mem), with the rest of the delay after whole legs; the weight itself if the
    /// targets share no constants.
    pub mem: F,
    /// weight exp(rest / tau_syn), or likewise.
    pub syn: F,
    /// The target neuron, counted from the first of its block.
    pub post: u32,
}

impl<F> fmt::Debug for Branch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch").finish_non_exhaustive()
    }
}

/// How many branches come before the first that is not `within`, given that none is after it: of most only every fourth
/// is asked.
#[inline]
pub(super) fn prefix<F>(branches: &[Branch<F>], within: impl Fn(&Branch<F>) -> bool) -> usize {
    const STRIDE: usize = 4;
    let mut count = 0;
    while branches.get(count + STRIDE - 1).is_some_and(&within) {
        count += STRIDE;
    }
    count + branches[count..].iter().take(STRIDE).take_while(|branch| within(branch)).count()
}

/// The synapses onto a block of neurons, source by source, and those of a source by delay. So what a spike
/// does in a stretch of time is a stretch of them.
#[derive(Debug)]
pub(super) struct Fan<F> {
    /// Those of source k are `branches[starts[k]..starts[k + 1]]`.
    starts: Vec<u32>,
    pub branches: Vec<Branch<F>>,
    /// Of every branch, its index among all synapses of the projection.
    pub synapses: Vec<u32>,
    /// Of every branch, the parts for weight 1; none if the targets share no constants.
    pub units: Vec<(F, F)>,
}

impl<F: Real> Fan<F> {
    /// The synapses onto the neurons `posts`, or as many of them as there are.
    pub fn new(
        projection: &Projection<F>,
        posts: Range<usize>,
        bank: Option<&ModeBank<F>>,
        leg: f64,
    ) -> Self {
        let (all, pres) = projection.synapses.shape();
        let posts = posts.start..posts.end.min(all);
        let mut starts = vec![0_u32; pres + 1];
        for post in posts.clone() {
            projection.synapses.row(post).iter().for_each(|s| starts[s.pre + 1] += 1);
        }
        for pre in 0..pres {
            starts[pre + 1] += starts[pre];
        }
        let none = Branch { delay: 0.0, mem: F::zero(), syn: F::zero(), post: 0 };
        let mut next = starts.clone();
        let mut branches = vec![none; starts[pres] as usize];
        let mut synapses = vec![0; branches.len()];
        for post in posts.clone() {
            for synapse in projection.synapses.row(post).iter() {
                let at = &mut next[synapse.pre];
                // Adding zero turns -0.0, whose bits do not sort, into 0.0.
                let delay = synapse.delay.as_f64() + 0.0;
                let (post, weight) = ((post - posts.start) as u32, synapse.weight);
                branches[*at as usize] = Branch { delay, mem: weight, syn: weight, post };
                synapses[*at as usize] = synapse.index as u32;
                *at += 1;
            }
        }
        let receptor = projection.receptor;
        let constants = bank.map(|b| (-gain(b, receptor), b.tau_mem(), b.tau_syn()[receptor]));
        let mut units = Vec::with_capacity(constants.map_or(0, |_| branches.len()));
        let (mut unsorted, mut order) = (Vec::new(), Vec::new());
        for range in starts.windows(2) {
            let range = range[0] as usize..range[1] as usize;
            let (branches, synapses) = (&mut branches[range.clone()], &mut synapses[range]);
            unsorted.clear();
            unsorted.extend(synapses.iter().copied().zip(branches.iter().copied()));
            by_delay(&unsorted, &mut order);
            for (&place, to) in order.iter().zip(synapses.iter_mut().zip(branches)) {
                let (index, mut branch) = unsorted[place as usize];
                if let Some((mixing, tau_mem, tau_syn)) = constants {
                    let rest = branch.delay - leg_start(branch.delay, leg);
                    let unit = (mixing * exp_of(rest, tau_mem), exp_of(rest, tau_syn));
                    (branch.mem, branch.syn) = (branch.mem * unit.0, branch.syn * unit.1);
                    units.push(unit);
                }
                (*to.0, *to.1) = (index, branch);
            }
        }
        Self { starts, branches, synapses, units }
    }

    /// Where the synapses of a source are.
    #[inline]
    pub fn of(&self, pre: usize) -> Range<usize> {
        self.starts[pre] as usize..self.starts[pre + 1] as usize
    }
}

/// The places of a source's synapses by delay, and of those with the same by index.
fn by_delay<F: Real>(synapses: &[(u32, Branch<F>)], order: &mut Vec<u64>) {
    // Plain numbers sort several times as fast as synapses: the last bits of a delay give way to the place, and where
    // the others do not tell, all are asked.
    let places = synapses.len().next_power_of_two() as u64 - 1;
    let keys = synapses.iter().zip(0..).map(|((_, b), place)| b.delay.to_bits() & !places | place);
    order.clear();
    order.extend(keys);
    order.sort_unstable();
    for alike in order.chunk_by_mut(|a, b| a ^ b <= places) {
        alike.sort_unstable_by_key(|key| {
            let (index, branch) = synapses[(key & places) as usize];
            (branch.delay.to_bits(), index)
        });
    }
    order.iter_mut().for_each(|key| *key &= places);
}

/// The synapses of a projection, by blocks of targets.
#[derive(Debug)]
pub(super) struct Fans<F> {
    pub sources: usize,
    /// The neurons of a block.
    pub block: usize,
    blocks: Blocks<Fan<F>>,
}

impl<F: Real> Fans<F> {
    /// No block is made yet.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn new(projection: &Projection<F>, block: usize) -> Result<Self, SimulationError> {
        let (posts, sources) = projection.synapses.shape();
        (0..posts).try_for_each(|post| check_row(projection, post))?;
        Ok(Self { sources, block, blocks: Blocks::new(posts.div_ceil(block)) })
    }

    /// See [`Blocks::begin`]. `make` has the fan onto some neurons.
    pub fn begin(&self, make: impl Fn(Range<usize>) -> Fan<F>) {
        self.blocks.begin(|number| make(self.targets(number)));
    }

    /// See [`Blocks::finish`].
    pub fn finish(&self, make: impl Fn(Range<usize>) -> Fan<F>) {
        self.blocks.finish(|number| make(self.targets(number)));
    }

    fn targets(&self, number: usize) -> Range<usize> {
        number * self.block..(number + 1) * self.block
    }

    /// A block, of fans that are finished.
    #[inline]
    pub fn of(&self, block: usize) -> &Fan<F> {
        self.blocks.of(block)
    }

    /// All blocks, likewise.
    pub fn all(&self) -> impl Iterator<Item = &Fan<F>> + Clone {
        self.blocks.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn synapses_are_in_order_of_delays_that_differ_in_the_last_bits_or_not_at_all() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut order = Vec::new();
        for count in [0, 1, 2, 3, 64, 65, 300] {
            for spread in [1, 4, 100, 1 << 40] {
                let synapse = |index| {
                    let delay = f64::from_bits(2.0_f64.to_bits() + rng.random_range(0..spread));
                    (index, Branch { delay, mem: 0.0, syn: 0.0, post: 0 })
                };
                // Indices fall, so that places do not tell.
                let synapses: Vec<_> = (0..count).rev().map(synapse).collect();
                by_delay(&synapses, &mut order);
                let found: Vec<_> = order.iter().map(|&at| synapses[at as usize]).collect();
                let keys = |all: &[(u32, Branch<f64>)]| -> Vec<_> {
                    all.iter().map(|(index, b)| (b.delay.to_bits(), *index)).collect()
                };
                let mut expected = keys(&synapses);
                expected.sort_unstable();
                assert_eq!(keys(&found), expected);
            }
        }
    }
}
