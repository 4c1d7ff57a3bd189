//! Patterns of synapses, their initial values, and what is refused.

use crate::synapses::{between, refused, rows};
use eventprop::{
    Delays, Dense, Engine, FirstSpikeTime, Init, MeanSquaredError, Network, Objective,
    ParameterKind, Sparse, SpikeTrains, SynapseError, SynapseRecipe,
};
use ndarray::{Array2, array};
use rand_distr::{Normal, Uniform};

#[test]
fn patterns_are_what_was_asked_for() {
    let net = between(300, 200, Sparse::probability(0.1).weights(1.0)).unwrap();
    let all = rows(&net);
    assert!((5500..6500).contains(&all.len()), "{}", all.len());
    assert!(all.windows(2).all(|w| (w[0].0, w[0].1) < (w[1].0, w[1].1)));
    // Sources and targets are drawn evenly.
    for half in [all.iter().filter(|s| s.1 < 150).count(), all.iter().filter(|s| s.0 < 100).count()]
    {
        assert!((half as f64 / all.len() as f64 - 0.5).abs() < 0.03);
    }
    let net = between(30, 20, Sparse::fan_in(7).copies(2).weights(1.0).delays(1.0)).unwrap();
    let all = rows(&net);
    for post in 0..20 {
        let row: Vec<usize> = all.iter().filter(|s| s.0 == post).map(|s| s.1).collect();
        assert_eq!(row.len(), 14);
        assert!(row.chunks(2).all(|pair| pair[0] == pair[1]));
        assert!(row.chunks(2).map(|c| c[0]).is_sorted_by(|a, b| a < b));
    }
    for (recipe, count) in [
        (Sparse::probability(0.0).weights(1.0), 0),
        (Sparse::probability(1.0).weights(1.0), 12),
        (Sparse::probability(0.0).weights(1.0).delays(Delays::axonal(1.0)), 0),
        (Sparse::edges([]).weights(1.0).delays(1.0), 0),
    ] {
        let net = between(3, 4, recipe).unwrap();
        assert_eq!(rows(&net).len(), count);
        let input = SpikeTrains::from_channels([vec![1.0; 900], vec![2.0], vec![]]).unwrap();
        for engine in [Engine::Fast, Engine::Plain] {
            let net = net.clone().with_engine(engine);
            let trace = net.forward(&input, 20.0).unwrap();
            assert_eq!(trace.spikes(0).is_empty(), count == 0);
            let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
            net.backward(&trace, &objective, &[1.0; 4]).unwrap();
        }
    }
    for (none, what) in [
        (Sparse::fan_in(0).weights(1.0), "the fan-in is 0"),
        (Sparse::fan_in(3).copies(0).weights(1.0), "the number of copies is 0"),
    ] {
        let refused = between(3, 4, none).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    }
    // Values go with their edges, whatever the order of the list.
    let recipe = Sparse::edges([(0, 1), (1, 0), (0, 0), (1, 0)])
        .weights(vec![1.0, 2.0, 3.0, 4.0])
        .delays(vec![0.1, 0.2, 0.3, 0.4])
        .delays(Delays::per_synapse(vec![10.0, 20.0]).groups([0, 1, 1, 0]));
    let found = rows(&between(2, 2, recipe).unwrap());
    let expected = [(0, 0, 3.0, 20.3), (0, 1, 2.0, 20.2), (0, 1, 4.0, 10.4), (1, 0, 1.0, 10.1)];
    assert_eq!(found, expected);
}

#[test]
fn initial_values() {
    let mean = |recipe: SynapseRecipe| {
        let net = between(100, 100, recipe).unwrap();
        let delays: Vec<f64> = rows(&net).iter().map(|s| s.3).collect();
        assert!(delays.iter().all(|d| *d >= 0.0));
        delays.iter().sum::<f64>() / delays.len() as f64
    };
    let delays = |init: Init<f64>| Dense::weights(1.0).delays(init);
    let half_normal = mean(delays(Init::half_normal(3.0).unwrap()));
    assert!((half_normal - 3.0 * (2.0 / std::f64::consts::PI).sqrt()).abs() < 0.1);
    let normal = Init::from(Normal::new(5.0, 3.0).unwrap()).within(0.0, 10.0);
    assert!((mean(delays(normal)) - 5.0).abs() < 0.1);
    assert!((mean(delays(Uniform::new(0.0, 8.0).unwrap().into())) - 4.0).abs() < 0.1);
    // Nothing is clamped in silence.
    let negative = Normal::new(0.0, 1.0).unwrap();
    let error = refused(9, 9, Dense::weights(1.0).delays(negative));
    assert!(matches!(error, SynapseError::DelayOutOfRange { .. }));
    let hopeless = Init::from(negative).within(50.0, 51.0);
    assert!(matches!(refused(1, 1, delays(hopeless)), SynapseError::NotFinite { .. }));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Init::half_normal(bad), Err(SynapseError::Deviation { .. })));
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let says = |error: SynapseError, words: &[&str]| {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let weights = || Dense::weights(1.0);
    for p in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        says(refused(2, 3, Sparse::probability(p).weights(1.0)), &["probability", "[0, 1]"]);
    }
    says(refused(2, 3, Sparse::fan_in(3).weights(1.0)), &["fan-in of 3", "2 sources", "copies"]);
    says(refused(2, 3, Sparse::edges([(0, 3)]).weights(1.0)), &["post 3", "pre 0", "(3, 2)"]);
    says(refused(2, 3, Sparse::edges([(usize::MAX, 0)]).weights(1.0)), &["(3, 2)"]);
    let mask = Sparse::mask(Array2::from_elem((2, 3), true)).weights(1.0);
    says(refused(2, 3, mask), &["mask", "(2, 3)", "(3, 2)"]);
    says(refused(2, 3, Dense::weights(vec![1.0; 5])), &["5 weights", "6 are needed"]);
    let matrix = weights().delays(Delays::axonal(array![[1.0, 2.0]]));
    says(refused(2, 3, matrix), &["no matrix", "a list of 2"]);
    says(refused(2, 3, weights().delays(Delays::axonal(vec![1.0]))), &["1 delays", "2 are needed"]);
    for groups in [vec![0, 1, 0], vec![0, 2], vec![0, usize::MAX], vec![]] {
        let grouped = weights().delays(Delays::axonal(1.0).groups(groups));
        says(refused(2, 3, grouped), &["2 numbers below 2", "source"]);
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY, 9.0] {
        let recipe = weights().delays(Delays::axonal(vec![1.0, bad])).max_delay(8.0);
        says(refused(2, 3, recipe), &["delay 1", "per source", "[0, 8]"]);
    }
    for bad in [0.0, 8.0, -1.0] {
        let recipe = weights().delays(Delays::per_synapse(bad).smooth()).max_delay(8.0);
        says(refused(2, 3, recipe), &["post 0", "pre 0", "(0, 8)"]);
        let recipe = weights().delays(Delays::dendritic(bad).smooth().max(8.0));
        says(refused(2, 3, recipe), &["delay 0", "per target", "(0, 8)"]);
    }
    says(refused(2, 3, weights().delays(Delays::from(1.0).smooth())), &["max_delay"]);
    let recipe = weights().delays(Delays::from(0.0).smooth().max(0.0));
    says(refused(2, 3, recipe), &["above 0"]);
    let huge = weights().delays(Delays::axonal(f64::MAX)).delays(Delays::dendritic(f64::MAX));
    says(refused(2, 3, huge), &["delay", "inf", "finite"]);
    // Sizes are checked before memory is asked for.
    let huge = usize::MAX;
    // What can be addressed with 32 bits can be numbered.
    if usize::BITS > 32 {
        for (pre, recipe) in
            [(huge, Sparse::probability(1e-300)), (2, Sparse::edges([(0, 0)]).copies(huge))]
        {
            says(refused(pre, 3, recipe.weights(1.0)), &["at most 4294967295"]);
        }
    }
    for (pre, recipe) in [
        (huge, weights()),
        (1 << 31, Sparse::probability(0.9).weights(1.0)),
        (1 << 31, Sparse::fan_in(1 << 31).weights(1.0)),
        (2, Sparse::fan_in(2).copies(huge).weights(1.0)),
    ] {
        says(refused(pre, 3, recipe), &["at most 4294967295"]);
    }
    // Many possible synapses, few real ones.
    let net = between(1 << 31, 3, Sparse::probability(1e-9).weights(1.0)).unwrap();
    assert!(rows(&net).len() < 100);
}

#[test]
fn fixed_values_are_no_parameters() {
    let recipe = Dense::weights(1.0).fixed_weights().delays(Delays::axonal(2.0));
    let mut net = between(2, 3, recipe).unwrap();
    let blocks: Vec<_> = net.layout().iter().map(|b| (b.kind, b.len)).collect();
    assert_eq!(blocks, [(ParameterKind::Delay, 2)]);
    net.raise_weights(0, 1, 1.0);
    assert!(rows(&net).iter().all(|s| s.2 == 1.0));
    let recipe = Dense::weights(1.0).delays(Delays::from(array![[1.0], [2.0]]).fixed());
    let net = between(1, 2, recipe.fixed_delays(0.5)).unwrap();
    assert_eq!(net.layout().len(), 1);
    assert_eq!(rows(&net), [(0, 0, 1.0, 1.5), (1, 0, 1.0, 2.5)]);
}
