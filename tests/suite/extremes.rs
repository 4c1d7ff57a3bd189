//! Constants, times and gradients near the ends of what numbers can hold: fast engines against the plain one.

use eventprop::data::{Augmentation, Dataset};
use eventprop::train::{TrainError, Trainer};
use eventprop::{
    Adam, CrossEntropy, Dense, Engine, FirstSpikeTime, Gradients, Init, LeakyIntegrator, Lif,
    MeanSquaredError, MeanVoltage, Network, NetworkBuilder, Objective, OptimizeError, Optimizer,
    Real, Sensitivity, Sgd, SpikeTrains, SpikingNetwork,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

/// One integrator, one synapse.
fn integrator<F: Real>(tau_syn: f64, delay: f64) -> SpikingNetwork<F> {
    let mut net = NetworkBuilder::<F>::new();
    let input = net.input("input", 1);
    let neurons = LeakyIntegrator::new(1).tau_mem(F::of(20.0)).tau_syn(F::of(tau_syn));
    let output = net.layer("output", neurons);
    net.connect(input, output, Dense::weights(F::one()).delays(F::of(delay)));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

/// Loss and gradients of the mean potential, on both engines, agree to so many times the precision of numbers.
fn mean_potentials_agree<F: Real>(net: &SpikingNetwork<F>, at: f64, duration: f64, digits: f64) {
    let input = SpikeTrains::from_channels([[at]]).unwrap();
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    let run = |engine| {
        let net = net.clone().with_engine(engine);
        let trace = net.forward(&input, duration).unwrap();
        let (evaluation, gradients) = net.backward(&trace, &mean, &[F::of(2.0)][..]).unwrap();
        let numbers = std::iter::once(evaluation.loss).chain(gradients.values().iter().copied());
        numbers.map(F::as_f64).collect::<Vec<_>>()
    };
    let (fast, plain) = (run(Engine::Fast), run(Engine::Plain));
    for (a, b) in fast.iter().zip(&plain) {
        let bound = digits * F::epsilon().as_f64() * b.abs().max(1e-4);
        assert!((a - b).abs() <= bound, "{fast:?}, not {plain:?}");
    }
}

#[test]
fn read_outs_of_long_delays_in_single_precision() {
    for (delay, tau_syn, duration) in
        [(400.0, 5.0, 500.0), (450.0, 5.0, 500.0), (480.0, 5.0, 1000.0), (95.0, 1.0, 100.0)]
    {
        mean_potentials_agree::<f32>(&integrator(tau_syn, delay), 1.0, duration, 1e3);
        mean_potentials_agree::<f64>(&integrator(tau_syn, delay), 1.0, duration, 1e3);
    }
}

#[test]
fn read_outs_of_currents_that_outlast_the_trial() {
    for tau_syn in [1e3, 1e5, 1e7, 1e9, 1e12] {
        mean_potentials_agree::<f32>(&integrator(tau_syn, 3.0), 30.0, 100.0, 1e3);
        mean_potentials_agree::<f64>(&integrator(tau_syn, 3.0), 30.0, 100.0, 1e3);
    }
}

/// The light engine, by the greatest potential that one arrival leads to.
fn fires<F: Real>(tau_mem: f64, tau_syn: f64, peak: f64) {
    let ratio = tau_syn / tau_mem;
    let weight = peak / (ratio.ln() / (1.0 - ratio)).exp();
    let mut net = NetworkBuilder::<F>::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(1).tau_mem(F::of(tau_mem)).tau_syn(F::of(tau_syn)));
    net.connect(input, output, Dense::weights(F::of(weight)).delays(F::one()));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let input = SpikeTrains::from_channels([[3.0]]).unwrap();
    let spikes = |net: &SpikingNetwork<F>| net.forward(&input, 100.0).unwrap().spikes(0).len();
    assert_eq!(spikes(&net.clone().with_engine(Engine::Plain)), 1);
    assert_eq!(spikes(&net), 1, "tau_mem {tau_mem}, tau_syn {tau_syn}, peak {peak}");
}

#[test]
fn synapses_that_act_at_once_fire() {
    fires::<f32>(20.0, 1e-3, 1.0001);
    fires::<f32>(20.0, 1e-5, 1.02);
    fires::<f64>(1e6, 1e-6, 1.00001);
    fires::<f64>(1e9, 1e-8, 1.5);
}

/// A spike so near the end of the trial that its time rounds up to the end of a grid.
#[test]
fn a_spike_in_the_last_digits_of_the_trial() {
    const DURATION: f64 = 8.0;
    let build = |weight: f64| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 4);
        let neurons = Lif::new(2).tau_mem(200.0).tau_syn(50.0).bias(0.1);
        let hidden = net.layer("hidden", neurons);
        let weights = Init::List([[0.15; 4], [weight; 4]].concat());
        net.connect(input, hidden, Dense::weights(weights).delays(0.0));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let events = (0..640_u32).map(|k| (f64::from(k) * 0.00625, k as usize % 4));
    let input = SpikeTrains::from_events(4, events).unwrap();
    let last = |net: &SpikingNetwork| {
        net.forward(&input, DURATION).unwrap().spikes(0).channel(1).last().copied()
    };
    let (mut low, mut high) = (0.0_f64, 0.15_f64);
    while high.to_bits() - low.to_bits() > 1 {
        let middle = f64::from_bits(low.to_bits().midpoint(high.to_bits()));
        if last(&build(middle)).is_none() { low = middle } else { high = middle }
    }
    let net = build(high);
    assert!(DURATION - last(&net).unwrap() < 1e-14);
    let gradients = |net: &SpikingNetwork| {
        let trace = net.forward(&input, DURATION).unwrap();
        let mut sensitivity = Sensitivity::none(&trace);
        sensitivity.layers[0].spike_times.fill(1.0);
        net.adjoint(&trace, sensitivity).unwrap().values().to_vec()
    };
    let plain = gradients(&net.clone().with_engine(Engine::Plain));
    assert!(plain.iter().all(|g| g.abs() > 1e-3 && g.is_finite()));
    for (fast, plain) in gradients(&net).iter().zip(&plain) {
        assert!((fast - plain).abs() <= 1e-6 * plain.abs(), "{fast}, not {plain}");
    }
}

/// In single precision the fast engine, which steps through thousands of buckets, loses no more than the plain one.
#[test]
fn rounding_does_not_drift_from_bucket_to_bucket() {
    fn median<F: Real>(taus: (f64, f64), engine: Engine, exact: &[f64]) -> f64 {
        let times = times::<F>(taus, engine);
        assert_eq!(times.len(), exact.len());
        let mut errors: Vec<f64> = times.iter().zip(exact).map(|(a, b)| (a - b).abs()).collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors[errors.len() / 2]
    }
    fn times<F: Real>((tau_mem, tau_syn): (f64, f64), engine: Engine) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // Sixteen bits each: the same network in both precisions.
        let mut random = |most: f64| {
            let some = Uniform::new(0, 1 << 16).unwrap();
            (0..50 * 20).map(|_| F::of(most * f64::from(rng.sample(some)) / 65536.0)).collect()
        };
        let scale = 8.0 / (tau_syn.min(50.0) * 5.0);
        let (weights, delays): (Vec<F>, Vec<F>) = (random(scale), random(64.0));
        let mut net = NetworkBuilder::<F>::new();
        let input = net.input("input", 50);
        let neurons = Lif::new(20).tau_mem(F::of(tau_mem)).tau_syn(F::of(tau_syn));
        let hidden = net.layer("hidden", neurons);
        net.connect(input, hidden, Dense::weights(Init::List(weights)).delays(Init::List(delays)));
        let net = net.build(&mut rng).unwrap().with_engine(engine);
        let events = (0..5000_u32).map(|k| (f64::from(k) * 0.1875, k as usize * 7 % 50));
        let input = SpikeTrains::from_events(50, events).unwrap();
        let trace = net.forward(&input, 1000.0).unwrap();
        trace.spikes(0).times().to_vec()
    }
    for taus in [(40.0, 2.5), (2.5, 40.0)] {
        let exact = times::<f64>(taus, Engine::Plain);
        assert!(exact.len() > 200, "{}", exact.len());
        let (fast, plain) =
            (median::<f32>(taus, Engine::Fast, &exact), median::<f32>(taus, Engine::Plain, &exact));
        assert!(fast <= 3.0 * plain, "{taus:?}: fast {fast:e}, plain {plain:e}");
        assert!(median::<f64>(taus, Engine::Fast, &exact) < 1e-12);
    }
}

#[test]
fn gradients_whose_squares_overflow_are_refused_before_anything_changes() {
    let mut net = integrator::<f32>(5.0, 1.0);
    let mut gradients = Gradients::zeros(net.layout());
    let refused = |net: &mut SpikingNetwork<f32>, optimizer: &mut dyn Optimizer<f32>, g: f32| {
        let mut gradients = Gradients::zeros(net.layout());
        gradients.values_mut()[0] = g;
        let before = format!("{:?}", net.parameters());
        let error = optimizer.step(net, &gradients).unwrap_err();
        assert!(matches!(error, OptimizeError::TooLarge { index: 0, .. }), "{error}");
        assert_eq!(format!("{:?}", net.parameters()), before);
    };
    let mut adam = Adam::new(0.01);
    refused(&mut net, &mut adam, 1e21);
    // The second moment is a number, but not when it is corrected for its start.
    refused(&mut net, &mut adam, 2e19);
    let mut one = Gradients::zeros(net.layout());
    one.values_mut()[0] = 1.0;
    adam.step(&mut net, &one).unwrap();
    assert!((net.parameters()[0].1.values[0] - 0.99).abs() < 1e-6);
    // The velocity of the second step is 1.9 times the gradient.
    let mut sgd = Sgd::new(1e-38).momentum(0.9);
    gradients.values_mut()[0] = 3e38;
    sgd.step(&mut net, &gradients).unwrap();
    let error = sgd.step(&mut net, &gradients).unwrap_err();
    assert!(matches!(error, OptimizeError::TooLarge { index: 0, .. }), "{error}");
}

#[test]
fn more_samples_per_epoch_than_memory_holds() {
    let spikes = SpikeTrains::from_channels([[1.0]]).unwrap();
    let data = Dataset::from_samples(1, 1, 10.0, [(spikes, 0)]).unwrap();
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(2));
    net.connect(input, output, Dense::weights(5.0));
    let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    for extra in [usize::MAX, usize::MAX / 4] {
        let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
        let trainer = Trainer::new(first, Adam::new(0.01));
        let trainer = trainer.augment(Augmentation::default().blend(extra));
        let error = trainer.fit(&mut net, &data, None, &mut []).unwrap_err();
        assert!(matches!(error, TrainError::Setting { .. }), "{error}");
    }
}

/// A bias that is the threshold alone brings V there, but never over it: the least current then makes a spike.
fn fires_on_top_of_a_bias<F: Real>(tau_syn: f64, inputs: usize, engine: Engine) {
    let spikes = |bias: f64| {
        let mut net = NetworkBuilder::<F>::new();
        let input = net.input("input", 10);
        let output = net.layer("output", Lif::new(20).tau_syn(F::of(tau_syn)).bias(F::of(bias)));
        net.connect(input, output, Dense::weights(F::of(0.3)).delays(F::one()));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap().with_engine(engine);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let events = (0..inputs).map(|k| (30.0 + 400.0 * rng.random::<f64>(), k % 10));
        let trace = net.forward(&SpikeTrains::from_events(10, events).unwrap(), 500.0).unwrap();
        trace.spikes(0).len()
    };
    let (at, near) = (spikes(1.0), spikes(1.0 - 8.0 * F::epsilon().as_f64()));
    assert!(
        near > 0 && at.abs_diff(near) * 50 <= near,
        "{at} spikes, not {near}: {tau_syn}, {engine:?}"
    );
}

#[test]
fn a_bias_that_is_the_threshold_loses_no_spikes() {
    for (tau_syn, inputs) in [5.0, 11.0, 30.0].into_iter().flat_map(|tau| [(tau, 3), (tau, 600)]) {
        for engine in [Engine::Fast, Engine::Plain] {
            fires_on_top_of_a_bias::<f64>(tau_syn, inputs, engine);
            fires_on_top_of_a_bias::<f32>(tau_syn, inputs, engine);
        }
    }
}

/// Spikes, or gradients by weights and delays given dL/dt of every spike, on both engines.
fn run(net: &SpikingNetwork, input: &SpikeTrains, duration: f64, by_time: f64) -> [Vec<f64>; 2] {
    [Engine::Fast, Engine::Plain].map(|engine| {
        let net = net.clone().with_engine(engine);
        let trace = net.forward(input, duration).unwrap();
        if by_time == 0.0 {
            return trace.spikes(0).times().to_vec();
        }
        let mut sensitivity = Sensitivity::default();
        sensitivity.reset(&trace);
        sensitivity.layers[0].spike_times.fill(by_time);
        net.adjoint(&trace, sensitivity).unwrap().values().to_vec()
    })
}

fn agree([fast, plain]: [Vec<f64>; 2], relative: f64) {
    assert_eq!(fast.len(), plain.len());
    assert!(!plain.is_empty());
    for (a, b) in fast.iter().zip(&plain) {
        assert!((a - b).abs() <= relative * b.abs(), "{a:e}, not {b:e}");
    }
}

fn driven(neurons: Lif, weights: impl Into<Init<f64>>, channels: usize) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", channels);
    let layer = net.layer("layer", neurons);
    net.connect(input, layer, Dense::weights(weights).delays(0.0));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

/// In the frame of a stretch an adjoint is down to 1e-222 of itself.
#[test]
fn gradients_are_linear_in_losses_of_any_size() {
    let bursts = [200.0, 700.0, 1200.0, 1700.0].map(|at| (0..60).map(move |k| at + 1.5 * k as f64));
    let input = SpikeTrains::from_channels([bursts.into_iter().flatten().collect::<Vec<_>>()]);
    let input = input.unwrap();
    let net = driven(Lif::new(10).tau_mem(20.0).tau_syn(5.0), 0.5, 1);
    for by_time in [1.0, 1e-50, 1e-100, 1e-200, 1e-250, 1e100, 1e200] {
        agree(run(&net, &input, 2040.0, by_time), 1e-9);
    }
    for unit in [1e-200, 1e200] {
        let net = driven(Lif::new(10).tau_mem(20.0).tau_syn(5.0).threshold(unit), 0.5 * unit, 1);
        agree(run(&net, &input, 2040.0, 0.0), 1e-12);
        agree(run(&net, &input, 2040.0, 1.0), 1e-9);
    }
}

#[test]
fn sums_of_strong_inhibition_do_not_overflow() {
    let input =
        [0, 1].map(|channel| (0..1000).map(|k| (2 * k + channel) as f64).collect::<Vec<_>>());
    let input = SpikeTrains::from_channels(input).unwrap();
    for unit in [1.0, 1e120] {
        let neurons = Lif::new(1).tau_syn(4.0).threshold(unit);
        let weights = ndarray::arr2(&[[2.5 * unit, -0.3 * unit]]);
        agree(run(&driven(neurons, weights, 2), &input, 2000.0, 0.0), 1e-12);
    }
}

/// More spikes in a bucket of the way back than its table tells apart.
#[test]
fn a_neuron_that_fires_all_the_time() {
    let input = SpikeTrains::from_channels([(0..4000).map(|k| 0.5 * k as f64).collect::<Vec<_>>()]);
    let input = input.unwrap();
    let net = driven(Lif::new(2).tau_mem(1000.0).tau_syn(500.0), 5.0, 1);
    let spikes = run(&net, &input, 2000.0, 0.0);
    assert!(spikes[0].len() > 5000, "{}", spikes[0].len());
    agree(spikes, 1e-12);
    agree(run(&net, &input, 2000.0, 1.0), 1e-8);
}

/// Many arrivals after the end of the trial, and some before.
#[test]
fn arrivals_that_come_too_late_are_passed_over() {
    let mut times: Vec<f64> = (0..100).map(|k| 9.0 * f64::from(k)).collect();
    times.extend((0..500).map(|k| 990.0 + 0.02 * f64::from(k)));
    let input = SpikeTrains::from_channels([times]).unwrap();
    let mut net = NetworkBuilder::new();
    let source = net.input("input", 1);
    let layer = net.layer("layer", Lif::new(30));
    let delays = Uniform::new(0.0, 30.0).unwrap();
    net.connect(source, layer, Dense::weights(5.0).delays(delays));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    agree(run(&net, &input, 1000.0, 0.0), 1e-12);
    agree(run(&net, &input, 1000.0, 1.0), 1e-8);
}
