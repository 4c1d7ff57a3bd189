//! The fast engine does what the plain one does: the same spikes and the same gradients.

use crate::agree::{
    least_slope, output_layer, random_trains, relative_of_gradients, same_gradients, same_spikes,
};
use crate::config::config;
use crate::support::{Neurons, neurons};
use approx::assert_relative_eq;
use eventprop::{
    CrossEntropy, Dense, Engine, ExpWeightedMeanVoltage, FirstSpikeTime, Goal, LeakyIntegrator,
    Lif, MaxVoltage, MeanSquaredError, MeanVoltage, Network, NetworkBuilder, Objective,
    PotentialSensitivity, Sensitivity, Sparse, SpikeCount, SpikeTimes, SpikeTrains, SpikingNetwork,
    Trace, VanRossum, VoltageAt,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::ops::Range;

/// A network under a load that is heavy enough for the fast engine.
#[derive(Debug, Clone)]
struct Load {
    seed: u64,
    channels: usize,
    /// Channels without a spike.
    silent: usize,
    hidden: usize,
    /// The share of synapses that there are onto the hidden layer, and how many of each; all, once, if none.
    sparse: Option<(f64, usize)>,
    /// Input spikes in a trial of `duration` ms.
    spikes: usize,
    duration: f64,
    neurons: Neurons,
    second_receptor: bool,
    longest_delay: f64,
    /// Mean of the weights, in thresholds that the whole drive would reach at its mean.
    drive: f64,
    /// Events come on a grid of this many ms, if at all: many ties.
    quantum: Option<f64>,
    burst: bool,
    output_fires: bool,
    /// Strength and longest delay of synapses among the hidden neurons, if there are any.
    recurrent: Option<(f64, f64)>,
    /// The output drives the hidden layer as well.
    feedback: bool,
}

/// LIF neurons that share their constants.
fn plain() -> impl Strategy<Value = Neurons> {
    let tau = || prop_oneof![2.0..30.0, Just(5.0), Just(20.0)];
    let reset = prop_oneof![Just(0.0), -1.0..0.9];
    (tau(), tau(), reset).prop_map(|(mem, syn, reset)| Neurons::plain(mem, syn, reset))
}

/// The same with short time constants.
fn fast_neurons() -> impl Strategy<Value = Neurons> {
    (1.5..5.0, 0.8..1.1).prop_map(|(mem, syn)| Neurons::plain(mem, syn, 0.0))
}

/// Any linear neurons, also with constants that are alike or nearly so.
fn any_linear() -> impl Strategy<Value = Neurons> {
    let tau = || prop_oneof![2.0..30.0, Just(5.0), Just(20.0)];
    let near = (tau(), prop_oneof![Just(1.0), Just(1.0 + 1e-9), 0.8..1.25]);
    let taus = prop_oneof![3 => (tau(), tau()), 1 => near.prop_map(|(tau, by)| (tau, tau * by))];
    neurons(taus, prop_oneof![Just(0.0), -1.0..0.9])
}

fn load(
    spikes: Range<usize>,
    neurons: impl Strategy<Value = Neurons>,
) -> impl Strategy<Value = Load> {
    let shape = (any::<u64>(), 1..12usize, 1..6usize, spikes, 20.0..300.0);
    let sparse = prop_oneof![2 => Just(None), 1 => (0.4..1.0, 1..4usize).prop_map(Some)];
    let pattern = (0..3usize, sparse);
    let neuron = (neurons, any::<bool>());
    let delay = prop_oneof![Just(0.0), 0.0..40.0, 200.0..800.0];
    let quantum = prop_oneof![Just(None), Just(Some(1.0)), Just(Some(0.25))];
    let recurrent = (0.1..1.5, prop_oneof![Just(0.0), 0.0..2.0, 0.0..100.0]);
    let recurrent = (prop_oneof![Just(None), recurrent.prop_map(Some)], any::<bool>());
    let rest = (delay, 0.3..3.0, quantum, any::<bool>(), any::<bool>(), recurrent);
    (shape, pattern, neuron, rest).prop_map(|(shape, pattern, neuron, rest)| Load {
        seed: shape.0,
        channels: shape.1,
        silent: pattern.0,
        sparse: pattern.1,
        hidden: shape.2,
        spikes: shape.3,
        duration: shape.4,
        neurons: neuron.0,
        second_receptor: neuron.1,
        longest_delay: rest.0,
        drive: rest.1,
        quantum: rest.2,
        burst: rest.3,
        output_fires: rest.4,
        recurrent: rest.5.0,
        feedback: rest.5.1,
    })
}

fn build(load: &Load) -> (SpikingNetwork, SpikeTrains) {
    let mut rng = ChaCha8Rng::seed_from_u64(load.seed);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", load.channels + load.silent);
    let hidden = net.layer("hidden", load.neurons.lif(load.hidden));
    let output = output_layer(&mut net, &load.neurons, load.output_fires);
    // The mean current of all spikes is rate * weight * tau_syn.
    let weight = load.drive * load.duration / (load.spikes as f64 * load.neurons.tau_syn);
    let delays = || Uniform::new_inclusive(0.0, load.longest_delay).unwrap();
    let onto_hidden = || {
        let weights = Normal::new(weight, weight).unwrap();
        let synapses = match load.sparse {
            None => Dense::weights(weights),
            Some((share, copies)) => Sparse::probability(share).copies(copies).weights(weights),
        };
        synapses.delays(delays())
    };
    net.connect(input, hidden, onto_hidden());
    if load.second_receptor {
        net.connect(input, hidden, onto_hidden().tau_syn(11.0));
    }
    net.connect(hidden, output, Dense::weights(Normal::new(0.5, 1.0).unwrap()).delays(delays()));
    if let Some((strength, longest)) = load.recurrent {
        let weights = || Normal::new(0.0, strength).unwrap();
        let delays = || Uniform::new_inclusive(0.0, longest).unwrap();
        net.connect(hidden, hidden, Dense::weights(weights()).delays(delays()));
        if load.feedback {
            net.connect(output, hidden, Dense::weights(weights()).delays(delays()));
        }
    }
    let net = net.build(&mut rng).unwrap();
    let span = if load.burst { load.duration * 0.05 } else { load.duration };
    let active = random_trains(&mut rng, (load.spikes, load.channels), span, load.quantum);
    // The silent ones come first.
    let trains = (0..load.channels).map(|channel| active.channel(channel).to_vec());
    let input = SpikeTrains::from_channels(vec![Vec::new(); load.silent].into_iter().chain(trains));
    (net, input.unwrap())
}

/// Rounding errors add up over thousands of events, those that the network sends to itself included.
fn terms(trace: &Trace) -> f64 {
    let sent = (0..trace.layers()).map(|layer| trace.spikes(layer).len()).sum::<usize>();
    ((trace.input().len() + sent) as f64 / 1000.0).max(1.0)
}

fn relative(plain: &Trace, least_slope: f64) -> f64 {
    // 1e-12 relative, but a flat crossing amplifies the rounding of the potential, and each of
    // thousands of arrivals adds a rounding of its own (equal ones even of the same sign).
    1e-12 * terms(plain) * (1.0 + 1e-2 / least_slope)
}

/// Compares the engines by one objective; returns the largest gradient, or `cancelled`, if that is larger: how large terms may be
/// that cancel. The highest potential of a neuron that fires is the threshold, so its gradient is a sum of terms like those by
/// other readings, and zero.
fn compare<G: Goal<f64>>(
    load: &Load,
    objective: &G,
    target: &G::Target,
    cancelled: f64,
) -> Result<f64, TestCaseError> {
    let (fast, input) = build(load);
    let plain = fast.clone().with_engine(Engine::Plain);
    let (a, b) = (fast.forward(&input, load.duration), plain.forward(&input, load.duration));
    let (Ok(a), Ok(b)) = (&a, &b) else {
        prop_assert_eq!(a.is_err(), b.is_err());
        return Ok(cancelled);
    };
    let least_slope = least_slope(b);
    same_spikes(a, b, relative(b, least_slope))?;
    let terms = terms(b);
    let a = fast.backward(a, objective, target);
    let b = plain.backward(b, objective, target);
    let (Ok((a, fast)), Ok((b, plain))) = (&a, &b) else {
        prop_assert_eq!(a.is_err(), b.is_err());
        return Ok(cancelled);
    };
    prop_assert!((a.loss - b.loss).abs() <= 1e-9 * (1.0 + b.loss.abs()));
    // Rounding is relative to the largest of a block, or to terms that cancelled: of a delay, they may be those of a weight.
    let relative = relative_of_gradients(least_slope);
    let cancelled =
        plain.values().iter().fold(cancelled, |most, gradient| most.max(gradient.abs()));
    same_gradients(fast, plain, |largest| terms * (relative * largest + 2e-12 * cancelled))?;
    Ok(cancelled)
}

fn compare_all(load: &Load) -> Result<(), TestCaseError> {
    let ce = CrossEntropy::new;
    let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
    let mut largest = compare(load, &Objective::new(ExpWeightedMeanVoltage, ce()), &1, 1.0)?;
    largest = compare(load, &Objective::new(MeanVoltage, ce()), &1, largest)?;
    largest = compare(load, &first, &1, largest)?;
    let train = |n: usize| (0..3 * n).map(move |k| 2.7 + 5.1 * k as f64).collect::<Vec<_>>();
    let outputs = SpikeTrains::from_channels((0..2).map(train)).unwrap();
    let all = Objective::new(SpikeTimes, VanRossum::new(8.0));
    largest = compare(load, &all, &outputs, largest)?;
    compare(load, &Objective::new(MaxVoltage, ce()), &1, largest)?;
    // Both layers are read, the last one in two ways.
    let hidden = SpikeTrains::from_channels((0..load.hidden).map(|n| train(n % 2))).unwrap();
    let potentials = VoltageAt::new([0.3, 0.77].map(|part| part * load.duration));
    let counts = SpikeCount::new().voltage_heuristic(0.1);
    type Wanted = (SpikeTrains, Vec<f64>);
    let follow = Objective::new(potentials, MeanSquaredError);
    let count = Objective::new(counts, CrossEntropy::new().temperature(9.0)).on_layer(0);
    let imitate = Objective::new(SpikeTimes, VanRossum::new(8.0)).on_layer(0).weight(0.1);
    let parts = follow
        .target(|wanted: &Wanted| &wanted.1[..])
        .and(Objective::new(MeanVoltage, ce()).target(|_: &Wanted| &0))
        .and(count.target(|_: &Wanted| &0))
        .and(imitate.target(|wanted: &Wanted| &wanted.0));
    compare(load, &parts, &(hidden, vec![0.1, 0.4, 0.2, 0.0]), 1.0).map(|_| ())
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn the_engines_agree(load in load(100..900, plain())) {
        compare_all(&load)?;
    }

    #[test]
    fn the_engines_agree_on_all_linear_neurons(load in load(100..900, any_linear())) {
        compare_all(&load)?;
    }
}

proptest! {
    #![proptest_config(config(40))]

    /// So many events that the fast engine takes the trial in several parts.
    #[test]
    fn the_engines_agree_on_heavy_loads(load in load(5_000..25_000, plain())) {
        compare_all(&load)?;
    }
}

proptest! {
    #![proptest_config(config(20))]

    #[test]
    fn the_engines_agree_on_heavy_loads_of_all_linear_neurons(
        load in load(5_000..25_000, any_linear()),
    ) {
        compare_all(&load)?;
    }
}

proptest! {
    #![proptest_config(config(20))]

    /// Trials and delays of hundreds of time constants.
    #[test]
    fn the_engines_agree_on_long_trials(load in load(5_000..15_000, fast_neurons())) {
        let (duration, longest_delay) = (20.0 * load.duration, 10.0 * load.longest_delay);
        let recurrent = load.recurrent.map(|(strength, longest)| (strength, 20.0 * longest));
        compare_all(&Load { duration, longest_delay, recurrent, ..load })?;
    }
}

proptest! {
    #![proptest_config(config(3))]

    /// So many neurons that a slab is a small part of a leg.
    #[test]
    fn the_engines_agree_on_large_groups(load in load(500..1_500, any_linear())) {
        let (strength, longest) = load.recurrent.unwrap_or((0.5, 30.0));
        let (hidden, recurrent) = (600, Some((strength / 25.0, longest)));
        let duration = load.duration.min(40.0);
        let load = Load { hidden, recurrent, duration, feedback: false, ..load };
        compare(&load, &Objective::new(MeanVoltage, CrossEntropy::new()), &1, 1.0)?;
    }
}

#[test]
fn input_long_after_the_end_counts_for_nothing() {
    let mut builder = NetworkBuilder::new();
    let input = builder.input("input", 2);
    let output = builder.layer("output", LeakyIntegrator::new(2));
    builder.connect(input, output, Dense::weights(0.7).delays(1.0));
    let fast = builder.build(&mut ChaCha8Rng::seed_from_u64(4)).unwrap();
    // exp(1e5 ms / tau) is infinite.
    let trains = SpikeTrains::from_channels([vec![1.0, 1e5], vec![2.0, 49.5, 50.0]]).unwrap();
    let mean = Objective::new(MeanVoltage, CrossEntropy::new());
    let [wanted, found] = [Engine::Plain, Engine::Fast].map(|engine| {
        let net = fast.clone().with_engine(engine);
        let trace = net.forward(&trains, 50.0).unwrap();
        net.backward(&trace, &mean, &0).unwrap().1
    });
    for (a, b) in found.input_times.iter().zip(&wanted.input_times) {
        assert_relative_eq!(a, b, max_relative = 1e-10);
    }
    assert_eq!((found.input_times[1], found.input_times[3]), (0.0, 0.0));
    assert_relative_eq!(found.values(), wanted.values(), max_relative = 1e-10);
}

#[test]
fn integrals_of_potentials_at_several_rates_agree() {
    integrals_agree((20.0, 8.0), 30.0);
    // Delays of hundreds of time constants, with which many spikes arrive after the end.
    integrals_agree((0.3, 0.2), 180.0);
}

fn integrals_agree((tau_mem, tau_syn): (f64, f64), longest_delay: f64) {
    let mut builder = NetworkBuilder::new();
    let input = builder.input("input", 5);
    let hidden = builder.layer("hidden", Lif::new(12));
    let output = builder.layer("output", LeakyIntegrator::new(3).tau_mem(tau_mem).tau_syn(tau_syn));
    let delays = |longest| Uniform::new(0.0, longest).unwrap();
    let weights = |mean, sd| Dense::weights(Normal::new(mean, sd).unwrap());
    builder.connect(input, hidden, weights(0.6, 0.2).delays(delays(30.0)));
    builder.connect(hidden, output, weights(0.0, 0.3).delays(delays(longest_delay)));
    let fast = builder.build(&mut ChaCha8Rng::seed_from_u64(4)).unwrap();
    let plain = fast.clone().with_engine(Engine::Plain);
    let events: Vec<_> = (0..900).map(|k| ((k * 7919 % 900) as f64 / 5.0, k % 5)).collect();
    let trains = SpikeTrains::from_events(5, events).unwrap();
    let traces = [&fast, &plain].map(|net| net.forward(&trains, 200.0).unwrap());
    assert!(traces[0].spikes(0).len() > 50);
    // Few rates, shared and not; and more than get sums of their own.
    for rates in [2, 3, 12] {
        let terms: Vec<(usize, f64, f64)> = (0..2 * rates)
            .map(|k| (k % 3, 0.003 * (1 + k / 2) as f64, 1.0 - 0.3 * k as f64))
            .collect();
        let [(read, gradients), (expected, wanted)] = [(&fast, &traces[0]), (&plain, &traces[1])]
            .map(|(net, trace)| {
                let recording = net.record(trace, 1).unwrap();
                let read: Vec<f64> = terms
                    .iter()
                    .map(|&(n, rate, _)| recording.integral(n, rate).unwrap())
                    .collect();
                let mut sensitivity = Sensitivity::none(trace);
                let all = terms.iter().map(|&(neuron, rate, gradient)| {
                    PotentialSensitivity::Integral { neuron, rate, gradient }
                });
                sensitivity.layers[1].potentials.extend(all);
                (read, net.adjoint(trace, sensitivity).unwrap())
            });
        for (a, b) in read.iter().zip(&expected) {
            assert_relative_eq!(a, b, max_relative = 1e-10);
        }
        let largest = wanted.values().iter().fold(0.0, |a: f64, g| a.max(g.abs()));
        assert!(largest > 1e-3);
        for (a, b) in gradients.values().iter().zip(wanted.values()) {
            assert!((a - b).abs() <= 1e-10 * largest, "{a} {b}");
        }
    }
}
