//! Test cases in JSON: a network, an input and a loss; and the answer to each.

mod loss;
mod network;

pub use loss::LossKind;

use eventprop::{Engine, Goal, Gradients, Network, ParameterKind, SpikeTrains, SpikingNetwork};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;

/// A network, its input, and a loss.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[allow(dead_code)]
    #[serde(default)]
    pub name: String,
    /// In order; the last is the output.
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
    pub tau_mem: Values,
    pub tau_syn: Values,
    pub threshold: Option<Values>,
    pub reset: Option<Values>,
    pub bias: Option<Values>,
    /// Jump and time constant.
    pub adaptation: Option<(Values, Values)>,
    /// Jump and time constant.
    pub adaptive_threshold: Option<(Values, Values)>,
    pub refractory: Option<Values>,
    /// The constants, by name, whose gradients are wanted.
    #[serde(default)]
    pub trainable: Vec<String>,
}

/// A constant: one value for all neurons or one for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Values {
    One(f64),
    Each(Vec<f64>),
}

/// Synapses from layer `from` (-1: the input) to layer `to`; matrices are post x pre, and null where
/// there is no synapse.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub from: i64,
    pub to: usize,
    /// That of a receptor of its own.
    pub tau_syn: Option<f64>,
    pub weights: Vec<Vec<Option<f64>>>,
    pub delays: Vec<Vec<Option<f64>>>,
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
    /// By layer, the gradients by constants that are asked for; nothing if none are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constants: Vec<BTreeMap<String, Vec<f64>>>,
}

/// Gradients of one projection, post x pre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionGradients {
    pub weights: Vec<Vec<Option<f64>>>,
    pub delays: Vec<Vec<Option<f64>>>,
}

impl Case {
    /// Simulates and differentiates the case.
    pub fn answer(&self, engine: Engine) -> Result<Answer, Box<dyn Error>> {
        let net = self.network()?.with_engine(engine);
        let input = SpikeTrains::from_channels(self.input.iter().cloned())?;
        self.judge(&net, &input)
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
            constants: self.constants(net, &gradients),
        })
    }

    /// The gradients by constants themselves, where the parameters are their logarithms.
    fn constants(
        &self,
        net: &SpikingNetwork,
        gradients: &Gradients,
    ) -> Vec<BTreeMap<String, Vec<f64>>> {
        if self.layers.iter().all(|layer| layer.trainable.is_empty()) {
            return Vec::new();
        }
        let mut by_layer = Vec::new();
        for layer in 0..net.layers() {
            let name = net.layer_info(layer).0;
            let own = net.parameters().into_iter().filter(|(owner, _)| *owner == name);
            by_layer.push(
                own.map(|(_, parameter)| {
                    let found = gradients.get(name, parameter.kind).unwrap_or(&[]);
                    let by_constant = found.iter().zip(parameter.values).map(|(g, &value)| {
                        if parameter.kind.is_logarithm() { g / value.exp() } else { *g }
                    });
                    (parameter.kind.to_string(), by_constant.collect())
                })
                .collect(),
            );
        }
        by_layer
    }
}

/// The gradients of one kind in the shape of `rows`.
fn table(
    gradients: &Gradients,
    name: &str,
    kind: ParameterKind,
    rows: &[Vec<Option<f64>>],
) -> Vec<Vec<Option<f64>>> {
    let mut values = gradients.get(name, kind).unwrap_or(&[]).iter().copied();
    let mut next = |synapse: &Option<f64>| synapse.and_then(|_| values.next());
    rows.iter().map(|row| row.iter().map(&mut next).collect()).collect()
}
