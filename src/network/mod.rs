//! Networks: graphs of layers and projections.

mod builder;
#[cfg(feature = "files")]
mod file;
mod groups;
mod scratch;
mod spiking;
mod storage;
#[cfg(feature = "serde")]
mod store;
mod summary;
mod taken;

pub use builder::{BuildError, NetworkBuilder, Source};
#[cfg(feature = "files")]
pub use file::NetworkFileError;
pub(crate) use scratch::Scratch;
pub use spiking::{Engine, SpikingNetwork};
pub(crate) use spiking::{NamedLayer, Origin, Projection};
pub use storage::StorageLayout;
pub(crate) use taken::Taken;

use crate::readout::Recording;
use crate::{
    AdjointError, ArrivalCounts, Assessment, BackwardOptions, Block, Deferred, Error, Evaluation,
    Goal, Gradients, Health, Parameter, ParameterMut, Real, Sensitivity, SimulationError,
    SpikeTrains, Synapse, Trace,
};

/// A network that can be simulated, differentiated and trained.
///
/// [`SpikingNetwork`] is the implementor in this crate. Everything that trains (optimisers, batches, the trainer) asks for
/// no more than this trait and takes a `&dyn Network<F>`; the gradient checker also clones. One of your own wraps a
/// `SpikingNetwork`, which alone makes traces, and forwards what it does not change: also the methods that have defaults, or
/// training is slow.
pub trait Network<F: Real>: Send + Sync {
    /// The number of input channels.
    fn channels(&self) -> usize;

    /// The number of layers; they are numbered in the order in which they were added.
    fn layers(&self) -> usize;

    /// The name and the size of a layer.
    ///
    /// # Panics
    /// If there is no such layer.
    fn layer_info(&self, layer: usize) -> (&str, usize);

    /// Simulates a trial of `duration` ms from rest, and writes it over `trace`, whose memory is used
    /// again.
    ///
    /// # Errors
    /// An input that does not fit, a duration that has no meaning, a weight, delay or constant that lost its meaning after the
    /// network was built, a state that overflows, too many spikes, a wait of a model that has no meaning, or a network that
    /// runs away. The trace then belongs to no network.
    fn forward_into(
        &self,
        input: &SpikeTrains,
        duration: f64,
        trace: &mut Trace<F>,
    ) -> Result<(), SimulationError>;

    /// Simulates a trial of `duration` ms from rest.
    ///
    /// # Errors
    /// See [`Network::forward_into`].
    fn forward(&self, input: &SpikeTrains, duration: f64) -> Result<Trace<F>, SimulationError> {
        let mut trace = Trace::new();
        self.forward_into(input, duration, &mut trace)?;
        Ok(trace)
    }

    /// What read-outs see of a layer.
    ///
    /// # Errors
    /// A trace that is not of this network with its present parameters, or a layer that is not there.
    fn record<'a>(
        &'a self,
        trace: &'a Trace<F>,
        layer: usize,
    ) -> Result<Recording<'a, F>, AdjointError>;

    /// The adjoint pass: from the sensitivity of a loss to spike times and potentials to its
    /// gradient by all parameters, which is added to `gradients`, and by the input times of this
    /// trace, which takes the place of what was there.
    ///
    /// `sensitivity` is used up. Afterwards its `spike_times` hold dL/dt of every spike of a layer, of
    /// what the loss said and what the spike's arrivals returned; the rest has no meaning.
    ///
    /// # Errors
    /// A trace that is not of this network with its present parameters, gradients with other blocks, a
    /// sensitivity that does not fit, or a spike without slope. Nothing is added then.
    fn adjoint_into(
        &self,
        trace: &Trace<F>,
        sensitivity: &mut Sensitivity<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError>;

    /// Like [`Network::adjoint_into`], for one of many trials. Sums per synapse are collected in `deferred`; call
    /// [`Network::settle`] once at the end to turn them into gradients by parameters. Gradients by input times, which belong
    /// to one trial each, are not computed, and any in `gradients` are dropped. (By default nothing is deferred: it is
    /// [`Network::adjoint_into`].)
    ///
    /// # Errors
    /// As [`Network::adjoint_into`], and what is deferred belongs to other parameters. Nothing is deferred then.
    fn adjoint_deferred(
        &self,
        trace: &Trace<F>,
        sensitivity: &mut Sensitivity<F>,
        gradients: &mut Gradients<F>,
        deferred: &mut Deferred<F>,
    ) -> Result<(), AdjointError> {
        let _ = deferred;
        self.adjoint_into(trace, sensitivity, gradients)
    }

    /// Adds to the gradients by parameters what is deferred, and leaves nothing of it.
    ///
    /// # Errors
    /// What is deferred belongs to another network or to other parameters, or gradients with other blocks.
    fn settle(
        &self,
        deferred: &mut Deferred<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError> {
        let _ = (deferred, gradients);
        Ok(())
    }

    /// The gradients of a loss by all parameters and input times.
    ///
    /// # Errors
    /// See [`Network::adjoint_into`].
    fn adjoint(
        &self,
        trace: &Trace<F>,
        mut sensitivity: Sensitivity<F>,
    ) -> Result<Gradients<F>, AdjointError> {
        let mut gradients = Gradients::zeros(self.layout());
        self.adjoint_into(trace, &mut sensitivity, &mut gradients)?;
        Ok(gradients)
    }

    /// Counts arrivals for [`Health`]: those lost at the end of the trial, and, if a tolerance in ms is
    /// given, those near a spike of their target.
    ///
    /// # Errors
    /// A trace that is not of this network with its present parameters.
    fn count_arrivals(
        &self,
        trace: &Trace<F>,
        near: Option<f64>,
    ) -> Result<ArrivalCounts, AdjointError>;

    /// The trainable parameters, with the name of their owner: those of the projections, then those of the
    /// layers.
    fn parameters(&self) -> Vec<(&str, Parameter<'_, F>)>;

    /// The trainable parameters in the same order, to be changed. Call [`Network::update`] after.
    fn parameters_mut(&mut self) -> Vec<(&str, ParameterMut<'_, F>)>;

    /// Projects changed parameters on their bounds.
    fn update(&mut self);

    /// Whether the neurons of a layer can fire at all.
    ///
    /// # Panics
    /// If there is no such layer.
    fn fires(&self, layer: usize) -> bool;

    /// Adds `amount` to every learned weight that leads into a neuron from the input or from other layers, as far as its
    /// range allows.
    ///
    /// # Panics
    /// If there is no such layer or neuron.
    fn raise_weights(&mut self, layer: usize, neuron: usize, amount: F);

    /// Adds to `gradients` those of a function of each synapse by itself, such as a penalty: `derivatives` returns its
    /// derivatives by the weight and by the delay of a synapse, and the chain rule does the rest. All synapses of a
    /// projection come in order, learned or not.
    ///
    /// # Errors
    /// Gradients with other blocks. Nothing is added then.
    fn pull_back(
        &self,
        derivatives: &mut dyn FnMut(Synapse<F>) -> [F; 2],
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError>;

    /// The blocks of parameters, in order.
    fn layout(&self) -> Vec<Block> {
        self.parameters()
            .iter()
            .map(|(owner, p)| Block { owner: (*owner).into(), kind: p.kind, len: p.values.len() })
            .collect()
    }

    /// Under which names and in which shapes parameters are stored, such as `input->hidden.weight`, a
    /// plain list. A network around another hands on its `indices`, `delays` and `fixed`, or checkpoints do not tell networks
    /// apart by them.
    fn storage(&self) -> StorageLayout {
        let mut storage = StorageLayout::default();
        for block in self.layout() {
            storage.push(format!("{}.{}", block.owner, block.kind), vec![block.len]);
        }
        storage
    }

    /// The read-out and the loss of a trace.
    ///
    /// # Errors
    /// See [`Goal::assess`].
    fn evaluate<G: Goal<F> + ?Sized>(
        &self,
        trace: &Trace<F>,
        goal: &G,
        target: &G::Target,
    ) -> Result<Evaluation<F>, Error>
    where
        Self: Sized,
    {
        let mut assessment = Assessment::default();
        assessment.judge(self, trace, &goal, target)?;
        Ok(assessment.evaluation)
    }

    /// The loss of a trace and its gradient. Of a `dyn Network` [`backward_batch`](crate::backward_batch) gives it.
    ///
    /// # Errors
    /// See [`Goal::assess`] and [`Network::adjoint`].
    fn backward<G: Goal<F> + ?Sized>(
        &self,
        trace: &Trace<F>,
        goal: &G,
        target: &G::Target,
    ) -> Result<(Evaluation<F>, Gradients<F>), Error>
    where
        Self: Sized,
    {
        let mut assessment = Assessment::default();
        assessment.differentiate(self, trace, &goal, target)?;
        let Assessment { evaluation, sensitivity, .. } = assessment;
        Ok((evaluation, self.adjoint(trace, sensitivity)?))
    }

    /// The loss of a trace, its gradient with the remedies that are named, and what the backward pass
    /// met.
    ///
    /// # Errors
    /// As [`Network::backward`], and options that have no meaning.
    #[allow(clippy::type_complexity)] // Three things, each with its name.
    fn backward_with<G: Goal<F> + ?Sized>(
        &self,
        trace: &Trace<F>,
        goal: &G,
        target: &G::Target,
        options: &BackwardOptions,
    ) -> Result<(Evaluation<F>, Gradients<F>, Health<F>), Error>
    where
        Self: Sized,
    {
        options.check(self)?;
        let mut assessment = Assessment::default();
        assessment.differentiate(self, trace, &goal, target)?;
        let Assessment { evaluation, sensitivity, .. } = assessment;
        let (gradients, health) = adjoint_with(self, trace, sensitivity, options)?;
        Ok((evaluation, gradients, health))
    }
}

/// The gradients of a loss, with remedies whose constants have been checked.
fn adjoint_with<F: Real>(
    network: &dyn Network<F>,
    trace: &Trace<F>,
    mut sensitivity: Sensitivity<F>,
    options: &BackwardOptions,
) -> Result<(Gradients<F>, Health<F>), Error> {
    let mut health = Health::new(network.layers());
    let mut gradients = Gradients::zeros(network.layout());
    options.prepare(trace, None, &mut sensitivity, &mut health)?;
    network.adjoint_into(trace, &mut sensitivity, &mut gradients)?;
    let arrivals = network.count_arrivals(trace, options.near())?;
    health.record(0, trace, &sensitivity, arrivals);
    health.inspect(network, &gradients);
    options.finish(&mut gradients, &mut health)?;
    Ok((gradients, health))
}
