//! Weights for which hidden neurons fire in a usual way.

use super::{Inputs, Load, Workload, delayed, lif};
use eventprop::{Network, NetworkBuilder, SimulationError, SpikeTrains};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::error::Error;

/// Mean weights from the input, and from the first hidden layer to the second.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    pub input: f64,
    pub inner: f64,
}

impl Weights {
    /// What the paper starts from between hidden layers.
    pub const INNER: f64 = 0.02;
    /// Standard deviations of weights, as shares of the mean.
    pub const INPUT_SPREAD: f64 = 1.0 / 3.0;
    pub const INNER_SPREAD: f64 = 1.5;

    /// Finds weights for which hidden neurons fire about 17 times in the first samples, up to four.
    pub fn calibrate(load: &Load, inputs: &Inputs) -> Result<Self, Box<dyn Error>> {
        let samples = &inputs.samples[..inputs.samples.len().min(4)];
        let mut weights = Self { input: 0.0, inner: Self::INNER };
        weights.input = search(load, inputs.duration, samples, Self::INPUT_SPREAD)?;
        if load.workload == Workload::Fig8 {
            let net = load.network::<f64>(inputs, weights)?;
            let first = |s| net.forward(s, inputs.duration).map(|trace| trace.spikes(0).clone());
            let trains = samples.iter().map(first).collect::<Result<Vec<_>, _>>()?;
            weights.inner = search(load, inputs.duration, &trains, Self::INNER_SPREAD)?;
        }
        Ok(weights)
    }
}

/// The mean weight for which a few neurons that see these samples fire as wanted, by bisection of its
/// logarithm. How often a neuron fires hardly depends on the size of its layer, nor on recurrent weights
/// that are zero on average.
fn search(
    load: &Load,
    duration: f64,
    samples: &[SpikeTrains],
    spread: f64,
) -> Result<f64, Box<dyn Error>> {
    const TARGET: f64 = 17.0;
    const TRIES: usize = 40;
    let all = samples.iter().map(SpikeTrains::len).sum::<usize>().max(1);
    let channels = samples.first().map_or(1, SpikeTrains::channels);
    let neurons = (4_000_000 / all).clamp(8, 64);
    let spikes = |weight: f64| -> Result<f64, Box<dyn Error>> {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", channels);
        let layer = net.layer("layer", lif(neurons));
        net.connect(input, layer, delayed(weight, spread * weight, load.max_delay)?);
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(2))?;
        let mut spikes = 0;
        for sample in samples {
            match net.forward(sample, duration) {
                Err(SimulationError::Runaway { .. }) => return Ok(f64::INFINITY),
                trace => spikes += trace?.spikes(0).len(),
            }
        }
        Ok(spikes as f64 / (samples.len() * neurons) as f64)
    };
    let (mut low, mut high) = (None, None);
    // A potential that hovers at the threshold, if the spikes are even and none comes late.
    let mut weight = 0.2 * duration * samples.len() as f64 / all as f64;
    for _ in 0..TRIES {
        let found = spikes(weight)?;
        if (found / TARGET - 1.0).abs() < 0.03 {
            return Ok(weight);
        }
        if found < TARGET {
            low = Some(weight)
        } else {
            high = Some(weight)
        }
        weight = match (low, high) {
            (Some(low), Some(high)) => f64::sqrt(low * high),
            (Some(low), None) => 1.5 * low,
            (None, Some(high)) => high / 1.5,
            (None, None) => weight,
        };
    }
    let hint = "give one with --input-weight";
    Err(format!("no weight makes neurons fire {TARGET} times in the first samples; {hint}").into())
}
