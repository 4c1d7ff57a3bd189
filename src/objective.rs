//! Objectives: what a network is trained for.

use crate::{Assessment, Error, Loss, Network, Reading, Readout, ReadoutError, Real, Trace};
use std::fmt;

/// What a network is trained for: it judges a trace against a target.
///
/// An [`Objective`] is one; several that are added up are another ([`Objective::and`]). New ones are made of
/// a [`Readout`] and a [`Loss`]; implement this only for what reads several layers at once. Where the choice
/// is made at run time, a `&dyn Goal<F, Target = T>` or a box of one is one too.
pub trait Goal<F: Real>: Send + Sync {
    /// What comes with a sample, such as a label.
    type Target: ?Sized + Sync;

    /// Adds the loss of a trace, and its sensitivity if that is wanted. Training also asks it about a trial without input,
    /// to find labels that it refuses before any step is taken.
    ///
    /// # Errors
    /// A target that does not fit, a layer that cannot be read, a trace of another network, a loss that
    /// overflows.
    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &Self::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error>;
}

impl<F: Real, G: Goal<F> + ?Sized> Goal<F> for &G {
    type Target = G::Target;

    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &G::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        (**self).assess(network, trace, target, assessment)
    }
}

impl<F: Real, G: Goal<F> + ?Sized> Goal<F> for Box<G> {
    type Target = G::Target;

    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &G::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        (**self).assess(network, trace, target, assessment)
    }
}

/// A read-out of one layer, and a loss of what it reads: L = weight * loss(y, target).
///
/// ```
/// use eventprop::{CrossEntropy, MaxVoltage, Objective};
/// let objective = Objective::new(MaxVoltage, CrossEntropy::new());
/// # let _ = objective;
/// ```
///
/// Several are added up by [`Objective::and`]. Here the last layer classifies, and spikes of layer 0 are
/// drawn to a given pattern. Each part finds its target in that of the sample:
///
/// ```
/// use eventprop::{CrossEntropy, MaxVoltage, Objective, SpikeTimes, SpikeTrains, VanRossum};
/// struct Wanted {
///     label: usize,
///     pattern: SpikeTrains,
/// }
/// let classify = Objective::new(MaxVoltage, CrossEntropy::new().temperature(0.1));
/// let imitate = Objective::new(SpikeTimes, VanRossum::new(10.0)).on_layer(0).weight(0.05);
/// let objective = classify
///     .target(|wanted: &Wanted| &wanted.label)
///     .and(imitate.target(|wanted: &Wanted| &wanted.pattern));
/// # let _ = objective;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Objective<R, L> {
    readout: R,
    loss: L,
    layer: Option<usize>,
    weight: f64,
}

impl<R, L> Objective<R, L> {
    /// Reads the network's last layer, with weight 1.
    pub fn new(readout: R, loss: L) -> Self {
        Self { readout, loss, layer: None, weight: 1.0 }
    }

    /// Reads another layer, by number; see [`SpikingNetwork::layer`](crate::SpikingNetwork::layer) for names.
    pub fn on_layer(mut self, layer: usize) -> Self {
        self.layer = Some(layer);
        self
    }

    /// Multiplies the loss by a finite number.
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Finds the target of this part in that of a sample, which has those of all parts.
    pub fn target<T: ?Sized, U: ?Sized>(self, find: fn(&T) -> &U) -> Targeted<Self, T, U> {
        Targeted { goal: self, find }
    }

    /// This and another, added.
    pub fn and<G>(self, other: G) -> Combined<Self, G> {
        Combined { first: self, second: other }
    }

    /// What is read of a trace: y, such as the scores of the classes, or the values of a regression. It needs no target.
    ///
    /// ```
    /// # use eventprop::{CrossEntropy, Dense, LeakyIntegrator, MaxVoltage, Network, NetworkBuilder, Objective, SpikeTrains};
    /// # use rand::{SeedableRng, rngs::ChaCha8Rng};
    /// # let mut net = NetworkBuilder::<f64>::new();
    /// # let input = net.input("input", 1);
    /// # let output = net.layer("output", LeakyIntegrator::new(2));
    /// # net.connect(input, output, Dense::weights(1.0));
    /// # let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    /// let objective = Objective::new(MaxVoltage, CrossEntropy::new());
    /// let trace = net.forward(&SpikeTrains::from_channels([[2.0]])?, 50.0)?;
    /// let y = objective.read(&net, &trace)?;
    /// assert_eq!(y.values().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A layer that cannot be read, or a trace of another network.
    pub fn read<F: Real>(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
    ) -> Result<Reading<F>, Error>
    where
        R: Readout<F>,
    {
        let mut y = Reading::new(trace.duration());
        self.readout.read(&network.record(trace, self.layer_of(network)?)?, &mut y)?;
        Ok(y)
    }

    /// The class that a trace stands for, of which no label is known; `None` if the loss is none of a classifier. Of several
    /// parts, ask the one that classifies.
    ///
    /// # Errors
    /// A layer that cannot be read, or a trace of another network.
    pub fn predict<F: Real>(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
    ) -> Result<Option<usize>, Error>
    where
        R: Readout<F>,
        L: Loss<F>,
    {
        Ok(self.loss.predict(&self.read(network, trace)?))
    }

    /// The number of the layer that is read.
    fn layer_of<F: Real>(&self, network: &dyn Network<F>) -> Result<usize, ReadoutError> {
        let layers = network.layers();
        let layer = self.layer.unwrap_or(layers.saturating_sub(1));
        if layer < layers { Ok(layer) } else { Err(ReadoutError::NoSuchLayer { layer, layers }) }
    }
}

impl<F: Real, R: Readout<F>, L: Loss<F>> Goal<F> for Objective<R, L> {
    type Target = L::Target;

    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &L::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        let parts: (&dyn Readout<F>, &dyn Loss<F, Target = L::Target>) =
            (&self.readout, &self.loss);
        let place = (self.layer_of(network)?, self.weight);
        assessment.add(parts, place, network, trace, target)
    }
}

/// An objective that finds its target in a larger one; see [`Objective::target`].
#[must_use]
pub struct Targeted<G, T: ?Sized, U: ?Sized> {
    goal: G,
    find: fn(&T) -> &U,
}

impl<G, T: ?Sized, U: ?Sized> Targeted<G, T, U> {
    /// Any goal that finds its target so.
    pub fn new(goal: G, find: fn(&T) -> &U) -> Self {
        Self { goal, find }
    }

    /// This and another, added.
    pub fn and<H>(self, other: H) -> Combined<Self, H> {
        Combined { first: self, second: other }
    }
}

impl<G: fmt::Debug, T: ?Sized, U: ?Sized> fmt::Debug for Targeted<G, T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targeted").field("goal", &self.goal).finish_non_exhaustive()
    }
}

impl<G: Clone, T: ?Sized, U: ?Sized> Clone for Targeted<G, T, U> {
    fn clone(&self) -> Self {
        Self { goal: self.goal.clone(), find: self.find }
    }
}

impl<F: Real, G: Goal<F, Target = U>, T: ?Sized + Sync, U: ?Sized> Goal<F> for Targeted<G, T, U> {
    type Target = T;

    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &T,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        self.goal.assess(network, trace, (self.find)(target), assessment)
    }
}

/// Two goals with the same target, added; see [`Objective::and`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Combined<A, B> {
    first: A,
    second: B,
}

impl<A, B> Combined<A, B> {
    /// Any two goals, added.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// This and another, added.
    pub fn and<G>(self, other: G) -> Combined<Self, G> {
        Combined { first: self, second: other }
    }
}

impl<F: Real, A: Goal<F>, B: Goal<F, Target = A::Target>> Goal<F> for Combined<A, B> {
    type Target = A::Target;

    fn assess(
        &self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &A::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        let named = |error, assessment: &Assessment<F>| match error {
            Error::Part { .. } => error,
            // Each part that went well has left its loss.
            other => {
                Error::Part { index: assessment.evaluation.losses.len(), cause: Box::new(other) }
            }
        };
        self.first
            .assess(network, trace, target, assessment)
            .map_err(|error| named(error, assessment))?;
        self.second
            .assess(network, trace, target, assessment)
            .map_err(|error| named(error, assessment))
    }
}
