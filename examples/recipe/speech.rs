//! Spoken words as spikes of a cochlea model: what the recipes `shd` and `ssc` have in common.

use super::recipe::{
    Checkpoints, DataPath, Options, Parts, Report, Result, Shape, Windows, limited_slopes, trained,
};
use clap::Parser;
use eventprop::data::Augmentation;
use eventprop::train::{Schedule, Trainer};
use eventprop::{Adam, CrossEntropy, Objective};

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
    held_out: Option<u32>,
}

/// Channels that neighbours are merged to, if there are more.
const CHANNELS: usize = 35;
/// One event in so many of a channel is kept: about 1000 of the 8000 of a word say as much.
const EVERY: u32 = 8;
const DURATION: f64 = 1000.0;
/// Times in ms for which what the outputs of a class hear counts.
const WINDOWS: &[f64] = &[100.0, 300.0, 1000.0];

/// Runs a recipe. Files are `NAME_train.h5` and so on, in the folder that the command line names.
pub fn run(name: &str) -> Result<()> {
    let Args { options, data, checkpoints, recurrent, held_out } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::hdf5(&data.data, name, (options.seed, held_out), |data| {
        let width = (data.channels() / CHANNELS).max(1);
        Ok(data.merge_channels(width)?.with_duration(DURATION)?.every(EVERY)?)
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

    let shape = Shape {
        hidden: 128,
        recurrent,
        spikes: 20.0,
        tau_mem: 20.0,
        tau_syn: 10.0,
        lags: 3,
        delays: 300.0,
        longest: 500.0,
        outputs: WINDOWS.len(),
        output: 0.1,
    };
    let mut net = shape.network(&options, &parts.train, DURATION)?;

    let epochs = options.epochs(30, 2);
    let objective = Objective::new(Windows(WINDOWS), CrossEntropy::new().temperature(0.1));
    let trainer = Trainer::new(objective, Adam::new(0.005).delay_rate(1.0))
        .epochs(epochs)
        .batch(16)
        .schedule(Schedule::Cosine { epochs, end: 0.02 })
        .augment(Augmentation::default().shift(1).stretch(0.15))
        .backward(limited_slopes());
    let given = (&options, &checkpoints);
    trained(name, &mut net, trainer, (&parts, DURATION), given, &mut report)?;
    report.print();
    Ok(())
}
