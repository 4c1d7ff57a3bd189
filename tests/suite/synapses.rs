//! Synapses of every pattern and with delays of every kind: gradients, engines, bounds, rewiring.

use crate::config::config;
use eventprop::check::GradientCheck;
use eventprop::{
    AdjointError, BuildError, CrossEntropy, DelayPenalty, Delays, Dense, Engine, FirstSpikeTime,
    Gradients, Init, LeakyIntegrator, Lif, Loss, MeanSquaredError, MeanVoltage, Network,
    NetworkBuilder, Objective, ParameterKind, Readout, Real, Sparse, SpikeTrains, SpikingNetwork,
    SynapseError, SynapseRecipe,
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
            Sparse::edges(edges.iter().map(|&(post, pre)| (pre, post))).weights(weights)
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
fn without_delays_they_are_zero_and_not_minus_zero() {
    let net = between(2, 1, Dense::weights(1.0)).unwrap();
    let row = net.synapses("input->output").unwrap().row(0);
    assert_eq!(row.delays.iter().map(|d| d.to_bits()).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn gradients_are_exact() {
    run(150, plan(6..14, 60.0), |plan| {
        let (net, input) = build(plan);
        let objective = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.2));
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

pub fn single(recipe: SynapseRecipe) -> Result<SpikingNetwork, BuildError> {
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

pub fn refused(pre: usize, post: usize, recipe: SynapseRecipe) -> SynapseError {
    match between(pre, post, recipe) {
        Err(BuildError::Synapses { name, cause }) => {
            assert_eq!(name, "input->output");
            cause
        }
        other => panic!("{other:?}"),
    }
}

pub fn values(net: &SpikingNetwork, kind: ParameterKind) -> Vec<f64> {
    let parameters = net.parameters();
    let of_kind = parameters.iter().filter(|(_, p)| p.kind == kind);
    of_kind.flat_map(|(_, p)| p.values.iter().copied()).collect()
}

/// (post, pre, weight, delay) of every synapse.
pub fn rows(net: &SpikingNetwork) -> Vec<(usize, usize, f64, f64)> {
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
    let edges = || Sparse::edges([(0, 0), (1, 1), (0, 1), (0, 1)]);
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
