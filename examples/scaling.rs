//! How far many processes would go: the real summation, on simulated time.
//!
//! ```text
//! cargo run --release --example scaling
//! ```
//!
//! Every rank is a thread with a clock of its own. Samples and messages take no real time to speak of, but move the
//! clocks: a sample by `--sample`, a message by `--latency` and its length over `--bandwidth`, gradients that are added
//! by their length over `--memory`. What is sent when is what `distributed::backward_batch` does. Beside it stands the model of
//! `docs/scaling.md`.

use clap::Parser;
use eventprop::distributed::{self, Communicator, DistributedError, InProcess};
use eventprop::plot::{Axis, Chart, Line, Panel};
use eventprop::{
    AdjointError, ArrivalCounts, BackwardOptions, CrossEntropy, Dense, Gradients, LeakyIntegrator,
    Lif, MeanVoltage, Network, NetworkBuilder, Objective, Parameter, ParameterMut, Recording,
    Sample, Sensitivity, SimulationError, SpikeTrains, SpikingNetwork, Synapse, Trace,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::cell::Cell;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Simulates training steps of many processes.
#[derive(Parser, Debug, Clone, Copy)]
struct Args {
    /// Time of a sample, forward and backward, in ms.
    #[arg(long, default_value_t = 5.0)]
    sample: f64,
    /// Latency of a message in microseconds.
    #[arg(long, default_value_t = 5.0)]
    latency: f64,
    /// Bandwidth between processes in GB/s.
    #[arg(long, default_value_t = 1.0)]
    bandwidth: f64,
    /// Rate at which gradients are added, in GB/s.
    #[arg(long, default_value_t = 5.0)]
    memory: f64,
    /// Parameters, in thousands.
    #[arg(long, default_value_t = 500)]
    parameters: usize,
}

/// Numbers in a segment: as in the library.
const SEGMENT: usize = 8192;
/// The most chunks of a rank in a round.
const SHARE: usize = 16;

/// Chunks of a batch, as in the library.
fn chunks(batch: usize) -> usize {
    batch.min(16).max(batch.div_ceil(8))
}

/// The time of one rank in ns.
type Clock = Arc<AtomicU64>;

fn advance(clock: &Clock, ns: f64) {
    clock.fetch_add(ns as u64, Ordering::Relaxed);
}

/// A network of idle neurons whose samples take a given time.
#[derive(Clone)]
struct Slow {
    inner: SpikingNetwork,
    clock: Clock,
    sample: f64,
}

impl Network<f64> for Slow {
    fn channels(&self) -> usize {
        self.inner.channels()
    }
    fn layers(&self) -> usize {
        self.inner.layers()
    }
    fn fires(&self, layer: usize) -> bool {
        self.inner.fires(layer)
    }
    fn layer_info(&self, layer: usize) -> (&str, usize) {
        self.inner.layer_info(layer)
    }
    fn forward_into(
        &self,
        input: &SpikeTrains,
        duration: f64,
        trace: &mut Trace,
    ) -> Result<(), SimulationError> {
        advance(&self.clock, self.sample);
        self.inner.forward_into(input, duration, trace)
    }
    fn record<'a>(
        &'a self,
        trace: &'a Trace,
        layer: usize,
    ) -> Result<Recording<'a, f64>, AdjointError> {
        self.inner.record(trace, layer)
    }
    fn adjoint_into(
        &self,
        _: &Trace,
        _: &mut Sensitivity,
        _: &mut Gradients,
    ) -> Result<(), AdjointError> {
        Ok(())
    }
    fn count_arrivals(&self, _: &Trace, _: Option<f64>) -> Result<ArrivalCounts, AdjointError> {
        Ok(ArrivalCounts::default())
    }
    fn pull_back(
        &self,
        derivatives: &mut dyn FnMut(Synapse<f64>) -> [f64; 2],
        gradients: &mut Gradients,
    ) -> Result<(), AdjointError> {
        self.inner.pull_back(derivatives, gradients)
    }
    fn parameters(&self) -> Vec<(&str, Parameter<'_, f64>)> {
        self.inner.parameters()
    }
    fn parameters_mut(&mut self) -> Vec<(&str, ParameterMut<'_, f64>)> {
        self.inner.parameters_mut()
    }
    fn update(&mut self) {
        self.inner.update();
    }
    fn raise_weights(&mut self, layer: usize, neuron: usize, amount: f64) {
        self.inner.raise_weights(layer, neuron, amount);
    }
}

/// Messages that carry the time of their arrival.
struct Simulated {
    ranks: InProcess,
    clock: Clock,
    args: Args,
    /// Chunks of this rank, of which each segment is the sum, and the segments of all parameters.
    chunks: usize,
    segments: usize,
    /// Segments so far.
    sent: Cell<usize>,
    received: Cell<usize>,
}

impl Simulated {
    /// Takes the time to add to a segment, if it is one of the first of a round, in which `all` pass by. The others
    /// are complete.
    fn add(&self, count: &Cell<usize>, all: usize, bytes: usize) {
        let number = count.replace(count.get() + 1);
        if number % all < self.segments {
            advance(&self.clock, self.chunks as f64 * bytes as f64 / self.args.memory);
        }
    }

    /// Whether it is a segment, and no head. Heads are short, as there are few neurons.
    fn is_segment(&self, message: &[u8]) -> bool {
        message.len() >= 8 * SEGMENT / 2
    }
}

impl Communicator for Simulated {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }
    fn size(&self) -> usize {
        self.ranks.size()
    }
    fn send(&self, to: usize, message: &[u8]) -> Result<(), DistributedError> {
        let (last, segments) = (self.size() - 1, self.segments);
        if self.rank() == 0 && self.is_segment(message) {
            self.add(&self.sent, if last > 1 { 2 * segments } else { segments }, message.len());
        }
        // The sender is busy while it sends.
        advance(&self.clock, message.len() as f64 / self.args.bandwidth);
        let arrival = self.clock.load(Ordering::Relaxed) + (1e3 * self.args.latency) as u64;
        self.ranks.send(to, &[&arrival.to_le_bytes(), message].concat())
    }
    fn receive(&self, from: usize) -> Result<Vec<u8>, DistributedError> {
        let mut message = self.ranks.receive(from)?;
        let rest = message.split_off(8);
        let mut arrival = [0; 8];
        arrival.copy_from_slice(&message);
        self.clock.fetch_max(u64::from_le_bytes(arrival), Ordering::Relaxed);
        let (last, segments) = (self.size() - 1, self.segments);
        if self.rank() > 0 && self.is_segment(&rest) {
            let all = if self.rank() < last { 2 * segments } else { segments };
            self.add(&self.received, all, rest.len());
        }
        Ok(rest)
    }
}

/// The simulated time in ms of a step with a batch of this size.
fn simulate(args: Args, net: &SpikingNetwork, batch: usize, size: usize) -> f64 {
    let all = InProcess::ranks(size);
    let step = |ranks: InProcess| {
        let clock = Clock::default();
        let sample = 1e6 * args.sample;
        let net = Slow { inner: net.clone(), clock: clock.clone(), sample };
        let own = chunks(batch).div_ceil(size).min(SHARE);
        let segments = parameters(&net.inner).div_ceil(SEGMENT);
        let ranks = Simulated {
            ranks,
            clock: clock.clone(),
            args,
            chunks: own,
            segments,
            sent: Cell::new(0),
            received: Cell::new(0),
        };
        let input = SpikeTrains::silent(args.parameters);
        let samples = vec![Sample { input: &input, target: &0_usize }; batch];
        let goal = Objective::new(MeanVoltage, CrossEntropy::new());
        let options = BackwardOptions::new();
        distributed::backward_batch(&ranks, &net, &samples, 1.0, &goal, &options)
            .expect("idle neurons have a loss");
        if size == 1 {
            // No message tells when it adds.
            let chunks = chunks(batch) as f64;
            advance(&clock, chunks * 8.0 * parameters(&net.inner) as f64 / args.memory);
        }
        clock.load(Ordering::Relaxed)
    };
    let slowest = std::thread::scope(|scope| {
        let start = |ranks| scope.spawn(|| step(ranks));
        let threads: Vec<_> = all.into_iter().map(start).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).max()
    });
    slowest.map_or(f64::NAN, |ns| ns as f64 / 1e6)
}

/// The model: the time in ms of a step.
fn model(args: Args, parameters: usize, batch: usize, ranks: usize) -> f64 {
    let chunks = chunks(batch);
    let own = chunks.div_ceil(ranks).min(SHARE);
    let rounds = chunks.div_ceil(own * ranks) as f64;
    let compute = own as f64 * batch as f64 / chunks as f64 * args.sample;
    let (segments, bytes) = (parameters.div_ceil(SEGMENT) as f64, 8.0 * SEGMENT as f64);
    let latency = 1e-3 * args.latency;
    let send = 1e-6 * bytes / args.bandwidth;
    let add = 1e-6 * own as f64 * bytes / args.memory;
    if ranks == 1 {
        return rounds * (compute + segments * add);
    }
    let hops = ranks as f64 - 1.0;
    // A segment leaves each rank `add + send` after the one before it, and passes all ranks; then they go round once
    // more as they are.
    let sum = segments * (add + send) + hops * (add + send + latency);
    let round = segments * send + hops * (send + latency);
    rounds * (compute + sum + round)
}

fn parameters(net: &SpikingNetwork) -> usize {
    net.layout().iter().map(|block| block.len).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut net = NetworkBuilder::new();
    let input = net.input("input", args.parameters);
    let hidden = net.layer("hidden", Lif::new(1000));
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(input, hidden, Dense::weights(0.0));
    net.connect(hidden, output, Dense::weights(0.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(0))?;
    let parameters = parameters(&net);

    println!("{args:?}");
    println!("batch  ranks   simulated ms       model ms   speed-up  efficiency");
    let mut panel = Panel::new(Axis::log("ranks"), Axis::log("speed-up"));
    for (colour, batch) in [64, 256, 1024].into_iter().enumerate() {
        let (mut simulated, mut modelled) = (Vec::new(), Vec::new());
        let alone = simulate(args, &net, batch, 1);
        for ranks in [1, 2, 4, 8, 16, 32, 64, 128] {
            let (time, by_model) =
                (simulate(args, &net, batch, ranks), model(args, parameters, batch, ranks));
            let speed_up = alone / time;
            println!(
                "{batch:5}  {ranks:5}  {time:13.2}  {by_model:13.2}  {speed_up:9.2}  {:9.0} %",
                100.0 * speed_up / ranks as f64
            );
            simulated.push((ranks as f64, speed_up));
            modelled.push((ranks as f64, model(args, parameters, batch, 1) / by_model));
        }
        let name = format!("batches of {batch}");
        panel = panel
            .line(Line::new(name, simulated).colour(colour).dots())
            .line(Line::new("model", modelled).colour(colour).pale());
    }
    let folder = Path::new("target/scaling");
    std::fs::create_dir_all(folder)?;
    Chart::new()
        .title("Training by many processes")
        .panel(panel)
        .draw()?
        .save(folder.join("scaling.svg"))?;
    Ok(())
}
