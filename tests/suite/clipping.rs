//! Gradients that are clipped.

use crate::small::{DURATION, random_network, single};
use approx::assert_relative_eq;
use eventprop::remedy::GradientClip;
use eventprop::{
    BackwardOptions, CrossEntropy, FirstSpikeTime, Gradients, Health, Network, Objective,
    OptimizeError, Optimizer, ParameterKind, Sgd,
};

#[test]
fn clipping_by_value_and_by_norm() {
    let net = single(&[7.0, 20.0]);
    let fresh = || {
        let mut gradients = Gradients::zeros(net.layout());
        gradients.values_mut().copy_from_slice(&[3.0, -0.5, 0.0, -4.0, 3.0, -0.5, 0.0, -4.0]);
        (gradients, Health::<f64>::default())
    };
    let (mut g, mut health) = fresh();
    GradientClip::value(ParameterKind::Weight, 2.0).apply(&mut g, &mut health).unwrap();
    assert_eq!(g.values(), [2.0, -0.5, 0.0, -2.0, 3.0, -0.5, 0.0, -4.0]);
    assert_eq!(health.clipped, 2);

    let (mut g, mut health) = fresh();
    let norm = 25.25_f64.sqrt();
    GradientClip::norm(ParameterKind::Delay, norm / 4.0).apply(&mut g, &mut health).unwrap();
    let expected = [3.0, -0.5, 0.0, -4.0, 0.75, -0.125, 0.0, -1.0];
    for (a, b) in g.values().iter().zip(expected) {
        assert_relative_eq!(*a, b, max_relative = 1e-15);
    }
    assert_eq!(health.clipped, 3);
    GradientClip::norm(ParameterKind::Delay, norm).apply(&mut g, &mut health).unwrap();
    assert_eq!(health.clipped, 3, "within the limit");

    // Squares out of range do not matter.
    for scale in [1e300, 1e-300] {
        let (mut g, mut health) = fresh();
        g.scale(scale);
        let limit = 2.0 * scale;
        GradientClip::norm(ParameterKind::Weight, limit).apply(&mut g, &mut health).unwrap();
        assert_relative_eq!(g.values()[0], 3.0 / norm * limit, max_relative = 1e-14);
        assert_eq!(health.clipped, 3);
    }

    // What is not finite is left for the optimiser to refuse.
    for bad in [f64::NAN, f64::INFINITY] {
        for clip in [GradientClip::value, GradientClip::norm] {
            let (mut g, mut health) = fresh();
            g.values_mut()[1] = bad;
            clip(ParameterKind::Weight, 2.0).apply(&mut g, &mut health).unwrap();
            assert_eq!(g.values()[1].to_bits(), bad.to_bits());
            let error = Sgd::new(1.0).step(&mut net.clone(), &g).unwrap_err();
            assert!(matches!(error, OptimizeError::NotFinite { index: 1, .. }), "{error}");
        }
    }
    let (mut none, mut health) = (Gradients::zeros(net.layout()), Health::<f64>::default());
    GradientClip::norm(ParameterKind::Weight, 2.0).apply(&mut none, &mut health).unwrap();
    assert!(none.values().iter().all(|g| *g == 0.0) && health.clipped == 0);
}

#[test]
fn clipping_is_part_of_a_backward_pass() {
    let (net, input) = random_network(3, true, 20);
    let trace = net.forward(&input, DURATION).unwrap();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
    let (_, exact, health) =
        net.backward_with(&trace, &objective, &1, &BackwardOptions::new()).unwrap();
    let limit = 0.1 * health.largest_gradients[0];
    let options = BackwardOptions::new().clip(GradientClip::value(ParameterKind::Weight, limit));
    let (_, clipped, with) = net.backward_with(&trace, &objective, &1, &options).unwrap();
    assert_eq!(with.largest_gradients, health.largest_gradients, "those before clipping");
    let mut changed = 0;
    for ((block, a), (_, b)) in exact.blocks().zip(clipped.blocks()) {
        for (a, b) in a.iter().zip(b) {
            match block.kind {
                ParameterKind::Weight => assert_eq!(*b, a.clamp(-limit, limit)),
                _ => assert_eq!(a, b),
            }
            changed += usize::from(a != b);
        }
    }
    assert!(changed > 0);
    assert_eq!(with.clipped, changed);
    assert_eq!(clipped.input_times, exact.input_times);
}
