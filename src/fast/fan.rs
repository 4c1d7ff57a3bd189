//! The synapses of a projection as its sources see them.

use super::grid::{Grid, exp_small};
use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::{Real, SimulationError};
use std::ops::Range;

/// The exponentials of a time or a delay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors<F> {
    /// exp(offset / tau_mem), with the offset from the start of the bucket.
    pub mem: F,
    /// exp(offset / tau_syn).
    pub syn: F,
}

/// One synapse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch<F> {
    pub delay: f64,
    pub factors: Factors<F>,
    pub weight: F,
    /// The bucket of the delay.
    pub bucket: u32,
    /// The target neuron.
    pub post: u32,
}

/// The synapses of a projection, source by source, and those of a source by delay. So what a spike does
/// in a stretch of time is a stretch of them.
#[derive(Debug)]
pub(super) struct Fan<F> {
    /// Those of source k are `branches[starts[k]..starts[k + 1]]`.
    starts: Vec<usize>,
    pub branches: Vec<Branch<F>>,
    /// The index of each among all synapses of the projection.
    pub synapses: Vec<u32>,
    rate_mem: F,
    rate_syn: F,
    /// exp(-carry width / tau) for carry 0 and 1.
    pub carry_mem: [F; 2],
    pub carry_syn: [F; 2],
}

impl<F: Real> Fan<F> {
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn new(
        projection: &Projection<F>,
        bank: &ModeBank<F>,
        grid: &Grid,
    ) -> Result<Self, SimulationError> {
        let (posts, pres) = projection.synapses.shape();
        let mut starts = vec![0; pres + 1];
        for post in 0..posts {
            check_row(projection, post)?;
            projection.synapses.row(post).iter().for_each(|s| starts[s.pre + 1] += 1);
        }
        for pre in 0..pres {
            starts[pre + 1] += starts[pre];
        }
        let rate_mem = bank.tau_mem().recip();
        let rate_syn = bank.tau_syn()[projection.receptor].recip();
        let width = F::of(grid.width);
        let mut fan = Self {
            branches: Vec::new(),
            synapses: Vec::new(),
            rate_mem,
            rate_syn,
            carry_mem: [F::one(), (-width * rate_mem).exp()],
            carry_syn: [F::one(), (-width * rate_syn).exp()],
            starts: Vec::new(),
        };
        let rest = fan.factors(0.0);
        let none = Branch { delay: 0.0, factors: rest, weight: F::zero(), bucket: 0, post: 0 };
        let mut next = starts.clone();
        let mut all = vec![(none, 0); starts[pres]];
        for post in 0..posts {
            for synapse in projection.synapses.row(post).iter() {
                let (delay, weight, post) = (synapse.delay.as_f64(), synapse.weight, post as u32);
                let (bucket, offset) = grid.split(delay);
                let factors = fan.factors(offset);
                let branch = Branch { delay, factors, weight, bucket, post };
                all[next[synapse.pre]] = (branch, synapse.index as u32);
                next[synapse.pre] += 1;
            }
        }
        for range in starts.windows(2) {
            // Adding zero turns -0.0, whose bits do not sort, into 0.0.
            all[range[0]..range[1]].sort_unstable_by_key(|(b, s)| ((b.delay + 0.0).to_bits(), *s));
        }
        (fan.branches, fan.synapses) = all.into_iter().unzip();
        fan.starts = starts;
        Ok(fan)
    }

    /// Where the synapses of a source are.
    pub fn of(&self, pre: usize) -> Range<usize> {
        self.starts[pre]..self.starts[pre + 1]
    }

    /// The factors of a time in its bucket.
    pub fn factors(&self, offset: f64) -> Factors<F> {
        let x = F::of(offset);
        Factors { mem: exp_small(x * self.rate_mem), syn: exp_small(x * self.rate_syn) }
    }
}
