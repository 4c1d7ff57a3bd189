//! What tests of remedies have in common: small networks, losses of nothing and of a sum, finite differences.

use eventprop::check::GradientCheck;
use eventprop::{
    Dense, Engine, Gradients, LayerSensitivity, Lif, Loss, LossError, NetworkBuilder, Objective,
    Reading, Readout, ReadoutError, Recording, SpikeTrains, SpikingNetwork,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

pub const DURATION: f64 = 60.0;
pub const ENGINES: [Engine; 2] = [Engine::Fast, Engine::Plain];

/// Neurons with one input each, of these weights and without delay.
pub fn single(weights: &[f64]) -> SpikingNetwork {
    let n = weights.len();
    let mut net = NetworkBuilder::new();
    let input = net.input("input", n);
    let output = net.layer("output", Lif::new(n).tau_mem(20.0).tau_syn(5.0));
    let matrix = ndarray::Array2::from_diag(&ndarray::aview1(weights));
    net.connect(input, output, Dense::weights(matrix).delays(0.5));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

/// One spike on each channel.
pub fn pulses(channels: usize) -> SpikeTrains {
    SpikeTrains::from_channels(vec![vec![1.0]; channels]).unwrap()
}

/// A few neurons, recurrent or not, of which some outputs stay silent.
pub fn random_network(seed: u64, recurrent: bool, spikes: usize) -> (SpikingNetwork, SpikeTrains) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 6);
    let hidden = net.layer("hidden", Lif::new(8).tau_mem(20.0).tau_syn(5.0));
    let output = net.layer("output", Lif::new(4).tau_mem(15.0).tau_syn(6.0));
    let weight = 50.0 / spikes as f64;
    let delays = Uniform::new(0.5, 6.0).unwrap();
    net.connect(
        input,
        hidden,
        Dense::weights(Normal::new(weight, weight / 2.0).unwrap()).delays(delays),
    );
    if recurrent {
        let weights = Normal::new(0.0, 0.3).unwrap();
        net.connect(hidden, hidden, Dense::weights(weights).delays(delays));
        net.connect(output, hidden, Dense::weights(weights).delays(delays));
    }
    net.connect(hidden, output, Dense::weights(Normal::new(0.1, 0.5).unwrap()).delays(delays));
    let event = |_| (rng.random::<f64>() * 0.9 * DURATION, rng.random_range(0..6));
    let events: Vec<_> = (0..spikes).map(event).collect();
    let input = SpikeTrains::from_events(6, events).unwrap();
    (net.build(&mut rng).unwrap(), input)
}

/// Networks for finite differences, again for all engines.
pub fn checked() -> impl Iterator<Item = (SpikingNetwork, SpikeTrains)> {
    let loads = [(0, false, 20), (1, true, 20), (2, false, 100), (3, true, 100), (4, false, 20)];
    loads.into_iter().map(|(seed, recurrent, spikes)| random_network(seed, recurrent, spikes))
}

/// A loss of nothing: what is left are remedies.
#[derive(Clone, Copy)]
pub struct Nothing;

impl Loss<f64> for Nothing {
    type Target = usize;
    fn evaluate(&self, _: &Reading, _: &usize, gradient: &mut [f64]) -> Result<f64, LossError> {
        gradient.fill(0.0);
        Ok(0.0)
    }
}

/// sum_n (n + 1) y_n.
pub struct Linear;

impl Loss<f64> for Linear {
    type Target = usize;
    fn evaluate(&self, y: &Reading, _: &usize, gradient: &mut [f64]) -> Result<f64, LossError> {
        for (n, g) in gradient.iter_mut().enumerate() {
            *g = (n + 1) as f64;
        }
        Ok(y.values().iter().enumerate().map(|(n, y)| (n + 1) as f64 * y).sum())
    }
}

/// A read-out that is only read.
struct OnlyRead<R>(R);

impl<R> Readout<f64> for OnlyRead<R>
where
    R: Fn(&Recording<'_, f64>, &mut Reading) -> Result<(), ReadoutError> + Send + Sync,
{
    fn read(&self, recording: &Recording<'_, f64>, y: &mut Reading) -> Result<(), ReadoutError> {
        (self.0)(recording, y)
    }
    fn pull_back(
        &self,
        _: &Recording<'_, f64>,
        _: &[f64],
        _: &mut LayerSensitivity,
    ) -> Result<(), ReadoutError> {
        panic!("finite differences only")
    }
}

/// Holds gradients to finite differences of [`Linear`] of what is read of a layer.
pub fn check_gradients_of(
    read: impl Fn(&Recording<'_, f64>, &mut Reading) -> Result<(), ReadoutError> + Send + Sync,
    layer: usize,
    (net, input): (&SpikingNetwork, &SpikeTrains),
    gradients: &Gradients,
) {
    let truth = Objective::new(OnlyRead(read), Linear).on_layer(layer);
    let report = GradientCheck::new()
        .step(1e-3)
        .tolerance(1e-5, 1e-8)
        .compare(net, input, DURATION, &truth, &0, gradients)
        .unwrap();
    assert!(report.passed(), "{report}");
}
