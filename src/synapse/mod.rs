//! Synapses with delays, and how they are made.

mod delays;
mod error;
mod init;
mod pattern;
mod penalty;
mod recipe;
mod rewire;
mod synapses;
mod term;
mod weights;

pub use delays::Delays;
pub use error::SynapseError;
pub use init::Init;
use pattern::Pattern;
pub(crate) use pattern::check_count;
pub use penalty::DelayPenalty;
pub use recipe::{Dense, Sparse, SynapseRecipe};
pub use rewire::{NewSynapse, Rewiring};
pub use synapses::Synapses;
use term::DelayTerm;
pub use term::{DelayKind, DelayPer};
use weights::Weights;

use crate::{Parameter, ParameterKind, ParameterMut, Real};
use dyn_clone::DynClone;
use rand::Rng;
use std::fmt::Debug;

/// The sources of a row of synapses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Presynaptic<'a> {
    /// Every source in turn.
    All,
    /// These sources, as many as there are weights.
    List(&'a [u32]),
}

impl Presynaptic<'_> {
    /// The source of synapse `k` of the row.
    ///
    /// # Panics
    /// If there is a list and it is shorter.
    #[inline]
    pub fn get(&self, k: usize) -> usize {
        match self {
            Self::All => k,
            Self::List(list) => list[k] as usize,
        }
    }
}

/// The synapses onto one target neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a, F> {
    /// The index of the first of these synapses among all of the projection.
    pub first: usize,
    /// The source of each.
    pub sources: Presynaptic<'a>,
    /// The weight of each.
    pub weights: &'a [F],
    /// The delay of each in ms.
    pub delays: &'a [F],
}

/// One synapse of a [`Row`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Synapse<F> {
    /// Its index among all of the projection.
    pub index: usize,
    /// The source neuron.
    pub pre: usize,
    /// The weight.
    pub weight: F,
    /// The delay in ms.
    pub delay: F,
}

impl<'a, F: Real> Row<'a, F> {
    /// The synapses in order.
    pub fn iter(&self) -> impl Iterator<Item = Synapse<F>> + use<'a, F> {
        let row = *self;
        row.weights.iter().zip(row.delays).enumerate().map(move |(k, (&weight, &delay))| {
            let pre = row.sources.get(k);
            Synapse { index: row.first + k, pre, weight, delay }
        })
    }
}

/// Synapses with delays between two populations.
///
/// The simulator sees one row of (source, weight, delay) per target neuron, and the adjoint returns
/// dL/dw and dL/dd of every synapse. Which parameters lie beneath is the implementor's affair:
/// [`DelayedSynapses::pull_back`] applies the chain rule to them. Synapses are numbered row by row; rows that contradict
/// each other are refused when a network is built. Parameters that are neither weights nor delays are
/// [`ParameterKind::Custom`], and step at the rate of constants.
pub trait DelayedSynapses<F: Real>: DynClone + Debug + Send + Sync {
    /// (target neurons, source neurons).
    fn shape(&self) -> (usize, usize);

    /// The number of synapses.
    fn synapses(&self) -> usize;

    /// The synapses onto target neuron `post`.
    fn row(&self, post: usize) -> Row<'_, F>;

    /// All synapses, row by row, each with its target neuron.
    fn iter(&self) -> Box<dyn Iterator<Item = (usize, Synapse<F>)> + '_> {
        let row = move |post| self.row(post).iter().map(move |synapse| (post, synapse));
        Box::new((0..self.shape().0).flat_map(row))
    }

    /// The trainable parameters. Their number changes by [`DelayedSynapses::rewire`] only.
    fn parameters(&self) -> Vec<Parameter<'_, F>>;

    /// The trainable parameters, in the same order. Call [`DelayedSynapses::update`] after a change.
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>>;

    /// What the blocks of learned delays among the parameters are, in order, so that files can tell. None by default.
    fn delay_kinds(&self) -> Vec<DelayKind> {
        Vec::new()
    }

    /// Projects changed parameters on their bounds and brings the rows up to date. Parameters may come as far outside of
    /// their bounds as a step takes them.
    fn update(&mut self);

    /// Adds to `gradients` (all parameters, block after block) what dL/dw and dL/dd of every
    /// synapse contribute.
    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]);

    /// Adds `amount` to every learned weight onto `post`, as far as its range allows, and brings the rows up to date: nobody
    /// calls [`DelayedSynapses::update`] after it. Remedies for silent neurons use it.
    fn raise_weights(&mut self, post: usize, amount: F);

    /// Refuses values that have no meaning; called when a network is built.
    ///
    /// # Errors
    /// A weight or delay that is not finite, or a delay that is negative.
    fn validate(&self) -> Result<(), SynapseError> {
        check_rows(self)
    }

    /// Removes and adds synapses. For every parameter there is then, tells the place of the parameter that
    /// it was before, among all of these synapses; `None` for new ones.
    ///
    /// # Errors
    /// A change that does not fit; nothing is changed then. By default no change does.
    fn rewire(&mut self, change: &Rewiring<F>) -> Result<Vec<Option<usize>>, SynapseError> {
        let _ = change;
        Err(SynapseError::Rigid)
    }

    /// These synapses as ones that can be stored; `None` (the default) for types from outside the
    /// crate.
    fn to_stored(&self) -> Option<Synapses<F>> {
        None
    }
}

dyn_clone::clone_trait_object!(<F: Real> DelayedSynapses<F>);

/// Refuses rows that the engines could not go by: lists of different lengths, sources that there are not, numbers of
/// synapses that do not add up.
pub(crate) fn check_numbering<F: Real>(
    synapses: &dyn DelayedSynapses<F>,
) -> Result<(), SynapseError> {
    let (posts, pres) = synapses.shape();
    let mut next = 0;
    for post in 0..posts {
        let Row { first, sources, weights, delays } = synapses.row(post);
        let count = weights.len();
        let wrong = |what: String| Err(SynapseError::Row { post, what });
        if first != next {
            return wrong(format!("the first is number {first}, but {next} come before it"));
        }
        let listed = match sources {
            Presynaptic::All => pres,
            Presynaptic::List(list) => list.len(),
        };
        if listed != count || delays.len() != count {
            return wrong(format!("{listed} sources, {count} weights, {} delays", delays.len()));
        }
        if let Presynaptic::List(list) = sources {
            if let Some(pre) = list.iter().find(|&&pre| pre as usize >= pres) {
                return wrong(format!("source {pre}, but there are {pres} (0-based)"));
            }
        }
        next += count;
    }
    let told = synapses.synapses();
    if told != next {
        let what = format!("with it there are {next} synapses, but `synapses` says {told}");
        return Err(SynapseError::Row { post: posts.saturating_sub(1), what });
    }
    Ok(())
}

/// Refuses weights and delays that are not finite, and delays that are negative.
fn check_rows<F: Real>(synapses: &(impl DelayedSynapses<F> + ?Sized)) -> Result<(), SynapseError> {
    for post in 0..synapses.shape().0 {
        for Synapse { pre, weight, delay, .. } in synapses.row(post).iter() {
            for (kind, value) in [(ParameterKind::Weight, weight), (ParameterKind::Delay, delay)] {
                if !value.is_finite() {
                    let value = value.as_f64();
                    return Err(SynapseError::NotFinite { kind, post, pre, value });
                }
            }
            if delay < F::zero() {
                let (value, max) = (delay.as_f64(), f64::INFINITY);
                return Err(SynapseError::DelayOutOfRange { post, pre, value, max });
            }
        }
    }
    Ok(())
}

/// A recipe for synapses, completed once the sizes of the layers are known.
pub trait Connectivity<F: Real> {
    /// Makes synapses from `pre` source neurons to `post` target neurons.
    ///
    /// # Errors
    /// Values that have no meaning or do not fit.
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError>;

    /// The synaptic time constant in ms of the receptor to use; `None` for the target's default.
    fn tau_syn(&self) -> Option<F> {
        None
    }
}
