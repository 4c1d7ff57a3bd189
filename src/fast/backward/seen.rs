//! What arrivals have read, summed up by synapse until it is turned into gradients.

use crate::Real;
use crate::fast::afferent::Afferent;
use crate::fast::fan::Fans;
use crate::fast::solo::Rows;
use crate::network::Projection;
use std::sync::Arc;

/// Of a projection: of every synapse, the sums of the modes that its arrivals saw; for targets with constants of their own
/// the sums of dL/dw, and of dL/dt for weight 1.
#[derive(Default)]
pub(crate) struct Seen<F> {
    /// None if nothing was seen.
    order: Option<Order<F>>,
    blocks: Vec<Vec<(F, F)>>,
}

/// How the synapses are ordered.
enum Order<F> {
    /// As the branches of fans; with tau_mem and tau_syn, if the targets share them.
    Fans(Arc<Fans<F>>, Option<(F, F)>),
    /// As in the projection, in one block.
    Rows(Arc<Rows<F>>),
}

impl<F: Real> Seen<F> {
    /// Makes room for what will be seen through an afferent, unless there is.
    pub(super) fn begin(&mut self, afferent: &Afferent<F>) {
        if self.order.is_none() {
            let fans = &afferent.fans;
            self.make_room(fans.all().map(|fan| fan.branches.len()));
            self.order = Some(Order::Fans(fans.clone(), afferent.taus));
        }
    }

    /// The same through that many synapses in rows; the room.
    pub(in crate::fast) fn by_rows(
        &mut self,
        rows: &Arc<Rows<F>>,
        synapses: usize,
    ) -> &mut [(F, F)] {
        if self.order.is_none() {
            self.make_room(std::iter::once(synapses));
            self.order = Some(Order::Rows(rows.clone()));
        }
        self.block(0)
    }

    fn make_room(&mut self, sizes: impl Iterator<Item = usize> + Clone) {
        self.blocks.resize_with(sizes.clone().count(), Vec::new);
        for (seen, size) in self.blocks.iter_mut().zip(sizes) {
            seen.clear();
            seen.resize(size, (F::zero(), F::zero()));
        }
    }

    /// That of a block of targets.
    pub(super) fn block(&mut self, number: usize) -> &mut [(F, F)] {
        &mut self.blocks[number]
    }

    /// Adds the gradients by the synapses of the projection, and is empty then.
    pub fn finish(&mut self, projection: &Projection<F>, weights: &mut [F], delays: &mut [F]) {
        match self.order.take() {
            None => {}
            Some(Order::Fans(fans, Some(taus))) => {
                for (fan, seen) in fans.all().zip(&self.blocks) {
                    let parts = fan.branches.iter().zip(&fan.units);
                    for ((&index, (branch, &unit)), &seen) in
                        fan.synapses.iter().zip(parts).zip(seen)
                    {
                        let (weight, delay) = gradients(taus, unit, (branch.mem, branch.syn), seen);
                        weights[index as usize] += weight;
                        delays[index as usize] += delay;
                    }
                }
            }
            Some(Order::Fans(fans, None)) => {
                for (fan, seen) in fans.all().zip(&self.blocks) {
                    for ((&index, branch), seen) in fan.synapses.iter().zip(&fan.branches).zip(seen)
                    {
                        weights[index as usize] += seen.0;
                        delays[index as usize] += branch.syn * seen.1;
                    }
                }
            }
            Some(Order::Rows(rows)) => {
                let (posts, _) = projection.synapses.shape();
                for post in 0..posts {
                    let row = projection.synapses.row(post);
                    for (synapse, &unit) in row.iter().zip(rows.of(post, &row)) {
                        let parts = (unit.0 * synapse.weight, unit.1 * synapse.weight);
                        let seen = self.blocks[0][synapse.index];
                        let (weight, delay) = gradients(rows.taus, unit, parts, seen);
                        weights[synapse.index] += weight;
                        delays[synapse.index] += delay;
                    }
                }
            }
        }
    }
}

/// dL/dw and dL/dd of a synapse, given its parts for weight 1 and for its own and the sums of what it saw.
fn gradients<F: Real>(taus: (F, F), unit: (F, F), parts: (F, F), seen: (F, F)) -> (F, F) {
    let by_weight = unit.0 * seen.0 + unit.1 * seen.1;
    (by_weight, taus.0.recip() * parts.0 * seen.0 + taus.1.recip() * parts.1 * seen.1)
}
