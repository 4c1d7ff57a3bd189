//! The arrivals at one neuron, small and in order.

use crate::arrivals::check_synapse;
use crate::network::Projection;
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};

/// A spike that reaches a neuron.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<F> {
    pub time: f64,
    pub weight: F,
    pub receptor: u32,
    /// Its place in [`Inbox::causes`].
    cause: u32,
}

/// Where an arrival comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    pub projection: u32,
    /// The synapse in that.
    pub synapse: u32,
    /// The spike's position among all of its population's.
    pub spike: u32,
}

/// The arrivals at one neuron, in the order in which they act: by time, and at one time by projection,
/// synapse and spike.
#[derive(Debug)]
pub(super) struct Inbox<F> {
    pub arrivals: Vec<Arrival<F>>,
    causes: Vec<Cause>,
}

impl<F> Default for Inbox<F> {
    fn default() -> Self {
        Self { arrivals: Vec::new(), causes: Vec::new() }
    }
}

impl<F: Real> Inbox<F> {
    /// Gathers all that arrives at a neuron before `until`.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn fill<'a>(
        &mut self,
        network: &SpikingNetwork<F>,
        (layer, neuron): (usize, usize),
        until: f64,
        trains: impl Fn(&Projection<F>) -> &'a SpikeTrains,
    ) -> Result<(), SimulationError> {
        self.arrivals.clear();
        self.causes.clear();
        let projections = network.projections.iter().enumerate();
        for (number, projection) in projections.filter(|(_, p)| p.target == layer) {
            let spikes = trains(projection);
            let (times, offsets) = (spikes.times(), &spikes.offsets()[projection.origin.first()..]);
            for synapse in projection.synapses.row(neuron).iter() {
                check_synapse(projection, neuron, &synapse)?;
                let delay = synapse.delay.as_f64();
                let first = offsets[synapse.pre];
                for (k, time) in times[first..offsets[synapse.pre + 1]].iter().enumerate() {
                    // Adding zero turns -0.0, whose bits do not sort, into 0.0.
                    let time = time + delay + 0.0;
                    if time >= until {
                        break;
                    }
                    self.arrivals.push(Arrival {
                        time,
                        weight: synapse.weight,
                        receptor: projection.receptor as u32,
                        cause: self.causes.len() as u32,
                    });
                    self.causes.push(Cause {
                        projection: number as u32,
                        synapse: synapse.index as u32,
                        spike: (first + k) as u32,
                    });
                }
            }
        }
        // The bits of non-negative floats ascend with their values.
        self.arrivals.sort_unstable_by_key(|a| a.time.to_bits());
        for tied in self.arrivals.chunk_by_mut(|a, b| a.time == b.time).filter(|t| t.len() > 1) {
            tied.sort_unstable_by_key(|a| a.cause);
        }
        Ok(())
    }

    pub fn cause(&self, arrival: &Arrival<F>) -> Cause {
        self.causes[arrival.cause as usize]
    }
}
