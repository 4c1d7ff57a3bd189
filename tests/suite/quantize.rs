//! Quantised networks: closed forms, bounds, reports, and fine-tuning.

use approx::assert_relative_eq;
use eventprop::data::YinYang;
use eventprop::{
    Adam, CrossEntropy, Delays, Dense, FirstSpikeTime, Gradients, Lif, Network, NetworkBuilder,
    Objective, Optimizer, ParameterKind, Quantization, QuantizeError, Rewiring, Sample, Sparse,
    SpikeTimeSquares, SpikeTimes, SpikeTrains, SpikingNetwork, backward_batch, evaluate_batch,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

/// Four sources, one target, with these weights and delays.
fn row(weights: [f64; 4], delays: [f64; 4], max: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let output = net.layer("output", Lif::new(1));
    let recipe = Dense::weights(weights.to_vec()).delays(delays.to_vec()).max_delay(max);
    net.connect(input, output, recipe);
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

fn weights(net: &SpikingNetwork) -> Vec<f64> {
    net.synapses("input->output").unwrap().row(0).weights.to_vec()
}

fn delays(net: &SpikingNetwork) -> Vec<f64> {
    net.synapses("input->output").unwrap().row(0).delays.to_vec()
}

/// Delays of all kinds, dense and sparse, recurrent, learned and fixed, projected and smooth.
fn all_kinds(rng: &mut ChaCha8Rng) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 5);
    let hidden = net.layer("hidden", Lif::new(6));
    let output = net.layer("output", Lif::new(3));
    let weights = || Normal::new(1.0, 0.7).unwrap();
    let delays = || Uniform::new(0.1, 9.5).unwrap();
    net.connect(input, hidden, Dense::weights(weights()).delays(delays()).max_delay(9.7));
    net.connect(
        input,
        hidden,
        Sparse::fan_in(2)
            .copies(2)
            .weights(weights())
            .delays(Delays::axonal(delays()))
            .delays(Delays::dendritic(delays()).max(9.6).smooth()),
    );
    net.connect(hidden, hidden, Dense::weights(weights()).fixed_delays(1.23).fixed_weights());
    net.connect(hidden, hidden, Dense::weights(0.0).delays(Delays::shared(3.3)));
    net.connect(
        hidden,
        output,
        Dense::weights(weights())
            .delays(Delays::axonal(delays()).groups([0, 0, 1, 1, 2, 2]).max(10.0).smooth()),
    );
    net.build(rng).unwrap()
}

#[test]
fn delays_go_to_the_nearest_step() {
    let net = row([1.0; 4], [0.0, 0.74, 0.76, 9.9], 10.0);
    let (coarse, report) = Quantization::new().delay_step(0.5).apply(&net).unwrap();
    assert_eq!(delays(&coarse), [0.0, 0.5, 1.0, 10.0]);
    assert_eq!(weights(&coarse), [1.0; 4]);
    let found = &report.projections[0].delays;
    assert_relative_eq!(found.largest, 0.24, max_relative = 1e-12);
    assert_relative_eq!(found.mean, (0.24 + 0.24 + 0.1) / 4.0, max_relative = 1e-12);
    assert_eq!((found.clipped, found.distinct), (0, 4));
    let moved: Vec<_> = found.most_moved.iter().map(|m| (m.post, m.pre, m.before)).collect();
    assert_eq!(moved.len(), 3, "what stayed is not listed");
    assert_eq!(moved[2], (0, 3, 9.9));
    assert_eq!(report.projection("input->output"), Some(&report.projections[0]));
    assert_eq!(report.projection("input"), None);
    assert_eq!(report.projections[0].scale, None);
}

#[test]
fn delays_stay_within_bounds_and_clipping_is_counted() {
    let quantization = Quantization::new().delay_step(3.0);
    // 9.7 is nearest to 9, 4.6 to 6, and 11 to 12, which is above the maximum.
    let net = row([1.0; 4], [9.7, 4.6, 11.0, 1.4], 11.0);
    let (coarse, report) = quantization.apply(&net).unwrap();
    assert_eq!(delays(&coarse), [9.0, 6.0, 9.0, 0.0]);
    assert_eq!(report.projections[0].delays.clipped, 1);
    let (coarse, report) = quantization.max_steps(1).list(2).apply(&net).unwrap();
    assert_eq!(delays(&coarse), [3.0, 3.0, 3.0, 0.0]);
    let found = &report.projections[0].delays;
    assert_eq!((found.clipped, found.distinct), (3, 2));
    let moved: Vec<_> = found.most_moved.iter().map(|m| (m.index, m.after)).collect();
    assert_eq!(moved, [(2, 3.0), (0, 3.0)]);
    let words = "delays moved by 8.000 at most, 4.425 on average, 2 different now, 3 clipped (ms)";
    assert!(report.to_string().ends_with(words), "{report}");
    // A maximum that division would miss: 0.3 / 0.1 is below 3.
    let (coarse, _) =
        Quantization::new().delay_step(0.1).apply(&row([1.0; 4], [0.3; 4], 0.1 * 3.0)).unwrap();
    assert_eq!(delays(&coarse), [0.1 * 3.0; 4]);
}

#[test]
fn few_delays_are_the_best_few() {
    let net = row([1.0; 4], [1.1, 1.9, 7.0, 9.0], 20.0);
    let levels = |k| {
        let quantization = Quantization::new().delay_step(1.0).delay_levels(k);
        delays(&quantization.apply(&net).unwrap().0)
    };
    assert_eq!(levels(4), [1.0, 2.0, 7.0, 9.0]);
    assert_eq!(levels(3), [2.0, 2.0, 7.0, 9.0]);
    assert_eq!(levels(2), [2.0, 2.0, 8.0, 8.0]);
    assert_eq!(levels(1), [5.0; 4]);
}

#[test]
fn weights_are_integers_times_the_scale_of_their_projection() {
    let net = row([0.7, -0.31, 0.04, 0.16], [0.0; 4], 1.0);
    let (coarse, report) = Quantization::new().weight_bits(4).apply(&net).unwrap();
    let scale = report.projections[0].scale.unwrap();
    assert_relative_eq!(scale, 0.1, max_relative = 1e-15);
    assert_relative_eq!(weights(&coarse)[..], [0.7, -0.3, 0.0, 0.2], max_relative = 1e-15);
    assert_relative_eq!(report.projections[0].weights.largest, 0.04, max_relative = 1e-12);
    assert_eq!(report.projections[0].weights.clipped, 0);
    // Two bits are the sign alone.
    let (coarse, _) = Quantization::new().weight_bits(2).apply(&net).unwrap();
    assert_eq!(weights(&coarse), [0.7, 0.0, 0.0, 0.0]);
    // Without the largest quarter the scale is that of 0.31.
    let quantization = Quantization::new().weight_bits(3).clip_weights(0.25);
    let (coarse, report) = quantization.apply(&net).unwrap();
    assert_relative_eq!(weights(&coarse)[..], [0.31, -0.31, 0.0, 0.62 / 3.0], max_relative = 1e-15);
    assert_eq!(report.projections[0].weights.clipped, 1);
    // 0.29 * 100 is less than 29 in binary.
    let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
    let mut wide = NetworkBuilder::new();
    let (input, output) = (wide.input("input", 100), wide.layer("output", Lif::new(1)));
    wide.connect(input, output, Dense::weights(hundred));
    let wide = wide.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let (clipped, _) = Quantization::new().weight_bits(8).clip_weights(0.29).apply(&wide).unwrap();
    assert_eq!(weights(&clipped).iter().filter(|&&w| w == 71.0).count(), 30);
    // Nothing but zeros.
    let (coarse, report) =
        Quantization::new().weight_bits(4).apply(&row([0.0; 4], [0.0; 4], 1.0)).unwrap();
    assert_eq!((weights(&coarse), report.projections[0].scale), (vec![0.0; 4], Some(0.0)));
}

#[test]
fn rounding_twice_is_rounding_once() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for case in 0..60 {
        let net = all_kinds(&mut rng);
        let mut quantization = Quantization::new().delay_step(rng.random_range(0.01..2.0));
        if case % 2 == 0 {
            quantization = quantization
                .weight_bits(rng.random_range(2..=16))
                .clip_weights(rng.random_range(0.0..0.3));
        }
        if case % 3 == 0 {
            quantization = quantization.max_steps(rng.random_range(0..30));
        }
        if case % 4 == 0 {
            quantization = quantization.delay_levels(rng.random_range(1..6));
        }
        let (once, _) = quantization.apply(&net).unwrap();
        let (twice, report) = quantization.apply(&once).unwrap();
        assert_eq!(values(&once), values(&twice), "{quantization:?}");
        let changes = report.projections.iter().map(|p| p.weights.largest.max(p.delays.largest));
        assert_eq!(changes.fold(0.0, f64::max), 0.0);
        check_grid(&once, quantization);
    }
}

/// Weights and delays of all synapses.
fn values(net: &SpikingNetwork) -> Vec<u64> {
    let synapses: Vec<_> = net.projections().map(|name| net.synapses(name).unwrap()).collect();
    let rows = synapses.iter().flat_map(|s| (0..s.shape().0).map(|post| s.row(post)));
    rows.flat_map(|r| r.iter()).flat_map(|s| [s.weight.to_bits(), s.delay.to_bits()]).collect()
}

/// All parameters lie within their bounds, and all delays on the grid.
fn check_grid(net: &SpikingNetwork, quantization: Quantization) {
    let (again, report) = quantization.apply(net).unwrap();
    for (_, parameter) in again.parameters() {
        let inside = |x: &f64| (parameter.bounds.lower..=parameter.bounds.upper).contains(x);
        assert!(parameter.values.iter().all(inside));
    }
    assert!(report.projections.iter().all(|p| p.delays.clipped + p.weights.clipped == 0));
}

#[test]
fn sums_of_delays_lie_on_the_grid_and_fixed_ones_too() {
    let net = all_kinds(&mut ChaCha8Rng::seed_from_u64(4));
    let (coarse, report) = Quantization::new().delay_step(0.25).apply(&net).unwrap();
    let all = values(&coarse);
    for delay in all.chunks(2).map(|pair| f64::from_bits(pair[1])) {
        assert_eq!((delay / 0.25).fract(), 0.0, "{delay}");
    }
    // Each of two delays that add moves by half a step at most.
    for (projection, terms) in report.projections.iter().zip([1.0, 2.0, 1.0, 1.0, 1.0]) {
        let most = terms * 0.125;
        assert!(projection.delays.largest <= most + 1e-12, "{}", projection.name);
        assert!(projection.delays.largest > 0.0);
    }
    assert_eq!(coarse.layout(), net.layout());
}

#[test]
fn single_precision_is_idempotent_too() {
    let mut net = NetworkBuilder::<f32>::new();
    let input = net.input("input", 40);
    let output = net.layer("output", Lif::new(5));
    let recipe = Dense::weights(Normal::new(0.0, 1.0).unwrap())
        .delays(Uniform::new(0.0, 77.0).unwrap())
        .max_delay(77.7);
    net.connect(input, output, recipe);
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    for (bits, step) in [(2, 7.7), (8, 0.1), (16, 0.0013)] {
        let quantization = Quantization::new().weight_bits(bits).delay_step(step);
        let (once, _) = quantization.apply(&net).unwrap();
        let (twice, _) = quantization.apply(&once).unwrap();
        let list = |net: &SpikingNetwork<f32>| -> Vec<f32> {
            net.parameters().iter().flat_map(|(_, p)| p.values.to_vec()).collect()
        };
        assert_eq!(list(&once), list(&twice));
        assert!(list(&once)[200..].iter().all(|d| (0.0..=77.7).contains(d)));
    }
}

#[test]
fn nothing_asked_for_changes_nothing() {
    let net = all_kinds(&mut ChaCha8Rng::seed_from_u64(5));
    let (same, report) = Quantization::new().apply(&net).unwrap();
    assert_eq!(values(&same), values(&net));
    assert!(report.projections.iter().all(|p| p.delays.largest == 0.0 && p.scale.is_none()));
    // A trace of one is none of the other: they may differ.
    let trace = net.forward(&SpikeTrains::silent(5), 10.0).unwrap();
    assert!(same.record(&trace, 0).is_err());
}

#[test]
fn bad_options_are_refused() {
    let net = row([1.0; 4], [70.0; 4], 100.0);
    let refused = |quantization: Quantization| {
        let straight = quantization.straight_through(&net).unwrap_err();
        let error = quantization.apply(&net).unwrap_err();
        assert_eq!(straight.to_string(), error.to_string());
        error
    };
    let new = Quantization::new;
    for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = refused(new().delay_step(step));
        assert!(matches!(error, QuantizeError::Option { what: "the step of delays", .. }));
    }
    for quantization in [
        new().weight_bits(1),
        new().weight_bits(17),
        new().clip_weights(1.0),
        new().clip_weights(f64::NAN),
        new().delay_step(1.0).delay_levels(0),
        new().delay_step(1.0).delay_levels(257),
        new().delay_step(1.0).max_steps(70_000),
    ] {
        assert!(matches!(refused(quantization), QuantizeError::Option { .. }));
    }
    for quantization in [new().max_steps(3), new().delay_levels(3)] {
        assert!(matches!(refused(quantization), QuantizeError::WithoutStep { .. }));
    }
    let error = refused(new().delay_step(0.001));
    assert!(matches!(error, QuantizeError::TooFine { delay: 70.0, step: 0.001, .. }), "{error}");
    new().delay_step(0.001).max_steps(10).apply(&net).unwrap();
}

#[test]
fn each_term_of_a_delay_has_steps_of_its_own() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(1));
    let synapses = Dense::weights(1.0).delays(Delays::axonal(40.0)).delays(Delays::dendritic(40.0));
    net.connect(input, output, synapses);
    let net: SpikingNetwork = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let (rounded, _) = Quantization::new().delay_step(0.001).apply(&net).unwrap();
    let delays: Vec<f64> =
        rounded.synapses("input->output").unwrap().row(0).iter().map(|s| s.delay).collect();
    assert_eq!(delays, [80.0]);
}

#[test]
fn bad_values_and_foreign_synapses_are_refused() {
    let mut net = row([1.0; 4], [1.0; 4], 2.0);
    net.parameters_mut()[0].1.values[2] = f64::NAN;
    let error = Quantization::new().weight_bits(4).apply(&net).unwrap_err();
    assert!(matches!(error, QuantizeError::Synapses { .. }), "{error}");

    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let output = net.layer("output", Lif::new(2));
    net.connect(input, output, crate::outside::Raw::good());
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let error = Quantization::new().apply(&net).unwrap_err();
    assert_eq!(error, QuantizeError::Foreign { projection: "input->output".into() });
}

fn target_times() -> Objective<SpikeTimes, SpikeTimeSquares> {
    Objective::new(SpikeTimes, SpikeTimeSquares)
}

#[test]
fn straight_through_gradients_are_those_of_the_rounded_network() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let net = row([5.0, 2.2, 3.1, 0.4], [1.13, 0.2, 2.77, 3.0], 4.0);
    let quantization = Quantization::new().delay_step(0.5).weight_bits(5);
    let mut fine = quantization.straight_through(&net).unwrap();
    let (coarse, _) = quantization.apply(&net).unwrap();
    let input = SpikeTrains::from_channels([[1.0], [2.5], [2.0], [rng.random()]]).unwrap();
    let wanted = SpikeTrains::from_channels([[9.0]]).unwrap();
    let gradients = |net: &SpikingNetwork| {
        let trace = net.forward(&input, 50.0).unwrap();
        net.backward(&trace, &target_times(), &wanted).unwrap().1
    };
    let (acting, rounded) = (gradients(&fine), gradients(&coarse));
    assert_eq!(acting.values(), rounded.values());
    assert!(acting.values().iter().any(|g| *g != 0.0));
    // The exact parameters are what a step changes, and what is there to be read.
    assert_eq!(fine.parameters()[0].1.values, net.parameters()[0].1.values);
    let mut step = Gradients::zeros(fine.layout());
    step.values_mut()[4] = 1.0;
    eventprop::Sgd::new(0.2).step(&mut fine, &step).unwrap();
    assert_relative_eq!(fine.parameters()[1].1.values[0], 0.93, max_relative = 1e-12);
    assert_eq!(delays(&fine), [1.0, 0.0, 3.0, 3.0]);
    eventprop::Sgd::new(0.2).step(&mut fine, &step).unwrap();
    assert_eq!(delays(&fine), [0.5, 0.0, 3.0, 3.0]);
    fine.raise_weights(0, 0, 1.0);
    assert_eq!(weights(&fine)[0], 6.0);
    let _ = fine.rewire("input->output", &Rewiring { remove: vec![0], add: Vec::new() }).unwrap();
    assert_eq!(fine.synapses("input->output").unwrap().synapses(), 3);
}

#[test]
fn smooth_delays_are_learned_by_the_slope_at_the_exact_value() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(1));
    net.connect(
        input,
        output,
        Dense::weights(9.0).delays(Delays::per_synapse(2.0).max(10.0).smooth()),
    );
    let net: SpikingNetwork = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let fine = Quantization::new().delay_step(3.0).straight_through(&net).unwrap();
    let input = SpikeTrains::from_channels([[1.0]]).unwrap();
    let trace = fine.forward(&input, 50.0).unwrap();
    let spike = trace.spikes(0).channel(0)[0];
    let wanted = SpikeTrains::from_channels([[spike + 1.0]]).unwrap();
    let (evaluation, gradients) = fine.backward(&trace, &target_times(), &wanted).unwrap();
    assert!(evaluation.loss > 0.0);
    // dL/dd = dL/dt, as the delay moves the spike; the slope of the sigmoid at 2 of 10 ms is 4 * 0.2 * 0.8.
    let delay = gradients.get("input->output", ParameterKind::Delay).unwrap()[0];
    let (exact, _) = Quantization::new().delay_step(3.0).apply(&net).unwrap();
    let trace = exact.forward(&input, 50.0).unwrap();
    let (_, projected) = exact.backward(&trace, &target_times(), &wanted).unwrap();
    let projected = projected.get("input->output", ParameterKind::Delay).unwrap()[0];
    assert!(projected != 0.0);
    assert_relative_eq!(delay, projected * 4.0 * 0.2 * 0.8, max_relative = 1e-12);
}

/// The loss of a network, after rounding, and after fine-tuning of that. Rounding alone moves single ones by a lot.
fn fine_tuned(seed: u64) -> [f64; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let points = YinYang::default().sample(300, &mut rng);
    let inputs: Vec<SpikeTrains> = points.iter().map(YinYang::spikes).collect();
    let samples: Vec<Sample<'_, usize>> =
        inputs.iter().zip(&points).map(|(input, p)| Sample { input, target: &p.class }).collect();
    let goal = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(0.5));
    let mut net = NetworkBuilder::new();
    let neurons = |size| Lif::new(size).tau_mem(20.0).tau_syn(10.0);
    let input = net.input("input", YinYang::CHANNELS);
    let hidden = net.layer("hidden", neurons(20));
    let output = net.layer("output", neurons(YinYang::CLASSES));
    let dense = |mean| Dense::weights(Normal::new(mean, mean).unwrap()).delays(1.0).max_delay(20.0);
    net.connect(input, hidden, dense(1.5));
    net.connect(hidden, output, dense(0.8));
    let mut net: SpikingNetwork = net.build(&mut rng).unwrap();
    let train = |net: &mut SpikingNetwork, rate: f64, epochs: usize| {
        let mut adam = Adam::new(rate).delay_rate(5.0 * rate);
        for _ in 0..epochs {
            for batch in samples.chunks(100) {
                let (_, gradients) = backward_batch(net, batch, 60.0, &goal).unwrap();
                adam.step(net, &gradients).unwrap();
            }
        }
    };
    let loss = |net: &SpikingNetwork| evaluate_batch(net, &samples, 60.0, &goal).unwrap().loss;
    train(&mut net, 0.02, 60);
    let quantization = Quantization::new().delay_step(2.0).weight_bits(4);
    let before = loss(&quantization.apply(&net).unwrap().0);
    let mut fine = quantization.straight_through(&net).unwrap();
    assert_eq!(loss(&fine).to_bits(), before.to_bits());
    train(&mut fine, 0.004, 40);
    // What is deployed acts the same, to the last bit.
    let (deployed, _) = quantization.apply(&fine).unwrap();
    let after = loss(&deployed);
    assert_eq!(after.to_bits(), loss(&fine).to_bits());
    [loss(&net), before, after]
}

#[test]
fn fine_tuning_improves_a_coarse_network() {
    let losses = [1, 2, 3].map(fine_tuned);
    let [exact, before, after] = [0, 1, 2].map(|k| losses.iter().map(|l| l[k]).sum::<f64>());
    assert!(exact < 0.7 * before && after < 0.7 * before, "{losses:?}");
}
