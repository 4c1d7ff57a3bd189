//! An optimiser from outside of the crate: Rprop, which goes by the signs of gradients alone.
//!
//! ```text
//! cargo run --release --example custom_optimizer
//! ```
//!
//! Every parameter has a step of its own. It grows while the gradient keeps its sign and shrinks when the sign
//! turns (Riedmiller and Braun 1993, without backtracking). Weights and delays need no rates then, though their
//! gradients differ by orders of magnitude. It wants the gradient of all samples at once.

use eventprop::{
    CrossEntropy, Dense, FirstSpikeTime, Gradients, Lif, Network, NetworkBuilder, Objective,
    OptimizeError, Optimizer, OptimizerState, ParameterKind, Sample, SpikeTrains, SpikingNetwork,
    backward_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

/// Resilient propagation.
#[derive(Debug, Clone, Default)]
pub struct Rprop {
    /// The step of each parameter, and its last gradient.
    steps: Vec<f64>,
    last: Vec<f64>,
}

impl Rprop {
    const GROW: f64 = 1.2;
    const SHRINK: f64 = 0.5;
    /// The greatest step, by the first.
    const MOST: f64 = 5.0;

    /// The first step of a parameter: for delays in ms.
    fn first(kind: ParameterKind) -> f64 {
        if kind == ParameterKind::Delay { 0.1 } else { 0.01 }
    }
}

impl Optimizer<f64> for Rprop {
    fn step(
        &mut self,
        network: &mut dyn Network<f64>,
        gradients: &Gradients,
    ) -> Result<(), OptimizeError> {
        if gradients.layout() != network.layout() {
            return Err(OptimizeError::Layout);
        }
        let values = gradients.values();
        if !self.last.is_empty() && self.last.len() != values.len() {
            return Err(OptimizeError::State);
        }
        for (block, gradients) in gradients.blocks() {
            if let Some(index) = gradients.iter().position(|g| !g.is_finite()) {
                let (owner, kind, value) = (block.owner.clone(), block.kind, gradients[index]);
                return Err(OptimizeError::NotFinite { owner, kind, index, value });
            }
        }
        self.last.resize(values.len(), 0.0);
        self.steps.resize(values.len(), 0.0);
        let mut k = 0;
        for (_, parameter) in network.parameters_mut() {
            for value in parameter.values.iter_mut() {
                // New parameters have no step yet.
                if self.steps[k] == 0.0 {
                    self.steps[k] = Self::first(parameter.kind);
                }
                let turn = self.last[k] * values[k];
                self.steps[k] *= match turn {
                    _ if turn > 0.0 => Self::GROW,
                    _ if turn < 0.0 => Self::SHRINK,
                    _ => 1.0,
                };
                self.steps[k] = self.steps[k].min(Self::MOST * Self::first(parameter.kind));
                if values[k] != 0.0 {
                    *value -= self.steps[k] * values[k].signum();
                }
                self.last[k] = values[k];
                k += 1;
            }
        }
        // Bounds are the network's business.
        network.update();
        Ok(())
    }

    // It has no rates that a schedule could scale.
    fn state(&mut self) -> OptimizerState<'_, f64> {
        let lists = vec![("steps", &mut self.steps), ("last", &mut self.last)];
        OptimizerState { lists, ..OptimizerState::default() }
    }
}

/// Two channels that fire 4 ms apart; the class is the one that comes first.
pub fn data() -> Result<Vec<(SpikeTrains, usize)>, eventprop::Error> {
    let pair = |k: usize| if k % 2 == 0 { [[1.0], [5.0]] } else { [[5.0], [1.0]] };
    (0..2).map(|k| Ok((SpikeTrains::from_channels(pair(k))?, k))).collect()
}

/// Two neurons, of which the first to fire names the class.
pub fn network() -> Result<SpikingNetwork, Box<dyn std::error::Error>> {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let output = net.layer("output", Lif::new(2).tau_mem(10.0).tau_syn(5.0));
    net.connect(input, output, Dense::weights(Uniform::new(2.0, 3.0)?).delays(1.0));
    Ok(net.build(&mut ChaCha8Rng::seed_from_u64(3))?)
}

/// Trains, and returns the loss before each step.
pub fn train(steps: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let (mut net, data) = (network()?, data()?);
    let samples: Vec<_> = data.iter().map(|(input, target)| Sample { input, target }).collect();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
    let (mut rprop, mut losses) = (Rprop::default(), Vec::new());
    for _ in 0..steps {
        let (summary, gradients) = backward_batch(&net, &samples, 40.0, &objective)?;
        rprop.step(&mut net, &gradients)?;
        losses.push(summary.loss);
    }
    Ok(losses)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let losses = train(40)?;
    for (step, loss) in losses.iter().enumerate().step_by(5) {
        println!("step {step:3}: loss {loss:.5}");
    }
    println!("result: loss={:.2e}", losses[losses.len() - 1]);
    Ok(())
}
