//! Traces, sensitivities and gradients that are used again are as good as new ones.

use eventprop::{
    AdjointError, CrossEntropy, Deferred, Dense, Engine, Error, FirstSpikeTime, Gradients,
    LeakyIntegrator, Lif, MeanVoltage, Network, NetworkBuilder, Objective, PotentialSensitivity,
    Sensitivity, SimulationError, SpikeTrains, SpikingNetwork, Trace,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Normal;

fn network(hidden: usize, engine: Engine) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let layer = net.layer("hidden", Lif::new(hidden));
    let output = net.layer("output", LeakyIntegrator::new(2).tau_syn(8.0));
    net.connect(input, layer, Dense::weights(Normal::new(4.0, 1.0).unwrap()).delays(1.5));
    net.connect(layer, layer, Dense::weights(Normal::new(0.0, 0.3).unwrap()).delays(0.5));
    net.connect(layer, output, Dense::weights(Normal::new(0.3, 0.3).unwrap()));
    net.build(&mut ChaCha8Rng::seed_from_u64(5)).unwrap().with_engine(engine)
}

/// Few spikes, and enough for the fast engine.
fn inputs() -> [SpikeTrains; 3] {
    let many = |n: u32| (0..n).map(move |k| 45.0 * f64::from(k * k % n) / f64::from(n));
    let events = |n| many(n).enumerate().map(|(k, t)| (t, k % 2));
    [3, 400, 10].map(|n| SpikeTrains::from_events(2, events(n)).unwrap())
}

fn same(a: &Trace, b: &Trace) {
    assert_eq!(a.input(), b.input());
    assert_eq!(a.duration().to_bits(), b.duration().to_bits());
    assert_eq!((a.layers(), a.ties()), (b.layers(), b.ties()));
    for layer in 0..a.layers() {
        assert_eq!(a.spikes(layer), b.spikes(layer));
        assert_eq!(a.slopes(layer), b.slopes(layer));
    }
}

#[test]
fn a_trace_that_is_filled_again_is_as_a_new_one() {
    let mut trace = Trace::new();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let nets = [(6, Engine::Plain), (6, Engine::Fast), (3, Engine::Plain), (40, Engine::Fast)];
    for (hidden, engine) in nets {
        // Of two networks with the same parameters one has been used.
        let (net, fresh) = (network(hidden, engine), network(hidden, engine));
        for input in &inputs() {
            net.forward_into(input, 50.0, &mut trace).unwrap();
            let expected = fresh.clone().forward(input, 50.0).unwrap();
            same(&trace, &expected);
            assert!(!trace.spikes(0).is_empty());
            let (a, b) = (
                net.backward(&trace, &objective, &1).unwrap(),
                fresh.clone().backward(&expected, &objective, &1).unwrap(),
            );
            assert_eq!(a, b);
        }
    }
}

#[test]
fn a_trace_that_could_not_be_filled_is_refused() {
    let net = network(6, Engine::Fast);
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::new()).on_layer(0);
    let refused = |trace: &Trace| {
        let error = net.backward(trace, &objective, &1).unwrap_err();
        assert_eq!(error, Error::Adjoint(AdjointError::StaleTrace));
        let error = net.evaluate(trace, &objective, &1).unwrap_err();
        assert_eq!(error, Error::Adjoint(AdjointError::StaleTrace));
    };
    let mut trace = Trace::new();
    refused(&trace);
    net.forward_into(&inputs()[0], 50.0, &mut trace).unwrap();
    net.backward(&trace, &objective, &1).unwrap();
    let error = net.forward_into(&inputs()[0], -1.0, &mut trace).unwrap_err();
    assert_eq!(error, SimulationError::Duration { duration: -1.0 });
    refused(&trace);
}

#[test]
fn gradients_add_up_and_input_times_are_those_of_the_last_trace() {
    let net = network(6, Engine::Fast);
    let mut sum = Gradients::zeros(net.layout());
    let mut expected = Gradients::zeros(net.layout());
    let mut sensitivity = Sensitivity::default();
    for input in &inputs() {
        let trace = net.forward(input, 50.0).unwrap();
        let fill = |sensitivity: &mut Sensitivity| {
            let times = &mut sensitivity.layers[0].spike_times;
            times.iter_mut().zip(1..).for_each(|(g, k)| *g = f64::from(k));
        };
        let mut new = Sensitivity::none(&trace);
        fill(&mut new);
        let gradients = net.adjoint(&trace, new).unwrap();
        expected.add(&gradients);
        sensitivity.reset(&trace);
        fill(&mut sensitivity);
        net.adjoint_into(&trace, &mut sensitivity, &mut sum).unwrap();
        assert_eq!(sum.input_times, gradients.input_times);
        assert_eq!(sum.values(), expected.values());
        assert!(sum.input_times.iter().any(|&g| g != 0.0));
    }
    // Nothing is added where something is wrong.
    let trace = net.forward(&inputs()[0], 50.0).unwrap();
    let mut wrong = Sensitivity::none(&trace);
    wrong.layers[0].spike_times.push(1.0);
    assert!(net.adjoint_into(&trace, &mut wrong, &mut sum).is_err());
    assert_eq!(sum, expected);
    let mut other = Gradients::zeros(network(7, Engine::Fast).layout());
    let error = net.adjoint_into(&trace, &mut Sensitivity::none(&trace), &mut other).unwrap_err();
    assert_eq!(error, AdjointError::Layout);
}

#[test]
fn what_is_deferred_comes_to_the_same() {
    let fill = |sensitivity: &mut Sensitivity, trace: &Trace| {
        sensitivity.reset(trace);
        let times = &mut sensitivity.layers[0].spike_times;
        times.iter_mut().zip(1..).for_each(|(g, k)| *g = 1.0 / f64::from(k));
        let read = PotentialSensitivity::Integral { neuron: 1, rate: 0.02, gradient: 3.0 };
        sensitivity.layers[1].potentials.push(read);
    };
    for (hidden, engine) in [(6, Engine::Plain), (6, Engine::Fast), (40, Engine::Fast)] {
        let net = network(hidden, engine);
        let (mut at_once, mut later) =
            (Gradients::zeros(net.layout()), Gradients::zeros(net.layout()));
        let (mut deferred, mut sensitivity) = (Deferred::new(), Sensitivity::default());
        // Twice, as the memory is used again.
        for _ in 0..2 {
            for input in &inputs() {
                let trace = net.forward(input, 50.0).unwrap();
                fill(&mut sensitivity, &trace);
                net.adjoint_into(&trace, &mut sensitivity, &mut at_once).unwrap();
                fill(&mut sensitivity, &trace);
                net.adjoint_deferred(&trace, &mut sensitivity, &mut later, &mut deferred).unwrap();
                assert_eq!(at_once.input_times.len(), input.len());
                assert!(later.input_times.is_empty());
            }
            assert!(!deferred.is_empty());
            net.settle(&mut deferred, &mut later).unwrap();
            assert!(deferred.is_empty());
            // Nothing is left.
            net.settle(&mut deferred, &mut later).unwrap();
            let largest = at_once.values().iter().fold(0.0, |a: f64, g| a.max(g.abs()));
            for (a, b) in later.values().iter().zip(at_once.values()) {
                // Only the order of the additions differs.
                assert!((a - b).abs() <= 1e-14 * largest, "{a} {b}");
            }
        }
    }
}

#[test]
fn what_is_deferred_is_refused_by_other_parameters_and_dropped_after_an_error() {
    let mut net = network(6, Engine::Fast);
    let mut gradients = Gradients::zeros(net.layout());
    let mut deferred = Deferred::new();
    let trace = net.forward(&inputs()[0], 50.0).unwrap();
    let mut defer = |net: &SpikingNetwork, trace: &Trace, deferred: &mut Deferred<f64>| {
        net.adjoint_deferred(trace, &mut Sensitivity::none(trace), &mut gradients, deferred)
    };
    defer(&net, &trace, &mut deferred).unwrap();
    let before = net.clone();
    net.update();
    let mut sum = Gradients::zeros(net.layout());
    assert_eq!(net.settle(&mut deferred, &mut sum).unwrap_err(), AdjointError::StaleSums);
    // They are still good for those that they belong to, with gradients that fit.
    let mut other = Gradients::zeros(network(7, Engine::Fast).layout());
    assert_eq!(before.settle(&mut deferred, &mut other).unwrap_err(), AdjointError::Layout);
    assert!(!deferred.is_empty());
    let new = net.forward(&inputs()[0], 50.0).unwrap();
    assert_eq!(defer(&net, &new, &mut deferred).unwrap_err(), AdjointError::StaleSums);
    assert!(deferred.is_empty());
    defer(&net, &new, &mut deferred).unwrap();
    assert_eq!(defer(&net, &trace, &mut deferred).unwrap_err(), AdjointError::StaleTrace);
    assert!(deferred.is_empty());
}
