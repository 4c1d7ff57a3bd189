//! How fast networks are simulated and differentiated, beside the loop of a time-stepped code.
//!
//! ```text
//! cargo run --release --example throughput -- --workload recurrent --hidden 512 --max-delay 250
//! cargo run --release --example throughput -- --sweep
//! ```

mod args;
mod events;
mod load;
mod memory;
mod sweep;

use args::{Args, Precision};
use clap::Parser;
use eventprop::{Network, Real, SpikingNetwork, Trace};
use load::{CHUNK, Inputs, Load, Stepped, Sums, Workload};
use memory::Memory;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let done = match (args.sweep, args.precision) {
        (true, _) => sweep::run(&args.out, args.quick),
        (false, Precision::F64) => measure::<f64>(&args),
        (false, Precision::F32) => measure::<f32>(&args),
    };
    match done {
        Ok(result) => {
            println!("result: {result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures one load.
fn measure<F: Real>(args: &Args) -> Result<String> {
    let load = args.load()?;
    let (samples, all) = args.samples(&load)?;
    let inputs = match &args.data {
        Some(path) => events::read(path, all)?,
        None => Inputs::generate(&load, all),
    };
    args.check_size(&load, &inputs)?;
    let memory = Memory::now();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let weights = load.weights(&inputs)?;
    if load.input_weight.is_none() {
        eprint!("bisection on the first samples gave a mean input weight of {:.3e}", weights.input);
        match load.workload {
            Workload::Fig8 => eprintln!(", and {:.3e} between hidden layers", weights.inner),
            _ => eprintln!(),
        }
    }
    let trained = match args.batch() {
        Some(batch) => {
            let net = load.network::<F>(&inputs, weights)?;
            let seconds = pool.install(|| train(&load, net, &inputs, batch))?;
            let what = "forward, backward and update in batches of";
            eprintln!("{all} samples, {what} {batch}: {seconds:.3} s");
            Some((seconds, memory.peak_mib()))
        }
        None => None,
    };
    let net = load.network::<F>(&inputs, weights)?;
    let passes = Passes::run(&load, &net, &inputs, samples, &pool)?;
    let count = samples as f64;
    let (ms_per_sample, peak) = match trained {
        Some((seconds, peak)) => (seconds * 1e3 / all as f64, peak),
        None => ((passes.forward + passes.backward) * 1e3 / count, memory.peak_mib()),
    };
    let per_event = |seconds: f64| seconds * 1e9 / passes.events as f64;
    let fields = [
        ("ms_per_sample", ms_per_sample, 3),
        ("forward_ns_per_event", per_event(passes.forward), 2),
        ("backward_ns_per_event", per_event(passes.backward), 2),
        ("stepped_ns_per_event", stepped(&net, &inputs), 2),
        ("events_per_sample", passes.events as f64 / count, 0),
        ("hidden_spikes_per_neuron", passes.spikes_per_neuron / count, 1),
        ("peak_mib", peak, 1),
    ];
    Ok(fields.map(|(key, value, digits)| format!("{key}={}", number(value, digits))).join(" "))
}

/// Trains on all samples once, and returns the seconds that it took.
fn train<F: Real>(
    load: &Load,
    mut net: SpikingNetwork<F>,
    inputs: &Inputs,
    batch: usize,
) -> std::result::Result<f64, eventprop::Error> {
    let all = inputs.samples.len();
    let mut adam = load.adam();
    // One pass that does not count: memory and caches are cold.
    net.forward(&inputs.samples[0], inputs.duration)?;
    let start = Instant::now();
    for first in (0..all).step_by(batch) {
        load.step(&mut net, &mut adam, inputs, first..all.min(first + batch))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// What forward and backward passes over some samples took, in seconds, and what happened in them.
#[derive(Default)]
struct Passes {
    forward: f64,
    backward: f64,
    events: usize,
    spikes_per_neuron: f64,
}

impl Passes {
    fn run<F: Real>(
        load: &Load,
        net: &SpikingNetwork<F>,
        inputs: &Inputs,
        samples: usize,
        pool: &ThreadPool,
    ) -> Result<Self> {
        let mut sum = Self::default();
        // One pass that does not count: memory and caches are cold.
        net.forward(&inputs.samples[0], inputs.duration)?;
        // Portions, so that memory does not grow with the number of samples.
        let threads = pool.current_num_threads();
        let pairs: Vec<_> = inputs.samples.iter().zip(&inputs.labels).take(samples).collect();
        let portion = CHUNK * threads;
        let mut sums: Vec<_> = (0..threads).map(|_| Sums::of(net)).collect();
        for pairs in pairs.chunks(portion) {
            let start = Instant::now();
            let traces = pool.install(|| {
                let all = pairs.par_iter().map(|(sample, _)| net.forward(sample, inputs.duration));
                all.collect::<std::result::Result<Vec<_>, _>>()
            })?;
            sum.forward += start.elapsed().as_secs_f64();
            let start = Instant::now();
            pool.install(|| {
                let share = pairs.len().div_ceil(threads);
                let labels = pairs.par_chunks(share);
                traces.par_chunks(share).zip(labels).zip(&mut sums).try_for_each(|(chunk, sums)| {
                    let labels = chunk.1.iter().map(|(_, label)| *label);
                    load.backward(net, chunk.0.iter().zip(labels), sums).map(drop)
                })
            })?;
            sum.backward += start.elapsed().as_secs_f64();
            sum.events += traces.iter().map(|t| load.events(net, t)).sum::<usize>();
            sum.spikes_per_neuron += traces.iter().map(spikes_per_neuron).sum::<f64>();
        }
        Ok(sum)
    }
}

/// The spikes of all hidden neurons, which is all layers but the last, per neuron.
fn spikes_per_neuron<F: Real>(trace: &Trace<F>) -> f64 {
    let hidden = (0..trace.layers() - 1).map(|layer| trace.spikes(layer));
    let (spikes, neurons) =
        hidden.fold((0, 0), |(s, n), trains| (s + trains.len(), n + trains.channels()));
    spikes as f64 / neurons as f64
}

/// ns per addition of the time-stepped loop on one thread, best of three.
fn stepped<F: Real>(net: &SpikingNetwork<F>, inputs: &Inputs) -> f64 {
    let Some(mut stepped) = Stepped::new(net, inputs) else { return f64::NAN };
    let mut run = || {
        let start = Instant::now();
        std::hint::black_box(stepped.run());
        start.elapsed().as_secs_f64() * 1e9 / stepped.events() as f64
    };
    (0..3).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// A number as others read it: `nan`, not `NaN`.
fn number(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "nan".into() }
}
