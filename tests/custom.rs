//! What is made outside of the crate passes the gradient checker as well.

#[path = "../examples/custom_neuron.rs"]
mod custom_neuron;

#[test]
fn a_custom_neuron_passes_the_checker() {
    let report = custom_neuron::check().unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
    assert!(report.skipped() + report.inconclusive() == 0, "{report}");
    assert_eq!(report.checked(), 2 * (8 + 16 + 8) + 1 + 6);
}

#[path = "../examples/custom_optimizer.rs"]
#[allow(dead_code)]
mod custom_optimizer;

#[test]
fn a_custom_optimizer_trains_and_follows_its_parameters() {
    use eventprop::{Gradients, Network, OptimizeError, Optimizer, Rewiring};

    let losses = custom_optimizer::train(40).unwrap();
    assert!(losses[0] > 0.3 && losses[39] < 0.02, "{losses:?}");

    // A rewired network has other parameters: what is remembered moves with those that stay.
    let mut net = custom_optimizer::network().unwrap();
    let mut rprop = custom_optimizer::Rprop::default();
    let gradients = Gradients::zeros(net.layout());
    rprop.step(&mut net, &gradients).unwrap();
    let change = Rewiring { remove: vec![0], ..Rewiring::default() };
    let map = net.rewire("input->output", &change).unwrap();
    let gradients = Gradients::zeros(net.layout());
    assert_eq!(rprop.step(&mut net, &gradients), Err(OptimizeError::State));
    rprop.remap(&map).unwrap();
    rprop.step(&mut net, &gradients).unwrap();
    // No gradient, no step.
    let mut bad = gradients.clone();
    bad.values_mut()[0] = f64::NAN;
    assert!(matches!(rprop.step(&mut net, &bad), Err(OptimizeError::NotFinite { .. })));
}
