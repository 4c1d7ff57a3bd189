//! What is made outside of the crate passes the gradient checker as well.

#[path = "../../examples/custom_neuron.rs"]
mod custom_neuron;

#[test]
fn a_custom_neuron_passes_the_checker() {
    let report = custom_neuron::check().unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
    assert!(report.skipped() + report.inconclusive() == 0, "{report}");
    assert_eq!(report.checked(), 2 * (8 + 16 + 8) + 1 + 6);
}

#[path = "../../examples/custom_optimizer.rs"]
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

/// Four of the neurons of the example, driven by one channel.
fn oscillators(
    synapses: eventprop::SynapseRecipe,
) -> Result<eventprop::SpikingNetwork, eventprop::BuildError> {
    use rand::{SeedableRng, rngs::ChaCha8Rng};
    let mut net = eventprop::NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("quadratic", custom_neuron::Quadratic::new(4, 6.0));
    net.connect(input, layer, synapses);
    net.build(&mut ChaCha8Rng::seed_from_u64(1))
}

#[test]
fn what_a_custom_neuron_lacks_is_refused_by_name() {
    use eventprop::{
        BuildError, Dense, Error, LayerError, MaxVoltage, MeanSquaredError, MeanVoltage, Network,
        Objective, ReadoutError, SpikeTrains,
    };

    let net = oscillators(Dense::weights(0.5).delays(1.0)).unwrap();
    let trace = net.forward(&SpikeTrains::from_channels([[2.0]]).unwrap(), 40.0).unwrap();
    assert!(!trace.spikes(0).is_empty());
    let target = [0.0; 4];
    let refused = |error: Error, closed_form: &str| match error {
        Error::Readout(ReadoutError::NoClosedForm { layer, what }) => {
            assert_eq!((layer.as_str(), what), ("quadratic", closed_form));
        }
        other => panic!("{other}"),
    };
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    refused(net.backward(&trace, &mean, &target).unwrap_err(), "the integral of the potential");
    let most = Objective::new(MaxVoltage, MeanSquaredError);
    refused(net.backward(&trace, &most, &target).unwrap_err(), "the extrema of the potential");
    // It tells its potential, but has no threshold to tell.
    let recording = net.record(&trace, 0).unwrap();
    assert_eq!(recording.potential(0, 0.0).unwrap(), 0.0);
    assert_eq!(recording.threshold(0, 1.0).unwrap(), None);

    let error = oscillators(Dense::weights(0.5).tau_syn(3.0)).unwrap_err();
    let cause = LayerError::FixedReceptors { tau_syn: 3.0 };
    assert_eq!(error, BuildError::Layer { name: "quadratic".into(), cause });
    // Nor can it be stored.
    let error = serde_json::to_string(&net).unwrap_err().to_string();
    assert!(error.contains("`quadratic`"), "{error}");
}

/// A linear neuron that forgets one of two constants that belong together.
#[derive(Debug, Clone)]
struct Forgetful(eventprop::LinearNeurons);

impl eventprop::LinearLayer<f64> for Forgetful {
    fn neurons(&self) -> &eventprop::LinearNeurons {
        &self.0
    }
    fn neurons_mut(&mut self) -> &mut eventprop::LinearNeurons {
        &mut self.0
    }
}

#[test]
fn constants_that_belong_together_are_missed() {
    use eventprop::{Layer, LayerError, LinearNeurons, ParameterKind as Kind};
    for (given, missing) in
        [(Kind::AdaptationJump, Kind::TauAdaptation), (Kind::TauThreshold, Kind::ThresholdJump)]
    {
        let mut neurons = LinearNeurons::new(2);
        neurons.set(Kind::Threshold, 1.0);
        neurons.set(given, 0.5);
        let error = Forgetful(neurons).validate().unwrap_err();
        let name = |kind: Kind| kind.to_string();
        match error {
            LayerError::Missing { given: g, missing: m } => {
                assert_eq!((g, m), (name(given).as_str(), name(missing).as_str()));
            }
            other => panic!("{other}"),
        }
    }
}
