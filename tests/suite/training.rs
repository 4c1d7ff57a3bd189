//! Optimisers against their formulas, bounds, and the remedy for silent neurons.

use approx::assert_relative_eq;
use eventprop::remedy::SilentNeuronLift;
use eventprop::{
    Adam, Constant, CrossEntropy, Dense, FirstSpikeTime, Gradients, Lif, Network, NetworkBuilder,
    Objective, Optimizer, ParameterKind, Sample, Sgd, SpikeTrains, SpikingNetwork, evaluate_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// One synapse onto a layer that is also recurrent.
fn net(weight: f64, delay: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(1));
    net.connect(input, output, Dense::weights(weight).delays(delay).max_delay(2.0));
    net.connect(output, output, Dense::weights(-0.5));
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

fn values(net: &SpikingNetwork) -> Vec<f64> {
    net.parameters().iter().flat_map(|p| p.1.values.to_vec()).collect()
}

/// A step with these gradients by the weight, its delay, and the recurrent weight.
fn step(optimizer: &mut dyn Optimizer<f64>, net: &mut SpikingNetwork, values: [f64; 3]) {
    let mut gradients = Gradients::zeros(net.layout());
    gradients.values_mut().copy_from_slice(&values);
    optimizer.step(net, &gradients).unwrap();
}

#[test]
fn sgd_with_momentum() {
    let mut net = net(1.0, 1.0);
    let mut sgd = Sgd::new(0.1).delay_rate(0.5).momentum(0.9);
    step(&mut sgd, &mut net, [2.0, 0.4, 0.0]);
    assert_relative_eq!(values(&net)[..], [0.8, 0.8, -0.5], max_relative = 1e-15);
    // The velocity is 0.9 * 2 + 1 = 2.8 for the weight, 0.36 for the delay.
    step(&mut sgd, &mut net, [1.0, 0.0, 1.0]);
    assert_relative_eq!(values(&net)[..], [0.52, 0.62, -0.6], max_relative = 1e-14);
}

#[test]
fn adam_takes_steps_of_its_rate_and_follows_its_formula() {
    let mut net = net(1.0, 1.0);
    let mut adam = Adam::new(0.01).delay_rate(0.2);
    step(&mut adam, &mut net, [1e-3, -50.0, 0.0]);
    assert_relative_eq!(values(&net)[..], [0.99, 1.2, -0.5], max_relative = 1e-6);
    let (first, second) = (0.9 * 1e-4 + 0.1 * 3e-3, 0.999 * 1e-9 + 0.001 * 9e-6);
    let change = (first / (1.0 - 0.81)) / ((second / (1.0 - 0.998_001f64)).sqrt() + 1e-8);
    let before = values(&net)[0];
    step(&mut adam, &mut net, [3e-3, 0.0, 0.0]);
    assert_relative_eq!(values(&net)[0], before - 0.01 * change, max_relative = 1e-12);
}

#[test]
fn kinds_of_constants_have_rates_in_proportion() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let lif = Lif::new(1)
        .tau_mem(Constant::trainable(20.0))
        .threshold(Constant::trainable(1.0))
        .bias(Constant::trainable(0.0));
    let output = net.layer("output", lif);
    net.connect(input, output, Dense::weights(1.0));
    let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let kinds = [ParameterKind::TauMem, ParameterKind::Threshold, ParameterKind::Bias];
    let mut steps = |optimizer: &mut dyn Optimizer<f64>| {
        let before = values(&net);
        let mut gradients = Gradients::zeros(net.layout());
        gradients.values_mut().fill(1.0);
        optimizer.step(&mut net, &gradients).unwrap();
        let after = values(&net);
        let kinds = net.parameters().into_iter().map(|(_, p)| p.kind);
        let steps = before.iter().zip(&after).map(|(b, a)| b - a);
        kinds.zip(steps).collect::<Vec<_>>()
    };
    let mut sgd = Sgd::new(0.1)
        .constant_rate(0.05)
        .relative_rate(kinds[0], 9.0) // the last one counts
        .relative_rate(kinds[0], 0.1)
        .relative_rate(kinds[1], 0.0);
    for scale in [1.0, 0.5] {
        // As a schedule does.
        sgd.rates.constants = 0.05 * scale;
        for (kind, step) in steps(&mut sgd) {
            let expected = match kind {
                ParameterKind::TauMem => 0.005 * scale,
                ParameterKind::Threshold => 0.0,
                ParameterKind::Bias => 0.05 * scale,
                _ => 0.1,
            };
            assert_relative_eq!(step, expected, max_relative = 1e-12);
        }
    }
    let mut adam = Adam::new(0.01).relative_rate(kinds[1], 0.1);
    for (kind, step) in steps(&mut adam) {
        let expected = if kind == kinds[1] { 0.001 } else { 0.01 };
        assert_relative_eq!(step, expected, max_relative = 1e-6);
    }
    for factor in [-1.0, f64::NAN] {
        let gradients = Gradients::zeros(net.layout());
        let error = Adam::new(0.01).relative_rate(kinds[0], factor).step(&mut net, &gradients);
        assert!(error.unwrap_err().to_string().contains("relative learning rate"));
    }
}

#[test]
fn groups_have_rates_of_their_own() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(1));
    let output = net.layer("output", Lif::new(1));
    net.connect(input, hidden, Dense::weights(1.0).delays(5.0));
    net.connect(hidden, output, Dense::weights(1.0).delays(5.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let mut gradients = Gradients::zeros(net.layout());
    gradients.values_mut().fill(1.0);
    let steps = |optimizer: &mut dyn Optimizer<f64>| {
        let mut net = net.clone();
        optimizer.step(&mut net, &gradients).map(|()| values(&net))
    };
    let (first, second) = ("input->hidden", "hidden->output");
    let mut sgd = Sgd::new(0.5)
        .relative_rate(first, 0.0)
        .relative_rate((second, ParameterKind::Delay), 2.0)
        .relative_rate(ParameterKind::Delay, 0.5);
    assert_eq!(steps(&mut sgd).unwrap(), [1.0, 5.0, 0.5, 4.5]);
    // Weights alone decay, by their own rates.
    let mut sgd = Sgd::new(0.5).weight_decay(0.25).relative_rate(second, 0.5);
    assert_eq!(steps(&mut sgd).unwrap(), [0.375, 4.5, 0.6875, 4.75]);
    let without = steps(&mut Adam::new(0.5)).unwrap();
    let decayed = steps(&mut Adam::new(0.5).weight_decay(0.25)).unwrap();
    assert_eq!(decayed, [without[0] - 0.125, without[1], without[2] - 0.125, without[3]]);

    // What is frozen remembers nothing, and its gradients stop no step.
    let mut huge = gradients.clone();
    huge.values_mut()[0] = 1e200;
    let mut adam = Adam::new(0.5).relative_rate(first, 0.0);
    let mut frozen = net.clone();
    adam.step(&mut frozen, &huge).unwrap();
    assert_eq!(values(&frozen), [1.0, 5.0, without[2], without[3]]);
    assert!(adam.state().lists.iter().all(|(_, list)| list[..2] == [0.0; 2] && list[2] != 0.0));
    assert!(Adam::new(0.5).step(&mut frozen, &huge).is_err());

    let says = |optimizer: &mut dyn Optimizer<f64>, part: &str| {
        let error = steps(optimizer).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(&mut Sgd::new(0.1).relative_rate("hidden", 1.0), "has only: weight of `input->hidden`");
    let threshold = (first, ParameterKind::Threshold);
    says(&mut Adam::new(0.1).relative_rate(threshold, 1.0), "for threshold of `input->hidden`");
    says(&mut Adam::new(0.1).weight_decay(-1.0), "the weight decay is -1");
    // A kind that a network has none of is no mistake: the same optimiser serves several networks.
    steps(&mut Adam::new(0.1).relative_rate(ParameterKind::Bias, 0.5)).unwrap();
}

#[test]
fn delays_stay_within_their_bounds() {
    let mut net = net(1.0, 1.0);
    step(&mut Sgd::new(1.0), &mut net, [0.0, 5.0, 0.0]);
    assert_eq!(values(&net)[1], 0.0);
    step(&mut Sgd::new(1.0), &mut net, [0.0, -5.0, 0.0]);
    assert_eq!(values(&net)[1], 2.0);
}

#[test]
fn fixed_delays_are_no_parameters() {
    let net = net(1.0, 1.0);
    let kinds: Vec<_> = net.layout().into_iter().map(|b| (b.owner, b.kind)).collect();
    let (weight, delay) = (ParameterKind::Weight, ParameterKind::Delay);
    let expected =
        [("input->output", weight), ("input->output", delay), ("output->output", weight)];
    assert_eq!(kinds, expected.map(|(owner, kind)| (owner.to_owned(), kind)));
}

#[test]
fn silent_neurons_are_lifted_until_they_fire() {
    let mut net = net(1.0, 0.0);
    let input = SpikeTrains::from_channels([[1.0]]).unwrap();
    let samples = [Sample { input: &input, target: &0usize }; 4];
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::new());
    let lift = SilentNeuronLift::new(0.5);
    let mut lifts = 0;
    loop {
        let mut summary = evaluate_batch(&net, &samples, 50.0, &objective).unwrap();
        if lift.apply(&mut net, 0, &mut summary).unwrap() == 0 {
            break;
        }
        lifts += 1;
    }
    // V peaks at w 4^(-1/3) / 4 = 0.157 w: 6.5 is the first weight that fires.
    assert_eq!((lifts, values(&net)[0]), (11, 6.5));
    assert_eq!(values(&net)[2], -0.5, "recurrent weights are left alone");
}
