//! A trained network on coarser and coarser hardware: accuracy against the step of delays and the bits of weights, as
//! it is and after fine-tuning.
//!
//! ```text
//! cargo run --release --example quantize            # a few minutes
//! cargo run --release --example quantize -- --quick
//! ```
//!
//! Trains the Yin-Yang task, with learned delays unless told otherwise, rounds, and evaluates exactly. Fine-tuning steps
//! exact parameters by the gradients of the rounded network (a heuristic: `Quantization::straight_through`). Writes
//! `target/quantize/accuracy.svg`.

#[path = "recipe/mod.rs"]
mod recipe;
#[path = "recipe/yin_yang.rs"]
mod yin_yang;

use clap::Parser;
use eventprop::data::Dataset;
use eventprop::plot::{Axis, Chart, Line, Panel};
use eventprop::train::{Metric, evaluate};
use eventprop::{Quantization, SpikingNetwork};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use recipe::{Options, Parts, Pictures, Report, Result};
use yin_yang::{DURATION, network, task, trainer};

/// Quantises a network that has learned Yin-Yang.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    options: Options,
}

/// Trains in place, with rates that begin at this share of the usual ones.
fn train(
    net: &mut SpikingNetwork,
    data: &Parts,
    (epochs, share): (usize, f64),
    seed: u64,
) -> Result<()> {
    trainer(epochs, share).seed(seed).keep_best(Metric::ValidationAccuracy).fit(
        net,
        &data.train,
        Some(&data.validation),
        &mut [],
    )?;
    Ok(())
}

fn accuracy(net: &SpikingNetwork, data: &Dataset) -> Result<f64> {
    Ok(evaluate(net, data, DURATION, &task())?.accuracy())
}

/// One setting, and the accuracy before and after fine-tuning.
struct Outcome {
    step: Option<f64>,
    bits: Option<u32>,
    rounded: f64,
    tuned: f64,
}

fn quantization(step: Option<f64>, bits: Option<u32>) -> Quantization {
    let all = Quantization::new().list(3);
    let all = step.map_or(all, |step| all.delay_step(step));
    bits.map_or(all, |bits| all.weight_bits(bits))
}

fn main() -> std::process::ExitCode {
    recipe::exit(run())
}

fn run() -> Result<()> {
    let Args { options } = Args::parse();
    let mut report = Report::new();
    let folder = options.folder("quantize")?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let (data, _) = yin_yang::data(3000, options.quick, &mut rng)?;
    let mut exact = network(options.hidden(30), (options.delays(), 0.0), &mut rng)?;
    train(&mut exact, &data, (options.epochs(60, 15), 1.0), options.seed)?;
    let best = accuracy(&exact, &data.test)?;
    report.add_accuracy("exact", best);

    // Steps in ms, and bits; `None` is exact.
    let (steps, bits) = if options.quick {
        (vec![None, Some(1.0), Some(4.0)], vec![None, Some(4), Some(2)])
    } else {
        let steps = [0.5, 1.0, 2.0, 4.0, 8.0].map(Some);
        let bits = [6, 5, 4, 3, 2].map(Some);
        ([vec![None], steps.to_vec()].concat(), [vec![None], bits.to_vec()].concat())
    };
    let mut outcomes = Vec::new();
    for &step in &steps {
        for &bits in &bits {
            let quantization = quantization(step, bits);
            let rounded = accuracy(&quantization.apply(&exact)?.0, &data.test)?;
            let mut tuned = rounded;
            if step.is_some() || bits.is_some() {
                let mut fine = quantization.straight_through(&exact)?;
                let epochs = if options.quick { 5 } else { 15 };
                train(&mut fine, &data, (epochs, 0.2), options.seed)?;
                tuned = accuracy(&quantization.apply(&fine)?.0, &data.test)?;
            }
            outcomes.push(Outcome { step, bits, rounded, tuned });
        }
    }
    table("accuracy, rounded", &outcomes, &bits, |o| o.rounded);
    table("accuracy, fine-tuned", &outcomes, &bits, |o| o.tuned);
    moved(&exact, quantization(steps.last().copied().flatten(), bits.last().copied().flatten()))?;
    if let Some(worst) = outcomes.last() {
        report.add_accuracy("coarsest rounded", worst.rounded);
        report.add_accuracy("coarsest fine-tuned", worst.tuned);
    }
    draw(Pictures::new(folder), &outcomes, best)?;
    report.print();
    Ok(())
}

fn name<T: std::fmt::Display>(value: Option<T>, unit: &str) -> String {
    value.map_or("exact".into(), |value| format!("{value} {unit}"))
}

fn table(title: &str, outcomes: &[Outcome], bits: &[Option<u32>], value: impl Fn(&Outcome) -> f64) {
    println!("{title} (delays by weights):");
    let heads: String = bits.iter().map(|b| format!("{:>9}", name(*b, "bits"))).collect();
    println!("{:>9}{heads}", "");
    for row in outcomes.chunks(bits.len()) {
        let cells: String = row.iter().map(|o| format!("{:>9.3}", value(o))).collect();
        println!("{:>9}{cells}", name(row[0].step, "ms"));
    }
}

/// Which synapses the coarsest rounding moved most.
fn moved(exact: &SpikingNetwork, coarsest: Quantization) -> Result<()> {
    for projection in coarsest.apply(exact)?.1.projections {
        println!("{} at the coarsest:", projection.name);
        for (what, rounding) in [("weights", projection.weights), ("delays", projection.delays)] {
            let (largest, mean, distinct) = (rounding.largest, rounding.mean, rounding.distinct);
            println!(
                "  {what}: moved by {mean:.3} on average, {largest:.3} at most; {distinct} values"
            );
            for m in rounding.most_moved {
                println!("    {} -> {}: {:.3} became {:.3}", m.pre, m.post, m.before, m.after);
            }
        }
    }
    Ok(())
}

fn draw(mut pictures: Pictures, outcomes: &[Outcome], best: f64) -> Result<()> {
    let panel = |x: Axis, setting: fn(&Outcome) -> Option<f64>| {
        let points = |value: fn(&Outcome) -> f64| -> Vec<(f64, f64)> {
            outcomes.iter().filter_map(|o| Some((setting(o)?, value(o)))).collect()
        };
        Panel::new(x, Axis::linear("test accuracy"))
            .line(Line::new("exact", points(|_| 0.0).iter().map(|p| (p.0, best))).grey())
            .line(Line::new("rounded", points(|o| o.rounded)).colour(0).dots())
            .line(Line::new("fine-tuned", points(|o| o.tuned)).colour(1).dots())
    };
    let step = |o: &Outcome| o.step.filter(|_| o.bits.is_none());
    let bits = |o: &Outcome| o.bits.filter(|_| o.step.is_none()).map(f64::from);
    let chart = Chart::new()
        .title("Yin-Yang, quantised")
        .panel(panel(Axis::log("step of delays (ms), exact weights"), step))
        .panel(panel(Axis::linear("bits of weights, exact delays"), bits));
    pictures.save("accuracy", chart.draw())
}
