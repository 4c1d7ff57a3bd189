//! Spoken words as spikes of a cochlea model: what the recipes `shd` and `ssc` have in common.

use super::recipe::{Checkpoints, DataPath, Options, Parts, Report, Result, calibrated, trained};
use clap::Parser;
use eventprop::data::Augmentation;
use eventprop::remedy::SlopeLimiter;
use eventprop::train::{Schedule, Trainer};
use eventprop::{
    Adam, BackwardOptions, CrossEntropy, Dense, ExpWeightedMeanVoltage, LeakyIntegrator, Lif,
    NetworkBuilder, Objective,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

/// Trains a network to tell spoken words apart.
#[derive(Parser)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    data: DataPath,
    #[command(flatten)]
    checkpoints: Checkpoints,
    /// Connect the hidden layer with itself.
    #[arg(long)]
    recurrent: bool,
}

/// Channels that neighbours are merged to, if there are more.
const CHANNELS: usize = 140;
/// An event less than so many ms after the one before in its channel says little that is new.
const GAP: f64 = 4.0;
const DURATION: f64 = 1000.0;
/// How often a hidden neuron fires in a trial before training.
const SPIKES: f64 = 20.0;
const DELAYS: f64 = 150.0;
const LONGEST: f64 = 300.0;

/// Runs the recipe on the files `NAME_train.h5` and so on in the folder that the command line names.
pub fn run(name: &str) -> Result<()> {
    let Args { options, data, checkpoints, recurrent } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::hdf5(&data.data, name, options.seed, |data| {
        let width = (data.channels() / CHANNELS).max(1);
        Ok(data.merge_channels(width)?.cut(DURATION)?.thin(GAP)?)
    })?;
    let parts = if options.quick { parts.quick(40)? } else { parts };
    println!(
        "{} training, {} validation, {} test samples, {} channels, {} classes",
        parts.train.len(),
        parts.validation.len(),
        parts.test.len(),
        parts.train.channels(),
        parts.train.classes()
    );

    let build = |scale: f64| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", parts.train.channels());
        let hidden = net.layer("hidden", Lif::new(options.hidden(128)));
        let output = net.layer("output", LeakyIntegrator::new(parts.train.classes()));
        let delays = Uniform::new(0.0, DELAYS)?;
        let synapses = Dense::weights(Normal::new(0.0, scale)?);
        net.connect(input, hidden, options.delays().apply(synapses, delays, delays, LONGEST));
        if recurrent {
            let synapses = Dense::weights(Normal::new(0.0, 0.05)?);
            let delays = Uniform::new(0.0, 50.0)?;
            net.connect(hidden, hidden, options.delays().apply(synapses, delays, delays, LONGEST));
        }
        net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.1)?));
        Ok(net.build(&mut ChaCha8Rng::seed_from_u64(options.seed))?)
    };
    let mut net = calibrated(&parts.train, DURATION, SPIKES, build)?;

    let epochs = options.epochs(40, 2);
    let objective = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::temperature(0.01));
    // Heuristic: gradients through spikes that graze the threshold are limited.
    let limiter = BackwardOptions::new().limit_slopes(SlopeLimiter::Relative(3.0));
    let trainer = Trainer::new(objective, Adam::new(0.006).delay_rate(10.0))
        .epochs(epochs)
        .batch(32)
        .schedule(Schedule::Cosine { epochs, end: 0.05 })
        .augment(Augmentation::default().shift(3))
        .backward(limiter);
    let given = (&options, &checkpoints);
    trained(name, &mut net, trainer, (&parts, DURATION), given, &mut report)?;
    report.print();
    Ok(())
}
