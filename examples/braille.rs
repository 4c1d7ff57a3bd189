//! Braille letters, read by a fingertip of taxels that slides over them.
//!
//! ```text
//! cargo run --release --example braille -- --data FILE
//! ```
//!
//! with an event file in the crate's own format (`docs/data.md`).

#[path = "recipe/mod.rs"]
mod recipe;

use clap::Parser;
use eventprop::data::Augmentation;
use eventprop::train::{Schedule, Trainer};
use eventprop::{Adam, CrossEntropy, ExpWeightedMeanVoltage, Objective};
use recipe::{Checkpoints, DataPath, Options, Parts, Report, Result, Shape, Windows};

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
    /// Slow neurons that hear each channel at several lags, and read-outs for early and late: for letters that pass in a
    /// second, not in a tenth of it.
    #[arg(long)]
    slow: bool,
}

/// Times in ms for which what the outputs of a class hear counts, of slow neurons.
const WINDOWS: &[f64] = &[150.0, 300.0, 450.0, 600.0, 800.0, 1000.0, 1280.0];

fn main() -> std::process::ExitCode {
    recipe::exit(run())
}

fn run() -> Result<()> {
    let Args { options, data, checkpoints, recurrent, slow } = Args::parse();
    let mut report = Report::new();
    let parts = Parts::open(&data, "braille7.safetensors", options.seed)?;
    let parts = if options.quick { parts.quick(70)? } else { parts };
    let duration = parts.train.duration();
    let shape = Shape {
        hidden: 64,
        recurrent,
        spikes: 15.0,
        tau_mem: 20.0,
        tau_syn: 5.0,
        lags: 1,
        delays: 20.0,
        longest: 300.0,
        outputs: 1,
        output: 0.03,
    };
    let slow_shape = Shape {
        tau_mem: 100.0,
        tau_syn: 40.0,
        lags: 6,
        delays: 1000.0,
        longest: 1200.0,
        outputs: WINDOWS.len(),
        output: 0.1,
        ..shape
    };
    let shape = if slow { slow_shape } else { shape };
    let mut net = shape.network(&options, &parts.train, duration)?;
    let epochs = options.epochs(if slow { 60 } else { 30 }, 2);
    let (given, parts) = ((&options, &checkpoints), (&parts, duration));
    if slow {
        let objective = Objective::new(Windows(WINDOWS), CrossEntropy::new().temperature(0.1));
        let trainer = trainer(objective, epochs, (0.02, 12.0), 0.02)
            .augment(Augmentation::default().jitter(30.0).drop(0.3))
            .backward(recipe::limited_slopes());
        recipe::trained("braille", &mut net, trainer, parts, given, &mut report)?;
    } else {
        let objective =
            Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new().temperature(0.01));
        let trainer = trainer(objective, epochs, (0.01, 1.0), 0.05);
        recipe::trained("braille", &mut net, trainer, parts, given, &mut report)?;
    }
    report.print();
    Ok(())
}

/// What slow neurons and others have in common: all but the rates of weights and of delays, in ms, and the share of them in
/// the end.
fn trainer<G>(goal: G, epochs: usize, (weights, delays): (f64, f64), end: f64) -> Trainer<G, Adam> {
    Trainer::new(goal, Adam::new(weights).delay_rate(delays))
        .epochs(epochs)
        .batch(16)
        .schedule(Schedule::Cosine { epochs, end })
}
