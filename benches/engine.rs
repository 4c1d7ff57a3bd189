//! Time of forward and backward passes, beside the loop of a time-stepped code in the same run.
//!
//! ```text
//! cargo bench
//! ```

#![allow(missing_docs)]

#[allow(dead_code)]
#[path = "../examples/throughput/load.rs"]
mod load;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eventprop::Network;
use load::{Inputs, Stepped, Workload, backward, events, network};

fn passes(c: &mut Criterion) {
    let loads = [
        ("feedforward 256", Workload::Feedforward, 256, 150.0),
        ("recurrent 256", Workload::Recurrent, 256, 250.0),
        ("recurrent 512", Workload::Recurrent, 512, 250.0),
        ("two layers of 256, delays to 64 ms", Workload::Fig8, 256, 64.0),
        ("two layers of 256, delays to 1000 ms", Workload::Fig8, 256, 1000.0),
        ("yin-yang", Workload::YinYang, 30, 10.0),
    ];
    for (name, workload, hidden, max_delay) in loads {
        let inputs = Inputs::generate(workload, 1, 1);
        let input = &inputs.samples[0];
        let net = network(workload, input.channels(), hidden, max_delay, 0.03).unwrap();
        let trace = net.forward(input, inputs.duration).unwrap();
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        group.throughput(Throughput::Elements(events(workload, &net, &trace) as u64));
        group.bench_function("forward", |b| {
            b.iter(|| net.forward(input, inputs.duration).unwrap());
        });
        group.bench_function("backward", |b| {
            b.iter(|| backward(workload, &net, &trace, inputs.labels[0]).unwrap());
        });
        if workload == Workload::Feedforward {
            let mut stepped = Stepped::new(&net, input).unwrap();
            group.throughput(Throughput::Elements(stepped.events() as u64));
            group.bench_function("stepped loop", |b| b.iter(|| stepped.run()));
        }
        group.finish();
    }
}

criterion_group!(benches, passes);
criterion_main!(benches);
