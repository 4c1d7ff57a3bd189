//! Test cases in JSON: a network, an input and a loss; and the answer to each.

use eventprop::{
    CrossEntropy, Dense, ExpWeightedMeanVoltage, FirstSpikeTime, Goal, Gradients, LeakyIntegrator,
    Lif, Loss, LossError, MaxVoltage, MeanVoltage, Network, NetworkBuilder, Objective,
    ParameterKind, Reading, SpikeTimes, SpikeTrains, SpikingNetwork, TimeInvariant,
};
use ndarray::Array2;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};
use std::error::Error;

/// A network, its input, and a loss.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[allow(dead_code)]
    #[serde(default)]
    pub name: String,
    pub layers: Vec<Population>,
    pub projections: Vec<Projection>,
    /// Spike times in ms per channel.
    pub input: Vec<Vec<f64>>,
    pub duration: f64,
    pub loss: LossKind,
    #[serde(default)]
    pub label: usize,
}

/// A layer; without threshold a leaky integrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    pub size: usize,
    pub tau_mem: f64,
    pub tau_syn: f64,
    pub threshold: Option<f64>,
    pub reset: Option<f64>,
}

/// Synapses from layer `from` (-1: the input) to layer `to`; matrices are post x pre.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub from: i64,
    pub to: usize,
    pub tau_syn: Option<f64>,
    pub weights: Vec<Vec<Option<f64>>>,
    pub delays: Vec<Vec<Option<f64>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossKind {
    MeanVoltageCe,
    ExpWeightedMeanVoltageCe,
    MaxVoltageCe,
    TtfsCe {
        tau0: f64,
    },
    TimeInvariant {
        delta: f64,
    },
    /// 1/2 sum (t - target)^2 over (neuron, index, target) triples.
    SpikeTimeMse {
        targets: Vec<(usize, usize, f64)>,
    },
}

/// What a simulator should find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Times in ms, by layer and neuron.
    pub spikes: Vec<Vec<Vec<f64>>>,
    pub loss: f64,
    /// By projection.
    pub gradients: Vec<ProjectionGradients>,
    /// By channel.
    pub input_time_gradients: Vec<Vec<f64>>,
}

/// Gradients of one projection, post x pre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionGradients {
    pub weights: Vec<Vec<Option<f64>>>,
    pub delays: Vec<Vec<Option<f64>>>,
}

impl Case {
    /// Simulates and differentiates the case.
    pub fn answer(&self) -> Result<Answer, Box<dyn Error>> {
        let net = self.network()?;
        let input = SpikeTrains::from_channels(self.input.iter().cloned())?;
        let label = self.label;
        match &self.loss {
            LossKind::MeanVoltageCe => {
                self.solve(&net, &input, &Objective::new(MeanVoltage, CrossEntropy::new()), &label)
            }
            LossKind::ExpWeightedMeanVoltageCe => {
                let objective = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new());
                self.solve(&net, &input, &objective, &label)
            }
            LossKind::MaxVoltageCe => {
                self.solve(&net, &input, &Objective::new(MaxVoltage, CrossEntropy::new()), &label)
            }
            &LossKind::TtfsCe { tau0 } => {
                let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(tau0));
                self.solve(&net, &input, &objective, &label)
            }
            &LossKind::TimeInvariant { delta } => {
                let objective = Objective::new(FirstSpikeTime, TimeInvariant::new(delta));
                self.solve(&net, &input, &objective, &label)
            }
            LossKind::SpikeTimeMse { targets } => {
                self.solve(&net, &input, &Objective::new(SpikeTimes, ChosenSpikes), targets)
            }
        }
    }

    pub fn network(&self) -> Result<SpikingNetwork, Box<dyn Error>> {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", self.input.len());
        let mut layers = Vec::new();
        for (k, layer) in self.layers.iter().enumerate() {
            let &Population { size, tau_mem, tau_syn, threshold, reset } = layer;
            let name = format!("layer{k}");
            layers.push(match threshold {
                Some(threshold) => net.layer(
                    name,
                    Lif::new(size)
                        .tau_mem(tau_mem)
                        .tau_syn(tau_syn)
                        .threshold(threshold)
                        .reset(reset.unwrap_or(0.0)),
                ),
                None => {
                    net.layer(name, LeakyIntegrator::new(size).tau_mem(tau_mem).tau_syn(tau_syn))
                }
            });
        }
        for (k, projection) in self.projections.iter().enumerate() {
            let layer = |index: i64| {
                let known =
                    usize::try_from(index).ok().and_then(|index| layers.get(index).copied());
                known.ok_or(format!("projection {k}: there is no layer {index}"))
            };
            let present = |rows: &[Vec<Option<f64>>]| -> Vec<bool> {
                rows.iter().flatten().map(Option::is_some).collect()
            };
            if present(&projection.weights) != present(&projection.delays) {
                return Err(format!(
                    "projection {k}: weights and delays have nulls in different places"
                )
                .into());
            }
            let from = if projection.from == -1 { input } else { layer(projection.from)? };
            let to = layer(projection.to as i64)?;
            let mut dense = Dense::weights(matrix(&projection.weights, k, "weights")?)
                .delays(matrix(&projection.delays, k, "delays")?);
            if let Some(tau_syn) = projection.tau_syn {
                dense = dense.tau_syn(tau_syn);
            }
            net.connect(from, to, dense);
        }
        Ok(net.build(&mut ChaCha8Rng::seed_from_u64(0))?)
    }

    fn solve<G: Goal<f64>>(
        &self,
        net: &SpikingNetwork,
        input: &SpikeTrains,
        objective: &G,
        target: &G::Target,
    ) -> Result<Answer, Box<dyn Error>> {
        let trace = net.forward(input, self.duration)?;
        let (evaluation, gradients) = net.backward(&trace, objective, target)?;
        let per_channel = |trains: &SpikeTrains, values: &[f64]| {
            trains.offsets().windows(2).map(|w| values[w[0]..w[1]].to_vec()).collect::<Vec<_>>()
        };
        let spikes = (0..trace.layers())
            .map(|l| per_channel(trace.spikes(l), trace.spikes(l).times()))
            .collect();
        let gradients_of = |(name, p): (&str, &Projection)| ProjectionGradients {
            weights: table(&gradients, name, ParameterKind::Weight, &p.weights),
            delays: table(&gradients, name, ParameterKind::Delay, &p.weights),
        };
        Ok(Answer {
            spikes,
            loss: evaluation.loss,
            gradients: net.projections().zip(&self.projections).map(gradients_of).collect(),
            input_time_gradients: per_channel(input, &gradients.input_times),
        })
    }
}

/// A full matrix of equally long rows. A missing synapse becomes one of weight 0 and delay 0, which
/// does nothing; its gradients are left out of the answer.
fn matrix(rows: &[Vec<Option<f64>>], k: usize, what: &str) -> Result<Array2<f64>, String> {
    let columns = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != columns) {
        return Err(format!("projection {k}: the rows of {what} differ in length"));
    }
    let values: Vec<f64> = rows.iter().flatten().map(|x| x.unwrap_or(0.0)).collect();
    Array2::from_shape_vec((rows.len(), columns), values).map_err(|e| e.to_string())
}

/// The gradients of one kind in the shape of `rows`.
fn table(
    gradients: &Gradients,
    name: &str,
    kind: ParameterKind,
    rows: &[Vec<Option<f64>>],
) -> Vec<Vec<Option<f64>>> {
    let mut values = gradients.get(name, kind).unwrap_or(&[]).iter();
    let mut next = |synapse: &Option<f64>| values.next().copied().filter(|_| synapse.is_some());
    rows.iter().map(|row| row.iter().map(&mut next).collect()).collect()
}

/// 1/2 sum (t - target)^2 over (neuron, index, target) triples; a missing spike reads the duration.
struct ChosenSpikes;

impl Loss<f64> for ChosenSpikes {
    type Target = [(usize, usize, f64)];

    fn evaluate(
        &self,
        y: &Reading,
        target: &[(usize, usize, f64)],
        gradient: &mut [f64],
    ) -> Result<f64, LossError> {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for &(neuron, index, wanted) in target {
            let missing = || LossError::Other(format!("there is no neuron {neuron}"));
            let train = y.rows().nth(neuron).ok_or_else(missing)?;
            let before: usize = y.rows().take(neuron).map(<[f64]>::len).sum();
            let miss = train.get(index).copied().unwrap_or(y.duration()) - wanted;
            if index < train.len() {
                gradient[before + index] += miss;
            }
            sum += miss * miss / 2.0;
        }
        Ok(sum)
    }
}
