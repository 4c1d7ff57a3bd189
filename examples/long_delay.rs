//! A task that needs delays: which of two channels leads, and by which of five lags from 40 to 120 ms. The neurons
//! forget within some 5 ms, so that a network without delays cannot know.
//!
//! ```text
//! cargo run --release --example long_delay
//! cargo run --release --example long_delay -- --no-delays
//! ```

#[path = "recipe/mod.rs"]
mod recipe;

use clap::Parser;
use eventprop::data::Dataset;
use eventprop::remedy::SilentNeuronLift;
use eventprop::train::{Every, Schedule, Trainer};
use eventprop::{
    Adam, CrossEntropy, Dense, LeakyIntegrator, Lif, MeanVoltage, NetworkBuilder, Objective,
    SpikingNetwork,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use recipe::{Checkpoints, Options, Parts, Report, Result};

/// Trains a network to tell long lags apart.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    checkpoints: Checkpoints,
}

const LAGS: [f64; 5] = [40.0, 60.0, 80.0, 100.0, 120.0];
const LONGEST: f64 = 150.0;
const DURATION: f64 = 400.0;

fn network(options: &Options, classes: usize) -> Result<SpikingNetwork> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let neurons = Lif::new(options.hidden(40)).tau_mem(5.0).tau_syn(2.5);
    let hidden = net.layer("hidden", neurons);
    let output = net.layer("output", LeakyIntegrator::new(classes));
    let delays = Uniform::new(0.0, LONGEST)?;
    let synapses = Dense::weights(Normal::new(3.0, 0.3)?);
    net.connect(input, hidden, options.delays().apply(synapses, delays, delays, LONGEST));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.3)?));
    Ok(net.build(&mut ChaCha8Rng::seed_from_u64(options.seed))?)
}

fn main() -> std::process::ExitCode {
    recipe::exit(run())
}

fn run() -> Result<()> {
    let Args { options, checkpoints } = Args::parse();
    let mut report = Report::new();
    let draw = |samples, part| Dataset::long_delays(samples, &LAGS, 3 * options.seed + part);
    let parts = Parts { train: draw(1000, 0)?, validation: draw(500, 1)?, test: draw(500, 2)? };
    let mut net = network(&options, parts.train.classes())?;
    let epochs = options.epochs(40, 5);
    let objective = Objective::new(MeanVoltage, CrossEntropy::new().temperature(0.02));
    // Heuristic: a neuron that the two spikes never reach together has no gradient, so its weights are raised.
    let trainer = Trainer::new(objective, Adam::new(0.02).delay_rate(2.0))
        .epochs(epochs)
        .batch(50)
        .schedule(Schedule::Cosine { epochs, end: 0.05 })
        .raise(Every::Batch, 0, SilentNeuronLift::new(0.02));
    let given = (&options, &checkpoints);
    recipe::trained("long_delay", &mut net, trainer, (&parts, DURATION), given, &mut report)?;
    report.print();
    Ok(())
}
