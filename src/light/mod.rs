//! The light engine: layers of linear neurons without recurrence, neuron by neuron.
//!
//! The neurons of such a layer do not drive each other, so each is taken through the whole trial on its
//! own: its arrivals are sorted once, and no queue is needed. It does what the plain engine does, event
//! by event, for less: bounds that need no exponential come first, and the way back needs no states. Neurons
//! with more to them than LIF, or with constants to be trained, take the steps of the plain engine, one neuron
//! after the other.

mod arrivals;
mod backward;
mod crossing;
mod dynamics;
mod forward;
mod reads;

use crate::trace::{Fired, LayerTrace};
use crate::{LinearNeurons, Real, SpikeTrains, SpikingNetwork};
use arrivals::Inbox;
pub(crate) use backward::backward;
pub(crate) use forward::forward;
use reads::Reads;

/// Up to so many arrivals at a spiking layer, this engine is the fastest.
const FEW: usize = 512;

/// The greatest number of receptors of neurons with nothing beyond LIF that have a quick way of their own.
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
    arrivals <= FEW && model.linear().is_some_and(|neurons| neurons.fire())
}

/// Calls a macro with what makes the dynamics of neurons from their constants, given what [`quick`] said.
macro_rules! with_dynamics {
    ($quick:expr, $run:ident) => {
        match $quick {
            Some(1) => $run!(Dynamics::<'_, F, 1>::new),
            Some(2) => $run!(Dynamics::<'_, F, 2>::new),
            Some(3) => $run!(Dynamics::<'_, F, 3>::new),
            Some(4) => $run!(Dynamics::<'_, F, 4>::new),
            _ => $run!(|bank| bank),
        }
    };
}
use with_dynamics;

/// The number of receptors of neurons for which there is [`Dynamics`](dynamics::Dynamics).
fn quick<F: Real>(neurons: &LinearNeurons<F>) -> Option<usize> {
    let receptors = neurons.bank(0).tau_syn().len();
    (receptors <= MOST_RECEPTORS && neurons.are_plain()).then_some(receptors)
}

/// Buffers, kept from sample to sample: a warm one allocates nothing.
#[derive(Debug)]
pub(crate) struct Scratch<F> {
    /// What reaches the present neuron.
    inbox: Inbox<F>,
    /// How the loss reads the present layer.
    reads: Reads<F>,
    /// The spikes of the layer, in order.
    fired: Vec<Fired<F>>,
    /// The present neuron on its way back.
    memory: backward::Memory<F>,
}

impl<F: Real> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            inbox: Inbox::default(),
            reads: Reads::default(),
            fired: Vec::new(),
            memory: backward::Memory::default(),
        }
    }
}
