//! Remedies: closed forms, finite differences of what each is the gradient of, and nothing where none is named.

use crate::silence::{partly_silent, summary, weights};
use crate::small::{DURATION, ENGINES, Nothing, pulses, random_network, single};
use approx::assert_relative_eq;
use eventprop::remedy::{
    GradientClip, PhantomSpikeTime, RemedyError, SilentNeuronLift, SlopeLimiter,
    SpikeCountRegularizer, WeightBump,
};
use eventprop::{
    BackwardOptions, CrossEntropy, Dense, Error, FirstSpikeTime, Gradients, Lif, MeanSquaredError,
    Network, NetworkBuilder, Objective, ParameterKind, ReadoutError, Sample, SpikeTrains,
    backward_batch_with,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn weight_gradient(gradients: &Gradients, synapse: usize) -> f64 {
    gradients.get("input->output", ParameterKind::Weight).unwrap()[synapse]
}

/// V is proportional to the weight: at a spike dV/dw = 1/w and dt/dw = -1 / (w slope).
#[test]
fn a_limited_slope_takes_the_place_of_the_slope() {
    for engine in ENGINES {
        let net = single(&[7.0, 9.0]).with_engine(engine);
        let trace = net.forward(&pulses(2), DURATION).unwrap();
        let [flat, steep] = *trace.slopes(0) else { panic!("one spike each") };
        assert!(flat < 0.7 * steep, "{flat} {steep}");
        let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
        let by_time: Vec<f64> = trace.spikes(0).times().to_vec();
        let target = [0.0, 0.0];
        let gradient = |limiter: Option<SlopeLimiter>| {
            let options = BackwardOptions::new();
            let options = limiter.map_or(options.clone(), |l| options.limit_slopes(l));
            net.backward_with(&trace, &objective, &target[..], &options).unwrap()
        };
        let check = |limiter, slopes: [f64; 2], limited| {
            let (_, gradients, health) = gradient(limiter);
            // L = (t_0^2 + t_1^2) / 2.
            for (k, weight) in [(0, 7.0), (1, 9.0)] {
                let expected = -by_time[k] / (weight * slopes[k]);
                let found = weight_gradient(&gradients, 3 * k);
                assert_relative_eq!(found, expected, max_relative = 1e-12);
            }
            assert_eq!(health.layers[0].limited, limited);
            assert_eq!(health.smallest_slope.unwrap().value, flat);
        };
        check(None, [flat, steep], 0);
        check(Some(SlopeLimiter::Absolute(flat / 2.0)), [flat, steep], 0);
        check(Some(SlopeLimiter::Absolute(flat)), [flat, steep], 0);
        check(Some(SlopeLimiter::Absolute(3.0 * flat)), [3.0 * flat, steep.max(3.0 * flat)], {
            if steep < 3.0 * flat { 2 } else { 1 }
        });
        let mean = (flat + steep) / 2.0;
        check(Some(SlopeLimiter::Relative(1.0)), [mean, steep], 1);
        check(Some(SlopeLimiter::Relative(mean / flat * 1.001)), [flat, steep], 0);
        check(Some(SlopeLimiter::Relative(mean / flat * 0.9)), [flat / 0.9, steep], 1);
    }
}

/// Of neurons that fire again, where the adjoint after a spike counts as well: what a neuron has beyond the plain ones
/// changes limited gradients as little as others.
#[test]
fn limited_slopes_of_all_neurons_go_by_one_rule() {
    type Change = fn(Lif) -> Lif;
    let few: [Change; 4] = [
        |lif| lif.bias(1e-10),
        |lif| lif.adaptation(1e-10, 100.0),
        |lif| lif.adaptive_threshold(1e-10, 100.0),
        |lif| lif.refractory(1e-10),
    ];
    let input = SpikeTrains::from_channels([[1.0, 2.0, 3.0, 9.0]]).unwrap();
    let gradients = |engine, change: Change, limiter: Option<SlopeLimiter>| {
        let mut net = NetworkBuilder::new();
        let source = net.input("input", 1);
        let hidden = net.layer("hidden", change(Lif::new(1).tau_mem(20.0).tau_syn(5.0).reset(0.2)));
        let output = net.layer("output", eventprop::LeakyIntegrator::new(1));
        net.connect(source, hidden, Dense::weights(9.0).delays(0.5));
        net.connect(hidden, output, Dense::weights(1.0).delays(0.5));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap().with_engine(engine);
        let trace = net.forward(&input, DURATION).unwrap();
        assert!(trace.spikes(0).len() > 3);
        let objective = Objective::new(eventprop::MeanVoltage, MeanSquaredError);
        let options = BackwardOptions::new();
        let options = limiter.map_or(options.clone(), |l| options.limit_slopes(l));
        let (_, gradients, _) =
            net.backward_with(&trace, &objective, &[0.0][..], &options).unwrap();
        gradients.values().to_vec()
    };
    for engine in ENGINES {
        for limiter in [None, Some(SlopeLimiter::Absolute(2.0))] {
            let plain = gradients(engine, |lif| lif, limiter);
            for change in few {
                let other = gradients(engine, change, limiter);
                for (a, b) in plain.iter().zip(&other) {
                    assert_relative_eq!(a, b, max_relative = 1e-7);
                }
            }
            if limiter.is_some() {
                assert_ne!(plain, gradients(engine, |lif| lif, None));
            }
        }
    }
}

/// (seed, recurrent, input spikes): loads for the light, the fast and the plain engine.
fn loads() -> impl Iterator<Item = (u64, bool, usize)> {
    (0..6).flat_map(|seed| {
        [(seed, false, 20), (seed, false, 400), (seed, true, 20), (seed, true, 400)]
    })
}

fn bits(gradients: &Gradients) -> Vec<u64> {
    gradients.values().iter().chain(&gradients.input_times).map(|g| g.to_bits()).collect()
}

#[test]
fn without_remedies_not_a_bit_changes() {
    for (seed, recurrent, spikes) in loads() {
        let (net, input) = random_network(seed, recurrent, spikes);
        for engine in ENGINES {
            let net = net.clone().with_engine(engine);
            let trace = net.forward(&input, DURATION).unwrap();
            let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
            let (evaluation, exact) = net.backward(&trace, &objective, &1).unwrap();
            let idle = BackwardOptions::new()
                .limit_slopes(SlopeLimiter::Absolute(1e-12))
                .regularize(SpikeCountRegularizer::new(0).upper(1e6, 1.0).lower(0.0, 1.0))
                .clip(GradientClip::norm(ParameterKind::Weight, 1e9))
                .clip(GradientClip::value(ParameterKind::Delay, 1e9))
                .near_ties(1e-9);
            for options in [BackwardOptions::new(), idle] {
                let (same, gradients, health) =
                    net.backward_with(&trace, &objective, &1, &options).unwrap();
                assert_eq!(same, evaluation);
                assert_eq!(bits(&gradients), bits(&exact));
                let layer = health.layers[0];
                assert_eq!((layer.limited, layer.regularized, layer.phantoms), (0, 0, 0));
                assert_eq!((health.clipped, health.lifted), (0, 0));
                let samples = [Sample { input: &input, target: &1_usize }];
                let (summary, gradients) =
                    backward_batch_with(&net, &samples, DURATION, &objective, &options).unwrap();
                assert_eq!(gradients.values(), exact.values());
                assert_eq!(summary.health, health);
            }
        }
    }
}

/// The engines share one rule, so they agree as without it, and count the same.
#[test]
fn remedies_are_the_same_on_every_engine() {
    let (mut limited, mut phantoms) = (0, 0);
    for (seed, recurrent, spikes) in loads() {
        let (net, input) = random_network(seed, recurrent, spikes);
        for limiter in [SlopeLimiter::Absolute(0.08), SlopeLimiter::Relative(1.5)] {
            let options = BackwardOptions::new()
                .limit_slopes(limiter)
                .regularize(SpikeCountRegularizer::new(0).upper(2.0, 0.02).lower(1.5, 0.01))
                .regularize(SpikeCountRegularizer::new(1).upper(1.0, 0.1).per_trial())
                .clip(GradientClip::norm(ParameterKind::Weight, 1e-2));
            let objective =
                Objective::new(PhantomSpikeTime::new(0.1), CrossEntropy::first_to_fire(5.0));
            let [fast, plain] = ENGINES.map(|engine| {
                let net = net.clone().with_engine(engine);
                let trace = net.forward(&input, DURATION).unwrap();
                net.backward_with(&trace, &objective, &1, &options).unwrap()
            });
            let largest = plain.1.values().iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            for (a, b) in fast.1.values().iter().zip(plain.1.values()) {
                assert!((a - b).abs() <= 1e-8 * largest, "{a:e} against {b:e}");
            }
            assert_eq!(fast.2.layers, plain.2.layers);
            assert_eq!(fast.2.clipped, plain.2.clipped);
            limited += plain.2.layers[0].limited;
            phantoms += plain.2.layers[1].phantoms;
        }
    }
    assert!(limited > 100 && phantoms > 10, "{limited} limited, {phantoms} phantoms");
}

#[test]
fn constants_without_meaning_are_refused() {
    let (net, input) = random_network(1, false, 20);
    let trace = net.forward(&input, DURATION).unwrap();
    let objective = Objective::new(FirstSpikeTime, Nothing);
    let samples = [Sample { input: &input, target: &0_usize }];
    let refused = |options: BackwardOptions| {
        let error = net.backward_with(&trace, &objective, &0, &options).unwrap_err();
        assert!(matches!(error, Error::Remedy(RemedyError::Constant { .. })), "{error}");
        let batch = backward_batch_with(&net, &samples, DURATION, &objective, &options);
        assert_eq!(batch.unwrap_err().to_string(), error.to_string());
    };
    let new = BackwardOptions::new;
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let count = SpikeCountRegularizer::new(0);
        refused(new().limit_slopes(SlopeLimiter::Absolute(bad)));
        refused(new().limit_slopes(SlopeLimiter::Relative(bad)));
        refused(new().regularize(count.upper(bad, 1.0)));
        refused(new().regularize(count.upper(1.0, bad)));
        refused(new().regularize(count.lower(bad, 1.0)));
        refused(new().regularize(count.lower(1.0, bad)));
        refused(new().clip(GradientClip::value(ParameterKind::Weight, bad)));
        refused(new().clip(GradientClip::norm(ParameterKind::Weight, bad)));
        refused(new().near_ties(bad));
        for phantom in [PhantomSpikeTime::new(bad), PhantomSpikeTime::new(1.0).at(bad)] {
            let error = net.backward(&trace, &Objective::new(phantom, Nothing), &0).unwrap_err();
            assert!(matches!(error, Error::Readout(ReadoutError::Remedy(_))), "{error}");
        }
    }
    refused(new().limit_slopes(SlopeLimiter::Absolute(0.0)));
    refused(new().limit_slopes(SlopeLimiter::Relative(0.5)));
    refused(new().regularize(SpikeCountRegularizer::new(0).upper(2.0, 1.0).lower(3.0, 1.0)));
    let error = SpikeCountRegularizer::new(2).upper(1.0, 1.0);
    let error = net.backward_with(&trace, &objective, &0, &new().regularize(error)).unwrap_err();
    assert_eq!(error.to_string(), "the remedy is for layer 2, but the network has 2 (0-based)");

    let (mut net, inputs) = partly_silent();
    let before = weights(&net);
    let mut of_batch = summary(&net, &inputs);
    let refused = |error: Result<usize, RemedyError>| {
        assert!(matches!(error, Err(RemedyError::Constant { .. })), "{error:?}");
    };
    for bad in [f64::NAN, f64::INFINITY] {
        refused(SilentNeuronLift::new(bad).apply(&mut net, 0, &mut of_batch));
        refused(SilentNeuronLift::new(1.0).share(bad).apply(&mut net, 0, &mut of_batch));
        refused(WeightBump::new(bad).apply(&mut net, 0, &mut of_batch));
        refused(WeightBump::new(1.0).growth(bad).apply(&mut net, 0, &mut of_batch));
        refused(WeightBump::new(1.0).tolerance(bad).apply(&mut net, 0, &mut of_batch));
    }
    refused(SilentNeuronLift::new(1.0).share(0.0).apply(&mut net, 0, &mut of_batch));
    refused(WeightBump::new(1.0).growth(0.5).apply(&mut net, 0, &mut of_batch));
    let error = WeightBump::new(1.0).apply(&mut net, 1, &mut of_batch);
    assert_eq!(error, Err(RemedyError::NoSuchLayer { layer: 1, layers: 1 }));
    of_batch.silent[0].pop();
    let error = SilentNeuronLift::new(1.0).apply(&mut net, 0, &mut of_batch);
    assert_eq!(error, Err(RemedyError::Summary { layer: 0, found: 2, expected: 3 }));
    assert_eq!(weights(&net), before);
    assert_eq!(of_batch.health.lifted, 0);
}

#[test]
fn a_slope_floor_without_meaning_is_refused() {
    let net = single(&[7.0]);
    let trace = net.forward(&pulses(1), DURATION).unwrap();
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let mut sensitivity = eventprop::Sensitivity::none(&trace);
        sensitivity.layers[0].slope_floor = bad;
        assert!(net.adjoint(&trace, sensitivity).is_err());
    }
}

#[test]
fn all_silent() {
    for engine in ENGINES {
        let net = single(&[0.1, 0.2]).with_engine(engine);
        let trace = net.forward(&SpikeTrains::silent(2), DURATION).unwrap();
        let options = BackwardOptions::new()
            .limit_slopes(SlopeLimiter::Relative(2.0))
            .regularize(SpikeCountRegularizer::new(0).upper(2.0, 1.0).lower(1.0, 1.0))
            .clip(GradientClip::norm(ParameterKind::Weight, 1.0))
            .near_ties(1.0);
        let objective = Objective::new(PhantomSpikeTime::new(1.0), MeanSquaredError);
        let (_, gradients, health) =
            net.backward_with(&trace, &objective, &[1.0, DURATION], &options).unwrap();
        assert!(gradients.values().iter().all(|g| *g == 0.0), "nothing arrived");
        let layer = health.layers[0];
        assert_eq!((layer.spikes, layer.silent, layer.regularized), (0, 2, 0));
        assert_eq!(layer.phantoms, 1, "the other phantom is where it should be");
        assert_eq!((health.smallest_slope, health.largest_adjoint), (None, None));
        let (summary, _) =
            backward_batch_with::<f64, _, [f64]>(&net, &[], DURATION, &objective, &options)
                .unwrap();
        assert_eq!(summary.health.trials, 0);
    }
}

/// V = w (x - x^2) with x = exp(-t / tau_mem) touches the threshold at w = 4; rounding makes a spike of some.
#[test]
fn a_limiter_stands_in_for_slopes_of_zero() {
    let (floor, mut grazing, mut refused) = (1e-3, 0, 0);
    let limited = BackwardOptions::new().limit_slopes(SlopeLimiter::Absolute(floor));
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let input = SpikeTrains::from_channels([[0.0]]).unwrap();
    for k in 0..2000 {
        let (tau, weight) = (1.0 + 0.01 * f64::from(k), 4.0 + 1e-15 * f64::from(k % 5));
        let mut net = NetworkBuilder::new();
        let channel = net.input("input", 1);
        let output = net.layer("output", Lif::new(1).tau_mem(tau).tau_syn(tau / 2.0));
        net.connect(channel, output, Dense::weights(weight));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let trace = net.forward(&input, DURATION).unwrap();
        let [time] = *trace.spikes(0).times() else { continue };
        let exact = net.backward(&trace, &objective, &[0.0]);
        let (_, gradients, health) =
            net.backward_with(&trace, &objective, &[0.0], &limited).unwrap();
        assert!(health.smallest_slope.unwrap().value < 1e-6);
        assert_eq!(health.layers[0].limited, 1);
        // dL/dt = 2 t, and dV/dw = V / w.
        let expected = -2.0 * time / (weight * floor);
        assert_relative_eq!(gradients.values()[0], expected, max_relative = 1e-6);
        grazing += 1;
        refused += usize::from(exact.is_err());
    }
    println!("{grazing} grazing spikes, {refused} without a slope");
    assert!(grazing > 0);
}
