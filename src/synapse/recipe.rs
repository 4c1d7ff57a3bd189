//! Recipes for synapses.

use super::init::Wanted;
use super::pattern::{Choice, check_memory};
use super::{
    Connectivity, DelayTerm, DelayedSynapses, Delays, Init, SynapseError, Synapses, Weights,
};
use crate::{ParameterKind, Real};
use ndarray::Array2;
use rand::Rng;

/// All-to-all synapses.
///
/// ```
/// use eventprop::{Delays, Dense};
/// use rand_distr::{Normal, Uniform};
/// let learned = Dense::weights(Normal::new(0.03, 0.01)?)
///     .delays(Uniform::new(0.0, 150.0)?) // ms, one learnable delay per synapse
///     .max_delay(1000.0)
///     .tau_syn(5.0);
/// let instant = Dense::weights(0.5); // no delay
/// # let _: [eventprop::SynapseRecipe; 2] = [learned, instant];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Dense;

impl Dense {
    /// Synapses with these initial weights and without delay.
    pub fn weights<F: Real>(weights: impl Into<Init<F>>) -> SynapseRecipe<F> {
        Sparse { choice: Choice::All, copies: 1 }.weights(weights)
    }
}

/// Some of all possible synapses. [`Sparse::weights`] comes first; it makes the recipe to which delays and all else are added.
///
/// ```
/// use eventprop::{Delays, Sparse};
/// use rand_distr::Uniform;
/// let tenth = Sparse::probability(0.1).weights(0.5).delays(Uniform::new(0.0, 20.0)?);
/// let chosen = Sparse::edges([(2, 0), (0, 1), (0, 1)]).weights(vec![0.5, 0.3, -0.3]);
/// let taps = Sparse::fan_in(5).copies(3).weights(0.5).delays(Uniform::new(0.0, 20.0)?);
/// # let _: [eventprop::SynapseRecipe; 3] = [tenth, chosen, taps];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Sparse {
    choice: Choice,
    copies: usize,
}

impl Sparse {
    /// Each pair of a source and a target is connected with this probability.
    pub fn probability(probability: f64) -> Self {
        Self { choice: Choice::Probability(probability), copies: 1 }
    }

    /// Each target gets synapses from this many different sources, chosen at random.
    pub fn fan_in(sources: usize) -> Self {
        Self { choice: Choice::FanIn(sources), copies: 1 }
    }

    /// The pairs for which the mask, post x pre, is true.
    pub fn mask(mask: Array2<bool>) -> Self {
        Self { choice: Choice::Mask(mask), copies: 1 }
    }

    /// These pairs (source, target), in any order. A pair that occurs twice has two synapses.
    pub fn edges(edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let edges = edges.into_iter().map(|(pre, post)| (post, pre)).collect();
        Self { choice: Choice::Edges(edges), copies: 1 }
    }

    /// This many parallel synapses in place of each one, to learn several delays between two neurons.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// Synapses with these initial weights and without delay.
    pub fn weights<F: Real>(self, weights: impl Into<Init<F>>) -> SynapseRecipe<F> {
        SynapseRecipe {
            connections: self,
            weights: weights.into(),
            learn_weights: true,
            min_weight: None,
            max_weight: None,
            delays: Vec::new(),
            max_delay: None,
            tau_syn: None,
        }
    }
}

/// Which synapses to make, with which weights and delays: see [`Dense`] and [`Sparse`].
#[derive(Debug)]
#[must_use]
pub struct SynapseRecipe<F = f64> {
    connections: Sparse,
    weights: Init<F>,
    learn_weights: bool,
    min_weight: Option<F>,
    max_weight: Option<F>,
    delays: Vec<Delays<F>>,
    max_delay: Option<F>,
    tau_syn: Option<F>,
}

impl<F: Real> SynapseRecipe<F> {
    /// Adds delays: initial values in ms for one learnable delay per synapse, or [`Delays`] of another
    /// kind. Called more than once, the delays add.
    pub fn delays(mut self, delays: impl Into<Delays<F>>) -> Self {
        self.delays.push(delays.into());
        self
    }

    /// Adds one delay per synapse, with these values in ms, which are not learned. A single value is kept once.
    pub fn fixed_delays(self, delays: impl Into<Init<F>>) -> Self {
        self.delays(Delays::per_synapse(delays).fixed())
    }

    /// The weights are not learned.
    pub fn fixed_weights(mut self) -> Self {
        self.learn_weights = false;
        self
    }

    /// The least weight that learning may reach: 0 keeps all synapses excitatory (Dale's law). Without it there is no
    /// lower bound. Initial weights beyond it are refused when the network is built; [`Init::within`] keeps random ones
    /// inside.
    pub fn min_weight(mut self, min: F) -> Self {
        self.min_weight = Some(min);
        self
    }

    /// The greatest weight that learning may reach: 0 keeps all synapses inhibitory. Otherwise as
    /// [`SynapseRecipe::min_weight`].
    pub fn max_weight(mut self, max: F) -> Self {
        self.max_weight = Some(max);
        self
    }

    /// The greatest delay in ms that learning may reach, for all [`Delays`] without a maximum of their
    /// own; without it there is no upper bound. Where delays add it bounds each of them. Refused where there are no
    /// delays.
    pub fn max_delay(mut self, max_delay: F) -> Self {
        self.max_delay = Some(max_delay);
        self
    }

    /// The synaptic time constant in ms of this projection; the target's own by default.
    pub fn tau_syn(mut self, tau_syn: F) -> Self {
        self.tau_syn = Some(tau_syn);
        self
    }

    fn synapses(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Synapses<F>, SynapseError> {
        let Sparse { choice, copies } = self.connections;
        let (pattern, order) = choice.pattern((post, pre), copies, rng)?;
        let order = order.as_deref();
        // Before the first of them is drawn.
        let lists = 1 + self.delays.iter().filter(|delays| delays.one_per_synapse()).count();
        check_memory(pattern.synapses(), lists * size_of::<F>())?;
        let kind = ParameterKind::Weight;
        let wanted = Wanted { kind, len: pattern.synapses(), pattern: Some(&pattern), order };
        let weights = Weights {
            values: self.weights.values(&wanted, rng)?,
            learned: self.learn_weights,
            min: self.min_weight,
            max: self.max_weight,
        };
        if self.max_delay.is_some() && self.delays.is_empty() {
            return Err(SynapseError::MaxWithoutDelays);
        }
        let term = |mut delays: Delays<F>| {
            delays.max = delays.max.or(self.max_delay);
            delays.term(&pattern, order, rng)
        };
        let terms: Vec<DelayTerm<F>> =
            self.delays.into_iter().map(term).collect::<Result<_, _>>()?;
        Synapses::new(pattern, weights, terms)
    }
}

impl<F: Real> Connectivity<F> for SynapseRecipe<F> {
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError> {
        Ok(Box::new(self.synapses(post, pre, rng)?))
    }

    fn tau_syn(&self) -> Option<F> {
        self.tau_syn
    }
}
