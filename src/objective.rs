//! Objectives: what a network is trained for.

use crate::{
    Error, Loss, LossError, Network, Reading, Readout, ReadoutError, Real, Sensitivity, Trace,
};
use std::fmt;

/// What a network is trained for: it judges a trace against a target.
///
/// An [`Objective`] is one; several that are added up are another ([`Objective::and`]). New ones are made of
/// a [`Readout`] and a [`Loss`]; implement this only for what reads several layers at once. Where the choice
/// is made at run time, a `&dyn Goal<F, Target = T>` or a box of one is one too.
pub trait Goal<F: Real>: Send + Sync {
    /// What comes with a sample, such as a label.
    type Target: ?Sized + Sync;

    /// Adds the loss of a trace, and its sensitivity if that is wanted.
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

/// The value of an objective on one trace.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evaluation<F = f64> {
    /// The loss: the weighted sum over the parts of the objective.
    pub loss: F,
    /// The loss of each part, without its weight.
    pub losses: Vec<F>,
    /// The read-out y, row after row; of several parts, one after the other.
    pub readout: Vec<F>,
    /// The class that y stands for; of several parts, that of the first whose loss classifies.
    pub prediction: Option<usize>,
}

/// What a [`Goal`] makes of a trace. Its memory can be used again.
#[derive(Debug, Clone, Default)]
pub struct Assessment<F = f64> {
    /// The loss so far.
    pub evaluation: Evaluation<F>,
    /// How it depends on the trace, if that is wanted.
    pub sensitivity: Sensitivity<F>,
    /// Whether it is.
    pub differentiate: bool,
    reading: Reading<F>,
    /// dL/dy.
    gradient: Vec<F>,
}

impl<F: Real> Assessment<F> {
    /// Evaluates a trace, in memory that is there.
    ///
    /// # Errors
    /// See [`Goal::assess`].
    pub fn judge<T: ?Sized + Sync>(
        &mut self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        goal: &dyn Goal<F, Target = T>,
        target: &T,
    ) -> Result<(), Error> {
        self.begin(None);
        goal.assess(network, trace, target, self)
    }

    /// Evaluates a trace, and finds the sensitivity of the loss, for
    /// [`Network::adjoint_into`](crate::Network::adjoint_into).
    ///
    /// # Errors
    /// See [`Goal::assess`].
    pub fn differentiate<T: ?Sized + Sync>(
        &mut self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        goal: &dyn Goal<F, Target = T>,
        target: &T,
    ) -> Result<(), Error> {
        self.begin(Some(trace));
        goal.assess(network, trace, target, self)
    }

    /// Forgets the last evaluation; with a trace its sensitivity is wanted too.
    pub(crate) fn begin(&mut self, differentiate: Option<&Trace<F>>) {
        self.differentiate = differentiate.is_some();
        if let Some(trace) = differentiate {
            self.sensitivity.reset(trace);
        }
        let Evaluation { loss, losses, readout, prediction } = &mut self.evaluation;
        (*loss, *prediction) = (F::zero(), None);
        losses.clear();
        readout.clear();
    }
}

/// A read-out of one layer, and a loss of what it reads: L = weight * loss(y, target).
///
/// ```
/// use eventprop::{CrossEntropy, MaxVoltage, Objective};
/// let objective = Objective::new(MaxVoltage, CrossEntropy::<f64>::new());
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
/// let classify = Objective::new(MaxVoltage, CrossEntropy::<f64>::temperature(0.1));
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

    /// The class that a trace stands for, of which no label is known; `None` if the loss is none of a classifier.
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
        let mut y = Reading::new(trace.duration());
        self.readout.read(&network.record(trace, self.layer_of(network)?)?, &mut y)?;
        Ok(self.loss.predict(&y))
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
        assess(parts, place, network, trace, target, assessment)
    }
}

/// Reads a layer and adds the loss with its weight.
fn assess<F: Real, T: ?Sized + Sync>(
    (readout, loss): (&dyn Readout<F>, &dyn Loss<F, Target = T>),
    (layer, weight): (usize, f64),
    network: &dyn Network<F>,
    trace: &Trace<F>,
    target: &T,
    assessment: &mut Assessment<F>,
) -> Result<(), Error> {
    if !weight.is_finite() {
        let (what, rule) = ("the weight of the objective", "finite");
        return Err(LossError::Constant { what, value: weight, rule }.into());
    }
    let Assessment { evaluation, sensitivity, differentiate, reading, gradient } = assessment;
    let recording = network.record(trace, layer)?;
    reading.reset(trace.duration());
    readout.read(&recording, reading)?;
    gradient.clear();
    gradient.resize(reading.values().len(), F::zero());
    let value = loss.evaluate(reading, target, gradient)?;
    let weight = F::of(weight);
    gradient.iter_mut().for_each(|g| *g *= weight);
    evaluation.loss += weight * value;
    if !evaluation.loss.is_finite() {
        return Err(LossError::NotFinite { loss: value.as_f64() }.into());
    }
    if let Some(index) = gradient.iter().position(|g| !g.is_finite()) {
        let (loss, value) = (value.as_f64(), gradient[index].as_f64());
        return Err(LossError::Gradient { loss, index, value }.into());
    }
    evaluation.losses.push(value);
    evaluation.readout.extend_from_slice(reading.values());
    if evaluation.prediction.is_none() {
        evaluation.prediction = loss.predict(reading);
    }
    if *differentiate {
        readout.pull_back(&recording, gradient, &mut sensitivity.layers[layer])?;
    }
    Ok(())
}

/// An objective that finds its target in a larger one; see [`Objective::target`].
#[must_use]
pub struct Targeted<G, T: ?Sized, U: ?Sized> {
    goal: G,
    find: fn(&T) -> &U,
}

impl<G, T: ?Sized, U: ?Sized> Targeted<G, T, U> {
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
                Error::Part { index: assessment.evaluation.losses.len(), source: Box::new(other) }
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
