//! Yin-Yang with learnable delays, and without: trains both, draws what they learned.
//!
//! ```text
//! cargo run --release --example yin_yang
//! ```
//!
//! The setting is that of Mészáros, Knight and Nowotny (2025): four inputs that fire once each, 30
//! hidden and 3 output LIF neurons, the first output to fire names the class.

mod plots;
mod train;

use clap::Parser;
use eventprop::data::{YinYang, YinYangPoint};
use eventprop::{Network, ParameterKind, SpikeTrains, SpikingNetwork};
use plots::{Panel, Run};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::error::Error;
use std::path::Path;
use std::time::Instant;
use train::{DURATION, Data, Trained, accuracy, classify, network, train};

/// Trains Yin-Yang with and without learnable delays.
#[derive(Parser)]
struct Args {
    /// Seed of data, initial weights and order of samples.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the training set (default 100, with --quick 5).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Hidden neurons.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    hidden: u32,
    /// A tenth of the data and few epochs, to see that it works.
    #[arg(long)]
    quick: bool,
}

const CLASS_NAMES: [&str; 3] = ["yin", "yang", "dot"];

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let start = Instant::now();
    let epochs = args.epochs.unwrap_or(if args.quick { 5 } else { 100 }) as usize;
    let data = Data::new(args.seed, args.quick);

    let run = |delays, name| -> Result<Trained, Box<dyn Error>> {
        // Both networks start from the same weights and see the samples in the same order.
        let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
        rng.set_stream(1);
        let net = network(args.hidden as usize, delays, &mut rng)?;
        Ok(train(net, &data, epochs, &mut rng, name)?)
    };
    let with = run(true, "with delays")?;
    let without = run(false, "delays at zero")?;
    let with_accuracy = accuracy(&with.best, &data.test)?;
    let without_accuracy = accuracy(&without.best, &data.test)?;

    let folder = Path::new("target/yin_yang");
    std::fs::create_dir_all(folder)?;
    draw(folder, &data, &with, &without, with_accuracy)?;
    println!(
        "pictures: {0}/decision_map.svg {0}/raster.svg {0}/delays.svg {0}/curves.svg",
        folder.display()
    );
    println!(
        "result: with_delays={with_accuracy:.3} without_delays={without_accuracy:.3} seconds={:.1}",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn draw(
    folder: &Path,
    data: &Data,
    with: &Trained,
    without: &Trained,
    test_accuracy: f64,
) -> Result<(), Box<dyn Error>> {
    const GRID: usize = 160;
    let at = |k: usize| (k as f64 + 0.5) / GRID as f64;
    let plane: Vec<SpikeTrains> = (0..GRID * GRID)
        .map(|k| YinYang::spikes(&YinYangPoint { x: at(k % GRID), y: at(k / GRID), class: 0 }))
        .collect();
    let map = classify(&with.best, &plane)?;
    let found = classify(&with.best, &data.test.inputs)?;
    let points: Vec<(f64, f64, usize, bool)> = data
        .test
        .points
        .iter()
        .zip(&found)
        .map(|(p, &class)| (p.x, p.y, p.class, p.class == class))
        .collect();
    plots::decision_map(&folder.join("decision_map.svg"), GRID, &map, test_accuracy, &points)?;

    let mut panels = Vec::new();
    for (class, name) in CLASS_NAMES.iter().enumerate() {
        // The first test sample of each class that is read rightly, if there is one.
        let of_class = |k: &usize| data.test.classes[*k] == class;
        let mut candidates = (0..data.test.classes.len()).filter(of_class);
        let first = candidates.clone().next().ok_or("the test set lacks a class")?;
        let sample = candidates.find(|&k| found[k] == class).unwrap_or(first);
        panels.push(panel(&with.best, &data.test.inputs[sample], name, found[sample])?);
    }
    plots::raster(&folder.join("raster.svg"), &panels)?;

    let delays = |net: &SpikingNetwork, owner: &str| -> Vec<f64> {
        let parameters = net.parameters();
        let mine = parameters.iter().filter(|(o, p)| *o == owner && p.kind == ParameterKind::Delay);
        mine.flat_map(|(_, p)| p.values.to_vec()).collect()
    };
    let change = |owner| (owner, delays(&with.initial, owner), delays(&with.best, owner));
    plots::delays(&folder.join("delays.svg"), &["input->hidden", "hidden->output"].map(change))?;

    let curves = |name: &str, t: &Trained| Run {
        name: name.into(),
        loss: t.loss.clone(),
        train: t.train.clone(),
        validation: t.validation.clone(),
    };
    plots::curves(
        &folder.join("curves.svg"),
        &[curves("with delays", with), curves("delays at zero", without)],
    )
}

fn panel(
    net: &SpikingNetwork,
    input: &SpikeTrains,
    class: &str,
    found: usize,
) -> Result<Panel, Box<dyn Error>> {
    let trace = net.forward(input, DURATION)?;
    let rows = |trains: &SpikeTrains| trains.iter().map(<[f64]>::to_vec).collect();
    Ok(Panel {
        title: format!("{class}, read as {}", CLASS_NAMES[found]),
        input: rows(input),
        hidden: rows(trace.spikes(0)),
        output: rows(trace.spikes(1)),
        duration: DURATION,
    })
}
