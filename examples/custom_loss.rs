//! A loss and a read-out that are not in the crate, trained for a few steps.
//!
//! Three neurons learn to fire twice, with a given interval between the two spikes. The read-out is that
//! interval, and the loss is the one of Huber (1964), which does not let outliers take over.

use eventprop::{
    Adam, Dense, LayerSensitivity, Lif, Loss, LossError, Network, NetworkBuilder, Objective,
    Optimizer, Reading, Readout, ReadoutError, Real, Recording, SpikeTrains, SpikingNetwork,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

/// The time in ms between each neuron's first two spikes; the length of the trial if there is none.
#[derive(Debug)]
pub struct FirstInterval;

impl<F: Real> Readout<F> for FirstInterval {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        for train in recording.spikes().iter() {
            y.push(F::of(match train {
                [first, second, ..] => second - first,
                _ => recording.duration(),
            }));
        }
        Ok(())
    }

    // dy/dt is 1 for the second spike and -1 for the first. Spikes are numbered neuron by neuron.
    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        for (bounds, &g) in recording.spikes().offsets().windows(2).zip(gradient) {
            if bounds[1] - bounds[0] >= 2 {
                sensitivity.spike_times[bounds[0]] -= g;
                sensitivity.spike_times[bounds[0] + 1] += g;
            }
        }
        Ok(())
    }
}

/// L = sum of r^2 / 2 for |r| <= width and width (|r| - width / 2) beyond, r = y - target.
#[derive(Debug)]
pub struct Huber {
    /// Where the loss turns from a parabola into a line.
    pub width: f64,
}

impl<F: Real> Loss<F> for Huber {
    type Target = [F];

    fn evaluate(&self, y: &Reading<F>, target: &[F], gradient: &mut [F]) -> Result<F, LossError> {
        let y = y.one_per_row()?;
        if y.len() != target.len() {
            return Err(LossError::TargetLength { found: target.len(), expected: y.len() });
        }
        if let Some(index) = target.iter().position(|t| !t.is_finite()) {
            return Err(LossError::Target { index, value: target[index].as_f64() });
        }
        let width = F::of(self.width);
        let mut sum = F::zero();
        for ((g, &y), &t) in gradient.iter_mut().zip(y).zip(target) {
            *g = (y - t).max(-width).min(width);
            sum += *g * (y - t - *g / F::of(2.0));
        }
        Ok(sum)
    }
}

/// The intervals to be learnt, in ms.
pub const INTERVALS: [f64; 3] = [3.5, 4.5, 5.5];

/// What is trained for.
pub fn objective() -> Objective<FirstInterval, Huber> {
    Objective::new(FirstInterval, Huber { width: 1.0 })
}

/// Five channels that fire three times each, one after the other.
pub fn input() -> Result<SpikeTrains, eventprop::Error> {
    let late = |channel: usize| (0..3).map(move |k| 1.0 + 8.0 * k as f64 + 0.7 * channel as f64);
    Ok(SpikeTrains::from_channels((0..5).map(late))?)
}

/// A layer of three neurons.
pub fn network() -> Result<SpikingNetwork, Box<dyn std::error::Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 5);
    let output = net.layer("output", Lif::new(3).tau_mem(10.0).tau_syn(5.0));
    let synapses = Dense::weights(Uniform::new(0.8, 1.4)?).delays(Uniform::new(0.0, 5.0)?);
    net.connect(input, output, synapses.max_delay(20.0));
    Ok(net.build(&mut ChaCha8Rng::seed_from_u64(7))?)
}

/// Trains, and returns the loss before each step.
pub fn train(steps: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let (mut net, input) = (network()?, input()?);
    let mut adam = Adam::new(0.005).delay_rate(0.05);
    let mut losses = Vec::new();
    for _ in 0..steps {
        let trace = net.forward(&input, 60.0)?;
        let (evaluation, gradients) = net.backward(&trace, &objective(), &INTERVALS)?;
        adam.step(&mut net, &gradients)?;
        losses.push(evaluation.loss);
    }
    Ok(losses)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let losses = train(200)?;
    for (step, loss) in losses.iter().enumerate().step_by(20) {
        println!("step {step:3}: loss {loss:.5}");
    }
    println!("result: loss={:.2e}", losses[losses.len() - 1]);
    Ok(())
}
