//! The spikes of a neuron as they come.

use crate::trace::LayerTrace;
use crate::{Real, SpikeTrains};

#[derive(Default)]
pub(super) struct Fired<F> {
    pub times: Vec<f64>,
    pub ranks: Vec<u32>,
    slopes: Vec<F>,
    arrivals: Vec<u32>,
}

impl<F: Real> Fired<F> {
    pub fn push(&mut self, time: f64, slope: F, arrivals: u32, rank: u32) {
        self.times.push(time);
        self.slopes.push(slope);
        self.arrivals.push(arrivals);
        self.ranks.push(rank);
    }

    /// The trace of a layer from the spikes of its neurons in order.
    pub fn into_trace<'f>(neurons: impl Iterator<Item = &'f Self>) -> LayerTrace<F> {
        let mut offsets = vec![0];
        let mut all =
            Self { times: Vec::new(), ranks: Vec::new(), slopes: Vec::new(), arrivals: Vec::new() };
        for fired in neurons {
            all.times.extend_from_slice(&fired.times);
            all.ranks.extend_from_slice(&fired.ranks);
            all.slopes.extend_from_slice(&fired.slopes);
            all.arrivals.extend_from_slice(&fired.arrivals);
            offsets.push(all.times.len());
        }
        let spikes = SpikeTrains::from_csr(offsets, all.times)
            .expect("a neuron fires at finite times that do not descend");
        LayerTrace { spikes, slopes: all.slopes, arrivals: all.arrivals, ranks: all.ranks }
    }
}
