//! The Yin-Yang task: data, network and training.

use crate::recipe::Delays;
use eventprop::data::{YinYang, YinYangPoint};
use eventprop::remedy::SilentNeuronLift;
use eventprop::{
    Adam, CrossEntropy, Dense, Error, FirstSpikeTime, Lif, NetworkBuilder, Objective, Optimizer,
    Sample, SpikeTrains, SpikingNetwork, backward_batch, evaluate_batch,
};
use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::sync::atomic::{AtomicBool, Ordering};

/// The length of a trial in ms.
pub const DURATION: f64 = 60.0;
const BATCH: usize = 150;
/// The sharpness in ms of the softmax over first spike times.
const TAU0: f64 = 0.3;
const WEIGHT_RATE: f64 = 0.02;
/// In ms.
const DELAY_RATE: f64 = 0.1;
/// Rates fall to this fraction of their start over the run.
const FINAL_RATE: f64 = 0.05;

/// Points, their spikes and their classes.
pub struct Split {
    pub points: Vec<YinYangPoint>,
    pub inputs: Vec<SpikeTrains>,
    pub classes: Vec<usize>,
}

impl Split {
    fn draw(n: usize, rng: &mut ChaCha8Rng) -> Self {
        let points = YinYang::default().sample(n, rng);
        let inputs = points.iter().map(YinYang::spikes).collect();
        let classes = points.iter().map(|p| p.class).collect();
        Self { points, inputs, classes }
    }

    fn samples(&self) -> Vec<Sample<'_, usize>> {
        let pairs = self.inputs.iter().zip(&self.classes);
        pairs.map(|(input, target)| Sample { input, target }).collect()
    }
}

pub struct Data {
    pub train: Split,
    pub validation: Split,
    pub test: Split,
}

impl Data {
    /// The published sizes; with `quick` a tenth of them.
    pub fn new(seed: u64, quick: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let share = if quick { 10 } else { 1 };
        Self {
            train: Split::draw(5000 / share, &mut rng),
            validation: Split::draw(1000 / share, &mut rng),
            test: Split::draw(1000 / share, &mut rng),
        }
    }
}

/// The first output neuron to fire names the class.
fn objective() -> Objective<FirstSpikeTime, CrossEntropy> {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(TAU0))
}

pub fn network(
    hidden: usize,
    delays: Delays,
    rng: &mut ChaCha8Rng,
) -> crate::Result<SpikingNetwork> {
    let random = Uniform::new(0.0, 10.0)?;
    let projection =
        |weights: Normal<f64>| delays.apply(Dense::weights(weights), 0.0, random, 30.0);
    let neurons = |size| Lif::new(size).tau_mem(20.0).tau_syn(10.0);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", YinYang::CHANNELS);
    let middle = net.layer("hidden", neurons(hidden));
    let output = net.layer("output", neurons(YinYang::CLASSES));
    // Few hidden neurons must drive the output as strongly as many.
    let scale = 30.0 / hidden as f64;
    net.connect(input, middle, projection(Normal::new(1.5, 1.0)?));
    net.connect(middle, output, projection(Normal::new(0.5 * scale, 0.5 * scale)?));
    Ok(net.build(rng)?)
}

/// What training left behind.
pub struct Trained {
    /// The network of the epoch with the best validation accuracy.
    pub best: SpikingNetwork,
    pub initial: SpikingNetwork,
    /// Per epoch.
    pub loss: Vec<f64>,
    pub train: Vec<f64>,
    pub validation: Vec<f64>,
}

pub fn accuracy(net: &SpikingNetwork, split: &Split) -> Result<f64, Error> {
    let summary = evaluate_batch(net, &split.samples(), DURATION, &objective())?;
    Ok(summary.correct(&split.classes) as f64 / split.classes.len() as f64)
}

/// The class that the network reads in each input, if it reads any.
pub fn classify(net: &SpikingNetwork, inputs: &[SpikeTrains]) -> Result<Vec<Option<usize>>, Error> {
    let samples: Vec<Sample<'_, usize>> =
        inputs.iter().map(|input| Sample { input, target: &0 }).collect();
    Ok(evaluate_batch(net, &samples, DURATION, &objective())?.predictions)
}

pub fn train(
    mut net: SpikingNetwork,
    data: &Data,
    epochs: usize,
    rng: &mut ChaCha8Rng,
    name: &str,
    stop: &AtomicBool,
) -> Result<Trained, Error> {
    let bar = ProgressBar::new(epochs as u64).with_style(
        ProgressStyle::with_template("{prefix:19} {bar:24} {pos:>3}/{len} {msg}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_prefix(name.to_owned());
    let mut adam = Adam::new(WEIGHT_RATE).delay_rate(DELAY_RATE);
    let decay = FINAL_RATE.powf(1.0 / epochs as f64);
    // Heuristic: neurons that fire too rarely have no gradient, so their weights are raised.
    let lift_hidden = SilentNeuronLift::new(0.01);
    let lift_output = SilentNeuronLift::new(0.005).share(0.1);
    let mut best = (f64::NEG_INFINITY, net.clone());
    let mut trained = Trained {
        best: net.clone(),
        initial: net.clone(),
        loss: Vec::new(),
        train: Vec::new(),
        validation: Vec::new(),
    };
    let mut samples = data.train.samples();
    for _ in 0..epochs {
        samples.shuffle(rng);
        let (mut loss, mut correct) = (0.0, 0);
        for batch in samples.chunks(BATCH) {
            let (mut summary, gradients) = backward_batch(&net, batch, DURATION, &objective())?;
            adam.step(&mut net, &gradients)?;
            lift_hidden.apply(&mut net, 0, &mut summary)?;
            lift_output.apply(&mut net, 1, &mut summary)?;
            loss += summary.loss * batch.len() as f64;
            correct += summary.correct(batch.iter().map(|s| s.target));
        }
        adam.rates.scale(decay);
        let n = samples.len() as f64;
        let validation = accuracy(&net, &data.validation)?;
        if validation > best.0 {
            best = (validation, net.clone());
        }
        trained.loss.push(loss / n);
        trained.train.push(correct as f64 / n);
        trained.validation.push(validation);
        bar.set_message(format!(
            "loss {:.4}  train {:5.1} %  validation {:5.1} %",
            loss / n,
            100.0 * correct as f64 / n,
            100.0 * validation
        ));
        bar.inc(1);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    bar.abandon();
    trained.best = best.1;
    Ok(trained)
}
