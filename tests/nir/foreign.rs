//! Graphs that others wrote, that were changed, that are damaged or mean nothing here.

use crate::{network, per_synapse, rich};
use approx::assert_relative_eq;
use eventprop::exchange::Loss;
use eventprop::exchange::nir::{
    Delayed, Export, Graph, Import, Jump, NirError, Resistance, TimeUnit, Value,
};
use eventprop::{Network, SpikeTrains};
use ndarray::{Array1, ArrayD};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn list(values: &[f64]) -> Value {
    Value::Floats(Array1::from(values.to_vec()).into_dyn())
}

/// A graph as another program may write it: seconds, one neuron, w_in of 2.
fn foreign(kind: &str, fields: &[(&str, f64)]) -> Graph {
    let mut graph = Graph::default();
    let mut add = |name: &str, kind: &str, fields: Vec<(&str, Value)>| {
        let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let node = eventprop::exchange::nir::Node {
            kind: kind.into(),
            fields,
            metadata: Default::default(),
        };
        graph.nodes.insert(name.into(), node);
    };
    let size = Value::Integers(ArrayD::from_elem(vec![1], 1));
    add("in", "Input", vec![("shape", size.clone())]);
    let weight = Value::Floats(ArrayD::from_elem(vec![1, 1], 0.5));
    add("w", "Affine", vec![("weight", weight), ("bias", list(&[0.125]))]);
    add("n", kind, fields.iter().map(|&(k, v)| (k, list(&[v]))).collect());
    add("out", "Output", vec![("shape", size)]);
    let edges = [("in", "w"), ("w", "n"), ("n", "out")];
    graph.edges = edges.map(|(a, b)| (a.into(), b.into())).to_vec();
    graph
}

#[test]
fn foreign_graphs_are_read_by_the_convention_that_is_given() {
    let fields = [
        ("tau_mem", 0.02),
        ("tau_syn", 0.004),
        ("r", 3.0),
        ("v_leak", 0.25),
        ("v_threshold", 2.0),
        ("w_in", 2.0),
    ];
    let graph = foreign("CubaLIF", &fields);
    for (jump, weight) in [
        (Jump::Weight, 0.5 * 2.0 * 3.0),
        (Jump::Literal, 0.5 * 2.0 * 3.0 / 0.004),
        (Jump::Step { dt: 0.1 }, 0.5 * 2.0 * 3.0 * 0.1 / 4.0),
    ] {
        let import = Import::new().time_unit(TimeUnit::Seconds).jump(jump);
        let (net, report) = import.network::<f64>(&graph).unwrap();
        let found = net.synapses("in->n").unwrap().row(0).weights[0];
        assert_relative_eq!(found, weight, max_relative = 1e-14);
        // The bias of the weights comes to that of the neurons; how it comes is named.
        assert_eq!(report.findings.len(), 1, "{report}");
        // Without input V tends to the bias.
        let trace = net.forward(&SpikeTrains::from_channels([[0.0; 0]]).unwrap(), 2000.0).unwrap();
        let v = net.record(&trace, 0).unwrap().potential(0, 1999.0).unwrap();
        assert_relative_eq!(v, 0.25 + 0.125 * 2.0 * 3.0, max_relative = 1e-12);
    }
    let (_, report) = Import::new().network::<f64>(&graph).unwrap();
    let assumed = report.findings.iter().filter(|f| matches!(f.loss, Loss::Assumed { .. }));
    assert_eq!(assumed.count(), 2, "{report}");
}

#[test]
fn neurons_without_a_current_need_a_short_one() {
    let fields = [("tau", 20.0), ("r", 3.0), ("v_leak", 0.0), ("v_threshold", 2.0)];
    let graph = foreign("LIF", &fields);
    assert!(matches!(Import::new().network::<f64>(&graph), Err(NirError::Unsupported { .. })));
    let (net, report) = Import::new().short_current(1e-3).network::<f64>(&graph).unwrap();
    assert!(report.to_string().contains("follow a current of 0.001 ms"), "{report}");
    // The bias alone drives V to r b = 0.375; a spike adds w r = 1.5 at once, or nearly.
    let trace = net.forward(&SpikeTrains::from_channels([[1.0]]).unwrap(), 50.0).unwrap();
    let recording = net.record(&trace, 0).unwrap();
    let v = |time| recording.potential(0, time).unwrap();
    let jump = v(1.02) - v(0.99999);
    assert_relative_eq!(jump, 1.5, max_relative = 2e-3);
}

/// Seconds and delta functions: V jumps by r w / tau, all in the units of the file.
#[test]
fn a_short_current_carries_what_the_equation_says() {
    for (unit, tau) in [(TimeUnit::Seconds, 0.02), (TimeUnit::Milliseconds, 20.0)] {
        let fields = [("tau", tau), ("r", 1.0), ("v_leak", 0.0), ("v_threshold", 1e6)];
        let import = Import::new().time_unit(unit).jump(Jump::Literal).short_current(1e-3);
        let (net, _) = import.network::<f64>(&foreign("LIF", &fields)).unwrap();
        // Less what the bias does by then.
        let v = |input: &SpikeTrains| {
            let trace = net.forward(input, 50.0).unwrap();
            net.record(&trace, 0).unwrap().potential(0, 1.02).unwrap()
        };
        let jump = v(&SpikeTrains::from_channels([[1.0]]).unwrap()) - v(&SpikeTrains::silent(1));
        assert_relative_eq!(jump, 0.5 / tau, max_relative = 2e-3);
    }
}

#[test]
fn several_ways_without_a_delay_have_none_to_learn() {
    let fields =
        [("tau_mem", 20.0), ("tau_syn", 4.0), ("r", 1.0), ("v_leak", 0.0), ("v_threshold", 2.0)];
    let mut graph = foreign("CubaLIF", &fields);
    let way = graph.nodes["w"].clone();
    graph.nodes.insert("w2".into(), way);
    graph.edges.extend([("in", "w2"), ("w2", "n")].map(|(a, b)| (a.into(), b.into())));
    let (net, _) = Import::new().network::<f64>(&graph).unwrap();
    let kinds: Vec<eventprop::ParameterKind> =
        net.parameters().iter().map(|(_, p)| p.kind).collect();
    assert_eq!(kinds, [eventprop::ParameterKind::Weight]);
    assert_eq!(net.synapses("in->n").unwrap().synapses(), 2);
}

#[test]
fn graphs_that_mean_nothing_here_are_refused_by_name() {
    let fields =
        [("tau_mem", 20.0), ("tau_syn", 4.0), ("r", 1.0), ("v_leak", 0.0), ("v_threshold", 2.0)];
    let good = foreign("CubaLIF", &fields);
    assert!(Import::new().network::<f64>(&good).is_ok());
    let refused = |change: &dyn Fn(&mut Graph)| {
        let mut graph = good.clone();
        change(&mut graph);
        Import::new().network::<f64>(&graph).unwrap_err()
    };
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(
        refused(&|g| g.edges.push(edge("in", "nowhere"))),
        NirError::UnknownNode { node: "nowhere".into() }
    );
    assert!(matches!(refused(&|g| g.edges.push(edge("in", "w"))), NirError::DuplicateEdge { .. }));
    assert!(matches!(
        refused(&|g| g.nodes.get_mut("n").unwrap().kind = "Conv2d".into()),
        NirError::UnknownKind { .. }
    ));
    let gone = |field: &'static str| {
        refused(&move |g| drop(g.nodes.get_mut("n").unwrap().fields.remove(field)))
    };
    for field in ["tau_mem", "r", "v_leak", "v_threshold"] {
        assert!(matches!(gone(field), NirError::Field { field: f, .. } if f == field));
    }
    assert!(matches!(
        refused(&|g| {
            g.nodes.get_mut("n").unwrap().fields.insert("r".into(), list(&[1.0, 2.0]));
        }),
        NirError::Size { found: 2, expected: 1, .. }
    ));
    // Weights upon weights, and a circle of them.
    assert!(matches!(
        refused(&|g| {
            let node = g.nodes["w"].clone();
            g.nodes.insert("w2".into(), node);
            g.edges = vec![edge("in", "w"), edge("w", "w2"), edge("w2", "n")];
        }),
        NirError::Unsupported { .. }
    ));
    assert!(matches!(
        refused(&|g| {
            g.nodes.get_mut("w").unwrap().kind = "Delay".into();
            g.nodes.get_mut("w").unwrap().fields.insert("delay".into(), list(&[1.0]));
            g.edges = vec![edge("w", "w"), edge("w", "n")];
        }),
        NirError::Unsupported { problem, .. } if problem.contains("circle") || problem.contains("one")
    ));
    assert!(matches!(
        refused(&|g| {
            g.nodes.get_mut("n").unwrap().fields.insert("tau_mem".into(), list(&[-1.0]));
        }),
        NirError::Build(_)
    ));
    assert!(matches!(
        refused(&|g| g.nodes.retain(|name, _| name != "in")),
        NirError::UnknownNode { .. }
    ));
    assert!(matches!(
        refused(&|g| {
            g.nodes.get_mut("in").unwrap().fields.insert("shape".into(), list(&[1e9]));
        }),
        NirError::Size { found: 1, expected: 1_000_000_000, .. }
    ));
    for export in [
        Export::new().jump(Jump::Step { dt: 0.0 }),
        Export::new().resistance(Resistance::Value(0.0)),
        Export::new().delays(Delayed::Branches(0)),
        Export::new().output("nowhere"),
    ] {
        assert!(export.graph(&rich()).is_err());
    }
}

#[test]
fn weights_that_were_changed_elsewhere_count() {
    let net = network(per_synapse);
    let (mut graph, _) = Export::new().delays(Delayed::Metadata).graph(&net).unwrap();
    let linear = graph.nodes.get_mut("input_to_hidden").unwrap();
    let Some(Value::Floats(weight)) = linear.fields.get_mut("weight") else { panic!() };
    weight[[1, 2]] = 8.5;
    let (again, report) = Import::new().network::<f64>(&graph).unwrap();
    assert_eq!(report.findings.len(), 1);
    let row = again.synapses("input->hidden").unwrap().row(1);
    let old = net.synapses("input->hidden").unwrap().row(1);
    assert_eq!(row.weights[2], 8.5);
    assert_eq!((row.weights[1], row.delays), (old.weights[1], old.delays));
}

#[test]
fn damaged_files_are_refused() {
    let bytes = Export::new().graph(&rich()).unwrap().0.to_bytes().unwrap();
    for end in (0..bytes.len()).step_by(97) {
        assert!(Graph::from_bytes(bytes[..end].to_vec()).is_err());
    }
    assert!(matches!(Graph::from_bytes(b"not a file".to_vec()), Err(NirError::Hdf5 { .. })));
    assert!(matches!(Graph::read("/nowhere/at all.nir"), Err(NirError::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default()
    })]

    /// Whatever is done to the bytes, there is a graph or an error, and so a network or an error, soon and in
    /// little memory.
    #[test]
    fn any_bytes_are_a_graph_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        (from, len) in (any::<prop::sample::Index>(), 0..64_usize),
    ) {
        thread_local! {
            static FILE: Vec<u8> = Export::new().graph(&rich()).unwrap().0.to_bytes().unwrap();
        }
        let mut bytes = FILE.with(Clone::clone);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let from = from.index(bytes.len());
        let to = (from + len).min(bytes.len());
        bytes.drain(from..to);
        let size = bytes.len() as u64;
        let memory = allocation_counter::measure(|| {
            if let Ok(graph) = Graph::from_bytes(bytes) {
                let _ = Import::new().network::<f64>(&graph);
            }
        });
        prop_assert!(memory.bytes_max <= 1032 * size, "{} for {size}", memory.bytes_max);
    }

    /// The same for graphs that are no damaged files but wrong in themselves.
    #[test]
    fn any_graph_is_a_network_or_an_error(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        values in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<f64>()), 0..4),
    ) {
        let (mut graph, _) = Export::new().delays(Delayed::Metadata).graph(&network(per_synapse)).unwrap();
        for (edge, node) in cuts {
            let name = graph.nodes.keys().nth(node.index(graph.nodes.len())).unwrap().clone();
            let edge = edge.index(graph.edges.len());
            graph.edges[edge].1 = name;
        }
        for (node, field, value) in values {
            let number = node.index(graph.nodes.len());
            let node = graph.nodes.values_mut().nth(number).unwrap();
            let number = field.index(node.fields.len());
            if let Some(Value::Floats(values)) = node.fields.values_mut().nth(number) {
                values.fill(value);
            }
        }
        let _ = Import::new().network::<f64>(&graph);
    }
}
