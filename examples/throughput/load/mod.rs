//! The loads that speed is measured on. The example `throughput` and the benches share them.

mod inputs;
mod stepped;
mod weights;

pub use inputs::Inputs;
pub use stepped::Stepped;
pub use weights::Weights;

use eventprop::{
    Adam, Assessment, CrossEntropy, Deferred, Dense, Error, ExpWeightedMeanVoltage, FirstSpikeTime,
    Gradients, Init, LeakyIntegrator, Lif, Network, NetworkBuilder, Objective, Optimizer, Real,
    Sample, SpikingNetwork, SynapseRecipe, Trace, backward_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal, Uniform};
use std::error::Error as StdError;
use std::ops::Range;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One layer of LIF neurons and a read-out.
    Feedforward,
    /// The same with delayed synapses among the LIF neurons.
    Recurrent,
    /// Two layers of LIF neurons and a read-out.
    Fig8,
    /// 4 inputs, 30 hidden and 3 output LIF neurons, as in the example `yin_yang`.
    #[value(name = "yin_yang")]
    YinYang,
}

/// A workload and its sizes; times are in ms.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub workload: Workload,
    /// Neurons per hidden layer.
    pub hidden: usize,
    /// Delays are drawn from 0 to it. Those of Yin-Yang start at 0 and are bounded by it.
    pub max_delay: f64,
    /// Input spikes of a generated sample.
    pub input_spikes: usize,
    /// The length of a generated trial.
    pub trial: f64,
    /// The mean weight of the input; without it, [`Weights::calibrate`] finds one.
    pub input_weight: Option<f64>,
}

impl Load {
    /// The usual sizes of a workload.
    pub fn new(workload: Workload) -> Self {
        let base = Self {
            workload,
            hidden: 256,
            max_delay: 250.0,
            input_spikes: 8000,
            trial: 1000.0,
            input_weight: None,
        };
        match workload {
            Workload::Feedforward => Self { max_delay: 150.0, input_weight: Some(0.03), ..base },
            Workload::Recurrent | Workload::Fig8 => base,
            Workload::YinYang => Self {
                hidden: 30,
                max_delay: 30.0,
                input_spikes: 4,
                trial: 60.0,
                input_weight: Some(1.5),
                ..base
            },
        }
    }

    /// The weights that were asked for, or those that make hidden neurons fire in a usual way.
    pub fn weights(&self, inputs: &Inputs) -> Result<Weights, Box<dyn StdError>> {
        match self.input_weight {
            Some(input) => Ok(Weights { input, inner: Weights::INNER }),
            None => Weights::calibrate(self, inputs),
        }
    }

    /// The network for these inputs.
    pub fn network<F: Real>(
        &self,
        inputs: &Inputs,
        weights: Weights,
    ) -> Result<SpikingNetwork<F>, Box<dyn StdError>> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut net = NetworkBuilder::<F>::new();
        let f = F::of;
        let input = net.input("input", inputs.channels);
        if self.workload == Workload::YinYang {
            let lif = |size| Lif::new(size).tau_mem(f(20.0)).tau_syn(f(10.0));
            let hidden = net.layer("hidden", lif(self.hidden));
            let output = net.layer("output", lif(inputs.classes));
            let scale = 15.0 / self.hidden as f64;
            let late = |dense: SynapseRecipe<F>| dense.delays(f(0.0)).max_delay(f(self.max_delay));
            net.connect(input, hidden, late(normal(weights.input, weights.input / 1.5)?));
            net.connect(hidden, output, late(normal(scale, scale)?));
            return Ok(net.build(&mut rng)?);
        }
        let late = |mean, sd| delayed(mean, sd, self.max_delay);
        let hidden = net.layer("hidden", lif(self.hidden));
        let Weights { input: onto_first, inner } = weights;
        net.connect(input, hidden, late(onto_first, onto_first * Weights::INPUT_SPREAD)?);
        let mut last = hidden;
        if self.workload == Workload::Recurrent {
            net.connect(hidden, hidden, late(0.0, 0.01)?);
        }
        if self.workload == Workload::Fig8 {
            last = net.layer("hidden2", lif(self.hidden));
            net.connect(hidden, last, late(inner, inner * Weights::INNER_SPREAD)?);
        }
        let readout = LeakyIntegrator::new(inputs.classes).tau_mem(f(20.0)).tau_syn(f(5.0));
        let output = net.layer("output", readout);
        net.connect(last, output, normal(0.0, 0.03)?.delays(f(0.0)));
        Ok(net.build(&mut rng)?)
    }

    /// Loss and gradients of some traces, as a training step has them; returns the loss.
    pub fn backward<'a, F: Real>(
        &self,
        net: &SpikingNetwork<F>,
        traces: impl IntoIterator<Item = (&'a Trace<F>, &'a usize)>,
        Sums { assessment, gradients, deferred }: &mut Sums<F>,
    ) -> Result<F, Error> {
        let mut loss = F::zero();
        for (trace, label) in traces {
            match self.workload {
                Workload::YinYang => {
                    assessment.differentiate(net, trace, &first_to_fire(), label)?
                }
                _ => assessment.differentiate(net, trace, &mean_voltage(), label)?,
            }
            net.adjoint_deferred(trace, &mut assessment.sensitivity, gradients, deferred)?;
            loss += assessment.evaluation.loss;
        }
        net.settle(deferred, gradients)?;
        Ok(loss)
    }

    /// One training step on some of the samples: a batch, forward and backward, and the update.
    pub fn step<F: Real>(
        &self,
        net: &mut SpikingNetwork<F>,
        adam: &mut Adam<F>,
        inputs: &Inputs,
        range: Range<usize>,
    ) -> Result<(), Error> {
        let pairs = inputs.samples[range.clone()].iter().zip(&inputs.labels[range]);
        let batch: Vec<Sample<'_, usize>> =
            pairs.map(|(input, target)| Sample { input, target }).collect();
        let (_, gradients) = match self.workload {
            Workload::YinYang => backward_batch(net, &batch, inputs.duration, &first_to_fire())?,
            _ => backward_batch(net, &batch, inputs.duration, &mean_voltage())?,
        };
        Ok(adam.step(net, &gradients)?)
    }

    /// An optimiser with the rates that the workload is trained with.
    pub fn adam<F: Real>(&self) -> Adam<F> {
        let rate = if self.workload == Workload::YinYang { 0.02 } else { 0.001 };
        Adam::new(rate).delay_rate(0.1)
    }

    /// The number of synaptic events of a trial: spikes times the synapses that each passes.
    pub fn events<F: Real>(&self, net: &SpikingNetwork<F>, trace: &Trace<F>) -> usize {
        let size = |layer: usize| net.layer_info(layer).1;
        let mut events = trace.input().len() * size(0);
        for layer in 0..trace.layers() - 1 {
            events += trace.spikes(layer).len() * size(layer + 1);
        }
        if self.workload == Workload::Recurrent {
            events += trace.spikes(0).len() * size(0);
        }
        events
    }
}

/// The most samples whose gradients a thread adds up, as in training with large batches.
pub const CHUNK: usize = 8;

/// What backward passes add up; kept for its memory.
pub struct Sums<F: Real> {
    assessment: Assessment<F>,
    gradients: Gradients<F>,
    deferred: Deferred<F>,
}

impl<F: Real> Sums<F> {
    pub fn of(net: &SpikingNetwork<F>) -> Self {
        let (assessment, deferred) = (Assessment::default(), Deferred::new());
        Self { assessment, gradients: Gradients::zeros(net.layout()), deferred }
    }
}

/// The neurons of all workloads but Yin-Yang.
fn lif<F: Real>(size: usize) -> Lif<F> {
    Lif::new(size).tau_mem(F::of(20.0)).tau_syn(F::of(5.0))
}

/// Normal weights; a negative deviation draws mirrored ones.
fn normal<F: Real>(mean: f64, sd: f64) -> Result<SynapseRecipe<F>, Box<dyn StdError>> {
    Ok(Dense::weights(Init::sampled(Normal::new(mean, sd)?.map(F::of))))
}

/// Normal weights, and delays that are spread evenly from 0 to the longest.
fn delayed<F: Real>(
    mean: f64,
    sd: f64,
    longest: f64,
) -> Result<SynapseRecipe<F>, Box<dyn StdError>> {
    let delays = Init::sampled(Uniform::new_inclusive(0.0, longest)?.map(F::of));
    Ok(normal(mean, sd)?.delays(delays).max_delay(F::of(longest)))
}

fn first_to_fire() -> Objective<FirstSpikeTime, CrossEntropy> {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(0.3))
}

fn mean_voltage() -> Objective<ExpWeightedMeanVoltage, CrossEntropy> {
    Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new())
}
