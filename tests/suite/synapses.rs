//! Synapses of every pattern and with delays of every kind: gradients, engines, bounds, rewiring.

use crate::config::config;
use eventprop::check::GradientCheck;
use eventprop::{
    Adam, AdjointError, BuildError, CrossEntropy, DelayPenalty, Delays, Dense, Engine,
    FirstSpikeTime, Gradients, Init, LeakyIntegrator, Lif, Loss, MeanSquaredError, MeanVoltage,
    Network, NetworkBuilder, Objective, Optimizer, ParameterKind, Readout, Real, Sgd, Sparse,
    SpikeTrains, SpikingNetwork, SynapseError, SynapseRecipe,
};
use ndarray::{Array2, array};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::cell::Cell;

const PATTERNS: u8 = 7;
const DELAYS: u8 = 10;

/// A connection as two numbers: its pattern, and the kind of its delays.
type Kind = (u8, u8);

fn kind() -> impl Strategy<Value = Kind> {
    (0..PATTERNS, 0..DELAYS)
}

/// Synapses with weights around `mean` and delays up to `longest`.
fn recipe(
    (pattern, delays): Kind,
    (post, pre): (usize, usize),
    mean: f64,
    longest: f64,
    rng: &mut ChaCha8Rng,
) -> SynapseRecipe {
    let weights = Normal::new(mean, mean.abs()).unwrap();
    let times = || Uniform::new(0.0, longest).unwrap();
    let mut edges = Vec::new();
    let recipe = match pattern {
        0 => Dense::weights(weights),
        1 => Sparse::probability(0.6).weights(weights),
        2 => Sparse::fan_in(pre.min(2)).weights(weights),
        3 => Sparse::fan_in(pre.min(2)).copies(3).weights(weights),
        4 => Sparse::mask(Array2::from_shape_fn((post, pre), |_| rng.random())).weights(weights),
        5 => {
            // Duplicates, empty rows, unused sources.
            let edge = |_| (rng.random_range(0..post), rng.random_range(0..pre));
            edges = (0..post * pre).map(edge).collect();
            Sparse::edges(edges.clone()).weights(weights)
        }
        _ => Sparse::probability(1.0).copies(2).weights(weights),
    };
    let synapses = edges.len();
    match delays {
        0 => recipe,
        1 => recipe.delays(times()),
        2 => recipe.delays(Delays::axonal(times())),
        3 => recipe.delays(Delays::dendritic(times())),
        4 => recipe.delays(Delays::axonal(times())).delays(Delays::dendritic(times())),
        5 => recipe.delays(Delays::shared(longest / 2.0)).max_delay(longest),
        6 => {
            let groups: Vec<usize> = (0..pre).map(|k| k / 2).collect();
            recipe.delays(Delays::axonal(times()).groups(groups)).delays(0.0)
        }
        7 => recipe
            .delays(Delays::per_synapse(Init::from(times()).within(1e-3, longest)).smooth())
            .max_delay(1.5 * longest),
        8 => {
            recipe.delays(Delays::axonal(longest / 3.0).smooth().max(longest)).fixed_delays(times())
        }
        _ if synapses > 0 => {
            let groups: Vec<usize> = (0..synapses).map(|k| k % 3 % synapses).collect();
            recipe.delays(Delays::per_synapse(times()).groups(groups))
        }
        _ => recipe.delays(Delays::dendritic(times()).fixed()).delays(times()),
    }
}

#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    channels: usize,
    hidden: usize,
    spikes: usize,
    duration: f64,
    drive: f64,
    longest: f64,
    forward: Kind,
    recurrent: Option<Kind>,
    outward: Kind,
}

fn plan(spikes: std::ops::Range<usize>, duration: f64) -> impl Strategy<Value = Plan> {
    let sizes = (any::<u64>(), 2..6usize, 1..6usize, spikes, 0.8..2.5, 1.0..20.0);
    let kinds = (kind(), prop::option::of(kind()), kind());
    (sizes, kinds).prop_map(move |(sizes, kinds)| Plan {
        seed: sizes.0,
        channels: sizes.1,
        hidden: sizes.2,
        spikes: sizes.3,
        duration,
        drive: sizes.4,
        longest: sizes.5,
        forward: kinds.0,
        recurrent: kinds.1,
        outward: kinds.2,
    })
}

fn build(plan: &Plan) -> (SpikingNetwork, SpikeTrains) {
    let rng = &mut ChaCha8Rng::seed_from_u64(plan.seed);
    let &Plan { channels, hidden: n, longest, duration, .. } = plan;
    let mut net = NetworkBuilder::new();
    net.max_spikes(400);
    let input = net.input("input", channels);
    let hidden = net.layer("hidden", Lif::new(n).tau_mem(12.0).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(2).tau_mem(15.0).tau_syn(5.0));
    // The mean current of all spikes is rate * weight * tau_syn.
    let mean = plan.drive * duration / (plan.spikes as f64 * 5.0);
    net.connect(input, hidden, recipe(plan.forward, (n, channels), mean, longest, rng));
    if let Some(kind) = plan.recurrent {
        net.connect(hidden, hidden, recipe(kind, (n, n), 0.15, longest, rng));
    }
    net.connect(hidden, output, recipe(plan.outward, (2, n), 0.4, longest, rng));
    let events = (0..plan.spikes)
        .map(|_| (rng.random::<f64>() * duration * 0.8, rng.random_range(0..channels)));
    let input = SpikeTrains::from_events(channels, events.collect::<Vec<_>>()).unwrap();
    (net.build(rng).unwrap(), input)
}

fn close(a: &[f64], b: &[f64], relative: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    for (a, b) in a.iter().zip(b) {
        prop_assert!((a - b).abs() <= relative * largest + 4e-12, "{a:e} against {b:e}");
    }
    Ok(())
}

fn engines_agree<R: Readout<f64>, L: Loss<f64>>(
    plan: &Plan,
    objective: &Objective<R, L>,
    target: &L::Target,
) -> Result<(), TestCaseError> {
    let (fast, input) = build(plan);
    let plain = fast.clone().with_engine(Engine::Plain);
    let traces = (fast.forward(&input, plan.duration), plain.forward(&input, plan.duration));
    let (Ok(a), Ok(b)) = &traces else {
        prop_assert_eq!(traces.0.is_err(), traces.1.is_err());
        return Err(TestCaseError::reject("too busy"));
    };
    let flattest = b.slopes(0).iter().fold(f64::INFINITY, |m: f64, s| m.min(*s));
    prop_assert_eq!(a.spikes(0).offsets(), b.spikes(0).offsets());
    close(a.spikes(0).times(), b.spikes(0).times(), 1e-12 * (1.0 + 1e-2 / flattest))?;
    let (x, y) = (fast.backward(a, objective, target), plain.backward(b, objective, target));
    let ((x, a), (y, b)) = (x.unwrap(), y.unwrap());
    prop_assert!((x.loss - y.loss).abs() <= 1e-9 * (1.0 + y.loss.abs()));
    let relative = 1e-9 * (1.0 + 1e-6 / (flattest * flattest));
    for ((_, a), (_, b)) in a.blocks().zip(b.blocks()) {
        close(a, b, relative)?;
    }
    close(&a.input_times, &b.input_times, relative)
}

/// What was looked at, so that no test passes by looking away.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    cases: usize,
    firing: usize,
    delays: usize,
    not_zero: usize,
}

fn run(
    cases: u32,
    plans: impl Strategy<Value = Plan>,
    test: impl Fn(&Plan) -> Result<(), TestCaseError>,
) {
    let total = Cell::new(Tally::default());
    let result = TestRunner::new(config(cases)).run(&plans, |plan| {
        test(&plan)?;
        let (net, input) = build(&plan);
        let trace = net.forward(&input, plan.duration).unwrap();
        let objective = Objective::new(MeanVoltage, CrossEntropy::new());
        let (_, gradients) = net.backward(&trace, &objective, &1).unwrap();
        let blocks = gradients.blocks().filter(|(b, _)| b.kind == ParameterKind::Delay);
        let delays: Vec<f64> = blocks.flat_map(|(_, values)| values.to_vec()).collect();
        let mut tally = total.get();
        tally.cases += 1;
        tally.firing += usize::from(trace.spikes(0).len() > 3);
        tally.delays += delays.len();
        tally.not_zero += delays.iter().filter(|g| **g != 0.0).count();
        total.set(tally);
        Ok(())
    });
    let tally = total.get();
    println!("{tally:?}");
    result.unwrap_or_else(|why| panic!("{why}"));
    assert!(tally.firing * 10 > tally.cases * 6, "few networks fire: {tally:?}");
    assert!(tally.not_zero * 2 > tally.delays, "most gradients are zero: {tally:?}");
}

#[test]
fn gradients_are_exact() {
    run(150, plan(6..14, 60.0), |plan| {
        let (net, input) = build(plan);
        let objective = Objective::new(MeanVoltage, CrossEntropy::temperature(0.2));
        let report = GradientCheck::new().run(&net, &input, 60.0, &objective, &1);
        let Ok(report) = report else { return Err(TestCaseError::reject("too busy")) };
        prop_assert!(report.classes.iter().all(|c| c.mismatches.is_empty()), "{}", report);
        prop_assert!(report.checked() > 3 * (report.skipped() + report.inconclusive()));
        engines_agree(plan, &objective, &1)
    });
}

#[test]
fn the_engines_agree() {
    run(100, plan(300..2500, 200.0), |plan| {
        engines_agree(plan, &Objective::new(MeanVoltage, CrossEntropy::new()), &1)?;
        let first = Objective::new(FirstSpikeTime, MeanSquaredError).on_layer(0);
        engines_agree(plan, &first, &vec![20.0; plan.hidden])
    });
}

fn single(recipe: SynapseRecipe) -> Result<SpikingNetwork, BuildError> {
    between(1, 1, recipe)
}

/// LIF neurons that a projection drives.
pub fn between(
    pre: usize,
    post: usize,
    recipe: SynapseRecipe,
) -> Result<SpikingNetwork, BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", pre);
    let output = net.layer("output", Lif::new(post).tau_mem(10.0).tau_syn(5.0));
    net.connect(input, output, recipe);
    net.build(&mut ChaCha8Rng::seed_from_u64(7))
}

fn refused(pre: usize, post: usize, recipe: SynapseRecipe) -> SynapseError {
    match between(pre, post, recipe) {
        Err(BuildError::Synapses { name, source }) => {
            assert_eq!(name, "input->output");
            source
        }
        other => panic!("{other:?}"),
    }
}

fn values(net: &SpikingNetwork, kind: ParameterKind) -> Vec<f64> {
    let parameters = net.parameters();
    let of_kind = parameters.iter().filter(|(_, p)| p.kind == kind);
    of_kind.flat_map(|(_, p)| p.values.iter().copied()).collect()
}

/// (post, pre, weight, delay) of every synapse.
fn rows(net: &SpikingNetwork) -> Vec<(usize, usize, f64, f64)> {
    let synapses = net.synapses("input->output").unwrap();
    let row = |post| synapses.row(post).iter().map(move |s| (post, s.pre, s.weight, s.delay));
    (0..synapses.shape().0).flat_map(row).collect()
}

#[test]
fn a_spike_comes_as_much_later_as_its_delays_say() {
    let input = SpikeTrains::from_channels([[2.0]]).unwrap();
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let run = |recipe| {
        let net = single(recipe).unwrap();
        let trace = net.forward(&input, 50.0).unwrap();
        let target = vec![1.0];
        let (evaluation, gradients) = net.backward(&trace, &objective, &target).unwrap();
        (evaluation, gradients, net)
    };
    let instant = run(Dense::weights(6.0)).0.readout[0];
    let terms = Dense::weights(6.0)
        .delays(Delays::axonal(1.0))
        .delays(Delays::dendritic(0.5))
        .delays(Delays::shared(0.25).fixed())
        .delays(Delays::per_synapse(3.0).smooth().max(4.0));
    let (evaluation, gradients, net) = run(terms);
    assert!((evaluation.readout[0] - instant - 4.75).abs() < 1e-12);
    // dt/dd = 1, so all derivatives are that of the loss by the time.
    let slope = (evaluation.loss - run(Dense::weights(6.0).delays(4.75 - 1e-6)).0.loss) / 1e-6;
    let blocks: Vec<&[f64]> = gradients.blocks().skip(1).map(|(_, g)| g).collect();
    assert_eq!(blocks.len(), 3);
    assert!((blocks[0][0] / slope - 1.0).abs() < 1e-6);
    assert_eq!(blocks[0], blocks[1]);
    // max / 4 logit(3 / 4), and 4 share (1 - share) there.
    let theta = values(&net, ParameterKind::Delay)[2];
    assert!((theta - 3f64.ln()).abs() < 1e-15);
    assert!((blocks[2][0] - 0.75 * blocks[0][0]).abs() < 1e-12);
}

#[test]
fn single_precision_agrees_with_double() {
    fn run<F: Real>(recipe: SynapseRecipe<F>) -> (f64, Vec<f64>) {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(2));
        net.connect(input, output, recipe);
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let input = SpikeTrains::from_channels([[2.0], [5.0]]).unwrap();
        let trace = net.forward(&input, 50.0).unwrap();
        let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
        let (loss, gradients) = net.backward(&trace, &objective, &[F::of(1.0); 2]).unwrap();
        (loss.loss.as_f64(), gradients.values().iter().map(|g| g.as_f64()).collect())
    }
    let edges = || Sparse::edges([(0, 0), (1, 1), (1, 0), (1, 0)]);
    let (a, x) = run(edges().weights(6.0_f32).delays(Delays::axonal(3.0).smooth().max(8.0)));
    let (b, y) = run(edges().weights(6.0_f64).delays(Delays::axonal(3.0).smooth().max(8.0)));
    assert!((a - b).abs() < 1e-4 * b, "{a} against {b}");
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-4 * (1.0 + y.abs())), "{x:?} {y:?}");
}

#[test]
fn parallel_synapses_add() {
    let edges = [(0, 0), (0, 0), (0, 0)];
    let recipe = Sparse::edges(edges).weights(vec![1.0, 2.0, 3.0]).delays(vec![0.0, 0.0, 1.5]);
    let several = single(recipe).unwrap();
    let one = Sparse::edges([(0, 0), (0, 0)]).weights(vec![3.0, 3.0]).delays(vec![0.0, 1.5]);
    let one = single(one).unwrap();
    let input = SpikeTrains::from_channels([[2.0, 7.0]]).unwrap();
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let run = |net: &SpikingNetwork| {
        let trace = net.forward(&input, 50.0).unwrap();
        assert!(!trace.spikes(0).is_empty());
        net.backward(&trace, &objective, &[1.0]).unwrap()
    };
    let ((a, x), (b, y)) = (run(&several), run(&one));
    assert!((a.loss - b.loss).abs() < 1e-12);
    let (x, y) = (x.values(), y.values());
    for (a, b) in [(x[0], x[1]), (x[0], y[0]), (x[2], y[1]), (x[3] * 2.0, x[4])] {
        assert!((a - b).abs() < 1e-12 * a.abs() && a != 0.0, "{a} against {b}");
    }
    assert!((x[3] + x[4] - y[2]).abs() < 1e-12 * y[2].abs());
}

#[test]
fn a_mask_is_a_dense_matrix_without_its_zeros() {
    let mask = array![[true, false, true], [false, false, false], [false, true, true]];
    let weights = array![[4.0, 9.0, 5.0], [9.0, 9.0, 9.0], [9.0, 6.0, -1.0]];
    let delays = array![[1.0, 9.0, 2.0], [9.0, 9.0, 9.0], [9.0, 0.0, 3.0]];
    let zeros = Array2::from_shape_fn((3, 3), |k| if mask[k] { weights[k] } else { 0.0 });
    let sparse = Sparse::mask(mask).weights(weights).delays(delays.clone());
    let sparse = between(3, 3, sparse).unwrap();
    assert_eq!(
        rows(&sparse),
        [(0, 0, 4.0, 1.0), (0, 2, 5.0, 2.0), (2, 1, 6.0, 0.0), (2, 2, -1.0, 3.0)]
    );
    let dense = between(3, 3, Dense::weights(zeros).delays(delays)).unwrap();
    let input = SpikeTrains::from_channels([vec![1.0, 5.5], vec![2.0], vec![3.0, 4.0]]).unwrap();
    let (a, b) = (sparse.forward(&input, 50.0).unwrap(), dense.forward(&input, 50.0).unwrap());
    // Arrivals without weight cut the flow into more pieces, each of which is rounded.
    assert_eq!(a.spikes(0).offsets(), b.spikes(0).offsets());
    assert!(a.spikes(0).len() > 1);
    for (a, b) in a.spikes(0).times().iter().zip(b.spikes(0).times()) {
        assert!((a - b).abs() < 1e-13 * b);
    }
}

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
    let recipe = Sparse::edges([(1, 0), (0, 1), (0, 0), (0, 1)])
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
    says(refused(2, 3, Sparse::edges([(3, 0)]).weights(1.0)), &["post 3", "pre 0", "(3, 2)"]);
    says(refused(2, 3, Sparse::edges([(0, usize::MAX)]).weights(1.0)), &["(3, 2)"]);
    let mask = Sparse::mask(Array2::from_elem((2, 3), true)).weights(1.0);
    says(refused(2, 3, mask), &["mask", "(2, 3)", "(3, 2)"]);
    says(refused(2, 3, Dense::weights(vec![1.0; 5])), &["5 weights", "6 are needed"]);
    let matrix = weights().delays(Delays::axonal(array![[1.0, 2.0]]));
    says(refused(3, 3, matrix), &["2 delays", "3 are needed"]);
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
    for (pre, recipe) in [
        (huge, weights()),
        (huge, Sparse::probability(1e-300).weights(1.0)),
        (1 << 31, Sparse::probability(0.9).weights(1.0)),
        (1 << 31, Sparse::fan_in(1 << 31).weights(1.0)),
        (2, Sparse::fan_in(2).copies(huge).weights(1.0)),
        (2, Sparse::edges([(0, 0)]).copies(huge).weights(1.0)),
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

#[test]
fn penalties_on_delays() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let penalty = DelayPenalty { l1: 0.3, l2: 0.7 };
    for delays in 1..DELAYS {
        for pattern in 0..PATTERNS {
            let recipe = recipe((pattern, delays), (3, 4), 1.0, 5.0, &mut rng);
            let net = between(4, 3, recipe).unwrap();
            let mut gradients = Gradients::zeros(net.layout());
            gradients.values_mut().fill(1.0);
            let value = penalty.add_to(&net, &mut gradients).unwrap();
            let of = |s: &(usize, usize, f64, f64)| 0.3 * s.3 + 0.35 * s.3 * s.3;
            let sum: f64 = rows(&net).iter().map(of).sum();
            assert!((value - sum).abs() < 1e-9);
            let mut place = 0;
            for block in 0..net.parameters().len() {
                for k in 0..net.parameters()[block].1.values.len() {
                    let moved = |by: f64| {
                        let mut net = net.clone();
                        net.parameters_mut()[block].1.values[k] += by;
                        net.update();
                        penalty.add_to(&net, &mut Gradients::zeros(net.layout())).unwrap()
                    };
                    // Forwards: some delays start at 0. The error of three points is of second order.
                    let h = 1e-4;
                    let slope = (4.0 * moved(h) - moved(2.0 * h) - 3.0 * moved(0.0)) / (2.0 * h);
                    assert!((gradients.values()[place] - 1.0 - slope).abs() < 1e-6);
                    place += 1;
                }
            }
        }
    }
    let net = single(Dense::weights(1.0).delays(1.0)).unwrap();
    let mut other = Gradients::zeros(Vec::new());
    assert!(matches!(penalty.add_to(&net, &mut other), Err(AdjointError::Layout)));
}
