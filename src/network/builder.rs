//! Building networks.

use super::groups::{groups, reached};
use super::spiking::{NamedLayer, Origin, Projection, SpikingNetwork};
use crate::Real;
use crate::layer::{Layer, LayerError};
use crate::memory;
use crate::synapse::{Connectivity, DelayedSynapses, SynapseError, check_count, check_numbering};
use rand::Rng;
use std::fmt;
use thiserror::Error;

/// Why a network was refused.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No layer was added.
    #[error("the network has no layers; add at least one with `layer`")]
    Empty,
    /// An input without channels.
    #[error("input `{name}` has no channels; it needs at least 1")]
    EmptyInput {
        /// Its name.
        name: String,
    },
    /// An input that nobody hears.
    #[error("no projection leads from input `{name}`; connect it, or leave it out")]
    UnconnectedInput {
        /// Its name.
        name: String,
    },
    /// Two of the inputs, layers and projections share a name.
    #[error("the name `{name}` is taken; every input, layer and projection needs its own")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A projection from an input that is not there.
    #[error(
        "projection {projection} leads from input {input}, but the inputs of the network are {}", numbers(*inputs)
    )]
    UnknownInput {
        /// The input's number.
        input: usize,
        /// How many there are.
        inputs: usize,
        /// The projection, in the order of connecting.
        projection: usize,
    },
    /// A projection from or onto a layer that is not there.
    #[error(
        "projection {projection} leads from or onto layer {layer}, but the layers of the network are {}", numbers(*layers)
    )]
    UnknownLayer {
        /// The layer's number.
        layer: usize,
        /// How many there are.
        layers: usize,
        /// The projection, in the order of connecting.
        projection: usize,
    },
    /// A layer in which nothing could happen.
    #[error(
        "nothing could happen in layer `{name}`: connect an input with it, directly or through layers that fire, or give it, or one of those, a bias"
    )]
    Unreachable {
        /// The layer's name.
        name: String,
    },
    /// A layer refused its constants.
    #[error("layer `{name}`: {cause}")]
    Layer {
        /// The layer's name.
        name: String,
        /// Why.
        cause: LayerError,
    },
    /// A projection refused its values.
    #[error("projection `{name}`: {cause}")]
    Synapses {
        /// The projection's name.
        name: String,
        /// Why.
        cause: SynapseError,
    },
    /// Synapses made for other sizes than those of the layers.
    #[error(
        "projection `{name}` has synapses for {found:?}, but the layers need {expected:?} (post x pre)"
    )]
    Shape {
        /// The projection's name.
        name: String,
        /// The shape found.
        found: (usize, usize),
        /// The shape needed.
        expected: (usize, usize),
    },
    /// No memory for the spikes of a trial.
    #[error("a trial of this network needs at least {bytes} bytes of memory, which cannot be had")]
    Memory {
        /// What it needs at least.
        bytes: u128,
    },
    /// A projection that does not exist.
    #[error("there is no projection `{name}`; `projections` lists those there are")]
    UnknownProjection {
        /// The name.
        name: String,
    },
}

/// Where a projection comes from, for [`NetworkBuilder::connect`]: an input, as [`NetworkBuilder::input`] returns it, or a
/// layer, whose number turns into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(Population);

/// By number, among those of its sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Population {
    Input(usize),
    Layer(usize),
}

impl From<usize> for Source {
    fn from(layer: usize) -> Self {
        Self(Population::Layer(layer))
    }
}

type Recipe<F> = Box<
    dyn FnOnce(usize, usize, &mut dyn Rng) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError>,
>;

struct Plan<F: Real> {
    pre: Source,
    post: usize,
    tau_syn: Option<F>,
    recipe: Recipe<F>,
}

/// Collects inputs, layers and projections, and checks them as a whole in [`NetworkBuilder::build`].
///
/// ```
/// use eventprop::{Dense, LeakyIntegrator, Lif, Network, NetworkBuilder};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use rand_distr::{Normal, Uniform};
///
/// let mut net = NetworkBuilder::<f64>::new();
/// let input = net.input("input", 10);
/// let hidden = net.layer("hidden", Lif::new(20).tau_mem(20.0));
/// let output = net.layer("output", LeakyIntegrator::new(3));
/// net.connect(input, hidden, Dense::weights(Normal::new(0.3, 0.1)?).delays(Uniform::new(0.0, 20.0)?));
/// net.connect(hidden, hidden, Dense::weights(Normal::new(0.0, 0.1)?).delays(0.0));
/// net.connect(hidden, output, Dense::weights(Normal::new(0.0, 0.2)?));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
/// assert_eq!(net.channels(), 10);
///
/// // A chain of layers.
/// let mut net = NetworkBuilder::<f64>::new();
/// let mut last = net.input("input", 10);
/// for (k, size) in [20, 20, 3].into_iter().enumerate() {
///     let layer = net.layer(format!("layer {k}"), Lif::new(size));
///     net.connect(last, layer, Dense::weights(Normal::new(0.3, 0.1)?).delays(1.0));
///     last = layer.into();
/// }
/// assert_eq!(net.build(&mut ChaCha8Rng::seed_from_u64(1))?.layers(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct NetworkBuilder<F: Real = f64> {
    inputs: Vec<(String, usize)>,
    layers: Vec<NamedLayer<F>>,
    plans: Vec<Plan<F>>,
    max_spikes: Option<usize>,
}

impl<F: Real> fmt::Debug for NetworkBuilder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|l| (&l.name, l.layer.size())).collect();
        let projections: Vec<_> = self.plans.iter().map(|p| (p.pre, p.post)).collect();
        f.debug_struct("NetworkBuilder")
            .field("inputs", &self.inputs)
            .field("layers", &layers)
            .field("projections", &projections)
            .field("max_spikes", &self.max_spikes)
            .finish()
    }
}

impl<F: Real> NetworkBuilder<F> {
    /// A network without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input of `size` channels. Several inputs are consecutive channels of the spike trains
    /// given to [`Network::forward`](crate::Network::forward), in the order of addition.
    pub fn input(&mut self, name: impl Into<String>, size: usize) -> Source {
        self.inputs.push((name.into(), size));
        Source(Population::Input(self.inputs.len() - 1))
    }

    /// Adds a layer and returns its number, by which traces and objectives know it: 0 for the first. The one added last is the
    /// network's output, unless an objective names another.
    pub fn layer(&mut self, name: impl Into<String>, layer: impl Layer<F> + 'static) -> usize {
        self.layers.push(NamedLayer { name: name.into(), layer: Box::new(layer) });
        self.layers.len() - 1
    }

    /// Connects an input or a layer with a layer, maybe itself, by a projection named `pre->post`; a second one between the same
    /// two is `pre->post#2`, and so on. What goes by name, as rates and rewiring do, goes by one of these.
    pub fn connect(
        &mut self,
        pre: impl Into<Source>,
        post: usize,
        connectivity: impl Connectivity<F> + 'static,
    ) -> &mut Self {
        let (pre, tau_syn) = (pre.into(), connectivity.tau_syn());
        let recipe: Recipe<F> =
            Box::new(move |post, pre, rng| connectivity.connect(post, pre, rng));
        self.plans.push(Plan { pre, post, tau_syn, recipe });
        self
    }

    /// How often a neuron may fire in a trial before it is called a runaway. Without it the budget
    /// is 1000 spikes and 10 more per ms since the start of the trial, and at most a million.
    pub fn max_spikes(&mut self, max_spikes: usize) -> &mut Self {
        self.max_spikes = Some(max_spikes);
        self
    }

    /// Draws initial values, checks everything, and makes the network.
    ///
    /// Layers and projections have at most 2^32 - 1 neurons and synapses. Before the values of a projection are
    /// drawn, the memory for them is asked for: what cannot be had is an error. A system that promises more memory
    /// than it has (Linux does, for what would fit if nothing else ran) may still end the program later.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self, mut rng: &mut impl Rng) -> Result<SpikingNetwork<F>, BuildError> {
        let Self { inputs, mut layers, plans, max_spikes } = self;
        let count = layers.len();
        let mut projections: Vec<Projection<F>> = Vec::new();
        for (projection, plan) in plans.into_iter().enumerate() {
            let unknown = |layer| BuildError::UnknownLayer { layer, layers: count, projection };
            let (from, sources, origin) = match plan.pre.0 {
                Population::Input(input) => {
                    let unknown =
                        || BuildError::UnknownInput { input, inputs: inputs.len(), projection };
                    let (name, size) = inputs.get(input).ok_or_else(unknown)?;
                    let before = inputs[..input].iter();
                    let first = before.fold(0, |sum: usize, (_, size)| sum.saturating_add(*size));
                    (name, *size, Origin::Input { first })
                }
                Population::Layer(layer) => {
                    let source = layers.get(layer).ok_or_else(|| unknown(layer))?;
                    (&source.name, source.layer.size(), Origin::Layer(layer))
                }
            };
            let target = plan.post;
            let NamedLayer { name: to, layer } =
                layers.get(target).ok_or_else(|| unknown(target))?;
            let base = format!("{from}->{to}");
            let free = |name: &String| projections.iter().all(|p| p.name != *name);
            let mut numbered = (2..).map(|n| format!("{base}#{n}"));
            let name = std::iter::once(base.clone()).chain(&mut numbered).find(free);
            let name = name.unwrap_or(base);
            let synapses = (plan.recipe)(layer.size(), sources, &mut rng)
                .map_err(|cause| BuildError::Synapses { name: name.clone(), cause })?;
            let NamedLayer { name: layer_name, layer } = &mut layers[target];
            let receptor = layer
                .receptor(plan.tau_syn)
                .map_err(|cause| BuildError::Layer { name: layer_name.clone(), cause })?;
            let receptors = layer.receptors();
            if receptor >= receptors {
                let what =
                    format!("it gave out receptor {receptor}, but says that it has {receptors}");
                let cause = LayerError::Other(what);
                return Err(BuildError::Layer { name: layer_name.clone(), cause });
            }
            projections.push(Projection { name, origin, target, receptor, synapses });
        }
        assemble(inputs, layers, projections, max_spikes)
    }
}

/// The numbers of so many.
fn numbers(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "only 0".to_owned(),
        _ => format!("0 to {}", count - 1),
    }
}

/// Neurons are numbered by `u32`, as sources of synapses are.
fn check_size(size: usize) -> Result<(), LayerError> {
    let most = u32::MAX as usize;
    if size > most { Err(LayerError::TooMany { size, most }) } else { Ok(()) }
}

/// Refuses a layer whose two views of its parameters differ.
fn check_parameters<F: Real>(layer: &mut dyn Layer<F>) -> Result<(), LayerError> {
    let read: Vec<_> = layer.parameters().iter().map(|p| (p.kind, p.values.len())).collect();
    let written = layer.parameters_mut();
    if !written.iter().map(|p| (p.kind, p.values.len())).eq(read.iter().copied()) {
        let what = "`parameters` and `parameters_mut` differ in kinds or numbers";
        return Err(LayerError::Other(what.to_owned()));
    }
    Ok(())
}

/// Checks the parts of a network, from the builder or from a file, and puts them together.
pub(super) fn assemble<F: Real>(
    inputs: Vec<(String, usize)>,
    mut layers: Vec<NamedLayer<F>>,
    projections: Vec<Projection<F>>,
    max_spikes: Option<usize>,
) -> Result<SpikingNetwork<F>, BuildError> {
    if layers.is_empty() {
        return Err(BuildError::Empty);
    }
    if let Some((name, _)) = inputs.iter().find(|(_, size)| *size == 0) {
        return Err(BuildError::EmptyInput { name: name.clone() });
    }
    let populations = inputs.iter().map(|(name, _)| name).chain(layers.iter().map(|l| &l.name));
    let mut names: Vec<&String> = populations.chain(projections.iter().map(|p| &p.name)).collect();
    names.sort();
    if let Some(pair) = names.windows(2).find(|w| w[0] == w[1]) {
        return Err(BuildError::DuplicateName { name: pair[0].clone() });
    }
    for NamedLayer { name, layer } in &mut layers {
        check_size(layer.size())
            .and_then(|()| layer.validate())
            .and_then(|()| check_parameters(layer.as_mut()))
            .map_err(|cause| BuildError::Layer { name: name.clone(), cause })?;
    }
    // A trace knows for each neuron where its spikes start.
    let neurons = layers.iter().map(|named| named.layer.size() as u128).sum();
    memory::check(neurons, size_of::<usize>()).map_err(|bytes| BuildError::Memory { bytes })?;
    let channels = inputs.iter().fold(0, |sum: usize, (_, size)| sum.saturating_add(*size));
    for (number, projection) in projections.iter().enumerate() {
        let name = || projection.name.clone();
        let count = layers.len();
        let unknown = |layer| BuildError::UnknownLayer { layer, layers: count, projection: number };
        let target = layers.get(projection.target).ok_or_else(|| unknown(projection.target))?;
        let found = projection.synapses.shape();
        let (pre, missing) = match projection.origin {
            Origin::Layer(l) => match layers.get(l) {
                Some(source) => (source.layer.size(), false),
                None => return Err(unknown(l)),
            },
            Origin::Input { first } => {
                (found.1, found.1 == 0 || first.saturating_add(found.1) > channels)
            }
        };
        if missing || found != (target.layer.size(), pre) {
            let expected = (target.layer.size(), pre.min(channels));
            return Err(BuildError::Shape { name: name(), found, expected });
        }
        check_count(projection.synapses.synapses() as u128)
            .and_then(|()| check_numbering(projection.synapses.as_ref()))
            .and_then(|()| projection.synapses.validate())
            .map_err(|cause| BuildError::Synapses { name: name(), cause })?;
    }
    let edges: Vec<(usize, usize)> = projections
        .iter()
        .filter_map(|p| match p.origin {
            Origin::Layer(l) => Some((l, p.target)),
            Origin::Input { .. } => None,
        })
        .collect();
    let mut driven: Vec<bool> = layers.iter().map(|l| l.layer.is_driven()).collect();
    for projection in projections.iter().filter(|p| matches!(p.origin, Origin::Input { .. })) {
        driven[projection.target] = true;
    }
    let firing = edges.iter().copied().filter(|&(from, _)| layers[from].layer.fires());
    let reached = reached(driven, firing);
    if let Some(lost) = reached.iter().position(|r| !r) {
        return Err(BuildError::Unreachable { name: layers[lost].name.clone() });
    }
    let mut first = 0_usize;
    for (name, size) in &inputs {
        let channels = first..first.saturating_add(*size);
        let hears = |p: &Projection<F>| match p.origin {
            Origin::Input { first } => {
                first < channels.end && first.saturating_add(p.synapses.shape().1) > channels.start
            }
            Origin::Layer(_) => false,
        };
        if !projections.iter().any(hears) {
            return Err(BuildError::UnconnectedInput { name: name.clone() });
        }
        first = channels.end;
    }
    let groups = groups(layers.len(), &edges);
    Ok(SpikingNetwork::new(inputs, layers, projections, groups, max_spikes))
}
