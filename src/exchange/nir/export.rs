//! From networks to graphs.

use super::convention::record;
use super::neurons::{Population, layer_nodes};
use super::projections::projection_nodes;
use super::{Graph, Jump, NirError, Node, TimeUnit, Value};
use crate::exchange::Report;
use crate::network::Origin;
use crate::{Network, Real, SpikingNetwork};
use std::path::Path;

/// What becomes of delays that differ from synapse to synapse. Those that are axonal, dendritic or the sum of both
/// have nodes, and are written as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delayed {
    /// The export fails.
    #[default]
    Refuse,
    /// They are moved to so many levels at most, and the synapses of each level become a branch with one delay.
    Branches(usize),
    /// They are written to the metadata, from which they come back here to the last bit. Other programs see
    /// synapses without delay.
    Metadata,
}

/// The resistance of the neurons in the file. Weights are divided by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resistance {
    /// The same for all.
    Value(f64),
    /// tau_mem / dt, as snnTorch wants it.
    Step {
        /// The time step in ms.
        dt: f64,
    },
}

/// How a network is written.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Export {
    pub(super) unit: TimeUnit,
    pub(super) jump: Jump,
    pub(super) resistance: Resistance,
    pub(super) delays: Delayed,
    outputs: Vec<String>,
}

impl Default for Export {
    fn default() -> Self {
        Self {
            unit: TimeUnit::default(),
            jump: Jump::default(),
            resistance: Resistance::Value(1.0),
            delays: Delayed::default(),
            outputs: Vec::new(),
        }
    }
}

/// A graph that is being made.
pub(super) struct Draft<'a> {
    pub options: &'a Export,
    pub graph: Graph,
    pub report: Report,
}

impl Draft<'_> {
    /// Adds a node under this name, or one like it, and returns that.
    pub fn add(&mut self, name: &str, node: Node) -> String {
        let plain = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let clean: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let clean = if clean.is_empty() { "node".to_owned() } else { clean };
        let numbered = (2..).map(|n| format!("{clean}_{n}"));
        let mut names = std::iter::once(clean.clone()).chain(numbered);
        let free = names.find(|name| !self.graph.nodes.contains_key(name));
        let free = free.unwrap_or(clean);
        self.graph.nodes.insert(free.clone(), node);
        free
    }

    pub fn connect(&mut self, from: &str, to: &str) {
        self.graph.edges.push((from.into(), to.into()));
    }
}

impl Export {
    /// Times in ms, currents that jump by the weight, a resistance of 1, and no delays per synapse.
    pub fn new() -> Self {
        Self::default()
    }

    /// What Norse reads, if it is told the same time step in ms: `norse.torch.from_nir(graph, dt=1e-3 * dt)`. It knows
    /// neither delays nor resets other than 0.
    pub fn for_norse(dt: f64) -> Self {
        Self { unit: TimeUnit::Seconds, jump: Jump::Step { dt }, ..Self::default() }
    }

    /// What snnTorch reads, whose time step is 0.1 ms. It knows neither delays nor resets other than 0, and one value
    /// of each constant per layer.
    pub fn for_snntorch() -> Self {
        Self { resistance: Resistance::Step { dt: 0.1 }, ..Self::for_norse(0.1) }
    }

    /// The unit of times.
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.unit = unit;
        self
    }

    /// By how much a spike makes a current jump: what to write as `w_in`.
    pub fn jump(mut self, jump: Jump) -> Self {
        self.jump = jump;
        self
    }

    /// The resistance of the neurons, 1 by default.
    pub fn resistance(mut self, resistance: Resistance) -> Self {
        self.resistance = resistance;
        self
    }

    /// What to do about delays that differ from synapse to synapse.
    pub fn delays(mut self, delays: Delayed) -> Self {
        self.delays = delays;
        self
    }

    /// A layer that is an output. Without any it is the last one.
    pub fn output(mut self, layer: impl Into<String>) -> Self {
        self.outputs.push(layer.into());
        self
    }

    /// Writes a network to a file.
    ///
    /// # Errors
    /// See [`Export::graph`]; and what the system says.
    pub fn write<F: Real>(
        &self,
        network: &SpikingNetwork<F>,
        path: impl AsRef<Path>,
    ) -> Result<Report, NirError> {
        let (graph, report) = self.graph(network)?;
        graph.write(path)?;
        Ok(report)
    }

    /// The graph of a network, and what it does not hold.
    ///
    /// # Errors
    /// Layers of types from outside of the crate, delays per synapse if they are refused, options without meaning,
    /// and outputs that do not exist.
    pub fn graph<F: Real>(&self, network: &SpikingNetwork<F>) -> Result<(Graph, Report), NirError> {
        self.check()?;
        let (graph, report) = (Graph::default(), Report::default());
        let mut draft = Draft { options: self, graph, report };
        let mut inputs = Vec::new();
        for (order, (name, size)) in network.inputs.iter().enumerate() {
            let node = Node::new("Input").with("shape", Value::sizes([*size]));
            inputs.push(draft.add(name, described(node, name, order)));
        }
        let mut layers: Vec<Population> = Vec::new();
        for layer in 0..network.layers() {
            layers.push(layer_nodes(&mut draft, network, layer)?);
        }
        let mut first = 0_usize;
        let mut starts = Vec::new();
        for (_, size) in &network.inputs {
            starts.push(first);
            first = first.saturating_add(*size);
        }
        for (order, projection) in network.projections.iter().enumerate() {
            let source = match projection.origin {
                Origin::Layer(layer) if !layers[layer].fires => {
                    draft.report.drop(&projection.name, "synapses from neurons that never fire");
                    continue;
                }
                Origin::Layer(layer) => layers[layer].node.clone(),
                Origin::Input { first } => {
                    inputs[starts.partition_point(|&start| start <= first) - 1].clone()
                }
            };
            projection_nodes(&mut draft, order, projection, &source, &layers[projection.target])?;
        }
        let last = network.layers() - 1;
        let outputs: Vec<usize> = if self.outputs.is_empty() {
            vec![last]
        } else {
            let number = |name: &String| {
                let unknown = || NirError::UnknownNode { node: name.clone() };
                network.layer(name).ok_or_else(unknown)
            };
            self.outputs.iter().map(number).collect::<Result<_, _>>()?
        };
        for layer in outputs {
            let shape = Value::sizes([network.layer_info(layer).1]);
            let output = draft.add("output", Node::new("Output").with("shape", shape));
            draft.connect(&layers[layer].node, &output);
        }
        if network.max_spikes.is_some() {
            draft.report.drop("network", "the greatest number of spikes");
        }
        record(&mut draft.graph, self.unit, self.jump);
        draft.graph.metadata.insert("written_by".into(), Value::Text("eventprop".into()));
        Ok((draft.graph, draft.report))
    }

    fn check(&self) -> Result<(), NirError> {
        self.jump.check()?;
        match self.resistance {
            Resistance::Value(value) if !value.is_finite() || value == 0.0 => {
                return Err(NirError::Resistance { value });
            }
            Resistance::Step { dt } => Jump::Step { dt }.check()?,
            Resistance::Value(_) => {}
        }
        if self.delays == Delayed::Branches(0) { Err(NirError::NoLevels) } else { Ok(()) }
    }

    /// The resistance of a neuron.
    pub(super) fn resistance_of(&self, tau_mem: f64) -> f64 {
        match self.resistance {
            Resistance::Value(value) => value,
            Resistance::Step { dt } => self.unit.of_ms(tau_mem) / self.unit.of_ms(dt),
        }
    }
}

/// A node with the name and the place that it has in the network.
pub(super) fn described(node: Node, name: &str, order: usize) -> Node {
    node.note("name", Value::Text(name.into())).note("order", Value::count(order))
}
