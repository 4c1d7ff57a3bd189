//! Time of forward and backward passes, of training steps and of streams, in six groups:
//!
//! ```text
//! cargo bench --bench engine -- feedforward    # beside the loop of a time-stepped code in the same run
//! cargo bench --bench engine -- recurrent
//! cargo bench --bench engine -- two_layers     # training steps
//! cargo bench --bench engine -- yin_yang       # an epoch
//! cargo bench --bench engine -- scaling        # one size at a time around `feedforward`
//! cargo bench --bench engine -- stream         # event by event
//! ```

#![allow(missing_docs)]

#[path = "../examples/throughput/load/mod.rs"]
mod load;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput};
use criterion::{criterion_group, criterion_main};
use eventprop::{Network, Simulator, SpikingNetwork};
use load::{CHUNK, Inputs, Load, Stepped, Sums, Workload};
use rayon::prelude::*;
use std::iter;
use std::time::Duration;

/// Samples of a training step of two layers. Steps of 256, as the `throughput` example takes them, last up to 16 s.
const BATCH: usize = 16;
const YIN_YANG_BATCH: usize = 150;

/// A group for loads that take from milliseconds to seconds, unless the command line names others: to
/// set up a load takes time too.
fn group<'a>(c: &'a mut Criterion, name: &str) -> Option<BenchmarkGroup<'a, WallTime>> {
    const GROUPS: [&str; 6] =
        ["feedforward", "recurrent", "two_layers", "yin_yang", "scaling", "stream"];
    let named = |group: &str| std::env::args().skip(1).any(|arg| arg.contains(group));
    if GROUPS.into_iter().any(named) && !named(name) {
        return None;
    }
    let mut group = c.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    Some(group)
}

fn set_up(load: &Load, samples: usize) -> (Inputs, SpikingNetwork) {
    let inputs = Inputs::generate(load, samples);
    let weights = load.weights(&inputs).unwrap();
    let net = load.network::<f64>(&inputs, weights).unwrap();
    (inputs, net)
}

/// Forward pass of one sample, and backward passes of as many as training adds up at one time; per synaptic event.
fn passes(group: &mut BenchmarkGroup<'_, WallTime>, prefix: &str, load: &Load) {
    let (inputs, net) = set_up(load, 1);
    let trace = net.forward(&inputs.samples[0], inputs.duration).unwrap();
    let events = load.events(&net, &trace) as u64;
    group.throughput(Throughput::Elements(events));
    group.bench_function(format!("{prefix}forward"), |b| {
        b.iter(|| net.forward(&inputs.samples[0], inputs.duration).unwrap());
    });
    group.throughput(Throughput::Elements(events * CHUNK as u64));
    group.bench_function(format!("{prefix}backward, {CHUNK} samples"), |b| {
        let mut sums = Sums::of(&net);
        let chunk = || iter::repeat_n((&trace, &inputs.labels[0]), CHUNK);
        b.iter(|| load.backward(&net, chunk(), &mut sums).unwrap());
    });
}

/// Training steps over some samples, always from the same parameters; per sample.
fn steps(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    load: &Load,
    samples: usize,
    batch: usize,
) {
    let (inputs, net) = set_up(load, samples);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    group.throughput(Throughput::Elements(samples as u64));
    group.bench_function(name, |b| {
        let start = || (net.clone(), load.adam::<f64>());
        let train = |(mut net, mut adam): (SpikingNetwork, _)| {
            for first in (0..samples).step_by(batch) {
                let range = first..samples.min(first + batch);
                pool.install(|| load.step(&mut net, &mut adam, &inputs, range)).unwrap();
            }
            net
        };
        b.iter_batched(start, train, BatchSize::PerIteration);
    });
}

fn feedforward(c: &mut Criterion) {
    let Some(mut group) = group(c, "feedforward") else { return };
    let load = Load::new(Workload::Feedforward);
    passes(&mut group, "", &load);
    let (inputs, net) = set_up(&load, 1);
    let mut stepped = Stepped::new(&net, &inputs).unwrap();
    group.throughput(Throughput::Elements(stepped.events() as u64));
    group.bench_function("stepped loop", |b| b.iter(|| stepped.run()));
}

fn recurrent(c: &mut Criterion) {
    let Some(mut group) = group(c, "recurrent") else { return };
    passes(&mut group, "", &Load { hidden: 512, ..Load::new(Workload::Recurrent) });
}

fn two_layers(c: &mut Criterion) {
    let Some(mut group) = group(c, "two_layers") else { return };
    for hidden in [256, 512] {
        for max_delay in [64.0, 256.0, 512.0, 1000.0] {
            let load = Load { hidden, max_delay, ..Load::new(Workload::Fig8) };
            let name = format!("{hidden} neurons, delays to {max_delay} ms, step of {BATCH}");
            steps(&mut group, &name, &load, BATCH, BATCH);
        }
    }
}

fn yin_yang(c: &mut Criterion) {
    let Some(mut group) = group(c, "yin_yang") else { return };
    let load = Load::new(Workload::YinYang);
    steps(&mut group, "epoch of 5000", &load, 5000, YIN_YANG_BATCH);
}

fn scaling(c: &mut Criterion) {
    let Some(mut group) = group(c, "scaling") else { return };
    // Neurons fire equally often, whatever their input.
    let base = Load { input_weight: None, ..Load::new(Workload::Feedforward) };
    for hidden in [64, 128, 256, 512, 1024, 2048] {
        passes(&mut group, &format!("hidden {hidden}/"), &Load { hidden, ..base });
    }
    // A million spikes onto 256 neurons would take most of the time of all benches.
    for input_spikes in [1_000, 10_000, 100_000, 1_000_000] {
        let load = Load { input_spikes, hidden: 64, ..base };
        passes(&mut group, &format!("input spikes {input_spikes} onto 64/"), &load);
    }
    for max_delay in [1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
        let load = Load { max_delay, ..base };
        passes(&mut group, &format!("delays to {max_delay} ms/"), &load);
    }
    for trial in [100.0, 1_000.0, 10_000.0, 100_000.0] {
        passes(&mut group, &format!("trial of {trial} ms/"), &Load { trial, ..base });
    }
    let (inputs, net) = set_up(&base, 16);
    group.throughput(Throughput::Elements(16));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let both = |sums: &mut Sums<f64>, (sample, label)| {
            let trace = net.forward(sample, inputs.duration).unwrap();
            base.backward(&net, iter::once((&trace, label)), sums).unwrap()
        };
        group.bench_function(format!("threads {threads}/16 samples, forward and backward"), |b| {
            let pairs = || inputs.samples.par_iter().zip(&inputs.labels);
            let all = || pairs().map_init(|| Sums::of(&net), both).sum::<f64>();
            b.iter(|| pool.install(all));
        });
    }
}

/// One sample, handed in event by event; per synaptic event.
fn stream(c: &mut Criterion) {
    let Some(mut group) = group(c, "stream") else { return };
    for (name, workload) in
        [("feedforward", Workload::Feedforward), ("recurrent", Workload::Recurrent)]
    {
        let load = Load::new(workload);
        let (inputs, net) = set_up(&load, 1);
        let events = inputs.samples[0].events();
        let trace = net.forward(&inputs.samples[0], inputs.duration).unwrap();
        let mut simulator = Simulator::new(&net).unwrap();
        group.throughput(Throughput::Elements(load.events(&net, &trace) as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                simulator.reset();
                for &(time, channel) in &events {
                    while simulator.next_spike(time).unwrap().is_some() {}
                    simulator.receive(time, channel).unwrap();
                }
                while simulator.next_spike(inputs.duration).unwrap().is_some() {}
            });
        });
    }
}

criterion_group!(benches, feedforward, recurrent, two_layers, yin_yang, scaling, stream);
criterion_main!(benches);
