//! Constants of neurons: one per neuron, trained, in their range, stored.

use approx::assert_relative_eq;
use eventprop::check::GradientCheck;
use eventprop::{
    Constant, CrossEntropy, Dense, Engine, FirstSpikeTime, LeakyIntegrator, Lif, MeanSquaredError,
    MeanVoltage, Network, NetworkBuilder, Objective, Optimizer, ParameterKind, Sgd,
    SimulationError, Simulator, SpikeTimes, SpikeTrains, SpikingNetwork, VanRossum,
};
use ndarray::Array2;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

fn network(size: usize, lif: Lif) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let layer = net.layer("layer", lif);
    let weights = Array2::from_shape_fn((size, 2), |(_, k)| [5.0, 7.0][k]);
    net.connect(input, layer, Dense::weights(weights).delays(1.5));
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

fn input() -> SpikeTrains {
    SpikeTrains::from_channels([vec![1.0, 4.0, 9.0, 30.0], vec![3.0, 4.5, 25.0]]).unwrap()
}

/// The `k`-th constants, shared.
fn variant(size: usize, k: usize) -> Lif {
    let x = k as f64;
    Lif::new(size)
        .tau_mem(12.0 + x)
        .tau_syn(4.0 - x / 2.0)
        .threshold(1.0 + x / 9.0)
        .reset(-x / 7.0)
        .bias(x / 5.0)
        .adaptation(-x / 3.0, 20.0 + x)
        .adaptive_threshold(x / 4.0, 10.0 - x)
        .refractory(x / 2.0)
}

#[test]
fn neurons_with_constants_of_their_own_are_neurons_with_those_constants() {
    let each = |f: fn(f64) -> f64| -> Vec<f64> { (0..3).map(|k| f(f64::from(k))).collect() };
    let lif = Lif::new(3)
        .tau_mem(each(|x| 12.0 + x))
        .tau_syn(each(|x| 4.0 - x / 2.0))
        .threshold(each(|x| 1.0 + x / 9.0))
        .reset(each(|x| -x / 7.0))
        .bias(each(|x| x / 5.0))
        .adaptation(each(|x| -x / 3.0), each(|x| 20.0 + x))
        .adaptive_threshold(each(|x| x / 4.0), each(|x| 10.0 - x))
        .refractory(each(|x| x / 2.0));
    let together = network(3, lif).forward(&input(), 50.0).unwrap();
    let mut last = Vec::new();
    for k in 0..3 {
        let alone = network(1, variant(1, k)).forward(&input(), 50.0).unwrap();
        let train = together.spikes(0).channel(k);
        assert_eq!(train, alone.spikes(0).times());
        assert!(train.len() > 2 && train != last);
        last = train.to_vec();
    }
}

#[test]
fn a_stream_fires_the_spikes_of_a_trial() {
    let net = network(2, variant(2, 2));
    let trace = net.forward(&input(), 50.0).unwrap();
    let mut simulator = Simulator::new(&net).unwrap();
    for (channel, train) in input().iter().enumerate() {
        train.iter().for_each(|&time| simulator.receive(time, channel).unwrap());
    }
    let mut found = Vec::new();
    for until in [3.3, 8.0, 50.0] {
        while let Some(spike) = simulator.next_spike(until).unwrap() {
            found.extend((spike.neuron == 0).then_some(spike.time));
        }
    }
    assert!(found.len() > 2);
    assert_eq!(found, trace.spikes(0).channel(0));
}

/// Constants that are trained are left to the plain engine on the way back, but not on the way there.
#[test]
fn trained_constants_change_no_other_gradient() {
    let of = |trained: bool, engine| {
        let constant = |x: f64| match trained {
            true => Constant::trainable(x),
            false => x.ln().exp().into(),
        };
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 5);
        let hidden = net.layer("hidden", Lif::new(6).tau_mem(constant(20.0)));
        let output = net.layer("output", LeakyIntegrator::new(2).tau_syn(constant(4.0)));
        let (weights, delays) = (Normal::new(0.2, 0.1).unwrap(), Uniform::new(0.0, 9.0).unwrap());
        net.connect(input, hidden, Dense::weights(weights).delays(delays));
        net.connect(hidden, hidden, Dense::weights(weights).delays(delays));
        net.connect(hidden, output, Dense::weights(weights).delays(delays));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(3)).unwrap().with_engine(engine);
        let events = (0..600).map(|k| (f64::from(k) * 0.1 + 0.03, k as usize * 7 % 5));
        let trace = net.forward(&SpikeTrains::from_events(5, events).unwrap(), 70.0).unwrap();
        let objective = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.1));
        let (evaluation, gradients) = net.backward(&trace, &objective, &1).unwrap();
        (trace.spikes(0).clone(), evaluation, gradients)
    };
    let (spikes, evaluation, gradients) = of(false, Engine::Fast);
    assert!(spikes.len() > 30);
    let mut by_constants = Vec::new();
    for engine in [Engine::Fast, Engine::Plain] {
        let (trained_spikes, trained_evaluation, trained) = of(true, engine);
        assert_eq!(trained_spikes.len(), spikes.len());
        assert_relative_eq!(trained_evaluation.loss, evaluation.loss, max_relative = 1e-10);
        for (a, b) in trained.values().iter().zip(gradients.values()) {
            assert_relative_eq!(a, b, max_relative = 1e-8, epsilon = 1e-10);
        }
        by_constants.push(trained.values()[gradients.values().len()..].to_vec());
    }
    assert_eq!(by_constants[0].len(), 2);
    for (a, b) in by_constants[0].iter().zip(&by_constants[1]) {
        assert!(*a != 0.0);
        assert_relative_eq!(a, b, max_relative = 1e-8);
    }
}

#[test]
fn single_precision_is_close() {
    // The same neurons in both precisions.
    let build = || {
        let mut net = NetworkBuilder::<f32>::new();
        let input = net.input("input", 2);
        let lif = Lif::new(1)
            .tau_mem(Constant::trainable(14.0))
            .tau_syn(3.0)
            .threshold(1.0 + 2.0 / 9.0)
            .reset(-2.0 / 7.0)
            .bias(0.4)
            .adaptation(-2.0 / 3.0, 22.0)
            .adaptive_threshold(0.5, 8.0)
            .refractory(1.0);
        let layer = net.layer("layer", lif);
        let weights = Array2::from_shape_fn((1, 2), |(_, k)| [5.0, 7.0][k]);
        net.connect(input, layer, Dense::weights(weights).delays(1.5));
        net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
    };
    let single = build().forward(&input(), 50.0).unwrap();
    let double = network(1, variant(1, 2)).forward(&input(), 50.0).unwrap();
    let (single, double) = (single.spikes(0).times(), double.spikes(0).times());
    assert!(double.len() > 2);
    assert_eq!(single.len(), double.len());
    for (a, b) in single.iter().zip(double) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn training_keeps_constants_in_their_range() {
    let lif = Lif::new(2)
        .tau_mem(Constant::trainable(vec![5.0, 10.0]))
        .tau_syn(Constant::trainable(3.0))
        .threshold(Constant::trainable(1.0))
        .reset(Constant::trainable(0.5));
    let mut net = network(2, lif);
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let mut sgd = Sgd::new(0.0).constant_rate(3.0);
    let mut losses = Vec::new();
    for _ in 0..20 {
        let trace = net.forward(&input(), 50.0).unwrap();
        let (evaluation, gradients) = net.backward(&trace, &objective, &[40.0, 45.0]).unwrap();
        losses.push(evaluation.loss);
        sgd.step(&mut net, &gradients).unwrap();
    }
    assert!(losses.iter().all(|l| l.is_finite()));
    let block = |kind| {
        let all = net.parameters();
        all.iter().find(|p| p.1.kind == kind).map(|p| p.1.values.to_vec()).unwrap()
    };
    assert!(block(ParameterKind::Reset)[0] <= 0.99 * block(ParameterKind::Threshold)[0].exp());
    assert_ne!(block(ParameterKind::TauMem), [5f64.ln(), 10f64.ln()]);
    // What has no meaning is refused.
    for value in [f64::NAN, f64::INFINITY, -1e9] {
        let mut bad = net.clone();
        for (_, parameter) in bad.parameters_mut() {
            if parameter.kind == ParameterKind::TauMem {
                parameter.values[1] = value;
            }
        }
        bad.update();
        let error = bad.forward(&input(), 50.0).unwrap_err();
        assert!(matches!(error, SimulationError::BadConstant { .. }), "{error}");
        assert!(error.to_string().contains("tau_mem"), "{error}");
    }
}

#[test]
fn a_reset_is_moved_away_from_the_threshold() {
    let mut net = network(1, Lif::new(1).reset(Constant::trainable(0.5)));
    net.parameters_mut().last_mut().unwrap().1.values[0] = 2.0;
    net.update();
    assert_eq!(net.parameters().last().unwrap().1.values, [0.99]);
    let mut net = network(1, Lif::new(1).reset(0.5).threshold(Constant::trainable(1.0)));
    net.parameters_mut().last_mut().unwrap().1.values[0] = -2.0;
    net.update();
    assert_relative_eq!(net.parameters().last().unwrap().1.values[0].exp(), 0.5 / 0.99);
    net.forward(&SpikeTrains::silent(2), 50.0).unwrap();
}

#[test]
fn a_reset_that_training_would_move_at_once_is_refused() {
    let trained = |reset, threshold| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", Lif::new(1).reset(reset).threshold(threshold));
        net.connect(input, layer, Dense::weights(1.0));
        net.build(&mut ChaCha8Rng::seed_from_u64(0))
    };
    let learned = Constant::trainable;
    for (reset, threshold) in
        [(Constant::from(0.995), learned(1.0)), (learned(0.995), Constant::from(1.0))]
    {
        let error = trained(reset, threshold).unwrap_err().to_string();
        assert!(error.contains("0.995") && error.contains("at most 0.99 of it"), "{error}");
    }
    assert!(trained(Constant::from(0.995), Constant::from(1.0)).is_ok());
    // What was moved there is there to stay.
    for threshold in [1e-30, 0.3, 0.5, 0.7, 1.0, 1.3, 17.0, 1e30] {
        let mut net = trained(learned(0.0), learned(threshold)).unwrap();
        for (_, p) in net.parameters_mut() {
            if p.kind == ParameterKind::Reset {
                p.values[0] = 2.0 * threshold;
            }
        }
        net.update();
        let moved: Vec<f64> = net.parameters().iter().map(|(_, p)| p.values[0]).collect();
        net.update();
        assert!(net.parameters().iter().map(|(_, p)| p.values[0]).eq(moved));
        #[cfg(feature = "serde")]
        {
            // In either precision.
            let text = serde_json::to_string(&net).unwrap();
            serde_json::from_str::<SpikingNetwork>(&text).unwrap();
            let single: SpikingNetwork<f32> = serde_json::from_str(&text).unwrap();
            let text = serde_json::to_string(&single).unwrap();
            serde_json::from_str::<SpikingNetwork>(&text).unwrap();
        }
        net.forward(&SpikeTrains::silent(1), 5.0).unwrap();
    }
}

/// Where a lower threshold pushes a reset down, the two move together, and no gradient is wrong for that.
#[test]
fn a_threshold_near_its_reset_is_checked_alone() {
    let objective = Objective::new(SpikeTimes, VanRossum::new(8.0));
    let target = SpikeTrains::from_channels([vec![3.0], vec![5.0, 9.0], vec![]]).unwrap();
    for (near, checked) in [(0.985, 3), (0.9895, 3), (0.99, 0)] {
        let thresholds = [1.0, 1.1, 0.9];
        let lif = Lif::new(3)
            .threshold(Constant::trainable(thresholds.to_vec()))
            .reset(Constant::trainable(thresholds.map(|t| t * near).to_vec()))
            .bias(vec![0.1, 0.2, -0.1])
            .refractory(vec![1.0, 2.0, 1.5])
            .adaptation(-0.5, 20.0);
        let mut net = NetworkBuilder::new();
        let channels = net.input("input", 2);
        let layer = net.layer("layer", lif);
        let weights = Array2::from_shape_vec((3, 2), vec![3.0, 4.0, 3.5, 4.2, 3.1, 5.0]).unwrap();
        let delays = Array2::from_shape_vec((3, 2), vec![1.0, 0.0, 2.0, 0.3, 0.0, 4.0]).unwrap();
        net.connect(channels, layer, Dense::weights(weights).delays(delays));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
        let input = SpikeTrains::from_channels([vec![1.0, 8.0, 15.0], vec![2.0, 12.5]]).unwrap();
        let report = GradientCheck::new().run(&net, &input, 40.0, &objective, &target).unwrap();
        assert!(report.passed(), "{near}: {report}");
        let class = report.classes.iter().find(|c| c.kind == Some(ParameterKind::Threshold));
        assert_eq!(class.unwrap().checked, checked, "{near}: {report}");
    }
}

#[test]
fn constants_without_meaning_are_refused() {
    let build = |lif: Lif| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", lif);
        net.connect(input, layer, Dense::weights(1.0));
        net.build(&mut ChaCha8Rng::seed_from_u64(0)).map(|_| ())
    };
    let lif = || Lif::<f64>::new(2);
    for (bad, says) in [
        (lif().bias(vec![0.0; 3]), "bias has 3 values for 2 neurons"),
        (lif().bias(f64::NAN), "bias is NaN"),
        (lif().adaptation(f64::INFINITY, 5.0), "adaptation_jump is inf"),
        (lif().adaptation(-1.0, vec![5.0, 0.0]), "tau_adaptation is 0"),
        (lif().adaptive_threshold(-0.1, 5.0), "threshold_jump is -0.1, but must not be negative"),
        (lif().adaptive_threshold(f64::INFINITY, 5.0), "threshold_jump is inf, but must be finite"),
        (lif().refractory(-1.0), "refractory is -1, but must not be negative"),
        (lif().refractory(Constant::trainable(0.0)), "refractory is 0"),
        (lif().refractory(Constant::trainable(f64::INFINITY)), "refractory is inf"),
        (lif().threshold(vec![1.0, 0.5]).reset(0.7), "below the threshold 0.5"),
        (lif().tau_mem(Constant::trainable(-3.0)), "tau_mem is NaN"),
    ] {
        let error = build(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let refused = [lif().refractory(0.0), lif().refractory(f64::INFINITY)].map(build);
    assert_eq!(refused, [Ok(()), Ok(())]);
}

#[cfg(feature = "serde")]
#[test]
fn constants_survive_json_with_the_same_bits() {
    let lif = variant(2, 1)
        .tau_mem(Constant::trainable(vec![11.3, 7.1]))
        .tau_syn(Constant::trainable(3.3));
    let net = network(2, lif);
    let text = serde_json::to_string(&net).unwrap();
    let back: SpikingNetwork = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let run = |net: &SpikingNetwork| {
        let trace = net.forward(&input(), 50.0).unwrap();
        assert!(trace.spikes(0).len() > 4);
        (trace.spikes(0).clone(), net.backward(&trace, &objective, &1).unwrap())
    };
    assert_eq!(run(&net), run(&back));
    // Made by hand, it may be anything.
    for (good, bad) in [
        ("\"receptors\":1", "\"receptors\":1000000000000000"),
        ("\"receptors\":1", "\"receptors\":0"),
        ("\"size\":2", "\"size\":3"),
        ("\"kind\":\"Bias\"", "\"kind\":\"Reset\""),
    ] {
        assert!(text.contains(good));
        let hostile = text.replace(good, bad);
        assert!(serde_json::from_str::<SpikingNetwork>(&hostile).is_err(), "{bad}");
    }
}
