//! NIR: networks go out and come back.

#![cfg(feature = "nir")]

mod foreign;

use approx::assert_relative_eq;
use eventprop::exchange::nir::{
    Delayed, Export, Graph, Import, Jump, NirError, Resistance, TimeUnit,
};
use eventprop::exchange::{Loss, Report};
use eventprop::{
    Constant, Delays, Dense, LeakyIntegrator, Lif, Network, NetworkBuilder, Sparse, SpikeTrains,
    SpikingNetwork, SynapseRecipe,
};
use ndarray::Array2;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

fn build(net: NetworkBuilder) -> SpikingNetwork {
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

/// An input of 5, recurrent neurons with constants of their own, and a read-out.
fn network(synapses: impl Fn() -> SynapseRecipe) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 5);
    let taus = vec![20.0, 17.3, 9.1];
    let hidden =
        net.layer("hidden", Lif::new(3).tau_mem(taus).tau_syn(4.7).threshold(0.9).reset(-0.3));
    let output = net.layer("output", LeakyIntegrator::new(2).tau_mem(31.0));
    net.connect(input, hidden, synapses());
    net.connect(
        hidden,
        hidden,
        Dense::weights(Normal::new(0.0, 0.5).unwrap()).delays(Delays::axonal(2.5)),
    );
    net.connect(hidden, output, synapses());
    build(net)
}

fn per_synapse() -> SynapseRecipe {
    Dense::weights(Normal::new(1.5, 0.5).unwrap()).delays(Uniform::new(0.0, 10.0).unwrap())
}

fn input(channels: usize) -> SpikeTrains {
    let times = |k: usize| (0..6).map(move |n| 1.0 + (7 * k % 5) as f64 + 6.7 * n as f64);
    SpikeTrains::from_channels((0..channels).map(times)).unwrap()
}

/// Spikes of all layers, to the last bit.
fn behaviour(net: &SpikingNetwork) -> Vec<u64> {
    let trace = net.forward(&input(net.channels()), 60.0).unwrap();
    let spikes = (0..net.layers()).flat_map(|l| trace.spikes(l).times().to_vec());
    spikes.map(f64::to_bits).collect()
}

fn pass(net: &SpikingNetwork, export: &Export) -> (SpikingNetwork, Report) {
    let (graph, mut report) = export.graph(net).unwrap();
    let graph = Graph::from_bytes(graph.to_bytes().unwrap()).unwrap();
    let (again, more) = Import::new().network(&graph).unwrap();
    report.findings.extend(more.findings);
    (again, report)
}

fn synapses(net: &SpikingNetwork) -> Vec<(String, usize, usize, u64, u64)> {
    let each = |name: &str| {
        let synapses = net.synapses(name).unwrap();
        let rows = (0..synapses.shape().0).map(|post| (post, synapses.row(post)));
        rows.flat_map(|(post, row)| {
            let name = name.to_owned();
            row.iter()
                .map(move |s| (name.clone(), post, s.pre, s.weight.to_bits(), s.delay.to_bits()))
        })
        .collect::<Vec<_>>()
    };
    net.projections().flat_map(each).collect()
}

#[test]
fn delays_with_nodes_come_back_to_the_last_bit() {
    let weights = || Dense::weights(Normal::new(1.5, 0.5).unwrap());
    let cases: [fn(SynapseRecipe) -> SynapseRecipe; 4] = [
        |r| r,
        |r| r.delays(Delays::axonal(Uniform::new(0.0, 10.0).unwrap())),
        |r| r.delays(Delays::dendritic(Uniform::new(0.0, 10.0).unwrap())),
        |r| {
            r.delays(Delays::axonal(vec![0.5, 2.0, 8.0])).delays(Delays::dendritic(vec![4.0, 0.25]))
        },
    ];
    for case in cases {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 3);
        let hidden = net.layer("hidden", Lif::new(2).bias(0.25));
        net.connect(input, hidden, case(weights()));
        let net = build(net);
        let (again, report) = pass(&net, &Export::new());
        assert_eq!(synapses(&again), synapses(&net));
        assert_eq!(again.layout(), net.layout());
        assert_eq!(behaviour(&again), behaviour(&net));
        assert_eq!(
            report.to_string(),
            "`hidden`: that potentials start at 0, and not at v_leak: lost"
        );
    }
}

#[test]
fn delays_per_synapse_come_back_from_the_metadata_to_the_last_bit() {
    for recipe in [per_synapse as fn() -> SynapseRecipe, || {
        Sparse::fan_in(2).copies(3).weights(0.7).delays(Uniform::new(0.0, 10.0).unwrap())
    }] {
        let net = network(recipe);
        let (again, report) = pass(&net, &Export::new().delays(Delayed::Metadata));
        assert_eq!(synapses(&again), synapses(&net));
        assert_eq!(again.layout(), net.layout());
        assert_eq!(behaviour(&again), behaviour(&net));
        assert!(!behaviour(&net).is_empty());
        for finding in &report.findings {
            assert_eq!(finding.loss, Loss::OnlyInMetadata { what: "delays of synapses" });
        }
        assert_eq!(report.findings.len(), 2);
    }
}

#[test]
fn delays_per_synapse_are_refused_unless_something_is_chosen() {
    let error = Export::new().graph(&network(per_synapse)).unwrap_err();
    assert_eq!(error, NirError::DelaysPerSynapse { projection: "input->hidden".into() });
}

#[test]
fn branches_hold_few_delays_exactly() {
    let delays = Array2::from_shape_fn((3, 5), |(j, i)| [0.0, 1.5, 7.25][(i * j) % 3]);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 5);
    let hidden = net.layer("hidden", Lif::new(3));
    net.connect(input, hidden, Dense::weights(Normal::new(1.5, 0.5).unwrap()).delays(delays));
    let net = build(net);
    let export = Export::new().delays(Delayed::Branches(3));
    let (graph, _) = export.graph(&net).unwrap();
    // One of them has no delay, and so no node for it.
    let count = |kind: &str| graph.nodes.values().filter(|n| n.kind == kind).count();
    assert_eq!((count("Linear"), count("Delay")), (3, 2));
    let (again, report) = pass(&net, &export);
    assert_eq!(synapses(&again), synapses(&net));
    assert_eq!(again.layout(), net.layout());
    assert_eq!(behaviour(&again), behaviour(&net));
    assert!(report.findings.is_empty(), "{report}");
}

#[test]
fn branches_name_how_far_delays_were_moved() {
    let net = network(per_synapse);
    let (again, report) = pass(&net, &Export::new().delays(Delayed::Branches(4)));
    let mut seen = 0;
    for finding in &report.findings {
        let Loss::Quantised { levels, moved, most, rms } = finding.loss else { panic!("{report}") };
        let ms = |net: &SpikingNetwork| -> Vec<f64> {
            let own = synapses(net).into_iter().filter(|s| s.0 == finding.place);
            own.map(|s| f64::from_bits(s.4)).collect()
        };
        let (before, after) = (ms(&net), ms(&again));
        let moves: Vec<f64> = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).collect();
        assert_eq!(levels, 4);
        assert_eq!(moved, moves.iter().filter(|&&m| m > 0.0).count());
        assert_eq!(most, moves.iter().copied().fold(0.0, f64::max));
        let mean = moves.iter().map(|m| m * m).sum::<f64>() / moves.len() as f64;
        assert_relative_eq!(rms, mean.sqrt(), max_relative = 1e-12);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// Two currents, and everything that only the metadata can hold.
fn rich() -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let (one, two) = (net.input("a/b", 3), net.input("a.b", 2));
    let lif = Lif::new(3).adaptation(-0.2, 40.0).adaptive_threshold(vec![0.1, 0.2, 0.0], 30.0);
    let hidden = net.layer("hidden", lif.refractory(1.5).bias(vec![0.0, 0.1, -0.1]));
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(one, hidden, Dense::weights(2.5).delays(Delays::shared(1.0)));
    net.connect(two, hidden, Dense::weights(1.5).tau_syn(11.0));
    net.connect(
        two,
        hidden,
        Sparse::edges([(0, 1), (1, 2)]).weights(vec![0.75, 1.25]).tau_syn(11.0),
    );
    net.connect(hidden, output, Dense::weights(0.5));
    build(net)
}

#[test]
fn several_currents_and_richer_neurons_come_back() {
    let net = rich();
    let (again, report) = pass(&net, &Export::new());
    assert_eq!(synapses(&again), synapses(&net));
    assert_eq!(behaviour(&again), behaviour(&net));
    assert_eq!(again.channels(), 5);
    let names: Vec<&str> = (0..again.layers()).map(|l| again.layer_info(l).0).collect();
    assert_eq!(names, ["hidden", "output"]);
    let hidden: Vec<&Loss> =
        report.findings.iter().filter(|f| f.place == "hidden").map(|f| &f.loss).collect();
    for what in
        ["adaptation_jump", "tau_adaptation", "threshold_jump", "tau_threshold", "refractory"]
    {
        assert!(hidden.contains(&&Loss::OnlyInMetadata { what }), "{report}");
    }
}

#[test]
fn what_is_trained_is_named_where_it_is_lost() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let hidden = net.layer("hidden", Lif::new(2).tau_mem(Constant::trainable(20.0)));
    net.connect(input, hidden, Dense::weights(1.0).delays(Delays::axonal(1.0)).max_delay(9.0));
    let net = build(net);
    let (_, report) = Export::new().graph(&net).unwrap();
    let what = "which parameters are trained, and within which bounds".to_owned();
    let places: Vec<&str> = report.findings.iter().map(|f| f.place.as_str()).collect();
    assert_eq!(places, ["hidden", "input->hidden"]);
    assert!(report.findings.iter().all(|f| f.loss == Loss::Dropped { what: what.clone() }));
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let hidden = net.layer("hidden", Lif::new(2));
    net.connect(input, hidden, Dense::weights(1.0).max_weight(2.0));
    let (_, report) = Export::new().graph(&build(net)).unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].loss, Loss::Dropped { what });
    // Smooth delays have no bounds; three of a target look like three of a source.
    let cases = [Delays::axonal(vec![1.0, 2.0, 3.0]).max(10.0).smooth(), Delays::dendritic(1.0)];
    for delays in cases {
        let mut net = NetworkBuilder::new();
        let (input, hidden) = (net.input("input", 3), net.layer("hidden", Lif::new(3)));
        net.connect(input, hidden, Dense::weights(1.0).delays(delays));
        let (_, report) = Export::new().graph(&build(net)).unwrap();
        let losses = report.to_string();
        assert!(losses.contains("what learned delays belong to"), "{losses}");
    }
}

#[test]
fn currents_that_nothing_reaches_are_named() {
    let mut net = NetworkBuilder::new();
    let (input, hidden) = (net.input("input", 2), net.layer("hidden", Lif::new(2).tau_syn(3.0)));
    net.connect(input, hidden, Dense::weights(1.0).tau_syn(7.0));
    let (again, report) = pass(&build(net), &Export::new());
    let what = "time constants of currents that no synapses reach".to_owned();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].loss, Loss::Dropped { what });
    assert_eq!(again.layers(), 1);
}

#[test]
fn every_convention_comes_back_to_rounding_and_names_it() {
    let net =
        network(|| Dense::weights(1.3).delays(Delays::axonal(Uniform::new(0.0, 10.0).unwrap())));
    let conventions = [
        (Export::new().jump(Jump::Literal), true),
        (Export::new().jump(Jump::Step { dt: 0.3 }), true),
        // A power of two rounds nothing.
        (Export::new().resistance(Resistance::Value(-0.25)), true),
        (Export::new().resistance(Resistance::Value(3.0)).time_unit(TimeUnit::Seconds), false),
        (Export::for_norse(0.1), false),
        (Export::for_snntorch(), false),
    ];
    let mut rounded = 0;
    for (export, exact) in conventions {
        let (again, report) = pass(&net, &export);
        let (before, after) = (synapses(&net), synapses(&again));
        assert_eq!(before.len(), after.len());
        for (b, a) in before.iter().zip(&after) {
            assert_eq!((&b.0, b.1, b.2), (&a.0, a.1, a.2));
            for (b, a) in [(b.3, a.3), (b.4, a.4)] {
                let (b, a) = (f64::from_bits(b), f64::from_bits(a));
                assert_relative_eq!(b, a, max_relative = 1e-15);
            }
        }
        let same = before == after && behaviour(&net) == behaviour(&again);
        assert!(same || !report.findings.is_empty(), "{export:?}");
        assert!(!exact || same && report.findings.is_empty(), "{export:?}: {report}");
        rounded += report.findings.len();
        for finding in &report.findings {
            assert!(matches!(finding.loss, Loss::Rounded { most, .. } if most < 1e-15), "{report}");
        }
    }
    assert!(rounded > 0);
}
