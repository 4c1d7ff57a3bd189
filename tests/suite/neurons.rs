//! Neurons and their constants: adjoint gradients against finite differences, and closed forms.
//!
//! Seeds are fixed, so that a run is repeatable; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore
//! further. `--nocapture` prints what was checked.

use crate::config;
use approx::assert_relative_eq;
use eventprop::check::GradientCheck;
use eventprop::{
    BuildError, Constant, CrossEntropy, Dense, Engine, ExpWeightedMeanVoltage, FirstSpikeTime,
    Layer, LeakyIntegrator, Lif, Loss, MaxVoltage, MeanSquaredError, MeanVoltage, Network,
    NetworkBuilder, Objective, ParameterKind, Readout, SimulationError, Simulator, SpikeTrains,
    SpikingNetwork,
};
use ndarray::Array2;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeMap;

const DURATION: f64 = 60.0;
const HIDDEN: usize = 3;
const OUTPUT: usize = 2;
const CHANNELS: usize = 2;

/// One value for all neurons of a layer or one for each; fixed or trainable.
#[derive(Debug, Clone)]
struct Values(Vec<f64>, bool);

impl From<Values> for Constant {
    fn from(Values(values, trainable): Values) -> Self {
        let one = || values[0];
        let constant = if values.len() == 1 { one().into() } else { values.into() };
        if trainable { Constant::trainable(constant) } else { constant }
    }
}

fn values(range: std::ops::Range<f64>, size: usize) -> impl Strategy<Value = Values> {
    let len = prop_oneof![Just(1), Just(size)];
    let values = len.prop_flat_map(move |len| prop::collection::vec(range.clone(), len));
    (values, prop::bool::weighted(0.8)).prop_map(|(values, trainable)| Values(values, trainable))
}

/// The constants of a layer, as plain numbers: what a failing test prints.
#[derive(Debug, Clone)]
struct Neurons {
    tau_mem: Values,
    tau_syn: Values,
    threshold: Values,
    reset: Values,
    bias: Option<Values>,
    adaptation: Option<(Values, Values)>,
    rising: Option<(Values, Values)>,
    refractory: Option<Values>,
}

fn neurons(size: usize) -> impl Strategy<Value = Neurons> {
    let v = move |range| values(range, size);
    let maybe = |s: BoxedStrategy<Values>| prop::option::weighted(0.55, s);
    let pair =
        |a: BoxedStrategy<Values>, b: BoxedStrategy<Values>| prop::option::weighted(0.55, (a, b));
    (
        v(6.0..20.0),
        v(3.0..9.0),
        v(0.7..1.2),
        v(-0.5..0.5),
        // Above the threshold a neuron fires on its own.
        maybe(prop_oneof![3 => v(-0.5..0.6), 1 => v(1.3..1.6)].boxed()),
        pair(v(-1.5..0.4).boxed(), v(3.0..40.0).boxed()),
        pair(v(0.05..0.8).boxed(), v(3.0..40.0).boxed()),
        maybe(v(0.5..8.0).boxed()),
    )
        .prop_map(
            |(tau_mem, tau_syn, threshold, reset, bias, adaptation, rising, refractory)| Neurons {
                tau_mem,
                tau_syn,
                threshold,
                reset,
                bias,
                adaptation,
                rising,
                refractory,
            },
        )
}

impl Neurons {
    fn lif(&self, size: usize) -> Lif {
        let Self { tau_mem, tau_syn, threshold, reset, .. } = self.clone();
        let mut lif =
            Lif::new(size).tau_mem(tau_mem).tau_syn(tau_syn).threshold(threshold).reset(reset);
        if let Some(bias) = self.bias.clone() {
            lif = lif.bias(bias);
        }
        if let Some((kick, tau)) = self.adaptation.clone() {
            lif = lif.adaptation(kick, tau);
        }
        if let Some((jump, tau)) = self.rising.clone() {
            lif = lif.adaptive_threshold(jump, tau);
        }
        match self.refractory.clone() {
            Some(time) => lif.refractory(time),
            None => lif,
        }
    }
}

#[derive(Debug, Clone)]
struct Plan {
    hidden: Neurons,
    output: Neurons,
    fires: bool,
    /// Weights and delays: input to hidden, hidden to itself (through a receptor of its own), hidden to
    /// output.
    weights: [Vec<f64>; 3],
    delays: [Vec<f64>; 3],
    input: Vec<Vec<f64>>,
}

fn plan(fires: impl Strategy<Value = bool>) -> impl Strategy<Value = Plan> {
    let sizes = [HIDDEN * CHANNELS, HIDDEN * HIDDEN, OUTPUT * HIDDEN];
    let many = |range: [std::ops::Range<f64>; 3]| {
        let [a, b, c] = range;
        (
            prop::collection::vec(a, sizes[0]),
            prop::collection::vec(b, sizes[1]),
            prop::collection::vec(c, sizes[2]),
        )
            .prop_map(|(a, b, c)| [a, b, c])
    };
    let train = prop::collection::vec(0.0..40.0, 2..6);
    let input = prop::collection::vec(train, CHANNELS).prop_map(|mut trains| {
        trains.iter_mut().for_each(|train| train.sort_by(f64::total_cmp));
        trains
    });
    let weights = many([0.5..5.0, -1.5..0.8, 0.0..4.0]);
    let delays = many([0.0..10.0, 0.0..10.0, 0.0..10.0]);
    (neurons(HIDDEN), neurons(OUTPUT), fires, weights, delays, input).prop_map(
        |(hidden, output, fires, weights, delays, input)| Plan {
            hidden,
            output,
            fires,
            weights,
            delays,
            input,
        },
    )
}

fn build(plan: &Plan) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    net.max_spikes(30);
    let input = net.input("input", CHANNELS);
    let hidden = net.layer("hidden", plan.hidden.lif(HIDDEN));
    let output = if plan.fires {
        net.layer("output", plan.output.lif(OUTPUT))
    } else {
        let Neurons { tau_mem, tau_syn, bias, .. } = plan.output.clone();
        let integrator = LeakyIntegrator::new(OUTPUT).tau_mem(tau_mem).tau_syn(tau_syn);
        net.layer("output", integrator.bias(bias.unwrap_or(Values(vec![0.0], true))))
    };
    let dense = |k: usize, post, pre| {
        let matrix = |v: &[f64]| Array2::from_shape_vec((post, pre), v.to_vec()).unwrap();
        Dense::weights(matrix(&plan.weights[k])).delays(matrix(&plan.delays[k]))
    };
    net.connect(input, hidden, dense(0, HIDDEN, CHANNELS));
    net.connect(hidden, hidden, dense(1, HIDDEN, HIDDEN).tau_syn(4.5));
    net.connect(hidden, output, dense(2, OUTPUT, HIDDEN));
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

/// Per kind of constant: gradients, those not zero, checked, not decided.
type Tally = BTreeMap<String, [usize; 4]>;

fn add<R: Readout<f64>, L: Loss<f64>>(
    tally: &mut Tally,
    plan: &Plan,
    objective: &Objective<R, L>,
    target: &L::Target,
) -> Result<(), TestCaseError> {
    let net = build(plan);
    let input = SpikeTrains::from_channels(plan.input.iter().cloned()).unwrap();
    let trace = match net.forward(&input, DURATION) {
        Err(SimulationError::Runaway { .. }) => return Err(TestCaseError::reject("too busy")),
        trace => trace.unwrap(),
    };
    let (_, gradients) = net.backward(&trace, objective, target).unwrap();
    let report = GradientCheck::new()
        .compare(&net, &input, DURATION, objective, target, &gradients)
        .unwrap();
    prop_assert!(report.classes.iter().all(|c| c.mismatches.is_empty()), "{}", report);
    for ((block, values), class) in gradients.blocks().zip(&report.classes) {
        let sums = tally.entry(block.kind.to_string()).or_default();
        let not_zero = values.iter().filter(|g| **g != 0.0).count();
        let undecided = class.skipped + class.inconclusive;
        for (sum, n) in sums.iter_mut().zip([block.len, not_zero, class.checked, undecided]) {
            *sum += n;
        }
    }
    Ok(())
}

fn objective<R: Readout<f64>, L: Loss<f64>>(
    (name, cases): (&str, u32),
    fires: impl Strategy<Value = bool>,
    objective: Objective<R, L>,
    target: &L::Target,
) {
    let tally: Tally = config::run(name, cases, &plan(fires), |tally: &mut Tally, plan| {
        add(tally, plan, &objective, target)
    });
    println!("{name}: {tally:#?}");
    // The test shall not pass by looking away.
    assert_eq!(tally.len(), 12, "{name}: all kinds");
    for (kind, [gradients, not_zero, checked, undecided]) in tally {
        // What follows an output's first spike does not move that.
        assert!(not_zero >= 10, "{name}, {kind}: few gradients other than zero");
        assert!(checked * 10 > gradients * 9, "{name}, {kind}: few gradients are checked");
        assert!(undecided * 10 < not_zero, "{name}, {kind}: few other than zeros are checked");
    }
}

#[test]
fn gradients_of_first_spikes() {
    let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(4.0));
    objective(("first to fire", 70), Just(true), first, &1);
    let squares = Objective::new(FirstSpikeTime, MeanSquaredError);
    objective(("squares", 70), Just(true), squares, &[30.0, 40.0]);
}

#[test]
fn gradients_of_mean_potentials() {
    let mean = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.2));
    objective(("mean", 40), prop::bool::weighted(0.4), mean, &1);
    let weighted = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new().temperature(0.2));
    objective(("weighted mean", 40), prop::bool::weighted(0.4), weighted, &0);
}

#[test]
fn gradients_of_the_maximum() {
    let maximum = Objective::new(MaxVoltage, CrossEntropy::new().temperature(0.5));
    objective(("maximum", 40), prop::bool::weighted(0.4), maximum, &0);
}

/// A network of one layer, without input.
fn alone(layer: impl Layer<f64> + 'static) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    net.layer("layer", layer);
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

fn nothing() -> SpikeTrains {
    SpikeTrains::silent(0)
}

#[test]
fn a_layer_that_a_bias_drives_needs_no_input() {
    let mut net = NetworkBuilder::new();
    let pacemaker = net.layer("pacemaker", Lif::new(2).bias(vec![1.3, 1.8]));
    let output = net.layer("output", Lif::new(1));
    net.connect(pacemaker, pacemaker, Dense::weights(-0.4).delays(1.0));
    net.connect(pacemaker, output, Dense::weights(4.0).delays(3.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let mut seen = Vec::new();
    for engine in [Engine::Fast, Engine::Plain] {
        let net = net.clone().with_engine(engine);
        let trace = net.forward(&nothing(), 100.0).unwrap();
        assert!(trace.spikes(0).len() > 4 && trace.spikes(1).len() > 2);
        let (_, gradients) = net.backward(&trace, &objective, &[50.0]).unwrap();
        assert!(gradients.values().iter().any(|g| *g != 0.0));
        seen.push((trace.spikes(1).times().to_vec(), gradients.values().to_vec()));
    }
    let (fast, plain) = (&seen[0], &seen[1]);
    assert_relative_eq!(fast.0[..], plain.0[..], max_relative = 1e-12);
    assert_relative_eq!(fast.1[..], plain.1[..], max_relative = 1e-10, epsilon = 1e-12);
    let report = GradientCheck::new().run(&net, &nothing(), 100.0, &objective, &[50.0]).unwrap();
    assert!(report.passed(), "{report}");
    let mut stream = Simulator::new(&net).unwrap();
    let spikes = std::iter::from_fn(|| stream.next_spike(100.0).unwrap());
    assert!(spikes.filter(|spike| spike.layer == 1).map(|spike| spike.time).eq(plain.0.clone()));
}

#[test]
fn a_layer_without_drive_needs_an_input() {
    let build = |lif| {
        let mut net = NetworkBuilder::new();
        net.layer("layer", lif);
        net.build(&mut ChaCha8Rng::seed_from_u64(0)).map(|_| ())
    };
    for lif in [Lif::new(2), Lif::new(2).bias(0.0), Lif::new(2).bias(vec![0.0; 2])] {
        let error = build(lif).unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { .. }), "{error}");
    }
    assert_eq!(build(Lif::new(2).bias(vec![0.0, 1e-3])), Ok(()));
    assert_eq!(build(Lif::new(2).bias(Constant::trainable(0.0))), Ok(()));
}

#[test]
fn a_bias_fires_at_the_closed_form() {
    let (tau, threshold, reset, bias, rest) = (12.0, 0.8, -0.3, 1.4, 3.0);
    let lif = Lif::new(1)
        .tau_mem(Constant::trainable(tau))
        .threshold(Constant::trainable(threshold))
        .bias(Constant::trainable(bias))
        .reset(reset)
        .refractory(rest);
    let net = alone(lif);
    let trace = net.forward(&nothing(), 100.0).unwrap();
    let spikes = trace.spikes(0).times();
    // V = bias (1 - exp(-t / tau)) from 0 on, and from the reset on likewise.
    let first = tau * (bias / (bias - threshold)).ln();
    let next = rest + tau * ((bias - reset) / (bias - threshold)).ln();
    assert_eq!(spikes.len(), 1 + ((100.0 - first) / next) as usize);
    for (k, &spike) in spikes.iter().enumerate() {
        assert_relative_eq!(spike, first + k as f64 * next, max_relative = 1e-13);
    }
    // (first - 10)^2
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let (_, gradients) = net.backward(&trace, &objective, &[10.0]).unwrap();
    let factor = 2.0 * (first - 10.0);
    for (kind, by) in [
        (ParameterKind::TauMem, first), // by the logarithm
        (ParameterKind::Threshold, threshold * tau / (bias - threshold)),
        (ParameterKind::Bias, tau * (1.0 / bias - 1.0 / (bias - threshold))),
    ] {
        let found = gradients.get("layer", kind).unwrap();
        assert_relative_eq!(found[0], factor * by, max_relative = 1e-12);
    }
}

#[test]
fn a_adaptive_threshold_and_an_adaptation_fire_at_the_closed_form() {
    // Everything decays with one constant: with x = exp(-t / tau), V = bias - (bias - reset) x after a
    // spike, and the threshold is 1 + jump x after the first.
    let (tau, reset, bias, jump) = (9.0, 0.2, 1.7, 0.4);
    let lif = || Lif::new(1).tau_mem(tau).reset(reset).bias(bias);
    let spikes = |lif| {
        let trace = alone(lif).forward(&nothing(), 60.0).unwrap();
        trace.spikes(0).times().to_vec()
    };
    let found = spikes(lif().adaptive_threshold(jump, tau));
    let first = tau * (bias / (bias - 1.0)).ln();
    assert_relative_eq!(found[0], first, max_relative = 1e-13);
    let mut raised = jump;
    for pair in found.windows(2) {
        let wait = tau * ((bias - reset + raised) / (bias - 1.0)).ln();
        assert_relative_eq!(pair[1] - pair[0], wait, max_relative = 1e-12);
        raised = raised * (-wait / tau).exp() + jump;
    }
    assert!(found.len() > 4);
    // A current of kick x adds kick (t / tau) x to V.
    let kick = -0.6;
    let found = spikes(lif().adaptation(kick, tau));
    let wait = found[1] - found[0];
    let v = bias + (kick * wait / tau - (bias - reset)) * (-wait / tau).exp();
    assert_relative_eq!(v, 1.0, max_relative = 1e-13);
}

#[test]
fn recordings_know_the_threshold() {
    let (jump, tau) = (0.3, 25.0);
    let net = alone(Lif::new(1).bias(2.0).threshold(0.8).adaptive_threshold(jump, tau));
    let trace = net.forward(&nothing(), 100.0).unwrap();
    let recording = net.record(&trace, 0).unwrap();
    let threshold = |time| recording.threshold(0, time).unwrap().unwrap();
    let spikes = trace.spikes(0).times();
    assert!(spikes.len() > 3);
    for &spike in spikes {
        let v = recording.potential(0, spike).unwrap();
        assert_relative_eq!(threshold(spike), v, max_relative = 1e-13);
    }
    let raised = jump * f64::exp(-1.0 / tau);
    assert_eq!(threshold(spikes[0]), 0.8);
    assert_relative_eq!(threshold(spikes[0] + 1.0), 0.8 + raised, max_relative = 1e-13);
    assert!(recording.threshold(1, 0.0).is_err() && recording.threshold(0, 101.0).is_err());

    let net = alone(LeakyIntegrator::new(1).bias(0.1));
    let trace = net.forward(&nothing(), 10.0).unwrap();
    assert_eq!(net.record(&trace, 0).unwrap().threshold(0, 5.0).unwrap(), None);
}

#[test]
fn a_bias_at_the_threshold_is_no_spike() {
    for bias in [1.0, 1.0 - 1e-15] {
        let trace = alone(Lif::new(1).bias(bias)).forward(&nothing(), 1e6).unwrap();
        assert!(trace.spikes(0).is_empty());
    }
}

#[test]
fn at_most_one_spike_and_v_is_held() {
    let net = alone(Lif::new(1).bias(2.0).reset(-0.25).refractory(f64::INFINITY));
    let trace = net.forward(&nothing(), 500.0).unwrap();
    let &[spike] = trace.spikes(0).times() else { panic!("{:?}", trace.spikes(0)) };
    let recording = net.record(&trace, 0).unwrap();
    assert_relative_eq!(recording.potential(0, spike).unwrap(), 1.0, max_relative = 1e-14);
    for time in [spike + 1e-9, spike + 20.0, 500.0] {
        assert_eq!(recording.potential(0, time).unwrap(), -0.25);
    }
    let before = 2.0 * spike + 2.0 * 20.0 * (-spike / 20.0f64).exp_m1();
    let whole = before - 0.25 * (500.0 - spike);
    assert_relative_eq!(recording.integral(0, 0.0).unwrap(), whole, max_relative = 1e-13);
}
