//! Sequence detection, the first task of Mészáros, Knight and Nowotny (2025): two channels fire 10 ms apart, in one
//! order or the other. Weights are fixed at 1; only the four delays are learned, from the worst start.
//!
//! ```text
//! cargo run --release --example sequence
//! ```

use eventprop::data::Dataset;
use eventprop::train::{Metric, Trainer, evaluate};
use eventprop::{
    Adam, CrossEntropy, Delays, Dense, LeakyIntegrator, MaxVoltage, NetworkBuilder, Objective,
    SpikingNetwork,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// How often each example is shown.
const PRESENTATIONS: usize = 6;

/// Two leaky integrators; each delays the channel that it should not.
fn network() -> Result<SpikingNetwork, eventprop::BuildError> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let output = net.layer("output", LeakyIntegrator::new(2).tau_mem(10.0).tau_syn(5.0));
    let worst = Delays::per_synapse(vec![0.0, 10.0, 10.0, 0.0]);
    net.connect(input, output, Dense::weights(1.0).fixed_weights().delays(worst.max(1000.0)));
    net.build(&mut ChaCha8Rng::seed_from_u64(1))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Dataset::sequences(&[&[0, 1], &[1, 0]], 10.0)?;
    let objective = Objective::new(MaxVoltage, CrossEntropy::new().temperature(0.1));
    let duration = 60.0;
    let mut net = network()?;
    println!(
        "before: {:.0} % right",
        100.0 * evaluate(&net, &data, duration, &objective)?.accuracy()
    );
    let trainer = Trainer::new(objective, Adam::new(0.0).delay_rate(1.0))
        .batch(1)
        .epochs(PRESENTATIONS)
        .duration(duration);
    let history = trainer.fit(&mut net, &data, Some(&data), &mut [])?;
    for report in &history.epochs {
        let accuracy = Metric::ValidationAccuracy.of(report).unwrap_or(f64::NAN);
        println!("after {} presentations: {:.0} % right", report.epoch + 1, 100.0 * accuracy);
    }
    let synapses = net.synapses("input->output").ok_or("the projection is gone")?;
    for neuron in 0..2 {
        println!("delays onto output {neuron}: {:.2?} ms", synapses.row(neuron).delays);
    }
    let accuracy = evaluate(&net, &data, duration, &objective)?.accuracy();
    println!("result: accuracy={accuracy} presentations={PRESENTATIONS}");
    Ok(())
}
