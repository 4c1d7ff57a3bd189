//! How fast networks are simulated and differentiated, beside the loop of a time-stepped code.
//!
//! ```text
//! cargo run --release --example throughput -- --workload recurrent --hidden 512 --max-delay 250
//! ```

mod load;

use clap::Parser;
use eventprop::Network;
use load::{Inputs, Stepped, Workload, backward, events, network};
use rayon::prelude::*;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

/// Measures time per synaptic event, forward and backward.
#[derive(Debug, Parser)]
struct Args {
    /// What is simulated.
    #[arg(long, value_enum, default_value = "feedforward")]
    workload: Workload,
    /// Neurons per hidden layer [default: 256; 30 for yin_yang].
    #[arg(long)]
    hidden: Option<usize>,
    /// The longest delay in ms; delays are drawn from 0 to it.
    #[arg(long, default_value_t = 150.0)]
    max_delay: f64,
    /// The mean weight of the input; hidden neurons fire more for larger ones.
    #[arg(long, default_value_t = 0.03)]
    input_weight: f64,
    /// Threads that samples are spread over.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Samples per thread.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// An event file to take the input from; without it, events of the same statistics.
    #[arg(long)]
    data: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let hidden = args.hidden.unwrap_or(if args.workload == Workload::YinYang { 30 } else { 256 });
    let count = (args.samples * args.threads).max(1);
    let inputs = match &args.data {
        Some(path) => Inputs::read(path, count)?,
        None => Inputs::generate(args.workload, count, 1),
    };
    let channels = inputs.samples.first().ok_or("there are no samples")?.channels();
    let net = network(args.workload, channels, hidden, args.max_delay, args.input_weight)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;

    // One round that does not count: memory and caches are cold.
    net.forward(&inputs.samples[0], inputs.duration)?;
    let start = Instant::now();
    let traces = pool.install(|| {
        let all = inputs.samples.par_iter().map(|s| net.forward(s, inputs.duration));
        all.collect::<Result<Vec<_>, _>>()
    })?;
    let forward = start.elapsed().as_secs_f64();
    let start = Instant::now();
    pool.install(|| {
        let pairs = traces.par_iter().zip(&inputs.labels);
        pairs.try_for_each(|(t, &label)| backward(args.workload, &net, t, label).map(drop))
    })?;
    let back = start.elapsed().as_secs_f64();

    let samples = inputs.samples.len() as f64;
    let total: usize = traces.iter().map(|t| events(args.workload, &net, t)).sum();
    let spikes: usize = traces.iter().map(|t| t.spikes(0).len()).sum();
    let per_event = |seconds: f64| seconds * 1e9 / total as f64;
    println!(
        "result: ms_per_sample={:.3} forward_ns_per_event={:.2} backward_ns_per_event={:.2} \
         stepped_ns_per_event={:.2} events_per_sample={:.0} hidden_spikes_per_neuron={:.1} peak_mib={}",
        (forward + back) * 1e3 / samples,
        per_event(forward),
        per_event(back),
        stepped(&net, &inputs),
        total as f64 / samples,
        spikes as f64 / samples / hidden as f64,
        peak_mib().map_or("unknown".into(), |mib| format!("{mib:.0}")),
    );
    Ok(())
}

/// ns per addition of the time-stepped loop on one thread, best of three.
fn stepped(net: &eventprop::SpikingNetwork, inputs: &Inputs) -> f64 {
    let Some(mut stepped) = Stepped::new(net, &inputs.samples[0]) else { return f64::NAN };
    let mut run = || {
        let start = Instant::now();
        std::hint::black_box(stepped.run());
        start.elapsed().as_secs_f64() * 1e9 / stepped.events() as f64
    };
    (0..3).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// The greatest resident size so far, where the system tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
