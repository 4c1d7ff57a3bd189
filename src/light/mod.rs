//! The light engine: layers of linear neurons without recurrence, neuron by neuron.
//!
//! The neurons of such a layer do not drive each other, so each is taken through the whole trial on its
//! own: its arrivals are sorted once, and no queue is needed. It does what the plain engine does, event
//! by event, for less: bounds that need no exponential come first, and the way back needs no states.

mod arrivals;
mod backward;
mod crossing;
mod dynamics;
mod forward;
mod reads;

use crate::trace::{Fired, LayerTrace};
use crate::{Real, SpikeTrains, SpikingNetwork};
use arrivals::Inbox;
pub(crate) use backward::backward;
pub(crate) use forward::forward;
use reads::Reads;

/// Up to so many arrivals at a spiking layer, this engine is the fastest.
const FEW: usize = 512;

/// The greatest number of receptors that this engine handles.
const MOST_RECEPTORS: usize = 4;

/// [V, I_0, I_1, ...], or dL/d of it; what is left stays 0.
type State<F> = [F; MOST_RECEPTORS + 1];

fn rest<F: Real>() -> State<F> {
    [F::zero(); MOST_RECEPTORS + 1]
}

/// Whether a layer is one of spiking linear neurons that so little reaches that nothing else pays.
pub(crate) fn is_small<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
    input: &SpikeTrains,
    layers: &[LayerTrace<F>],
) -> bool {
    let model = &network.layers[layer].layer;
    let onto = network.projections.iter().filter(|p| p.target == layer);
    let spikes = onto.map(|p| p.origin.spikes(input, layers).len());
    let arrivals = spikes.sum::<usize>().saturating_mul(model.size());
    arrivals <= FEW && model.mode_bank().is_some_and(|bank| bank.threshold().is_some())
}

/// Calls a generic function for the number of receptors of a bank; leaves with `None` if there are too
/// many.
macro_rules! with_receptors {
    ($bank:expr, $run:ident) => {
        match $bank.tau_syn().len() {
            1 => $run!(1),
            2 => $run!(2),
            3 => $run!(3),
            4 => $run!(4),
            _ => return None,
        }
    };
}
use with_receptors;

/// Buffers, kept from sample to sample: a warm one allocates nothing.
#[derive(Debug)]
pub(crate) struct Scratch<F> {
    /// What reaches the present neuron.
    inbox: Inbox<F>,
    /// How the loss reads the present layer.
    reads: Reads<F>,
    /// See [`backward`].
    kinks: Vec<(usize, F)>,
    /// The spikes of the layer, in order.
    fired: Vec<Fired<F>>,
}

impl<F: Real> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            inbox: Inbox::default(),
            reads: Reads::default(),
            kinks: Vec::new(),
            fired: Vec::new(),
        }
    }
}
