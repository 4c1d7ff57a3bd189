//! What arrivals have read, summed up by synapse until it is turned into gradients.

use crate::Real;
use crate::fast::afferent::Afferent;
use crate::fast::fan::Fans;
use std::sync::Arc;

/// Of a projection: of every branch, the sums of the modes that its arrivals saw; for targets with constants of their own
/// the sums of dL/dw, and of dL/dt for weight 1.
#[derive(Default)]
pub(crate) struct Seen<F> {
    /// The branches; none if nothing was seen.
    fans: Option<Arc<Fans<F>>>,
    /// tau_mem and tau_syn, if the targets share them.
    taus: Option<(F, F)>,
    blocks: Vec<Vec<(F, F)>>,
}

impl<F: Real> Seen<F> {
    /// Makes room for what will be seen through an afferent, unless there is.
    pub(super) fn begin(&mut self, afferent: &Afferent<F>) {
        if self.fans.is_none() {
            self.fans = Some(afferent.fans.clone());
            self.taus = afferent.taus;
            self.blocks.resize_with(afferent.fans.all().count(), Vec::new);
            for (seen, fan) in self.blocks.iter_mut().zip(afferent.fans.all()) {
                seen.clear();
                seen.resize(fan.branches.len(), (F::zero(), F::zero()));
            }
        }
    }

    /// That of a block of targets.
    pub(super) fn block(&mut self, number: usize) -> &mut [(F, F)] {
        &mut self.blocks[number]
    }

    /// Adds the gradients by the synapses, and is empty then.
    pub fn finish(&mut self, weights: &mut [F], delays: &mut [F]) {
        let Some(fans) = self.fans.take() else { return };
        for (fan, seen) in fans.all().zip(&self.blocks) {
            let Some((tau_mem, tau_syn)) = self.taus else {
                for (branch, seen) in fan.branches.iter().zip(seen) {
                    weights[branch.synapse as usize] += seen.0;
                    delays[branch.synapse as usize] += branch.syn * seen.1;
                }
                continue;
            };
            let (rate_mem, rate_syn) = (tau_mem.recip(), tau_syn.recip());
            for ((branch, unit), seen) in fan.branches.iter().zip(&fan.units).zip(seen) {
                let synapse = branch.synapse as usize;
                weights[synapse] += unit.0 * seen.0 + unit.1 * seen.1;
                delays[synapse] += rate_mem * branch.mem * seen.0 + rate_syn * branch.syn * seen.1;
            }
        }
    }
}
