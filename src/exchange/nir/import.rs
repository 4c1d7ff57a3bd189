//! From graphs to networks.

use super::convention::{recorded_jump, recorded_unit};
use super::neurons::{Neurons, fires, read_layer, size};
use super::paths::{Edges, Path as Way, channels, trace};
use super::synapses::{Bundle, synapses};
use super::{Graph, Jump, NirError, TimeUnit, Value};
use crate::exchange::Report;
use crate::{NetworkBuilder, Real, Source, SpikingNetwork};
use rand::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How a graph is read.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Import {
    unit: Option<TimeUnit>,
    jump: Option<Jump>,
    short_current: Option<f64>,
}

/// What is known while a graph is read.
pub(super) struct Context<'a> {
    pub graph: &'a Graph,
    pub unit: TimeUnit,
    pub jump: Jump,
    /// The time constant in ms of currents where there are none.
    pub short_current: Option<f64>,
    /// Whether the metadata are those of this crate.
    pub ours: bool,
}

/// Synapses may use no more numbers than so many times those in the file.
const MOST_USES: usize = 16;

impl Import {
    /// Conventions are taken from the metadata of a file of ours; for others, times are in ms and currents jump by the
    /// weight times `w_in`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The unit of times, whatever the metadata say.
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// By how much a spike makes a current jump, whatever the metadata say.
    pub fn jump(mut self, jump: Jump) -> Self {
        self.jump = Some(jump);
        self
    }

    /// Neurons without a synaptic current, which spikes make jump at once, get one that is as short as this, in ms, and
    /// carries as much. Without it they are refused: there are none here.
    pub fn short_current(mut self, tau_syn: f64) -> Self {
        self.short_current = Some(tau_syn);
        self
    }

    /// Reads a network from a file.
    ///
    /// # Errors
    /// See [`Graph::read`] and [`Import::network`].
    pub fn read<F: Real>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<(SpikingNetwork<F>, Report), NirError> {
        self.network(&Graph::read(path)?)
    }

    /// The network of a graph, and what was lost or taken for granted. All weights are trainable, and all delays that
    /// have a node, or an entry in the metadata.
    ///
    /// Layers and inputs are in the order in which they were exported; those of others by their distance from the
    /// inputs, the ones that lead to outputs last, and then by name.
    ///
    /// # Errors
    /// Options without meaning, nodes of other types, connections that are not supported, metadata that cannot be read, sizes
    /// that do not fit, networks that a [`NetworkBuilder`] refuses.
    pub fn network<F: Real>(&self, graph: &Graph) -> Result<(SpikingNetwork<F>, Report), NirError> {
        let mut report = Report::default();
        let context = self.context(graph, &mut report)?;
        let edges = Edges::new(graph)?;
        let order = Order::new(&context, &edges)?;
        if order.inputs.len() > 1 && !context.ours {
            report.assume(
                "inputs",
                format!("channels are those of {}", order.inputs.join(", then ")),
            );
        }

        let mut net = NetworkBuilder::<F>::new();
        let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
        for &name in &order.inputs {
            let id = net.input(context.title(name), channels(name, &graph.nodes[name])?);
            sources.insert(name, id);
        }
        let numbers = graph.nodes.values().flat_map(|node| node.fields.values());
        let most = numbers.map(|v| v.shape().iter().product::<usize>()).sum::<usize>();
        let mut left = most.saturating_mul(MOST_USES);

        let mut layers: Vec<(&str, Neurons)> = Vec::new();
        let mut bundles: BTreeMap<(usize, &str, usize, usize), Bundle<'_>> = BTreeMap::new();
        for (number, &name) in order.layers.iter().enumerate() {
            let node = &graph.nodes[name];
            let targets = size(name, node)?;
            let own: Vec<&str> = order.receptors_of(&context, &edges, name);
            let direct: Vec<&str> =
                edges.before(name).iter().copied().filter(|n| !own.contains(n)).collect();
            let cuba = node.fields.contains_key("tau_syn");
            let instant = !cuba && !direct.is_empty();
            let mut neurons = read_layer(&context, name, node, &own, instant)?;
            if instant {
                let tau = context.short_current.unwrap_or_default();
                report.assume(
                    name,
                    format!("potentials do not jump, but follow a current of {tau} ms"),
                );
            }
            let mut ends: Vec<(usize, &str)> = Vec::new();
            let last = neurons.receptors.len().saturating_sub(1);
            ends.extend(direct.iter().map(|&from| (if cuba { 0 } else { last }, from)));
            for (receptor, &synapse) in own.iter().enumerate() {
                ends.extend(edges.before(synapse).iter().map(|&from| (receptor, from)));
            }
            for (receptor, from) in ends {
                let path = trace(graph, &edges, from, targets)?;
                let used = path.linear.as_ref().map_or(targets, |(_, _, matrix)| matrix.len());
                let problem = "it is used more often than a network of this size can need";
                let bad = NirError::Unsupported { node: from.into(), problem };
                left = left.checked_sub(used).ok_or(bad)?;
                self.add_bias(&mut neurons, receptor, &path, &mut report);
                let projection = context.projection(&path)?;
                let key = (projection, path.source, number, receptor);
                bundles.entry(key).or_default().push(path);
            }
            layers.push((name, neurons));
        }
        for (name, neurons) in &layers {
            let title = context.title(name);
            let id = if neurons.fires() {
                net.layer(title.clone(), neurons.lif::<F>(&mut report, &title))
            } else {
                net.layer(title.clone(), neurons.integrator::<F>(&mut report, &title))
            };
            sources.insert(name, id.into());
        }
        for ((_, source, number, receptor), bundle) in bundles {
            let (name, neurons) = &layers[number];
            let mut recipe =
                synapses::<F>(&context, &neurons.receptors[receptor], bundle, &mut report)?;
            if receptor > 0 {
                let tau = &neurons.receptors[receptor].tau;
                if tau.iter().any(|&t| t != tau[0]) {
                    let problem =
                        "a second current has time constants that differ from neuron to neuron";
                    return Err(NirError::Unsupported { node: (*name).into(), problem });
                }
                recipe = recipe.tau_syn(F::of(tau[0]));
            }
            net.connect(sources[source], number, recipe);
        }
        self.check_outputs(graph, &edges)?;
        // Nothing is drawn.
        let mut rng = rand::rngs::SmallRng::seed_from_u64(0);
        Ok((net.build(&mut rng)?, report))
    }

    fn context<'a>(&self, graph: &'a Graph, report: &mut Report) -> Result<Context<'a>, NirError> {
        let writer = graph.metadata.get("written_by");
        let ours = writer == Some(&Value::Text("eventprop".into()));
        let unit = self.unit.or(recorded_unit(graph).filter(|_| ours)).unwrap_or_else(|| {
            report.assume("graph", "times are in ms");
            TimeUnit::default()
        });
        let jump = self.jump.or(recorded_jump(graph).filter(|_| ours)).unwrap_or_else(|| {
            report.assume("graph", "a spike makes a current jump by w_in times the weight");
            Jump::default()
        });
        jump.check()?;
        if let Some(dt) = self.short_current.filter(|t| !(t.is_finite() && *t > 0.0)) {
            return Err(NirError::TimeStep { dt });
        }
        Ok(Context { graph, unit, jump, short_current: self.short_current, ours })
    }

    /// A bias of weights drives the neurons for good.
    fn add_bias(
        &self,
        neurons: &mut Neurons,
        receptor: usize,
        path: &Way<'_>,
        report: &mut Report,
    ) {
        if path.bias.iter().all(|&b| b == 0.0) {
            return;
        }
        let gain = &neurons.receptors[receptor].gain;
        let drives = neurons.bias.iter_mut().zip(path.bias.iter().zip(gain));
        drives.for_each(|(drive, (bias, gain))| *drive += bias * gain);
        if let Some((name, ..)) = path.linear {
            report.drop(name, "how its bias rises from 0 with the current, and its delay");
        }
    }

    fn check_outputs(&self, graph: &Graph, edges: &Edges<'_>) -> Result<(), NirError> {
        for name in graph.nodes.iter().filter(|(_, n)| n.kind == "Output").map(|(name, _)| name) {
            for from in edges.before(name) {
                if fires(&graph.nodes[*from].kind).is_none() {
                    let problem = "something else than neurons leads to this output";
                    return Err(NirError::Unsupported { node: name.clone(), problem });
                }
            }
        }
        Ok(())
    }
}

impl Context<'_> {
    /// The place that a node had in the network that was exported.
    fn order(&self, node: &str) -> Option<usize> {
        let order = self.graph.nodes[node].metadata.get("order").filter(|_| self.ours)?;
        order.places().filter(|p| p.len() == 1).map(|p| p[0])
    }

    /// The name that a node had in the network that was exported.
    fn title(&self, node: &str) -> String {
        match self.graph.nodes[node].metadata.get("name") {
            Some(Value::Text(name)) if self.ours => name.clone(),
            _ => node.into(),
        }
    }

    /// The projection that a path belongs to. Those without a number go by their ends.
    fn projection(&self, path: &Way<'_>) -> Result<usize, NirError> {
        let Some((name, node, _)) = &path.linear else { return Ok(usize::MAX) };
        let Some(value) = node.metadata.get("projection").filter(|_| self.ours) else {
            return Ok(usize::MAX);
        };
        let number = value.places().filter(|p| p.len() == 1).map(|p| p[0]);
        number.ok_or_else(|| NirError::Metadata { node: (*name).into(), key: "projection" })
    }
}

/// The populations of a graph in order.
struct Order<'a> {
    inputs: Vec<&'a str>,
    layers: Vec<&'a str>,
    receptors: BTreeSet<&'a str>,
}

impl<'a> Order<'a> {
    fn new(context: &Context<'a>, edges: &Edges<'a>) -> Result<Self, NirError> {
        let graph = context.graph;
        let named = || graph.nodes.iter().map(|(name, node)| (name.as_str(), node.kind.as_str()));
        let known = ["Input", "Output", "Linear", "Affine", "Delay"];
        if let Some((node, kind)) = named().find(|(_, k)| !known.contains(k) && fires(k).is_none())
        {
            return Err(NirError::UnknownKind { node: node.into(), kind: kind.into() });
        }
        // A leaky integrator that leads to neurons and nowhere else is a synaptic current of theirs.
        let takes = |name: &&str| matches!(graph.nodes[*name].kind.as_str(), "LIF" | "LI");
        let is_receptor = |&(name, kind): &(&'a str, &str)| {
            kind == "LI"
                && matches!(edges.after(name), [target] if takes(target) && *target != name)
        };
        let receptors: BTreeSet<&str> = named().filter(is_receptor).map(|(name, _)| name).collect();
        let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
        let mut inputs: Vec<&str> = named().filter(|n| n.1 == "Input").map(|n| n.0).collect();
        let mut front = inputs.clone();
        for distance in 0.. {
            let mut next = Vec::new();
            for name in std::mem::take(&mut front) {
                if !depth.contains_key(name) {
                    depth.insert(name, distance);
                    next.extend(edges.after(name));
                }
            }
            if next.is_empty() {
                break;
            }
            front = next;
        }
        let is_layer =
            |&(name, kind): &(&str, &str)| fires(kind).is_some() && !receptors.contains(name);
        let mut layers: Vec<&str> = named().filter(is_layer).map(|(name, _)| name).collect();
        let leads_out = |name| edges.after(name).iter().any(|n| graph.nodes[*n].kind == "Output");
        let far = |name| depth.get(name).copied().unwrap_or(usize::MAX);
        inputs.sort_by_key(|&name| (context.order(name), name));
        layers.sort_by_key(|&name| match context.order(name) {
            Some(order) => (false, order, name),
            None => (leads_out(name), far(name), name),
        });
        Ok(Self { inputs, layers, receptors })
    }

    /// The synaptic currents of a layer.
    fn receptors_of(&self, context: &Context<'a>, edges: &Edges<'a>, layer: &str) -> Vec<&'a str> {
        let into = edges.before(layer).iter().copied();
        let mut own: Vec<&str> = into.filter(|name| self.receptors.contains(name)).collect();
        own.sort_by_key(|&name| (context.order(name), name));
        own
    }
}
