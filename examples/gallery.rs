//! Every kind of picture, of a small network and of made-up results.
//!
//! ```text
//! cargo run --release --example gallery   # writes target/gallery/*.svg
//! ```

use eventprop::plot::{
    Axis, Chart, Comparison, Confusion, DecisionMap, Histograms, Line, Membranes, Panel, Picture,
    Raster, TrainingCurves, TrainingRun, Trial,
};
use eventprop::{
    Dense, LeakyIntegrator, Lif, Network, NetworkBuilder, SpikeTrains, SpikingNetwork,
    data::YinYang,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal, Uniform};
use std::error::Error;
use std::path::Path;

/// Inputs that fire now and then onto neurons whose thresholds rise, and a read-out.
fn network(delay: f64, rng: &mut ChaCha8Rng) -> Result<SpikingNetwork, Box<dyn Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 100);
    let hidden = net.layer("hidden", Lif::new(40).rising_threshold(0.4, 60.0));
    let output = net.layer("output", LeakyIntegrator::new(5));
    let dense = Dense::weights(Normal::new(0.15, 0.2)?);
    net.connect(input, hidden, dense.delays(Uniform::new(0.0, delay)?));
    net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.3)?).delays(1.0));
    Ok(net.build(rng)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("target/gallery");
    std::fs::create_dir_all(folder)?;
    let save = |name: &str, picture: Picture| picture.save(folder.join(name).with_extension("svg"));
    let mut rng = ChaCha8Rng::seed_from_u64(1);

    let before = network(10.0, &mut rng)?;
    let net = network(40.0, &mut rng)?;
    let events: Vec<_> =
        (0..1500).map(|_| (200.0 * rng.random::<f64>(), rng.random_range(0..100))).collect();
    let trace = net.forward(&SpikeTrains::from_events(100, events)?, 200.0)?;
    save("raster", Raster::new().trial(Trial::of(&net, &trace).title("a trial")).draw()?)?;
    save("membranes", Membranes::new(&net, &trace, 0).neurons([0, 1, 2]).draw()?)?;
    save("read_out", Membranes::new(&net, &trace, 1).neurons([0, 4]).draw()?)?;
    save("delays", Histograms::delays(&before, &net).draw()?)?;
    save("weights", Histograms::weights(&before, &net).draw()?)?;

    let run = |name, best: f64| {
        let approach = move |gap: f64| move |k: i32| best - gap - (best - 0.1) * 0.9f64.powi(k);
        let epochs = |f: &dyn Fn(i32) -> f64| (0..60).map(f).collect::<Vec<f64>>();
        TrainingRun::new(name)
            .train_accuracy(epochs(&approach(0.0)))
            .validation_accuracy(epochs(&approach(0.03)))
            .train_loss(epochs(&|k| 2.0 * (1.02 - best) + 2.0 * 0.93f64.powi(k)))
    };
    let curves = TrainingCurves::new().run(run("delays", 0.99)).run(run("no delays", 0.88));
    save("curves", curves.draw()?)?;

    let mut seeds = |mean: f64| -> Result<Vec<f64>, Box<dyn Error>> {
        Ok(Normal::new(mean, 1.0)?.sample_iter(&mut rng).take(5).collect())
    };
    let sizes = [16, 32, 64, 128, 256];
    let mut series = |start: f64, end: f64| -> Result<Vec<_>, Box<dyn Error>> {
        let points = sizes.iter().enumerate();
        points.map(|(k, n)| Ok((n, seeds(start + (end - start) * k as f64 / 4.0)?))).collect()
    };
    let comparison = Comparison::new("hidden neurons", "test accuracy (%)")
        .series("learned delays", series(86.0, 95.0)?)
        .series("fixed random delays", series(78.0, 93.0)?)
        .series("no delays", series(60.0, 82.0)?)
        .reference("a published figure", 86.0);
    save("comparison", comparison.clone().title("Delays help small networks most").draw()?)?;
    save("bars", comparison.bars().draw()?)?;

    let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let labels: Vec<usize> = (0..500).map(|k| k % 10).collect();
    let mistaken = |&class: &usize| match rng.random_range(0..100) {
        0..6 => Some((class + rng.random_range(0..10)) % 10),
        6 => None,
        _ => Some(class),
    };
    let found: Vec<_> = labels.iter().map(mistaken).collect();
    save("confusion", Confusion::of(&names, &labels, &found)?.draw()?)?;

    let task = YinYang::default();
    let grid: Vec<_> = DecisionMap::grid(100).map(|p| task.classify(p.x + 0.02, p.y)).collect();
    let points = task.sample(300, &mut ChaCha8Rng::seed_from_u64(1));
    let answers: Vec<_> = points.iter().map(|p| task.classify(p.x + 0.02, p.y)).collect();
    save("decision_map", DecisionMap::new(100, &grid)?.points(&points, &answers)?.draw()?)?;

    let curve = |power: f64| (0..7).map(move |k| (2f64.powi(k), 3.0 * 2f64.powi(k).powf(power)));
    let panel = |x| Panel::new(Axis::log(x), Axis::log("time (ms)"));
    let chart = Chart::new().title("Cost by size").note("Made up.");
    let chart = ["neurons", "spikes"].into_iter().fold(chart, |chart, x| {
        let panel = panel(x).line(Line::new("forward", curve(1.0)).dots());
        chart.panel(panel.line(Line::new("backward", curve(1.2)).colour(0).pale().dots()))
    });
    save("chart", chart.draw()?)?;
    println!("pictures: {}/*.svg", folder.display());
    Ok(())
}
