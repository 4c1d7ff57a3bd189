//! Bounds of weights and delays: they hold, gather no momentum and are counted.

use crate::synapses::{between, refused, rows, single, values};
use eventprop::{
    Adam, Delays, Dense, Gradients, Network, Optimizer, ParameterKind, Sgd, SpikeTrains,
    SpikingNetwork, SynapseError,
};

/// One delay, stepped by given gradients.
fn path(optimizer: &mut impl Optimizer<f64>, start: f64, gradients: &[f64]) -> Vec<f64> {
    let recipe = Dense::weights(1.0).fixed_weights().delays(start).max_delay(10.0);
    let mut net = single(recipe).unwrap();
    let step = |&g: &f64| {
        let mut all = Gradients::zeros(net.layout());
        all.values_mut()[0] = g;
        optimizer.step(&mut net, &all).unwrap();
        values(&net, ParameterKind::Delay)[0]
    };
    gradients.iter().map(step).collect()
}

#[test]
fn moments_do_not_wind_up_at_a_bound() {
    let (push, pull) = (vec![1.0; 200], [-1.0; 1]);
    let then = |a: &[f64], b: &[f64]| [a, b].concat();
    let mut sgd = Sgd::new(0.1).momentum(0.9);
    let delays = path(&mut sgd, 1.0, &then(&push, &pull));
    assert_eq!(delays[199], 0.0);
    // As the first step from rest.
    assert_eq!(delays[200], 0.1);
    let upper = path(&mut Sgd::new(0.1).momentum(0.9), 9.0, &then(&[-1.0; 200], &[1.0]));
    assert_eq!(upper[199..], [10.0, 9.9]);
    let mut adam = Adam::new(0.1);
    let delays = path(&mut adam, 1.0, &then(&push, &[-1.0; 3]));
    assert_eq!(delays[199], 0.0);
    assert!(delays[200] > 0.0 && delays[201] > delays[200]);
    assert!(delays[202] < 1.0, "{:?}", &delays[200..]);
}

#[test]
fn delays_on_a_bound_are_counted() {
    let delays = vec![0.0, 0.5, 10.0, 0.0];
    let net = between(2, 2, Dense::weights(1.0).delays(delays).max_delay(10.0)).unwrap();
    let counts: Vec<usize> = net.parameters().iter().map(|(_, p)| p.on_bound()).collect();
    assert_eq!(counts, [0, 3]);
    let smooth = Delays::axonal(vec![1.0, 9.0]).smooth().max(10.0);
    let net = between(2, 2, Dense::weights(1.0).delays(smooth)).unwrap();
    assert!(net.parameters().iter().all(|(_, p)| p.on_bound() == 0));
}

#[test]
fn a_bound_of_no_delays_is_refused() {
    let error = refused(2, 2, Dense::weights(1.0).max_delay(5.0));
    assert_eq!(error, SynapseError::MaxWithoutDelays);
}

#[test]
fn weights_stay_within_their_range() {
    let recipe = || Dense::weights(vec![0.1, 0.5, 0.9, 0.5]).min_weight(0.0).max_weight(1.0);
    let mut net = between(2, 2, recipe()).unwrap();
    let step = |net: &mut SpikingNetwork, optimizer: &mut dyn Optimizer<f64>, by: [f64; 4]| {
        let mut gradients = Gradients::zeros(net.layout());
        gradients.values_mut().copy_from_slice(&by);
        optimizer.step(net, &gradients).unwrap();
        net.parameters()[0].1.values.to_vec()
    };
    let mut sgd = Sgd::new(1.0).momentum(0.9);
    assert_eq!(step(&mut net, &mut sgd, [0.5, 0.25, -0.5, -0.25]), [0.0, 0.25, 1.0, 0.75]);
    assert_eq!(net.parameters()[0].1.on_bound(), 2);
    // No momentum holds them there.
    let after = step(&mut net, &mut sgd, [-0.5, 0.0, 0.5, 0.0]);
    assert_eq!([after[0], after[2]], [0.5, 0.5]);
    // Nor does a bound stop the decay of weights.
    let mut held = between(1, 1, Dense::weights(1.0).max_weight(1.0)).unwrap();
    for optimizer in [
        &mut Sgd::new(0.5).weight_decay(0.5) as &mut dyn Optimizer<f64>,
        &mut Adam::new(0.5).weight_decay(0.5),
    ] {
        held.parameters_mut()[0].1.values[0] = 1.0;
        let mut gradients = Gradients::zeros(held.layout());
        gradients.values_mut()[0] = -1e-9;
        optimizer.step(&mut held, &gradients).unwrap();
        assert_eq!(held.parameters()[0].1.values, [0.75]);
    }
    // A remedy for silent neurons does not leave the range either, nor does a user.
    net.raise_weights(0, 1, 0.9);
    assert_eq!(net.parameters()[0].1.values[2..], [1.0, 1.0]);
    net.parameters_mut()[0].1.values.fill(-3.0);
    net.update();
    assert_eq!(net.parameters()[0].1.values, [0.0; 4]);

    assert_eq!(
        refused(2, 2, recipe().max_weight(0.8)),
        SynapseError::WeightOutOfRange { post: 1, pre: 0, value: 0.9, min: 0.0, max: 0.8 }
    );
    for (min, max) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let error = refused(2, 2, Dense::weights(0.5).min_weight(min).max_weight(max));
        assert!(matches!(error, SynapseError::BadWeightRange { .. }), "{error}");
    }
    let nan = refused(2, 2, Dense::weights(f64::NAN).min_weight(0.0));
    assert!(matches!(nan, SynapseError::NotFinite { .. }), "{nan}");
}

#[test]
fn smooth_delays_stay_inside_and_bad_ones_are_noticed() {
    let smooth = || Dense::weights(6.0).delays(Delays::axonal(5.0).smooth().max(10.0));
    let mut net = single(smooth()).unwrap();
    let input = SpikeTrains::from_channels([[2.0]]).unwrap();
    for (theta, delay) in [(1e4, 10.0), (-1e4, 0.0), (0.0, 5.0), (-1e-3, 4.999)] {
        net.parameters_mut()[1].1.values[0] = theta;
        net.update();
        assert!((rows(&net)[0].3 - delay).abs() < 1e-6);
        assert!(net.forward(&input, 50.0).is_ok());
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        net.parameters_mut()[1].1.values[0] = bad;
        net.update();
        assert!(net.forward(&input, 50.0).is_err());
    }
}
