//! The Yin-Yang task: data and sizes as in Mészáros, Knight and Nowotny (2025), training not.

// Not every example needs all of it.
#![allow(dead_code)]

use super::recipe::{Delays, Parts, Result};
use eventprop::data::{YinYang, YinYangPoint};
use eventprop::remedy::SilentNeuronLift;
use eventprop::train::{Every, Schedule, Trainer};
use eventprop::{
    Adam, CrossEntropy, Dense, FirstSpikeTime, Lif, NetworkBuilder, Objective, SpikingNetwork,
};
use rand::rngs::ChaCha8Rng;
use rand_distr::{Normal, Uniform};

/// The length of a trial in ms.
pub const DURATION: f64 = 60.0;

/// The first output neuron to fire names the class. The softmax over first spike times has a sharpness of 0.3 ms.
pub type Task = Objective<FirstSpikeTime, CrossEntropy>;

pub fn task() -> Task {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(0.3))
}

/// 5000 points for training, 1000 for validation and so many for the test, a tenth of each with `quick`; and those of the
/// test.
pub fn data(test: usize, quick: bool, rng: &mut ChaCha8Rng) -> Result<(Parts, Vec<YinYangPoint>)> {
    let mut draw = |n: usize| YinYang::default().sample(if quick { n / 10 } else { n }, &mut *rng);
    let (train, validation, points) = (draw(5000), draw(1000), draw(test));
    let set = |points: &[YinYangPoint]| YinYang::dataset(points, DURATION);
    let parts = Parts { train: set(&train)?, validation: set(&validation)?, test: set(&points)? };
    Ok((parts, points))
}

/// Delays that are learned begin at `start` ms.
pub fn network(
    hidden: usize,
    (delays, start): (Delays, f64),
    rng: &mut ChaCha8Rng,
) -> Result<SpikingNetwork> {
    let random = Uniform::new(0.0, 10.0)?;
    let projection =
        |weights: Normal<f64>| delays.apply(Dense::weights(weights), start, random, 30.0);
    let neurons = |size| Lif::new(size).tau_mem(20.0).tau_syn(10.0);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", YinYang::CHANNELS);
    let middle = net.layer("hidden", neurons(hidden));
    let output = net.layer("output", neurons(YinYang::CLASSES));
    // Few hidden neurons must drive the output as strongly as many.
    let scale = 15.0 / hidden as f64;
    net.connect(input, middle, projection(Normal::new(1.5, 1.0)?));
    net.connect(middle, output, projection(Normal::new(scale, scale)?));
    Ok(net.build(rng)?)
}

/// Rates begin at this share of 0.02 for weights and 0.1 ms for delays, and fall to a twentieth over the epochs.
pub fn trainer(epochs: usize, share: f64) -> Trainer<Task, Adam> {
    Trainer::new(task(), Adam::new(0.02 * share).delay_rate(0.1 * share))
        .epochs(epochs)
        .batch(150)
        .schedule(Schedule::Exponential { factor: 0.05_f64.powf(1.0 / epochs as f64) })
        // Heuristic: neurons that fire too rarely have no gradient, so their weights are raised.
        .raise(Every::Batch, 0, SilentNeuronLift::new(0.01))
        .raise(Every::Batch, 1, SilentNeuronLift::new(0.005).share(0.1))
}
