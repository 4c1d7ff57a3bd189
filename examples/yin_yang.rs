//! Yin-Yang with learnable delays, and without: trains both, draws what they learned.
//!
//! ```text
//! cargo run --release --example yin_yang
//! ```
//!
//! Data and sizes are those of Mészáros, Knight and Nowotny (2025): four inputs that fire once each, 30
//! hidden and 3 output LIF neurons, the first output to fire names the class. Loss, rates and bounds are not: docs/results.md.

#[path = "recipe/mod.rs"]
mod recipe;
#[path = "recipe/yin_yang.rs"]
mod yin_yang;

use clap::Parser;
use eventprop::data::{Dataset, YinYang, YinYangPoint};
use eventprop::plot::{Confusion, DecisionMap, TrainingCurves, TrainingRun};
use eventprop::{Sample, SpikeTrains, SpikingNetwork, evaluate_batch, train::evaluate};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use recipe::{Checkpoints, Delays, Fitted, Options, Pictures, Report, Result};
use std::{process::ExitCode, sync::atomic::Ordering};
use yin_yang::{DURATION, network, task, trainer};

/// Trains Yin-Yang with learnable delays and without, or in one way only.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    checkpoints: Checkpoints,
}

const CLASS_NAMES: [&str; 3] = ["yin", "yang", "dot"];

/// A way to have delays, the network that came of it, and how.
type Run = (Delays, SpikingNetwork, Fitted);

fn main() -> ExitCode {
    recipe::exit(run())
}

fn run() -> Result<()> {
    let Args { options, checkpoints } = Args::parse();
    let mut report = Report::new();
    let stop = recipe::on_ctrl_c()?;
    let folder = options.folder("yin_yang")?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let (data, points) = yin_yang::data(1000, options.quick, &mut rng)?;
    let ways = options.asked_delays().map_or(vec![Delays::Learned, Delays::None], |way| vec![way]);

    let mut runs = Vec::new();
    for way in ways {
        // All networks start from the same weights and see the samples in the same order.
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(1);
        let mut net = network(options.hidden(30), (way, 0.0), &mut rng)?;
        let epochs = options.epochs(100, 5);
        println!("{}: {epochs} epochs of {} samples", way.name(), data.train.len());
        let file = way.name().replace(' ', "_");
        let log = folder.join(&file).with_extension("csv");
        let given = (options.seed, &checkpoints.within(&file), stop.clone());
        let fitted = recipe::fit(&mut net, trainer(epochs, 1.0), (&data, DURATION), given, &log)?;
        let name = match way {
            Delays::Learned => "with delays",
            Delays::Fixed => "fixed delays",
            Delays::None => "without delays",
        };
        report.add_accuracy(name, evaluate(&net, &data.test, DURATION, &task())?.accuracy());
        runs.push((way, net, fitted));
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    draw(Pictures::new(folder), (&data.test, &points), &runs)?;
    report.print();
    Ok(())
}

/// The class that the network reads in each input, if it reads any.
fn classify(net: &SpikingNetwork, inputs: &[SpikeTrains]) -> Result<Vec<Option<usize>>> {
    let samples: Vec<_> = inputs.iter().map(|input| Sample { input, target: &0 }).collect();
    Ok(evaluate_batch(net, &samples, DURATION, &task())?.predictions)
}

/// Pictures of the first network, and the curves of all.
fn draw(
    mut pictures: Pictures,
    (test, points): (&Dataset, &[YinYangPoint]),
    runs: &[Run],
) -> Result<()> {
    const GRID: usize = 160;
    let (_, net, fitted) = &runs[0];
    let plane: Vec<SpikeTrains> = DecisionMap::grid(GRID).map(|p| YinYang::spikes(&p)).collect();
    let inputs: Vec<SpikeTrains> = points.iter().map(YinYang::spikes).collect();
    let found = classify(net, &inputs)?;
    let map = DecisionMap::new(GRID, &classify(net, &plane)?)?.points(points, &found)?;
    pictures.save("decision_map", map.draw())?;
    let classes: Vec<usize> = points.iter().map(|point| point.class).collect();
    pictures.save("confusion", Confusion::of(&CLASS_NAMES, &classes, &found)?.draw())?;
    pictures.parameters(&fitted.initial, net)?;

    let mut samples = Vec::new();
    for (class, name) in CLASS_NAMES.iter().enumerate() {
        // The first test sample of each class that is read rightly, if there is one.
        let of_class = |&k: &usize| test.label(k) == class;
        let mut candidates = (0..test.len()).filter(of_class);
        let first = candidates.clone().next().ok_or("the test set lacks a class")?;
        let sample = candidates.find(|&k| found[k] == Some(class)).unwrap_or(first);
        let read = found[sample].map_or("nothing", |class| CLASS_NAMES[class]);
        samples.push((format!("{name}, read as {read}"), &inputs[sample], DURATION));
    }
    pictures.trials(net, &samples, |raster| {
        raster.names("input", &["x", "y", "1 − x", "1 − y"]).classes("output", &CLASS_NAMES)
    })?;

    let curves = runs.iter().fold(TrainingCurves::new(), |curves, (way, _, fitted)| {
        curves.run(TrainingRun::of(way.name(), &fitted.history))
    });
    pictures.save("curves", curves.draw())?;
    pictures.announce();
    Ok(())
}
