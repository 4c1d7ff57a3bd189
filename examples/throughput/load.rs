//! The loads that speed is measured on: input events, networks, and the loop of a time-stepped code.

use eventprop::data::YinYang;
use eventprop::{
    BuildError, CrossEntropy, Dense, Error, ExpWeightedMeanVoltage, FirstSpikeTime,
    LeakyIntegrator, Lif, Network, NetworkBuilder, Objective, SpikeTrains, SpikingNetwork, Trace,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::error::Error as StdError;
use std::path::Path;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One layer of LIF neurons and a read-out.
    Feedforward,
    /// The same with delayed synapses among the LIF neurons.
    Recurrent,
    /// Two layers of LIF neurons and a read-out.
    Fig8,
    /// The 4-30-3 network of the Yin-Yang task.
    #[value(name = "yin_yang")]
    YinYang,
}

/// Inputs of a workload and the length of a trial in ms.
pub struct Inputs {
    pub samples: Vec<SpikeTrains>,
    pub labels: Vec<usize>,
    pub duration: f64,
}

impl Inputs {
    /// Events with the statistics of the workload.
    pub fn generate(workload: Workload, samples: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        if workload == Workload::YinYang {
            let points = YinYang::default().sample(samples, &mut rng);
            let labels = points.iter().map(|p| p.class).collect();
            let samples = points.iter().map(YinYang::spikes).collect();
            return Self { samples, labels, duration: 60.0 };
        }
        let span = if workload == Workload::Feedforward { 800.0 } else { 1000.0 };
        let sample = |_| {
            let event = |_| (rng.random::<f64>() * span, rng.random_range(0..700));
            let events: Vec<_> = (0..8000).map(event).collect();
            SpikeTrains::from_events(700, events).expect("times are finite, channels below 700")
        };
        let all = (0..samples).map(sample).collect();
        Self { samples: all, labels: (0..samples).map(|k| k % 20).collect(), duration: 1000.0 }
    }

    /// The first samples of an event file: safetensors with `times` (f32, ms), `channels` (u16),
    /// `offsets` (u64) and `labels` (u16).
    pub fn read(path: &Path, samples: usize) -> Result<Self, Box<dyn StdError>> {
        let bytes = std::fs::read(path)?;
        let file = safetensors::SafeTensors::deserialize(&bytes)?;
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes)?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let number = |key: &str| -> Result<f64, Box<dyn StdError>> {
            let text = metadata.get(key).ok_or_else(|| format!("the file has no `{key}`"))?;
            Ok(text.parse::<f64>()?)
        };
        let (channels, duration) = (number("n_channels")? as usize, number("duration_ms")?);
        let column = |name: &str| file.tensor(name).map(|t| t.data().to_vec());
        let times = column("times")?;
        let times: Vec<f64> = times
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
            .collect();
        let short = |name| -> Result<Vec<usize>, Box<dyn StdError>> {
            let bytes = column(name)?;
            let of = |b: &[u8]| usize::from(u16::from_le_bytes([b[0], b[1]]));
            Ok(bytes.chunks_exact(2).map(of).collect())
        };
        let (sources, labels) = (short("channels")?, short("labels")?);
        let offsets = column("offsets")?;
        let offsets: Vec<usize> = offsets
            .chunks_exact(8)
            .map(|b| b.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
            .collect();
        let all = offsets.windows(2).take(samples).map(|range| {
            let range = range[0]..range[1];
            let (times, sources) = (times.get(range.clone()), sources.get(range));
            let (times, sources) = times.zip(sources).ok_or("the offsets exceed the events")?;
            let events: Vec<_> = times.iter().copied().zip(sources.iter().copied()).collect();
            Ok(SpikeTrains::from_events(channels, events)?)
        });
        let samples = all.collect::<Result<_, Box<dyn StdError>>>()?;
        Ok(Self { samples, labels, duration })
    }
}

/// The network of a workload, for this many input channels.
pub fn network(
    workload: Workload,
    channels: usize,
    hidden: usize,
    max_delay: f64,
    input_weight: f64,
) -> Result<SpikingNetwork, Box<dyn StdError>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut net = NetworkBuilder::new();
    let delays = Uniform::new_inclusive(0.0, max_delay)?;
    let dense = |mean: f64, sd: f64| Normal::new(mean, sd).map(Dense::weights);
    let lif = || Lif::new(hidden).tau_mem(20.0).tau_syn(5.0);
    let input = net.input("input", channels);
    if workload == Workload::YinYang {
        let hidden = net.layer("hidden", lif());
        let output = net.layer("output", Lif::new(3).tau_mem(20.0).tau_syn(5.0));
        net.connect(input, hidden, dense(1.9, 0.78)?.delays(1.0).max_delay(max_delay));
        net.connect(hidden, output, dense(0.93, 0.1)?.delays(1.0).max_delay(max_delay));
        return Ok(net.build(&mut rng)?);
    }
    let first = net.layer("hidden", lif());
    net.connect(
        input,
        first,
        dense(input_weight, input_weight / 3.0)?.delays(delays).max_delay(max_delay),
    );
    let mut last = first;
    match workload {
        Workload::Recurrent => {
            net.connect(first, first, dense(0.0, 0.01)?.delays(delays).max_delay(max_delay));
        }
        Workload::Fig8 => {
            last = net.layer("hidden2", lif());
            net.connect(first, last, dense(0.02, 0.03)?.delays(delays).max_delay(max_delay));
        }
        _ => {}
    }
    let output = net.layer("output", LeakyIntegrator::new(20).tau_mem(20.0).tau_syn(5.0));
    net.connect(last, output, dense(0.0, 0.03)?.delays(0.0));
    let built: Result<_, BuildError> = net.build(&mut rng);
    Ok(built?)
}

/// Loss and gradients of a trace.
pub fn backward(
    workload: Workload,
    network: &SpikingNetwork,
    trace: &Trace,
    label: usize,
) -> Result<f64, Error> {
    if workload == Workload::YinYang {
        let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(0.3));
        return Ok(network.backward(trace, &objective, &label)?.0.loss);
    }
    let objective = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new());
    Ok(network.backward(trace, &objective, &label)?.0.loss)
}

/// The number of synaptic events of a trial: spikes times the synapses each passes through.
pub fn events(workload: Workload, network: &SpikingNetwork, trace: &Trace) -> usize {
    let size = |layer: usize| network.layer_info(layer).1;
    let mut events = trace.input().len() * size(0);
    for layer in 0..trace.layers() - 1 {
        events += trace.spikes(layer).len() * size(layer + 1);
    }
    if workload == Workload::Recurrent {
        events += trace.spikes(0).len() * size(0);
    }
    events
}

/// The inner loop of a code with a time step of 1 ms, for the first layer of a network:
/// `accumulated[t + d] += w`, neuron by neuron.
pub struct Stepped {
    spikes: Vec<(u32, u32)>,
    rows: Vec<Vec<(f64, u32)>>,
    accumulated: Vec<f64>,
}

impl Stepped {
    pub fn new(network: &SpikingNetwork, input: &SpikeTrains) -> Option<Self> {
        let synapses = network.synapses("input->hidden")?;
        let row = |post| {
            let row = synapses.row(post);
            row.weights.iter().zip(row.delays).map(|(&w, &d)| (w, d as u32)).collect()
        };
        let trains = input.iter().enumerate();
        let mut spikes: Vec<(u32, u32)> = trains
            .flat_map(|(channel, train)| train.iter().map(move |&t| (t as u32, channel as u32)))
            .collect();
        spikes.sort_unstable();
        let rows: Vec<_> = (0..synapses.shape().0).map(row).collect();
        let longest = rows.iter().flatten().map(|s: &(f64, u32)| s.1).max().unwrap_or(0);
        let last = spikes.last().map_or(0, |s| s.0);
        Some(Self { spikes, rows, accumulated: vec![0.0; (last + longest) as usize + 1] })
    }

    /// The number of additions of one run.
    pub fn events(&self) -> usize {
        self.spikes.len() * self.rows.len()
    }

    pub fn run(&mut self) -> f64 {
        let mut sum = 0.0;
        for row in &self.rows {
            self.accumulated.fill(0.0);
            for &(time, channel) in &self.spikes {
                let (weight, delay) = row[channel as usize];
                self.accumulated[(time + delay) as usize] += weight;
            }
            sum += self.accumulated[self.accumulated.len() / 2];
        }
        sum
    }
}
