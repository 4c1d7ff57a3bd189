//! Braille letters, read by a fingertip of taxels that slides over them.
//!
//! ```text
//! cargo run --release --example braille -- --data FILE
//! ```
//!
//! with an event file in the crate's own format (`docs/data.md`), which comes split.

#[path = "recipe/mod.rs"]
mod recipe;

use clap::Parser;
use eventprop::train::{Schedule, Trainer};
use eventprop::{
    Adam, CrossEntropy, Dense, ExpWeightedMeanVoltage, LeakyIntegrator, Lif, NetworkBuilder,
    Objective,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use recipe::{Checkpoints, DataPath, Options, Parts, Report, Result, calibrated};

/// Trains a network to read Braille letters.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    data: DataPath,
    #[command(flatten)]
    checkpoints: Checkpoints,
}

/// How often a hidden neuron fires in a trial before training.
const SPIKES: f64 = 15.0;
const DELAYS: f64 = 20.0;
const LONGEST: f64 = 300.0;

fn main() -> Result<()> {
    let Args { options, data, checkpoints } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::open(&data, "braille7.safetensors")?;
    let parts = if options.quick { parts.quick(70)? } else { parts };
    let duration = parts.train.duration();
    let build = |scale: f64| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", parts.train.channels());
        let hidden = net.layer("hidden", Lif::new(options.hidden(64)));
        let output = net.layer("output", LeakyIntegrator::new(parts.train.classes()));
        let delays = Uniform::new(0.0, DELAYS)?;
        let synapses = Dense::weights(Normal::new(0.0, scale)?);
        net.connect(input, hidden, options.delays().apply(synapses, delays, delays, LONGEST));
        net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.03)?));
        Ok(net.build(&mut ChaCha8Rng::seed_from_u64(options.seed))?)
    };
    let mut net = calibrated(&parts.train, duration, SPIKES, build)?;
    let epochs = options.epochs(30, 2);
    let objective = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::temperature(0.01));
    let trainer = Trainer::new(objective, Adam::new(0.01).delay_rate(1.0))
        .epochs(epochs)
        .batch(16)
        .schedule(Schedule::Cosine { epochs, end: 0.05 });
    let given = (&options, &checkpoints);
    recipe::trained("braille", &mut net, trainer, (&parts, duration), given, &mut report)?;
    report.print();
    Ok(())
}
