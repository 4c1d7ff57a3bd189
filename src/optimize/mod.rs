//! Optimisers: from gradients to new parameters.

mod adam;
mod rates;
mod sgd;
mod state;
mod step;

pub use adam::Adam;
pub use rates::{ParameterGroup, Rates};
pub use sgd::Sgd;
pub use state::OptimizerState;

use crate::real;
use crate::{Block, Gradients, Network, ParameterKind, ParameterMap, Real};
use step::step_each;
use thiserror::Error;

/// Why parameters could not be stepped. Nothing has changed when one of these is returned.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimizeError {
    /// A gradient is NaN or infinite.
    #[error("gradient {index} of {kind} of `{owner}` is {value}; the step was not taken")]
    NotFinite {
        /// The projection or the layer.
        owner: String,
        /// Which of its parameters.
        kind: ParameterKind,
        /// Position in the block.
        index: usize,
        /// The gradient.
        value: f64,
    },
    /// What the optimiser keeps of a gradient, its square for Adam, would overflow, and stay so for ever.
    #[error(
        "gradient {index} of {kind} of `{owner}` is {value}: what the optimiser keeps of it overflows; clip gradients, or scale the loss"
    )]
    TooLarge {
        /// The projection or the layer.
        owner: String,
        /// Which of its parameters.
        kind: ParameterKind,
        /// Position in the block.
        index: usize,
        /// The gradient.
        value: f64,
    },
    /// The gradients belong to another network.
    #[error("the gradients have other blocks than the network's parameters")]
    Layout,
    /// The optimiser has seen a network with other parameters before.
    #[error(
        "the optimiser's state belongs to a network with other parameters; use a new optimiser"
    )]
    State,
    /// A relative learning rate is for parameters that the network does not have.
    #[error(
        "a relative learning rate is for {group}, but the network has only: {known} (weights and delays onto a layer are those of its projections)"
    )]
    NoSuchGroup {
        /// What the rate is for.
        group: String,
        /// What there is.
        known: String,
    },
    /// Any other reason, of an optimiser from outside of the crate.
    #[error("{0}")]
    Other(String),
    /// A constant of the optimiser has no meaning.
    #[error("{what} is {value}, but must be {rule}")]
    Constant {
        /// Its name.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
}

/// Changes the parameters of a network by a step along its gradients.
///
/// Where parameters are many, [`Adam`] and [`Sgd`] take a step on all threads of the current `rayon` pool, as batches do:
/// hold no lock meanwhile that other work of this pool waits for.
pub trait Optimizer<F: Real> {
    /// Takes a step, then has the network project its parameters on their bounds.
    ///
    /// # Errors
    /// A gradient that is not finite, too large or does not fit, a constant or a rate without meaning, a rate of a group that
    /// the network does not have, or a state of another network; nothing is changed then.
    fn step(
        &mut self,
        network: &mut dyn Network<F>,
        gradients: &Gradients<F>,
    ) -> Result<(), OptimizeError>;

    /// All that it remembers from step to step: what is not here is lost when training resumes from a
    /// checkpoint, and does not follow when a network is rewired.
    fn state(&mut self) -> OptimizerState<'_, F>;

    /// Moves what is remembered of each parameter to its new place, after the network was rewired.
    ///
    /// # Errors
    /// State of a network with another number of parameters; nothing is changed then.
    fn remap(&mut self, map: &ParameterMap) -> Result<(), OptimizeError> {
        let lists = self.state().lists;
        if lists.iter().any(|(_, list)| !list.is_empty() && list.len() != map.before()) {
            return Err(OptimizeError::State);
        }
        lists.into_iter().try_for_each(|(_, list)| map.apply(list))
    }
}

/// Checks a constant as it is in the precision of the network.
fn check_constant<F: Real>(
    what: &'static str,
    value: f64,
    good: impl Fn(f64) -> bool,
    rule: &'static str,
) -> Result<(), OptimizeError> {
    real::check::<F>(value, good, rule).map_err(|rule| OptimizeError::Constant {
        what,
        value,
        rule,
    })
}

/// Checks the gradients against the network and the state kept from earlier steps, none before the first one.
/// `next(kept, gradient)` has to be finite for what is kept of a parameter, unless it is frozen.
fn check_gradients<F: Real>(
    layout: &[Block],
    rates: &Rates,
    gradients: &Gradients<F>,
    state: &[F],
    next: impl Fn(F, F) -> F,
) -> Result<(), OptimizeError> {
    if layout != gradients.layout() {
        return Err(OptimizeError::Layout);
    }
    let decay = rates.weight_decay;
    check_constant::<F>("the weight decay", decay, |_| true, "finite")?;
    for block in layout {
        let rate = rates.of(&block.owner, block.kind);
        check_constant::<F>("a learning rate", rate, |_| true, "finite")?;
    }
    if !state.is_empty() && state.len() != gradients.values().len() {
        return Err(OptimizeError::State);
    }
    let mut kept = state.iter().copied().chain(std::iter::repeat(F::zero()));
    for (block, values) in gradients.blocks() {
        if let Some(index) = values.iter().position(|g| !g.is_finite()) {
            return Err(OptimizeError::NotFinite {
                owner: block.owner.clone(),
                kind: block.kind,
                index,
                value: values[index].as_f64(),
            });
        }
        let frozen = rates.freezes(&block.owner, block.kind);
        let large = |(&g, k): (&F, F)| !(frozen || next(k, g).is_finite());
        // All are taken from what is kept, also by a block that is frozen.
        if let Some(index) = values.iter().zip(kept.by_ref().take(values.len())).position(large) {
            return Err(OptimizeError::TooLarge {
                owner: block.owner.clone(),
                kind: block.kind,
                index,
                value: values[index].as_f64(),
            });
        }
    }
    Ok(())
}
