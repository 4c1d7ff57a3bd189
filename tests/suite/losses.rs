//! Losses and read-outs: closed forms, several parts, and one from outside the crate.
//!
//! Their gradients through random networks are in `gradients.rs`, and on both engines in `engines.rs`.

#[path = "../../examples/custom_loss.rs"]
#[allow(dead_code)]
mod custom_loss;

use approx::assert_relative_eq;
use eventprop::check::GradientCheck;
use eventprop::{
    Assessment, BatchSummary, ClassWeights, CrossEntropy, Dense, Engine, Error, FirstSpikeTime,
    Goal, LeakyIntegrator, Lif, Loss, LossError, MaxVoltage, MeanSquaredError, MeanVoltage,
    Network, NetworkBuilder, Objective, ParameterKind, Reading, ReadoutError, Sample, SpikeCount,
    SpikeTimeSquares, SpikeTimes, SpikeTrains, SpikingNetwork, Trace, VanRossum, VoltageAt,
    backward_batch, evaluate_batch,
};
use ndarray::array;
use rand::{SeedableRng, rngs::ChaCha8Rng};

const ENGINES: [Engine; 2] = [Engine::Fast, Engine::Plain];
pub const DURATION: f64 = 50.0;

/// Time constants with ratio 2, for which much is elementary.
const TAU_MEM: f64 = 10.0;
const TAU_SYN: f64 = 5.0;

/// Two neurons that fire, of which the second never does, and two integrators; all driven by the input.
pub fn network(engine: Engine) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let spiking = net.layer("spiking", Lif::new(2).tau_mem(TAU_MEM).tau_syn(TAU_SYN));
    let output = net.layer("output", LeakyIntegrator::new(2).tau_mem(TAU_MEM).tau_syn(TAU_SYN));
    net.connect(input, spiking, Dense::weights(array![[5.0], [0.5]]).delays(array![[1.0], [2.0]]));
    net.connect(input, output, Dense::weights(array![[0.8], [-0.6]]).delays(array![[3.0], [0.0]]));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap().with_engine(engine)
}

pub fn input() -> SpikeTrains {
    SpikeTrains::from_channels([[4.0]]).unwrap()
}

pub fn trace(net: &SpikingNetwork) -> Trace {
    net.forward(&input(), DURATION).unwrap()
}

/// V of a unit arrival at 0 and its derivative: tau_syn / (tau_mem - tau_syn) (exp(-t/tau_mem) - exp(-t/tau_syn)).
fn response(t: f64) -> (f64, f64) {
    if t <= 0.0 {
        return (0.0, 0.0);
    }
    let (m, s) = ((-t / TAU_MEM).exp(), (-t / TAU_SYN).exp());
    let scale = TAU_SYN / (TAU_MEM - TAU_SYN);
    (scale * (m - s), scale * (s / TAU_SYN - m / TAU_MEM))
}

pub fn trains(trains: &[&[f64]]) -> SpikeTrains {
    SpikeTrains::from_channels(trains.iter().map(|t| t.to_vec())).unwrap()
}

#[test]
fn potentials_at_given_times_in_closed_form() {
    let times = [2.0, 9.5, 30.0, DURATION];
    let objective = Objective::new(VoltageAt::new(times), MeanSquaredError);
    let target = [0.1, 0.2, 0.3, 0.0, -0.1, 0.0, 0.4, 0.2];
    for engine in ENGINES {
        let net = network(engine);
        let (evaluation, gradients) = net.backward(&trace(&net), &objective, &target).unwrap();
        let of = |kind| gradients.get("input->output", kind).unwrap();
        let mut loss = 0.0;
        for (n, (weight, delay)) in [(0.8, 3.0), (-0.6, 0.0)].into_iter().enumerate() {
            let (mut by_weight, mut by_delay) = (0.0, 0.0);
            for (k, time) in times.into_iter().enumerate() {
                let (v, slope) = response(time - 4.0 - delay);
                let miss = weight * v - target[4 * n + k];
                assert_relative_eq!(evaluation.readout[4 * n + k], weight * v, epsilon = 1e-15);
                loss += miss * miss / 8.0;
                by_weight += miss * v / 4.0;
                by_delay -= miss * weight * slope / 4.0;
            }
            assert_relative_eq!(of(ParameterKind::Weight)[n], by_weight, max_relative = 1e-12);
            assert_relative_eq!(of(ParameterKind::Delay)[n], by_delay, max_relative = 1e-12);
        }
        assert_relative_eq!(evaluation.loss, loss, max_relative = 1e-13);
    }
}

/// With x = exp(-t/tau_mem), V = w (x - x^2) = 1: the first spike, and its dt/dw = -(V/w) / V'.
#[test]
fn spike_trains_in_closed_form() {
    let x = (1.0 + (1.0 - 4.0 / 5.0f64).sqrt()) / 2.0;
    let elapsed = -TAU_MEM * x.ln();
    let first = 5.0 + elapsed;
    let by_weight = -(1.0 / 5.0) / (5.0 * response(elapsed).1);
    for engine in ENGINES {
        let net = network(engine);
        let trace = trace(&net);
        let spikes = trace.spikes(0);
        assert_eq!((spikes.channel(0).len(), spikes.channel(1).len()), (1, 0));
        assert_relative_eq!(spikes.channel(0)[0], first, max_relative = 1e-13);
        let weight = |gradients: &eventprop::Gradients| {
            gradients.get("input->spiking", ParameterKind::Weight).unwrap()[0]
        };
        // One spike 3 ms early, and one that is missing.
        let target = trains(&[&[first + 3.0], &[20.0]]);
        let objective = Objective::new(SpikeTimes, VanRossum::new(2.0)).on_layer(0);
        let (evaluation, gradients) = net.backward(&trace, &objective, &target).unwrap();
        assert_relative_eq!(evaluation.loss, 1.5 - (-1.5f64).exp(), max_relative = 1e-12);
        let expected = -(-1.5f64).exp() / 2.0 * by_weight;
        assert_relative_eq!(weight(&gradients), expected, max_relative = 1e-10);

        let objective = Objective::new(SpikeTimes, SpikeTimeSquares).on_layer(0);
        let (evaluation, gradients) = net.backward(&trace, &objective, &target).unwrap();
        let expected = (9.0 + (DURATION - 20.0) * (DURATION - 20.0)) / 2.0;
        assert_relative_eq!(evaluation.loss, expected, max_relative = 1e-12);
        assert_relative_eq!(weight(&gradients), -3.0 * by_weight, max_relative = 1e-10);
    }
}

#[test]
fn counts_have_no_gradient_unless_the_heuristic_is_asked_for() {
    let layer_0 = |readout| Objective::new(readout, MeanSquaredError).on_layer(0);
    for engine in ENGINES {
        let net = network(engine);
        let exact = layer_0(SpikeCount::new());
        let (evaluation, gradients) = net.backward(&trace(&net), &exact, &[4.0, 0.0]).unwrap();
        assert_eq!((evaluation.readout, evaluation.loss), (vec![1.0, 0.0], 4.5));
        assert!(gradients.values().iter().all(|&g| g == 0.0));
        let check = GradientCheck::new();
        let report = check.run(&net, &input(), DURATION, &exact, &[4.0, 0.0]).unwrap();
        assert!(report.classes.iter().all(|c| c.mismatches.is_empty()), "{report}");
        // They are zero, so that is all that can be told.
        assert!(report.small() == report.checked() && !report.passed(), "{report}");

        // dL/dy = -3, and V = 1 at the spike is w times something: dV/dw = 1/5.
        let heuristic = layer_0(SpikeCount::new().voltage_heuristic(0.5));
        let (_, gradients) = net.backward(&trace(&net), &heuristic, &[4.0, 0.0]).unwrap();
        let weights = gradients.get("input->spiking", ParameterKind::Weight).unwrap();
        assert_relative_eq!(weights[0], -3.0 * 0.5 / 5.0, max_relative = 1e-12);
        assert_eq!(weights[1], 0.0, "a silent neuron gets nothing");
        // It is no gradient, and the checker says so.
        assert!(!check.run(&net, &input(), DURATION, &heuristic, &[4.0, 0.0]).unwrap().passed());
    }
}

pub struct Wanted {
    pub label: usize,
    pub trains: SpikeTrains,
    pub curve: Vec<f64>,
}

pub fn wanted() -> Wanted {
    Wanted { label: 1, trains: trains(&[&[9.0], &[]]), curve: vec![0.1, 0.2] }
}

pub fn classify() -> Objective<MaxVoltage, CrossEntropy> {
    Objective::new(MaxVoltage, CrossEntropy::new().temperature(0.1))
}

pub fn imitate() -> Objective<SpikeTimes, VanRossum> {
    Objective::new(SpikeTimes, VanRossum::new(4.0)).on_layer(0).weight(0.25)
}

pub fn follow() -> Objective<VoltageAt, MeanSquaredError> {
    Objective::new(VoltageAt::new([20.0]), MeanSquaredError).weight(3.0)
}

/// `follow` comes first: the prediction is that of the first part that makes one.
pub fn parts() -> impl Goal<f64, Target = Wanted> {
    follow()
        .target(|wanted: &Wanted| &wanted.curve[..])
        .and(classify().target(|wanted: &Wanted| &wanted.label))
        .and(imitate().target(|wanted: &Wanted| &wanted.trains))
}

#[test]
fn parts_add_up() {
    for engine in ENGINES {
        let (net, wanted) = (network(engine), wanted());
        let trace = trace(&net);
        let (all, gradients) = net.backward(&trace, &parts(), &wanted).unwrap();
        let (a, by_a) = net.backward(&trace, &follow(), &wanted.curve[..]).unwrap();
        let (b, by_b) = net.backward(&trace, &classify(), &wanted.label).unwrap();
        let (c, by_c) = net.backward(&trace, &imitate(), &wanted.trains).unwrap();
        // A weight is in the loss, but not in the losses of parts.
        assert_relative_eq!(a.loss, 3.0 * a.losses[0]);
        assert_eq!(all.losses, [a.losses[0], b.losses[0], c.losses[0]]);
        assert_relative_eq!(all.loss, a.loss + b.loss + c.loss, max_relative = 1e-15);
        assert_eq!(all.readout, [a.readout, b.readout, c.readout].concat());
        assert_eq!((all.prediction, b.prediction), (Some(0), Some(0)));
        assert_eq!((a.prediction, c.prediction), (None, None));
        for (k, g) in gradients.values().iter().enumerate() {
            let sum = by_a.values()[k] + by_b.values()[k] + by_c.values()[k];
            assert_relative_eq!(*g, sum, max_relative = 1e-13, epsilon = 1e-17);
        }
        assert_eq!(net.evaluate(&trace, &parts(), &wanted).unwrap(), all);
        let report = GradientCheck::new().run(&net, &input(), DURATION, &parts(), &wanted).unwrap();
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn another_part_does_not_decide_for_outputs_that_tell_nothing() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(3));
    let output = net.layer("output", Lif::new(2));
    net.connect(input, hidden, Dense::weights(ndarray::array![[5.0], [6.0], [9.0]]));
    net.connect(hidden, output, Dense::weights(0.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let trace = net.forward(&SpikeTrains::from_channels([[1.0]]).unwrap(), DURATION).unwrap();
    let first = || Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(2.0));
    assert_eq!(net.evaluate(&trace, &first().on_layer(0), &0).unwrap().prediction, Some(2));
    let parts = first().and(first().on_layer(0));
    assert_eq!(net.evaluate(&trace, &parts, &0).unwrap().prediction, None);
    let weighted = Objective::new(
        FirstSpikeTime,
        ClassWeights::new(CrossEntropy::first_to_fire(2.0), [1.0, 2.0]),
    );
    let parts = weighted.and(first().on_layer(0));
    assert_eq!(net.evaluate(&trace, &parts, &0).unwrap().prediction, None);
}

#[test]
fn batches_of_several_parts() {
    let (net, wanted) = (network(Engine::Fast), wanted());
    let other = SpikeTrains::from_channels([[2.0, 3.0]]).unwrap();
    let inputs = [input(), other];
    let samples: Vec<_> =
        (0..20).map(|k| Sample { input: &inputs[k % 2], target: &wanted }).collect();
    let (summary, _) = backward_batch(&net, &samples, DURATION, &parts()).unwrap();
    let evaluated = evaluate_batch(&net, &samples, DURATION, &parts()).unwrap();
    // The health is that of the backward pass.
    let health = summary.health.clone();
    assert_eq!(BatchSummary { health, ..evaluated.clone() }, summary);
    let one =
        |input| net.evaluate(&net.forward(input, DURATION).unwrap(), &parts(), &wanted).unwrap();
    let (a, b) = (one(&inputs[0]), one(&inputs[1]));
    assert_relative_eq!(summary.loss, (a.loss + b.loss) / 2.0, max_relative = 1e-14);
    assert_eq!(summary.losses.len(), 3);
    for (k, loss) in summary.losses.iter().enumerate() {
        assert_relative_eq!(*loss, (a.losses[k] + b.losses[k]) / 2.0, max_relative = 1e-14);
    }
    // Chosen at run time.
    let chosen: Box<dyn Goal<f64, Target = Wanted>> = Box::new(parts());
    assert_eq!(evaluate_batch(&net, &samples, DURATION, &*chosen).unwrap(), evaluated);
    assert_eq!(summary.predictions.len(), 20);
    assert_eq!(summary.correct(&[0; 20]), 20);
}

/// A silent layer reads as nothing, and nothing makes a gradient; it is no error.
#[test]
fn silent_neurons() {
    let quiet = SpikeTrains::silent(1);
    for engine in ENGINES {
        let net = network(engine);
        let trace = net.forward(&quiet, DURATION).unwrap();
        let nothing = |(evaluation, gradients): (eventprop::Evaluation, eventprop::Gradients)| {
            assert!(gradients.values().iter().all(|&g| g == 0.0));
            evaluation
        };
        let target = trains(&[&[10.0, 30.0], &[]]);
        let distance = Objective::new(SpikeTimes, VanRossum::new(5.0)).on_layer(0);
        let evaluation = nothing(net.backward(&trace, &distance, &target).unwrap());
        assert_relative_eq!(evaluation.loss, 1.0 + (-4f64).exp(), max_relative = 1e-14);
        assert!(evaluation.readout.is_empty());
        let both_silent = net.backward(&trace, &distance, &SpikeTrains::silent(2)).unwrap();
        assert_eq!(nothing(both_silent).loss, 0.0);
        let squares = Objective::new(SpikeTimes, SpikeTimeSquares).on_layer(0);
        let evaluation = nothing(net.backward(&trace, &squares, &target).unwrap());
        assert_eq!(evaluation.loss, 0.5 * (1600.0 + 400.0));
        let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0)).on_layer(0);
        assert_eq!(nothing(net.backward(&trace, &first, &0).unwrap()).readout, [DURATION; 2]);
        let counts = SpikeCount::new().voltage_heuristic(1.0);
        let counts = Objective::new(counts, MeanSquaredError).on_layer(0);
        assert_eq!(nothing(net.backward(&trace, &counts, &[1.0, 1.0]).unwrap()).loss, 1.0);
        let curve = [0.0, 0.2];
        assert_relative_eq!(
            nothing(net.backward(&trace, &follow(), &curve).unwrap()).loss,
            0.06,
            max_relative = 1e-14
        );
    }
}

/// A goal from outside that reads two layers at once: L = V_out(20) t_first.
struct Product;

impl Goal<f64> for Product {
    type Target = ();

    fn assess(
        &self,
        network: &dyn Network<f64>,
        trace: &Trace,
        _: &(),
        assessment: &mut Assessment,
    ) -> Result<(), Error> {
        let v = network.record(trace, 1)?.potential(0, 20.0)?;
        let t = trace.spikes(0).times()[0];
        assessment.evaluation.loss += v * t;
        assessment.evaluation.losses.push(v * t);
        if assessment.differentiate {
            assessment.sensitivity.layers[0].spike_times[0] += v;
            let term = eventprop::PotentialSensitivity::At { neuron: 0, time: 20.0, gradient: t };
            assessment.sensitivity.layers[1].potentials.push(term);
        }
        Ok(())
    }
}

#[test]
fn a_goal_from_outside_passes_the_checker() {
    for engine in ENGINES {
        let net = network(engine);
        let report = GradientCheck::new().run(&net, &input(), DURATION, &Product, &()).unwrap();
        assert!(report.passed() && report.checked() == 9, "{report}");
    }
}

#[test]
fn a_custom_loss_and_readout_pass_the_checker_and_learn() {
    let (objective, target) = (custom_loss::objective(), custom_loss::INTERVALS);
    let input = custom_loss::input().unwrap();
    for engine in ENGINES {
        let net = custom_loss::network().unwrap().with_engine(engine);
        let trace = net.forward(&input, 60.0).unwrap();
        assert!(trace.spikes(0).iter().all(|train| train.len() >= 2));
        let report = GradientCheck::new().run(&net, &input, 60.0, &objective, &target[..]).unwrap();
        assert!(report.passed(), "{report}");
        assert!(report.checked() > 40 && report.skipped() == 0, "{report}");
    }
    let losses = custom_loss::train(150).unwrap();
    assert!(losses[149] < 1e-2 * losses[0], "{} to {}", losses[0], losses[149]);
    let error = custom_loss::Huber { width: 1.0 }.evaluate(&Reading::new(1.0), &target, &mut []);
    assert_eq!(error, Err(LossError::TargetLength { found: 3, expected: 0 }));
}

/// Objectives work in single precision as well.
#[test]
fn single_precision() {
    let mut net = NetworkBuilder::<f32>::new();
    let input = net.input("input", 1);
    let layer = net.layer("spiking", Lif::new(1));
    net.connect(input, layer, Dense::weights(20.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let trains = SpikeTrains::from_channels([[1.0]]).unwrap();
    let trace = net.forward(&trains, DURATION).unwrap();
    let target = SpikeTrains::from_channels([[trace.spikes(0).times()[0] + 1.0]]).unwrap();
    let distance = Objective::new(SpikeTimes, VanRossum::new(50.0)).target(|t: &SpikeTrains| t);
    let mean = Objective::new(MeanVoltage, MeanSquaredError).target(|_: &SpikeTrains| &[0.0][..]);
    let (evaluation, gradients) = net.backward(&trace, &distance.and(mean), &target).unwrap();
    assert!(evaluation.losses.iter().all(|&loss| loss > 0.0));
    assert!(gradients.values().iter().all(|g| *g != 0.0));
}

#[test]
fn a_prediction_needs_no_label() {
    for engine in ENGINES {
        let mut net = network(engine);
        let trace = trace(&net);
        let classify = Objective::new(MaxVoltage, CrossEntropy::new());
        let evaluation = net.evaluate(&trace, &classify, &1).unwrap();
        assert_eq!(classify.predict(&net, &trace).unwrap(), Some(0));
        assert_eq!(evaluation.prediction, Some(0));
        // The first neuron of layer 0 fires, the second never does.
        let first = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0)).on_layer(0);
        assert_eq!(first.predict(&net, &trace).unwrap(), Some(0));
        let squares = Objective::new(MaxVoltage, MeanSquaredError);
        assert_eq!(squares.predict(&net, &trace).unwrap(), None);

        let error = classify.on_layer(2).predict(&net, &trace).unwrap_err();
        assert!(matches!(error, Error::Readout(ReadoutError::NoSuchLayer { layer: 2, layers: 2 })));
        net.update();
        assert!(classify.predict(&net, &trace).is_err(), "the trace is of other parameters");
    }
}
