//! Synapses removed and added, and what optimisers remember of the others.

use crate::synapses::between;
use eventprop::{
    Adam, BuildError, Delays, Dense, FirstSpikeTime, Gradients, Lif, MeanSquaredError, Network,
    NetworkBuilder, NewSynapse, Objective, OptimizeError, Optimizer, Rewiring, Sgd, Sparse,
    SpikeTrains, SpikingNetwork, SynapseError, SynapseRecipe,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

/// (post, pre, weight, delay) of every synapse.
fn rows(net: &SpikingNetwork) -> Vec<(usize, usize, f64, f64)> {
    let synapses = net.synapses("input->output").unwrap();
    let row = |post| synapses.row(post).iter().map(move |s| (post, s.pre, s.weight, s.delay));
    (0..synapses.shape().0).flat_map(row).collect()
}

/// Two projections, so that blocks move.
fn rewirable(delays: impl Fn(SynapseRecipe) -> SynapseRecipe) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 3);
    let output = net.layer("output", Lif::new(2));
    let weights = Uniform::new(1.0, 2.0).unwrap();
    net.connect(input, output, delays(Dense::weights(weights)));
    net.connect(output, output, Dense::weights(weights).delays(1.0));
    net.build(&mut ChaCha8Rng::seed_from_u64(11)).unwrap()
}

fn flat(net: &SpikingNetwork) -> Vec<f64> {
    net.parameters().iter().flat_map(|(_, p)| p.values.iter().copied()).collect()
}

fn step(net: &mut SpikingNetwork, optimizer: &mut dyn Optimizer<f64>, gradients: &[f64]) {
    let mut all = Gradients::zeros(net.layout());
    all.values_mut().copy_from_slice(gradients);
    optimizer.step(net, &all).unwrap();
}

fn rewiring_keeps_the_state<O: Optimizer<f64> + Clone>(mut optimizer: O) {
    let delays = |recipe: SynapseRecipe| {
        recipe.delays(Delays::axonal(2.0)).delays(Uniform::new(3.0, 4.0).unwrap())
    };
    let mut whole = rewirable(delays);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut random = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random::<f64>() - 0.5).collect() };
    // 6 weights, 3 axonal delays, 6 delays; 4 weights, 4 delays.
    for _ in 0..5 {
        step(&mut whole, &mut optimizer, &random(23));
    }
    let (mut pruned, mut other) = (whole.clone(), optimizer.clone());
    let new = NewSynapse { post: 0, pre: 1, weight: 7.0, delay: 0.5 };
    let change = Rewiring { remove: vec![4, 0, 4], add: vec![new] };
    let map = pruned.rewire("input->output", &change).unwrap();
    let expected = [1, 99, 2, 3, 5, 6, 7, 8, 10, 99, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22];
    let expected: Vec<_> = expected.iter().map(|&k| (k != 99).then_some(k)).collect();
    assert_eq!(map.origins(), expected);
    assert_eq!(map.before(), 23);
    assert_eq!(pruned.layout().iter().map(|b| b.len).collect::<Vec<_>>(), [5, 3, 5, 4, 4]);
    let axonal = flat(&pruned)[6];
    assert_eq!(rows(&pruned)[1], (0, 1, 7.0, axonal + 0.5));
    let zeros = Gradients::zeros(pruned.layout());
    assert_eq!(other.clone().step(&mut pruned, &zeros), Err(OptimizeError::State));
    other.remap(&map).unwrap();
    assert_eq!(other.remap(&map), Err(OptimizeError::State));
    for _ in 0..5 {
        let gradients = random(23);
        step(&mut whole, &mut optimizer, &gradients);
        let moved: Vec<f64> =
            map.origins().iter().map(|o| o.map_or(0.0, |k| gradients[k])).collect();
        step(&mut pruned, &mut other, &moved);
        let (before, after) = (flat(&whole), flat(&pruned));
        for (value, origin) in after.iter().zip(map.origins()) {
            if let Some(k) = origin {
                assert_eq!(*value, before[*k]);
            }
        }
    }
    assert_eq!(flat(&pruned)[1], 7.0);
}

#[test]
fn rewiring_keeps_what_optimisers_remember() {
    rewiring_keeps_the_state(Adam::new(0.01).delay_rate(0.1));
    rewiring_keeps_the_state(Sgd::new(0.01).momentum(0.9));
    // An optimiser without steps has nothing to move.
    let mut net = rewirable(|recipe| recipe.delays(1.0));
    let map = net.rewire("input->output", &Rewiring { remove: vec![0], add: vec![] }).unwrap();
    assert_eq!(Adam::<f64>::new(0.1).remap(&map), Ok(()));
}

#[test]
fn ranges_of_weights_hold_for_new_synapses() {
    let recipe = || Dense::weights(vec![0.1, 0.2, 0.3, 0.4]).min_weight(0.0).max_weight(1.0);
    let mut net = between(2, 2, recipe()).unwrap();
    let new = |weight| {
        let add = vec![NewSynapse { post: 0, pre: 1, weight, delay: 0.0 }];
        Rewiring { remove: vec![1], add }
    };
    let error = net.rewire("input->output", &new(-0.1)).unwrap_err();
    assert!(error.to_string().contains("-0.1"), "{error}");
    assert_eq!(flat(&net), [0.1, 0.2, 0.3, 0.4]);
    let _ = net.rewire("input->output", &new(0.9)).unwrap();
    step(&mut net, &mut Sgd::new(1.0), &[0.5, -0.5, 0.1, 0.5]);
    assert_eq!(flat(&net), [0.0, 1.0, 0.3 - 0.1, 0.0]);
}

#[test]
fn a_rewired_network_is_one_that_was_built_so() {
    let edges = vec![(1, 0), (0, 1), (0, 0), (0, 0)];
    let delays = |values: Vec<f64>| {
        move |recipe: SynapseRecipe| recipe.delays(Delays::dendritic(vec![1.0, 2.0])).delays(values)
    };
    let recipe = Sparse::edges(edges).weights(vec![1.0, 2.0, 3.0, 4.0]);
    let mut net = between(2, 2, delays(vec![0.1, 0.2, 0.3, 0.4])(recipe)).unwrap();
    let input = SpikeTrains::from_channels([[1.0, 4.0], [2.0, 3.0]]).unwrap();
    let old = net.forward(&input, 50.0).unwrap();
    let add = |post, pre, weight, delay| NewSynapse { post, pre, weight, delay };
    // Both synapses from source 0 to 0 go, one comes back, and one from 1 to 1 is new.
    let add = vec![add(1, 1, 5.0, 0.5), add(0, 0, 6.0, 0.6)];
    let map = net.rewire("input->output", &Rewiring { remove: vec![0, 1], add }).unwrap();
    assert_eq!(map.origins().iter().filter(|o| o.is_none()).count(), 4);
    let recipe = Sparse::edges([(0, 0), (1, 0), (0, 1), (1, 1)]).weights(vec![6.0, 1.0, 2.0, 5.0]);
    let built = between(2, 2, delays(vec![0.6, 0.1, 0.2, 0.5])(recipe)).unwrap();
    assert_eq!(rows(&net), rows(&built));
    assert_eq!(flat(&net), flat(&built));
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let target = vec![1.0, 2.0];
    assert!(net.backward(&old, &objective, &target).is_err(), "the trace is from before");
    let run = |net: &SpikingNetwork| {
        let trace = net.forward(&input, 50.0).unwrap();
        net.backward(&trace, &objective, &target).unwrap()
    };
    assert_eq!(run(&net), run(&built));
    // Down to nothing.
    let _ =
        net.rewire("input->output", &Rewiring { remove: vec![0, 1, 2, 3], add: vec![] }).unwrap();
    assert!(net.forward(&input, 50.0).unwrap().spikes(0).is_empty());
}

#[test]
fn synapses_with_delays_in_groups_go_to_the_last() {
    let delays = Delays::per_synapse(vec![1.0, 2.0]).groups([0, 1]);
    let mut net =
        between(2, 2, Sparse::edges([(0, 0), (1, 0)]).weights(1.0).delays(delays)).unwrap();
    for left in [1, 0] {
        let _ = net.rewire("input->output", &Rewiring { remove: vec![0], add: vec![] }).unwrap();
        assert_eq!(rows(&net).len(), left);
    }
    let add = vec![NewSynapse { post: 0, pre: 0, weight: 1.0, delay: 0.0 }];
    let error = net.rewire("input->output", &Rewiring { remove: vec![], add }).unwrap_err();
    assert!(error.to_string().contains("no group"), "{error}");
}

#[test]
fn parallel_synapses_are_in_the_order_of_their_age() {
    let recipe = Sparse::edges([(1, 0), (0, 1), (0, 1)]).weights(vec![1.0, 2.0, 3.0]).delays(1.0);
    let mut net = between(2, 2, recipe).unwrap();
    let new = |post, pre, weight| NewSynapse { post, pre, weight, delay: weight };
    let add = vec![new(1, 1, 9.0), new(1, 0, 5.0), new(0, 0, 4.0), new(1, 0, 6.0), new(1, 0, 5.5)];
    let _ = net.rewire("input->output", &Rewiring { remove: vec![1], add }).unwrap();
    let rows: Vec<_> =
        rows(&net).into_iter().map(|(post, pre, weight, _)| (post, pre, weight)).collect();
    let expected =
        [(0, 0, 4.0), (0, 1, 1.0), (1, 0, 3.0), (1, 0, 5.0), (1, 0, 6.0), (1, 0, 5.5), (1, 1, 9.0)];
    assert_eq!(rows, expected);
}

#[test]
fn changes_that_do_not_fit_change_nothing() {
    let new = |post, pre, weight, delay| Rewiring {
        remove: vec![],
        add: vec![NewSynapse { post, pre, weight, delay }],
    };
    let mut net = rewirable(|recipe| recipe.delays(1.0).max_delay(5.0));
    let before = (flat(&net), net.layout());
    let mut fails = |change: Rewiring, words: &[&str]| {
        let error = net.rewire("input->output", &change).unwrap_err();
        let text = std::error::Error::source(&error).map_or(error.to_string(), |e| e.to_string());
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert_eq!((flat(&net), net.layout()), before);
    };
    fails(Rewiring { remove: vec![0, 6], add: vec![] }, &["synapse 6", "there are 6"]);
    fails(new(2, 0, 1.0, 1.0), &["post 2", "(2, 3)"]);
    fails(new(0, usize::MAX, 1.0, 1.0), &["(2, 3)"]);
    fails(new(0, 2, f64::NAN, 1.0), &["weight", "post 0", "pre 2", "NaN"]);
    fails(new(0, 2, 1.0, f64::INFINITY), &["delay", "inf"]);
    fails(new(0, 2, 1.0, 6.0), &["post 0, pre 2", "6 ms", "[0, 5]"]);
    fails(new(0, 2, 1.0, -1.0), &["-1 ms"]);
    let error = net.rewire("nowhere", &new(0, 0, 1.0, 1.0)).unwrap_err();
    assert!(error.to_string().contains("nowhere"));
    let mut axonal = rewirable(|recipe| recipe.delays(Delays::axonal(1.0)));
    let error = axonal.rewire("input->output", &new(0, 0, 1.0, 0.5)).unwrap_err();
    assert!(matches!(
        error,
        BuildError::Synapses { cause: SynapseError::NewDelay { value: 0.5, .. }, .. }
    ));
    let _ = axonal.rewire("input->output", &new(0, 0, 1.0, 0.0)).unwrap();
    let grouped =
        |recipe: SynapseRecipe| recipe.delays(Delays::per_synapse(1.0).groups([0, 0, 1, 1, 2, 2]));
    let mut grouped = rewirable(grouped);
    assert!(grouped.rewire("input->output", &new(0, 0, 1.0, 0.0)).is_err());
    let remove = Rewiring { remove: vec![0, 1, 2], add: vec![] };
    let map = grouped.rewire("input->output", &remove).unwrap();
    // A group without members keeps its parameter.
    assert_eq!(map.origins()[..6], [3, 4, 5, 6, 7, 8].map(Some));
}
