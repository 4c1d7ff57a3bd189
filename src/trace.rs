//! What a forward pass keeps.

use crate::network::Origin;
use crate::{Real, SpikeTrains};

/// A simulated trial: the input, and the spikes of every layer.
///
/// This is all that the backward pass needs: the memory of a trial grows with its spikes and
/// nothing else. A trace can be filled again and again, see
/// [`Network::forward_into`](crate::Network::forward_into); its memory is used again.
#[derive(Debug, Clone, Default)]
pub struct Trace<F = f64> {
    pub(crate) input: SpikeTrains,
    pub(crate) duration: f64,
    pub(crate) layers: Vec<LayerTrace<F>>,
    pub(crate) ties: usize,
    /// The version of the network that made it, if it is complete.
    pub(crate) version: Option<u64>,
}

/// The spikes of one layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerTrace<F> {
    pub spikes: SpikeTrains,
    /// How fast V neared the threshold just before each spike.
    pub slopes: Vec<F>,
    /// How many arrivals the neuron had received before each spike. Decides ties.
    pub arrivals: Vec<u32>,
    /// The position of each spike in the order in which its group fired.
    pub ranks: Vec<u32>,
    /// dV/dt when V was released after each spike; empty if the engine that fired them did not tell.
    pub releases: Vec<F>,
}

/// A spike of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fired<F> {
    pub neuron: usize,
    pub time: f64,
    pub slope: F,
    pub arrivals: u32,
    pub rank: u32,
    /// dV/dt when V was released after it; NaN if it was not, or nobody asks.
    pub release: F,
}

impl<F: Real> LayerTrace<F> {
    /// Takes over the spikes of a layer of this size, which are in order for each neuron.
    pub fn fill(&mut self, neurons: usize, fired: impl Iterator<Item = Fired<F>> + Clone) {
        let Self { spikes, slopes, arrivals, ranks, releases } = self;
        let (offsets, times) = spikes.parts_mut();
        offsets.clear();
        offsets.resize(neurons + 1, 0);
        fired.clone().for_each(|spike| offsets[spike.neuron + 1] += 1);
        for n in 0..neurons {
            offsets[n + 1] += offsets[n];
        }
        let count = offsets[neurons];
        times.resize(count, 0.0);
        slopes.resize(count, F::zero());
        arrivals.resize(count, 0);
        ranks.resize(count, 0);
        let told = fired.clone().any(|spike| !spike.release.is_nan());
        releases.clear();
        releases.resize(if told { count } else { 0 }, F::nan());
        // The start of each neuron moves on to its end, which is the start of the next.
        for spike in fired {
            let at = offsets[spike.neuron];
            offsets[spike.neuron] += 1;
            times[at] = spike.time;
            slopes[at] = spike.slope;
            arrivals[at] = spike.arrivals;
            ranks[at] = spike.rank;
            if told {
                releases[at] = spike.release;
            }
        }
        offsets.rotate_right(1);
        offsets[0] = 0;
    }
}

impl<F: Real> Trace<F> {
    /// A trace of nothing, to be filled. No network accepts it before.
    pub fn new() -> Self {
        Self::default()
    }

    /// The spikes of the population that a projection starts from.
    pub(crate) fn sources(&self, origin: Origin) -> &SpikeTrains {
        origin.spikes(&self.input, &self.layers)
    }

    /// The input of the trial.
    pub fn input(&self) -> &SpikeTrains {
        &self.input
    }

    /// The length of the trial in ms.
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The spikes of a layer, one channel per neuron.
    ///
    /// # Panics
    /// If there is no such layer.
    #[track_caller]
    pub fn spikes(&self, layer: usize) -> &SpikeTrains {
        &self.layer(layer).spikes
    }

    /// How fast V neared the threshold just before each spike of a layer, in 1/ms and in the order of
    /// [`SpikeTrains::times`]: dV/dt where the threshold does not move. Small slopes make large gradients.
    ///
    /// # Panics
    /// If there is no such layer.
    #[track_caller]
    pub fn slopes(&self, layer: usize) -> &[F] {
        &self.layer(layer).slopes
    }

    #[track_caller]
    fn layer(&self, layer: usize) -> &LayerTrace<F> {
        let layers = self.layers();
        assert!(layer < layers, "there is no layer {layer}; the trace has {layers} (0-based)");
        &self.layers[layer]
    }

    /// How often a spike and an arrival at the same neuron, not sent by that spike, fell together. There
    /// the gradient is the one-sided one that belongs to the order of events that was simulated.
    ///
    /// An arrival at the very end of a refractory period is another such case, but not counted: the release of V is no
    /// event, and rounding of the times would decide. There the gradient is that of an arrival which comes later.
    pub fn ties(&self) -> usize {
        self.ties
    }
}
