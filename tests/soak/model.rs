//! Random networks as lists of numbers, which a test can change in ways that it knows the effect of.

use crate::support::{Neurons, neurons};
use eventprop::{
    Constant, Dense, LeakyIntegrator, Lif, NetworkBuilder, ParameterKind, Sparse, SpikeTrains,
    SpikingNetwork,
};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};
use std::collections::BTreeMap;

/// What a network is drawn by. Failures shrink to fewer and smaller layers.
#[derive(Debug, Clone)]
pub struct Shape {
    seed: u64,
    channels: usize,
    hidden: Vec<usize>,
    outputs: usize,
    /// Input spikes in a trial of `duration` ms.
    spikes: usize,
    duration: f64,
    neurons: Neurons,
    output_fires: bool,
    trainable: bool,
    /// Mean drive by the input, in thresholds that it would reach at its mean.
    drive: f64,
    longest_delay: f64,
    /// Input comes on a grid of this many ms, if at all: many arrivals at one time.
    quantum: Option<f64>,
    /// The share of possible synapses; all of them in a matrix if there is none.
    density: Option<f64>,
    second_receptor: bool,
    /// Strength of synapses within each hidden layer.
    recurrent: Option<f64>,
    /// The last hidden layer drives the first one.
    feedback: bool,
    /// The input drives the output as well.
    skip: bool,
    /// The loss reads potentials as well as spikes.
    potentials: bool,
}

pub fn shape() -> impl Strategy<Value = Shape> {
    let size = (
        any::<u64>(),
        1..9usize,
        prop::collection::vec(1..14usize, 1..4),
        1..4usize,
        prop_oneof![1..60usize, 100..900usize],
        20.0..250.0,
    );
    let tau = || prop_oneof![2.0..30.0, Just(5.0), Just(20.0)];
    let reset = prop_oneof![Just(0.0), -1.0..0.9];
    let any_neurons = prop_oneof![
        1 => (tau(), tau(), reset.clone()).prop_map(|(m, s, r)| Neurons::plain(m, s, r)),
        2 => neurons((tau(), tau()), reset),
    ];
    let neuron = (any_neurons, any::<bool>(), any::<bool>(), any::<bool>());
    let load = (
        0.3..2.5,
        prop_oneof![Just(0.0), 0.0..20.0, 0.0..200.0],
        prop_oneof![Just(None), Just(Some(1.0)), Just(Some(0.25))],
        prop::option::of(0.2..0.9),
        any::<bool>(),
    );
    let loops = (prop::option::of(0.1..1.0), any::<bool>(), any::<bool>());
    (size, neuron, load, loops).prop_map(|(size, neuron, load, loops)| Shape {
        seed: size.0,
        channels: size.1,
        hidden: size.2,
        outputs: size.3,
        spikes: size.4,
        duration: size.5,
        neurons: neuron.0,
        output_fires: neuron.1,
        trainable: neuron.2,
        potentials: neuron.3,
        drive: load.0,
        longest_delay: load.1,
        quantum: load.2,
        density: load.3,
        second_receptor: load.4,
        recurrent: loops.0,
        feedback: loops.1,
        skip: loops.2,
    })
}

/// A synapse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    pub post: usize,
    pub pre: usize,
    pub weight: f64,
    pub delay: f64,
}

/// The synapses from the input or a layer to a layer, ordered by target, then source.
#[derive(Debug, Clone)]
pub struct Projection {
    pub from: Option<usize>,
    pub to: usize,
    pub tau_syn: Option<f64>,
    /// Whether they are made as matrices; there is one synapse for each pair then.
    pub dense: bool,
    pub edges: Vec<Edge>,
}

#[derive(Debug, Clone)]
pub struct Layer {
    pub fires: bool,
    pub trainable: bool,
    /// A number for each neuron that goes with it: the loss is made of it.
    pub marks: Vec<f64>,
    /// One for all neurons, or one for each.
    pub constants: BTreeMap<ParameterKind, Vec<f64>>,
}

/// A network and its input.
#[derive(Debug, Clone)]
pub struct Model {
    pub layers: Vec<Layer>,
    pub projections: Vec<Projection>,
    /// Spike times of each channel in ms, ascending.
    pub input: Vec<Vec<f64>>,
    pub duration: f64,
    pub potentials: bool,
}

/// Times of input are multiples of this many ms, so that a shift does not round them.
const GRID: f64 = 1.0 / (1 << 20) as f64;

impl Shape {
    pub fn model(&self) -> Model {
        let rng = &mut ChaCha8Rng::seed_from_u64(self.seed);
        let mut input = vec![Vec::new(); self.channels];
        for _ in 0..self.spikes {
            let grid = self.quantum.unwrap_or(GRID);
            let time = (rng.random::<f64>() * self.duration / grid).floor() * grid;
            input[rng.random_range(0..self.channels)].push(time);
        }
        input.iter_mut().for_each(|train| train.sort_by(f64::total_cmp));
        let mut layers: Vec<Layer> =
            self.hidden.iter().map(|&size| self.layer(size, true, rng)).collect();
        layers.push(self.layer(self.outputs, self.output_fires, rng));
        // The mean current of all input is rate * weight * tau_syn.
        let weight = self.drive * self.duration / (self.spikes as f64 * self.neurons.tau_syn);
        let weight = weight.min(3.0 * self.drive);
        let (first, last) = (0, self.hidden.len() - 1);
        let mut model = Model {
            layers,
            projections: Vec::new(),
            input,
            duration: self.duration,
            potentials: self.potentials,
        };
        self.connect(&mut model, None, first, (weight, weight), None, rng);
        if self.second_receptor {
            self.connect(&mut model, None, first, (weight, weight), Some(11.0), rng);
        }
        for to in 1..=self.hidden.len() {
            self.connect(&mut model, Some(to - 1), to, (0.6, 1.0), None, rng);
        }
        if self.skip {
            self.connect(&mut model, None, last + 1, (weight, weight), None, rng);
        }
        if let Some(strength) = self.recurrent {
            for layer in first..=last {
                self.connect(&mut model, Some(layer), layer, (0.0, strength), None, rng);
            }
            if self.feedback {
                self.connect(&mut model, Some(last), first, (0.0, strength), None, rng);
            }
        }
        model
    }

    fn layer(&self, size: usize, fires: bool, rng: &mut ChaCha8Rng) -> Layer {
        let Neurons {
            tau_mem, tau_syn, reset, spread, bias, adaptation, rising, refractory, ..
        } = self.neurons;
        let mut constants = BTreeMap::new();
        let mut set = |kind, value: f64, least_spread: f64| {
            let spread = spread.unwrap_or(0.0).max(least_spread);
            let values = if spread == 0.0 { 1 } else { size };
            let one = |_| value * (1.0 + spread * (rng.random::<f64>() - 0.5));
            constants.insert(kind, (0..values).map(one).collect::<Vec<_>>());
        };
        set(ParameterKind::TauMem, tau_mem, 0.0);
        set(ParameterKind::TauSyn, tau_syn, 0.0);
        if let Some(bias) = bias {
            // With the same bias neurons would fire at the same time, and rounding would order them.
            set(ParameterKind::Bias, bias, 0.05);
        }
        if fires {
            set(ParameterKind::Threshold, 1.0, 0.0);
            // Below all thresholds, which are at least 0.7.
            set(ParameterKind::Reset, if spread.is_some() { 0.5 * reset } else { reset }, 0.0);
            if let Some((kick, tau)) = adaptation {
                set(ParameterKind::AdaptationJump, kick, 0.0);
                set(ParameterKind::TauAdaptation, tau, 0.0);
            }
            if let Some((jump, tau)) = rising {
                set(ParameterKind::ThresholdJump, jump, 0.0);
                set(ParameterKind::TauThreshold, tau, 0.0);
            }
            if let Some(time) = refractory {
                set(ParameterKind::Refractory, time, 0.0);
            }
        }
        let marks = (0..size).map(|_| rng.random_range(1.0..100.0)).collect();
        Layer { fires, trainable: self.trainable, marks, constants }
    }

    /// Adds synapses with normal weights of this mean and deviation.
    fn connect(
        &self,
        model: &mut Model,
        from: Option<usize>,
        to: usize,
        (mean, deviation): (f64, f64),
        tau_syn: Option<f64>,
        rng: &mut ChaCha8Rng,
    ) {
        let pres = model.sources(from);
        let weights = Normal::new(mean, deviation).unwrap();
        let mut edges = Vec::new();
        for post in 0..model.layers[to].marks.len() {
            for pre in 0..pres {
                let weight = weights.sample(rng);
                let delay = rng.random::<f64>() * self.longest_delay;
                if rng.random::<f64>() < self.density.unwrap_or(1.0) {
                    edges.push(Edge { post, pre, weight, delay });
                }
            }
        }
        let dense = self.density.is_none();
        model.projections.push(Projection { from, to, tau_syn, dense, edges });
    }
}

impl Layer {
    fn constant(&self, kind: ParameterKind) -> Option<Constant> {
        let values = self.constants.get(&kind)?;
        let constant = match values[..] {
            [one] => Constant::from(one),
            _ => Constant::from(values.clone()),
        };
        Some(if self.learns(kind) { Constant::trainable(constant) } else { constant })
    }

    /// What is zero or without end cannot be trained.
    pub fn learns(&self, kind: ParameterKind) -> bool {
        let good = |value: &f64| value.is_finite() && *value != 0.0;
        self.trainable && self.constants[&kind].iter().all(good)
    }

    fn lif(&self) -> Lif {
        let get = |kind| self.constant(kind);
        let need = |kind| get(kind).unwrap();
        let mut lif = Lif::new(self.marks.len())
            .tau_mem(need(ParameterKind::TauMem))
            .tau_syn(need(ParameterKind::TauSyn))
            .threshold(need(ParameterKind::Threshold))
            .reset(need(ParameterKind::Reset));
        if let Some(bias) = get(ParameterKind::Bias) {
            lif = lif.bias(bias);
        }
        if let Some(kick) = get(ParameterKind::AdaptationJump) {
            lif = lif.adaptation(kick, need(ParameterKind::TauAdaptation));
        }
        if let Some(jump) = get(ParameterKind::ThresholdJump) {
            lif = lif.adaptive_threshold(jump, need(ParameterKind::TauThreshold));
        }
        match get(ParameterKind::Refractory) {
            Some(time) => lif.refractory(time),
            None => lif,
        }
    }

    fn integrator(&self) -> LeakyIntegrator {
        let integrator = LeakyIntegrator::new(self.marks.len())
            .tau_mem(self.constant(ParameterKind::TauMem).unwrap())
            .tau_syn(self.constant(ParameterKind::TauSyn).unwrap());
        match self.constant(ParameterKind::Bias) {
            Some(bias) => integrator.bias(bias),
            None => integrator,
        }
    }
}

impl Projection {
    /// Puts the synapses in order, and tells where each was.
    pub fn sort(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        order.sort_by_key(|&k| (self.edges[k].post, self.edges[k].pre));
        self.edges = order.iter().map(|&k| self.edges[k]).collect();
        order
    }
}

impl Model {
    /// How many sources a projection has that starts there.
    pub fn sources(&self, from: Option<usize>) -> usize {
        from.map_or(self.input.len(), |layer| self.layers[layer].marks.len())
    }

    pub fn trains(&self) -> SpikeTrains {
        SpikeTrains::from_channels(self.input.iter().cloned()).unwrap()
    }

    pub fn network(&self) -> SpikingNetwork {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", self.input.len());
        let layers: Vec<_> = (self.layers.iter().enumerate())
            .map(|(k, layer)| match layer.fires {
                true => net.layer(k.to_string(), layer.lif()),
                false => net.layer(k.to_string(), layer.integrator()),
            })
            .collect();
        for Projection { from, to, tau_syn, dense, edges } in &self.projections {
            let shape = (self.layers[*to].marks.len(), self.sources(*from));
            let weights: Vec<f64> = edges.iter().map(|e| e.weight).collect();
            let delays: Vec<f64> = edges.iter().map(|e| e.delay).collect();
            let recipe = if *dense {
                let matrix = |values| Array2::from_shape_vec(shape, values).unwrap();
                Dense::weights(matrix(weights)).delays(matrix(delays))
            } else {
                Sparse::edges(edges.iter().map(|e| (e.pre, e.post))).weights(weights).delays(delays)
            };
            let recipe = match tau_syn {
                Some(tau) => recipe.tau_syn(*tau),
                None => recipe,
            };
            net.connect(from.map_or(input, |layer| layers[layer].into()), layers[*to], recipe);
        }
        net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
    }

    /// Changes every number but the duration by a random share of it, at most `size`.
    pub fn jitter(&self, size: f64, seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut moved = self.clone();
        let mut shake = |x: &mut f64| *x *= 1.0 + size * rng.random_range(-1.0..1.0);
        moved
            .layers
            .iter_mut()
            .for_each(|layer| layer.constants.values_mut().flatten().for_each(&mut shake));
        for edge in moved.projections.iter_mut().flat_map(|p| &mut p.edges) {
            shake(&mut edge.weight);
            shake(&mut edge.delay);
        }
        moved.input.iter_mut().flatten().for_each(&mut shake);
        moved.input.iter_mut().for_each(|train| train.sort_by(f64::total_cmp));
        moved
    }
}
