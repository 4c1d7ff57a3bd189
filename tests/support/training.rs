//! A small task with everything that a resumed run has to bring back.
#![allow(dead_code)] // Each test takes what it needs.

use eventprop::data::{Augmentation, Dataset};
use eventprop::remedy::{SilentNeuronLift, WeightBump};
use eventprop::train::{Every, Metric, Schedule, Schedules, Trainer};
use eventprop::{
    Adam, Constant, CrossEntropy, Delays, Dense, LeakyIntegrator, Lif, MaxVoltage, NetworkBuilder,
    Objective, Sparse, SpikeTrains, SpikingNetwork,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

pub type Task = Objective<MaxVoltage, CrossEntropy>;

pub fn objective() -> Task {
    Objective::new(MaxVoltage, CrossEntropy::new())
}

/// Channels of a class tend to fire early, the others late.
pub fn data(samples: usize, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sample = |k: usize| {
        let label = k % 3;
        let channels = (0..6).map(|channel| {
            let start = if channel % 3 == label { 1.0 } else { 8.0 };
            let mut times: Vec<f64> = (0..3).map(|_| start + rng.random_range(0.0..10.0)).collect();
            times.sort_by(f64::total_cmp);
            times
        });
        (SpikeTrains::from_channels(channels).unwrap(), label)
    };
    Dataset::from_samples(6, 3, 30.0, (0..samples).map(sample).collect::<Vec<_>>()).unwrap()
}

/// Sparse and dense, recurrent, delays of several kinds, trainable constants.
pub fn network() -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 6);
    let hidden = net.layer("hidden", Lif::new(8).tau_mem(Constant::trainable(15.0)).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(3));
    let delays = || Uniform::new(0.0, 5.0).unwrap();
    let dense = Dense::weights(Normal::new(1.2, 0.8).unwrap()).delays(delays());
    net.connect(input, hidden, dense.delays(Delays::axonal(1.0)));
    net.connect(hidden, hidden, Sparse::fan_in(2).weights(-0.2).delays(delays()));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.5).unwrap()).fixed_delays(1.0));
    net.connect(input, output, Dense::weights(0.01).delays(0.5));
    net.build(&mut ChaCha8Rng::seed_from_u64(5)).unwrap()
}

/// Everything at once.
pub fn trainer(epochs: usize) -> Trainer<Task, Adam> {
    let plateau = Schedule::Plateau { metric: Metric::ValidationLoss, patience: 1, factor: 0.7 };
    let schedules = Schedules {
        weights: Schedule::ease_in().and(plateau),
        delays: Schedule::Cosine { epochs: 8, end: 0.1 },
        constants: Schedule::Exponential { factor: 0.9 },
    };
    Trainer::new(objective(), Adam::new(0.05).delay_rate(0.1).constant_rate(0.01))
        .epochs(epochs)
        .batch(7)
        .seed(11)
        .schedule(schedules)
        .augment(Augmentation::default().shift(2).jitter(0.3).drop(0.1).blend(4))
        .raise(Every::Batch, 0, WeightBump::new(1e-4).growth(1.5))
        .raise(Every::Epoch, 0, SilentNeuronLift::new(0.002))
        .keep_best(Metric::ValidationLoss)
}
