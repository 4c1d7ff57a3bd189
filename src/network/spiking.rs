//! The network of this crate.

use super::{BuildError, Network, Scratch, StorageLayout};
use crate::adjoint;
use crate::fast;
use crate::health;
use crate::layer::Layer;
use crate::pool::Pool;
use crate::readout::Recording;
use crate::simulate;
use crate::synapse::{DelayedSynapses, Rewiring};
use crate::trace::LayerTrace;
use crate::{
    AdjointError, ArrivalCounts, Block, Deferred, Gradients, Parameter, ParameterMap, ParameterMut,
    Real, Sensitivity, SimulationError, SpikeTrains, Synapse, Trace,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// A layer and its name.
#[derive(Debug, Clone)]
pub(crate) struct NamedLayer<F: Real> {
    pub name: String,
    pub layer: Box<dyn Layer<F>>,
}

/// Where a projection starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Origin {
    /// Channels from `first` on.
    Input { first: usize },
    /// A layer.
    Layer(usize),
}

impl Origin {
    /// The channel of the first source among those of its population.
    pub fn first(self) -> usize {
        match self {
            Self::Input { first } => first,
            Self::Layer(_) => 0,
        }
    }

    /// The spikes of its population.
    pub fn spikes<'a, F>(
        self,
        input: &'a SpikeTrains,
        layers: &'a [LayerTrace<F>],
    ) -> &'a SpikeTrains {
        match self {
            Self::Input { .. } => input,
            Self::Layer(layer) => &layers[layer].spikes,
        }
    }
}

/// Synapses from one population to a layer.
#[derive(Debug, Clone)]
pub(crate) struct Projection<F: Real> {
    pub name: String,
    pub origin: Origin,
    pub target: usize,
    pub receptor: usize,
    pub synapses: Box<dyn DelayedSynapses<F>>,
}

/// What simulates a network. All ways are exact and agree to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// For each group of layers the quickest way that takes it: neuron by neuron under light loads, sums over short windows
    /// in which a neuron provably cannot fire under heavy ones, else as [`Engine::Plain`].
    #[default]
    Fast,
    /// One event after the other. Small and slow; the reference for the others.
    Plain,
}

/// A directed graph of layers, connected by synapses with delays; recurrence of any kind included.
///
/// Made by [`NetworkBuilder`](crate::NetworkBuilder). It holds parameters and constants: a forward pass
/// borrows it, and no state is carried from trial to trial. Working memory is kept, one set for each
/// thread that has used the network; a clone starts without.
#[derive(Debug, Clone)]
pub struct SpikingNetwork<F: Real = f64> {
    pub(crate) inputs: Vec<(String, usize)>,
    pub(crate) layers: Vec<NamedLayer<F>>,
    pub(crate) projections: Vec<Projection<F>>,
    /// Layers that are simulated together, in the order of simulation.
    pub(crate) groups: Vec<Vec<usize>>,
    /// The blocks of parameters, and how many parameters each projection and each layer has.
    pub(crate) layout: Vec<Block>,
    pub(crate) parameter_counts: Vec<usize>,
    pub(crate) constant_counts: Vec<usize>,
    pub(crate) max_spikes: Option<usize>,
    pub(crate) engine: Engine,
    /// Changes with the parameters, so that a trace knows whether it is still true.
    pub(crate) version: u64,
    pub(crate) cache: fast::Cache<F>,
    pub(crate) scratch: Pool<Scratch<F>>,
    pub(crate) sums: Pool<Box<adjoint::Sums<F>>>,
}

fn fresh_version() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The blocks of parameters, and how many parameters each projection and each layer has.
fn lay_out<F: Real>(
    projections: &[Projection<F>],
    layers: &[NamedLayer<F>],
) -> (Vec<Block>, Vec<usize>, Vec<usize>) {
    let mut layout = Vec::new();
    let mut count = |owner: &str, parameters: Vec<Parameter<'_, F>>| -> usize {
        let blocks = parameters.iter().map(|p| (p.kind, p.values.len()));
        layout.extend(blocks.map(|(kind, len)| Block { owner: owner.into(), kind, len }));
        parameters.iter().map(|p| p.values.len()).sum()
    };
    let synapses = projections.iter().map(|p| count(&p.name, p.synapses.parameters())).collect();
    let constants = layers.iter().map(|l| count(&l.name, l.layer.parameters())).collect();
    (layout, synapses, constants)
}

impl<F: Real> SpikingNetwork<F> {
    pub(super) fn new(
        inputs: Vec<(String, usize)>,
        layers: Vec<NamedLayer<F>>,
        projections: Vec<Projection<F>>,
        groups: Vec<Vec<usize>>,
        max_spikes: Option<usize>,
    ) -> Self {
        let (layout, parameter_counts, constant_counts) = lay_out(&projections, &layers);
        Self {
            inputs,
            layers,
            projections,
            groups,
            layout,
            parameter_counts,
            constant_counts,
            max_spikes,
            engine: Engine::Fast,
            version: fresh_version(),
            cache: fast::Cache::default(),
            scratch: Pool::default(),
            sums: Pool::default(),
        }
    }

    /// Whether spikes of a group of layers may reach the group itself.
    pub(crate) fn is_recurrent(&self, group: &[usize]) -> bool {
        self.projections.iter().any(|p| {
            group.contains(&p.target) && matches!(p.origin, Origin::Layer(l) if group.contains(&l))
        })
    }

    /// How often a neuron may have fired by this time of a trial, in ms.
    pub(crate) fn spike_budget(&self, time: f64) -> usize {
        // A neuron that fires by its bias does so for ever, and trials may be absurdly long: without a limit all memory
        // would be filled first.
        self.max_spikes.unwrap_or((1000.0 + 10.0 * time).min(1e6) as usize)
    }

    /// The same network on this engine.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self.version = fresh_version();
        self
    }

    /// The number of a layer, by name.
    pub fn layer(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|l| l.name == name)
    }

    /// The synapses of a projection, by its name `pre->post`.
    pub fn synapses(&self, projection: &str) -> Option<&dyn DelayedSynapses<F>> {
        self.projections.iter().find(|p| p.name == projection).map(|p| p.synapses.as_ref())
    }

    /// Removes and adds synapses of one projection, and tells where each parameter was before. Hand that to
    /// [`Optimizer::remap`](crate::Optimizer::remap). Traces and gradients from before no longer fit.
    ///
    /// Pruning, for instance:
    ///
    /// ```
    /// # use eventprop::{Adam, BuildError, Lif, NetworkBuilder, Optimizer, Rewiring, Sparse};
    /// # use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// # use rand_distr::Normal;
    /// # let mut net = NetworkBuilder::<f64>::new();
    /// # let input = net.input("input", 20);
    /// # let output = net.layer("output", Lif::new(10));
    /// # net.connect(input, output, Sparse::probability(0.5).weights(Normal::new(0.0, 0.3)?).delays(2.0));
    /// # let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    /// # let mut adam = Adam::<f64>::new(0.01);
    /// let synapses = net.synapses("input->output").unwrap();
    /// let weak = synapses.iter().filter(|(_, s)| s.weight.abs() < 0.1).map(|(_, s)| s.index).collect();
    /// let map = net.rewire("input->output", &Rewiring { remove: weak, add: Vec::new() })?;
    /// adam.remap(&map)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An unknown projection, or a change that does not fit its synapses; nothing is changed then.
    pub fn rewire(
        &mut self,
        projection: &str,
        change: &Rewiring<F>,
    ) -> Result<ParameterMap, BuildError> {
        let name = || projection.to_owned();
        let number = self.projections.iter().position(|p| p.name == projection);
        let number = number.ok_or_else(|| BuildError::UnknownProjection { name: name() })?;
        let origins = self.projections[number]
            .synapses
            .rewire(change)
            .map_err(|cause| BuildError::Synapses { name: name(), cause })?;
        let had = self.parameter_counts[number];
        let has: usize =
            self.projections[number].synapses.parameters().iter().map(|p| p.values.len()).sum();
        if origins.len() != has || origins.iter().flatten().any(|&k| k >= had) {
            // They have changed, whatever they say.
            self.lay_out();
            let what =
                format!("`rewire` must name the places of {has} parameters among the {had} before");
            return Err(BuildError::Synapses {
                name: name(),
                cause: crate::SynapseError::Other(what),
            });
        }
        let first: usize = self.parameter_counts[..number].iter().sum();
        let before = self.parameter_counts.iter().chain(&self.constant_counts).sum();
        let last = first + self.parameter_counts[number];
        let own = origins.into_iter().map(|origin| origin.map(|k| first + k));
        let all = (0..first).map(Some).chain(own).chain((last..before).map(Some)).collect();
        self.lay_out();
        Ok(ParameterMap::new(before, all))
    }

    /// Takes over other synapses.
    fn lay_out(&mut self) {
        (self.layout, self.parameter_counts, self.constant_counts) =
            lay_out(&self.projections, &self.layers);
        self.version = fresh_version();
    }

    /// The names of the projections, in the order of addition.
    pub fn projections(&self) -> impl Iterator<Item = &str> {
        self.projections.iter().map(|p| p.name.as_str())
    }
}

impl<F: Real> Network<F> for SpikingNetwork<F> {
    fn channels(&self) -> usize {
        self.inputs.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size))
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn layer_info(&self, layer: usize) -> (&str, usize) {
        let NamedLayer { name, layer } = &self.layers[layer];
        (name, layer.size())
    }

    fn layout(&self) -> Vec<Block> {
        self.layout.clone()
    }

    fn forward_into(
        &self,
        input: &SpikeTrains,
        duration: f64,
        trace: &mut Trace<F>,
    ) -> Result<(), SimulationError> {
        simulate::forward(self, input, duration, trace, &mut self.scratch.take())
    }

    fn record<'a>(
        &'a self,
        trace: &'a Trace<F>,
        layer: usize,
    ) -> Result<Recording<'a, F>, AdjointError> {
        adjoint::check_trace(self, trace)?;
        let layers = self.layers.len();
        if layer >= layers {
            return Err(AdjointError::NoSuchLayer { layer, layers });
        }
        Ok(Recording::new(self, trace, layer))
    }

    fn adjoint_into(
        &self,
        trace: &Trace<F>,
        sensitivity: &mut Sensitivity<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError> {
        let mut deferred = Deferred::new();
        adjoint::defer(self, trace, sensitivity, (gradients, true), &mut deferred)?;
        deferred.settle(self, gradients)
    }

    fn adjoint_deferred(
        &self,
        trace: &Trace<F>,
        sensitivity: &mut Sensitivity<F>,
        gradients: &mut Gradients<F>,
        deferred: &mut Deferred<F>,
    ) -> Result<(), AdjointError> {
        adjoint::defer(self, trace, sensitivity, (gradients, false), deferred)
    }

    fn settle(
        &self,
        deferred: &mut Deferred<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError> {
        deferred.settle(self, gradients)
    }

    fn count_arrivals(
        &self,
        trace: &Trace<F>,
        near: Option<f64>,
    ) -> Result<ArrivalCounts, AdjointError> {
        adjoint::check_trace(self, trace)?;
        Ok(health::count_arrivals(self, trace, near, &mut self.scratch.take().health))
    }

    fn pull_back(
        &self,
        derivatives: &mut dyn FnMut(Synapse<F>) -> [F; 2],
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError> {
        if self.layout != gradients.layout() {
            return Err(AdjointError::Layout);
        }
        let mut rest = gradients.values_mut();
        let (mut weights, mut delays) = (Vec::new(), Vec::new());
        for (Projection { synapses, .. }, &len) in
            self.projections.iter().zip(&self.parameter_counts)
        {
            weights.clear();
            delays.clear();
            for (_, synapse) in synapses.iter() {
                let [weight, delay] = derivatives(synapse);
                weights.push(weight);
                delays.push(delay);
            }
            let (own, others) = rest.split_at_mut(len);
            synapses.pull_back(&weights, &delays, own);
            rest = others;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&str, Parameter<'_, F>)> {
        let synapses = self.projections.iter().map(|p| (p.name.as_str(), p.synapses.parameters()));
        let constants = self.layers.iter().map(|l| (l.name.as_str(), l.layer.parameters()));
        let each = |(owner, parameters)| Vec::into_iter(parameters).map(move |p| (owner, p));
        synapses.chain(constants).flat_map(each).collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&str, ParameterMut<'_, F>)> {
        self.version = fresh_version();
        let synapses =
            self.projections.iter_mut().map(|p| (p.name.as_str(), p.synapses.parameters_mut()));
        let constants = self.layers.iter_mut().map(|l| (l.name.as_str(), l.layer.parameters_mut()));
        let each = |(owner, parameters)| Vec::into_iter(parameters).map(move |p| (owner, p));
        synapses.chain(constants).flat_map(each).collect()
    }

    fn update(&mut self) {
        self.version = fresh_version();
        for projection in &mut self.projections {
            projection.synapses.update();
        }
        for NamedLayer { layer, .. } in &mut self.layers {
            layer.update();
        }
    }

    fn storage(&self) -> StorageLayout {
        super::storage::of(self)
    }

    fn fires(&self, layer: usize) -> bool {
        self.layers[layer].layer.fires()
    }

    fn raise_weights(&mut self, layer: usize, neuron: usize, amount: F) {
        self.version = fresh_version();
        for projection in &mut self.projections {
            if projection.target == layer && projection.origin != Origin::Layer(layer) {
                projection.synapses.raise_weights(neuron, amount);
            }
        }
    }
}
