//! What a forward pass keeps.

use crate::network::Origin;
use crate::{Real, SpikeTrains};

/// A simulated trial: the input, and the spikes of every layer.
///
/// This is all that the backward pass needs: the memory of a trial grows with its spikes and
/// nothing else.
#[derive(Debug, Clone)]
pub struct Trace<F = f64> {
    pub(crate) input: SpikeTrains,
    pub(crate) duration: f64,
    pub(crate) layers: Vec<LayerTrace<F>>,
    pub(crate) ties: usize,
    /// The version of the network that made it.
    pub(crate) version: u64,
}

/// The spikes of one layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerTrace<F> {
    pub spikes: SpikeTrains,
    /// dV/dt just before each spike.
    pub slopes: Vec<F>,
    /// How many arrivals the neuron had received before each spike. Decides ties.
    pub arrivals: Vec<u32>,
    /// The position of each spike in the order in which its group fired.
    pub ranks: Vec<u32>,
}

impl<F: Real> Trace<F> {
    /// The spikes of the population that a projection starts from.
    pub(crate) fn sources(&self, origin: Origin) -> &SpikeTrains {
        match origin {
            Origin::Input { .. } => &self.input,
            Origin::Layer(layer) => &self.layers[layer].spikes,
        }
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
    pub fn spikes(&self, layer: usize) -> &SpikeTrains {
        &self.layers[layer].spikes
    }

    /// dV/dt in 1/ms just before each spike of a layer, in the order of
    /// [`SpikeTrains::times`]. Small slopes make large gradients.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn slopes(&self, layer: usize) -> &[F] {
        &self.layers[layer].slopes
    }

    /// How often a spike and an arrival at the same neuron, not sent by that spike, fell together. There
    /// the gradient is the one-sided one that belongs to the order of events that was simulated.
    pub fn ties(&self) -> usize {
        self.ties
    }
}
