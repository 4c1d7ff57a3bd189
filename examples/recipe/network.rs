//! The network of the recipes on recordings: one hidden layer, and leaky integrators that are read.

use super::{Options, Result};
use eventprop::data::Dataset;
use eventprop::{
    Dense, LeakyIntegrator, Lif, Network, NetworkBuilder, SpikeTrains, SpikingNetwork,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

/// Delays within the hidden layer start below this many ms.
const WITHIN: f64 = 50.0;

/// What differs between recipes.
pub struct Shape {
    /// Hidden neurons, if the command line does not say.
    pub hidden: u32,
    /// Whether they are connected with each other.
    pub recurrent: bool,
    /// How often one fires in a trial before training: the scale of the input weights follows from it.
    pub spikes: f64,
    /// Time constants in ms of the hidden neurons and their synapses.
    pub tau_mem: f64,
    pub tau_syn: f64,
    /// Synapses from each input to each hidden neuron: at how many lags it can hear a channel.
    pub lags: usize,
    /// Delays from the inputs start below this many ms.
    pub delays: f64,
    /// The longest delay in ms that is learned.
    pub longest: f64,
    /// Output neurons per class.
    pub outputs: usize,
    /// Standard deviation of the weights onto the integrators.
    pub output: f64,
}

impl Shape {
    /// The network before training.
    pub fn network(
        &self,
        options: &Options,
        data: &Dataset,
        duration: f64,
    ) -> Result<SpikingNetwork> {
        let build = |scale: f64| {
            let mut net = NetworkBuilder::new();
            let input = net.input("input", data.channels());
            let neurons = Lif::new(options.hidden(self.hidden));
            let neurons = neurons.tau_mem(self.tau_mem).tau_syn(self.tau_syn);
            let hidden = net.layer("hidden", neurons);
            let output = net.layer("output", LeakyIntegrator::new(data.classes() * self.outputs));
            let delays = Uniform::new(0.0, self.delays)?;
            for _ in 0..self.lags {
                let synapses = Dense::weights(Normal::new(0.0, scale)?);
                let synapses = options.delays().apply(synapses, delays, delays, self.longest);
                net.connect(input, hidden, synapses);
            }
            if self.recurrent {
                let delays = Uniform::new(0.0, WITHIN)?;
                let synapses = Dense::weights(Normal::new(0.0, 0.05)?);
                let synapses = options.delays().apply(synapses, delays, delays, self.longest);
                net.connect(hidden, hidden, synapses);
            }
            net.connect(hidden, output, Dense::weights(Normal::new(0.0, self.output)?));
            Ok(net.build(&mut ChaCha8Rng::seed_from_u64(options.seed))?)
        };
        calibrated(data, duration, self.spikes, build)
    }
}

/// The network that `build` makes for that scale of its weights at which the neurons of layer 0 fire `count` times per
/// trial, on average over the first samples.
fn calibrated(
    data: &Dataset,
    duration: f64,
    count: f64,
    build: impl Fn(f64) -> Result<SpikingNetwork>,
) -> Result<SpikingNetwork> {
    let some: Vec<usize> = (0..data.len().min(32)).collect();
    let inputs: Vec<SpikeTrains> =
        some.iter().map(|&k| data.spikes(k)).collect::<std::result::Result<_, _>>()?;
    let (mut low, mut high) = (1e-3_f64, 1e3_f64);
    for _ in 0..16 {
        let scale = (low * high).sqrt();
        let net = build(scale)?;
        let mut spikes = 0;
        for input in &inputs {
            spikes += net.forward(input, duration)?.spikes(0).len();
        }
        let mean = spikes as f64 / net.layer_info(0).1 as f64 / inputs.len() as f64;
        if mean > count { high = scale } else { low = scale }
    }
    build((low * high).sqrt())
}
