//! The synapses of a projection as their targets see them.

use crate::Real;
use crate::SimulationError;
use crate::arrivals::check_row;
use crate::fast::blocks::Blocks;
use crate::fast::grid::{exp_of, gain, leg_start};
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::synapse::Row;

/// Targets of a block.
const BLOCK: usize = 32;

/// What an arrival adds to its two modes of a neuron, synapse by synapse, for weight 1: -gain exp(rest / tau_mem) and
/// exp(rest / tau_syn), with the rest of the delay after whole legs.
#[derive(Debug)]
pub(in crate::fast) struct Rows<F> {
    /// tau_mem and tau_syn of the targets.
    pub taus: (F, F),
    /// The longest delay.
    pub longest: f64,
    /// The mean of the weights, with those below zero as zero.
    pub excitation: f64,
    blocks: Blocks<Block<F>>,
}

#[derive(Debug)]
struct Block<F> {
    /// The number of the first synapse.
    first: usize,
    units: Vec<(F, F)>,
}

impl<F: Real> Rows<F> {
    /// Of a projection onto neurons with these constants. No block is made yet.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn new(projection: &Projection<F>, bank: &ModeBank<F>) -> Result<Self, SimulationError> {
        let (posts, _) = projection.synapses.shape();
        let (mut longest, mut excitation) = (F::zero(), 0.0);
        for post in 0..posts {
            check_row(projection, post)?;
            for synapse in projection.synapses.row(post).iter() {
                longest = longest.max(synapse.delay);
                excitation += synapse.weight.max(F::zero()).as_f64();
            }
        }
        let taus = (bank.tau_mem(), bank.tau_syn()[projection.receptor]);
        let blocks = Blocks::new(posts.div_ceil(BLOCK));
        let excitation = excitation / projection.synapses.synapses().max(1) as f64;
        Ok(Self { taus, longest: longest.as_f64(), excitation, blocks })
    }

    /// Returns once all blocks are made, by whatever thread.
    pub fn make(&self, projection: &Projection<F>, bank: &ModeBank<F>, leg: f64) {
        let make = |number| {
            let (posts, _) = projection.synapses.shape();
            let posts = number * BLOCK..posts.min((number + 1) * BLOCK);
            let first = projection.synapses.row(posts.start).first;
            let mixing = -gain(bank, projection.receptor);
            let mut units = Vec::new();
            for post in posts {
                let row = projection.synapses.row(post);
                units.extend(row.delays.iter().map(|delay| {
                    let delay = delay.as_f64();
                    let rest = delay - leg_start(delay, leg);
                    (mixing * exp_of(rest, self.taus.0), exp_of(rest, self.taus.1))
                }));
            }
            Block { first, units }
        };
        self.blocks.begin(make);
        self.blocks.finish(make);
    }

    /// Those of the synapses onto a neuron.
    pub fn of(&self, post: usize, row: &Row<'_, F>) -> &[(F, F)] {
        let Block { first, units } = self.blocks.of(post / BLOCK);
        &units[row.first - first..][..row.weights.len()]
    }
}
