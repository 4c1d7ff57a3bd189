//! Spoken words as spikes of a cochlea model: what the recipes `shd` and `ssc` have in common.

use super::recipe::{Checkpoints, DataPath, Options, Parts, Report, Result, Shape, trained};
use clap::Parser;
use eventprop::data::Augmentation;
use eventprop::remedy::SlopeLimiter;
use eventprop::train::{Schedule, Trainer};
use eventprop::{Adam, BackwardOptions, CrossEntropy, ExpWeightedMeanVoltage, Objective};

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
    /// Train without this speaker, and test on him or her alone.
    #[arg(long, value_name = "SPEAKER")]
    held_out: Option<usize>,
}

/// Channels that neighbours are merged to, if there are more.
const CHANNELS: usize = 140;
/// An event less than so many ms after the one before in its channel says little that is new.
const GAP: f64 = 4.0;
const DURATION: f64 = 1000.0;

/// Runs the recipe on the files `NAME_train.h5` and so on in the folder that the command line names.
pub fn run(name: &str) -> Result<()> {
    let Args { options, data, checkpoints, recurrent, held_out } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::hdf5(&data.data, name, (options.seed, held_out), |data| {
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

    let shape = Shape { hidden: 128, recurrent, spikes: 20.0, delays: 150.0, output: 0.1 };
    let mut net = shape.network(&options, &parts.train, DURATION)?;

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
