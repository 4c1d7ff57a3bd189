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
use eventprop::{Adam, CrossEntropy, ExpWeightedMeanVoltage, Objective};
use recipe::{Checkpoints, DataPath, Options, Parts, Report, Result, Shape};

/// Trains a network to read Braille letters.
#[derive(Parser)]
struct Args {
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

fn main() -> std::process::ExitCode {
    recipe::exit(run())
}

fn run() -> Result<()> {
    let Args { options, data, checkpoints, recurrent } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::open(&data, "braille7.safetensors")?;
    let parts = if options.quick { parts.quick(70)? } else { parts };
    let duration = parts.train.duration();
    let shape = Shape {
        hidden: 64,
        recurrent,
        spikes: 15.0,
        tau_syn: 5.0,
        delays: 20.0,
        longest: 300.0,
        outputs: 1,
        output: 0.03,
    };
    let mut net = shape.network(&options, &parts.train, duration)?;
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
