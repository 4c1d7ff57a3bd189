//! Recipes for delays.

use super::init::Wanted;
use super::{DelayPer, DelayTerm, Init, Pattern, SynapseError};
use crate::{ParameterKind, Real};
use rand::Rng;

/// A recipe for delays: a term of the delay of each synapse. Terms add.
///
/// ```
/// use eventprop::{Delays, Dense};
/// use rand_distr::Uniform;
/// let axonal = Dense::weights(0.5).delays(Delays::axonal(Uniform::new(0.0, 20.0)?).max(30.0));
/// let both = Dense::weights(0.5).delays(Delays::axonal(3.0)).delays(Delays::dendritic(1.0));
/// let pairs = Dense::weights(0.5).delays(Delays::axonal(3.0).groups([0, 0, 1, 1])); // of 4 sources
/// # let _: [eventprop::SynapseRecipe; 3] = [axonal, both, pairs];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Delays<F = f64> {
    per: DelayPer,
    init: Init<F>,
    groups: Option<Vec<usize>>,
    learned: bool,
    smooth: bool,
    pub(super) max: Option<F>,
}

impl<F: Real> Delays<F> {
    fn new(per: DelayPer, init: impl Into<Init<F>>) -> Self {
        Self { per, init: init.into(), groups: None, learned: true, smooth: false, max: None }
    }

    /// One learnable delay per synapse, with these initial values in ms.
    pub fn per_synapse(init: impl Into<Init<F>>) -> Self {
        Self::new(DelayPer::Synapse, init)
    }

    /// One learnable delay per source neuron, with these initial values in ms.
    pub fn axonal(init: impl Into<Init<F>>) -> Self {
        Self::new(DelayPer::Source, init)
    }

    /// One learnable delay per target neuron, with these initial values in ms.
    pub fn dendritic(init: impl Into<Init<F>>) -> Self {
        Self::new(DelayPer::Target, init)
    }

    /// One learnable delay for all synapses, with this initial value in ms.
    pub fn shared(init: impl Into<Init<F>>) -> Self {
        Self::new(DelayPer::Projection, init)
    }

    /// Members of a group share a delay: the group of each synapse, source or target. Groups are numbered
    /// from 0 without gaps, and initial values are one per group.
    pub fn groups(mut self, groups: impl IntoIterator<Item = usize>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// The delays are not learned.
    pub fn fixed(mut self) -> Self {
        self.learned = false;
        self
    }

    /// The greatest delay in ms that learning may reach; without it there is no upper bound.
    pub fn max(mut self, max: F) -> Self {
        self.max = Some(max);
        self
    }

    /// Learned by a parameter theta without bounds, delay = max / (1 + exp(-4 theta / max)), in place of
    /// projection on [0, max]. At max / 2 a step of theta is a step of the delay; towards the bounds,
    /// which are never reached, it is less. Needs a maximum, and initial values inside of (0, max).
    pub fn smooth(mut self) -> Self {
        self.smooth = true;
        self
    }

    /// Whether equal delays are kept once.
    fn are_alike(&self) -> bool {
        !self.learned && self.groups.is_none() && matches!(self.init, Init::Constant(_))
    }

    /// Whether there will be a list with a delay for each synapse.
    pub(super) fn one_per_synapse(&self) -> bool {
        self.per == DelayPer::Synapse && self.groups.is_none() && !self.are_alike()
    }

    pub(super) fn term(
        self,
        pattern: &Pattern,
        order: Option<&[usize]>,
        rng: &mut dyn Rng,
    ) -> Result<DelayTerm<F>, SynapseError> {
        let alike = self.are_alike();
        let Self { per, init, groups, learned, smooth, max } = self;
        let per = if alike { DelayPer::Projection } else { per };
        let members = per.members(pattern.synapses(), pattern.shape());
        let own = per == DelayPer::Synapse;
        let (len, groups) = match groups {
            None => (members, None),
            Some(groups) => {
                let len = groups.iter().max().map_or(0, |g| g.saturating_add(1));
                let bad = SynapseError::Groups { per, members };
                if groups.len() != members || len > members {
                    return Err(bad);
                }
                let placed = |k: usize| order.filter(|_| own).map_or(k, |order| order[k]);
                (len, Some((0..members).map(|k| groups[placed(k)] as u32).collect()))
            }
        };
        let plain = own && groups.is_none();
        let wanted = Wanted {
            kind: ParameterKind::Delay,
            len,
            pattern: plain.then_some(pattern),
            order: order.filter(|_| plain),
        };
        let values = init.values(&wanted, rng)?;
        let smooth = smooth && learned;
        let mut term = DelayTerm { per, groups, values, learned, smooth, max };
        term.check_max()?;
        term.check_delays(pattern, &term.values)?;
        for k in 0..term.values.len() {
            term.values[k] = term.parameter(term.values[k]);
        }
        Ok(term)
    }
}

impl<F: Real, T: Into<Init<F>>> From<T> for Delays<F> {
    fn from(init: T) -> Self {
        Self::per_synapse(init)
    }
}
