//! Small loads: the light engine does what the plain one does.

use crate::agree::{
    least_slope, output_layer, random_trains, relative_of_gradients, same_gradients, same_spikes,
};
use crate::config::config;
use crate::sparse::Sparse;
use crate::support::{Neurons, neurons};
use eventprop::{
    Connectivity, CrossEntropy, DelayedSynapses, Dense, Engine, ExpWeightedMeanVoltage,
    FirstSpikeTime, Gradients, Lif, Loss, MaxVoltage, MeanSquaredError, MeanVoltage, Network,
    NetworkBuilder, Objective, ParameterKind, PotentialSensitivity, Readout, Real, Sensitivity,
    SpikeTrains, SpikingNetwork, SynapseError, TimeInvariant, Trace,
};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal, Uniform};

/// A network under a load that is too light for buckets.
#[derive(Debug, Clone)]
struct Load {
    seed: u64,
    channels: usize,
    hidden: usize,
    /// Input spikes in a trial of `duration` ms.
    spikes: usize,
    duration: f64,
    neurons: Neurons,
    /// Time constants of further receptors, each with synapses of its own.
    more: Vec<f64>,
    longest_delay: f64,
    /// Mean and deviation of the weights, in weights at which one arrival just makes a neuron fire.
    mean: f64,
    deviation: f64,
    /// Events come on a grid of this many ms, if at all: many ties.
    quantum: Option<f64>,
    burst: bool,
    output_fires: bool,
    /// Input that skips the hidden layer.
    skip: bool,
    /// Only some of the synapses exist.
    sparse: bool,
}

fn taus() -> impl Strategy<Value = (f64, f64)> {
    let ratio = prop_oneof![
        2 => Just(1.0), 2 => Just(0.5), 4 => 0.1..0.95, 2 => 1.05..4.0,
        1 => Just(1.0 + 1e-12), 1 => Just(1.0 - 1e-6), 2 => 0.9..1.1,
    ];
    (5.0..30.0, ratio).prop_map(|(tau_mem, ratio)| (tau_mem, tau_mem * ratio))
}

fn reset() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(0.0), 1 => -2.0..0.9]
}

/// LIF neurons that share their constants.
fn plain() -> impl Strategy<Value = Neurons> {
    (taus(), reset()).prop_map(|((mem, syn), reset)| Neurons::plain(mem, syn, reset))
}

fn load(neurons: impl Strategy<Value = Neurons>) -> impl Strategy<Value = Load> {
    let shape = (any::<u64>(), 1..8usize, 1..6usize, 0..30usize, 5.0..80.0);
    let more = prop_oneof![3 => Just(0), 1 => 1..5usize]
        .prop_flat_map(|n| prop::collection::vec(1.0..40.0, n));
    let neuron = (neurons, more);
    let delay = prop_oneof![2 => Just(0.0), 3 => 0.0..10.0, 1 => 20.0..200.0];
    let quantum = prop_oneof![2 => Just(None), 1 => Just(Some(1.0)), 1 => Just(Some(4.0))];
    let drive = (prop_oneof![0.0..1.0, 0.5..1.5], 0.2..1.0);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (shape, neuron, (delay, quantum, drive, flags)).prop_map(|(shape, neuron, rest)| Load {
        seed: shape.0,
        channels: shape.1,
        hidden: shape.2,
        spikes: shape.3,
        duration: shape.4,
        neurons: neuron.0,
        more: neuron.1,
        longest_delay: rest.0,
        quantum: rest.1,
        mean: rest.2.0,
        deviation: rest.2.1,
        burst: rest.3.0,
        output_fires: rest.3.1,
        skip: rest.3.2,
        sparse: rest.3.3,
    })
}

struct Wiring {
    mean: f64,
    deviation: f64,
    longest: f64,
    tau_syn: Option<f64>,
    sparse: bool,
}

impl<F: Real> Connectivity<F> for Wiring {
    fn connect(
        self,
        post: usize,
        pre: usize,
        mut rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError> {
        let weight = Normal::new(self.mean, self.deviation).unwrap();
        let delay = Uniform::new_inclusive(0.0, self.longest).unwrap();
        let mut sparse = Sparse::none(pre);
        for _ in 0..post {
            for source in 0..pre {
                if !self.sparse || rng.random_bool(0.7) {
                    sparse.sources.push(source as u32);
                    sparse.weights.push(F::of(weight.sample(&mut rng)));
                    sparse.delays.push(F::of(delay.sample(&mut rng)));
                }
            }
            sparse.end_row();
        }
        if self.sparse {
            return Ok(Box::new(sparse));
        }
        let matrix = |x: &[F]| ndarray::Array2::from_shape_vec((post, pre), x.to_vec()).unwrap();
        Dense::weights(matrix(&sparse.weights))
            .delays(matrix(&sparse.delays))
            .connect(post, pre, rng)
    }

    fn tau_syn(&self) -> Option<F> {
        self.tau_syn.map(F::of)
    }
}

/// The peak of V after one arrival of weight 1.
fn response(tau_mem: f64, tau_syn: f64) -> f64 {
    let ratio = tau_syn / tau_mem;
    if (ratio - 1.0).abs() < 1e-3 { 0.37 } else { ratio.powf(1.0 / (1.0 - ratio)) }
}

fn build<F: Real>(load: &Load) -> (SpikingNetwork<F>, SpikeTrains) {
    let mut rng = ChaCha8Rng::seed_from_u64(load.seed);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", load.channels);
    let hidden = net.layer("hidden", load.neurons.lif(load.hidden));
    let output = output_layer(&mut net, &load.neurons, load.output_fires);
    let wiring = |tau: Option<f64>| {
        let least = response(load.neurons.tau_mem, tau.unwrap_or(load.neurons.tau_syn)).recip();
        Wiring {
            mean: load.mean * least,
            deviation: load.deviation * least,
            longest: load.longest_delay,
            tau_syn: tau,
            sparse: load.sparse,
        }
    };
    net.connect(input, hidden, wiring(None));
    for &tau in &load.more {
        net.connect(input, hidden, wiring(Some(tau)));
        net.connect(hidden, output, wiring(Some(tau)));
    }
    net.connect(hidden, output, wiring(None));
    if load.skip {
        net.connect(input, output, wiring(None));
    }
    let net = net.build(&mut rng).unwrap();
    let span = if load.burst { load.duration * 0.05 } else { load.duration };
    (net, random_trains(&mut rng, (load.spikes, load.channels), span, load.quantum))
}

/// What two engines may differ by: rounding, relative to that of an f64.
struct Tolerance {
    rounding: f64,
    least_slope: f64,
    /// The size of the terms that may cancel in a gradient by time: weight / tau_syn, at least 1.
    terms: f64,
}

impl Tolerance {
    fn of<F: Real>(load: &Load, net: &SpikingNetwork<F>, plain: &Trace<F>) -> Self {
        let least_slope = least_slope(plain);
        let fastest = load.more.iter().fold(load.neurons.tau_syn, |a, &b| a.min(b));
        let weights = net.parameters().into_iter().filter(|(_, p)| p.kind == ParameterKind::Weight);
        let weights = weights.flat_map(|(_, p)| p.values.iter().map(|w| w.as_f64().abs()));
        let terms = weights.fold(1.0, |m: f64, w| m.max(w / fastest));
        Self { rounding: F::epsilon().as_f64() / f64::EPSILON, least_slope, terms }
    }

    fn same_spikes<F: Real>(
        &self,
        light: &Trace<F>,
        plain: &Trace<F>,
    ) -> Result<(), TestCaseError> {
        // A flat crossing amplifies the rounding of the potential.
        let relative = 1e-12 * self.rounding * (1.0 + 1e-2 / self.least_slope);
        same_spikes(light, plain, relative)?;
        // An f32 does not resolve whether a spike falls on an arrival or just beside it.
        if self.rounding == 1.0 {
            prop_assert_eq!(light.ties(), plain.ties());
        }
        Ok(())
    }

    fn same_gradients<F: Real>(
        &self,
        light: &Gradients<F>,
        plain: &Gradients<F>,
    ) -> Result<(), TestCaseError> {
        // Rounding is relative to the largest of a block, or to the terms that cancelled.
        let relative = relative_of_gradients(self.least_slope);
        let bound = |largest| self.rounding * (relative * largest + 2e-12 * self.terms);
        same_gradients(light, plain, bound)
    }
}

/// Both engines' networks and traces of a load, if there are any.
type Pair<F> = ([SpikingNetwork<F>; 2], [Trace<F>; 2], Tolerance);

fn simulate<F: Real>(load: &Load) -> Result<Option<Pair<F>>, TestCaseError> {
    let (light, input) = build::<F>(load);
    let plain = light.clone().with_engine(Engine::Plain);
    match (light.forward(&input, load.duration), plain.forward(&input, load.duration)) {
        (Ok(a), Ok(b)) => {
            let tolerance = Tolerance::of(load, &plain, &b);
            tolerance.same_spikes(&a, &b)?;
            Ok(Some(([light, plain], [a, b], tolerance)))
        }
        (a, b) => {
            prop_assert_eq!(a.is_err(), b.is_err());
            Ok(None)
        }
    }
}

fn compare<F: Real, R: Readout<F>, L: Loss<F>>(
    pair: &Pair<F>,
    objective: &Objective<R, L>,
    target: &L::Target,
) -> Result<(), TestCaseError> {
    let (nets, traces, tolerance) = pair;
    let a = nets[0].backward(&traces[0], objective, target);
    let b = nets[1].backward(&traces[1], objective, target);
    let (Ok((a, light)), Ok((b, plain))) = (&a, &b) else {
        prop_assert_eq!(a.is_err(), b.is_err(), "{:?} {:?}", a.err(), b.err());
        return Ok(());
    };
    let bound = F::of(1e-9 * tolerance.rounding);
    prop_assert!((a.loss - b.loss).abs() <= bound * (F::one() + b.loss.abs()));
    tolerance.same_gradients(light, plain)
}

fn compare_all(load: &Load) -> Result<(), TestCaseError> {
    let Some(pair) = simulate::<f64>(load)? else { return Ok(()) };
    let ce = CrossEntropy::new;
    for layer in 0..2 {
        let target = vec![0.5; if layer == 0 { load.hidden } else { 2 }];
        let exp = Objective::new(ExpWeightedMeanVoltage, ce());
        compare(&pair, &exp.on_layer(layer), &0)?;
        let mean = Objective::new(MeanVoltage, MeanSquaredError);
        compare(&pair, &mean.on_layer(layer), &target[..])?;
        compare(&pair, &Objective::new(MaxVoltage, ce()).on_layer(layer), &0)?;
        let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
        compare(&pair, &first.on_layer(layer), &0)?;
        let first = Objective::new(FirstSpikeTime, TimeInvariant::new(1.0));
        compare(&pair, &first.on_layer(layer), &0)?;
    }
    Ok(())
}

/// A loss that reads every spike and potentials of all neurons in all ways, at arrivals among others.
fn reads(net: &SpikingNetwork, trace: &Trace, seed: u64) -> Sensitivity {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sensitivity = Sensitivity::none(trace);
    for (layer, (projection, sources)) in
        [("input->hidden", trace.input()), ("hidden->output", trace.spikes(0))].iter().enumerate()
    {
        let reads = &mut sensitivity.layers[layer];
        reads.spike_times.iter_mut().for_each(|g| *g = rng.random::<f64>() - 0.5);
        let synapses = net.synapses(projection).unwrap();
        for neuron in 0..synapses.shape().0 {
            let mut gradient = || rng.random::<f64>() - 0.5;
            for rate in [0.0, 0.01, 1.0] {
                let gradient = 0.1 * gradient();
                reads.potentials.push(PotentialSensitivity::Integral { neuron, rate, gradient });
            }
            for share in [0.0, 0.3, 0.31, 0.8, 1.0] {
                let (time, gradient) = (share * trace.duration(), gradient());
                reads.potentials.push(PotentialSensitivity::At { neuron, time, gradient });
            }
            // Neurons of which this is read take another way back, so not of all.
            let own = if neuron % 2 == 0 { trace.spikes(layer).channel(neuron) } else { &[] };
            for &time in own.iter().step_by(2) {
                let gradient = gradient();
                reads.potentials.push(PotentialSensitivity::AtArrival { neuron, time, gradient });
            }
            for (k, synapse) in synapses.row(neuron).iter().enumerate() {
                let arrivals = sources.channel(synapse.pre).iter().map(|t| t + synapse.delay);
                for time in arrivals.filter(|t| *t < trace.duration()) {
                    let gradient = gradient();
                    reads.potentials.push(if k % 3 == 0 {
                        PotentialSensitivity::At { neuron, time, gradient }
                    } else {
                        PotentialSensitivity::AtArrival { neuron, time, gradient }
                    });
                }
            }
        }
    }
    sensitivity
}

fn compare_reads(load: &Load) -> Result<(), TestCaseError> {
    let Some((nets, traces, tolerance)) = simulate::<f64>(load)? else { return Ok(()) };
    let [a, b] =
        [0, 1].map(|k| nets[k].adjoint(&traces[k], reads(&nets[k], &traces[k], load.seed)));
    match (a, b) {
        (Ok(a), Ok(b)) => tolerance.same_gradients(&a, &b),
        (a, b) => {
            prop_assert_eq!(a.is_err(), b.is_err());
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn the_engines_agree(load in load(plain())) {
        compare_all(&load)?;
    }

    #[test]
    fn the_engines_agree_on_all_linear_neurons(load in load(neurons(taus(), reset()))) {
        compare_all(&load)?;
    }

    #[test]
    fn all_reads_of_potentials_agree(load in load(plain())) {
        compare_reads(&load)?;
    }

    #[test]
    fn all_reads_of_potentials_of_all_linear_neurons_agree(
        load in load(neurons(taus(), reset())),
    ) {
        compare_reads(&load)?;
    }

    #[test]
    fn the_engines_agree_in_f32(load in load(plain())) {
        if let Some(pair) = simulate::<f32>(&load)? {
            let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
            compare(&pair, &first, &0)?;
        }
    }
}

#[test]
fn a_spike_that_falls_on_an_arrival_comes_first() {
    for k in 0..300 {
        let build = |inhibition: f64| {
            let mut net = NetworkBuilder::<f64>::new();
            let input = net.input("input", 3);
            let output = net.layer("output", Lif::new(1));
            let weights = ndarray::array![[3.0, 4.0 + 0.01 * f64::from(k), inhibition]];
            net.connect(input, output, Dense::weights(weights));
            net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
        };
        let input = |last| SpikeTrains::from_channels([vec![0.3], vec![1.7], last]).unwrap();
        let spike = build(0.0).forward(&input(vec![]), 60.0).unwrap().spikes(0).times()[0];
        let net = build(-1000.0);
        let trace = net.forward(&input(vec![spike]), 60.0).unwrap();
        assert_eq!((trace.spikes(0).len(), trace.ties()), (1, 1));
        let time = trace.spikes(0).times()[0];
        assert!((time - spike).abs() < 1e-14 * spike);
        // What is read then is read before the spike, and so does not move with the arrival but with the
        // spike, where V is the threshold.
        let by_times = |read| {
            let mut reads = Sensitivity::none(&trace);
            reads.layers[0].potentials.push(read);
            net.adjoint(&trace, reads).unwrap().input_times
        };
        let gradient = 1.0;
        let fixed = by_times(PotentialSensitivity::At { neuron: 0, time: spike, gradient });
        assert!(fixed[0] < 0.0 && fixed[2] == 0.0);
        let moving = by_times(PotentialSensitivity::AtArrival { neuron: 0, time: spike, gradient });
        assert!(moving[0].abs() < 1e-14 && moving[2] == 0.0, "{moving:?}");
    }
}
