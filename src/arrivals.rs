//! What reaches a neuron, and when.

use crate::network::Projection;
use crate::{Real, SimulationError, SpikingNetwork, Synapse};

/// A spike that reaches a neuron.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<F> {
    pub time: f64,
    /// 0 for spikes known before the neuron's group is simulated, else 1 + the rank of the spike.
    pub rank: u32,
    /// The projection, and the synapse in it.
    pub projection: u32,
    pub synapse: u32,
    /// The spike's position among all of its population's.
    pub spike: u32,
    pub receptor: u32,
    pub weight: F,
}

impl<F> Arrival<F> {
    /// The order in which arrivals act: by time, and at one time in the order of cause.
    fn key(&self) -> (u64, u32, u32, u32, u32) {
        // The bits of non-negative floats ascend with their values.
        (self.time.to_bits(), self.rank, self.projection, self.synapse, self.spike)
    }

    pub fn before(&self, other: &Self) -> bool {
        self.key() < other.key()
    }
}

/// The spikes of a projection's source: times and offsets per channel, and ranks in the group.
#[derive(Clone, Copy)]
pub(crate) struct SourceSpikes<'a> {
    pub times: &'a [f64],
    pub offsets: &'a [usize],
    /// `None` where the source was simulated before.
    pub ranks: Option<&'a [u32]>,
}

/// All arrivals at a neuron before `duration`, in the order in which they act, from the projections
/// for which `source` gives spikes.
pub(crate) fn collect<'a, F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
    neuron: usize,
    duration: f64,
    source: impl Fn(&Projection<F>) -> Option<SourceSpikes<'a>>,
    out: &mut Vec<Arrival<F>>,
) -> Result<(), SimulationError> {
    out.clear();
    for (number, projection) in network.projections.iter().enumerate() {
        if projection.target != layer {
            continue;
        }
        let Some(spikes) = source(projection) else { continue };
        let first = projection.origin.first();
        for synapse in projection.synapses.row(neuron).iter() {
            check_synapse(projection, neuron, &synapse)?;
            let delay = synapse.delay.as_f64();
            let channel = first + synapse.pre;
            for spike in spikes.offsets[channel]..spikes.offsets[channel + 1] {
                let time = spikes.times[spike] + delay;
                if time >= duration {
                    break;
                }
                out.push(Arrival {
                    // Adding zero turns -0.0, whose bits do not sort, into 0.0.
                    time: time + 0.0,
                    rank: spikes.ranks.map_or(0, |ranks| ranks[spike] + 1),
                    projection: number as u32,
                    synapse: synapse.index as u32,
                    spike: spike as u32,
                    receptor: projection.receptor as u32,
                    weight: synapse.weight,
                });
            }
        }
    }
    out.sort_unstable_by_key(Arrival::key);
    Ok(())
}

/// Checks all synapses onto a neuron.
pub(crate) fn check_row<F: Real>(
    projection: &Projection<F>,
    post: usize,
) -> Result<(), SimulationError> {
    let mut row = projection.synapses.row(post).iter();
    row.try_for_each(|synapse| check_synapse(projection, post, &synapse))
}

/// Refuses values that were set after the network was built and have no meaning.
pub(crate) fn check_synapse<F: Real>(
    projection: &Projection<F>,
    post: usize,
    synapse: &Synapse<F>,
) -> Result<(), SimulationError> {
    let delay = synapse.delay.as_f64();
    if synapse.weight.is_finite() && delay.is_finite() && delay >= 0.0 {
        return Ok(());
    }
    Err(SimulationError::BadSynapse {
        projection: projection.name.clone(),
        post,
        pre: synapse.pre,
        weight: synapse.weight.as_f64(),
        delay,
    })
}
