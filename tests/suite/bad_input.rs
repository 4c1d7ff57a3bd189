//! Bad input is a typed error that says what, where and what would be right; never a panic or a hang.

use eventprop::check::GradientCheck;
use eventprop::remedy::{RemedyError, SilentNeuronLift, SpikeCountRegularizer, WeightBump};
use eventprop::{
    Adam, AdjointError, BackwardOptions, BuildError, CrossEntropy, Dense, Engine, Error,
    FirstSpikeTime, LayerError, LeakyIntegrator, Lif, LossError, MeanSquaredError, MeanVoltage,
    Network, NetworkBuilder, Objective, OptimizeError, Optimizer, ParameterKind, ReadoutError,
    Sample, Sgd, SimulationError, SpikeTrains, SpikeTrainsError, SpikingNetwork, SynapseError,
    SynapseRecipe, backward_batch,
};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// Two inputs, a layer, an output.
fn build(layer: Lif, dense: SynapseRecipe) -> Result<SpikingNetwork, BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let hidden = net.layer("hidden", layer);
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(input, hidden, dense);
    net.connect(hidden, output, Dense::weights(1.0).delays(0.0));
    net.build(&mut rng())
}

fn good() -> SpikingNetwork {
    build(Lif::new(3), Dense::weights(4.0).delays(1.0)).unwrap()
}

fn input() -> SpikeTrains {
    SpikeTrains::from_channels([vec![1.0, 2.0], vec![1.5]]).unwrap()
}

/// The message names what is wrong.
/// The message has these words, and tells the causes, which a chain of sources would repeat.
fn says(error: &impl std::error::Error, words: &[&str]) {
    let message = error.to_string();
    assert!(error.source().is_none(), "`{message}`");
    for word in words {
        assert!(message.contains(word), "`{message}` lacks `{word}`");
    }
}

#[test]
fn spike_trains() {
    for time in [f64::NAN, f64::INFINITY, -1.0] {
        let error = SpikeTrains::from_channels([vec![], vec![1.0, time]]).unwrap_err();
        assert!(matches!(error, SpikeTrainsError::BadTime { channel: 1, index: 1, .. }));
        says(&error, &["channel 1", "spike 1"]);
    }
    let error = SpikeTrains::from_channels([[2.0, 1.0]]).unwrap_err();
    says(&error, &["channel 0", "2 ms", "ascend"]);
    let error = SpikeTrains::from_events(2, [(1.0, 2)]).unwrap_err();
    says(&error, &["channel 2", "2 channels"]);
}

#[test]
fn layers() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for (layer, name) in [
            (Lif::new(1).tau_mem(bad), "tau_mem"),
            (Lif::new(1).tau_syn(bad), "tau_syn"),
            (Lif::new(1).threshold(bad), "threshold"),
        ] {
            let error = build(layer, Dense::weights(1.0)).unwrap_err();
            let is = matches!(
                error,
                BuildError::Layer { cause: LayerError::NotPositive { constant, .. }, .. }
                    if constant == name
            );
            assert!(is, "{error:?}");
            says(&error, &["hidden", name, "above 0"]);
        }
        let error = build(Lif::new(1), Dense::weights(1.0).tau_syn(bad)).unwrap_err();
        assert!(matches!(error, BuildError::Layer { .. }));
    }
    for reset in [1.0, 2.0, f64::NAN, f64::NEG_INFINITY] {
        let error = build(Lif::new(1).reset(reset), Dense::weights(1.0)).unwrap_err();
        says(&error, &["hidden", "reset", "below the threshold 1"]);
    }
    let error = build(Lif::new(0), Dense::weights(1.0)).unwrap_err();
    assert!(matches!(error, BuildError::Layer { cause: LayerError::Empty, .. }));
}

#[test]
fn synapses() {
    let fails = |dense: SynapseRecipe| match build(Lif::new(2), dense) {
        Err(BuildError::Synapses { name, cause }) => {
            assert_eq!(name, "input->hidden");
            cause
        }
        other => panic!("{other:?}"),
    };
    for bad in [f64::NAN, f64::INFINITY] {
        let weights = array![[1.0, 1.0], [1.0, bad]];
        let error = fails(Dense::weights(weights));
        let kind = ParameterKind::Weight;
        assert!(
            matches!(error, SynapseError::NotFinite { kind: k, post: 1, pre: 1, .. } if k == kind)
        );
        says(&error, &["weight", "post 1", "pre 1", "finite"]);
        assert!(matches!(fails(Dense::weights(1.0).delays(bad)), SynapseError::NotFinite { .. }));
    }
    let error = fails(Dense::weights(1.0).delays(-0.5));
    says(&error, &["-0.5", "[0, inf]"]);
    let error = fails(Dense::weights(1.0).fixed_delays(6.0).max_delay(5.0));
    says(&error, &["6 ms", "[0, 5]"]);
    for bad in [f64::NAN, -1.0, f64::INFINITY] {
        let error = fails(Dense::weights(1.0).delays(0.0).max_delay(bad));
        assert!(matches!(error, SynapseError::BadMaxDelay { .. }));
    }
    let error = fails(Dense::weights(array![[1.0, 2.0, 3.0]]));
    says(&error, &["(1, 3)", "(2, 2)", "post x pre"]);
    let error = fails(Dense::weights(1.0).delays(array![[1.0]]));
    assert!(matches!(error, SynapseError::Shape { kind: ParameterKind::Delay, .. }));
}

#[test]
fn graphs() {
    assert_eq!(NetworkBuilder::<f64>::new().build(&mut rng()).unwrap_err(), BuildError::Empty);
    let mut net = NetworkBuilder::<f64>::new();
    let a = net.input("a", 1);
    let b = net.layer("a", Lif::new(1));
    net.connect(a, b, Dense::weights(1.0));
    assert!(
        matches!(net.build(&mut rng()), Err(BuildError::DuplicateName { name }) if name == "a")
    );
    // Nor has a layer the name of a projection.
    let mut net = NetworkBuilder::<f64>::new();
    let a = net.input("a", 1);
    let b = net.layer("b", Lif::new(1));
    let c = net.layer("a->b", Lif::new(1));
    net.connect(a, b, Dense::weights(1.0));
    net.connect(b, c, Dense::weights(1.0));
    assert!(
        matches!(net.build(&mut rng()), Err(BuildError::DuplicateName { name }) if name == "a->b")
    );

    let mut net = NetworkBuilder::<f64>::new();
    net.input("in", 1);
    let lonely = net.layer("lonely", Lif::new(1));
    net.connect(lonely, lonely, Dense::weights(1.0));
    let error = net.build(&mut rng()).unwrap_err();
    assert!(matches!(&error, BuildError::Unreachable { name } if name == "lonely"));

    let mut net = NetworkBuilder::<f64>::new();
    let a = net.input("in", 1);
    let b = net.layer("out", Lif::new(1));
    net.connect(a, b, Dense::weights(1.0));
    net.connect(b, 1, Dense::weights(1.0));
    let error = net.build(&mut rng()).unwrap_err();
    assert_eq!(error, BuildError::UnknownLayer { layer: 1, layers: 1, projection: 1 });

    let mut net = NetworkBuilder::<f64>::new();
    net.input("in", 1);
    let b = net.layer("out", Lif::new(1));
    let mut other = NetworkBuilder::<f64>::new();
    let foreign = ["a", "b"].map(|name| other.input(name, 1))[1];
    net.connect(foreign, b, Dense::weights(1.0));
    let error = net.build(&mut rng()).unwrap_err();
    assert_eq!(error, BuildError::UnknownInput { input: 1, inputs: 1, projection: 0 });

    let mut net = NetworkBuilder::<f64>::new();
    let heard = net.input("heard", 2);
    net.input("forgotten", 3);
    let b = net.layer("out", Lif::new(1));
    net.connect(heard, b, Dense::weights(1.0));
    let error = net.build(&mut rng()).unwrap_err();
    says(&error, &["no projection leads from input `forgotten`"]);

    let mut net = NetworkBuilder::<f64>::new();
    let a = net.input("in", 0);
    let b = net.layer("out", Lif::new(1));
    net.connect(a, b, Dense::weights(1.0));
    assert!(matches!(net.build(&mut rng()), Err(BuildError::EmptyInput { .. })));

    let mut net = NetworkBuilder::<f64>::new();
    let a = net.input("in", usize::MAX);
    let b = net.layer("out", Lif::new(3));
    net.connect(a, b, Dense::weights(1.0));
    let error = net.build(&mut rng()).unwrap_err();
    let BuildError::Synapses { cause: SynapseError::TooMany { .. }, .. } = error else {
        panic!("before memory is asked for: {error}")
    };
}

#[test]
fn trials() {
    let net = good();
    let error = net.forward(&SpikeTrains::silent(3), 10.0).unwrap_err();
    assert_eq!(error, SimulationError::Channels { found: 3, expected: 2 });
    for duration in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = net.forward(&input(), duration).unwrap_err();
        assert!(matches!(error, SimulationError::Duration { .. }));
    }
    for duration in [1e-300, 1e15, 1e300, f64::MAX] {
        assert!(net.forward(&input(), duration).is_ok());
        assert!(net.forward(&SpikeTrains::silent(2), duration).unwrap().spikes(0).is_empty());
    }
}

#[test]
fn parameters_changed_for_the_worse() {
    for (kind, bad) in [(0, f64::NAN), (0, f64::INFINITY), (1, f64::NAN), (1, f64::INFINITY)] {
        for engine in [Engine::Fast, Engine::Plain] {
            let mut net = good().with_engine(engine);
            net.parameters_mut()[kind].1.values[3] = bad;
            // `update` projects on bounds; it must not turn a NaN into one.
            net.update();
            let error = net.forward(&input(), 50.0).unwrap_err();
            let SimulationError::BadSynapse { projection, post: 1, pre: 1, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(projection, "input->hidden");
        }
    }
    // A negative delay is projected.
    let mut net = good();
    net.parameters_mut()[1].1.values[0] = -3.0;
    net.update();
    assert_eq!(net.parameters()[1].1.values[0], 0.0);
}

#[test]
fn targets_and_traces() {
    let mut net = good();
    let trace = net.forward(&input(), 50.0).unwrap();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let error = net.backward(&trace, &objective, &2).unwrap_err();
    assert_eq!(error, Error::Loss(LossError::Label { label: 2, classes: 2 }));
    let error = net.backward(&trace, &objective.on_layer(7), &0).unwrap_err();
    assert_eq!(error, Error::Readout(ReadoutError::NoSuchLayer { layer: 7, layers: 2 }));

    let (_, gradients) = net.backward(&trace, &objective, &0).unwrap();
    Adam::new(0.01).step(&mut net, &gradients).unwrap();
    let error = net.backward(&trace, &objective, &0).unwrap_err();
    assert_eq!(error, Error::Adjoint(AdjointError::StaleTrace));
    let other = build(Lif::new(3), Dense::weights(2.0)).unwrap();
    assert!(other.backward(&trace, &objective, &0).is_err());
}

#[test]
fn optimisers_refuse_and_leave_everything_as_it_was() {
    let mut net = good();
    let trace = net.forward(&input(), 50.0).unwrap();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let (_, mut gradients) = net.backward(&trace, &objective, &0).unwrap();
    gradients.values_mut()[4] = f64::NAN;
    let before: Vec<f64> = net.parameters().iter().flat_map(|p| p.1.values.to_vec()).collect();
    let (mut adam, mut sgd) = (Adam::new(0.1), Sgd::new(0.1).momentum(0.9));
    for optimizer in [&mut adam as &mut dyn Optimizer<f64>, &mut sgd] {
        let error = optimizer.step(&mut net, &gradients).unwrap_err();
        assert!(matches!(&error, OptimizeError::NotFinite { index: 4, .. }));
        says(&error, &["gradient 4", "weight", "input->hidden", "NaN"]);
    }
    gradients.values_mut()[4] = 0.0;
    assert!(Adam::new(f64::NAN).step(&mut net, &gradients).is_err());
    assert!(Adam::new(0.1).betas(1.0, 0.9).step(&mut net, &gradients).is_err());
    assert!(Adam::new(0.1).epsilon(0.0).step(&mut net, &gradients).is_err());
    assert!(Sgd::new(0.1).momentum(1.0).step(&mut net, &gradients).is_err());
    let mut other = build(Lif::new(1), Dense::weights(1.0)).unwrap();
    assert_eq!(adam.step(&mut other, &gradients), Err(OptimizeError::Layout));
    let after: Vec<f64> = net.parameters().iter().flat_map(|p| p.1.values.to_vec()).collect();
    assert_eq!(before, after);
}

fn self_exciting(weight: f64, delay: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(2));
    net.connect(input, hidden, Dense::weights(array![[0.0], [20.0]]));
    net.connect(hidden, hidden, Dense::weights(weight).delays(delay));
    net.build(&mut rng()).unwrap()
}

#[test]
fn runaways_end_in_an_error_that_names_the_neuron() {
    let input = SpikeTrains::from_channels([[1.0]]).unwrap();
    for weight in [60.0, 1e9, 1e300, f64::MAX] {
        for delay in [0.0, 1e-9, 1.0] {
            let error = self_exciting(weight, delay).forward(&input, 100.0).unwrap_err();
            match &error {
                SimulationError::Runaway { layer, budget, .. } => {
                    assert_eq!(layer, "hidden");
                    assert!((1000..=2000).contains(budget));
                    says(&error, &["neuron", &budget.to_string(), "max_spikes"]);
                }
                SimulationError::Overflow { layer, .. } => assert_eq!(layer, "hidden"),
                other => panic!("{other:?}"),
            }
        }
    }
    // Known input alone, on either engine.
    for engine in [Engine::Fast, Engine::Plain] {
        let dense = Dense::weights(1e12);
        let net = build(Lif::new(3), dense).unwrap().with_engine(engine);
        let trains = [(0..2000).map(|k| 0.05 * f64::from(k)).collect(), vec![]];
        let input = SpikeTrains::from_channels::<Vec<f64>>(trains).unwrap();
        let error = net.forward(&input, 100.0).unwrap_err();
        assert!(matches!(error, SimulationError::Runaway { neuron: 0, .. }), "{error:?}");
    }
}

/// tau_mem, tau_syn, weight and delay, all of extreme sizes.
pub fn hostile() -> impl Iterator<Item = (f64, f64, f64, f64)> {
    let taus = [f64::MIN_POSITIVE, 5e-324, 1e-300, 1.0, 1e300, f64::MAX];
    let weights = [5e-324, -1e300, 1e300, 30.0];
    let delays = [0.0, 5e-324, 1e300, f64::MAX];
    let both = taus.into_iter().flat_map(move |tau_mem| taus.map(|tau_syn| (tau_mem, tau_syn)));
    let strong = both.flat_map(move |(mem, syn)| weights.map(|weight| (mem, syn, weight)));
    strong.flat_map(move |(mem, syn, weight)| delays.map(|delay| (mem, syn, weight, delay)))
}

#[test]
fn hostile_numbers_neither_panic_nor_hang() {
    for (tau_mem, tau_syn, weight, delay) in hostile() {
        let layer = Lif::new(1).tau_mem(tau_mem).tau_syn(tau_syn);
        let dense = Dense::weights(weight).delays(delay);
        let Ok(net) = build(layer, dense) else { continue };
        let Ok(trace) = net.forward(&input(), 20.0) else { continue };
        let objective = Objective::new(FirstSpikeTime, CrossEntropy::new()).on_layer(0);
        let _ = net.backward(&trace, &objective, &0);
    }
    let same = SpikeTrains::from_channels([vec![3.0; 50_000], vec![]]).unwrap();
    let net = build(Lif::new(3), Dense::weights(1e-5).delays(1.0)).unwrap();
    let plain = net.clone().with_engine(Engine::Plain);
    let count = |net: &SpikingNetwork| net.forward(&same, 50.0).unwrap().spikes(0).len();
    assert_eq!(count(&net), count(&plain));
}

#[test]
fn a_check_without_anything_to_check_does_not_pass() {
    let net = good();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let report = GradientCheck::new().run(&net, &input(), 50.0, &objective, &0).unwrap();
    assert!(report.passed(), "{report}");
    assert!(report.to_string().contains("input->hidden delay"));
    // Nothing is learned, and nothing comes in.
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(1));
    net.connect(input, hidden, Dense::weights(9.0).fixed_weights());
    let net = net.build(&mut rng()).unwrap();
    let silence = SpikeTrains::silent(1);
    let objective = Objective::new(MeanVoltage, MeanSquaredError);
    let report = GradientCheck::new().run(&net, &silence, 50.0, &objective, &[0.0]).unwrap();
    assert!(report.checked() == 0 && !report.passed(), "{report}");
}

#[test]
fn gradients_of_another_network_or_input_are_not_checked() {
    let (net, other) = (good(), build(Lif::new(4), Dense::weights(4.0).delays(1.0)).unwrap());
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    let of = |net: &SpikingNetwork, input: &SpikeTrains| {
        let trace = net.forward(input, 50.0).unwrap();
        net.backward(&trace, &objective, &0).unwrap().1
    };
    let longer = SpikeTrains::from_channels([vec![1.0, 2.0], vec![1.5, 2.5]]).unwrap();
    for foreign in [of(&other, &input()), of(&net, &longer)] {
        let check = GradientCheck::new();
        let error = check.compare(&net, &input(), 50.0, &objective, &0, &foreign).unwrap_err();
        assert!(matches!(error, Error::Adjoint(AdjointError::Layout)), "{error}");
    }
}

#[test]
fn remedies_that_go_by_spikes_are_refused_where_none_can_be() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(1));
    let output = net.layer("output", LeakyIntegrator::new(1));
    net.connect(input, hidden, Dense::weights(9.0));
    net.connect(hidden, output, Dense::weights(1.0));
    let mut net = net.build(&mut rng()).unwrap();
    let trace = net.forward(&SpikeTrains::from_channels([[1.0]]).unwrap(), 50.0).unwrap();
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    let options = |layer| {
        BackwardOptions::new().regularize(SpikeCountRegularizer::new(layer).lower(5.0, 1e-3))
    };
    net.backward_with(&trace, &mean, &[0.0], &options(0)).unwrap();
    let error = net.backward_with(&trace, &mean, &[0.0], &options(1)).unwrap_err().to_string();
    assert!(error.contains("layer `output`, whose neurons never fire"), "{error}");
    let samples: [Sample<'_, [f64]>; 0] = [];
    let (mut summary, _) = backward_batch(&net, &samples, 50.0, &mean).unwrap();
    SilentNeuronLift::new(0.1).apply(&mut net, 0, &mut summary).unwrap();
    let error = SilentNeuronLift::new(0.1).apply(&mut net, 1, &mut summary).unwrap_err();
    assert_eq!(error, RemedyError::NeverFires { layer: "output".to_owned() });
    let error = WeightBump::new(0.1).apply(&mut net, 1, &mut summary).unwrap_err();
    assert_eq!(error, RemedyError::NeverFires { layer: "output".to_owned() });
    // Nothing is reached through a layer that never fires, and no layer is there to be recorded beyond the last.
    let mut beyond = NetworkBuilder::<f64>::new();
    let input = beyond.input("input", 1);
    let middle = beyond.layer("middle", LeakyIntegrator::new(1));
    let last = beyond.layer("last", Lif::new(1));
    beyond.connect(input, middle, Dense::weights(1.0));
    beyond.connect(middle, last, Dense::weights(1.0));
    let error = beyond.build(&mut rng()).unwrap_err().to_string();
    assert!(error.contains("layer `last`"), "{error}");
    let error = net.record(&trace, 2).unwrap_err();
    assert_eq!(error, AdjointError::NoSuchLayer { layer: 2, layers: 2 });
}

#[test]
fn what_unwrap_and_main_print_is_the_text() {
    let error = NetworkBuilder::<f64>::new().build(&mut rng()).unwrap_err();
    assert!(error.to_string().starts_with("the network has no layers"));
    assert_eq!(format!("{error:?}"), error.to_string());
    let whole = Error::Sample { index: 3, cause: Box::new(error.into()) };
    assert_eq!(format!("{whole:?}"), whole.to_string());
    assert!(whole.to_string().contains("sample 3") && whole.to_string().contains("no layers"));
}
