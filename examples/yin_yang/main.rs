//! Yin-Yang with learnable delays, and without: trains both, draws what they learned.
//!
//! ```text
//! cargo run --release --example yin_yang
//! ```
//!
//! The setting is that of Mészáros, Knight and Nowotny (2025): four inputs that fire once each, 30
//! hidden and 3 output LIF neurons, the first output to fire names the class.

#[path = "../recipe/mod.rs"]
mod recipe;
mod train;

use clap::Parser;
use eventprop::SpikeTrains;
use eventprop::data::YinYang;
use eventprop::plot::{Confusion, DecisionMap, TrainingCurves, TrainingRun};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use recipe::{Delays, Options, Pictures, Report, Result};
use train::{DURATION, Data, Trained, accuracy, classify, network, train};

/// Trains Yin-Yang with learnable delays and without, or in one way only.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

const CLASS_NAMES: [&str; 3] = ["yin", "yang", "dot"];

fn main() -> Result<()> {
    let Args { options } = Args::parse();
    let mut report = Report::new();
    let stop = recipe::on_ctrl_c()?;
    let folder = options.folder("yin_yang")?;
    let data = Data::new(options.seed, options.quick);
    let ways = options.asked_delays().map_or(vec![Delays::Learned, Delays::None], |way| vec![way]);

    let mut runs = Vec::new();
    for way in ways {
        // All networks start from the same weights and see the samples in the same order.
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(1);
        let net = network(options.hidden(30), way, &mut rng)?;
        let trained = train(net, &data, options.epochs(100, 5), &mut rng, way.name(), &stop)?;
        let name = match way {
            Delays::Learned => "with delays",
            Delays::Fixed => "fixed delays",
            Delays::None => "without delays",
        };
        report.add_accuracy(name, accuracy(&trained.best, &data.test)?);
        runs.push((way, trained));
    }
    draw(Pictures::new(folder), &data, &runs)?;
    report.print();
    Ok(())
}

/// Pictures of the first network, and the curves of all.
fn draw(mut pictures: Pictures, data: &Data, runs: &[(Delays, Trained)]) -> Result<()> {
    const GRID: usize = 160;
    let first = &runs[0].1;
    let plane: Vec<SpikeTrains> = DecisionMap::grid(GRID).map(|p| YinYang::spikes(&p)).collect();
    let map = classify(&first.best, &plane)?;
    let found = classify(&first.best, &data.test.inputs)?;
    let map = DecisionMap::new(GRID, &map)?.points(&data.test.points, &found)?;
    pictures.save("decision_map", map.draw())?;
    pictures.save("confusion", Confusion::of(&CLASS_NAMES, &data.test.classes, &found)?.draw())?;
    pictures.parameters(&first.initial, &first.best)?;

    let mut samples = Vec::new();
    for (class, name) in CLASS_NAMES.iter().enumerate() {
        // The first test sample of each class that is read rightly, if there is one.
        let of_class = |k: &usize| data.test.classes[*k] == class;
        let mut candidates = (0..data.test.classes.len()).filter(of_class);
        let first = candidates.clone().next().ok_or("the test set lacks a class")?;
        let sample = candidates.find(|&k| found[k] == Some(class)).unwrap_or(first);
        let read = found[sample].map_or("nothing", |class| CLASS_NAMES[class]);
        samples.push((format!("{name}, read as {read}"), &data.test.inputs[sample], DURATION));
    }
    pictures.trials(&first.best, &samples, |raster| {
        raster.names("input", &["x", "y", "1 − x", "1 − y"]).classes("output", &CLASS_NAMES)
    })?;

    let curves = runs.iter().fold(TrainingCurves::new(), |curves, (way, t)| {
        let run = TrainingRun::new(way.name()).train_loss(t.loss.clone());
        let run = run.train_accuracy(t.train.clone());
        curves.run(run.validation_accuracy(t.validation.clone()))
    });
    pictures.save("curves", curves.draw())?;
    pictures.announce();
    Ok(())
}
