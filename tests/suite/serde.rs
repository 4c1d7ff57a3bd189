//! Values survive JSON with the same bits, and hostile JSON is an error.
#![cfg(feature = "serde")]

use eventprop::check::{CheckReport, GradientCheck};
use eventprop::{
    Adam, AtSpike, BatchSummary, CrossEntropy, Delays, Dense, Evaluation, Gradients, Health,
    LeakyIntegrator, Lif, MeanVoltage, Network, NetworkBuilder, Objective, Optimizer,
    ParameterKind, Sample, Sgd, Sparse, SpikeTrains, SpikingNetwork, backward_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn network() -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 3);
    let hidden = net.layer("hidden", Lif::new(4).reset(-0.1));
    let output = net.layer("output", LeakyIntegrator::new(2));
    let delays = || Uniform::new(0.0, 10.0).unwrap();
    let weights = Normal::new(3.0, 1.0).unwrap();
    let to_hidden = Dense::weights(weights).delays(delays()).delays(Delays::axonal(1.5));
    net.connect(input, hidden, to_hidden.delays(Delays::dendritic(2.0).smooth()).max_delay(20.0));
    let among = Sparse::fan_in(2).copies(2).weights(-0.3).delays(delays());
    net.connect(
        hidden,
        hidden,
        among.delays(Delays::axonal(1.0).groups([0, 1, 1, 0])).tau_syn(7.0),
    );
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 1.0).unwrap()).fixed_delays(1.0));
    net.max_spikes(500);
    net.build(&mut ChaCha8Rng::seed_from_u64(5)).unwrap()
}

fn input() -> SpikeTrains {
    SpikeTrains::from_channels([vec![1.0, 1.0 / 3.0 + 5.0], vec![2.0, 9.7], vec![]]).unwrap()
}

fn objective() -> Objective<MeanVoltage, CrossEntropy> {
    Objective::new(MeanVoltage, CrossEntropy::new())
}

fn there_and_back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    back
}

fn bits(net: &SpikingNetwork) -> Vec<u64> {
    net.parameters().iter().flat_map(|p| p.1.values.iter().map(|v| v.to_bits())).collect()
}

#[test]
fn a_network_survives_with_the_same_bits() {
    let net = network();
    let back = there_and_back(&net);
    assert_eq!(bits(&net), bits(&back));
    let (a, b) = (net.forward(&input(), 60.0).unwrap(), back.forward(&input(), 60.0).unwrap());
    assert!(!a.spikes(0).is_empty());
    assert_eq!(a.spikes(0), b.spikes(0));
    let gradients = |n: &SpikingNetwork, t| n.backward(t, &objective(), &1).unwrap();
    assert_eq!(gradients(&net, &a), gradients(&back, &b));
}

#[test]
#[cfg(feature = "files")]
fn networks_are_saved_and_loaded() {
    use eventprop::NetworkFileError;
    use std::{fs, io::ErrorKind};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs/network.json");
    let net = network();
    net.save(&path).unwrap();
    let back: SpikingNetwork = SpikingNetwork::load(&path).unwrap();
    let spikes = |n: &SpikingNetwork| n.forward(&input(), 60.0).unwrap().spikes(0).to_owned();
    assert_eq!(spikes(&back), spikes(&net));
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&net).unwrap());
    // What cannot be saved leaves the file that was there.
    let mut lost = net.clone();
    lost.parameters_mut()[0].1.values[0] = f64::NAN;
    let error = lost.save(&path).unwrap_err().to_string();
    assert!(error.contains("network.json") && error.contains("NaN"), "{error}");
    let good = fs::read_to_string(&path).unwrap();
    let loaded = |text: &str| {
        fs::write(&path, text).unwrap();
        SpikingNetwork::<f64>::load(&path)
    };
    assert!(loaded(&good).is_ok());
    for end in [0, 1, good.len() / 2, good.len() - 1] {
        let error = loaded(&good[..end]).unwrap_err();
        assert!(matches!(error, NetworkFileError::Content { .. }), "{error}");
    }
    assert!(matches!(loaded("[1, 2]").unwrap_err(), NetworkFileError::Content { .. }));
    let bare = serde_json::to_string(&net).unwrap();
    let error = loaded(&bare).unwrap_err().to_string();
    assert!(error.contains("eventprop_network"), "{error}");
    let error = loaded(r#"{"eventprop_network":2,"neurons":[]}"#).unwrap_err();
    assert!(matches!(error, NetworkFileError::Version { found: 2, expected: 1, .. }), "{error}");
    let error = SpikingNetwork::<f64>::load(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, NetworkFileError::Read { kind: ErrorKind::NotFound, .. }), "{error}");
    let error = net.save("").unwrap_err().to_string();
    assert!(error.contains("no name of a file"), "{error}");
    // Numbers of single precision are read as they are written, and those beyond it are refused.
    assert!(loaded(&good).is_ok() && SpikingNetwork::<f32>::load(&path).is_ok());
    let mut far = net.clone();
    far.parameters_mut()[0].1.values[0] = 1e39;
    far.save(&path).unwrap();
    let error = SpikingNetwork::<f32>::load(&path).unwrap_err();
    assert!(matches!(error, NetworkFileError::Content { .. }), "{error}");
    assert!(SpikingNetwork::<f64>::load(&path).is_ok());
    assert!(matches!(net.save(folder.path()).unwrap_err(), NetworkFileError::Write { .. }));
}

#[test]
fn constants_may_be_infinite() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("layer", Lif::new(2).refractory(f64::INFINITY));
    net.connect(input, layer, Dense::weights(1.0));
    let net: SpikingNetwork = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    there_and_back(&net);
}

#[test]
fn a_parameter_that_is_no_number_is_not_stored() {
    let mut net = network();
    net.parameters_mut()[0].1.values[0] = f64::NAN;
    let told = serde_json::to_string(&net).unwrap_err().to_string();
    assert!(told.contains("weight of `") && told.contains("NaN"), "{told}");
}

#[test]
fn values_survive() {
    let net = network();
    let trace = net.forward(&input(), 60.0).unwrap();
    let (evaluation, gradients) = net.backward(&trace, &objective(), &1).unwrap();
    assert_eq!(there_and_back::<SpikeTrains>(&input()), input());
    assert_eq!(there_and_back::<Evaluation>(&evaluation), evaluation);
    assert_eq!(there_and_back::<Gradients>(&gradients), gradients);
    let samples = [Sample { input: &input(), target: &1usize }];
    let (summary, _) = backward_batch(&net, &samples, 60.0, &objective()).unwrap();
    assert_eq!(there_and_back::<BatchSummary>(&summary), summary);
    let report = GradientCheck::new().run(&net, &input(), 60.0, &objective(), &1).unwrap();
    assert_eq!(there_and_back::<CheckReport>(&report), report);
}

#[test]
fn names_of_custom_parameters_survive() {
    for kind in [ParameterKind::TauMem, ParameterKind::Custom("ln_tau")] {
        assert_eq!(there_and_back::<ParameterKind>(&kind), kind);
    }
    let read = |name: String| serde_json::from_value::<ParameterKind>(json!({"Custom": name}));
    // A name that no part of the program knows.
    assert_eq!(read("from a file".into()).unwrap(), ParameterKind::Custom("from a file"));
    assert!(read("x".repeat(65)).unwrap_err().to_string().contains("64 bytes"));
    assert!((0..2000).any(|k| read(format!("name {k}")).is_err()));
    assert!(read("from a file".into()).is_ok());
}

#[test]
fn training_goes_on_with_the_same_bits() {
    fn check<O: Optimizer<f64> + Serialize + DeserializeOwned>(mut optimizer: O) {
        let step = |net: &mut SpikingNetwork, optimizer: &mut O| {
            let trace = net.forward(&input(), 60.0).unwrap();
            let (_, gradients) = net.backward(&trace, &objective(), &1).unwrap();
            optimizer.step(net, &gradients).unwrap();
        };
        let mut net = network();
        step(&mut net, &mut optimizer);
        let (mut net2, mut optimizer2) = (there_and_back(&net), there_and_back(&optimizer));
        for _ in 0..3 {
            step(&mut net, &mut optimizer);
            step(&mut net2, &mut optimizer2);
        }
        assert_eq!(bits(&net), bits(&net2));
    }
    check(Adam::new(0.01).delay_rate(0.1));
    check(Sgd::new(0.01).momentum(0.9).relative_rate(ParameterKind::Delay, 0.3));
}

#[test]
fn hostile_spike_trains_are_refused() {
    for bad in [
        json!({"offsets": [0, 2], "times": [2.0, 1.0]}),
        json!({"offsets": [0, 3], "times": [1.0]}),
        json!({"offsets": [], "times": []}),
        json!({"offsets": [0, 1], "times": [-1.0]}),
        json!({"offsets": [0, 18446744073709551615u64, 1], "times": [1.0]}),
    ] {
        assert!(serde_json::from_value::<SpikeTrains>(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn hostile_networks_are_refused() {
    let good = serde_json::to_value(network()).unwrap();
    assert!(serde_json::from_value::<SpikingNetwork>(good.clone()).is_ok());
    let synapses = "/projections/0/synapses";
    let sparse = |starts: Value, sources: Value| json!({"Sparse": {"pre": 3, "starts": starts, "sources": sources}});
    let sources = || json!([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    let lif = "/layers/0/1/Lif";
    let edits: Vec<(String, Value)> = vec![
        (format!("{synapses}/delays/0/values/0"), json!(-1.0)),
        (format!("{synapses}/delays/0/values/0"), json!(21.0)),
        (format!("{synapses}/delays/0/values"), json!([1.0])),
        (format!("{synapses}/delays/0/groups"), json!([0])),
        (format!("{synapses}/delays/0/groups"), json!([])),
        (format!("{synapses}/delays/0/groups"), json!(vec![12; 12])),
        (format!("{synapses}/delays/0/per"), json!("Source")),
        (format!("{synapses}/delays/0/max"), json!(-1.0)),
        (format!("{synapses}/delays/2/values/0"), json!(null)),
        (format!("{synapses}/delays/2/max"), json!(null)),
        (format!("{synapses}/pattern/Dense/pre"), json!(4)),
        (format!("{synapses}/pattern/Dense/post"), json!(u64::MAX)),
        (format!("{synapses}/pattern"), sparse(json!([]), json!([]))),
        (format!("{synapses}/pattern"), sparse(json!([0, 9, 3, 9, 12]), sources())),
        (format!("{synapses}/pattern"), sparse(json!([1, 3, 6, 9, 12]), sources())),
        (format!("{synapses}/pattern"), sparse(json!([0, 3, 6, 9, u64::MAX]), sources())),
        (format!("{synapses}/pattern"), sparse(json!([0, 3, 6, 9, 12]), json!(vec![3; 12]))),
        (format!("{synapses}/pattern"), sparse(json!([0, 4, 6, 9, 12]), sources())),
        (format!("{synapses}/weights/values/0"), json!(null)),
        (format!("{synapses}/weights/values"), json!([1.0])),
        (format!("{synapses}/weights/min"), json!(1e9)),
        (format!("{synapses}/weights/max"), json!(-1e9)),
        ("/projections/0/receptor".into(), json!(2)),
        ("/projections/0/target".into(), json!(9)),
        ("/projections/1/origin".into(), json!({"Layer": 9})),
        ("/projections/0/origin".into(), json!({"Input": {"first": 1}})),
        ("/projections/0/origin".into(), json!({"Input": {"first": u64::MAX}})),
        ("/inputs/0/1".into(), json!(0)),
        ("/inputs/0/1".into(), json!(2)),
        ("/inputs/0/0".into(), json!("hidden")),
        (format!("{lif}/neurons/size"), json!(0)),
        (format!("{lif}/neurons/size"), json!(5)),
        (format!("{lif}/neurons/size"), json!(u64::MAX)),
        (format!("{lif}/neurons/slots/1/values"), json!([])),
        (format!("{lif}/neurons/slots/1/values"), json!([5.0])),
        (format!("{lif}/neurons/slots/0/values"), json!([0.0])),
        (format!("{lif}/neurons/slots/3/values"), json!([1.0])),
        (format!("{lif}/neurons/slots/2/values"), json!([-1.0])),
        (format!("{lif}/neurons/slots/0/kind"), json!("Weight")),
        (format!("{lif}/neurons/slots"), json!([good.pointer(&format!("{lif}/neurons/slots/1"))])),
        ("/layers".into(), json!([])),
        // Nothing may look at each of so many rows.
        (format!("{synapses}/pattern"), json!({"Dense": {"post": u32::MAX, "pre": 0}})),
        (format!("{synapses}/pattern"), json!({"Dense": {"post": u32::MAX, "pre": 1}})),
    ];
    for (path, value) in edits {
        let mut bad = good.clone();
        *bad.pointer_mut(&path).unwrap_or_else(|| panic!("no {path}")) = value.clone();
        let result = serde_json::from_value::<SpikingNetwork>(bad);
        assert!(result.is_err(), "{path} = {value} was accepted");
    }
}

#[test]
fn what_is_no_number_survives_where_it_may_be() {
    // A loss or a gradient that went wrong must not make a report, or a checkpoint with it, unreadable.
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1];
    let mut health = Health::<f64>::default();
    health.largest_gradients = odd.to_vec();
    let spike = |value| AtSpike { value, sample: 1, layer: 0, neuron: 2, time: 0.1 };
    for value in odd {
        health.largest_adjoint = Some(spike(value));
        let text = serde_json::to_string(&health).unwrap();
        let back: Health = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{health:?}"));
    }
    let single = AtSpike { value: 0.1_f32, sample: 0, layer: 0, neuron: 0, time: 0.0 };
    let text = serde_json::to_string(&single).unwrap();
    assert_eq!(serde_json::from_str::<AtSpike<f32>>(&text).unwrap(), single);
    for bad in ["null", "\"nan\"", "[]"] {
        let text = json!(spike(1.5)).to_string().replace("1.5", bad);
        let error = serde_json::from_str::<AtSpike>(&text).unwrap_err().to_string();
        assert!(error.contains("expected a number"), "{error}");
    }
}
