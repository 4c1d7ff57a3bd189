//! Delay terms: what the delay of a synapse is the sum of.

use super::{Pattern, SynapseError};
use crate::{Bounds, ParameterKind, Real};
use std::fmt;

/// What has a delay of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DelayPer {
    /// Each synapse.
    Synapse,
    /// Each source neuron: axonal delays.
    Source,
    /// Each target neuron: dendritic delays.
    Target,
    /// The projection.
    Projection,
}

impl fmt::Display for DelayPer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Synapse => "synapse",
            Self::Source => "source",
            Self::Target => "target",
            Self::Projection => "projection",
        })
    }
}

impl DelayPer {
    /// How many there are.
    pub(crate) fn members(self, synapses: usize, (posts, pres): (usize, usize)) -> usize {
        match self {
            Self::Synapse => synapses,
            Self::Source => pres,
            Self::Target => posts,
            Self::Projection => 1,
        }
    }

    fn member(self, synapse: usize, post: usize, pre: usize) -> usize {
        match self {
            Self::Synapse => synapse,
            Self::Source => pre,
            Self::Target => post,
            Self::Projection => 0,
        }
    }
}

/// What learned delays are, and where they are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DelayKind {
    /// What has one of its own.
    pub per: DelayPer,
    /// Whether the parameters are those of [`Delays::smooth`](crate::Delays::smooth) in place of the delays.
    pub smooth: bool,
    /// The longest in ms, if there is one; the shortest is 0.
    pub max: Option<f64>,
}

impl DelayKind {
    /// Whether parameters of this kind mean the same as those of the other, and keep its bounds.
    #[cfg(feature = "files")]
    pub(crate) fn fits(&self, other: &Self) -> bool {
        let longest = |kind: &Self| kind.max.unwrap_or(f64::INFINITY);
        let within =
            if self.smooth { self.max == other.max } else { longest(self) <= longest(other) };
        (self.per, self.smooth) == (other.per, other.smooth) && within
    }
}

impl fmt::Display for DelayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let smooth = if self.smooth { "smooth " } else { "" };
        write!(f, "{smooth}delays per {}", self.per)?;
        match self.max {
            Some(max) => write!(f, " up to {max} ms"),
            None => Ok(()),
        }
    }
}

/// Delays that are added to those of other terms.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct DelayTerm<F> {
    pub per: DelayPer,
    /// The parameter of each member; none if each has its own.
    pub groups: Option<Vec<u32>>,
    /// The parameters: delays, or theta if smooth.
    pub values: Vec<F>,
    pub learned: bool,
    pub smooth: bool,
    pub max: Option<F>,
}

impl<F: Real> DelayTerm<F> {
    /// Whether the parameters are the delays of the synapses in order.
    pub fn is_plain(&self) -> bool {
        self.is_per_synapse() && !self.smooth
    }

    /// Whether each synapse has a parameter of its own.
    pub fn is_per_synapse(&self) -> bool {
        self.per == DelayPer::Synapse && self.groups.is_none()
    }

    /// The place of a synapse's parameter.
    pub fn place(&self, synapse: usize, post: usize, pre: usize) -> usize {
        let member = self.per.member(synapse, post, pre);
        self.groups.as_ref().map_or(member, |groups| groups[member] as usize)
    }

    fn max_delay(&self) -> F {
        self.max.unwrap_or(F::infinity())
    }

    pub fn kind(&self) -> DelayKind {
        let max = self.max.map(F::as_f64);
        DelayKind { per: self.per, smooth: self.smooth, max }
    }

    /// Those of the parameters.
    pub fn bounds(&self) -> Bounds<F> {
        if self.smooth {
            Bounds::none()
        } else {
            Bounds { lower: F::zero(), upper: self.max_delay() }
        }
    }

    /// The delay in ms at a place.
    pub fn delay(&self, place: usize) -> F {
        let value = self.values[place];
        match self.max {
            // Finite delays shall not hide a parameter that is not.
            Some(_) if self.smooth && !value.is_finite() => F::nan(),
            Some(max) if self.smooth => max / (F::one() + (F::of(-4.0) * value / max).exp()),
            _ => value,
        }
    }

    /// The derivative of a delay by its parameter.
    pub fn slope(&self, place: usize) -> F {
        match self.max {
            Some(max) if self.smooth => {
                let share = self.delay(place) / max;
                F::of(4.0) * share * (F::one() - share)
            }
            _ => F::one(),
        }
    }

    /// The parameter of a delay.
    pub fn parameter(&self, delay: F) -> F {
        match self.max {
            Some(max) if self.smooth => max * F::of(0.25) * (delay / (max - delay)).ln(),
            _ => delay,
        }
    }

    pub fn project(&mut self) {
        if !self.smooth {
            let bounds = self.bounds();
            self.values.iter_mut().for_each(|d| *d = bounds.project(*d));
        }
    }

    pub fn check_max(&self) -> Result<(), SynapseError> {
        match self.max {
            None if self.smooth => Err(SynapseError::SmoothWithoutMax),
            Some(m) if !m.is_finite() || m < F::zero() || (self.smooth && m == F::zero()) => {
                Err(SynapseError::BadMaxDelay { value: m.as_f64() })
            }
            _ => Ok(()),
        }
    }

    fn allows(&self, delay: F) -> bool {
        let max = self.max_delay();
        if self.smooth {
            delay > F::zero() && delay < max
        } else {
            delay.is_finite() && delay >= F::zero() && delay <= max
        }
    }

    /// Refuses delays outside of the bounds.
    pub fn check_delays(&self, pattern: &Pattern, delays: &[F]) -> Result<(), SynapseError> {
        let Some(place) = delays.iter().position(|&delay| !self.allows(delay)) else {
            return Ok(());
        };
        if self.is_per_synapse() {
            let (post, pre) = pattern.edge(place);
            return self.check_new(post, pre, delays[place]);
        }
        let (per, smooth) = (self.per, self.smooth);
        let (value, max) = (delays[place].as_f64(), self.max_delay().as_f64());
        Err(SynapseError::SharedDelay { per, place, value, max, smooth })
    }

    /// Refuses a delay of one synapse outside of the bounds.
    pub fn check_new(&self, post: usize, pre: usize, delay: F) -> Result<(), SynapseError> {
        let (value, max) = (delay.as_f64(), self.max_delay().as_f64());
        if self.allows(delay) {
            return Ok(());
        }
        Err(if !delay.is_finite() {
            SynapseError::NotFinite { kind: ParameterKind::Delay, post, pre, value }
        } else if self.smooth {
            SynapseError::DelayOnBound { post, pre, value, max }
        } else {
            SynapseError::DelayOutOfRange { post, pre, value, max }
        })
    }

    /// Refuses what has no meaning for these synapses.
    pub fn validate(&self, pattern: &Pattern) -> Result<(), SynapseError> {
        self.check_max()?;
        let members = self.per.members(pattern.synapses(), pattern.shape());
        let found = self.values.len();
        match &self.groups {
            None if found != members => {
                let (kind, expected) = (ParameterKind::Delay, members);
                return Err(SynapseError::Count { kind, found, expected });
            }
            Some(groups)
                if groups.len() != members || groups.iter().any(|&g| g as usize >= found) =>
            {
                return Err(SynapseError::Groups { per: self.per, members });
            }
            _ => {}
        }
        if self.smooth {
            // Delays follow from any finite theta, and reach the bounds in rounding.
            let bad = self.values.iter().position(|theta| !theta.is_finite());
            return bad.map_or(Ok(()), |place| {
                let (per, value) = (self.per, self.values[place].as_f64());
                let max = self.max_delay().as_f64();
                Err(SynapseError::SharedDelay { per, place, value, max, smooth: true })
            });
        }
        self.check_delays(pattern, &self.values)
    }
}
